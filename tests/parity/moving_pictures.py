"""Clips that come out the same on every machine: integer arithmetic on stored pictures.

Needs NumPy only, for it also runs where DUSTrack is installed.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

PICTURES = Path(__file__).with_name("pictures.npz")
REFERENCE = Path(__file__).with_name("dustrack-1.3.2.npz")
FRAMES = 9
MARGIN = 14
SCENES = {"wide": (230, 186), "tall": (186, 230)}
"""Width and height in px: not square, and large enough for three levels."""
PLACES = np.array([[0.41, 0.47], [0.60, 0.52], [0.505, 0.40], [0.35, 0.63]])
"""Points in parts of the frame, (x, y)."""
WINDOWS = (2, 5, FRAMES)
"""Frames of the windows of the moving optical-flow filter."""
PHASE = np.array([0, 5, 18, 34, 50, 61, 64, 58, 44])
"""Contraction in each frame, of 64."""
TINTS = np.array([230, 256, 190])
"""Red, green and blue of a colour clip, of 256."""


def grey_clip(name: str) -> np.ndarray:
    """Frames ``[t, y, x]`` of a scene: shift and shortening, bilinear, in 1/256 px."""
    width, height = SCENES[name]
    with np.load(PICTURES) as pictures:
        picture = pictures[name].astype(np.int64)
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    frames = []
    for frame, phase in enumerate(PHASE.tolist()):
        at_x = 256 * (x + MARGIN) + (x - width // 2) * phase // 5 + 190 * frame
        at_y = 256 * (y + MARGIN) - (y - height // 2) * phase // 7 - 13 * phase
        (left, u), (top, v) = np.divmod(at_x, 256), np.divmod(at_y, 256)
        upper = (256 - u) * picture[top, left] + u * picture[top, left + 1]
        lower = (256 - u) * picture[top + 1, left] + u * picture[top + 1, left + 1]
        frames.append(((256 - v) * upper + v * lower + 32768) >> 16)
    return np.stack(frames).astype(np.uint8)


def colour_clip(name: str) -> np.ndarray:
    """The same frames ``[t, y, x, 3]`` in colour."""
    return (grey_clip(name)[..., None] * TINTS >> 8).astype(np.uint8)


def starts(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Positions in px in the first and in the last frame; not quite the same material."""
    first = np.round(PLACES * SCENES[name], 3)
    return first, np.round(first + [-4.4, 1.9], 3)


def given(name: str) -> np.ndarray:
    """Positions ``[t, point, (x, y)]`` in px in every frame, off by up to 2 px."""
    first, last = starts(name)
    part = (np.arange(FRAMES) / (FRAMES - 1))[:, None, None]
    cell = np.arange(FRAMES * first.size).reshape(FRAMES, *first.shape)
    return np.round(first + part * (last - first) + (cell * cell * 37 % 41 - 20) / 10, 3)


def digest(frames: np.ndarray) -> str:
    """Fingerprint of frames, so that both sides know they saw the same pictures."""
    return hashlib.blake2b(np.ascontiguousarray(frames).tobytes(), digest_size=16).hexdigest()
