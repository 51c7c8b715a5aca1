"""Points of a wall kept alike along it."""

from __future__ import annotations

import numpy as np
import pytest

from napari_usstrack.core.tracker import Queries
from napari_usstrack.core.tracks import Cells, Source
from napari_usstrack.flow.contours import held_to_contours

MM = (0.3, 0.3)
FRAMES, POINTS = 9, 11


def wall(radius, at=(150.0, 120.0), points=POINTS, share=0.5):
    """Points of an arc, px."""
    turn = np.linspace(0.0, 2.0 * np.pi * share, points, endpoint=share < 1.0)
    return np.stack([at[0] + radius * np.cos(turn), at[1] - radius * np.sin(turn)], axis=-1)


def asked(*walls, kind="contour") -> Queries:
    xy = np.concatenate(walls)
    group = tuple(f"wall {i}" for i, each in enumerate(walls) for _ in each)
    name = tuple(f"p{i}" for i in range(len(xy)))
    return Queries(np.zeros(len(xy)), xy, name, group=group, kind=(kind,) * len(xy))


def shrinking(queries, by=1.0, noise=0.0, seed=0):
    """Points that move to the middle, px per frame."""
    middle = np.array([150.0, 120.0])
    inward = middle - queries.xy
    inward /= np.hypot(*inward.T)[:, None]
    xy = queries.xy + by * np.arange(FRAMES)[:, None, None] * inward
    stray = np.random.default_rng(seed).normal(0.0, noise, xy.shape)
    stray[0] = 0.0
    return xy, Cells.placed(xy + stray, Source.FLOW, confidence=0.9)


def held(queries, cells) -> Cells:
    return held_to_contours(queries, cells, range(FRAMES), MM)


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_wall_that_contracts_evenly_is_left_nearly_as_it_is(share):
    queries = asked(wall(80.0, points=16, share=share))
    truth, cells = shrinking(queries, 2.0)
    found = held(queries, cells)
    assert np.hypot(*(found.xy - truth).T).max() * MM[0] < 0.25
    np.testing.assert_array_equal(found.xy[0], queries.xy)
    np.testing.assert_array_equal(found.confidence, cells.confidence)


def test_jitter_along_the_wall_is_less():
    queries = asked(wall(80.0, points=20))
    truth, cells = shrinking(queries, 1.0, noise=1.5)
    before = np.hypot(*(cells.xy - truth).T).mean()
    after = np.hypot(*(held(queries, cells).xy - truth).T).mean()
    assert after < 0.85 * before


def test_a_single_point_far_off_is_brought_back_with_little_confidence():
    queries = asked(wall(80.0))
    truth, cells = shrinking(queries)
    xy = cells.xy.copy()
    xy[3:, 5] += (25.0, -10.0)
    found = held(queries, Cells.placed(xy, Source.FLOW, confidence=0.9))
    assert np.hypot(*(found.xy - truth).T).max() * MM[0] < 0.6
    assert (found.confidence[3:, 5] < 0.3).all()
    assert (np.delete(found.confidence, 5, axis=1) > 0.8).all()


def test_lost_points_follow_their_neighbours():
    queries = asked(wall(80.0))
    truth, cells = shrinking(queries, 1.5)
    xy, visible = cells.xy.copy(), cells.visible.copy()
    xy[1:, 4], visible[1:, 4] = xy[0, 4], False
    lost = Cells(
        xy=xy, confidence=np.where(visible, 0.9, 0.0), visible=visible, source=cells.source
    )
    found = held(queries, lost)
    assert np.hypot(*(found.xy[:, 4] - truth[:, 4]).T).max() * MM[0] < 0.6
    np.testing.assert_array_equal(found.visible, visible)


def test_the_two_sides_of_a_wall_are_not_mixed():
    inner, outer = asked(wall(70.0)), asked(wall(80.0))
    both = asked(wall(70.0), wall(80.0))
    _, cells = shrinking(both, noise=1.0)
    xy = cells.xy.copy()
    xy[1:, :POINTS] += (6.0, 0.0)
    together = held(both, Cells.placed(xy, Source.FLOW, confidence=0.9))
    for queries, at in ((inner, slice(0, POINTS)), (outer, slice(POINTS, None))):
        alone = held(queries, Cells.placed(xy[:, at], Source.FLOW, confidence=0.9))
        np.testing.assert_array_equal(together.xy[:, at], alone.xy)


@pytest.mark.parametrize("kind", ["point", "line"])
def test_other_kinds_and_short_contours_are_left_alone(kind):
    queries = asked(wall(80.0), kind=kind)
    _, cells = shrinking(queries, noise=1.0)
    assert held(queries, cells).equals(cells)
    short = asked(wall(80.0, points=3))
    _, cells = shrinking(short, noise=1.0)
    assert held(short, cells).equals(cells)


def test_frames_in_which_a_point_is_missing_stay_as_they_are():
    queries = asked(wall(80.0))
    _, cells = shrinking(queries, noise=1.0)
    xy = cells.xy.copy()
    xy[4, 2] = np.nan
    some = Cells.placed(xy, Source.FLOW, confidence=0.9)
    found = held(queries, some)
    np.testing.assert_array_equal(found.xy[4], some.xy[4])
    assert not np.array_equal(found.xy[5], some.xy[5])
