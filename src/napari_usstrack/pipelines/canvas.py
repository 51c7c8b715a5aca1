"""Matplotlib without a window: figures that become PNG files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.io.atomic import unwritable, write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

DPI = 130
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#4d4d4d", "#8a6d00")
"""Told apart by people with any kind of colour vision."""


def canvas(width_in: float, height_in: float) -> Canvas:
    """An empty figure of a size in inches, drawn by Agg, that fits its labels in."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(width_in, height_in), dpi=DPI, layout="constrained")
    FigureCanvasAgg(made)
    return made


def save(made: Canvas, path: Path) -> Path:
    """Write a figure as PNG, whole or not at all."""
    content = io.BytesIO()
    made.savefig(content, format="png", metadata={"Software": None})
    write_bytes(path, content.getvalue())
    return path


def folder_for(path: Path) -> Path:
    """Make a folder for results.

    Raises
    ------
    UsstrackError
        If it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise UsstrackError(f"{path} is a file; name a folder for the results") from error
    except OSError as error:
        raise unwritable(path, error) from error
    return path
