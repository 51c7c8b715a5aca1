"""The one place that loads OpenCV for the flow methods."""

from __future__ import annotations

from functools import cache
from types import ModuleType

from napari_usstrack.core import environ


@cache
def opencv() -> ModuleType:
    """Load the ``cv2`` module and leave the environment as it was."""
    with environ.preserved(*environ.OPENCV_SETS):
        import cv2
    return cv2
