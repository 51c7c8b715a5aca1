"""A clock that runs while the plugin works on the window's thread, and only then.

It runs while a function or method of `napari_usstrack.widgets` or
`napari_usstrack.session` is under way, a callback of a job included, and while
Qt delivers any event, such as a paint or a timer, to a widget inside one of our
docks. It stands still while napari moves to another frame and slices its layers
for that, and while it paints its canvas, even where our code asked for it; our
code that napari calls meanwhile counts again. Everything else that our code calls counts: napari
setters, the slicing of a layer that we write, numpy, the journal.
"""

from __future__ import annotations

import functools
import gc
import importlib
import pkgutil
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QApplication, QWidget

WATCHED = ("napari_usstrack.widgets", "napari_usstrack.session")


class Clock:
    """Adds up our time.

    Attributes
    ----------
    spent : float
        Seconds since the last `reset`.
    cpu : float
        Processor seconds of that.
    longest, longest_cpu : float
        The same for the longest stretch that nothing interrupted.
    collections : list of float
        Seconds of each full garbage collection that fell into our time. They are
        counted as ours, though what they go through is mostly the viewer's.
    """

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._ours = [False]
        self._muted = False
        self.collections: list[float] = []
        self._collection_began = 0.0
        gc.callbacks.append(self._collecting)
        self._began = self._piece = (0.0, 0.0)
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self.spent = self.cpu = self.longest = self.longest_cpu = 0.0

    @property
    def running(self) -> bool:
        """Whether our code is under way."""
        return self._ours[-1]

    @contextmanager
    def at(self, ours: bool) -> Iterator[None]:
        """Run, or stand still, for a while."""
        skipped = self._muted or self._ours[-1] == ours
        if skipped or threading.get_ident() != self._thread:
            yield
            return
        self._turn(ours)
        self._ours.append(ours)
        try:
            yield
        finally:
            self._ours.pop()
            self._turn(not ours)
            if len(self._ours) == 1:
                self._end_piece()

    def leaving_out(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Let the clock stand still in all of a function, our own code in it included."""

        @functools.wraps(function)
        def untimed(*args: Any, **options: Any) -> Any:
            with self.at(False):
                self._muted = True
                try:
                    return function(*args, **options)
                finally:
                    self._muted = False

        return untimed

    def _collecting(self, phase: str, info: dict[str, int]) -> None:
        if info["generation"] < 2 or not self.running:
            return
        now = time.perf_counter()
        if phase == "start":
            self._collection_began = now
        else:
            self.collections.append(now - self._collection_began)

    def _turn(self, on: bool) -> None:
        now = time.perf_counter(), time.thread_time()
        if on:
            self._began = now
            return
        wall, cpu = now[0] - self._began[0], now[1] - self._began[1]
        self.spent += wall
        self.cpu += cpu
        self._piece = self._piece[0] + wall, self._piece[1] + cpu

    def _end_piece(self) -> None:
        if self._piece[0] > self.longest:
            self.longest, self.longest_cpu = self._piece
        self._piece = (0.0, 0.0)

    def wrapped(self, function: Callable[..., Any], ours: bool = True) -> Callable[..., Any]:
        """Let the clock run, or stand still, while a function is under way."""

        @functools.wraps(function)
        def timed(*args: Any, **options: Any) -> Any:
            if self._ours[-1] == ours or self._muted:
                return function(*args, **options)
            with self.at(ours):
                return function(*args, **options)

        return timed

    def runner(self, run: Callable[..., Any]) -> Callable[..., Any]:
        """Time the callbacks of a job runner."""

        def timed(work: Any, **callbacks: Any) -> Any:
            return run(work, **{name: self.wrapped(call) for name, call in callbacks.items()})

        return timed


class TimedApplication(QApplication):
    """Tells the clock when Qt delivers an event to one of our docks."""

    clock: Clock
    docks: tuple[QWidget, ...] = ()

    def notify(self, receiver: QObject, event: QEvent) -> bool:
        """Deliver an event."""
        if self.docks and isinstance(receiver, QWidget) and self._is_ours(receiver):
            with self.clock.at(True):
                return super().notify(receiver, event)
        return super().notify(receiver, event)

    def _is_ours(self, widget: QWidget) -> bool:
        return any(dock is widget or dock.isAncestorOf(widget) for dock in self.docks)


def watch(clock: Clock) -> None:
    """Let the clock run in every function, method and property of the watched packages."""
    from napari.components.dims import Dims
    from vispy.app.backends._qt import CanvasBackendDesktop

    for package in WATCHED:
        for found in pkgutil.walk_packages(
            importlib.import_module(package).__path__, package + "."
        ):
            _watch_module(clock, importlib.import_module(found.name))
    steps = ((Dims, "set_point"), (Dims, "set_current_step"))
    for cls, name in (*steps, (CanvasBackendDesktop, "paintGL")):
        setattr(cls, name, clock.wrapped(getattr(cls, name), ours=False))


def _watch_module(clock: Clock, module: types.ModuleType) -> None:
    for value in list(vars(module).values()):
        if isinstance(value, type) and value.__module__ == module.__name__:
            _watch_class(clock, value)


def _watch_class(clock: Clock, cls: type) -> None:
    for name, value in list(vars(cls).items()):
        if name.startswith("__"):
            continue
        if isinstance(value, types.FunctionType):
            setattr(cls, name, clock.wrapped(value))
        elif isinstance(value, property):
            parts = (value.fget, value.fset, value.fdel)
            made = [None if part is None else clock.wrapped(part) for part in parts]
            setattr(cls, name, property(*made, doc=value.__doc__))


@contextmanager
def escapes(clock: Clock) -> Iterator[set[str]]:
    """Gather the functions of the watched packages that are entered while the clock stands."""
    found: set[str] = set()
    roots = tuple(importlib.import_module(name).__path__[0] for name in WATCHED)

    def look(frame: types.FrameType, event: str, _arg: object) -> None:
        if event == "call" and not clock.running:
            code = frame.f_code
            if code.co_filename.startswith(roots):
                found.add(f"{code.co_filename.rsplit('/', 1)[-1]}: {code.co_qualname}")

    sys.setprofile(look)
    try:
        yield found
    finally:
        sys.setprofile(None)
