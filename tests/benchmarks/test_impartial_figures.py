"""Figures of impartiality of trackers whose every answer is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from benchmarks import impartial
from napari_usstrack.core.tracker import Progress, Queries, Traits
from napari_usstrack.core.tracks import Cells, Source
from napari_usstrack.core.video import CallbackVideo, VideoInfo
from napari_usstrack.metrics.impartiality import ANGLES_DEG

FRAMES, SIDE, STEP = 12, 96, np.array([0.7, -0.4])
MEAN_LAG = (FRAMES - 1 + 1) / 2
"""Mean number of frames from the query, over the frames after it."""
WAY = impartial.TRAVEL_PX * (impartial.STEPS + 1) / (2 * impartial.STEPS)
"""Mean way of a picture that moves as a whole."""


@dataclass
class Fake:
    """Moves points from where they were asked for to ``place(video, frame)`` beside it."""

    place: Callable
    settings = {}
    traits = Traits("fake", Source.FLOW, "pair", 1.0)

    def track(self, video, queries, span):
        yield Progress(0, 1)
        moves = np.array([self.place(video, frame) for frame in span])
        yield Progress(1, 1)
        return Cells.placed(queries.xy + moves[:, None], Source.FLOW)


def middle(video, frame):
    """Middle of the bright spot."""
    picture = video.frames(range(frame, frame + 1))[0].astype(float)
    down, right = np.mgrid[: picture.shape[0], : picture.shape[1]]
    return np.array([(picture * right).sum(), (picture * down).sum()]) / picture.sum()


PERFECT = Fake(lambda video, frame: middle(video, frame) - middle(video, 0))
RESTING = Fake(lambda video, frame: np.zeros(2))
RIGHTWARDS = Fake(lambda video, frame: np.array([1.0, 0.0]) * frame)


@pytest.fixture(scope="module")
def clip():
    """A soft spot on black that moves by parts of a px, and two points."""
    down, right = np.mgrid[:SIDE, :SIDE]
    apart = [np.hypot(*(np.stack([right, down], -1) - 47.0 - i * STEP).T).T for i in range(FRAMES)]
    frames = np.rint(200 * np.exp(-(np.array(apart) ** 2) / 50)).astype(np.uint8)
    video = CallbackVideo(VideoInfo(FRAMES, SIDE, SIDE), lambda s: frames[s.start : s.stop])
    return video, Queries(np.zeros(2, int), np.array([[47.0, 47.0], [52.0, 44.0]]), ("a", "b"))


def look(tracker, clip):
    return impartial.looked(tracker, *clip, noise_grey=0.0)


def test_a_perfect_tracker_has_no_gap_and_no_error(clip):
    found = look(PERFECT, clip)
    assert found.motion == pytest.approx(np.hypot(*STEP) * MEAN_LAG, rel=0.01)
    assert max(found.gaps) < 0.01
    assert found.static < 1e-9
    assert found.rigid.max() < 0.02
    np.testing.assert_allclose(found.excursions, 1.0, atol=0.01)


def test_a_tracker_that_never_moves_has_no_gap_and_no_excursion(clip):
    found = look(RESTING, clip)
    assert (found.motion, found.static, *found.gaps) == (0.0, 0.0, 0.0, 0.0, 0.0)
    np.testing.assert_allclose(found.rigid, WAY)
    np.testing.assert_allclose(found.excursions, 0.0)


def test_a_tracker_that_always_goes_right_shows_in_every_figure(clip):
    found = look(RIGHTWARDS, clip)
    assert found.motion == pytest.approx(MEAN_LAG)
    gaps = dict(zip(impartial.CHANGES, found.gaps, strict=True))
    assert gaps["left-right"] == pytest.approx(2.0 * MEAN_LAG)
    assert gaps["up-down"] == pytest.approx(0.0, abs=1e-9)
    assert gaps["quarter turn"] == pytest.approx(np.sqrt(2.0) * MEAN_LAG)
    assert found.static == pytest.approx(MEAN_LAG)
    lag = WAY / (impartial.TRAVEL_PX / impartial.STEPS)
    step = impartial.TRAVEL_PX / impartial.STEPS
    ways = step * np.exp(1j * np.deg2rad(ANGLES_DEG))
    np.testing.assert_allclose(found.rigid, lag * abs(ways - 1.0))
    np.testing.assert_allclose(found.excursions, 1.0 / step)


def test_figures_pool_clips_and_the_spread_is_that_of_the_means(clip):
    one = impartial.Look(4.0, (1.0, 2.0, 3.0), 0.5, np.arange(8.0), np.full(8, 0.9))
    two = impartial.Look(6.0, (3.0, 2.0, 1.0), 1.5, np.arange(8.0)[::-1], np.full(8, 1.0))
    found = dict(zip(impartial.COLUMNS, impartial.figures([one, two]), strict=True))
    values = [figure.value for figure in found.values()]
    assert values == pytest.approx([5.0, 2.0, 2.0, 2.0, 1.0, 3.5, 0.0, 95.0])
    assert impartial.figures([one])[-2].value == pytest.approx(7.0)
    assert impartial.directions("m", [one, two]).split() == ["m"] + ["3.50"] * 8
    assert np.isnan(impartial.figures([one])[0].low)


def test_the_script_prints_both_tables(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(impartial, "FRAMES", 10)
    monkeypatch.setattr(impartial, "SIZE_PX", 96)
    words = ["--methods", "lucas-kanade", "--scenes", "free", "--each", "--cache", str(tmp_path)]
    impartial.main(words)
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines() if line] == [
        *("1", "free", "lucas-kanade", "mean", "lucas-kanade")
    ]
    with pytest.raises(SystemExit, match="no scene 'foot'"):
        impartial.main(["--scenes", "foot"])
