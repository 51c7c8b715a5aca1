"""Stationary clutter told apart from the tissue that moves underneath."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.flow.opencv import opencv
from napari_usstrack.flow.squares import Crops, squares
from napari_usstrack.flow.support import Support

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
ROUNDS = 3
HALF_TOLD = 24.0
"""Frames in which a place must be seen until half of what stands still there is believed."""
MOST_FRAMES = 48
"""Frames that are enough to tell the layers apart."""
COARSE = 1.0
"""Structure coarser than so many reaches is nobody's: both layers may have it."""


@dataclass(frozen=True, eq=False)
class Layers:
    """Crops without what stands still.

    Attributes
    ----------
    moving : float32 ndarray, shape (frames, rows, columns)
        Crops less the still picture.
    squares : float32 ndarray, shape (frames, pixels)
        Squares that follow the tissue, cut from `moving`.
    template : float32 ndarray, shape (pixels,)
        Their mean: what the tissue looks like.
    """

    moving: Singles
    squares: Singles
    template: Singles


def split(crops: Crops, centre: Floats, deformed: Floats, support: Support) -> Layers:
    """Tell what moves with the tissue from what stands still in the picture.

    Parameters
    ----------
    crops : Crops
    centre : float64 ndarray, shape (frames, 2)
        Where the tissue is, px.
    deformed : float64 ndarray, shape (frames, 2, 2)
        How it has deformed.
    support : Support

    Notes
    -----
    Grey values are taken for the sum of a picture that follows the tissue and
    one that stands still; each is the mean of what the other leaves, in turns
    (backfitting, Friedman and Stuetzle, 1981). Where tissue hardly moves the
    two cannot be told apart and all is left to the tissue: the still picture
    begins as the fine structure of the temporal median, weighed by how little
    of the tissue's own structure outlasts averaging along its path.
    """
    every = np.arange(len(crops.grey))
    some = np.unique(np.linspace(0, len(every) - 1, min(len(every), MOST_FRAMES)).astype(int))
    raw = crops.squares(crops.grey, every, centre, deformed)
    still_at = crops.at(centre[some], deformed[some])
    view = _View(crops, centre[some], deformed[some], support)
    part = crops.grey[some].reshape(len(some), -1)
    still = view.first(part, raw[some].mean(axis=0))
    for _ in range(ROUNDS):
        template = (raw[some] - squares(still, *still_at)).mean(axis=0)
        rest = view.inside * (part - view.shown(template))
        still = (view.belief * rest.sum(axis=0)).reshape(crops.shape)
    left = raw - squares(still, *crops.at(centre, deformed))
    return Layers(crops.grey - still, left, left.mean(axis=0))


class _View:
    """The template seen from the frames."""

    def __init__(self, crops: Crops, centre: Floats, deformed: Floats, support: Support) -> None:
        rows, columns = self._shape = crops.shape
        self._side, self._sigma = support.side, COARSE * support.reach_px
        y, x = np.divmod(np.arange(rows * columns, dtype=np.float32), np.float32(columns))
        away = (crops.corner - centre).astype(np.float32)[..., None]
        back = np.linalg.inv(deformed).astype(np.float32)[..., None]
        across, down = x + away[:, 0], y + away[:, 1]
        radius = np.float32(support.radius)
        self._x = back[:, 0, 0] * across + back[:, 0, 1] * down + radius
        self._y = back[:, 1, 0] * across + back[:, 1, 1] * down + radius
        end = support.side - 1
        seen = (self._x >= 0) & (self._x <= end) & (self._y >= 0) & (self._y <= end)
        self.inside: Singles = seen.astype(np.float32)
        self.count: Singles = self.inside.sum(axis=0)
        self.belief: Singles = self.count / (self.count**2 + np.float32(HALF_TOLD**2))

    def shown(self, template: Singles) -> Singles:
        """The template in every frame, ``[frames, rows * columns]``."""
        picture = template.reshape(self._side, self._side)
        at = zip(self._x, self._y, strict=True)
        return np.stack(
            [squares(picture, *(c.reshape(self._shape) for c in xy)).ravel() for xy in at]
        )

    def first(self, grey: Singles, template: Singles) -> Singles:
        """A still picture to begin with."""
        fine = self._fine(template.reshape(self._side, self._side))
        shown = self.inside * self.shown(fine)
        mean = shown.sum(axis=0) / np.maximum(self.count, 1e-3)
        total = float((shown**2).sum())
        outlasting = float((self.count * mean**2).sum()) / total if total > 0.0 else 1.0
        usual = np.median(grey, axis=0).reshape(self._shape)
        share = max(0.0, 1.0 - outlasting) ** 2 * (self.belief * self.count).reshape(self._shape)
        return np.asarray(share * self._fine(usual), dtype=np.float32)

    def _fine(self, picture: Singles) -> Singles:
        cv2 = opencv()
        side = round(2.0 * self._sigma) | 1
        return np.asarray(picture - cv2.blur(picture, (side, side)))
