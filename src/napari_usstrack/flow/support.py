"""How much tissue around a point is compared: as much as its speckle asks for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.coords import Resize
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.flow.opencv import opencv

Grey = NDArray[np.uint8]
Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
SPAN = 2.0
"""Squares reach out to so many standard deviations of their weight."""
PX_PER_REACH = 10.0
NOMINAL_MM = 0.25
"""Length of a pixel of the grid where nobody knows the scale."""
LONGEST_PX = 400
CORE_WEIGHT, CORE_STRIDE = 0.3, 5
MOST_PRODUCTS = 250_000
COARSE_MM = 4.0
"""Structure coarser than this does not count as speckle."""
FARTHEST_PX = 60
LEAST_GREY = 5.0
ROUNDING = 1e-9
"""Mean square, where 1 is usual, of flat pictures."""
BASE_MM, PER_WIDTH, MOST_MM = 2.7, 0.7, 6.0


@dataclass(frozen=True, eq=False)
class Grid:
    """Frames shrunk to square pixels of a given size.

    Attributes
    ----------
    map : Resize
        From frame to grid.
    mm : float
        Side of a pixel of the grid.
    """

    map: Resize
    mm: float

    @classmethod
    def of(cls, info: VideoInfo, mm: float) -> Grid:
        """Give the grid of a clip whose pixels are about `mm` long, or as long as the clip's."""
        size = np.array([info.width, info.height])
        if info.spacing_mm is None:
            factor = np.full(2, min(1.0, LONGEST_PX / size.max()))
            side = NOMINAL_MM
        else:
            spacing = np.asarray(info.spacing_mm)
            side = max(mm, float(spacing.min()))
            factor = spacing / side
        width, height = np.maximum(2, np.rint(size * factor)).astype(int).tolist()
        return cls(Resize((info.width, info.height), (width, height)), side)

    def picture(self, frame: Grey) -> Grey:
        """Give a frame ``[y, x]`` on the grid."""
        if self.map.after == self.map.before:
            return frame
        cv2 = opencv()
        shrunk = tuple(min(sides) for sides in zip(self.map.before, self.map.after, strict=True))
        out = cv2.resize(frame, shrunk, interpolation=cv2.INTER_AREA)
        if shrunk != self.map.after:
            # where only one axis grows, INTER_AREA would put the other one elsewhere
            out = cv2.resize(out, self.map.after, interpolation=cv2.INTER_LINEAR)
        return np.asarray(out)


@dataclass(frozen=True, eq=False)
class Support:
    """A square around a point and what its pixels count.

    Attributes
    ----------
    radius : int
        Pixels of the grid on each side of the centre.
    reach_px : float
        Standard deviation of the Gaussian weight.
    grain_px : float
        Side of the pieces that tell independently of each other.
    """

    radius: int
    reach_px: float
    grain_px: float

    @classmethod
    def reaching(cls, reach_px: float, grain_px: float) -> Support:
        """Give a square that holds the weight out to two standard deviations."""
        return cls(ceil(SPAN * reach_px), reach_px, max(grain_px, 1.0))

    @property
    def side(self) -> int:
        """Pixels along a side."""
        return 2 * self.radius + 1

    @cached_property
    def offsets(self) -> Singles:
        """(x, y) of every pixel from the centre, ``[pixels, 2]``."""
        line = np.arange(-self.radius, self.radius + 1, dtype=np.float32)
        return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)

    @cached_property
    def plane(self) -> Singles:
        """1, x and y of every pixel, ``[3, pixels]``."""
        return np.concatenate([np.ones((1, self.side**2), np.float32), self.offsets.T])

    @cached_property
    def weight(self) -> Singles:
        """What every pixel counts; the outermost, which have no slope, nothing."""
        squared = (self.offsets.astype(np.float64) ** 2).sum(axis=-1)
        weight = np.exp(-0.5 * squared / self.reach_px**2).reshape(self.side, self.side)
        for edge in (0, -1):
            weight[edge] = weight[:, edge] = 0.0
        return weight.ravel().astype(np.float32)

    @cached_property
    def total(self) -> float:
        """Sum of all weights."""
        return float(self.weight.sum())

    @cached_property
    def core(self) -> NDArray[np.intp]:
        """Some pixels near the centre, enough to tell what is typical."""
        return np.flatnonzero(self.weight > CORE_WEIGHT)[::CORE_STRIDE]


def product(rows: Singles, matrix: Singles) -> Singles:
    """Matrix product ``rows @ matrix``, in pieces for which BLAS starts no threads of its own.

    Parameters
    ----------
    rows : float32 ndarray, shape (n, k)
    matrix : float32 ndarray, shape (k, m)
    """
    many = max(1, MOST_PRODUCTS // matrix.size)
    if len(rows) <= many:
        return rows @ matrix
    out = np.empty((len(rows), matrix.shape[1]), dtype=np.float32)
    for begin in range(0, len(rows), many):
        np.matmul(rows[begin : begin + many], matrix, out=out[begin : begin + many])
    return out


def reach_mm(grain_mm: float) -> float:
    """Standard deviation of the weight that suits the speckle of a clip.

    Parameters
    ----------
    grain_mm : float
        Width of its grains.

    Notes
    -----
    Coarser speckle has fewer grains in the same area, so more area is needed
    for the same certainty; more than needed blurs strain. The numbers were
    chosen on generated clips.
    """
    return min(BASE_MM + PER_WIDTH * grain_mm, MOST_MM)


def speckle_mm(pictures: NDArray[np.uint8], mm: float) -> float:
    """Width of the grains of speckle across their narrowest direction.

    Parameters
    ----------
    pictures : uint8 ndarray, shape (n, height, width)
    mm : float
        Side of a pixel.

    Returns
    -------
    float
        Full width at half maximum of the autocorrelation, mm, smallest over all
        directions, so that stripes do not count as coarse speckle.
    """
    cv2 = opencv()
    total = np.zeros(pictures.shape[1:])
    for picture in pictures:
        fine = _levelled(picture, COARSE_MM / mm)
        total += np.fft.irfft2(np.abs(np.fft.rfft2(fine)) ** 2, fine.shape)
    if total[0, 0] <= ROUNDING * total.size:
        return 0.0
    like = np.fft.fftshift(total / total[0, 0]).astype(np.float32)
    middle_y, middle_x = (side // 2 for side in like.shape)
    steps = np.arange(0.0, FARTHEST_PX, 0.25)
    angles = np.deg2rad(np.arange(0.0, 180.0, 10.0))[:, None]
    at = (middle_x + steps * np.cos(angles), middle_y + steps * np.sin(angles))
    lines = cv2.remap(like, *(axis.astype(np.float32) for axis in at), cv2.INTER_LINEAR)
    below = lines < 0.5
    reached = np.where(below.any(axis=1), below.argmax(axis=1), len(steps) - 1)
    return float(2.0 * mm * steps[reached.min()])


def _levelled(picture: Grey, sigma_px: float) -> Floats:
    """Fine structure of a picture, of the same strength everywhere."""
    cv2 = opencv()
    grey = picture.astype(np.float32)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), sigma_px)
    strength = np.sqrt(cv2.GaussianBlur(fine * fine, (0, 0), 2.0 * sigma_px))
    return np.asarray(fine / (strength + LEAST_GREY))
