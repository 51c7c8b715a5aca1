"""Grey levels from colours and from values of other types."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.environ import OPENCV_SETS, preserved

Bytes = NDArray[np.uint8]


def grey_of(rgb: Bytes) -> Bytes:
    """BT.601 grey (0.299 R + 0.587 G + 0.114 B) of uint8 ``[..., 3]`` pictures."""
    with preserved(*OPENCV_SETS):
        import cv2
    flat = np.ascontiguousarray(rgb).reshape(-1, rgb.shape[-2], 3)
    if flat.size == 0:
        return np.empty(rgb.shape[:-1], dtype=np.uint8)
    return np.asarray(cv2.cvtColor(flat, cv2.COLOR_RGB2GRAY)).reshape(rgb.shape[:-1])


def looked_up(values: Bytes, table: Bytes, out: Bytes | None = None) -> Bytes:
    """Each byte replaced by its entry in a table of 256 bytes, in a new array or in `out`."""
    with preserved(*OPENCV_SETS):
        import cv2
    return np.asarray(cv2.LUT(values, table, out))


def to_bytes(values: NDArray, limits: tuple[float, float]) -> Bytes:
    """Values from `limits` to 0..255, clipped; what is not finite becomes 0."""
    low, high = limits
    gain = 255.0 / (high - low) if high > low else 0.0
    scaled = (np.asarray(values, dtype=np.float32) - np.float32(low)) * np.float32(gain)
    scaled = np.nan_to_num(scaled, nan=0.0, posinf=255.0, neginf=0.0)
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def scaling_note(name: str, dtype: np.dtype, limits: tuple[float, float], of: str) -> str:
    """The sentence that tells how values became grey levels."""
    return (
        f"{name} holds {dtype} values; they are shown as 0 to 255 by one fixed scaling from "
        f"{limits[0]:g} to {limits[1]:g}, the lowest and highest of {of}."
    )
