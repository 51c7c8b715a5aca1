"""The one data object: positions of named points over the frames of a clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_usstrack.core.video import VideoInfo

if TYPE_CHECKING:
    from napari_usstrack.core.provenance import Step

Kind = Literal["point", "line", "contour"]
KINDS: tuple[Kind, ...] = ("point", "line", "contour")


class Source(IntEnum):
    """Where the content of one cell comes from."""

    MISSING = 0  # nobody looked
    ABSENT = 1  # a person looked, the point is not in view
    MANUAL = 2
    ACCEPTED = 3  # proposed by a method, confirmed by a person
    FLOW = 4
    MODEL = 5
    INTERPOLATED = 6
    SMOOTHED = 7


PLACED_BY_HAND = (Source.MANUAL, Source.ACCEPTED)
PALETTE = (
    "#ffd400",
    "#00c8ff",
    "#ff6b4a",
    "#5ee36b",
    "#ff7bd5",
    "#b58cff",
    "#ff9f1c",
    "#2de2c5",
    "#d8f15d",
    "#8fb8ff",
)


@dataclass(frozen=True)
class PointInfo:
    """A named point: its group, kind and display colour.

    Attributes
    ----------
    name : str
        Unique in its clip.
    group : str
        Points that belong together (one fascicle, one wall) share a group.
    kind : {"point", "line", "contour"}
        What the group is: separate points, a straight or gently curved line,
        or an ordered wall.
    colour : str
        ``#rrggbb``.
    """

    name: str
    group: str = ""
    kind: Kind = "point"
    colour: str = PALETTE[0]

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError("a point needs a name")
        if self.kind not in KINDS:
            raise ValueError(f"kind of {self.name!r} must be one of {KINDS}, got {self.kind!r}")


def named_points(names: Sequence[str]) -> tuple[PointInfo, ...]:
    """Points of the given names, coloured in palette order."""
    return tuple(PointInfo(name, colour=PALETTE[i % len(PALETTE)]) for i, name in enumerate(names))


@dataclass(frozen=True, eq=False)
class Cells:
    """A block of frames x points; checked on construction, then read-only.

    Attributes
    ----------
    xy : float64 ndarray, shape (frames, points, 2)
        Pixels of the full frame, x right, y down, an integer is a pixel
        centre. NaN exactly where `source` is MISSING or ABSENT.
    confidence : float32 ndarray, shape (frames, points)
        What the method reported, 0 to 1; NaN where it reported nothing, as
        in every cell that is MISSING.
    visible : bool ndarray, shape (frames, points)
        In view and not hidden.
    source : uint8 ndarray, shape (frames, points)
        A `Source` per cell.
    """

    xy: NDArray[np.float64]
    confidence: NDArray[np.float32]
    visible: NDArray[np.bool_]
    source: NDArray[np.uint8]

    def __post_init__(self) -> None:
        shape = np.shape(self.source)
        for name, dtype, tail in _COLUMNS:
            array: NDArray = _locked(getattr(self, name), dtype)
            if array.shape != (*shape, *tail) or len(shape) != 2:
                raise ValueError(
                    f"{name} must have shape {(*shape, *tail)} (frames x points), got {array.shape}"
                )
            object.__setattr__(self, name, array)
        _check_values(self)
        _forget_unseen(self)

    @property
    def shape(self) -> tuple[int, int]:
        """Frames x points."""
        frames, points = self.source.shape
        return frames, points

    @property
    def present(self) -> NDArray[np.bool_]:
        """Cells that have a position."""
        return self.source > Source.ABSENT

    @property
    def by_hand(self) -> NDArray[np.bool_]:
        """Cells a person placed or accepted."""
        return (self.source == Source.MANUAL) | (self.source == Source.ACCEPTED)

    @property
    def said(self) -> NDArray[np.bool_]:
        """Cells a person placed, accepted, or found absent."""
        return (self.source > Source.MISSING) & (self.source <= Source.ACCEPTED)

    def block(self, frames: ArrayLike, columns: ArrayLike) -> Cells:
        """Cells at the given frame and column indices, as a new block."""
        at = np.ix_(np.asarray(frames, dtype=np.intp), np.asarray(columns, dtype=np.intp))
        return trusted(Cells, **{name: getattr(self, name)[at] for name, _, _ in _COLUMNS})

    def equals(self, other: Cells) -> bool:
        """Bit-for-bit equality of all four arrays."""
        return all(
            a.shape == b.shape and a.tobytes() == b.tobytes()
            for a, b in ((getattr(self, name), getattr(other, name)) for name, _, _ in _COLUMNS)
        )

    @staticmethod
    def empty(frames: int, points: int) -> Cells:
        """A block in which nobody looked anywhere."""
        return trusted(Cells, **blank_arrays(frames, points))

    @staticmethod
    def placed(
        xy: ArrayLike,
        source: Source,
        *,
        confidence: ArrayLike | float = np.nan,
        visible: ArrayLike | bool = True,
    ) -> Cells:
        """A block of positions from one source; NaN positions become MISSING."""
        xy = np.asarray(xy, dtype=np.float64)
        known = ~np.isnan(xy).any(axis=-1)
        return Cells(
            xy=np.where(known[..., None], xy, np.nan),
            confidence=np.where(known, np.broadcast_to(confidence, known.shape), np.nan),
            visible=known & np.broadcast_to(visible, known.shape),
            source=np.where(known, int(source), int(Source.MISSING)),
        )


_COLUMNS: tuple[tuple[str, type, tuple[int, ...]], ...] = (
    ("xy", np.float64, (2,)),
    ("confidence", np.float32, ()),
    ("visible", np.bool_, ()),
    ("source", np.uint8, ()),
)
CELL_ARRAYS = tuple(name for name, _, _ in _COLUMNS)
C = TypeVar("C", bound=Cells)


def blank_arrays(frames: int, points: int) -> dict[str, Any]:
    """Writable arrays of an empty block, by field name."""
    return {
        "xy": np.full((frames, points, 2), np.nan),
        "confidence": np.full((frames, points), np.nan, dtype=np.float32),
        "visible": np.zeros((frames, points), dtype=np.bool_),
        "source": np.zeros((frames, points), dtype=np.uint8),
    }


def arrays_of(cells: Cells) -> dict[str, Any]:
    """Writable copies of the four arrays, by field name."""
    return {name: getattr(cells, name).copy() for name in CELL_ARRAYS}


def trusted(cls: type[C], **fields: object) -> C:
    """Build without the full check, locking the arrays handed over.

    For code whose output is right by construction; the check costs 4 ms at
    20 000 x 30.
    """
    made = object.__new__(cls)
    for name, value in fields.items():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
        object.__setattr__(made, name, value)
    return made


def _locked(value: ArrayLike, dtype: type) -> NDArray:
    array: NDArray = np.array(value, dtype=dtype, order="C")
    array.flags.writeable = False
    return array


def _check_values(cells: Cells) -> None:
    if cells.source.size == 0:
        return
    if cells.source.max() > max(Source):
        raise ValueError(f"unknown source {cells.source.max()}")
    present = cells.present
    empty = np.isnan(cells.xy)
    agree = (empty[..., 0] != present) & (empty[..., 1] != present)
    if not agree.all() or np.isinf(cells.xy).any():
        raise ValueError("xy must be finite where source names a position and NaN elsewhere")
    if (cells.visible & ~present).any():
        raise ValueError("a cell without a position cannot be visible")
    if ((cells.confidence < 0) | (cells.confidence > 1)).any():
        raise ValueError("confidence must lie in 0..1 or be NaN")


def _forget_unseen(cells: Cells) -> None:
    said = (cells.source == Source.MISSING) & ~np.isnan(cells.confidence)
    if said.any():
        confidence = np.where(said, np.float32(np.nan), cells.confidence)
        confidence.flags.writeable = False
        object.__setattr__(cells, "confidence", confidence)


@dataclass(frozen=True, eq=False)
class Tracks(Cells):
    """Named points over all frames of one clip.

    Row *i* is frame *i* of the whole video. `points` names the columns,
    `video` describes the clip, `log` holds the whole-object operations that
    made the object.
    """

    points: tuple[PointInfo, ...]
    video: VideoInfo
    log: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "points", tuple(self.points))
        object.__setattr__(self, "log", tuple(self.log))
        frames, points = self.shape
        if frames != self.video.frame_count:
            raise ValueError(f"{frames} rows for a video of {self.video.frame_count} frames")
        if points != len(self.points):
            raise ValueError(f"{points} columns for {len(self.points)} points")
        if len(set(self.names)) != points:
            raise ValueError(f"point names must be unique, got {self.names}")

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Point names in column order."""
        return tuple(point.name for point in self.points)

    def column(self, name: str) -> int:
        """Column of the named point."""
        if name not in self.names:
            raise ValueError(f"no point named {name!r}, only {', '.join(self.names) or 'none'}")
        return self.names.index(name)

    def point(self, name: str) -> PointInfo:
        """The named point."""
        return self.points[self.column(name)]

    def frames_of(self, name: str) -> NDArray[np.intp]:
        """Frames in which the named point has a position."""
        return np.flatnonzero(self.present[:, self.column(name)])

    @classmethod
    def blank(cls, video: VideoInfo, points: Sequence[PointInfo] = ()) -> Self:
        """Tracks of `points` with nothing labelled yet."""
        points = tuple(points)
        arrays = blank_arrays(video.frame_count, len(points))
        return cls(**arrays, points=points, video=video)

    def with_cells(self, cells: Cells, *steps: Step) -> Tracks:
        """Same points and video with other cells and more log."""
        return Tracks(
            **{name: getattr(cells, name) for name in CELL_ARRAYS},
            points=self.points,
            video=self.video,
            log=(*self.log, *steps),
        )

    def with_video(self, video: VideoInfo) -> Tracks:
        """Same cells over another description of the same frames."""
        return replace(self, video=video)

    def select(self, names: Sequence[str]) -> Tracks:
        """Only the named points, in the given order."""
        columns = [self.column(name) for name in names]
        block = self.block(np.arange(self.shape[0]), columns)
        return trusted(
            Tracks,
            **{name: getattr(block, name) for name in CELL_ARRAYS},
            points=tuple(self.points[c] for c in columns),
            video=self.video,
            log=self.log,
        )

    def revised(self, points: Mapping[str, PointInfo | None]) -> Tracks:
        """Points replaced by name, or dropped where the replacement is None."""
        kept = [name for name in self.names if points.get(name, True) is not None]
        chosen = self.select(kept)
        return replace(chosen, points=tuple(points.get(p.name) or p for p in chosen.points))

    def over(self, other: Tracks) -> Tracks:
        """Mine wherever somebody looked, else the other's.

        Points are matched by name; those only `other` has come last.
        """
        if other.shape[0] != self.shape[0]:
            raise ValueError(f"{self.shape[0]} frames over {other.shape[0]} frames")
        mine = set(self.names)
        points = (*self.points, *(p for p in other.points if p.name not in mine))
        if tuple(point.name for point in points) == other.names:
            out = arrays_of(other)
        else:
            out = blank_arrays(self.shape[0], len(points))
            columns = {point.name: i for i, point in enumerate(points)}
            theirs = [columns[name] for name in other.names]
            for name in CELL_ARRAYS:
                out[name][:, theirs] = getattr(other, name)
        said = self.source.nonzero()
        for name in CELL_ARRAYS:
            out[name][said] = getattr(self, name)[said]
        log = (*other.log, *self.log)
        return trusted(Tracks, **out, points=points, video=self.video, log=log)
