"""Forward and backward passes joined."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_usstrack.core.tracks import Cells, Source
from napari_usstrack.flow.blending import AGREE_PX, blend, forward_weight

LENGTHS = [1, 2, 3, 10, 11, 500]


def passes(length: int, points: int = 2, apart: float = 3.0):
    """A forward and a backward pass that lie `apart` px from each other, both sure."""
    at = np.random.default_rng(length).uniform(0, 100, (length + 1, points, 2))
    return sure(at), sure(at + [apart, 0.0])


def sure(xy, confidence=1.0, visible=True, source=Source.FLOW) -> Cells:
    return Cells.placed(xy, source, confidence=confidence, visible=visible)


@pytest.mark.parametrize("length", LENGTHS)
def test_weight_is_exactly_one_at_the_start_and_zero_at_the_end(length):
    w = forward_weight(length)
    assert w.shape == (length + 1,)
    assert (w[0], w[-1]) == (1.0, 0.0)
    assert (np.diff(w) < 0).all()


@pytest.mark.parametrize("length", LENGTHS)
def test_weight_favours_neither_end(length):
    w = forward_weight(length)
    np.testing.assert_allclose(w + w[::-1], 1.0, atol=1e-12)


def test_weight_by_hand():
    b = 2 * math.log(99) / 4
    expected = [(1 / (1 + math.exp(b * (f - 2))) - 0.5) / 0.98 + 0.5 for f in range(5)]
    np.testing.assert_allclose(forward_weight(4), expected, atol=1e-12)
    # At a quarter of the way the sigmoid is 1 / (1 + 99 ** -0.5).
    quarter = (1 / (1 + 99**-0.5) - 0.5) / 0.98 + 0.5
    assert forward_weight(4)[1] == pytest.approx(quarter, abs=1e-12)
    assert forward_weight(4)[1] == pytest.approx(0.91702, abs=1e-5)


@pytest.mark.parametrize("length", LENGTHS)
def test_both_ends_are_pinned(length):
    forward, backward = passes(length)
    joined = blend(forward, backward)
    np.testing.assert_array_equal(joined.xy[0], forward.xy[0])
    np.testing.assert_array_equal(joined.xy[-1], backward.xy[-1])


def test_between_the_ends_passes_are_weighted():
    forward, backward = passes(6)
    joined = blend(forward, backward)
    w = forward_weight(6)[:, None, None]
    np.testing.assert_allclose(joined.xy, w * forward.xy + (1 - w) * backward.xy, atol=1e-12)


def test_passes_that_agree_stay_where_they_are():
    forward, _ = passes(6)
    joined = blend(forward, forward)
    np.testing.assert_allclose(joined.xy, forward.xy, atol=1e-12)
    np.testing.assert_allclose(joined.confidence, 1.0)


def test_swapping_the_passes_reverses_the_result():
    forward, backward = passes(7)
    joined = blend(forward, backward)
    other = blend(sure(backward.xy[::-1]), sure(forward.xy[::-1]))
    np.testing.assert_allclose(other.xy[::-1], joined.xy, atol=1e-12)
    np.testing.assert_allclose(other.confidence[::-1], joined.confidence, atol=1e-6)


def test_disagreement_by_two_px_halves_confidence_in_the_middle():
    forward, backward = passes(8, apart=AGREE_PX)
    joined = blend(forward, backward)
    np.testing.assert_allclose(joined.confidence[4], 0.5, atol=1e-6)
    np.testing.assert_array_equal(joined.confidence[[0, -1]], 1.0)


def test_confidence_is_the_weighted_mean():
    xy = np.zeros((5, 1, 2))
    joined = blend(sure(xy, 0.8), sure(xy, 0.4))
    w = forward_weight(4)
    np.testing.assert_allclose(joined.confidence[:, 0], 0.8 * w + 0.4 * (1 - w), atol=1e-6)


@pytest.mark.parametrize("lost", ["forward", "backward"])
def test_where_one_pass_lost_the_point_the_other_counts(lost):
    forward, backward = passes(8, points=1)
    seen = np.ones((9, 1), dtype=bool)
    gone = slice(5, 9) if lost == "forward" else slice(0, 4)
    seen[gone] = False
    hidden = {"visible": seen, "confidence": seen.astype(float)}
    if lost == "forward":
        forward = sure(forward.xy, **hidden)
    else:
        backward = sure(backward.xy, **hidden)
    joined = blend(forward, backward)
    other = backward if lost == "forward" else forward
    np.testing.assert_allclose(joined.xy[gone], other.xy[gone], atol=1e-12)
    np.testing.assert_allclose(joined.confidence[gone], 1.0)
    assert joined.visible.all()
    w = forward_weight(8)[:, None, None]
    mixed = w * forward.xy + (1 - w) * backward.xy
    np.testing.assert_allclose(joined.xy[seen[:, 0]], mixed[seen[:, 0]], atol=1e-12)


def test_where_both_passes_lost_the_point_it_is_not_visible():
    forward, backward = passes(8, points=1)
    seen = np.ones((9, 1), dtype=bool)
    seen[3:6] = False
    hidden = {"visible": seen, "confidence": seen.astype(float)}
    joined = blend(sure(forward.xy, **hidden), sure(backward.xy, **hidden))
    np.testing.assert_array_equal(joined.visible, seen)
    assert (joined.confidence[3:6] == 0).all()
    assert joined.present.all()


def test_cells_keep_the_source_of_the_method():
    xy = np.zeros((3, 2, 2))
    joined = blend(sure(xy, source=Source.MODEL), sure(xy, source=Source.MODEL))
    assert (joined.source == Source.MODEL).all()
