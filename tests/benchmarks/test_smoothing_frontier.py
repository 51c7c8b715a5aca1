"""Figures of the comparison of smoothers are right where the answer is made to be known."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.smoothing_frontier import FRAMES, Case, Jitter, figures, lucas_kanade, plot

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.tracks import PointInfo, Tracks
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.synth.clip import Clip

COLUMNS = 60


@pytest.fixture(scope="module")
def case() -> Case:
    """Points at rest that move 20 px to the right within ten frames, and rest again."""
    share = np.clip((np.arange(FRAMES) - 45) / 10.0, 0.0, 1.0)
    course = 20.0 * (share**2 * (3.0 - 2.0 * share))
    true = np.stack([course, np.zeros(FRAMES)], axis=-1)[:, None] + np.zeros((1, COLUMNS, 1))
    scale = Calibration(spacing_mm=(0.16, 0.16), times_s=np.arange(FRAMES) / 50.0)
    info = VideoInfo(FRAMES, 8, 6, calibration=scale)
    tracks = Tracks.blank(info, (PointInfo("a"),))
    return Case(Clip("made", np.zeros((FRAMES, 6, 8), np.uint8), tracks), true, true)


def test_jitter_has_the_stated_parts():
    white = Jitter(slow_px=0.0).errors((400, 50, 2), 50.0, 0)
    assert white.std() == pytest.approx(1.0, rel=0.02)
    slow = Jitter(white_px=0.0, slow_px=2.0, slow_s=0.5).errors((4000, 50, 2), 50.0, 1)
    assert slow.std() == pytest.approx(2.0, rel=0.05)
    later = (slow[25:] * slow[:-25]).mean() / (slow**2).mean()
    assert later == pytest.approx(np.exp(-1.0), abs=0.03)
    gross = Jitter(white_px=0.0, slow_px=0.0, outliers=0.1).errors((400, 50, 2), 50.0, 2)
    hit = gross.any(axis=-1)
    assert hit.mean() == pytest.approx(0.1, abs=0.01)
    assert gross[hit].std() == pytest.approx(10.0, rel=0.05)


def test_truth_loses_nothing_and_slowed_motion_its_share(case):
    assert figures(case, case.true) == pytest.approx((0.0, 0.0, 0.0))
    slowed = case.true * [0.7, 1.0]
    assert figures(case, slowed)[1] == pytest.approx(0.3)


def test_jitter_is_told_from_error_in_motion(case):
    noise = np.random.default_rng(0).normal(0, 0.5, case.true.shape)
    jitter, lost, error = figures(case, case.true + noise)
    assert jitter == pytest.approx(0.5, rel=0.03)
    assert abs(lost) < 0.1
    assert error == pytest.approx(0.5 * np.sqrt(2.0), rel=0.05)
    moving = np.zeros((FRAMES, 1, 1))
    moving[45:56] = 3.0
    still, _, off = figures(case, case.true + moving * [0.0, 1.0])
    assert still == 0.0
    assert off > 1.0


def test_windows_of_flow_have_a_size_in_mm(case):
    assert lucas_kanade(case.clip).window == 25


def test_the_figure_is_drawn(tmp_path):
    row = np.array([0.5, 0.1, 1.0])
    names = ("flow window", "Savitzky-Golay 2", "Savitzky-Golay 4", "Butterworth", "median")
    rows = [("raw", "", 2 * row), ("fusion", "x 1", row), ("fusion", "calibrated", row)]
    rows += [(name, "x", row) for name in names]
    plot([("one", rows), ("two", rows)], tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000
