"""How a clip is looked at: crop, mirror, contrast, and where its layers lie in the viewer.

Labels and tracks keep full-frame px in all of this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.coords import Crop
from napari_usstrack.widgets.layers import Placement


@dataclass(frozen=True)
class View:
    """Settings of the display, remembered with the project.

    Attributes
    ----------
    crop : Crop or None
        The window that is shown; the whole frame if None.
    mirrored : bool
        Left and right exchanged on the screen.
    contrast : float
        Strength of the local contrast enhancement, 0 for none.
    """

    crop: Crop | None = None
    mirrored: bool = False
    contrast: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> View:
        """The inverse of `to_dict`."""
        crop = values.get("crop")
        return cls(
            crop=None if crop is None else Crop(**crop),
            mirrored=bool(values.get("mirrored", False)),
            contrast=float(values.get("contrast", 0.0)),
        )


def mirror(base: Mapping[str, Any], placement: Placement, width: int) -> NDArray[np.float64]:
    """Affine matrix that exchanges left and right about the middle of the full frame.

    Parameters
    ----------
    base : mapping
        ``scale`` and ``translate`` of the clip's layer.
    placement : Placement
        Its axes.
    width : int
        Width of the full frame, px.
    """
    size = placement.ndim + 1
    matrix = np.eye(size)
    matrix[-2, -2] = -1.0
    matrix[-2, -1] = 2.0 * base["translate"][-1] + base["scale"][-1] * (width - 1)
    return matrix


def spread_limits(frame: NDArray[np.uint8]) -> tuple[float, float]:
    """Grey levels that become black and white so that one frame fills the display.

    The darkest hundredth and the brightest two hundredths are let go.
    """
    low, high = np.quantile(frame, (0.01, 0.98))
    return float(low), float(max(high, low + 1.0))


def window_translate(base: Mapping[str, Any], crop: Crop | None) -> NDArray[np.float64]:
    """Translate of the image layer when it shows only a window of the frame."""
    translate = np.asarray(base["translate"], dtype=np.float64).copy()
    if crop is not None:
        translate[-2:] += np.asarray(base["scale"])[-2:] * (crop.top, crop.left)
    return translate
