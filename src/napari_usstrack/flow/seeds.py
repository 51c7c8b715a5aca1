"""Small squares of one picture found again in another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.flow.opencv import opencv

Grey = NDArray[np.uint8]
Floats = NDArray[np.float64]
ITERATIONS, EPSILON_PX = 20, 0.01
GAP_MM = 0.05
"""Forward-backward distance at which a seed counts half."""
STRIDE = 2
"""Every second pixel along both axes is enough to tell how alike two squares are."""


def search(
    here: Grey,
    there: Grey,
    xy: Floats,
    window: int,
    *,
    levels: int = 4,
    guess: Floats | None = None,
) -> tuple[Floats, NDArray[np.bool_]]:
    """Find squares around positions again by pyramidal Lucas-Kanade.

    Parameters
    ----------
    here, there : uint8 ndarray, shape (height, width)
        The two pictures.
    xy : float64 ndarray, shape (seeds, 2)
        Centres in `here`, px.
    window : int
        Side of the squares, px, odd.
    levels : int
        Pyramid levels.
    guess : float64 ndarray, shape (seeds, 2), optional
        Where to begin to look in `there`; where they were by default.

    Returns
    -------
    landed : float64 ndarray, shape (seeds, 2)
        Centres in `there`, px.
    good : bool ndarray, shape (seeds,)
        False where there is no texture to go by.
    """
    cv2 = opencv()
    start = None if guess is None else guess.astype(np.float32).reshape(-1, 1, 2)
    landed, status, _ = cv2.calcOpticalFlowPyrLK(
        here,
        there,
        xy.astype(np.float32).reshape(-1, 1, 2),
        start,
        winSize=(window, window),
        maxLevel=levels - 1,
        criteria=(cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, ITERATIONS, EPSILON_PX),
        flags=0 if guess is None else cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    return landed.reshape(-1, 2).astype(np.float64), status.ravel() > 0


def returned(start: Floats, back: Floats, mm: Floats) -> Floats:
    """Weight of seeds that were followed there and back, 1 where both ends meet.

    Parameters
    ----------
    start, back : float64 ndarray, shape (seeds, 2)
        Where each began and where the way back ended, px.
    mm : float64 ndarray, shape (2,)
        Millimetres per pixel, (x, y).
    """
    gap_mm = np.linalg.norm((back - start) * mm, axis=-1)
    return np.asarray(1.0 / (1.0 + (gap_mm / GAP_MM) ** 2))


def alike(here: Grey, there: Grey, xy: Floats, landed: Floats, window: int) -> Floats:
    """Normalised correlation, -1 to 1, of squares around positions in two pictures.

    Parameters
    ----------
    here, there : uint8 ndarray, shape (height, width)
        The two pictures.
    xy, landed : float64 ndarray, shape (seeds, 2)
        Centres in each, px.
    window : int
        Side of the squares, px, odd.
    """
    one, other = (_squares(*side, window) for side in ((here, xy), (there, landed)))
    power = (one**2).sum(axis=1) * (other**2).sum(axis=1)
    shared = (one * other).sum(axis=1)
    return np.divide(shared, np.sqrt(power), out=np.zeros(len(xy)), where=power > 0)


def _squares(picture: Grey, xy: Floats, window: int) -> Floats:
    """Grey values around each position less their mean, ``[seeds, pixels]``."""
    cv2 = opencv()
    line = np.arange(-(window // 2), window // 2 + 1, STRIDE, dtype=np.float32)
    down, across = (axis.ravel() for axis in np.meshgrid(line, line, indexing="ij"))
    at = xy.astype(np.float32)
    columns, rows = at[:, :1] + across, at[:, 1:] + down
    grey = cv2.remap(picture, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    grey = grey.astype(np.float64)
    return grey - grey.mean(axis=1, keepdims=True)
