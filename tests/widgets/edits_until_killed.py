"""A person at a real window who edits without end; run as a program, ended from outside.

Prints, after every edit that is shown as done, how many there were and a
digest of the labels.
"""

from __future__ import annotations

import random
import sys

import napari
from qtpy.QtCore import QTimer

from napari_usstrack.core.provenance import digest


def fingerprint(session) -> str:
    labels = session.annotations
    return digest(list(labels.names), labels.xy, labels.source)


class Person:
    """Clicks, drags, deletes, steps, accepts, undoes."""

    def __init__(self, dock, seed: int) -> None:
        self.dock = dock
        self.random = random.Random(seed)
        self.count = 0

    @property
    def session(self):
        return self.dock.bench.session

    def act(self) -> None:
        before = len(self.session.history), self.session.history.redo_name
        self.random.choice([self.click, self.click, self.drag, self.delete, self.step, self.undo])()
        if (len(self.session.history), self.session.history.redo_name) != before:
            self.count += 1
            sys.stdout.write(f"{self.count} {fingerprint(self.session)}\n")
            sys.stdout.flush()

    def click(self) -> None:
        x, y = self.random.uniform(5, 90), self.random.uniform(5, 70)
        self.dock.bench.labels.add([[self.dock.bench.frame, y, x]])

    def drag(self) -> None:
        for name in self.session.annotations.names[:1]:
            x, y = self.random.uniform(5, 90), self.random.uniform(5, 70)
            self.session.place(name, self.dock.bench.frame, (x, y))

    def delete(self) -> None:
        layer = self.dock.bench.labels
        if len(layer.data) > 3:
            layer.selected_data = {0}
            layer.remove_selected()

    def step(self) -> None:
        self.session.curation.step(self.random.choice([1, 1, -1]))
        self.session.curation.accept(self.session.frame)

    def undo(self) -> None:
        if self.random.random() < 0.3:
            self.session.undo()


def main() -> None:
    viewer = napari.Viewer(show=True)
    viewer.open(sys.argv[1], plugin="napari-usstrack")
    _, dock = viewer.window.add_plugin_dock_widget("napari-usstrack", "USSTrack")
    dock.add_points()
    person = Person(dock, int(sys.argv[2]))
    timer = QTimer()
    timer.timeout.connect(person.act)
    timer.start(1)
    napari.run()


if __name__ == "__main__":
    main()
