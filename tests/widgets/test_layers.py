from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_usstrack.core import edits
from napari_usstrack.core.tracks import CELL_ARRAYS, Cells, Source, Tracks, named_points
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.widgets.layers import (
    Placement,
    editor_rows,
    label_rows,
    offered_rows,
    run_rows,
    tracks_table,
    window,
)


def tracks_of(xy: np.ndarray, source: np.ndarray | None = None) -> Tracks:
    cells = Cells.placed(xy, Source.FLOW, confidence=0.5)
    arrays = {name: getattr(cells, name).copy() for name in CELL_ARRAYS}
    if source is not None:
        arrays["source"] = source
    frames, points = xy.shape[:2]
    return Tracks(
        **arrays,
        points=named_points([f"p{i}" for i in range(points)]),
        video=VideoInfo(frames, 320, 200),
    )


@given(
    ndim=st.integers(3, 5),
    data=st.data(),
    frames=st.lists(st.integers(0, 99), min_size=1, max_size=5),
)
def test_placement_round_trips_on_any_axes(ndim: int, data: st.DataObject, frames: list) -> None:
    axis = data.draw(st.integers(0, ndim - 3))
    place = Placement(ndim, axis, tuple(range(7, 7 + ndim - 3)))
    xy = np.column_stack([np.arange(len(frames)) + 0.25, np.arange(len(frames)) * 3.0])
    back_frames, back_xy = place.positions(place.coordinates(frames, xy))
    assert back_frames.tolist() == frames
    np.testing.assert_array_equal(back_xy, xy)


def test_placement_puts_rows_before_columns_and_keeps_other_axes() -> None:
    place = Placement(ndim=4, time_axis=1, fixed=(2,))
    np.testing.assert_array_equal(place.coordinates([5], [[30.0, 40.0]]), [[2, 5, 40, 30]])


def test_placement_cuts_the_clip_out_of_more_axes() -> None:
    data = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    np.testing.assert_array_equal(Placement(4, 0, (1,)).clip_of(data), data[:, 1])
    np.testing.assert_array_equal(Placement(4, 1, (1,)).clip_of(data), data[1])


def rows_to_edit(labels: Tracks, under: Tracks, frame: int, before=None):
    offered = under.block([frame], range(under.shape[1]))
    return editor_rows(
        label_rows(labels), offered_rows(labels, under.points, offered, frame), before
    )


def test_rows_to_edit_are_labels_and_what_is_proposed_in_the_frame() -> None:
    xy = np.arange(8.0).reshape(2, 2, 2)
    labels = tracks_of(xy, np.full((2, 2), Source.MANUAL, dtype=np.uint8)).select(["p1"])
    labels = labels.over(Tracks.blank(labels.video, named_points(["p1", "p0"])))
    rows = rows_to_edit(labels, tracks_of(xy), 1)
    assert rows.keys == ((0, "p1"), (1, "p1"), (1, "p0"))
    assert rows.proposed.tolist() == [False, False, True]
    np.testing.assert_array_equal(rows.xy[2], xy[1, 0])
    assert rows.features["source"].tolist() == ["manual", "manual", "flow"]


def test_rows_keep_their_places_when_a_proposal_becomes_a_label_and_in_the_next_frame() -> None:
    xy = np.arange(12.0).reshape(2, 3, 2)
    under = tracks_of(xy)
    blank = Tracks.blank(under.video, under.points)
    before = rows_to_edit(blank, under, 0)
    placed = edits.put(blank, 0, "p1", (5.0, 6.0)).apply(blank)
    after = rows_to_edit(placed, under, 0, before)
    assert after.keys == before.keys
    assert after.proposed.tolist() == [True, False, True]
    np.testing.assert_array_equal(after.xy[1], [5.0, 6.0])
    moved = rows_to_edit(placed, under, 1, after)
    assert moved.keys == ((1, "p0"), (0, "p1"), (1, "p2"), (1, "p1"))


def test_run_rows_leave_out_what_a_person_labelled() -> None:
    run = tracks_of(np.ones((4, 2, 2)))
    labels = tracks_of(np.ones((4, 2, 2)), np.full((4, 2), Source.MANUAL, dtype=np.uint8))
    half = labels.select(["p0"])
    assert set(run_rows(run, half, range(1, 3)).keys) == {(1, "p1"), (2, "p1")}


def test_tracks_table_is_sorted_finite_and_cut_at_gaps() -> None:
    xy = np.random.default_rng(0).uniform(0, 100, (6, 2, 2))
    xy[2, 0] = np.nan
    table, features = tracks_table(tracks_of(xy), range(6))
    assert np.isfinite(table).all()
    assert np.array_equal(np.unique(table[:, 0]), [0, 1, 2])
    assert np.array_equal(table, table[np.lexsort((table[:, 1], table[:, 0]))])
    first = table[table[:, 0] == 0]
    np.testing.assert_array_equal(first[:, 1], [0, 1])
    np.testing.assert_array_equal(first[:, [3, 2]], xy[:2, 0])
    assert features["point"].tolist() == [0.25] * 5 + [0.75] * 6


def test_tracks_table_of_nothing_is_empty() -> None:
    table, features = tracks_table(tracks_of(np.full((3, 2, 2), np.nan)), range(3))
    assert table.shape == (0, 4)
    assert features["confidence"].size == 0


@pytest.mark.parametrize("frame", [0, 1, 500, 998, 999])
def test_window_holds_the_frame_and_bounds_the_vertices(frame: int) -> None:
    run = tracks_of(np.ones((1000, 4, 2)))
    span = window(run, frame, most=800)
    assert frame in span
    assert len(span) * 4 <= 800
    assert span.start >= 0
    assert span.stop <= 1000


def test_window_of_a_short_run_is_all_of_it() -> None:
    assert window(tracks_of(np.ones((50, 4, 2))), 20) == range(50)
