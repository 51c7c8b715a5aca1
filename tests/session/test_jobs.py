"""Jobs that move step by step: cancelled, replaced, stale, failed."""

from __future__ import annotations

import numpy as np
import pytest
from queued import CLIP, Queue

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracker import Progress
from napari_usstrack.io.array_video import array_video
from napari_usstrack.pipelines.queries import Stretch
from napari_usstrack.session import Job, Session, run_in_place

SMALL = {"method": "lucas-kanade", "options": {"window": 21}}


@pytest.fixture
def queue():
    return Queue()


@pytest.fixture
def session(queue):
    made = Session(array_video(CLIP.frames), runner=queue)
    made.place("a", 0, (40, 40))
    return made


@pytest.fixture
def phases(session):
    seen = []
    session.job_changed.connect(lambda state: seen.append(state.phase))
    return seen


def test_nothing_arrives_before_the_work_is_done(session, queue, phases):
    session.track(**SMALL)
    assert session.busy
    queue.jobs[0].step()
    assert not session.runs
    queue.jobs[0].finish()
    assert not session.busy
    assert session.runs["track"].present.all()
    assert phases[0] == "running"
    assert phases[-1] == "done"
    assert set(phases[1:-1]) == {"running"}


def test_progress_is_passed_on(session, queue):
    seen = []
    session.job_changed.connect(seen.append)
    session.track(**SMALL)
    queue.jobs[0].finish()
    assert seen[0].title == "Track, lucas-kanade"
    running = [state.progress for state in seen if state.phase == "running"]
    assert running[0] == Progress(0, 0)
    assert (running[-1].done, running[-1].total) == (7, 7)


def test_the_run_is_there_when_done_is_told(session, queue):
    there = []
    session.job_changed.connect(lambda state: there.append("track" in session.runs))
    session.track(**SMALL)
    queue.jobs[0].finish()
    assert there[-1]
    assert not any(there[:-1])


# --- cancelled, replaced ---------------------------------------------------------------------


def test_a_cancelled_job_delivers_nothing(session, queue, phases):
    session.track(**SMALL)
    queue.jobs[0].step()
    session.cancel()
    assert not session.busy
    assert queue.jobs[0].cancelled == 1
    told = list(phases)
    assert told[-1] == "cancelled"
    queue.jobs[0].finish()
    queue.jobs[0].failed(UsstrackError("late"))
    assert not session.runs
    assert phases == told


def test_cancelling_twice_or_nothing_is_harmless(session, queue, phases):
    session.cancel()
    assert phases == []
    session.track(**SMALL)
    session.cancel()
    session.cancel()
    assert queue.jobs[0].cancelled == 1
    assert phases.count("cancelled") == 1


def test_cancelling_after_the_end_does_not_reach_the_old_job(session, queue):
    session.track(**SMALL)
    queue.jobs[0].finish()
    session.cancel()
    assert queue.jobs[0].cancelled == 0


def test_a_new_job_replaces_the_one_under_way(session, queue, phases):
    session.track(**SMALL)
    session.fill(extend=True, **SMALL)
    assert queue.jobs[0].cancelled == 1
    assert phases == ["running", "cancelled", "running"]
    queue.jobs[0].finish()
    assert not session.runs
    queue.jobs[1].finish()
    assert set(session.runs) == {"fill"}


def test_a_job_that_cannot_start_leaves_the_one_under_way(session, queue):
    session.track(**SMALL)
    with pytest.raises(UsstrackError, match="widen the range"):
        session.track(start=3)
    assert session.busy
    queue.jobs[0].finish()
    assert set(session.runs) == {"track"}


def test_cancelling_from_a_listener_while_it_starts(session, queue, phases):
    session.job_changed.connect(lambda s: session.cancel() if s.phase == "running" else None)
    session.track(**SMALL)
    assert not session.busy
    assert queue.jobs == []
    assert phases == ["running", "cancelled"]


def test_closing_cancels(session, queue):
    session.track(**SMALL)
    session.close()
    assert queue.jobs[0].cancelled == 1
    assert not session.busy


# --- stale -----------------------------------------------------------------------------------


def moved(session):
    session.place("a", 0, (41, 40))


def renewed(session):
    session.place("a", 0, (41, 40))
    session.undo()


def other_point(session):
    session.add_point("b")


def later_label(session):
    session.place("a", 5, (45, 38))


@pytest.mark.parametrize(
    ("change", "phase"),
    [(moved, "stale"), (other_point, "stale"), (renewed, "done"), (later_label, "done")],
)
def test_a_track_counts_only_if_what_it_read_is_unchanged(session, queue, phases, change, phase):
    session.track(**SMALL)
    queue.jobs[0].step()
    change(session)
    queue.jobs[0].finish()
    assert phases[-1] == phase
    assert ("track" in session.runs) == (phase == "done")
    assert not session.busy


def test_a_stale_result_says_why(session, queue):
    seen = []
    session.job_changed.connect(seen.append)
    session.track(**SMALL)
    moved(session)
    queue.jobs[0].finish()
    assert seen[-1].message == "The labels changed meanwhile; the result was dropped."


def test_a_track_whose_only_label_is_gone_is_stale(session, queue, phases):
    session.track(**SMALL)
    session.delete("a", 0)
    queue.jobs[0].finish()
    assert phases[-1] == "stale"
    assert not session.runs


@pytest.mark.parametrize(
    ("change", "phase"), [(moved, "stale"), (later_label, "stale"), (renewed, "done")]
)
def test_a_fill_reads_every_label(session, queue, phases, change, phase):
    session.place("a", 7, (47, 36.5))
    session.fill(**SMALL)
    change(session)
    queue.jobs[0].finish()
    assert phases[-1] == phase


def test_a_partial_fill_is_stale_when_the_run_below_it_changed(session, queue, phases):
    session.place("a", 7, (47, 36.5))
    session.fill(**SMALL)
    queue.jobs[0].finish()
    session.fill(spans=[Stretch("a", 0, 7)], **SMALL)
    session.undo()
    assert not session.runs
    queue.jobs[1].finish()
    assert phases[-1] == "stale"
    assert not session.runs


def test_a_partial_fill_lands_on_the_run_below_it(session, queue):
    session.place("a", 4, (44, 38))
    session.place("a", 7, (47, 36.5))
    session.fill(**SMALL)
    queue.jobs[0].finish()
    before = session.runs["fill"]
    session.fill(spans=[Stretch("a", 4, 7)], **SMALL)
    queue.jobs[1].finish()
    assert session.runs["fill"] is not before
    assert session.runs["fill"].equals(before)


def test_a_scale_typed_meanwhile_reaches_the_run(session, queue, phases):
    session.track(**SMALL)
    session.calibrate(Calibration().with_spacing((0.1, 0.1), "typed"))
    queue.jobs[0].finish()
    assert phases[-1] == "done"
    assert session.runs["track"].video.spacing_mm == (0.1, 0.1)


def test_a_scale_typed_meanwhile_drops_what_was_measured_by_another(session, queue, phases):
    session.track(method="tissue-flow")
    session.calibrate(Calibration().with_spacing((0.1, 0.1), "typed"))
    queue.jobs[0].finish()
    assert phases[-1] == "stale"


# --- failed ----------------------------------------------------------------------------------


def test_a_failure_is_told_in_its_sentence(session, queue):
    seen = []
    session.job_changed.connect(seen.append)
    session.track(**SMALL)
    queue.jobs[0].failed(UsstrackError("The disk was unplugged."))
    assert (seen[-1].phase, seen[-1].message) == ("failed", "The disk was unplugged.")
    assert not session.busy
    assert not session.runs


def test_a_fault_of_ours_is_told_and_raised_again(session, queue, phases):
    session.track(**SMALL)
    with pytest.raises(ZeroDivisionError):
        queue.jobs[0].failed(ZeroDivisionError("ours"))
    assert phases[-1] == "failed"
    assert not session.busy


def failing(error):
    def work():
        yield Progress(0, 2)
        raise error

    return Job("broken", "x", lambda: "ticket", work)


def test_in_place_a_failure_is_told_and_the_next_job_runs():
    session = Session(array_video(CLIP.frames), runner=run_in_place)
    session.place("a", 0, (40, 40))
    seen = []
    session.job_changed.connect(seen.append)
    session.start(failing(UsstrackError("The disk was unplugged.")))
    assert (seen[-1].phase, seen[-1].message) == ("failed", "The disk was unplugged.")
    session.track(**SMALL)
    assert seen[-1].phase == "done"


@pytest.mark.parametrize("error", [ZeroDivisionError("ours"), KeyboardInterrupt()])
def test_in_place_a_fault_is_raised_and_the_session_is_free_again(error):
    session = Session(array_video(CLIP.frames))
    seen = []
    session.job_changed.connect(seen.append)
    with pytest.raises(type(error)):
        session.start(failing(error))
    assert seen[-1].phase == "failed"
    assert not session.busy


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.track(method="magic"), "no method 'magic'"),
        (lambda s: s.track(options={"windw": 1}), "no setting"),
        (lambda s: s.track(stop=99), "cannot be tracked"),
        (lambda s: s.fill(method="magic"), "no method 'magic'"),
    ],
)
def test_what_cannot_start_is_said_at_once(session, queue, call, message):
    with pytest.raises(UsstrackError, match=message):
        call(session)
    assert queue.jobs == []
    assert not session.busy


def test_without_labels_nothing_starts():
    session = Session(array_video(CLIP.frames))
    with pytest.raises(UsstrackError, match="place at least one point"):
        session.track()
    seen = []
    session.job_changed.connect(seen.append)
    session.fill()
    assert seen[-1].phase == "failed"
    assert "No point is labelled yet" in seen[-1].message


def test_a_run_is_one_step_to_undo(session, queue):
    session.track(**SMALL)
    queue.jobs[0].finish()
    first = session.runs["track"]
    session.place("a", 0, (41, 40))
    session.track(**SMALL)
    queue.jobs[1].finish()
    assert session.undo() == "replace run track"
    assert session.runs["track"] is first
    assert session.redo() == "replace run track"
    np.testing.assert_array_equal(session.runs["track"].xy[0, 0], (41, 40))
