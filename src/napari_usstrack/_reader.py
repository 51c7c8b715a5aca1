"""Clips and projects dropped on napari."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari.utils.notifications import show_warning

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.io.project import ENDING, clip_path
from napari_usstrack.io.registry import can_open, open_video
from napari_usstrack.widgets.layers import LayerTuple, clip_layer


def get_reader(
    path: str | Path | Sequence[str | Path],
) -> Callable[[Any], list[LayerTuple]] | None:
    """Give the reader for clips and project files, or None."""
    paths = [path] if isinstance(path, (str, Path)) else list(path)
    if all(can_open(one) or str(one).endswith(ENDING) for one in paths):
        return read
    return None


def read(path: str | Path | Sequence[str | Path]) -> list[LayerTuple]:
    """Read clips as lazy grey image layers, one per path."""
    paths = [path] if isinstance(path, (str, Path)) else list(path)
    return [_clip_layer(Path(one)) for one in paths]


def _clip_layer(path: Path) -> LayerTuple:
    clip = clip_path(path) if str(path).endswith(ENDING) else path
    if not clip.exists() and clip != path:
        raise UsstrackError(
            f"{path.name} belongs to {clip.name}, which is not beside it; put both in one folder."
        )
    video = open_video(clip)
    for warning in video.info.warnings:
        show_warning(warning)
    return clip_layer(video, clip.name)
