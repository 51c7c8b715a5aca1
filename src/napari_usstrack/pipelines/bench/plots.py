"""One picture per metric: methods in rows, a panel per set, a dot per clip."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_usstrack.pipelines.bench.cases import ALL, TIME
from napari_usstrack.pipelines.bench.run import Row
from napari_usstrack.pipelines.bench.table import averaged
from napari_usstrack.pipelines.canvas import COLOURS, canvas, folder_for, save
from napari_usstrack.pipelines.figures import find

MANY = 100.0
"""A panel whose values differ by a larger factor is logarithmic."""


def draw(rows: Sequence[Row], folder: Path) -> list[Path]:
    """Write a PNG file for every metric and unit that was measured.

    Raises
    ------
    UsstrackError
        If they cannot be written.
    """
    folder_for(folder)
    known = [row for row in rows if row.figure is not None and row.figure.value == row.figure.value]
    keys = dict.fromkeys((row.figure.metric, row.figure.unit) for row in known if row.figure)
    written = []
    for metric, unit in keys:
        name = re.sub(r"[^a-z0-9]+", "-", f"{metric} {unit.replace('%', 'percent')}".lower())
        own = [row for row in known if row.figure and _key(row) == (metric, unit)]
        written.append(_metric(own, metric, unit, folder / f"{name.strip('-')}.png"))
    return written


def _key(row: Row) -> tuple[str, str]:
    return ("", "") if row.figure is None else (row.figure.metric, row.figure.unit)


def _metric(rows: Sequence[Row], metric: str, unit: str, path: Path) -> Path:
    sets = list(dict.fromkeys(row.set_name for row in rows))
    methods = list(dict.fromkeys(row.method for row in rows))
    made = canvas(3.2 + 3.2 * len(sets), 1.5 + 0.34 * len(methods))
    panels = made.subplots(1, len(sets), sharey=True, squeeze=False)[0]
    for axes, name in zip(panels, sets, strict=True):
        own = [row for row in rows if row.set_name == name]
        _panel(axes, own, methods, metric, unit)
        axes.set_title(name, fontsize=10)
    panels[0].set_yticks(range(len(methods)), methods)
    panels[0].set_ylim(len(methods) - 0.5, -0.5)
    made.supxlabel(f"{metric.replace('_', ' ')}, {unit}", fontsize=10)
    return save(made, path)


def _panel(axes: Any, rows: Sequence[Row], methods: Sequence[str], metric: str, unit: str) -> None:
    values = [row.figure.value for row in rows if row.figure is not None and row.case != ALL]
    means = averaged(rows)
    for place, method in enumerate(methods):
        dots = [r.figure.value for r in rows if r.figure and r.method == method and r.case != ALL]
        axes.plot(dots, [place] * len(dots), "o", color=COLOURS[6], alpha=0.45, markersize=3.5)
        mean = find(means.get(method, []), metric, unit)
        if mean is not None:
            axes.plot([mean.low, mean.high], [place, place], color=COLOURS[0], linewidth=1.5)
            axes.plot(mean.value, place, "|", color=COLOURS[0], markersize=13, markeredgewidth=2.5)
    positive = [value for value in values if value > 0]
    if metric == TIME or (positive and max(positive) > MANY * min(values)):
        # Zeros stay in sight beside values of any size.
        axes.set_xscale("symlog", linthresh=min(positive, default=1.0))
    if not any(values):
        axes.set_xlim(-0.05, 1.0)
    axes.grid(axis="x", alpha=0.3)
    axes.tick_params(axis="x", labelsize=8)
