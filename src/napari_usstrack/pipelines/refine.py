"""After an edit: which stretches to fill again."""

from __future__ import annotations

from napari_usstrack.core.edits import Edit
from napari_usstrack.core.tracks import Tracks
from napari_usstrack.pipelines.queries import Stretch, stretches


def affected(annotations: Tracks, edit: Edit) -> tuple[Stretch, ...]:
    """Stretches next to or around the cells an edit wrote, after the edit."""
    names = [name for name in edit.points if name in annotations.names]
    return tuple(
        stretch
        for stretch in stretches(annotations, names)
        if any(stretch.first <= frame <= stretch.last for frame in edit.frames)
    )
