from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_usstrack.core import edits
from napari_usstrack.core.edits import Edit
from napari_usstrack.core.errors import EditConflictError, UsstrackError
from napari_usstrack.core.history import History, RunChange
from napari_usstrack.core.tracks import Cells, PointInfo, Source, Tracks, named_points
from napari_usstrack.core.video import VideoInfo

FRAMES = 6
VIDEO = VideoInfo(FRAMES, 40, 30)
NAMES = "abcdefgh"
LOOKED = [source for source in Source if source > Source.ABSENT]


def blank(names: str = "abc") -> Tracks:
    return Tracks.blank(VIDEO, named_points(list(names)))


def labelled() -> Tracks:
    """Point a placed in frames 0 and 2, b accepted in 1 and absent in 3, c empty."""
    tracks = blank()
    tracks = edits.put(tracks, 0, "a", (1, 2)).apply(tracks)
    tracks = edits.put(tracks, 2, "a", (3, 4)).apply(tracks)
    tracks = edits.put(tracks, 1, "b", (5, 6), Source.ACCEPTED).apply(tracks)
    return edits.mark_absent(tracks, [3], ["b"]).apply(tracks)


def same(one: Tracks, other: Tracks) -> bool:
    return one.equals(other) and one.points == other.points and one.log == other.log


# --- random sequences against a plain dictionary ---------------------------------------------

Content = tuple[int, tuple[float, float] | None, float | None, bool]


class Model:
    """What annotations should be: a list of names and a dictionary of cells."""

    def __init__(self, tracks: Tracks) -> None:
        self.roster = list(tracks.points)
        self.cells: dict[tuple[str, int], Content] = {}

    def set(self, name: str, frame: int, content: Content) -> None:
        self.cells[name, frame] = content
        if content[0] == Source.MISSING:
            del self.cells[name, frame]

    def check(self, tracks: Tracks) -> None:
        assert list(tracks.points) == self.roster
        for column, name in enumerate(tracks.names):
            for frame in range(FRAMES):
                wanted = self.cells.get((name, frame), (Source.MISSING, None, None, False))
                assert content_of(tracks, frame, column) == wanted


def content_of(cells: Cells, frame: int, column: int) -> Content:
    xy = cells.xy[frame, column]
    confidence = cells.confidence[frame, column]
    return (
        int(cells.source[frame, column]),
        None if np.isnan(xy).all() else (float(xy[0]), float(xy[1])),
        None if np.isnan(confidence) else float(confidence),
        bool(cells.visible[frame, column]),
    )


coordinate = st.floats(-20, 60, width=64)
some_frames = st.lists(st.integers(0, FRAMES - 1), unique=True, max_size=FRAMES)


@st.composite
def blocks(draw, frames: int, points: int) -> Cells:
    count = frames * points
    source = draw(st.lists(st.sampled_from(list(Source)), min_size=count, max_size=count))
    xy = draw(st.lists(st.tuples(coordinate, coordinate), min_size=count, max_size=count))
    sure = draw(st.lists(st.floats(0, 1, width=32), min_size=count, max_size=count))
    seen = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    source = np.array(source, dtype=np.uint8).reshape(frames, points)
    present = source > Source.ABSENT
    xy = np.array(xy, dtype=float).reshape(frames, points, 2)
    return Cells(
        np.where(present[..., None], xy, np.nan),
        np.where(present, np.array(sure).reshape(frames, points), np.nan),
        present & np.array(seen, dtype=bool).reshape(frames, points),
        source,
    )


def draw_cells_edit(draw, tracks: Tracks, model: Model) -> Edit:
    names = draw(st.lists(st.sampled_from(tracks.names), unique=True, min_size=1))
    frames = draw(some_frames)
    kind = draw(st.sampled_from(["put", "clear", "absent", "write"]))
    if kind == "put":
        frame, xy = draw(st.integers(0, FRAMES - 1)), draw(st.tuples(coordinate, coordinate))
        source = draw(st.sampled_from(LOOKED))
        model.set(names[0], frame, (int(source), xy, None, True))
        return edits.put(tracks, frame, names[0], xy, source)
    if kind == "clear":
        cells, edit = Cells.empty(len(frames), len(names)), edits.clear(tracks, frames, names)
    elif kind == "absent":
        edit = edits.mark_absent(tracks, frames, names)
        cells = edit.after
    else:
        cells = draw(blocks(len(frames), len(names)))
        edit = edits.write(tracks, "write", frames, names, cells)
    for row, frame in enumerate(frames):
        for column, name in enumerate(names):
            model.set(name, frame, content_of(cells, row, column))
    return edit


def draw_roster_edit(draw, tracks: Tracks, model: Model) -> Edit:
    free = [name for name in NAMES if name not in tracks.names]
    kinds = ["reorder", "recolour"]
    kinds += ["add", "rename"] if free and tracks.names else ["add"] if free else []
    kinds += ["remove"] if tracks.names else []
    kind = draw(st.sampled_from(kinds))
    if kind == "add":
        names = draw(st.lists(st.sampled_from(free), unique=True, min_size=1, max_size=3))
        points = [PointInfo(name, group="new", colour="#010203") for name in names]
        model.roster += points
        return edits.add_points(tracks, points)
    if kind == "reorder":
        model.roster = draw(st.permutations(model.roster))
        return edits.set_roster(tracks, "reorder", model.roster)
    if kind == "recolour":
        model.roster = [replace(point, colour="#aabbcc", kind="line") for point in model.roster]
        return edits.set_roster(tracks, "recolour", model.roster)
    old = draw(st.sampled_from(tracks.names))
    at = tracks.column(old)
    if kind == "remove":
        del model.roster[at]
        model.cells = {key: cell for key, cell in model.cells.items() if key[0] != old}
        return edits.remove_point(tracks, old)
    new = draw(st.sampled_from(free))
    model.roster[at] = replace(model.roster[at], name=new)
    model.cells = {
        (new if name == old else name, frame): cell for (name, frame), cell in model.cells.items()
    }
    return edits.rename_point(tracks, old, new)


def draw_edit(draw, tracks: Tracks, model: Model) -> Edit:
    if tracks.names and draw(st.integers(0, 2)):
        return draw_cells_edit(draw, tracks, model)
    return draw_roster_edit(draw, tracks, model)


@settings(max_examples=300)
@given(st.data())
def test_any_edits_follow_the_model_and_are_undone_and_redone_to_the_bit(data):
    tracks = blank("ab")
    model = Model(tracks)
    history = History()
    states = [tracks]
    for _ in range(data.draw(st.integers(1, 12))):
        edit = draw_edit(data.draw, tracks, model)
        tracks = edit.apply(tracks)
        model.check(tracks)
        history.did(edit)
        states.append(tracks)

    for earlier in reversed(states[:-1]):
        tracks = history.undo().apply(tracks)
        assert same(tracks, earlier)
    assert history.undo() is None
    for later in states[1:]:
        tracks = history.redo().apply(tracks)
        assert same(tracks, later)
    assert history.redo() is None


@settings(max_examples=60)
@given(st.data())
def test_wandering_through_the_history_always_meets_the_same_states(data):
    tracks = blank("ab")
    states, at, history = [tracks], 0, History()
    for _ in range(25):
        move = data.draw(st.sampled_from(["edit", "undo", "redo"]))
        if move == "edit":
            edit = draw_edit(data.draw, tracks, Model(tracks))
            tracks = edit.apply(tracks)
            history.did(edit)
            states[at + 1 :] = [tracks]
            at += 1
        elif change := history.undo() if move == "undo" else history.redo():
            tracks = change.apply(tracks)
            at += 1 if move == "redo" else -1
        assert same(tracks, states[at])
        assert len(history) == at
        assert (history.redo_name is None) == (at == len(states) - 1)


# --- each builder ----------------------------------------------------------------------------


def test_an_edit_leaves_the_tracks_it_was_made_from():
    tracks = blank()
    edits.put(tracks, 1, "a", (2, 3)).apply(tracks)
    assert tracks.equals(blank())


def test_put_places_then_moves():
    tracks = blank()
    first = edits.put(tracks, 1, "a", (2, 3))
    tracks = first.apply(tracks)
    second = edits.put(tracks, 1, "a", (4, 5))
    assert (first.name, second.name) == ("place a", "move a")
    moved = second.apply(tracks)
    assert moved.xy[1, 0].tolist() == [4, 5]
    assert moved.source[1, 0] == Source.MANUAL
    assert moved.visible[1, 0]
    assert np.isnan(moved.confidence[1, 0])


def test_absent_is_not_missing():
    tracks = labelled()
    assert tracks.source[3, 1] == Source.ABSENT
    assert np.isnan(tracks.xy[3, 1]).all()
    again = edits.clear(tracks, [3], ["b"]).apply(tracks)
    assert again.source[3, 1] == Source.MISSING


def test_removing_takes_the_labels_and_undo_brings_them_back_in_place():
    tracks = labelled()
    edit = edits.remove_point(tracks, "a")
    removed = edit.apply(tracks)
    assert removed.names == ("b", "c")
    assert edit.frames.tolist() == [0, 2]
    assert same(edit.inverse().apply(removed), tracks)


def test_renaming_keeps_place_colour_and_labels():
    tracks = labelled()
    edit = edits.rename_point(tracks, "b", "tendon")
    renamed = edit.apply(tracks)
    assert renamed.names == ("a", "tendon", "c")
    assert renamed.equals(tracks)
    assert renamed.points[1].colour == tracks.points[1].colour
    assert same(edit.inverse().apply(renamed), tracks)


def test_reordering_moves_labels_with_their_points():
    tracks = labelled()
    turned = edits.set_roster(tracks, "reorder", tracks.points[::-1]).apply(tracks)
    assert turned.names == ("c", "b", "a")
    assert turned.equals(tracks.select(["c", "b", "a"]))


def test_result_is_read_only():
    tracks = labelled()
    with pytest.raises(ValueError, match="read-only"):
        tracks.xy[0, 0] = 1


def test_names_say_how_many():
    tracks = blank()
    assert edits.clear(tracks, [0], ["a"]).name == "delete a"
    assert edits.clear(tracks, [0], ["a", "b"]).name == "delete 2 points"
    assert edits.add_points(tracks, named_points("x")).name == "add x"
    assert edits.add_points(tracks, named_points("xy")).name == "add 2 points"


# --- what is refused -------------------------------------------------------------------------


def test_an_edit_meets_labels_that_changed():
    tracks = blank()
    edit = edits.put(tracks, 0, "a", (1, 1))
    other = edits.put(tracks, 0, "a", (2, 2)).apply(tracks)
    with pytest.raises(EditConflictError, match="changed since"):
        edit.apply(other)
    with pytest.raises(EditConflictError, match="changed since"):
        edit.inverse().apply(other)


def test_the_same_edit_twice():
    tracks = blank()
    edit = edits.put(tracks, 0, "a", (1, 1))
    with pytest.raises(EditConflictError):
        edit.apply(edit.apply(tracks))


def test_an_edit_elsewhere_is_no_conflict():
    tracks = blank()
    edit = edits.put(tracks, 0, "a", (1, 1))
    other = edits.put(tracks, 0, "b", (2, 2)).apply(tracks)
    assert edit.apply(other).present[0].tolist() == [True, True, False]


def test_an_edit_meets_other_points():
    tracks = blank()
    edit = edits.put(tracks, 0, "a", (1, 1))
    with pytest.raises(EditConflictError, match="other points"):
        edit.apply(edits.add_points(tracks, named_points("x")).apply(tracks))


def test_a_point_with_labels_is_not_dropped_in_passing():
    tracks = labelled()
    with pytest.raises(EditConflictError, match="drop the labels of point 'b'"):
        edits.set_roster(tracks, "narrow", [tracks.points[0], tracks.points[2]]).apply(tracks)
    narrow = edits.set_roster(tracks, "narrow", tracks.points[:2])
    assert narrow.apply(tracks).names == ("a", "b")


def test_undo_of_an_addition_waits_until_its_labels_are_gone():
    tracks = blank()
    edit = edits.add_points(tracks, named_points("x"))
    wider = edit.apply(tracks)
    used = edits.put(wider, 0, "x", (1, 1)).apply(wider)
    with pytest.raises(EditConflictError, match="drop"):
        edit.inverse().apply(used)


def test_names_stay_unique():
    tracks = labelled()
    for make in (
        lambda: edits.add_points(tracks, named_points("a")),
        lambda: edits.add_points(tracks, named_points("xx")),
        lambda: edits.rename_point(tracks, "a", "c"),
        lambda: edits.rename_point(tracks, "a", "a"),
    ):
        with pytest.raises(UsstrackError, match="already a point named"):
            make()


def test_a_name_cannot_be_empty():
    with pytest.raises(ValueError, match="needs a name"):
        edits.rename_point(blank(), "a", " ")


@pytest.mark.parametrize("frames", [[2, 2], [-1]])
def test_frames_are_different_and_counted_from_the_start(frames):
    with pytest.raises(ValueError, match="different and not negative"):
        edits.clear(blank(), frames, ["a"])


def test_points_of_a_block_are_different():
    with pytest.raises(ValueError, match="points of 'delete 2 points' must be different"):
        edits.clear(blank(), [0], ["a", "a"])


def test_frames_and_points_must_exist():
    with pytest.raises(IndexError):
        edits.put(blank(), FRAMES, "a", (1, 1))
    with pytest.raises(ValueError, match="no point named 'z'"):
        edits.put(blank(), 0, "z", (1, 1))


def test_a_block_has_the_shape_of_its_place():
    with pytest.raises(ValueError, match=r"needs blocks of \(3, 2\)"):
        edits.write(blank(), "paste", [0, 1, 2], ["a", "b"], Cells.empty(1, 1))


def test_nothing_to_do_is_fine():
    tracks = labelled()
    for edit in (
        edits.clear(tracks, [], ["a"]),
        edits.clear(tracks, [0], []),
        edits.set_roster(tracks, "same", tracks.points),
        edits.add_points(tracks, []),
    ):
        assert same(edit.apply(tracks), tracks)


# --- history ---------------------------------------------------------------------------------


def test_history_names_what_comes_next():
    tracks, history = blank(), History()
    assert (history.undo_name, history.redo_name, len(history)) == (None, None, 0)
    edit = edits.put(tracks, 0, "a", (1, 1))
    history.did(edit)
    assert (history.undo_name, history.redo_name) == ("place a", None)
    history.undo()
    assert (history.undo_name, history.redo_name, len(history)) == (None, "place a", 0)
    assert history.redo() is edit


def test_a_new_change_forgets_what_was_undone():
    tracks, history = blank(), History()
    history.did(edits.put(tracks, 0, "a", (1, 1)))
    history.undo()
    history.did(edits.put(tracks, 0, "b", (1, 1)))
    assert history.redo() is None
    assert history.undo_name == "place b"


def test_run_changes_swap_before_and_after():
    old, new = blank(), labelled()
    change = RunChange("track flow", "flow", old, new)
    back = change.inverse()
    assert (back.run, back.before, back.after) == ("flow", new, old)
    history = History()
    history.did(RunChange("add flow", "flow", None, new))
    assert history.undo().after is None
    assert history.redo().after is new
