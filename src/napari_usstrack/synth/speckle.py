"""A small speckle clip made of moving scatterers, with exact motion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.synth.motion import Motion, contraction

REACH = 3.0


@dataclass(frozen=True, eq=False)
class SpeckleClip:
    """Rendered frames and the motion that made them.

    Attributes
    ----------
    frames : uint8 ndarray, shape (frames, height, width)
        Log-compressed grey pictures.
    motion : Motion
        Where material points lie, px.
    """

    frames: NDArray[np.uint8]
    motion: Motion

    def truth(self, xy: NDArray[np.float64], query_frame: int = 0) -> NDArray[np.float64]:
        """Paths ``[frames, points, 2]`` in px of material points.

        Parameters
        ----------
        xy : ndarray, shape (points, 2)
            Positions in `query_frame`, px. Only frame 0 is exact for motions
            without an inverse, so other frames are solved by fixed-point
            iteration.
        query_frame : int
            Frame in which the points were named.
        """
        material = np.array(xy, dtype=np.float64)
        for _ in range(50):
            material += xy - self.motion(query_frame, material)
        return np.stack([self.motion(frame, material) for frame in range(len(self.frames))])


def speckle_clip(
    motion: Motion,
    *,
    frames: int = 40,
    width: int = 160,
    height: int = 120,
    seed: int = 0,
    psf_px: tuple[float, float] = (1.9, 1.3),
    per_px: float = 0.35,
    noise: float = 0.0,
    margin_px: float = 60.0,
) -> SpeckleClip:
    """Render scatterers that move with `motion`.

    The picture is the log-compressed magnitude of a sum of Gaussian spots with
    complex amplitudes, evaluated at exact sub-pixel positions, so a rigid
    shift moves the speckle exactly.

    Parameters
    ----------
    motion : Motion
        Where material points lie, px.
    frames, width, height : int
        Size of the clip.
    seed : int
        Same seed, same clip.
    psf_px : tuple of float
        Standard deviation of a spot along x and y, px.
    per_px : float
        Scatterers per px².
    noise : float
        Standard deviation of grey noise, levels of 255.
    margin_px : float
        How far beyond the frame scatterers start, px.
    """
    random = np.random.default_rng(seed)
    box = np.array([width, height]) + 2.0 * margin_px
    count = int(per_px * box.prod())
    material = random.uniform(0.0, 1.0, (count, 2)) * box - margin_px
    amplitude = random.normal(size=count) + 1j * random.normal(size=count)
    level = np.sqrt(per_px * 2.0 * np.pi * psf_px[0] * psf_px[1])
    pictures = np.empty((frames, height, width), dtype=np.uint8)
    for frame in range(frames):
        field = _spots(motion(frame, material), amplitude, width, height, psf_px)
        grey = 255.0 * (1.0 + 20.0 * np.log10(np.abs(field) / (5.0 * level) + 1e-6) / 36.0)
        grey += noise * random.normal(size=grey.shape) if noise else 0.0
        pictures[frame] = np.clip(np.rint(grey), 0, 255)
    pictures.flags.writeable = False
    return SpeckleClip(pictures, motion)


def _spots(
    xy: NDArray[np.float64],
    amplitude: NDArray[np.complex128],
    width: int,
    height: int,
    psf_px: tuple[float, float],
) -> NDArray[np.complex128]:
    reach = int(np.ceil(REACH * max(psf_px)))
    near = (xy > -reach).all(axis=1) & (xy < np.array([width, height]) + reach - 1).all(axis=1)
    xy, amplitude = xy[near], amplitude[near]
    corner = np.floor(xy).astype(np.intp)
    offsets = np.arange(-reach + 1, reach + 1)
    columns, rows = (corner[:, axis, None] + offsets for axis in (0, 1))
    weights = [
        np.exp(-0.5 * ((cells - xy[:, axis, None]) / psf_px[axis]) ** 2)
        for axis, cells in ((0, columns), (1, rows))
    ]
    spot = amplitude[:, None, None] * weights[1][:, :, None] * weights[0][:, None, :]
    pad = 2 * reach
    stride = width + 2 * pad
    at = ((rows + pad)[:, :, None] * stride + (columns + pad)[:, None, :]).ravel()
    size = stride * (height + 2 * pad)
    flat = np.bincount(at, spot.real.ravel(), size) + 1j * np.bincount(at, spot.imag.ravel(), size)
    return flat.reshape(-1, stride)[pad : pad + height, pad : pad + width]


def sample_clip() -> tuple[SpeckleClip, NDArray[np.float64]]:
    """Make the embedded sample: a periodic contraction and nine query points.

    Returns
    -------
    clip : SpeckleClip
        60 frames of 240 x 180 px, two cycles.
    queries : ndarray, shape (9, 2)
        Positions in frame 0, px.
    """
    clip = speckle_clip(
        contraction((120.0, 90.0), period=30.0), frames=60, width=240, height=180, seed=7
    )
    x, y = np.meshgrid([70.0, 120.0, 170.0], [50.0, 90.0, 130.0])
    return clip, np.stack([x.ravel(), y.ravel()], axis=1)
