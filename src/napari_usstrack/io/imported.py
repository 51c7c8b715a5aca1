"""Positions read from another program's file, laid over a clip."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.coords import inside
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.provenance import Step
from napari_usstrack.core.tracks import CELL_ARRAYS, Cells, PointInfo, Source, Tracks
from napari_usstrack.core.video import VideoInfo

MOST_FRAMES = 10_000_000


@dataclass(frozen=True, eq=False)
class Imported:
    """What a file holds.

    Attributes
    ----------
    labels : Tracks or None
        What a person placed.
    run : Tracks or None
        What a method computed.
    notes : tuple of str
        What a user should know, one sentence each.
    """

    labels: Tracks | None
    run: Tracks | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Written:
    """A file that was written.

    Attributes
    ----------
    path : Path
        The file.
    notes : tuple of str
        What it cannot hold, and what else was written, one sentence each.
    """

    path: Path
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Found:
    """Positions in some frames, before they meet a clip.

    Attributes
    ----------
    path : Path
        The file.
    points : tuple of PointInfo
        The columns.
    frames : intp ndarray, shape (rows,)
        Different frame numbers, from 0.
    xy : float64 ndarray, shape (rows, points, 2)
        Px of the full frame; NaN where nothing is known.
    clip : str
        File name of the clip, as far as the file tells.
    confidence : float ndarray, shape (rows, points), or None
        What the method reported.
    """

    path: Path
    points: tuple[PointInfo, ...]
    frames: NDArray[np.intp]
    xy: NDArray[np.float64]
    clip: str = ""
    confidence: NDArray[np.float64] | None = None
    notes: list[str] = field(default_factory=list)

    def over(self, info: VideoInfo | None, source: Source, step: Step) -> Tracks:
        """Tracks over the clip, or over one as long and large as the positions ask for.

        Raises
        ------
        UsstrackError
            If a frame lies beyond the clip.
        """
        if info is None:
            info = guessed_clip(self.path, self.frames, self.xy, self.clip)
            self.notes.append(guess_note(info))
        elif self.clip and info.name and Path(self.clip).stem != Path(info.name).stem:
            self.notes.append(f"It is named after {Path(self.clip).stem}, the clip is {info.name}.")
        self._check_frames(info)
        self._note_odd(info)
        shape = info.frame_count, len(self.points)
        xy, confidence = np.full((*shape, 2), np.nan), np.full(shape, np.nan)
        xy[self.frames] = self.xy
        if self.confidence is not None:
            confidence[self.frames] = self.confidence
        cells = Cells.placed(xy, source, confidence=confidence)
        arrays = {name: getattr(cells, name) for name in CELL_ARRAYS}
        return Tracks(**arrays, points=self.points, video=info, log=(step,))

    def _check_frames(self, info: VideoInfo) -> None:
        if len(self.frames) and (last := int(self.frames.max())) >= info.frame_count:
            raise UsstrackError(
                f"{self.path} labels frame {last}, but the clip {info.name} has frames 0 to "
                f"{info.frame_count - 1}; choose the clip it was made on"
            )

    def _note_odd(self, info: VideoInfo) -> None:
        empty = np.isnan(self.xy)
        if halves := int((empty[..., 0] != empty[..., 1]).sum()):
            self.notes.append(f"Positions with x or y alone are left out: {halves}.")
        outside = ~empty.any(axis=-1) & ~inside(self.xy, info.width, info.height)
        if outside.any():
            self.notes.append(
                f"Positions outside the picture of {info.width} x {info.height} px: "
                f"{int(outside.sum())}."
            )


def guessed_clip(
    path: Path, frames: NDArray[np.intp], xy: NDArray[np.float64], name: str
) -> VideoInfo:
    """The smallest clip that holds the positions, at least one frame of one px."""
    last = int(frames.max(initial=0))
    if last >= MOST_FRAMES:
        raise UsstrackError(f"{path} labels frame {last}; say with --clip which clip has so many")
    width, height = (
        max(1, math.ceil(np.nanmax(axis, initial=0.0) + 0.5)) for axis in np.moveaxis(xy, -1, 0)
    )
    return VideoInfo(frame_count=last + 1, width=width, height=height, name=name)


def guess_note(info: VideoInfo) -> str:
    """What to tell of a guessed clip."""
    return (
        f"Without a clip, {info.frame_count} frames of {info.width} x {info.height} px were "
        "taken from the labels; name the clip with --clip."
    )


def lost_notes(tracks: Tracks) -> tuple[str, ...]:
    """What a file of bare positions cannot hold, and machine positions in it."""
    present = tracks.present
    lost = {
        "marks of absent points": int((tracks.source == Source.ABSENT).sum()),
        "marks of hidden points": int((present & ~tracks.visible).sum()),
        "confidences": int((present & ~np.isnan(tracks.confidence)).sum()),
        "groups or kinds": sum(bool(p.group) or p.kind != "point" for p in tracks.points),
    }
    told = [f"{count} {what}" for what, count in lost.items() if count]
    notes = [f"This format cannot hold {', '.join(told)}."] if told else []
    if computed := int((present & ~tracks.by_hand).sum()):
        notes.append(f"Positions of a method, written like labels of a person: {computed}.")
    return tuple(notes)


def recalled(tracks: Tracks, method: str, key: str) -> str:
    """A setting of the latest import by `method` in the log, or an empty text."""
    for step in reversed(tracks.log):
        if step.name == "import" and step.method == method:
            return str(step.settings.get(key, ""))
    return ""


def read_file(path: Path) -> bytes:
    """Content of a file to import.

    Raises
    ------
    UsstrackError
        If it cannot be read.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or error
        raise UsstrackError(f"{path} cannot be read ({reason}); check the path") from error


def listed_names(names: Sequence[str]) -> str:
    """Names for a sentence, at most ten of them."""
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
