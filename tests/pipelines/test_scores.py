"""Scores by hand, and by the metrics they are put together from."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.metrics.error import in_all_units
from napari_usstrack.metrics.jitter import jitter_of_error
from napari_usstrack.metrics.tap import accuracy
from napari_usstrack.pipelines.figures import Figure, find, mean_of, resampled, share_of
from napari_usstrack.pipelines.scores import AT_256, Comparison, scores

SQUARE = VideoInfo(5, 256, 256, Calibration((0.5, 0.25)))


def comparison(xy, true_xy, video=SQUARE, mode="first", query=0, **changes) -> Comparison:
    xy, true_xy = np.asarray(xy, dtype=float), np.asarray(true_xy, dtype=float)
    everywhere = np.ones(xy.shape[:2], dtype=bool)
    given = {"visible": everywhere, "true_visible": everywhere, "judged": everywhere, **changes}
    queries = np.full(xy.shape[1], query)
    return Comparison(xy=xy, true_xy=true_xy, query_frames=queries, mode=mode, video=video, **given)


def by_hand(off_x: list[float]) -> Comparison:
    """One point that is off by this many px to the right in each frame."""
    true = np.full((len(off_x), 1, 2), 100.0)
    return comparison(true + np.array(off_x)[:, None, None] * [1.0, 0.0], true)


def value(figures, metric: str, unit: str | None = None) -> float:
    found = find(figures, metric, unit)
    assert found is not None, metric
    return found.value


def test_one_point_by_hand():
    figures = scores(by_hand([0.0, 0.5, 3.0, 7.0, 20.0]))
    # Of four frames after the query, closer than 1: 1; 2: 1; 4: 2; 8: 3; 16: 3.
    shares = [value(figures, f"delta_{n}") for n in (1, 2, 4, 8, 16)]
    assert shares == pytest.approx([25, 25, 50, 75, 75])
    assert value(figures, "delta_avg") == pytest.approx(50)
    assert value(figures, "MTE", AT_256) == pytest.approx(5.0)
    assert value(figures, "mean_error", "px") == pytest.approx(30.5 / 4)
    assert value(figures, "mean_error", "mm") == pytest.approx(0.5 * 30.5 / 4)
    assert value(figures, "final_error", "px") == pytest.approx(20.0)
    # Second differences of the scored frames: 4 - 2.5, 13 - 4.
    assert value(figures, "jitter", "px/frame²") == pytest.approx(math.sqrt((1.5**2 + 9**2) / 2))
    assert value(figures, "survival") == 100.0
    assert value(figures, "excursion", "px") == 0.0


def test_a_threshold_is_not_reached_by_its_own_value():
    assert value(scores(by_hand([0.0, 1.0, 1.0])), "delta_1") == 0.0


def test_a_missing_prediction_is_outside_every_threshold_and_told():
    figures = scores(by_hand([0.0, 0.5, np.nan, np.nan, 0.5]))
    assert value(figures, "delta_avg") == pytest.approx(50)
    assert value(figures, "missing") == pytest.approx(50)
    assert {figure.missing for figure in figures} == {50.0}
    assert value(figures, "MTE", "px") == pytest.approx(0.5)
    assert value(figures, "survival") == pytest.approx(25)
    assert value(figures, "OA") == pytest.approx(50)


def test_hidden_points_count_for_visibility_alone():
    true = np.full((3, 1, 2), 100.0)
    seen = np.array([[True], [True], [False]])
    figures = scores(comparison(true + 50.0, true, true_visible=seen))
    assert value(figures, "delta_avg") == 0.0
    assert value(figures, "OA") == pytest.approx(50)
    assert value(figures, "mean_error", "px") == pytest.approx(math.hypot(50, 50))


def test_query_cells_that_are_not_judged_do_not_count():
    true = np.full((4, 1, 2), 100.0)
    judged = np.array([[True], [True], [False], [True]])
    off = np.array([0.0, 3.0, 0.0, 3.0])[:, None, None] * [1.0, 0.0]
    assert value(scores(comparison(true + off, true, judged=judged)), "delta_avg") == 60.0


def random_case(seed: int) -> Comparison:
    rng = np.random.default_rng(seed)
    true = rng.uniform(20, 80, (12, 6, 2))
    xy = true + rng.normal(0, 3, true.shape)
    xy[rng.random(xy.shape[:2]) < 0.1] = np.nan
    video = VideoInfo(12, 100, 90, Calibration((0.2, 0.3), np.arange(12) / 50.0))
    masks = {
        "visible": rng.random(xy.shape[:2]) < 0.8,
        "true_visible": rng.random(xy.shape[:2]) < 0.8,
    }
    return comparison(xy, true, video, "strided", 4, **masks)


@pytest.mark.parametrize("seed", range(3))
def test_estimates_are_those_of_the_metrics(seed):
    case = random_case(seed)
    figures = scores(case)
    told = accuracy(
        case.xy,
        case.true_xy,
        size=(100, 90),
        query_frames=case.query_frames,
        mode="strided",
        true_visible=case.true_visible,
        predicted_visible=case.visible,
    )
    for metric, share in {
        "delta_avg": told.delta_avg,
        "delta_4": told.shares[2],
        "AJ_own_visibility": told.jaccard_own,
        "AJ_true_visibility": told.jaccard_true_visibility,
        "OA": told.occlusion_accuracy,
        "survival": told.survival,
        "missing": told.missing_share,
    }.items():
        assert value(figures, metric) == pytest.approx(100 * share), metric
    for errors in in_all_units(case.xy, case.true_xy, case.scored, video=case.video):
        assert value(figures, "MTE", errors.unit) == pytest.approx(errors.mte)
        assert value(figures, "mean_error", errors.unit) == pytest.approx(errors.mean)
        assert value(figures, "p95_error", errors.unit) == pytest.approx(errors.p95)
    jitter = jitter_of_error(case.xy, case.true_xy, fps=50.0, scored=case.scored)
    assert value(figures, "jitter", jitter.unit) == pytest.approx(jitter.rms)


def test_intervals_hold_the_estimate_and_come_out_the_same_again():
    figures = scores(random_case(5))
    for figure in figures:
        if not math.isnan(figure.low):
            assert figure.low <= figure.value <= figure.high, figure
            assert figure.over == "point"
    assert figures == scores(random_case(5))


def test_one_point_has_no_interval():
    figure = find(scores(by_hand([0.0, 0.5, 3.0])), "delta_avg")
    assert math.isnan(figure.low)
    assert math.isnan(figure.high)


def test_figures_of_nothing_are_not_defined():
    assert math.isnan(share_of("missing", [0, 0], [0, 0]).value)
    assert math.isnan(mean_of("MTE", "px", [np.nan]).value)
    assert math.isnan(resampled("x", "px", 0, lambda at: 1.0).value)


def test_labels():
    assert Figure("MTE", 1.0, "px").label == "MTE, px"
    assert find([Figure("MTE", 1.0, "px")], "MTE", "mm") is None
