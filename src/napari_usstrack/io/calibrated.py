"""A clip under another scale and other times."""

from __future__ import annotations

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.video import CallbackVideo, Video
from napari_usstrack.io.clip import ClipVideo


def with_calibration(video: Video, calibration: Calibration) -> Video:
    """Give the same pictures under another scale and other times.

    A clip of a file stays one, with its reader and its cache.
    """
    if video.info.calibration is calibration:
        return video
    if isinstance(video, ClipVideo):
        return video.recalibrated(calibration)
    return CallbackVideo(video.info.calibrated(calibration), video.frames)
