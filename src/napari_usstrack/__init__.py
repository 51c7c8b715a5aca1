"""Follow points through ultrasound video of muscle, tendon and heart."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_usstrack.core.errors import UsstrackError
    from napari_usstrack.core.tracks import PointInfo, Source, Tracks
    from napari_usstrack.pipelines.scripting import fill, load, open_video, save, smooth, track
    from napari_usstrack.session import Session

_HOMES = {
    "UsstrackError": "core.errors",
    "PointInfo": "core.tracks",
    "Source": "core.tracks",
    "Tracks": "core.tracks",
    "Session": "session",
    "fill": "pipelines.scripting",
    "load": "pipelines.scripting",
    "open_video": "pipelines.scripting",
    "save": "pipelines.scripting",
    "smooth": "pipelines.scripting",
    "track": "pipelines.scripting",
}

__all__ = [
    "PointInfo",
    "Session",
    "Source",
    "Tracks",
    "UsstrackError",
    "fill",
    "load",
    "open_video",
    "save",
    "smooth",
    "track",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
