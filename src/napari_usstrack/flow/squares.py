"""Squares around points, cut from pictures and undone of their deformation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.flow.opencv import opencv
from napari_usstrack.flow.support import Support, product

Grey = NDArray[np.uint8]
Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Indices = NDArray[np.intp]
ROOM_PX = 3
"""Pixels around the squares that crops show, for squares that move a little."""
TALLEST_PX = 32000
"""Rows that OpenCV can address in one picture."""


def places(centre: Floats, deformed: Floats, support: Support) -> tuple[Singles, Singles]:
    """Where the pixels of squares lie in a picture, x and y ``[n, pixels]``.

    Parameters
    ----------
    centre : float64 ndarray, shape (n, 2)
        Px.
    deformed : float64 ndarray, shape (n, 2, 2)
        Takes an offset in the square to one in the picture.
    support : Support
    """
    line = np.concatenate([centre[..., None], deformed], axis=-1).astype(np.float32)
    return product(line[:, 0], support.plane), product(line[:, 1], support.plane)


def squares(picture: NDArray[np.generic], x: Singles, y: Singles) -> Singles:
    """Grey values of a float32 picture at places, its border repeated beyond it."""
    cv2 = opencv()
    return np.asarray(
        cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
        dtype=np.float32,
    )


class Crops:
    """What a point's squares can see of every frame of a stretch.

    Parameters
    ----------
    blocks : sequence of uint8 ndarray, shape (n, height, width)
        Pictures, one block after the other.
    centre : float64 ndarray, shape (frames, 2)
        Where the point is expected, px.
    deformed : float64 ndarray, shape (frames, 2, 2)
    support : Support

    Attributes
    ----------
    grey : float32 ndarray, shape (frames, rows, columns)
    corner : float64 ndarray, shape (2,)
        (x, y) of the crops' first pixel.
    """

    def __init__(
        self, blocks: Sequence[Grey], centre: Floats, deformed: Floats, support: Support
    ) -> None:
        half = np.abs(deformed).sum(axis=-1).max(axis=0) * support.radius + ROOM_PX
        height, width = blocks[0].shape[1:]
        limit = np.array([width, height])
        low = np.clip(np.floor(centre.min(axis=0) - half).astype(int), 0, limit - 2)
        high = np.clip(np.ceil(centre.max(axis=0) + half).astype(int) + 1, low + 2, limit)
        self.corner = low.astype(np.float64)
        window = np.s_[:, low[1] : high[1], low[0] : high[0]]
        self.grey = np.concatenate([block[window] for block in blocks]).astype(np.float32)
        self._support = support

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of a crop."""
        return self.grey.shape[1], self.grey.shape[2]

    def at(self, centre: Floats, deformed: Floats) -> tuple[Singles, Singles]:
        """Where squares lie in the crops, inside them."""
        rows, columns = self.shape
        x, y = places(centre - self.corner, deformed, self._support)
        return (
            np.clip(x, np.float32(0), np.float32(columns - 1)),
            np.clip(y, np.float32(0), np.float32(rows - 1)),
        )

    def squares(self, grey: Singles, frame: Indices, centre: Floats, deformed: Floats) -> Singles:
        """Grey values ``[n, pixels]`` of squares, each of a frame of its own.

        Parameters
        ----------
        grey : float32 ndarray, shape (frames, rows, columns)
            The crops, or something made of them.
        frame : intp ndarray, shape (n,)
            Rising.
        centre, deformed : float64 ndarray, shape (n, 2) and (n, 2, 2)
        """
        rows, columns = self.shape
        x, y = self.at(centre, deformed)
        out = np.empty_like(x)
        many = TALLEST_PX // rows
        for begin in range(0, len(frame), many):
            part = slice(begin, begin + many)
            first = int(frame[part][0])
            sheet = grey[first : int(frame[part][-1]) + 1].reshape(-1, columns)
            down = ((frame[part] - first) * rows).astype(np.float32)[:, None]
            out[part] = squares(sheet, x[part], y[part] + down)
        return out
