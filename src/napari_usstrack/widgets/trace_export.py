"""The trace plots as a PNG or SVG file."""

from __future__ import annotations

from pathlib import Path

import pyqtgraph as pg
from qtpy.QtCore import QRectF
from qtpy.QtGui import QImage, QPainter
from qtpy.QtSvg import QSvgGenerator
from qtpy.QtWidgets import QFileDialog, QWidget

SHARPNESS = 2
FORMATS = (".png", ".svg")


def ask_name(parent: QWidget) -> str:
    """Ask for a file name; empty when the user thinks better of it."""
    filters = "Picture (*.png);;Drawing (*.svg)"
    path, chosen = QFileDialog.getSaveFileName(parent, "Save the plots", "traces.png", filters)
    ending = ".svg" if "svg" in chosen else ".png"
    return path if not path or Path(path).suffix else path + ending


def save(view: pg.GraphicsView, path: str | Path) -> None:
    """Write what a view shows.

    Parameters
    ----------
    view : pyqtgraph.GraphicsView
        The plots.
    path : str or Path
        File name that ends in ``.png`` or ``.svg``.

    Raises
    ------
    ValueError
        The name ends otherwise.
    OSError
        The file cannot be written.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in FORMATS:
        raise ValueError(f"plots are saved as {' or '.join(FORMATS)}, not as {path.name!r}")
    if ending == ".svg":
        _drawing(view, path)
    elif not _picture(view).save(str(path), "PNG"):
        raise OSError(f"cannot write {path}")


def _picture(view: pg.GraphicsView) -> QImage:
    size = SHARPNESS * view.viewport().size()
    image = QImage(size, QImage.Format.Format_RGB32)
    image.fill(view.backgroundBrush().color())
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    view.render(painter, QRectF(0, 0, size.width(), size.height()), view.viewport().rect())
    painter.end()
    return image


def _drawing(view: pg.GraphicsView, path: Path) -> None:
    size = view.viewport().size()
    file = QSvgGenerator()
    file.setFileName(str(path))
    file.setSize(size)
    file.setViewBox(QRectF(0, 0, size.width(), size.height()))
    painter = QPainter()
    if not painter.begin(file):
        raise OSError(f"cannot write {path}")
    view.render(painter, QRectF(0, 0, size.width(), size.height()), view.viewport().rect())
    painter.end()
