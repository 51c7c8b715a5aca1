"""A clip opened, labelled, tracked, corrected, undone, saved and opened again; no window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from queued import CLIP, write_clip

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracks import Source
from napari_usstrack.io.array_video import array_video
from napari_usstrack.session import Session

SMALL = {"method": "lucas-kanade", "options": {"window": 21}}


@pytest.fixture
def clip(tmp_path) -> Path:
    return write_clip(tmp_path)


def state(session):
    held = [session.annotations, *(session.runs[name] for name in sorted(session.runs))]
    return [
        (t.names, t.points, *(getattr(t, a).tobytes() for a in ("xy", "confidence", "source")))
        for t in held
    ] + [sorted(session.runs)]


def tell(session) -> list:
    """Do all of a working day; returns the state after every change."""
    states = [state(session)]
    session.history_changed.connect(lambda: states.append(state(session)))
    session.place("tip", 0, (40, 40))
    session.place("base", 0, (50, 35))
    session.track(**SMALL)
    session.place("tip", 0, (40.5, 40))
    session.place("tip", 5, (45, 37.5))
    session.add_point("empty", group="wall", colour="#123456")
    session.fill(extend=True, **SMALL)
    session.delete("tip", 5)
    session.place_all("move 2 points", {(0, "tip"): (41, 41), (7, "base"): (57, 31.5)})
    session.fill(extend=True, **SMALL)
    session.set_run("track", None)
    return list(states)


def test_a_working_day(clip):
    with Session.open(clip) as session:
        assert not session.unsaved
        states = tell(session)
        assert len(states) == 12
        assert np.linalg.norm(session.runs["fill"].xy[:, 0] - session.runs["fill"].xy[0, 0]) > 1
        assert session.unsaved
        for expected in states[-2::-1]:
            assert session.undo()
            assert state(session) == expected
        assert session.undo() is None
        for expected in states[1:]:
            assert session.redo()
            assert state(session) == expected
        assert session.redo() is None
        saved = session.save()
        assert not session.unsaved
        before = state(session)
        logs = {name: run.log for name, run in session.runs.items()}
    assert saved == clip.with_name("clip.npy.usstrack.json")
    with Session.open(clip) as again:
        assert state(again) == before
        assert {name: run.log for name, run in again.runs.items()} == logs
        assert not again.unsaved
        assert again.read_only == ""
        for expected in states[-2::-1]:
            assert again.undo()
            assert state(again) == expected
        assert again.undo() is None
        for expected in states[1:]:
            assert again.redo()
            assert state(again) == expected


def test_what_was_done_and_not_saved_is_recovered(clip):
    with Session.open(clip) as session:
        session.place("tip", 0, (40, 40))
        session.save()
        session.place("tip", 3, (43, 38))
        session.track(**SMALL)
        session.undo()
        session.undo()
        session.redo()
        session.note("mark", "marked_frames", [3])
        session.calibrate(session.annotations.video.calibration.with_spacing((0.2, 0.2), "typed"))
        before = state(session), session.events, session.annotations.video.spacing_mm
    with Session.open(clip) as again:
        assert len(again.recoverable) == 7
        assert not again.annotations.present[3, 0]
        assert again.recover() == 7
        assert (state(again), again.events, again.annotations.video.spacing_mm) == before
        assert again.unsaved
        assert again.history.redo_name is None
        again.save()
    with Session.open(clip) as third:
        assert third.recoverable == ()
        assert (state(third), third.events, third.annotations.video.spacing_mm) == before
        while third.undo():
            pass
        assert third.annotations.names == ()


def test_working_on_puts_what_was_not_saved_aside(clip):
    with Session.open(clip) as session:
        session.place("tip", 0, (40, 40))
    with Session.open(clip) as again:
        assert len(again.recoverable) == 1
        again.place("base", 0, (50, 35))
        assert again.recoverable == ()
    with Session.open(clip) as third:
        assert third.recover() == 1
        assert third.annotations.names == ("base",)
    assert list(clip.parent.glob("clip.npy.usstrack.journal.*.bak"))


def test_putting_aside_tells_where(clip):
    with Session.open(clip) as session:
        session.place("tip", 0, (40, 40))
    with Session.open(clip) as again:
        kept = again.put_aside()
        assert kept is not None
        assert kept.exists()
        assert again.recoverable == ()
    with Session.open(clip) as third:
        assert third.recoverable == ()


def test_a_project_changed_by_hand_begins_its_history_anew(clip):
    with Session.open(clip) as session:
        session.place("tip", 0, (40, 40))
        saved = session.save()
    saved.write_text(saved.read_text().replace('"x": 40.0', '"x": 41.0'))
    with Session.open(clip) as again:
        assert again.annotations.xy[0, 0, 0] == 41.0
        assert again.history.undo_name is None
        assert "undo begins anew" in again.notes[0]


def test_saving_in_another_place_takes_the_history_along(clip, tmp_path):
    there = tmp_path / "copy.usstrack.json"
    with Session.open(clip) as session:
        session.place("tip", 0, (40, 40))
        session.save(there)
        session.place("tip", 1, (41, 40))
    with Session.open(clip, project=there) as again:
        assert again.undo() == "place tip"
        assert again.annotations.names == ()


def test_a_tracked_point_is_corrected_and_filled_again(clip):
    with Session.open(clip) as session:
        session.place("tip", 0, (40, 40))
        session.track(**SMALL)
        truth = CLIP.truth(np.array([[40.0, 40.0]]))[:, 0]
        assert np.linalg.norm(session.shown("track").xy[:, 0] - truth, axis=-1).max() < 0.35
        session.place("tip", 7, (50, 40))
        session.fill(**SMALL)
        np.testing.assert_array_equal(session.runs["fill"].xy[[0, 7], 0], [(40, 40), (50, 40)])
        np.testing.assert_array_equal(session.shown("track").xy[7, 0], (50, 40))
        assert session.shown("track").source[7, 0] == Source.MANUAL
        assert session.shown("track").source[6, 0] == Source.FLOW


def test_the_same_run_again_after_an_edit_is_computed_anew(clip):
    with Session.open(clip) as session:
        session.place("tip", 0, (40, 40))
        session.track(**SMALL)
        before = session.runs["track"]
        session.place("tip", 0, (44, 38))
        session.track(**SMALL)
        after = session.runs["track"]
        np.testing.assert_array_equal(after.xy[0, 0], (44, 38))
        assert (np.abs(after.xy[1:] - before.xy[1:]).max(axis=-1) > 1).all()
        assert after.log[-1].inputs != before.log[-1].inputs


# --- one click, one undo ---------------------------------------------------------------------


def test_one_click_on_a_new_point_is_one_undo():
    session = Session(array_video(CLIP.frames))
    session.place("tip", 3, (40, 40))
    assert session.annotations.names == ("tip",)
    assert session.undo() == "place tip"
    assert session.annotations.names == ()
    assert session.undo() is None
    assert session.redo() == "place tip"
    np.testing.assert_array_equal(session.annotations.xy[3, 0], (40, 40))


def test_placing_and_moving_are_named_as_such():
    session = Session(array_video(CLIP.frames))
    names = []
    session.edited.connect(lambda edit: names.append(edit.name))
    session.place("tip", 3, (40, 40))
    session.place("tip", 4, (40, 40))
    session.place("tip", 4, (41, 40))
    session.delete("tip", 4)
    assert names == ["place tip", "place tip", "move tip", "delete tip"]


def test_many_cells_are_one_undo():
    session = Session(array_video(CLIP.frames))
    session.place_all("place 3", {(0, "a"): (1, 1), (2, "a"): (2, 2), (1, "b"): (3, 3)})
    assert session.annotations.by_hand.sum() == 3
    session.place_all("delete 2", {(0, "a"): None, (1, "b"): None})
    assert session.annotations.by_hand.sum() == 1
    session.undo()
    assert session.annotations.by_hand.sum() == 3
    session.undo()
    assert session.annotations.shape == (8, 0)


def test_new_points_get_colours_of_their_own():
    session = Session(array_video(CLIP.frames))
    for name in "abc":
        session.place(name, 0, (1, 1))
    session.add_point("d")
    assert len({point.colour for point in session.annotations.points}) == 4


def test_a_name_that_is_taken_is_refused():
    session = Session(array_video(CLIP.frames))
    session.add_point("tip")
    with pytest.raises(UsstrackError, match="There is a point 'tip' already"):
        session.add_point("tip")
    assert len(session.history) == 1


def test_a_new_change_forgets_what_was_undone():
    session = Session(array_video(CLIP.frames))
    session.place("a", 0, (1, 1))
    session.undo()
    session.place("b", 0, (1, 1))
    assert session.redo() is None
    assert session.annotations.names == ("b",)


# --- signals ---------------------------------------------------------------------------------


def test_signals_tell_what_changed():
    session = Session(array_video(CLIP.frames))
    told = []
    session.edited.connect(lambda edit: told.append(("edited", edit.name)))
    session.run_changed.connect(lambda name: told.append(("run", name)))
    session.history_changed.connect(lambda: told.append("history"))
    session.place("a", 0, (40, 40))
    session.track(**SMALL)
    session.undo()
    session.redo()
    assert told == [
        *[("edited", "place a"), "history"],
        *[("run", "track"), "history"] * 3,
    ]


def test_undoing_an_edit_tells_its_inverse():
    session = Session(array_video(CLIP.frames))
    session.place("a", 0, (40, 40))
    seen = []
    session.edited.connect(seen.append)
    session.undo()
    assert seen[0].before.present.all()
    assert not seen[0].after.present.any()


def test_undo_with_nothing_to_undo_tells_nothing():
    session = Session(array_video(CLIP.frames))
    told = []
    session.history_changed.connect(lambda: told.append(1))
    assert session.undo() is None
    assert session.redo() is None
    assert told == []


def test_frame_and_selection_tell_only_changes():
    session = Session(array_video(CLIP.frames))
    told = []
    session.frame_changed.connect(told.append)
    session.selection_changed.connect(told.append)
    session.frame = 3
    session.frame = 3
    session.selection = ["a", "b"]
    session.selection = ("a", "b")
    assert told == [3, ("a", "b")]
    assert (session.frame, session.selection) == (3, ("a", "b"))


def test_runs_cannot_be_changed_behind_the_session():
    session = Session(array_video(CLIP.frames))
    session.runs["x"] = session.annotations
    assert not session.runs


# --- saving ----------------------------------------------------------------------------------


def test_unsaved_after_every_kind_of_change(clip):
    with Session.open(clip) as session:
        changes = [
            lambda: session.place("a", 0, (40, 40)),
            lambda: session.track(**SMALL),
            lambda: session.undo(),
            lambda: session.calibrate(Calibration().with_spacing((0.1, 0.1), "typed")),
        ]
        for change in changes:
            assert not session.unsaved
            change()
            assert session.unsaved
            session.save()


def test_frame_and_selection_are_not_worth_saving(clip):
    with Session.open(clip) as session:
        session.frame = 3
        session.selection = ["a"]
        assert not session.unsaved


def test_a_clip_in_memory_needs_a_file_name(tmp_path):
    session = Session(array_video(CLIP.frames))
    session.place("a", 0, (40, 40))
    with pytest.raises(UsstrackError, match="choose a file name"):
        session.save()
    target = tmp_path / "kept.usstrack.json"
    assert session.save(str(target)) == target
    assert target.exists()


def test_saving_twice_counts_each_edit_once(clip):
    with Session.open(clip) as session:
        session.place("a", 0, (40, 40))
        session.save()
        session.place("a", 1, (40, 40))
        first = session.save().read_text()
        assert session.save().read_text() == first
        assert '"last_edit": 2' in first
    with Session.open(clip) as session:
        session.place("a", 2, (40, 40))
        assert '"last_edit": 3' in session.save().read_text()


def test_a_second_session_may_look_but_not_save(clip, monkeypatch):
    with Session.open(clip) as first:
        first.place("a", 0, (40, 40))
        first.save()
        with Session.open(clip) as second:
            assert "open in another window" in second.read_only
            second.place("b", 0, (41, 40))
            before = first.path.read_bytes()
            monkeypatch.chdir(clip.parent)
            for target in (None, first.path, Path(first.path.name), str(first.path)):
                with pytest.raises(UsstrackError, match="open in another window"):
                    second.save(target)
            assert first.path.read_bytes() == before
            assert second.unsaved
            copy = second.save(clip.with_name("copy.usstrack.json"))
            assert copy.exists()
        first.place("a", 1, (40, 40))
        first.save()


def test_the_right_to_save_comes_back(clip):
    first = Session.open(clip)
    first.close()
    first.close()
    with Session.open(clip) as second:
        second.place("b", 0, (41, 40))
        second.save()


def test_a_project_of_another_clip_is_refused(tmp_path):
    clip = write_clip(tmp_path)
    with Session.open(clip) as session:
        session.place("a", 0, (40, 40))
        session.save()
    np.save(clip, CLIP.frames[::-1])
    with pytest.raises(UsstrackError, match="belongs to another clip"):
        Session.open(clip)


def test_a_project_elsewhere(clip, tmp_path):
    project = tmp_path / "elsewhere" / "x.usstrack.json"
    project.parent.mkdir()
    with Session.open(clip, project=project) as session:
        session.place("a", 0, (40, 40))
        assert session.save() == project
    with Session.open(clip, project=project) as session:
        assert session.annotations.names == ("a",)
    with Session.open(clip) as session:
        assert session.annotations.names == ()


# --- scale and time --------------------------------------------------------------------------


def test_calibration_reaches_labels_and_runs_and_is_kept(clip):
    with Session.open(clip) as session:
        session.place("a", 0, (40, 40))
        session.track(**SMALL)
        cells = session.annotations
        known = session.annotations.video.calibration
        session.calibrate(known.with_spacing((0.1, 0.2), "typed").with_rate(8, 50, "typed"))
        assert session.annotations.equals(cells)
        for tracks in (session.annotations, session.runs["track"]):
            assert tracks.video.spacing_mm == (0.1, 0.2)
            assert tracks.video.fps == pytest.approx(50)
        session.save()
    with Session.open(clip) as again:
        for tracks in (again.annotations, again.runs["track"]):
            assert tracks.video.spacing_mm == (0.1, 0.2)
            assert tracks.video.fps == pytest.approx(50)


def test_a_run_that_comes_back_has_the_scale_now_in_force(clip):
    with Session.open(clip) as session:
        session.place("a", 0, (40, 40))
        session.track(**SMALL)
        session.undo()
        session.calibrate(Calibration().with_spacing((0.1, 0.1), "typed"))
        session.redo()
        assert session.runs["track"].video.spacing_mm == (0.1, 0.1)


@pytest.mark.parametrize(
    ("stated", "spacing", "fps"),
    [
        ({}, (0.1, 0.2), 50),
        ({"spacing_mm": (0.3, 0.3)}, (0.3, 0.3), 50),
        ({"fps": 20}, (0.1, 0.2), 20),
        ({"spacing_mm": (0.3, 0.3), "fps": 20}, (0.3, 0.3), 20),
    ],
)
def test_what_is_stated_at_opening_replaces_only_that(clip, stated, spacing, fps):
    with Session.open(clip, spacing_mm=(0.1, 0.2), fps=50) as session:
        session.place("a", 0, (40, 40))
        session.save()
    with Session.open(clip, **stated) as session:
        assert session.annotations.video.spacing_mm == spacing
        assert session.annotations.video.fps == pytest.approx(fps)
        assert session.unsaved == bool(stated)


def test_undoing_all_since_the_save_leaves_nothing_unsaved(clip):
    with Session.open(clip) as session:
        session.place("tip", 0, (40, 40))
        session.save()
        session.place("tip", 0, (41, 40))
        assert session.unsaved
        session.undo()
        assert not session.unsaved


def test_saving_elsewhere_moves_the_session_there(clip, tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    with Session.open(clip) as session:
        session.place("tip", 0, (40, 40))
        target = session.save(folder / "mine.usstrack.json")
        assert session.path == target
        with Session.open(clip) as original:
            assert not original.read_only
        with Session.open(clip, project=target) as second:
            assert "read-only" in second.read_only


def test_saving_over_a_project_that_is_open_elsewhere_is_refused(clip, tmp_path):
    folder = tmp_path / "other"
    folder.mkdir()
    other = write_clip(folder)
    with Session.open(other) as holder, Session.open(clip) as session:
        session.place("tip", 0, (40, 40))
        with pytest.raises(UsstrackError, match="read-only"):
            session.save(holder.path)
        assert session.path != holder.path


@pytest.mark.parametrize(
    ("frame", "xy", "sentence"),
    [(0, (-5, 10), "inside the picture"), (0, (10, 1e4), "inside"), (99, (10, 10), "in a frame")],
)
def test_a_place_outside_is_refused(clip, frame, xy, sentence):
    with Session.open(clip) as session:
        with pytest.raises(UsstrackError, match=sentence):
            session.place("tip", frame, xy)
        assert session.annotations.names == ()


def test_calibrating_tells(clip):
    with Session.open(clip) as session:
        told = []
        session.calibrated.connect(told.append)
        session.calibrate(Calibration(spacing_mm=(0.1, 0.2)))
        assert [calibration.spacing_mm for calibration in told] == [(0.1, 0.2)]
        assert session.unsaved


def test_closing_leaves_no_lock_file_behind(clip):
    with Session.open(clip):
        assert list(clip.parent.glob("*.lock"))
        with Session.open(clip) as second:
            assert second.read_only
        assert list(clip.parent.glob("*.lock"))
    assert not list(clip.parent.glob("*.lock"))
