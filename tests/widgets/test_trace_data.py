from __future__ import annotations

import numpy as np
import pytest

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.tracks import Cells, Source, Tracks, named_points
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.widgets import trace_data as data

NAN = np.nan


def tracks(xy, *, spacing=None, times=None) -> Tracks:
    xy = np.asarray(xy, dtype=float)
    info = VideoInfo(len(xy), 99, 99, Calibration(spacing, times))
    points = named_points([f"p{i}" for i in range(xy.shape[1])])
    return Tracks.blank(info, points).with_cells(Cells.placed(xy, Source.FLOW))


def test_speed_uses_the_true_times() -> None:
    xy = [[0, 0], [3, 4], [6, 8], [6, 8]]
    assert data.speed(xy, [0.0, 1.0, 1.5, 3.5]) == pytest.approx([5, 10 / 1.5, 5 / 2.5, 0])


def test_speed_does_not_reach_over_gaps() -> None:
    xy = [[0, 0], [2, 0], [NAN, NAN], [9, 0], [NAN, NAN]]
    found = data.speed(xy, np.arange(5.0))
    np.testing.assert_array_equal(found, [2, 2, NAN, NAN, NAN])


def test_speed_without_passing_time_is_unknown() -> None:
    assert np.isnan(data.speed([[0, 0], [1, 0]], [1.0, 1.0])).all()


def test_each_axis_has_its_own_scale() -> None:
    shown = tracks([[[0, 0]], [[10, 10]]], spacing=(0.3, 0.4), times=np.array([0, 0.5]))
    assert data.values(shown, "x")[:, 0] == pytest.approx([0, 3])
    assert data.values(shown, "y")[:, 0] == pytest.approx([0, 4])
    assert data.values(shown, "speed")[:, 0] == pytest.approx([10, 10])
    assert data.unit(shown.video, "speed") == "mm/s"


def test_without_calibration_px_and_frames() -> None:
    shown = tracks([[[0, 0]], [[3, 4]]])
    assert data.values(shown, "speed")[:, 0] == pytest.approx([5, 5])
    assert data.unit(shown.video, "speed") == "px/frame"
    assert data.unit(shown.video, "x") == "px"


def test_nearest_frame_and_interval_snap() -> None:
    times = np.array([0.0, 0.1, 0.5, 0.6])
    assert [data.nearest_frame(times, t) for t in (-1, 0.29, 0.31, 9)] == [0, 1, 2, 3]
    assert data.interval_at(times, 0.52, 0.08) == range(1, 3)


def test_thinned_keeps_extremes_and_gaps() -> None:
    y = np.zeros(1000)
    y[503], y[200:300] = 7.0, NAN
    x, thin = data.thinned(np.arange(1000.0), y, 10)
    assert len(x) == 30
    assert np.nanmax(thin) == 7.0
    assert np.isnan(thin[6:9]).all()
    assert np.isfinite(thin[:6]).all()


def test_thinned_leaves_short_curves_alone() -> None:
    x = np.arange(5.0)
    assert data.thinned(x, x, 10)[1] is x


def test_lone_samples_are_found() -> None:
    assert data.lone(np.array([1.0, NAN, 2.0, 3.0, NAN])).tolist() == [True] + [False] * 4


def test_distance_is_measured_to_the_line() -> None:
    x, table = np.array([0.0, 10.0]), np.array([[0.0, NAN], [10.0, 4.0]])
    assert data.distances(x, table, (5.0, 5.0)) == pytest.approx([0, np.hypot(5, 1)])


def test_colours_darken_on_light_ground_only() -> None:
    assert data.readable("#ffd400", "#202020") == "#ffd400"
    assert data.readable("#ffd400", "#ffffff") < "#ffd400"


def test_renew_changes_only_named_columns() -> None:
    before = tracks(np.zeros((3, 2, 2)))
    after = tracks(np.ones((3, 2, 2)))
    curves = data.Curves.of(before, before)
    curves.table("x")
    assert curves.renew(after, before, {"p1"}) == [1]
    assert curves.table("x").tolist() == [[0, 1]] * 3
