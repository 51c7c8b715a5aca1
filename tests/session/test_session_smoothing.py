"""Smoothing in a session: runs beside the raw one, undo, previews that are never stale."""

from __future__ import annotations

import numpy as np
import pytest
from queued import CLIP, Queue

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracks import Source
from napari_usstrack.io.array_video import array_video
from napari_usstrack.session import Session

SAVGOL = {"method": "savgol", "options": {"window_s": 0.1, "order": 1}}
FPS = 50.0


def opened(runner=None, fps: float | None = FPS) -> Session:
    options = {} if runner is None else {"runner": runner}
    session = Session(array_video(CLIP.frames, fps=fps), **options)
    session.place_all("place", {(0, "a"): (40, 40), (0, "b"): (50, 35)})
    return session


@pytest.fixture
def session() -> Session:
    session = opened()
    session.track(method="lucas-kanade", options={"window": 21})
    return session


@pytest.fixture
def queued() -> tuple[Session, Queue]:
    queue = Queue()
    session = opened(queue)
    session.track(method="lucas-kanade", options={"window": 21})
    queue.jobs.pop().finish()
    return session, queue


def test_a_smoothed_run_lies_beside_the_raw_one_and_is_shown(session):
    raw = session.runs["track"]
    session.smooth(**SAVGOL)
    assert session.runs["track"] is raw
    assert session.curation.base == "smooth"
    out = session.runs["smooth"]
    assert (out.source[1:-1] == Source.SMOOTHED).all()
    assert [step.name for step in out.log] == ["track", "smooth"]


def test_undo_shows_the_raw_run_and_redo_the_smoothed_one(session):
    session.smooth(**SAVGOL)
    out = session.runs["smooth"]
    assert session.undo() == "add run smooth"
    assert list(session.runs) == ["track"]
    assert session.curation.base == "track"
    np.testing.assert_array_equal(session.curation.shown.xy, session.runs["track"].xy)
    session.redo()
    assert session.runs["smooth"].equals(out)
    assert session.curation.base == "smooth"


def test_a_rename_does_not_change_what_is_shown(session):
    session.smooth(**SAVGOL)
    session.curation.base = "track"
    session.rename_point("a", "c")
    assert session.curation.base == "track"


def test_saved_and_opened_again(session, tmp_path):
    session.smooth(**SAVGOL)
    path = session.save(tmp_path / "clip.npy.usstrack.json")
    from napari_usstrack.io import project

    again = project.load(path)
    assert again.runs["smooth"].equals(session.runs["smooth"])
    assert again.runs["smooth"].log[-1].settings["window_frames"] == 5


def test_labels_over_the_run_are_smoothed(session):
    session.place("a", 4, (47, 40))
    session.smooth(**SAVGOL)
    assert session.runs["smooth"].source[4, 0] == Source.SMOOTHED
    assert session.runs["smooth"].xy[3, 0, 1] > session.runs["track"].xy[3, 0, 1]
    session.smooth(
        source="track", method="savgol", options={**SAVGOL["options"], "keep_anchors": 1}
    )
    np.testing.assert_array_equal(session.runs["smooth"].xy[4, 0], (47, 40))


def test_corrections_that_were_filled_again_are_smoothed_and_kept(session):
    session.curation.propagating = True
    session.curation.use("lucas-kanade", {"window": 21})
    raw = session.runs["track"]
    session.place("a", 5, (47.0, 35.0))
    filled = session.curation.shown
    assert np.abs(filled.xy[4, 0] - raw.xy[4, 0]).max() > 1.0
    session.smooth(**SAVGOL)
    first = session.runs["smooth"]
    np.testing.assert_array_equal(session.runs["track"].xy[4], filled.xy[4])
    assert session.runs["track"].log[-1].method == "proposals"
    session.smooth(source="track", **SAVGOL)
    np.testing.assert_array_equal(session.runs["smooth"].xy, first.xy)
    session.place("a", 7, (48.0, 37.0))
    refilled = session.curation.shown.xy[6, 0]
    session.smooth(source="track", **SAVGOL)
    np.testing.assert_array_equal(session.runs["track"].xy[6, 0], refilled)
    assert session.undo() == "replace run smooth"
    assert session.undo() == "keep proposals in run track"


def test_without_proposals_the_raw_run_is_left_alone(session):
    raw = session.runs["track"]
    session.smooth(**SAVGOL)
    session.smooth(source="track", **SAVGOL)
    assert session.runs["track"] is raw


def test_point_by_point_with_different_methods(session):
    session.smooth(names=["a"], **SAVGOL)
    first = session.runs["smooth"]
    np.testing.assert_array_equal(first.xy[:, 1], session.runs["track"].xy[:, 1])
    session.smooth(source="track", names=["b"], method="spline")
    both = session.runs["smooth"]
    np.testing.assert_array_equal(both.xy[:, 0], first.xy[:, 0])
    assert [step.method for step in both.log] == ["lucas-kanade", "savgol", "spline"]


def test_a_job_is_dropped_when_what_it_read_changes(queued):
    session, queue = queued
    session.smooth(**SAVGOL)
    session.place("a", 3, (44, 38))
    queue.jobs.pop().finish()
    assert "smooth" not in session.runs
    assert not session.busy


def test_cancel_is_idle_at_once(queued):
    session, queue = queued
    session.smooth(method="flow-window", options={"window_s": 0.08, "patch_px": 21})
    queue.jobs[-1].step()
    session.cancel()
    assert not session.busy
    assert queue.jobs[-1].cancelled == 1
    queue.jobs[-1].finish()
    assert "smooth" not in session.runs


@pytest.mark.parametrize("source", ["", "fill"])
def test_without_a_run_what_to_do_is_said(source):
    with pytest.raises(UsstrackError, match="no run to smooth yet; press Track or Fill"):
        opened().smooth(source=source, **SAVGOL)


def test_refusals_come_before_the_work(session):
    with pytest.raises(UsstrackError, match="no run 'fill' to smooth; choose one of: track"):
        session.smooth(source="fill", **SAVGOL)
    with pytest.raises(UsstrackError, match="no point 'c'"):
        session.smooth(names=["c"], **SAVGOL)
    with pytest.raises(UsstrackError, match=r"set window_s to 0\.16 or less"):
        session.smooth(options={"window_s": 1.0})
    untimed = opened(fps=None)
    untimed.track(method="lucas-kanade", options={"window": 21})
    with pytest.raises(UsstrackError, match="Set scale or frame rate"):
        untimed.smooth(**SAVGOL)


# --- preview ---------------------------------------------------------------------------------


def test_a_preview_equals_what_apply_gives(session):
    seen = []
    session.smooth_preview.changed.connect(lambda: seen.append(session.smooth_preview.now))
    session.smooth_preview.ask("a", **SAVGOL)
    now = session.smooth_preview.now
    assert seen == [now]
    assert list(session.runs) == ["track"]
    session.smooth(**SAVGOL)
    np.testing.assert_array_equal(now.tracks.xy[:, 0], session.runs["smooth"].xy[:, 0])
    assert session.smooth_preview.now is None


def test_only_the_latest_request_counts(queued):
    session, queue = queued
    session.smooth_preview.ask("a", **SAVGOL)
    session.smooth_preview.ask("b", **SAVGOL)
    first, second = queue.jobs[-2:]
    assert first.cancelled == 1
    second.finish()
    first.finish()
    assert session.smooth_preview.now.point == "b"
    assert not session.smooth_preview.busy


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.place("b", 2, (52, 34)),
        lambda s: s.set_run("track", None),
        lambda s: s.calibrate(s.video.info.calibration.with_rate(len(CLIP.frames), 25.0, "typed")),
        lambda s: s.undo(),
    ],
    ids=["edit", "run", "times", "undo"],
)
def test_a_change_takes_previews_away_and_drops_those_on_their_way(queued, change):
    session, queue = queued
    session.smooth_preview.ask("a", **SAVGOL)
    queue.jobs[-1].finish()
    assert session.smooth_preview.now is not None
    session.smooth_preview.ask("a", **SAVGOL)
    late = queue.jobs[-1]
    change(session)
    assert session.smooth_preview.now is None
    late.finish()
    assert session.smooth_preview.now is None


def test_a_preview_that_cannot_be_is_told(session):
    told = []
    session.smooth_preview.told.connect(told.append)
    session.smooth_preview.ask("a", **SAVGOL)
    session.smooth_preview.ask("a", method="median", options={"window_s": 0.01})
    assert session.smooth_preview.now is None
    assert told[0] == ""
    assert "needs 3" in told[-1]
    session.smooth_preview.ask("a", method="fusion", options={"anchors": "soft", "patch_px": 21})
    assert session.smooth_preview.now is not None
    session.smooth_preview.ask("c", **SAVGOL)
    assert "no point 'c'" in told[-1]


def test_closing_ends_it(queued):
    session, queue = queued
    session.smooth_preview.ask("a", **SAVGOL)
    session.close()
    assert queue.jobs[-1].cancelled == 1
    queue.jobs[-1].finish()
    assert session.smooth_preview.now is None
