"""Tracked points of a contour, such as a heart's wall, kept alike along it.

Neighbours on a wall move alike; points on its two sides need not. So the motion
of the points of one contour is smoothed along their order, the more the less
sure they are, and never mixed with that of another contour.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.geometry import Floats
from napari_usstrack.core.tracker import Queries
from napari_usstrack.core.tracks import Cells, arrays_of

FEWEST = 4
CLOSED = 1.5
"""Ends nearer than this many usual distances between neighbours are neighbours, too."""
STIFFNESS, USUAL = 0.3, 17
"""Weight of bends against a sure point in a contour of so many points or more: of a wave
over fourteen points a hundredth is lost, over eight a tenth, of what changes from point
to point most. With fewer points it falls by their fourth power, so that a wave over the
same share of the contour loses as much, however many points it is drawn with."""
LEAST_WEIGHT, LOST_WEIGHT, NO_WEIGHT = 0.05, 0.01, 1e-6
OUTLYING, LEAST_OFF_MM, AGREEING = 4.0, 1.5, 0.5
"""A point does not count when it is that many times further from the middle of its
neighbours than points usually are, more than so many mm, and its neighbours are
nearer to each other than this share of it."""
DOUBT = 0.3
"""Factor on the confidence of a point that did not count."""


@dataclass(frozen=True, eq=False)
class Contour:
    """Queries of one contour that start in one frame, in order."""

    frame: int
    rows: NDArray[np.intp]


def contours(queries: Queries, span: range) -> list[Contour]:
    """Points of one group and of kind ``contour`` that are queried in one frame, four at least."""
    found: dict[tuple[int, str, int, int], list[int]] = {}
    first, last = queries.limits(span)
    for i, (group, kind) in enumerate(zip(queries.group, queries.kind, strict=True)):
        frame = int(queries.frame[i])
        if kind == "contour" and group and frame in span:
            ahead, back = int(last[i] > frame), int(first[i] < frame)
            found.setdefault((frame, group, ahead, back), []).append(i)
    return [
        Contour(frame, np.array(rows)) for (frame, *_), rows in found.items() if len(rows) >= FEWEST
    ]


def held_to_contours(
    queries: Queries, cells: Cells, span: range, spacing_mm: tuple[float, float]
) -> Cells:
    """Smooth the motion of every contour along it.

    Parameters
    ----------
    queries : Queries
        What a tracker was asked; points of a contour in their order along it.
    cells : Cells
        What it found, ``[len(span), len(queries)]``.
    span : range
        Frames of the rows.
    spacing_mm : tuple of float
        Mm per px, (x, y).

    Returns
    -------
    Cells
        The same outside groups of kind ``contour``, and in the frames of the
        queries. A single point that lies far from where the neighbours on both
        sides put it is put there, with little confidence.

    Notes
    -----
    A smoother of Whittaker (1923) with second differences, weighted with
    confidence.
    """
    arrays = arrays_of(cells)
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    for contour in contours(queries, span):
        rows, start = contour.rows, queries.xy[contour.rows] * spacing
        closed = _closed(start)
        bends = _bends(len(start), closed)
        for t in range(len(span)):
            there = cells.present[t, rows]
            if t == contour.frame - span.start or not there.all():
                continue
            motion = cells.xy[t, rows] * spacing - start
            weight = np.clip(np.nan_to_num(cells.confidence[t, rows]), LEAST_WEIGHT, 1.0)
            weight = np.where(cells.visible[t, rows], weight, LOST_WEIGHT)
            counted = ~_single(motion, closed)
            smooth = _smoothed(motion, np.where(counted, weight, NO_WEIGHT), bends)
            arrays["xy"][t, rows] = (start + smooth) / spacing
            arrays["confidence"][t, rows[~counted]] *= DOUBT
    return Cells(**arrays)


def _closed(points: Floats) -> bool:
    steps = np.hypot(*np.diff(points, axis=0).T)
    return bool(np.hypot(*(points[-1] - points[0])) < CLOSED * np.median(steps))


def _bends(count: int, closed: bool) -> Floats:
    """Penalty (points, points) on second differences along a contour."""
    rows = np.zeros((count, count))
    for i in range(count):
        if closed or 0 < i < count - 1:
            rows[i, [i - 1, (i + 1) % count]] += 1.0
            rows[i, i] -= 2.0
    return np.asarray(STIFFNESS * min(1.0, count / USUAL) ** 4 * rows.T @ rows)


def _single(motion: Floats, closed: bool) -> NDArray[np.bool_]:
    """Points that alone move otherwise than their neighbours on both sides."""
    before, after = np.roll(motion, 1, axis=0), np.roll(motion, -1, axis=0)
    off = np.hypot(*(motion - 0.5 * (before + after)).T)
    gap = np.hypot(*(after - before).T)
    if not closed:
        off[[0, -1]] = 0.0
    usual = float(np.median(off if closed else off[1:-1]))
    return np.asarray((off > max(LEAST_OFF_MM, OUTLYING * usual)) & (gap < AGREEING * off))


def _smoothed(motion: Floats, weight: Floats, bends: Floats) -> Floats:
    return np.asarray(np.linalg.solve(np.diag(weight) + bends, weight[:, None] * motion))
