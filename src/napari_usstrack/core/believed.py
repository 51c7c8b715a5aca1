"""Where points that cannot be seen are believed to be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def held(xy: Floats, visible: Mask, query: NDArray[np.intp], present: Mask) -> Floats:
    """Leave points that cannot be seen where they were last seen, on the way from the query.

    Parameters
    ----------
    xy : float64 ndarray, shape (frames, points, 2)
        Px.
    visible : bool ndarray, shape (frames, points)
    query : intp ndarray, shape (points,)
        Row of each query; others than those of `xy` are left alone.
    present : bool ndarray, shape (frames, points)
        Cells that have a position at all; NaN elsewhere.
    """
    count = len(xy)
    out = xy.copy()
    for point, row in enumerate(query.tolist()):
        if not 0 <= row < count or not present[row, point]:
            continue
        at = np.arange(count)
        known = visible[:, point].copy()
        known[row] = True
        ahead = np.maximum.accumulate(np.where(known & (at >= row), at, row))
        behind = np.minimum.accumulate(np.where(known & (at <= row), at, row)[::-1])[::-1]
        out[:, point] = xy[np.where(at >= row, ahead, behind), point]
    out[~present] = np.nan
    return out
