"""Jumps and blips: by hand, and equal to DUSTrack 1.3.2."""

from __future__ import annotations

from functools import cache

import blip_traces as traces
import numpy as np
import pytest

from napari_usstrack.smoothing.outliers import (
    bar_above,
    blips,
    centre_and_spread,
    jumps,
    steps,
    surprises,
)


def walk(*x: float) -> np.ndarray:
    return np.column_stack([np.array(x, dtype=float), np.zeros(len(x))])


def wobble(count: int, *changes: tuple[int, int, float]) -> np.ndarray:
    """Steps of 1 and 2 px in turn; from first to before last, moved by so many px."""
    x = np.cumsum(np.arange(count) % 2 + 1.0)
    for first, last, by in changes:
        x[first:last] += by
    return walk(*x)


# --- steps and bars --------------------------------------------------------------------------


def test_steps_are_vectors_between_frames():
    assert steps([[0, 0], [3, 4], [3, np.nan]]).tolist()[0] == [3, 4]
    assert np.isnan(steps([[0, 0], [3, 4], [3, np.nan]])[1, 1])
    assert steps(np.zeros((1, 2))).shape == (0, 2)
    assert steps(np.zeros((5, 3, 2))).shape == (4, 3, 2)


def test_a_step_over_a_missed_frame_is_scaled():
    moved = steps(walk(0, 1, 3, 4), [0.0, 0.1, 0.3, 0.4])
    np.testing.assert_allclose(moved[:, 0], 1.0)
    np.testing.assert_allclose(steps(walk(0, 1, 3), [0.0, 0.0, 0.1])[:, 0], [1, 1])


def test_shapes_that_cannot_be():
    with pytest.raises(ValueError, match="frames"):
        steps(np.zeros(4))
    with pytest.raises(ValueError, match="frames"):
        steps(np.zeros((4, 3)))
    with pytest.raises(ValueError, match="2 times for 4 frames"):
        steps(walk(0, 1, 2, 3), [0, 1])
    with pytest.raises(ValueError, match="longest >= 1"):
        blips(walk(0, 1), longest=0)
    with pytest.raises(ValueError, match="blips need"):
        blips(np.zeros((3, 4, 2)))


def test_centre_and_spread_per_column():
    values = np.array([[1.0, np.nan], [2.0, np.nan], [4.0, np.nan], [np.nan, np.nan]])
    centre, spread = centre_and_spread(values)
    assert centre[0] == 2
    assert spread[0] == pytest.approx(1.4826)
    assert np.isnan([centre[1], spread[1]]).all()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, 4], 2 + 5 * 1.4826),
        ([1, 1, 1, 9], 5.0),
        ([1, 1, 1, 1], np.inf),
        ([np.nan, np.nan], np.inf),
        ([], np.inf),
        ([1, np.nan, 2, 4], 2 + 5 * 1.4826),
    ],
)
def test_bar(values, expected):
    assert bar_above(np.array(values, dtype=float), 5.0) == pytest.approx(expected)


# --- jumps -----------------------------------------------------------------------------------


def test_the_frame_after_a_long_step_is_a_jump():
    assert np.flatnonzero(jumps(wobble(20, (12, 20, 30.0)))).tolist() == [12]


def test_jumps_of_several_points_are_told_apart():
    both = np.stack([wobble(20, (12, 20, 30.0)), wobble(20)], axis=1)
    assert np.argwhere(jumps(both)).tolist() == [[12, 0]]


def test_no_jump_over_a_hole_or_without_motion():
    xy = wobble(20, (12, 20, 30.0))
    xy[11] = np.nan
    assert not jumps(xy).any()
    assert not jumps(np.ones((9, 2))).any()
    assert not jumps(np.full((9, 2), np.nan)).any()
    assert jumps(np.ones((1, 2))).tolist() == [False]


def test_a_missed_frame_is_no_jump():
    x = np.array([0, 1, 2.1, 3, 4.2, 5, 15, 16, 17.1])
    times = np.array([0, 1, 2, 3, 4, 5, 15, 16, 17]) / 10
    assert np.flatnonzero(jumps(walk(*x))).tolist() == [6]
    assert not jumps(walk(*x), times).any()


# --- surprises -------------------------------------------------------------------------------


def test_a_single_long_step_is_a_surprise_and_lasting_motion_is_not():
    assert surprises(walk(0, 0, 0, 8, 8, 8))[3] == 8
    assert np.nansum(surprises(walk(0, 0, 0, 8, 16, 24, 32, 32, 32))) == 0
    assert np.isnan(surprises(walk(0, 0, 0)))[0]


def test_at_the_ends_the_longer_step_is_the_surprise():
    np.testing.assert_array_equal(surprises(walk(0, 0, 8, 8, 8))[1:], [0, 8, 0, 0])
    np.testing.assert_array_equal(surprises(walk(0, 8, 8, 8, 8))[1:], [8, 0, 0, 0])
    np.testing.assert_array_equal(surprises(walk(0, 0, 0, 0, 8))[1:], [0, 0, 0, 8])
    np.testing.assert_array_equal(surprises(walk(0, 0, 0, 8, 8))[1:], [0, 0, 8, 0])
    np.testing.assert_array_equal(surprises(walk(0, 0, 8))[1:], [0, 8])


def test_beside_a_hole_the_other_neighbour_counts():
    np.testing.assert_array_equal(
        surprises(walk(0, 0, 0, np.nan, 5, 5, 9, 9)),
        [np.nan, 0, 0, np.nan, np.nan, 0, 4, 0],
    )
    assert np.isnan(surprises(np.ones((2, 2)))).all()


# --- blips -----------------------------------------------------------------------------------


def test_there_and_back():
    found = blips(wobble(30, (10, 13, 40.0), (20, 21, -40.0)))
    assert found.spans.tolist() == [[10, 12], [20, 20]]
    assert (found.at_edge, found.no_return, found.too_long) == (0, 0, 0)


@pytest.mark.parametrize(("length", "count"), [(5, 1), (6, 0)])
def test_a_blip_has_at_most_so_many_frames(length, count):
    found = blips(wobble(40, (10, 10 + length, 400.0)), longest=5)
    assert len(found.spans) == count
    assert found.too_long == 2 * (1 - count)


def test_why_a_step_is_no_blip():
    assert blips(wobble(30, (28, 30, 40.0))).at_edge == 1
    assert blips(wobble(30, (12, 30, 40.0))).too_long == 1
    hole = wobble(30, (10, 13, 40.0))
    hole[12] = np.nan
    assert blips(hole).no_return == 1


def test_nothing_to_find():
    for xy in (np.full((9, 2), np.nan), np.ones((9, 2)), np.ones((1, 2)), np.empty((0, 2))):
        found = blips(xy)
        assert found.spans.shape == (0, 2)
        assert found.at_edge == 0


@cache
def dustrack() -> dict[str, np.ndarray]:
    with np.load(traces.REFERENCE) as stored:
        return dict(stored)


@pytest.mark.parametrize("index", range(traces.COUNT))
def test_equals_dustrack(index):
    found = blips(traces.trace(index), *traces.options(index))
    spans = dustrack()["spans"][dustrack()["owner"] == index]
    np.testing.assert_array_equal(found.spans, spans)
    counts = [found.at_edge, found.no_return, found.too_long]
    assert counts == dustrack()["counts"][index].tolist()


def test_the_reference_covers_every_outcome():
    assert len(dustrack()["spans"]) > 100
    assert (dustrack()["counts"].sum(axis=0) > 20).all()
