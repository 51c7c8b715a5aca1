"""Save, export and import from the dock."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_info
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_usstrack.core import regions
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracks import Source
from napari_usstrack.io import interchange
from napari_usstrack.io.imported import Imported
from napari_usstrack.io.tables import write_tracks

if TYPE_CHECKING:
    from napari_usstrack.session import Session
    from napari_usstrack.widgets.workbench import Workbench

TABLE = "Table of all tracks (*.csv)"
DUSTRACK = "Labels for DUSTrack (*.json)"
DEEPLABCUT = "Labels for DeepLabCut (CollectedData*.csv)"
READABLE = "Labels (*.json *.csv *.h5);;All files (*)"


class Files:
    """File actions on the clip in view.

    Parameters
    ----------
    parent : QWidget
        Under which dialogs open.
    open_bench : callable
        The clip in view; raises where there is none.
    """

    def __init__(self, parent: QWidget, open_bench: Callable[[], Workbench]) -> None:
        self._parent = parent
        self._open_bench = open_bench

    @property
    def _session(self) -> Session:
        return self._open_bench().session

    def save(self) -> None:
        """Save beside the clip, or where the user says."""
        session = self._session
        target = None
        if session.path is None or session.read_only:
            name = f"{session.video.info.name}.usstrack.json"
            target, _ = self.ask_target("Save project", name, "Project (*.usstrack.json)")
            if not target:
                return
        show_info(f"Saved {session.save(target)}")

    def export(self) -> None:
        """Write tracks as a table, or labels for another program, where the user says."""
        bench = self._open_bench()
        session = bench.session
        kinds = ";;".join((TABLE, DUSTRACK, DEEPLABCUT))
        target, kind = self.ask_target("Export", f"{bench.image.name} tracks.csv", kinds)
        if not target:
            return
        if kind == TABLE:
            write_tracks(session.curation.shown, target)
            show_info(f"Saved {target}")
            return
        format = "dustrack" if kind == DUSTRACK else "deeplabcut"
        folder, labels = Path(target).parent, session.annotations
        written = interchange.write(labels, folder, format=format, scorer=session.author)
        show_info(" ".join([f"Saved {written.path}.", *written.notes]))

    def take_in(self) -> None:
        """Read labels that another program or person made; undoable."""
        session = self._session
        source = self.ask_source("Import labels", READABLE)
        if source:
            found = interchange.read(source, session.annotations.video)
            show_info(" ".join([take_over(session, found, Path(source).name), *found.notes]))

    def ask_target(self, title: str, name: str, kinds: str) -> tuple[str, str]:
        """Ask where to write; an empty path when the user thinks better of it."""
        return QFileDialog.getSaveFileName(self._parent, title, name, kinds)

    def ask_source(self, title: str, kinds: str) -> str:
        """Ask what to read; an empty path when the user thinks better of it."""
        return QFileDialog.getOpenFileName(self._parent, title, "", kinds)[0]


def take_over(session: Session, found: Imported, name: str) -> str:
    """Add what was read to a session: labels where there are none yet, and a run.

    Returns
    -------
    str
        What was added, one sentence.
    """
    told = []
    if found.labels is not None and found.labels.source.any():
        labels, before = found.labels, int(session.annotations.by_hand.sum())
        edit = regions.copy_from(
            session.annotations,
            labels,
            range(labels.shape[0]),
            labels.names,
            replace=False,
            source=Source.MANUAL,
        )
        session.do(edit)
        added = int(session.annotations.by_hand.sum()) - before
        kept = int(labels.by_hand.sum()) - added
        told.append(f"{added} labels from {name}" + (f", {kept} kept as they were" if kept else ""))
    if found.run is not None:
        session.set_run(name, found.run)
        told.append(f"run '{name}'")
    if not told:
        raise UsstrackError(f"{name} holds no labels; choose another file.")
    return f"Added {' and '.join(told)}."
