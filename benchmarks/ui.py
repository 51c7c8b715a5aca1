"""Time per frame step and per edit, inside the plugin and in the whole viewer.

Run under a display: ``xvfb-run -a -s "-screen 0 1400x900x24 +extension GLX"
python -m benchmarks.ui``. A made clip of 640 x 480 px with 20 points over 2000
frames is shown with every view of the dock: labels and proposals to edit, a run
with tails, another as reference, lines, the trace plot of all four quantities
with all points selected, the list to check, the table of points. The project
has a file, so that every edit is written to a journal.

*Ours* is what `benchmarks.own_time` counts on the window's thread: our functions
and all they call (napari setters, slicing of the layers that we write, numpy,
disk), timers that fire later, callbacks of jobs, and every event that Qt delivers
to our two docks, painting included. Not ours are napari's own step to another
frame and the painting of its canvas. Before anything is measured a profiler looks
for functions of ours that the clock misses; they are named below the table.

A step is given 1/30 s; whatever of ours falls into it counts, so that work put
off to a timer counts for the step in which it is done. Steps that carry points
along have no run beneath, so that each step tracks, in a thread. An edit counts
three times: what runs before the call returns, after which the label is set and
in the journal; the next turn of the event loop, which draws its marker; and what
follows until all is quiet, refilling included. Times are wall
times, so waiting for another process, or for a thread that holds the interpreter,
is in them; the last column is the processor time of the row's slowest case.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

os.environ["NAPARI_ASYNC"] = "0"
os.environ["USSTRACK_DATA_DIR"] = tempfile.mkdtemp(prefix="usstrack-ui-")

import napari
import numpy as np
from qtpy.QtCore import QCoreApplication

from benchmarks.own_time import Clock, TimedApplication, escapes, watch
from napari_usstrack.core.tracks import CELL_ARRAYS, Cells, PointInfo, Source, Tracks
from napari_usstrack.core.video import Video
from napari_usstrack.io.array_video import array_video
from napari_usstrack.session import Session
from napari_usstrack.widgets import main as dock_module
from napari_usstrack.widgets import workbench
from napari_usstrack.widgets.layers import clip_layer
from napari_usstrack.widgets.workers import run_in_thread

PACE_S = 1 / 30
QUIET_S = 0.4
LABELLED_EVERY = 250
STEPPED, CARRIED, EDITED = 500, 1750, 900
LONG = 10_000


@dataclass
class Figures:
    """Wall and processor times of one row, ms."""

    what: str
    bar: str = ""
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def add(self, seconds: float, cpu_s: float) -> None:
        """Take in one case."""
        self.wall.append(1e3 * seconds)
        self.cpu.append(1e3 * cpu_s)

    def __str__(self) -> str:
        wall = np.array(self.wall)
        cpu = np.median(self.cpu), max(self.cpu)
        figures = (np.median(wall), np.quantile(wall, 0.95), wall.max(), *cpu)
        return f"{self.what:<50}" + "".join(f"{ms:>9.2f}" for ms in figures) + f"   {self.bar}"


def moving_clip(frames: int, width: int = 640, height: int = 480) -> Video:
    """Smooth speckle that moves by a pixel a frame."""
    random = np.random.default_rng(0)
    picture = random.normal(size=(height, width))
    for axis in (0, 1):
        picture = sum(np.roll(picture, by, axis) for by in (-2, -1, 0, 1, 2))
    picture = np.clip(128 + 50 * picture / picture.std(), 0, 255).astype(np.uint8)
    clip = np.empty((frames, height, width), dtype=np.uint8)
    for frame in range(frames):
        clip[frame] = np.roll(picture, frame, axis=1)
    return array_video(clip, fps=50.0, spacing_mm=(0.1, 0.1), name="clip")


def made_run(video: Video, points: int, seed: int) -> Tracks:
    """Points on slow circles, every cell filled, some of them doubtful."""
    random = np.random.default_rng(seed)
    info = video.info
    centre = random.uniform(0.25, 0.75, (points, 2)) * (info.width, info.height)
    phase = np.linspace(0, 40 * np.pi, info.frame_count)[:, None]
    xy = centre + 0.05 * info.height * np.stack([np.cos(phase), np.sin(phase)], axis=-1)
    xy += random.normal(0, 0.1, xy.shape)
    confidence = 1 - 0.6 * random.random(xy.shape[:2]) ** 8
    cells = Cells.placed(xy, Source.FLOW, confidence=confidence)
    arrays = {name: getattr(cells, name) for name in CELL_ARRAYS}
    roster = tuple(PointInfo(f"p{i}", group=f"line {i // 5}", kind="line") for i in range(points))
    return Tracks(**arrays, points=roster, video=info)


def labelled(session: Session, run: Tracks, every: int) -> None:
    """Give a session two runs, lines, and labels in some frames."""
    for point in run.points:
        session.add_point(point.name, group=point.group, kind=point.kind)
    places = {
        (frame, name): run.xy[frame, column]
        for frame in range(0, run.shape[0], every)
        for column, name in enumerate(run.names)
    }
    session.place_all("label", places)
    session.set_run("other", made_run(session.video, len(run.points), 2))
    session.set_run("track", run)


class Stage:
    """A viewer with the dock, and the clock that watches it."""

    def __init__(self, app: TimedApplication) -> None:
        self.app, self.clock = app, app.clock
        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(1280, 800)

    def process(self) -> None:
        """Let Qt do what is due."""
        QCoreApplication.processEvents()

    def wait(self, seconds: float) -> None:
        """Let time pass, and Qt do what is due."""
        until = time.perf_counter() + seconds
        while True:
            self.process()
            if time.perf_counter() >= until:
                return
            time.sleep(0.0005)

    def settle(self) -> None:
        """Wait until nothing is due and nothing is computed."""
        self.wait(QUIET_S)
        while self.busy:
            self.wait(QUIET_S)

    @property
    def busy(self) -> bool:
        """Whether chores wait or a method runs."""
        return bool(self.dock.curator.chores.due) or self.bench.session.curation.busy

    @property
    def bench(self) -> workbench.Workbench:
        """The clip in view."""
        return self.dock.bench

    def open_dock(self) -> None:
        """Add the dock, its folds open, and the trace plot with all it can show."""
        shown, self.dock = self.viewer.window.add_plugin_dock_widget("napari-usstrack", "USSTrack")
        for fold in self.dock.findChildren(dock_module.Fold):
            fold.button.setChecked(fold.button.text()[3:] in ("Check next", "All points"))
        self.dock.traces.toggle()
        plot = self.dock.traces.plot
        for box in plot.tools.boxes.values():
            box.setChecked(True)
        self.app.docks = (shown, plot.parentWidget())
        self.wait(QUIET_S)

    def close(self) -> None:
        """Close the window."""
        self.app.docks = ()
        self.dock.close_benches()
        self.viewer.close()
        self.wait(QUIET_S)

    @contextmanager
    def case(self, figures: Figures, longest: Figures | None = None) -> Iterator[None]:
        """Add what is ours meanwhile as one case, and its longest stretch to another row."""
        self.clock.reset()
        yield
        figures.add(self.clock.spent, self.clock.cpu)
        if longest is not None:
            longest.add(self.clock.longest, self.clock.longest_cpu)


def whole_steps(stage: Stage, what: str, steps: int) -> Figures:
    """Steps as fast as they go, drawing included."""
    out = Figures(what)
    for frame in range(STEPPED, STEPPED + steps):
        begun, cpu = time.perf_counter(), time.thread_time()
        stage.viewer.dims.set_current_step(0, frame)
        stage.process()
        out.add(time.perf_counter() - begun, time.thread_time() - cpu)
    return out


def own_steps(stage: Stage, step: Callable[[int], object], frames: range, what: str) -> list:
    """Our part of steps at a steady pace."""
    out = Figures(what, "median 8, max 50")
    for frame in frames:
        with stage.case(out):
            begun = time.perf_counter()
            step(frame)
            stage.wait(PACE_S - (time.perf_counter() - begun))
    return [out]


def edits(stage: Stage, count: int) -> list[Figures]:
    """Place labels, drag them, take it back, do it again."""
    bench, session = stage.bench, stage.bench.session
    rows = {
        "place": Figures("ours, edit: place a label", "< 5"),
        "move": Figures("ours, edit: drag a label, each move of the mouse", "< 5"),
        "drop": Figures("ours, edit: drop it", "< 5"),
        "drawn": Figures("ours, next turn: draw the marker"),
        "undo": Figures("ours, undo", "< 10"),
        "redo": Figures("ours, redo", "< 10"),
        "after": Figures("ours, all that follows an edit, undo or redo"),
        "piece": Figures("ours, longest stretch of that", "50"),
    }

    def settle() -> None:
        with stage.case(rows["after"], rows["piece"]):
            stage.settle()

    for at in range(count):
        name, frame = f"p{at}", EDITED + at
        bench.show_frame(frame)
        stage.settle()
        xy = session.curation.shown.xy[frame, at] + 2.0
        with stage.case(rows["place"]):
            bench.sync.put(name, frame, xy)
        with stage.case(rows["drawn"]):
            stage.process()
        settle()
        _drag(stage, name, rows["move"], rows["drop"])
        settle()
        for row, act in (("undo", stage.dock._undo), ("redo", stage.dock._redo)):
            with stage.case(rows[row]):
                act()
            settle()
    return list(rows.values())


class Press:
    """A mouse event as napari hands it to a layer."""

    button, modifiers = 1, ()

    def __init__(self, position: np.ndarray) -> None:
        self.type, self.position = "mouse_press", position


def _drag(stage: Stage, name: str, move: Figures, drop: Figures) -> None:
    sync = stage.bench.sync
    layer = sync.layer
    row = sync.keys.index((sync.session.frame, name))
    event = Press(np.array(layer.data_to_world(layer.data[row])))
    handling = layer.mouse_drag_callbacks[-1](layer, event)
    with stage.clock.at(True):
        next(handling)
    event.type = "mouse_move"
    for _ in range(4):
        event.position = event.position + np.array([0.0, 0.3, 0.3])
        with stage.case(move), stage.clock.at(True):
            next(handling)
        stage.process()
    event.type = "mouse_release"
    with stage.case(drop), stage.clock.at(True):
        next(handling, None)


def opening(app: TimedApplication, folder: Path, points: int, times: int) -> list[Figures]:
    """Open a long project from disk."""
    path = folder / "long.npy"
    np.save(path, np.zeros((LONG, 48, 64), dtype=np.uint8))
    with Session.open(path) as session:
        labelled(session, made_run(session.video, points, 1), 100)
        session.save()
    read = Figures(f"open {LONG} frames: clip, labels, two runs", "< 1000 with the next")
    show = Figures(f"ours, show {LONG} frames in the dock")
    piece = Figures("ours, longest stretch of that")
    for _ in range(times):
        begun, cpu = time.perf_counter(), time.thread_time()
        Session.open(path).close()
        read.add(time.perf_counter() - begun, time.thread_time() - cpu)
        stage = Stage(app)
        stage.open_dock()
        with _unclocked_opening(stage.clock), stage.case(show, piece):
            stage.viewer.open(path, plugin="napari-usstrack")
            stage.settle()
        stage.close()
    return [read, show, piece]


@contextmanager
def _unclocked_opening(clock: Clock) -> Iterator[None]:
    """Leave out reading, which has its own row."""
    reading = workbench.open_session
    workbench.open_session = clock.leaving_out(reading)
    yield
    workbench.open_session = reading


def all_views(stage: Stage, run: Tracks, folder: Path) -> None:
    """Show all there is of a labelled clip."""
    stage.open_dock()
    session = stage.bench.session
    labelled(session, run, LABELLED_EVERY)
    session.save(folder / "clip.usstrack.json")
    stage.dock.add_points()
    session.curation.base, stage.bench.reference = "track", "other"
    session.selection = run.names
    stage.dock.curator.chores.ask()
    stage.settle()


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--points", type=int, default=20)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--edits", type=int, default=12)
    args = parser.parse_args()
    clock = Clock()
    watch(clock)
    dock_module.UsstrackDock.__init__.__defaults__ = (clock.runner(run_in_thread),)
    TimedApplication.clock = clock
    app = TimedApplication([])
    with tempfile.TemporaryDirectory() as folder:
        table, missed = measured(app, Path(folder), args)
    print(f"{'ms':<50}{'median':>9}{'p95':>9}{'max':>9}{'cpu':>9}{'max':>9}   bar")
    for row in table:
        print(row)
    full = [f"{1e3 * seconds:.0f}" for seconds in clock.collections]
    print("full garbage collections that fell into our time, ms:", *full)
    if missed:
        print("not clocked:", *sorted(missed), sep="\n  ")


def measured(
    app: TimedApplication, folder: Path, args: argparse.Namespace
) -> tuple[list[Figures], set[str]]:
    """All rows, and the functions that the clock missed."""
    video = moving_clip(args.frames)
    stage = Stage(app)
    data, options, _ = clip_layer(video, "clip")
    stage.viewer.add_image(data, **options)
    whole_steps(stage, "", 30)
    table = [whole_steps(stage, "whole viewer, step, image alone", args.steps)]
    all_views(stage, made_run(video, args.points, 1), folder)
    bench = stage.bench
    with escapes(stage.clock) as missed:
        own_steps(stage, bench.show_frame, range(100, 130), "")
        edits(stage, 1)
    table.append(whole_steps(stage, "whole viewer, step, all views", args.steps))
    stage.settle()
    frames = range(STEPPED, STEPPED + args.steps)

    def plain(frame: int) -> None:
        stage.viewer.dims.set_current_step(0, frame)

    table += own_steps(stage, plain, frames, "ours, step")
    stage.settle()
    table += edits(stage, args.edits)
    curation = bench.session.curation
    curation.base = ""
    bench.show_frame(CARRIED)
    stage.settle()
    frames = range(CARRIED + 1, min(CARRIED + args.steps, args.frames))
    table += own_steps(stage, lambda _: curation.step(1), frames, "ours, step that carries points")
    stage.settle()
    stage.close()
    return table + opening(app, folder, args.points, 3), missed


if __name__ == "__main__":
    main()
