"""What a person does to points, labels, runs and events, each as one change."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike

from napari_usstrack.core import edits
from napari_usstrack.core.history import Change, EventChange, RunChange
from napari_usstrack.core.tracks import Source, Tracks
from napari_usstrack.core.video import Video
from napari_usstrack.session import changes


class Verbs(ABC):
    """Puts changes together and hands them to `do`."""

    video: Video

    @property
    @abstractmethod
    def annotations(self) -> Tracks:
        """What a person set."""

    @property
    @abstractmethod
    def runs(self) -> Mapping[str, Tracks]:
        """What methods computed, by run name."""

    @property
    @abstractmethod
    def events(self) -> Mapping[str, Any]:
        """What is noted about the clip as a whole, plain values by key."""

    @abstractmethod
    def do(self, change: Change) -> None:
        """Apply a change and remember it."""

    def note(self, name: str, key: str, value: Any) -> None:
        """Note a plain value about the clip as a whole, or forget it with None; undoable."""
        self.do(EventChange(name, key, self.events.get(key), value))

    def add_point(self, name: str, **details: Any) -> None:
        """Add a named point; details are `group`, `kind` and `colour`."""
        self.do(changes.adding(self.annotations, name, **details))

    def place(self, name: str, frame: int, xy: ArrayLike, source: Source = Source.MANUAL) -> None:
        """Place or move a point, adding it if it is new; xy in px."""
        known = name in self.annotations.names
        column = self.annotations.column(name) if known else 0
        rows = range(self.annotations.shape[0])
        moved = known and frame in rows and self.annotations.present[frame, column]
        self.place_all(f"{'move' if moved else 'place'} {name}", {(frame, name): xy}, source)

    def place_all(self, name: str, places: changes.Places, source: Source = Source.MANUAL) -> None:
        """Place or, with None, forget many cells as one change; xy in px."""
        info = self.video.info
        self.do(changes.placing(self.annotations, name, places, source, info))

    def rename_point(self, old: str, new: str) -> None:
        """Give a point another name, in labels and runs."""
        self.do(changes.renaming(self.annotations, self.runs, old, new))

    def describe_point(self, name: str, **details: Any) -> None:
        """Change `group`, `kind` or `colour` of a point, in labels and runs."""
        self.describe_points([name], **details)

    def describe_points(self, names: Sequence[str], **details: Any) -> None:
        """Change `group`, `kind` or `colour` of points as one change, in labels and runs."""
        self.do(changes.describing(self.annotations, self.runs, names, **details))

    def remove_point(self, name: str) -> None:
        """Remove a point with its labels, and from the runs."""
        self.do(changes.removing(self.annotations, self.runs, name))

    def order_points(self, names: Sequence[str]) -> None:
        """Put the points into another order."""
        self.do(changes.ordering(self.annotations, names))

    def delete(self, name: str, frame: int) -> None:
        """Forget a point in one frame."""
        self.do(edits.clear(self.annotations, [frame], [name]))

    def set_run(self, name: str, run: Tracks | None) -> None:
        """Add, replace or, with None, remove a run; undoable."""
        verb = "remove" if run is None else "replace" if name in self.runs else "add"
        self.do(RunChange(f"{verb} run {name}", name, self.runs.get(name), run))
