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
STIFFNESS = 0.1
"""Weight of bends against a sure point: nothing of a wave over fourteen points is
lost, a thirtieth over eight, most of what changes from point to point."""
LEAST_WEIGHT, LOST_WEIGHT = 0.05, 0.01
OUTLYING, LEAST_OFF_MM = 5.0, 1.5
"""A point that much further from what its neighbours say than others usually are, and
more than so many mm, does not count."""
MOST_OUTLIERS = 0.25
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
        queries. A point that lies far from where its neighbours put it is put
        there, with little confidence.

    Notes
    -----
    A smoother of Whittaker (1923) with second differences, weighted with
    confidence. Outliers are found by how far a point is from the curve that all
    others make.
    """
    arrays = arrays_of(cells)
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    for contour in contours(queries, span):
        rows, start = contour.rows, queries.xy[contour.rows] * spacing
        bends = _bends(start)
        for t in range(len(span)):
            there = cells.present[t, rows]
            if t == contour.frame - span.start or not there.all():
                continue
            motion = cells.xy[t, rows] * spacing - start
            weight = np.clip(np.nan_to_num(cells.confidence[t, rows]), LEAST_WEIGHT, 1.0)
            weight = np.where(cells.visible[t, rows], weight, LOST_WEIGHT)
            smooth, counted = _smooth(motion, weight, bends)
            arrays["xy"][t, rows] = (start + smooth) / spacing
            arrays["confidence"][t, rows[~counted]] *= DOUBT
    return Cells(**arrays)


def _bends(points: Floats) -> Floats:
    """Penalty (points, points) on second differences along a contour."""
    steps = np.hypot(*np.diff(points, axis=0).T)
    closed = np.hypot(*(points[-1] - points[0])) < CLOSED * np.median(steps)
    count = len(points)
    rows = np.zeros((count, count))
    for i in range(count):
        if closed or 0 < i < count - 1:
            rows[i, [i - 1, (i + 1) % count]] += 1.0
            rows[i, i] -= 2.0
    return np.asarray(STIFFNESS * rows.T @ rows)


def _smooth(motion: Floats, weight: Floats, bends: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Smoothed motion (points, 2), and which points counted."""
    counted = np.ones(len(weight), dtype=bool)
    for _ in range(max(1, int(MOST_OUTLIERS * len(weight)))):
        own = np.where(counted, weight, 1e-6)
        hat = np.linalg.solve(np.diag(own) + bends, np.diag(own))
        off = np.hypot(*(motion - hat @ motion).T) / np.maximum(1.0 - np.diag(hat), 1e-3)
        others = np.median(off[counted])
        far = np.where(counted, off, 0.0)
        worst = int(far.argmax())
        if far[worst] <= max(LEAST_OFF_MM, OUTLYING * others):
            break
        counted[worst] = False
    own = np.where(counted, weight, 1e-6)
    return np.asarray(np.linalg.solve(np.diag(own) + bends, own[:, None] * motion)), counted
