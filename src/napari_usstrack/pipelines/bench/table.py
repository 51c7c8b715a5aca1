"""The printed table: methods in rows, headline figures of each set in columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_usstrack.pipelines.bench.cases import ALL, TIME, TIME_UNIT
from napari_usstrack.pipelines.bench.run import Row
from napari_usstrack.pipelines.figures import PERCENT, Figure, find, mean_of
from napari_usstrack.pipelines.score_text import interval, number
from napari_usstrack.pipelines.scores import AT_256

Column = tuple[str, str, str]
"""Metric, unit and title."""

_TRACKED: tuple[Column, ...] = (
    ("delta_avg", PERCENT, "delta_avg, %"),
    ("MTE", AT_256, "MTE, px 256"),
    ("mean_error", "mm", "mean, mm"),
    ("AJ_own_visibility", PERCENT, "AJ own, %"),
    ("OA", PERCENT, "OA, %"),
    ("survival", PERCENT, "survival, %"),
)
_LAST: tuple[Column, ...] = (
    ("missing", PERCENT, "missing, %"),
    (TIME, TIME_UNIT, "ms/point-frame"),
)
HEADLINES: dict[str, tuple[Column, ...]] = {
    "simulated": (
        *_TRACKED,
        ("wall_strain_error", "percentage points", "strain, points"),
        ("fascicle_length_error", "mm", "fascicle, mm"),
        ("fascicle_angle_error", "deg", "angle, deg"),
        ("regional_strain_error", "percentage points", "region, points"),
        *_LAST,
    ),
    "clips": (*_TRACKED, ("GLS_error", "percentage points", "GLS, points"), *_LAST),
    "observers": (
        ("angle_error", "deg", "angle, deg"),
        ("length_error", "mm", "length, mm"),
        ("length_error_median", "mm", "median, mm"),
        ("angle_change_error", "deg", "d angle, deg"),
        ("length_change_error", "mm", "d length, mm"),
        *_LAST,
    ),
    "phantom": (
        ("mean_error", "px", "mean, px"),
        ("MTE", "px", "MTE, px"),
        ("p95_error", "px", "95 %, px"),
        ("mean_error", "mm", "mean, mm"),
        ("final_error", "px", "last, px"),
        ("excursion", "px", "motion, px"),
        *_LAST,
    ),
    "checks": (
        ("forward_backward", "px", "there+back"),
        ("closure", "px", "closure"),
        ("static_motion", "px", "static"),
        ("gap_left-right", "px", "left-right"),
        ("gap_up-down", "px", "up-down"),
        ("gap_quarter_turn_left", "px", "turned"),
        ("gap_time_reversal", "px", "reversed"),
        ("gap_dimmed_to_80_percent", "px", "dimmed"),
        ("directions_mean", "px", "8 ways"),
        ("directions_spread", "px", "max-min"),
        ("excursion", "px", "motion"),
        *_LAST,
    ),
}
FEW = 3
"""More clips than this are counted, not named, in a note."""
NOTES = {
    "simulated": "strain of the wall line of hearts, length and angle of fascicles, strain in "
    "regions of two muscles: means over the clips that have them",
    "checks": "all in px; motion is how far the points moved, without which a gap says little",
    "observers": "pooled over frames; d is the change since the first labelled frame",
}


def table_lines(rows: Sequence[Row]) -> list[str]:
    """One block per set; figures are plain means over the clips of a set.

    The first column has its 95 % interval, by bootstrap over clips.
    """
    lines: list[str] = []
    for name in dict.fromkeys(row.set_name for row in rows):
        lines += ["", *_block(name, [row for row in rows if row.set_name == name])]
    return lines[1:]


def averaged(rows: Sequence[Row]) -> dict[str, list[Figure]]:
    """Figures of each method over the cases of one set.

    A case that pools the others stands alone. Of one case alone its own
    interval is kept; of several it is over clips.
    """
    rows = [row for row in rows if row.figure is not None]
    pooled = any(row.case == ALL for row in rows)
    groups: dict[str, dict[tuple[str, str], list[Figure]]] = {}
    for row in rows:
        if row.figure is not None and (row.case == ALL or not pooled):
            key = row.figure.metric, row.figure.unit
            groups.setdefault(row.method, {}).setdefault(key, []).append(row.figure)
    return {
        method: [_mean(metric, unit, each) for (metric, unit), each in own.items()]
        for method, own in groups.items()
    }


def _mean(metric: str, unit: str, each: Sequence[Figure]) -> Figure:
    if len(each) == 1:
        return each[0]
    return mean_of(metric, unit, np.array([figure.value for figure in each]), over="clip")


def _block(name: str, rows: Sequence[Row]) -> list[str]:
    means = averaged(rows)
    shown = [column for column in HEADLINES[name] if _known(means, column)]
    cases = len({row.case for row in rows if row.figure is not None} - {ALL})
    about = f" ({NOTES[name]})" if name in NOTES else ""
    lines = [f"{name}: {cases} clip{'s' * (cases != 1)}{about}"]
    if means:
        titles = ["method", *(title for *_, title in shown)]
        texts = [[method, *_texts(figures, shown)] for method, figures in means.items()]
        wide = [max(map(len, column)) for column in zip(titles, *texts, strict=True)]
        lines += [_line(each, wide) for each in (titles, *texts)]
    return [*lines, *_notes(rows)]


def _texts(figures: Sequence[Figure], shown: Sequence[Column]) -> list[str]:
    texts: list[str] = []
    for metric, unit, _ in shown:
        figure = find(figures, metric, unit)
        text = "-" if figure is None else number(figure.value)
        if not texts and figure is not None:
            text = f"{text} {interval(figure)}".rstrip()
        texts.append(text)
    return texts


def _line(texts: Sequence[str], wide: Sequence[int]) -> str:
    """Method and first figure to the left, the others to the right."""
    cells = [
        f"{text:<{width}}" if i < 2 else f"{text:>{width}}"
        for i, (text, width) in enumerate(zip(texts, wide, strict=True))
    ]
    return f"  {'  '.join(cells)}".rstrip()


def _known(means: dict[str, list[Figure]], column: Column) -> bool:
    metric, unit, _ = column
    found = (find(figures, metric, unit) for figures in means.values())
    return any(figure is not None and figure.value == figure.value for figure in found)


def _notes(rows: Sequence[Row]) -> list[str]:
    """One line per sentence and method, with the clips it is about."""
    told: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.note:
            told.setdefault((row.note, row.method), []).append(row.case)
    lines = []
    for (note, method), cases in told.items():
        named = list(filter(None, dict.fromkeys(cases)))
        about = f"{len(named)} clips" if len(named) > FEW else ", ".join(named)
        where = " on ".join(filter(None, (method, about)))
        lines.append(f"  note: {where}{': ' if where else ''}{note}")
    return lines
