"""Curves of a training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_usstrack.pipelines.canvas import COLOURS, canvas, save

Rows = Sequence[Sequence[float]]


def draw(history: Rows, scores: Rows, path: Path) -> Path:
    """Draw loss and errors over the minutes of training.

    Parameters
    ----------
    history, scores : sequence of sequences
        As in `training.checkpoints.Checkpoint`.
    path : Path
        PNG file to write.

    Raises
    ------
    UsstrackError
        If it cannot be written.
    """
    from matplotlib.ticker import LogFormatter

    trained, checked = np.array(history).reshape(-1, 5), np.array(scores).reshape(-1, 5)
    made = canvas(8.0, 5.6)
    panels = made.subplots(2, 2, sharex=True).ravel()
    panels[0].plot(trained[:, 1], trained[:, 2], color=COLOURS[0])
    panels[0].set_ylabel("training loss, no unit")
    panels[1].plot(trained[:, 1], trained[:, 3], color=COLOURS[0])
    panels[1].set_ylabel("training, median error, px")
    panels[2].plot(checked[:, 1], checked[:, 2], "o-", color=COLOURS[0], label="median")
    panels[2].plot(checked[:, 1], checked[:, 3], "s--", color=COLOURS[1], label="mean")
    panels[2].set_ylabel("validation, error, px")
    panels[2].legend()
    panels[3].plot(checked[:, 1], checked[:, 4], "o-", color=COLOURS[2])
    panels[3].set_ylabel("validation, delta, %")
    for axes, values in zip(panels, (trained[:, 2], trained[:, 3], checked[:, 2:4]), strict=False):
        if np.isfinite(values).any() and (values[np.isfinite(values)] > 0).all():
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(LogFormatter())
            axes.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.5)))
    for axes in panels:
        axes.set_xlabel("time of training, min")
        axes.grid(alpha=0.3)
        axes.set_xlim(left=0)
    return save(made, path)
