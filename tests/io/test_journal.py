"""The journal: undo after reopening, nothing lost to a kill, and odd files never in the way."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_usstrack.core import edits
from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.edits import Edit
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.history import Change, EventChange, History, RunChange, Together
from napari_usstrack.core.tracks import Cells, PointInfo, Source, Tracks, named_points
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io import project as files
from napari_usstrack.io.journal import Journal, journal_path
from napari_usstrack.io.journal_lines import line_of, state_digest
from napari_usstrack.io.labels import Labels, text_of
from napari_usstrack.io.project import Project

INFO = VideoInfo(50, 64, 48, digest="abc", name="trial.mp4")


class Desk:
    """What a session does with a journal, and no more."""

    def __init__(self, path: Path) -> None:
        self.path = path
        blank = Project(Tracks.blank(INFO, named_points(["a", "b", "c"])), {})
        self.project = files.load(path, INFO) if path.exists() else blank
        self.annotations, self.runs = self.project.annotations, dict(self.project.runs)
        self.events = dict(self.project.extra.get("events", {}))
        self.journal = Journal.open(journal_path(path), INFO, self.digest())
        self.history = self.journal.history
        for name, run in self.journal.runs.items():
            self._set(name, run)

    def digest(self) -> str:
        return state_digest(self.annotations, self.runs, self.events)

    def do(self, change: Change) -> None:
        self._apply(change)
        self.history.did(change)
        self.journal.did(change)

    def undo(self) -> None:
        change = self.history.undo()
        assert change is not None
        self._apply(change)
        self.journal.undid()

    def redo(self) -> None:
        change = self.history.redo()
        assert change is not None
        self._apply(change)
        self.journal.redid()

    def calibrate(self, calibration: Calibration) -> None:
        info = INFO.calibrated(calibration)
        self.annotations = self.annotations.with_video(info)
        self.runs = {name: run.with_video(info) for name, run in self.runs.items()}
        self.journal.calibrated(calibration)

    def save(self) -> None:
        with self.journal.saving(self.digest(), self.history):
            files.save(self.content(), self.path)

    def content(self) -> Project:
        extra = {"events": self.events}
        return replace(self.project, annotations=self.annotations, runs=self.runs, extra=extra)

    def recover(self) -> None:
        with self.journal.recovering() as actions:
            for action in actions:
                if action.kind == "do":
                    self.do(action.change)
                elif action.kind == "calibrate":
                    self.calibrate(action.calibration)
                else:
                    {"undo": self.undo, "redo": self.redo}[action.kind]()

    def state(self) -> list:
        tables = [("", self.annotations), *sorted(self.runs.items())]
        times = self.annotations.video.calibration.times_s
        return [
            self.events,
            None if times is None else times.tolist(),
            *((n, t.points, t.xy.tobytes(), t.source.tobytes()) for n, t in tables),
            *(t.confidence.tobytes() + t.visible.tobytes() for _, t in tables),
        ]

    def stacks(self) -> list:
        return [[change.name for change in s] for s in (self.history.done, self.history.undone)]

    def step(self, rng: np.random.Generator) -> None:
        """Do something by chance."""
        chance = rng.random()
        if chance < 0.15 and self.history.done:
            self.undo()
        elif chance < 0.25 and self.history.undone:
            self.redo()
        elif chance < 0.28:
            times = np.cumsum(rng.uniform(0.01, 0.05, INFO.frame_count))
            self.calibrate(Calibration((0.1, 0.2), times, "typed", "typed"))
        else:
            self.do(some_change(self.annotations, self.runs, self.events, rng))

    def _apply(self, change: Change) -> None:
        if isinstance(change, Together):
            for part in change.parts:
                self._apply(part)
        elif isinstance(change, Edit):
            self.annotations = change.apply(self.annotations)
        elif isinstance(change, EventChange):
            self.events.pop(change.key, None)
            if change.after is not None:
                self.events[change.key] = change.after
        else:
            self._set(change.run, change.after)

    def _set(self, name: str, run: Tracks | None) -> None:
        self.runs.pop(name, None)
        if run is not None:
            self.runs[name] = run.with_video(self.annotations.video)


def some_change(tracks: Tracks, runs: dict, events: dict, rng: np.random.Generator) -> Change:
    point = tracks.names[rng.integers(len(tracks.names))]
    frame, kind = int(rng.integers(INFO.frame_count)), rng.random()
    if kind < 0.6:
        return edits.put(tracks, frame, point, rng.uniform(0, 40, 2))
    if kind < 0.7:
        return edits.mark_absent(tracks, range(frame // 2, frame // 2 + 20), tracks.names)
    if kind < 0.8:
        name = f"point {rng.integers(10**9)}"
        edit = edits.rename_point(tracks, point, name)
        changed = {point: replace(tracks.point(point), name=name)}
        parts = [RunChange("x", n, r, r.revised(changed)) for n, r in runs.items()]
        return Together(edit.name, (edit, *parts))
    if kind < 0.9:
        key = "ED" if rng.random() < 0.5 else "ES"
        value = None if key in events and rng.random() < 0.3 else [frame, rng.random()]
        return EventChange(f"mark {key}", key, events.get(key), value)
    name = "fill" if rng.random() < 0.5 else "track ü"
    xy = rng.uniform(0, 40, (INFO.frame_count, len(tracks.names), 2))
    run = tracks.with_cells(Cells.placed(xy, Source.FLOW, confidence=rng.random()))
    dropped = name in runs and rng.random() < 0.2
    return RunChange(f"set {name}", name, runs.get(name), None if dropped else run)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "trial.mp4.usstrack.json"


def worked(path: Path, *, saved: int = 0, more: int = 0, seed: int = 0) -> Desk:
    """A desk after some steps, a save if there were any, and more steps."""
    desk, rng = Desk(path), np.random.default_rng(seed)
    for _ in range(saved):
        desk.step(rng)
    if saved:
        desk.save()
    for _ in range(more):
        desk.step(rng)
    return desk


def placed(desk: Desk, *frames: int) -> None:
    for frame in frames:
        desk.do(edits.put(desk.annotations, frame, "a", (frame + 0.1, 2)))


def kept(path: Path) -> list[Path]:
    return sorted(path.parent.glob("*.journal.*.bak"))


@pytest.mark.parametrize("seed", range(3))
def test_undo_and_redo_go_on_after_reopening(path, seed):
    desk = worked(path, saved=60, seed=seed)
    desk.undo()
    desk.undo()
    desk.save()
    desk.journal.close()
    again = Desk(path)
    assert again.stacks() == desk.stacks()
    assert len(again.history.undone) >= 2
    assert not again.journal.unsaved
    for walker in (desk, again):
        walker.states = []
        for move, stack in ((walker.undo, "done"), (walker.redo, "undone")):
            while getattr(walker.history, stack):
                move()
                walker.states.append(walker.state()[0:1] + walker.state()[2:])
    assert again.states == desk.states
    assert len(desk.states) > 40


@pytest.mark.parametrize("saved", [0, 25])
@pytest.mark.parametrize("seed", range(2))
def test_unsaved_actions_give_back_the_live_state(path, seed, saved):
    desk = worked(path, saved=saved, more=40, seed=seed)
    again = Desk(path)
    assert len(again.journal.unsaved) == 40
    assert again.state() != desk.state()
    again.recover()
    assert (again.state(), again.stacks()) == (desk.state(), desk.stacks())
    again.undo()
    third = Desk(path)
    assert len(third.journal.unsaved) == 41
    third.recover()
    assert third.state() == again.state()
    assert not kept(path)


def test_recovering_writes_nothing(path):
    worked(path, saved=5, more=10)
    before = journal_path(path).read_bytes()
    again = Desk(path)
    again.recover()
    again.journal.close()
    assert journal_path(path).read_bytes() == before


def test_unsaved_actions_tell_their_time(path):
    worked(path, more=3)
    first, _, last = Desk(path).journal.unsaved
    assert "2020" < first.at <= last.at
    assert first.at.endswith("+00:00")


def test_putting_aside_keeps_a_copy_and_the_history(path):
    desk = worked(path, saved=20, more=10)
    whole = journal_path(path).read_bytes()
    again = Desk(path)
    copy = again.journal.put_aside()
    assert copy.read_bytes() == whole
    assert kept(path) == [copy]
    assert not again.journal.unsaved
    assert len(Desk(path).history) == len(again.history) > 0
    assert not Desk(path).journal.unsaved
    assert whole.startswith(journal_path(path).read_bytes())
    assert again.journal.put_aside() is None
    desk.journal.close()


def test_work_without_a_decision_puts_aside(path):
    worked(path, saved=20, more=10)
    whole = journal_path(path).read_bytes()
    again = Desk(path)
    again.do(EventChange("note", "n", None, 1))
    assert [copy.read_bytes() for copy in kept(path)] == [whole]
    third = Desk(path)
    assert [action.change.name for action in third.journal.unsaved] == ["note"]


def test_two_copies_of_one_second_both_stay(path):
    for value in range(3):
        worked(path, more=2, seed=value)
    assert len(kept(path)) == 2


def test_discarding_goes_back_to_the_last_save(path):
    desk = worked(path, saved=20)
    stacks = desk.stacks()
    for value in (5, 6, 7):
        desk.do(EventChange("note", "n", None, value))
    assert desk.journal.put_aside() == kept(path)[0]
    again = Desk(path)
    assert not again.journal.unsaved
    assert again.stacks() == stacks


def test_work_after_putting_aside_is_whole(path):
    desk = worked(path, saved=10, more=30)
    again = Desk(path)
    again.journal.put_aside()
    rng = np.random.default_rng(9)
    for _ in range(30):
        again.step(rng)
    third = Desk(path)
    third.recover()
    assert (third.state(), third.stacks()) == (again.state(), again.stacks())
    desk.journal.close()


def test_only_looking_leaves_no_file(path):
    desk = Desk(path)
    desk.save()
    desk.journal.close()
    Desk(path).journal.close()
    assert not journal_path(path).exists()


@pytest.mark.parametrize("cut", [1, 2, 40, 100])
def test_a_torn_last_line_is_forgotten(path, cut):
    desk = worked(path, saved=10)
    placed_before = len(desk.history)
    desk.do(EventChange("note", "n", None, 1))
    desk.do(EventChange("a longer note", "m", None, "x" * 100))
    file = journal_path(path)
    os.truncate(file, file.stat().st_size - cut)
    again = Desk(path)
    assert [action.change.name for action in again.journal.unsaved] == ["note"]
    assert len(again.history) == placed_before
    assert not again.journal.notes
    again.recover()
    again.do(EventChange("next", "m", None, 2))
    assert [action.change.name for action in Desk(path).journal.unsaved] == ["note", "next"]
    assert not kept(path)


@pytest.mark.parametrize("size", [0, 1, 30, 250])
def test_a_journal_torn_at_its_beginning_is_begun_anew(path, size):
    desk = Desk(path)
    placed(desk, 1)
    os.truncate(journal_path(path), size)
    again = Desk(path)
    assert not again.journal.notes
    assert not again.journal.unsaved
    placed(again, 2, 3)
    assert len(Desk(path).journal.unsaved) == 2


@pytest.mark.parametrize("harm", ["flipped", "missing", "twice", "binary", "last"])
def test_damage_ends_what_is_used(path, harm):
    desk = worked(path, saved=10)
    saved = len(desk.history)
    for value in range(6):
        desk.do(EventChange(f"note {value}", "n", value - 1 if value else None, value))
    file = journal_path(path)
    lines = file.read_bytes().splitlines(keepends=True)
    at = len(lines) - 1 if harm == "last" else len(lines) - 3
    lines[at] = {
        "missing": b"",
        "twice": lines[at] * 2,
        "binary": bytes(range(256)) + b"\n",
    }.get(harm, lines[at].replace(b"note", b"nope"))
    file.write_bytes(b"".join(lines))
    whole = file.read_bytes()
    again = Desk(path)
    good = {"last": 5, "twice": 4}.get(harm, 3)
    assert len(again.journal.unsaved) == good
    assert len(again.history) == saved
    assert f"damaged in line {at + (2 if harm == 'twice' else 1)}" in again.journal.notes[0]
    again.recover()
    again.do(EventChange("more", "m", None, 1))
    assert [copy.read_bytes() for copy in kept(path)] == [whole]
    third = Desk(path)
    assert (len(third.journal.unsaved), third.journal.notes) == (good + 1, ())


def test_damage_before_the_save_leaves_no_history(path):
    worked(path, saved=10, more=5)
    file = journal_path(path)
    lines = file.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3][:-10] + b"\n"
    file.write_bytes(b"".join(lines))
    again = Desk(path)
    assert "damaged in line 4" in again.journal.notes[0]
    assert (len(again.history), again.journal.unsaved) == (0, ())


def rewrite_header(file: Path, **values) -> None:
    head, *rest = file.read_bytes().splitlines(keepends=True)
    entry = {"journal": 1, "software": "", "clip": None, **values}
    file.write_bytes(b"".join([line_of(0, entry), *rest]))
    assert head != line_of(0, entry)


def test_a_newer_journal_is_left_alone_until_work_begins(path):
    worked(path, saved=10)
    file = journal_path(path)
    rewrite_header(file, journal=2)
    whole = file.read_bytes()
    again = Desk(path)
    assert "newer version" in again.journal.notes[0]
    assert (len(again.history), again.journal.unsaved) == (0, ())
    again.journal.close()
    assert file.read_bytes() == whole
    placed(again, 3)
    assert [copy.read_bytes() for copy in kept(path)] == [whole]
    assert len(Desk(path).journal.unsaved) == 1


def test_the_journal_of_another_clip_is_not_used(path):
    worked(path, saved=10)
    clip = {"frame_count": 50, "width": 64, "height": 48, "digest": "other", "name": "b.mp4"}
    rewrite_header(journal_path(path), clip=clip)
    again = Desk(path)
    assert "another clip (b.mp4)" in again.journal.notes[0]
    assert len(again.history) == 0


@pytest.mark.parametrize("header", [{"clip": 3}, {"journal": "one"}])
def test_a_header_without_sense_blocks_nothing(path, header):
    worked(path, saved=10)
    rewrite_header(journal_path(path), **header)
    again = Desk(path)
    assert "makes no sense" in again.journal.notes[0]
    assert len(again.history) == 0


def test_a_project_changed_elsewhere_begins_anew_and_can_come_back(path):
    desk = worked(path, saved=20)
    before = path.read_bytes()
    path.write_text(_merged(desk))
    again = Desk(path)
    assert "does not fit the project" in again.journal.notes[0]
    assert len(again.history) == 0
    again.journal.close()
    path.write_bytes(before)
    assert Desk(path).stacks() == desk.stacks()
    path.write_text(_merged(desk))
    other = Desk(path)
    whole = journal_path(path).read_bytes()
    other.do(EventChange("note", "n", None, 1))
    assert [copy.read_bytes() for copy in kept(path)] == [whole]
    assert len(Desk(path).journal.unsaved) == 1


def _merged(desk: Desk) -> str:
    """The project's text with one more label, as another program might leave it."""
    free = int(np.flatnonzero(~desk.annotations.present[:, 0])[0])
    point = desk.annotations.names[0]
    changed = edits.put(desk.annotations, free, point, (1, 1)).apply(desk.annotations)
    return text_of(Labels(changed, extra={"events": desk.events}))


def test_an_older_project_file_finds_its_own_history(path):
    desk = worked(path, saved=15)
    early, stacks, state = path.read_bytes(), desk.stacks(), desk.state()
    placed_names = desk.annotations.names
    desk.do(edits.put(desk.annotations, 3, placed_names[0], (7, 7)))
    desk.save()
    desk.journal.close()
    path.write_bytes(early)
    again = Desk(path)
    assert (again.stacks(), again.state()[2:]) == (stacks, state[2:])
    assert len(again.journal.unsaved) == 1


@pytest.mark.parametrize("written", ["nothing", "labels", "both"])
def test_a_save_cut_short_loses_nothing(path, written, monkeypatch):
    desk = worked(path, saved=15)
    xy = np.full((50, 3, 2), 7.25)
    run = desk.annotations.with_cells(Cells.placed(xy, Source.MODEL))
    desk.do(RunChange("add", "net", None, run))
    desk.do(EventChange("note", "n", None, 1))
    steps = {"nothing": ["write_labels", "write_runs"], "labels": ["write_runs"], "both": []}

    class Killed(BaseException):
        pass

    def killed(*_, **__):
        raise Killed

    with monkeypatch.context() as patch:
        for step in steps[written]:
            patch.setattr(files, step, killed)
        try:
            desk.save()
        except Killed:
            assert written != "both"
    again = Desk(path)
    assert len(again.journal.unsaved) == (2 if written == "nothing" else 0)
    assert any("cut short" in note for note in again.journal.notes) == (written == "labels")
    again.recover()
    assert again.state()[2:] == desk.state()[2:]
    assert again.stacks() == desk.stacks()
    again.save()
    assert Desk(path).stacks() == desk.stacks()
    assert Desk(path).journal.notes == ()


def test_a_grown_journal_is_rewritten_without_what_is_gone(path, monkeypatch):
    monkeypatch.setattr("napari_usstrack.io.journal._ROOM_BYTES", 5000)
    desk = worked(path, saved=5)
    for value in range(300):
        desk.do(EventChange("note", "n", desk.events.get("n"), value))
        desk.undo()
    long = journal_path(path).stat().st_size
    desk.save()
    assert journal_path(path).stat().st_size < long / 4
    placed_last = desk.stacks()
    assert Desk(path).stacks() == placed_last
    desk.redo()
    again = Desk(path)
    again.recover()
    assert (again.stacks(), again.state()) == (desk.stacks(), desk.state())


def test_saving_elsewhere_takes_the_history_along(path, tmp_path):
    desk = worked(path, saved=20)
    target = tmp_path / "copy.usstrack.json"
    journal_path(target).write_bytes(b"something of value\n")
    files.save(desk.content(), target)
    Journal.start(journal_path(target), INFO, desk.digest(), desk.history).close()
    assert Desk(target).stacks() == desk.stacks()
    assert [copy.read_bytes() for copy in kept(target)] == [b"something of value\n"]


def test_a_full_disk_is_told_once_and_mended_by_the_next_save(path, monkeypatch):
    desk = worked(path, saved=10)
    good = journal_path(path).read_bytes()

    class Full:
        def __init__(self, file):
            self.file = file

        def write(self, content):
            if len(content) < 40:
                raise OSError(28, "No space left on device")
            return self.file.write(content[: len(content) // 2])

        def __getattr__(self, name):
            return getattr(self.file, name)

    desk.journal._file = Full(desk.journal._file)
    with pytest.raises(UsstrackError, match="No space left"):
        desk.do(EventChange("note", "n", None, 1))
    assert journal_path(path).read_bytes() == good
    desk.do(EventChange("note", "n", 1, 2))
    desk.undo()
    desk.save()
    desk.do(EventChange("note", "n", 1, 3))
    again = Desk(path)
    again.recover()
    assert (again.stacks(), again.state()[2:]) == (desk.stacks(), desk.state()[2:])


def test_a_failed_recovery_keeps_the_whole_and_what_went_well(path):
    desk = Desk(path)
    placed(desk, 1, 2, 3)
    whole = journal_path(path).read_bytes()
    again = Desk(path)
    with pytest.raises(RuntimeError), again.journal.recovering() as actions:  # noqa: PT012
        for number, action in enumerate(actions):
            if number == 2:
                raise RuntimeError
            again.do(action.change)
    again.undo()
    assert [copy.read_bytes() for copy in kept(path)] == [whole]
    third = Desk(path)
    assert [action.kind for action in third.journal.unsaved] == ["do", "do", "undo"]
    third.recover()
    assert third.state() == again.state()


def test_the_state_tells_apart_what_changes_touch():
    tracks = Tracks.blank(INFO, named_points(["a"]))
    put = edits.put(tracks, 1, "a", (1, 2)).apply(tracks)
    coloured = edits.set_roster(tracks, "x", [PointInfo("a", colour="#000000")]).apply(tracks)
    states = [
        state_digest(tracks, {}, {}),
        state_digest(put, {}, {}),
        state_digest(coloured, {}, {}),
        state_digest(tracks, {"r": tracks}, {}),
        state_digest(tracks, {"r": put}, {}),
        state_digest(tracks, {"s": put}, {}),
        state_digest(tracks, {}, {"ED": [1]}),
    ]
    assert len(set(states)) == len(states)
    calibrated = put.with_video(INFO.calibrated(Calibration((1, 1))))
    assert state_digest(calibrated, {"b": put, "a": tracks}, {"n": (1,)}) == state_digest(
        put, {"a": tracks, "b": put}, {"n": [1]}
    )


def test_history_goes_on_counting_from_an_opened_stack(path):
    desk = worked(path, saved=10)
    desk.journal.close()
    again = Desk(path)
    assert isinstance(again.history, History)
    count = len(again.history)
    again.undo()
    again.save()
    assert len(Desk(path).history) == count - 1


def test_killed_at_any_moment_nothing_told_is_lost(path):
    command = [sys.executable, __file__, str(path)]
    told = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        for line in child.stdout:
            told = int(line)
            if told == 230:
                child.kill()
    assert child.returncode != 0
    assert told >= 230
    again = Desk(path)
    found = len(again.journal.unsaved)
    assert 100 + found >= told
    again.recover()
    live = worked(path.with_name("live.usstrack.json"), saved=100, more=found)
    assert (again.state(), again.stacks()) == (live.state(), live.stacks())


def work_until_killed(path: Path) -> None:
    desk, rng = Desk(path), np.random.default_rng(0)
    for number in range(1, 100_000):
        desk.step(rng)
        print(number, flush=True)  # noqa: T201
        if number == 100:
            desk.save()


if __name__ == "__main__":
    work_until_killed(Path(sys.argv[1]))
