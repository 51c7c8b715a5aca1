"""Paths through several cycles held to the first of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.flow.guided import Guide
from napari_usstrack.flow.recurrence import Closed, Path, closing_match, levelled, partners, period

Floats = NDArray[np.float64]
Grey = NDArray[np.uint8]
Indices = NDArray[np.intp]
STRIDE = 2
"""Every third row is compared: drift is slow."""
Load = Callable[[range], Grey]
"""Gives pictures on the grid for rows of the span."""


@dataclass(frozen=True, eq=False)
class Cycles:
    """Which rows show the same phase as a row near the query.

    Attributes
    ----------
    first : int
        First row that was walked through.
    partner : dict of int to intp ndarray
        By row of a query: for each row from `first` on, the row of the cycle
        near the query in the same phase, or -1.
    """

    first: int
    partner: dict[int, Indices]

    @classmethod
    def of(cls, guide: Guide, queries: set[int], start: int) -> Cycles:
        """Find them from the thumbnails of a guide; `start` is the frame of row 0."""
        frames = sorted(guide.thumbs)
        if len(frames) < 2 or frames[-1] - frames[0] + 1 != len(frames):
            return cls(0, {})
        thumbs = levelled(np.stack([guide.thumbs[frame] for frame in frames]))
        cycle, first = period(thumbs), frames[0] - start
        if not cycle:
            return cls(0, {})
        inside = [row for row in queries if 0 <= row - first < len(frames)]
        return cls(first, {row: _shifted(thumbs, row - first, cycle, first) for row in inside})

    def rows(self, query: int, within: range) -> tuple[Indices, Indices]:
        """Rows that have a partner, and their partners, both in a range of rows."""
        partner = self.partner.get(query)
        if partner is None:
            return np.empty(0, np.intp), np.empty(0, np.intp)
        rows = np.arange(self.first, self.first + len(partner))
        good = (partner >= within.start) & (partner < within.stop)
        good &= (rows >= within.start) & (rows < within.stop)
        return rows[good], partner[good]


def _shifted(thumbs: NDArray[np.float32], query: int, cycle: int, by: int) -> Indices:
    found = partners(thumbs, query, cycle)
    return np.where(found >= 0, found + by, -1)


@dataclass(frozen=True, eq=False)
class Loop:
    """Later rows of a point and their partners in the first cycle."""

    point: int
    rows: Indices
    partner: Indices


def close(
    loops: list[Loop],
    stretches: list[range],
    load: Load,
    centre: Floats,
    deformed: Floats,
    guide: Guide,
    threads: int,
) -> Iterator[tuple[int, Indices, Closed]]:
    """Compare later rows with their partners, stretch by stretch.

    Parameters
    ----------
    loops : list of Loop
    stretches : list of range
        Rows whose pictures are held at a time.
    load : callable
    centre, deformed : float64 ndarray, shape (frames, points, 2) and (..., 2, 2)
        Paths on the grid.
    guide : Guide
    threads : int

    Yields
    ------
    point, rows, Closed
    """
    early = [np.unique(loop.partner) for loop in loops]
    span = range(min(rows[0] for rows in early), max(rows[-1] for rows in early) + 1)
    known = load(span)

    def do(loop: Loop, rows: Indices, partner: Indices, later: Grey, stretch: range) -> Closed:
        first = np.arange(partner.min(), partner.max() + 1)
        path = Path(centre[:, loop.point], deformed[:, loop.point])
        return closing_match(
            (known[first[0] - span.start : first[-1] + 1 - span.start], path.of(first)),
            (later[rows - stretch.start], path.of(rows)),
            partner - first[0],
            guide.support,
            guide.grid.mm,
        )

    with ThreadPoolExecutor(threads, "usstrack-close") as pool:
        for stretch in stretches:
            tasks = [(loop, *_inside(loop, stretch)) for loop in loops]
            tasks = [task for task in tasks if len(task[1])]
            if not tasks:
                continue
            later = load(stretch)
            waiting = [pool.submit(do, *task, later, stretch) for task in tasks]
            try:
                for (loop, rows, _), answer in zip(tasks, waiting, strict=True):
                    yield loop.point, rows, answer.result()
            finally:
                for answer in waiting:
                    answer.cancel()


def _inside(loop: Loop, stretch: range) -> tuple[Indices, Indices]:
    good = (loop.rows >= stretch.start) & (loop.rows < stretch.stop)
    return loop.rows[good][::STRIDE], loop.partner[good][::STRIDE]


def spread(deformed: Floats, rows: Indices, found: Floats) -> None:
    """Replace deformations in some rows, and correct those of the rows in between alike.

    Parameters
    ----------
    deformed : float64 ndarray, shape (frames, 2, 2)
        Changed in place.
    rows : intp ndarray, shape (n,)
        Rising.
    found : float64 ndarray, shape (n, 2, 2)
        What is right in those rows.
    """
    if not rows.size:
        return
    change = found @ np.linalg.inv(deformed[rows])
    every = np.arange(rows[0], min(rows[-1] + STRIDE, len(deformed)))
    after = np.clip(np.searchsorted(rows, every), 1, max(len(rows) - 1, 1)).clip(max=len(rows) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(every - rows[before] <= rows[after] - every, before, after)
    near = np.abs(rows[nearest] - every) < STRIDE
    deformed[every[near]] = change[nearest[near]] @ deformed[every[near]]
