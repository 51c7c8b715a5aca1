"""What the screen shows of a clip: cropped and with more contrast; never what is tracked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core import environ
from napari_usstrack.core.coords import Crop
from napari_usstrack.core.video import Video

TILES = 8


class DisplayClip:
    """A clip as an array ``[frame, y, x]``, cropped and contrast enhanced frame by frame.

    Parameters
    ----------
    video : Video
        The clip; it stays as it is.
    crop : Crop, optional
        The window to show; the whole frame if None.
    clip_limit : float
        Strength of the local contrast enhancement (CLAHE), 0 for none.
    """

    dtype = np.dtype(np.uint8)
    ndim = 3

    def __init__(self, video: Video, crop: Crop | None = None, clip_limit: float = 0.0) -> None:
        self.video = video
        self.crop = crop
        self.clip_limit = clip_limit

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows and columns."""
        info = self.video.info
        width, height = self.crop.size if self.crop else (info.width, info.height)
        return info.frame_count, height, width

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> NDArray[np.uint8]:
        first, *rest = key if isinstance(key, tuple) else (key,)
        count = len(self)
        if isinstance(first, slice):
            indices = range(count)[first]
            frames = np.stack([self._frame(i) for i in indices]) if indices else self._none()
        elif np.ndim(first) == 0:
            frames = self._frame(range(count)[int(first)])
            return frames[tuple(rest)] if rest else frames
        else:
            frames = np.stack([self._frame(range(count)[int(i)]) for i in first])
        return frames[(slice(None), *rest)] if rest else frames

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray:
        return np.asarray(self[:], dtype=dtype)

    def _none(self) -> NDArray[np.uint8]:
        return np.empty((0, *self.shape[1:]), dtype=np.uint8)

    def _frame(self, index: int) -> NDArray[np.uint8]:
        frame = self.video.frames(range(index, index + 1))[0]
        if self.crop is not None:
            frame = self.crop.picture(frame)
        return enhanced(frame, self.clip_limit) if self.clip_limit else frame


def enhanced(frame: NDArray[np.uint8], clip_limit: float) -> NDArray[np.uint8]:
    """Contrast-limited adaptive histogram equalisation of one grey frame.

    Parameters
    ----------
    frame : uint8 ndarray, shape (height, width)
        Grey picture.
    clip_limit : float
        Strength, 1 to 4 is usual.
    """
    with environ.preserved(*environ.OPENCV_SETS):
        import cv2
    return cv2.createCLAHE(clip_limit, (TILES, TILES)).apply(np.ascontiguousarray(frame))


def _active(share: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.flatnonzero(share > 0.15 * np.quantile(share, 0.95))


def moving_panel(video: Video, samples: int = 8, change: int = 12) -> Crop | None:
    """Find the rectangle in which the picture changes: the image without its surround.

    Parameters
    ----------
    video : Video
        The clip.
    samples : int
        How many frames, evenly spaced, are compared.
    change : int
        Grey levels by which a pixel must change to count.

    Returns
    -------
    Crop or None
        None where nothing changes, or nearly everything does.
    """
    info = video.info
    picked = np.unique(np.linspace(0, info.frame_count - 1, samples).astype(int))
    frames = np.stack([video.frames(range(i, i + 1))[0] for i in picked])
    moving = np.ptp(frames, axis=0) > change
    if not moving.any():
        return None
    columns, rows = (_active(moving.mean(axis=axis)) for axis in (0, 1))
    left, top = int(columns[0]), int(rows[0])
    crop = Crop(left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1)
    whole = crop.width * crop.height > 0.95 * info.width * info.height
    return None if whole else crop
