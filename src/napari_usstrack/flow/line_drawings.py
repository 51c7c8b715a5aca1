"""Lines that were drawn as groups of points, and what each of them is in a muscle.

A group of kind ``line`` is either a *band*, a bright sheet such as an
aponeurosis, or a *fascicle*, one of a bundle of lines whose direction can be
seen and whose place cannot. A fascicle lies between two bands, or its group is
named so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.geometry import Floats, fit_line, fold_deg
from napari_usstrack.core.tracker import Queries

FASCICLES = ("fascicle", "fibre", "fiber")
BANDS = ("superficial", "deep", "central", "aponeuros", "fascia")
"""Words in the name of a group that say what it is."""
LEAST_CROSSING_DEG = 4.0
"""A group without such a name is a fascicle only at this angle to the lines around it."""
PARALLEL_DEG = 30.0
"""Two bands around a fascicle are no further from parallel than this."""
BEYOND, TOUCHING_MM = 0.6, 1.0
"""How far beyond a band's ends, in its lengths, it still bounds a fascicle; and how
far a fascicle's end may lie on the wrong side of it."""


@dataclass(frozen=True, eq=False)
class Drawing:
    """One line as drawn in one frame.

    Attributes
    ----------
    group : str
    frame : int
        Where it was drawn.
    first, last : int
        Frames in which it is asked for.
    columns : tuple of tuple of int
        Queries of each point: the same point may be asked for twice, forward
        and backward.
    points : float64 ndarray, shape (points, 2)
        Px, (x, y), from left to right or, where the line is upright, upwards.
    """

    group: str
    frame: int
    first: int
    last: int
    columns: tuple[tuple[int, ...], ...]
    points: Floats


@dataclass(frozen=True)
class Roles:
    """What the drawings of one frame are, by their index.

    Attributes
    ----------
    between : dict of int to tuple of int or None
        Fascicles: the upper and the lower band, None where there are none.
    bands : tuple of int
        All other drawings.
    """

    between: dict[int, tuple[int, int] | None]
    bands: tuple[int, ...]


def drawings(queries: Queries, span: range) -> list[list[Drawing]]:
    """Lines drawn in the frames of a span, those of one frame together.

    Points of one group and of kind ``line`` that are queried in one frame make
    a line, if there are two places at least. Points without a group make none.
    """
    found: dict[int, dict[str, list[int]]] = {}
    for i, (group, kind) in enumerate(zip(queries.group, queries.kind, strict=True)):
        frame = int(queries.frame[i])
        if kind == "line" and group and frame in span:
            found.setdefault(frame, {}).setdefault(group, []).append(i)
    lines = [
        [_drawing(queries, span, group, rows) for group, rows in groups.items()]
        for _, groups in sorted(found.items())
    ]
    scenes = [[line for line in scene if line is not None] for scene in lines]
    return [scene for scene in scenes if scene]


def _drawing(queries: Queries, span: range, group: str, rows: Sequence[int]) -> Drawing | None:
    by_name: dict[str, list[int]] = {}
    for row in rows:
        by_name.setdefault(queries.name[row], []).append(row)
    xy = queries.xy[[own[0] for own in by_name.values()]]
    line = fit_line(xy) if len(xy) > 1 else None
    if line is None or np.isnan(line.along).any():
        return None
    order = np.argsort((xy - line.at) @ line.along, kind="stable")
    columns = list(by_name.values())
    first, last = queries.limits(span)
    return Drawing(
        group=group,
        frame=int(queries.frame[rows[0]]),
        first=int(first[list(rows)].min()),
        last=int(last[list(rows)].max()),
        columns=tuple(tuple(columns[i]) for i in order),
        points=xy[order],
    )


def roles(scene: Sequence[Drawing], spacing_mm: Floats) -> Roles:
    """Tell bands from the fascicles between them.

    Parameters
    ----------
    scene : sequence of Drawing
        Lines drawn in one frame.
    spacing_mm : float64 ndarray, shape (2,)
        Mm per px, (x, y).
    """
    lines = [drawing.points * spacing_mm for drawing in scene]
    between: dict[int, tuple[int, int] | None] = {}
    for i, drawing in enumerate(scene):
        named = _named(drawing.group, FASCICLES)
        if not named and _named(drawing.group, BANDS):
            continue
        others = [j for j in range(len(scene)) if j != i and not _named(scene[j].group, FASCICLES)]
        pair = _around(lines, i, others, 0.0 if named else LEAST_CROSSING_DEG)
        if named or pair is not None:
            between[i] = pair
    return Roles(between, tuple(i for i in range(len(scene)) if i not in between))


def _named(group: str, words: Sequence[str]) -> bool:
    return any(word in group.lower() for word in words)


def _around(
    lines: Sequence[Floats], i: int, others: Sequence[int], crossing_deg: float
) -> tuple[int, int] | None:
    """The nearest line above and the nearest below, of two that run alike."""
    own = fit_line(lines[i])
    angles = {j: float(fit_line(lines[j]).angle_deg) for j in others}
    away = {j: _below(lines[i], lines[j]) for j in others}
    found, nearest = None, np.inf
    for a, b in combinations(others, 2):
        upper, lower = (a, b) if away[a].mean() > away[b].mean() else (b, a)
        apart = abs(float(fold_deg(angles[a] - angles[b])))
        crosses = min(abs(float(fold_deg(own.angle_deg - angles[j]))) for j in (a, b))
        if apart > PARALLEL_DEG or crosses < crossing_deg:
            continue
        if not (away[upper] > -TOUCHING_MM).all() or not (away[lower] < TOUCHING_MM).all():
            continue
        gap = float(away[upper].mean() - away[lower].mean())
        if gap < nearest:
            found, nearest = (upper, lower), gap
    return found


def _below(points: Floats, line: Floats) -> Floats:
    """How far points lie below a line, mm; NaN beyond its ends."""
    chord = line[-1] - line[0]
    length = float(np.hypot(*chord))
    along = (points - line[0]) @ chord / length**2
    away = (points - line[0]) @ np.array([-chord[1], chord[0]]) / length
    place = (line - line[0]) @ chord / length**2
    height = (line - line[0]) @ np.array([-chord[1], chord[0]]) / length
    inside: NDArray[np.bool_] = (along > -BEYOND) & (along < 1.0 + BEYOND)
    return np.where(inside, away - np.interp(along, place, height), np.nan)
