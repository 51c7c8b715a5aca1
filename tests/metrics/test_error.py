from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.metrics.error import (
    closure,
    distance_mm,
    distance_px,
    in_all_units,
    mte,
    phase_errors,
    summarise,
    survival_mm,
)

NAN = np.nan
ALL = np.ones((3, 2), dtype=bool)


def test_distance_in_px_and_in_mm_of_pixels_that_are_not_square():
    off = np.array([[[3.0, 4.0], [NAN, NAN], [0.0, 2.0]]])
    true = np.full((1, 3, 2), 40.0)
    assert_allclose(distance_px(true + off, true), [[5, NAN, 2]])
    # 3 px x 0.2 mm and 4 px x 0.2 mm; 2 px x 0.2 mm. With 0.2 on both axes the first is 1.0 too,
    # with 0.1 in x it is hypot(0.3, 0.8).
    assert_allclose(distance_mm(true + off, true, spacing_mm=(0.2, 0.2)), [[1, NAN, 0.4]])
    assert_allclose(
        distance_mm(true + off, true, spacing_mm=(0.1, 0.2)), [[np.hypot(0.3, 0.8), NAN, 0.4]]
    )


DISTANCES = np.array([[1.0, 10.0], [2.0, NAN], [9.0, 30.0]])


def test_median_trajectory_error_takes_the_median_of_each_point_first():
    # Medians 2 and 20; the pool 1, 2, 9, 10, 30 has 9, its mean is 10.4.
    assert mte(DISTANCES, ALL) == 11.0


def test_summary():
    found = summarise(DISTANCES, ALL, unit="mm")
    assert found.unit == "mm"
    assert found.mte == 11.0
    assert found.mean == (4.0 + 20.0) / 2
    # Sorted 1, 2, 9, 10, 30: place 0.95 x 4 = 3.8, so 10 + 0.8 x 20.
    assert_allclose(found.p95, 26.0)
    assert_allclose(found.missing_share, 1 / 6)
    assert found.cells == 6


def test_millimetres_stand_beside_pixels_where_the_scale_is_known():
    true = np.full((2, 1, 2), 40.0)
    predicted = true + np.array([6.0, 4.0])
    used = np.ones((2, 1), dtype=bool)
    info = VideoInfo(2, 512, 256, Calibration((0.5, 1.0)))
    found = in_all_units(predicted, true, used, video=info)
    # (6, 4) px; (3, 4) at 256; (3, 4) mm.
    assert [each.unit for each in found] == ["px", "px at 256", "mm"]
    assert_allclose([each.mte for each in found], [np.sqrt(52), 5, 5])
    bare = in_all_units(predicted, true, used, video=VideoInfo(2, 256, 512))
    assert [each.unit for each in bare] == ["px", "px at 256"]
    assert_allclose(bare[1].mean, np.hypot(6, 2))


def test_unscored_cells_do_not_count_and_a_point_without_any_drops_out():
    used = ALL.copy()
    used[2] = False
    found = summarise(DISTANCES, used, unit="px")
    assert found.mte == (1.5 + 10) / 2
    assert found.missing_share == 0.25
    used[:, 1] = False
    assert summarise(DISTANCES, used, unit="px").mte == 1.5
    empty = summarise(DISTANCES, np.zeros_like(ALL), unit="px")
    assert np.isnan([empty.mte, empty.mean, empty.p95, empty.missing_share]).all()


def test_summary_ignores_the_order_of_points_and_frames():
    plain = summarise(DISTANCES, ALL, unit="px")
    assert summarise(DISTANCES[:, ::-1], ALL, unit="px") == plain
    assert summarise(DISTANCES[::-1], ALL, unit="px") == plain


def test_survival_in_mm():
    distances = np.array([[0.0, 1.0, 2.5, 1.0]]).T
    used = np.array([[False, True, True, True]]).T
    assert_allclose(survival_mm(distances, used, query_frames=0, limit_mm=2.0), 1 / 3)
    assert survival_mm(distances, used, query_frames=0, limit_mm=2.5) == 1


def test_errors_at_phases_of_the_cycle():
    frames = {"ES": 0, "mid-diastole": 2, "ED": 1}
    found = phase_errors(DISTANCES, ALL, frames, query="ED", unit="mm")
    assert found.at == {"ES": 5.5, "mid-diastole": 19.5, "ED": 2.0}
    assert found.spread == 17.5
    assert (found.query, found.unit) == ("ED", "mm")
    assert np.isnan(phase_errors(DISTANCES, ~ALL, frames, query="ED", unit="mm").spread)
    with pytest.raises(ValueError, match="ES"):
        phase_errors(DISTANCES, ALL, {"ES": 3}, query="ED", unit="mm")


def test_closure_of_a_cycle():
    xy = np.array([[[9.0, 9], [0, 0]], [[1, 1], [2, 2]], [[5, 5], [NAN, NAN]], [[4, 5], [2, 4]]])
    assert_allclose(closure(xy, first_ed=1, last_ed=3), [5, 2])
    assert_allclose(closure(xy, first_ed=0, last_ed=2), [np.hypot(4, 4), NAN])
    assert_allclose(closure(xy[::-1], first_ed=0, last_ed=2), [5, 2])
    for first, last in ((2, 1), (1, 1), (1, 4), (-1, 2)):
        with pytest.raises(ValueError, match="ED"):
            closure(xy, first_ed=first, last_ed=last)
