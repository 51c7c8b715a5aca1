"""Errors of derived measures against hand-made truth."""

import numpy as np
import pytest

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.tracks import CELL_ARRAYS, Cells, PointInfo, Source, Tracks
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.pipelines.bench.derived import derived_errors


def truth_of(xy, group):
    cells = Cells.placed(xy, Source.MANUAL)
    info = VideoInfo(len(xy), 400, 400, Calibration((0.5, 0.5)))
    points = tuple(PointInfo(f"p{i}", group) for i in range(xy.shape[1]))
    return Tracks(**{k: getattr(cells, k) for k in CELL_ARRAYS}, points=points, video=info)


def figures(xy, truth):
    return {figure.metric: figure.value for figure in derived_errors(truth)(xy)}


def line(stretch):
    start = np.stack([np.linspace(100, 200, 6), np.full(6, 80.0)], axis=1)
    return np.stack([start * [factor, 1.0] for factor in stretch])


def test_strain_of_a_wall():
    truth = truth_of(line([1.0, 0.9, 0.8]), "mid-wall")
    assert figures(truth.xy, truth)["wall_strain_error"] == pytest.approx(0.0, abs=1e-9)
    found = figures(line([1.0, 0.95, 0.9]), truth)
    assert found["wall_strain_error"] == pytest.approx((5.0 + 10.0) / 2)


def test_length_and_angle_of_a_fascicle():
    truth = truth_of(line([1.0, 0.9, 0.8]), "fascicle-1")
    found = figures(line([1.0, 0.9, 0.9]), truth)
    assert found["fascicle_length_error"] == pytest.approx((0.0 + 5.0) / 2)
    turn = np.deg2rad(6.0)
    turned = truth.xy @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    turned[0] = truth.xy[0]
    assert figures(turned, truth)["fascicle_angle_error"] == pytest.approx(6.0)


def test_strain_in_regions_knows_the_muscle_from_across_it():
    x, y = np.meshgrid(np.linspace(0, 100, 5), np.linspace(0, 40, 3))
    start = np.stack([x.ravel(), y.ravel()], axis=1)
    still, longer = start[None].repeat(3, axis=0), start * [1.1, 1.0]
    truth = truth_of(still, "muscle-1")
    found = figures(np.stack([start, start, longer]), truth)
    assert found["regional_strain_error"] == pytest.approx(10.0 / 4)


def test_a_rigid_turn_is_no_strain():
    start = np.random.default_rng(0).uniform(0, 100, (12, 2))
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    truth = truth_of(start[None].repeat(2, axis=0), "muscle-2")
    found = figures(np.stack([start, start @ turn + 9.0]), truth)
    assert found["regional_strain_error"] == pytest.approx(0.0, abs=1e-9)


def test_flat_triangles_do_not_count():
    start = np.array([[0, 0], [30, 0], [15, 20], [45, 20.0], [15, -0.5]])
    truth = truth_of(start[None].repeat(2, axis=0), "muscle-1")
    moved = start.copy()
    moved[4, 1] -= 2.0
    # The flat triangle at the bottom alone would stretch by several hundred percent.
    found = figures(np.stack([start, moved]), truth)["regional_strain_error"]
    assert 0.0 < found < 10.0


def test_unknown_frames_do_not_count_and_other_groups_give_nothing():
    truth = truth_of(line([1.0, 0.9, 0.8]), "mid-wall")
    xy = truth.xy.copy()
    xy[2, 3] = np.nan
    assert figures(xy, truth)["wall_strain_error"] == pytest.approx(0.0, abs=1e-9)
    assert derived_errors(truth_of(line([1.0]), "tissue")) is None
