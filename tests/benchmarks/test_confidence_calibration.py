"""What the benchmark of confidence computes."""

from types import SimpleNamespace

import numpy as np
import pytest
from benchmarks.calibration import (
    Told,
    area_under_curve,
    covariances,
    figures,
    pooled,
    reliability,
    stated_mm,
)

RNG = np.random.default_rng(3)


def test_confidence_that_is_the_share_of_hits_has_no_calibration_error():
    confidence = RNG.uniform(size=200_000)
    found = reliability(confidence, RNG.uniform(size=confidence.size) < confidence)
    assert found.error < 0.01
    np.testing.assert_allclose(found.said, found.right, atol=0.02)


def test_calibration_error_weighs_bins_by_their_cells_and_leaves_out_empty_ones():
    confidence = np.array([1.0, 1.0, 1.0, 0.2])
    found = reliability(confidence, np.array([True, True, False, False]))
    assert found.cells.tolist() == [1, 3]
    assert found.error == pytest.approx(0.75 * (1 - 2 / 3) + 0.25 * 0.2)


def test_area_under_curve_is_the_share_of_pairs_in_order():
    confidence = np.array([0.9, 0.5, 0.5, 0.1])
    good = np.array([True, True, False, False])
    assert area_under_curve(confidence, good) == pytest.approx((1 + 1 + 0.5 + 1) / 4)
    assert area_under_curve(-confidence, good) == pytest.approx(0.125)
    assert np.isnan(area_under_curve(confidence, np.ones(4, dtype=bool)))


def test_figures_pool_the_cells_of_clips():
    near = Told("a", np.full(3, 0.8), np.full(3, 0.1), np.zeros(0, dtype=bool))
    far = Told("b", np.full(1, 0.4), np.full(1, np.inf), np.zeros(0, dtype=bool))
    assert pooled([near, far], np.array([1, 0])).off_mm.tolist() == [np.inf, 0.1, 0.1, 0.1]
    right, said, gap, ranked, held = (figure.value for figure in figures([near, far], 0.5))
    assert (right, said, ranked) == pytest.approx((75.0, 70.0, 1.0))
    assert gap == pytest.approx(0.75 * 20.0 + 0.25 * 40.0)
    assert np.isnan(held)


def test_covariances_and_distance_are_asked_of_trackers_that_know_them():
    video = SimpleNamespace(info=SimpleNamespace(frame_count=4))
    case = SimpleNamespace(video=video, queries=lambda: ("p1", "p2"))
    plain = SimpleNamespace(settings={}, traits=SimpleNamespace())
    assert covariances(plain, case) is None
    assert stated_mm(plain, 0.5) == 0.5
    knowing = SimpleNamespace(
        settings={"within_mm": 0.7},
        traits=SimpleNamespace(),
        regions=lambda _video, queries, span: np.ones((len(span), len(queries), 2, 2)),
    )
    assert covariances(knowing, case).shape == (4, 2, 2, 2)
    assert stated_mm(SimpleNamespace(settings={}, traits=SimpleNamespace(within_mm=1)), 0.5) == 1
    assert stated_mm(knowing, 0.5) == 0.7
