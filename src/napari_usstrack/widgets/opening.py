"""A session for an image layer."""

from __future__ import annotations

import numpy as np
from napari.layers import Image

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.video import Video
from napari_usstrack.io.array_video import array_video
from napari_usstrack.io.clip import ClipVideo
from napari_usstrack.io.display import DisplayClip
from napari_usstrack.io.project import load, project_path
from napari_usstrack.session import Runner, Session
from napari_usstrack.widgets.layers import Placement


def open_session(image: Image, placement: Placement, runner: Runner) -> Session:
    """Open a session on an image layer, with the project beside its file.

    Raises
    ------
    UsstrackError
        When the layer is no clip, or the project belongs to another clip.
    """
    video = clip_of(image, placement)
    if not video.info.path:
        return Session(video, runner=runner)
    path = project_path(video.info.path)
    saved = load(path, video.info) if path.exists() else None
    session = Session(video, saved, runner=runner, path=path)
    session.claim(path)
    return session


def clip_of(image: Image, placement: Placement) -> Video:
    """Read an image layer as a clip: the file itself when our reader opened it."""
    if isinstance(image.data, DisplayClip):
        return image.data.video
    if isinstance(image.data, ClipVideo):
        return image.data
    data = image.data[0] if image.multiscale else image.data
    clip = placement.clip_of(data)
    if len(clip) < 2:
        raise UsstrackError(f"Layer '{image.name}' is a still image; choose a clip.")
    return array_video(clip, spacing_mm=_spacing_mm(image), name=image.name)


def _spacing_mm(image: Image) -> tuple[float, float] | None:
    """Scale in mm per px, (x, y), when the layer states a length unit."""
    factors = []
    for size, unit in zip(np.abs(image.scale[-2:]), image.units[-2:], strict=True):
        if not unit.is_compatible_with("mm"):
            return None
        factors.append(float((size * unit).to("mm").magnitude))
    return factors[1], factors[0]
