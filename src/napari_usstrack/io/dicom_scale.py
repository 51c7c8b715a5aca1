"""Scale and frame times from DICOM tags: pure functions on a dataset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.calibration import Calibration

_TWO_D = 1
_PICTURES = (1, 2)
_CM = 3
_FRAME_TIME, _FRAME_TIME_VECTOR = 0x00181063, 0x00181065
_SIZES = (
    (640, 480),
    (768, 576),
    (800, 600),
    (1024, 768),
    (1280, 720),
    (1280, 960),
    (1280, 1024),
    (1600, 1200),
    (1920, 1080),
    (1920, 1200),
)
"""Picture sizes in px that machines write, smallest first."""


@dataclass(frozen=True)
class Region:
    """A calibrated part of the picture.

    Attributes
    ----------
    number : int
        Place in the file's list, from 1.
    box : tuple of int
        First and last column and row, (x0, y0, x1, y1), inclusive.
    mm_per_px : tuple of float
        (x, y), always positive.
    """

    number: int
    box: tuple[int, int, int, int]
    mm_per_px: tuple[float, float]


class Scale(NamedTuple):
    """Millimetres per pixel (x, y) or None, where from, and doubts."""

    spacing_mm: tuple[float, float] | None
    source: str
    warnings: tuple[str, ...] = ()


class Times(NamedTuple):
    """Seconds per frame from 0 or None, where from, and doubts."""

    times_s: NDArray[np.float64] | None
    source: str
    warnings: tuple[str, ...] = ()


def calibration(dataset: Any, frame_count: int, name: str) -> tuple[Calibration, tuple[str, ...]]:
    """Scale and times of a multi-frame dataset, and the sentences a user should read."""
    found, when = scale(dataset, name), times(dataset, frame_count, name)
    known = Calibration(found.spacing_mm, when.times_s, found.source, when.source)
    return known, (*found.warnings, *when.warnings)


def scale(dataset: Any, name: str) -> Scale:
    """Millimetres per pixel.

    Calibrated regions come first; without any, PixelSpacing. The two are
    never multiplied. Regions that do not fit the picture, or that disagree,
    leave the scale unknown with a warning.
    """
    found = regions(dataset)
    if not found:
        return _pixel_spacing(dataset)
    width, height = int(dataset.Columns), int(dataset.Rows)
    first = found[0]
    outside = [r for r in found if r.box[2] > width or r.box[3] > height]
    if outside:
        return Scale(None, "unknown", (_outside_note(outside[0], width, height, name),))
    if not all(np.allclose(r.mm_per_px, first.mm_per_px, rtol=1e-6, atol=0) for r in found):
        stated = ", ".join(f"{_number(r.mm_per_px)} mm/px in region {r.number}" for r in found)
        note = (
            f"{name} has regions of different scale ({stated}), so lengths stay in pixels; give "
            "the one you measure in with --mm-per-px."
        )
        return Scale(None, "unknown", (note,))
    edge = [r for r in found if r.box[2] == width or r.box[3] == height]
    notes = tuple(
        f"{name} has a scaled region that ends one pixel beyond the picture; its scale of "
        f"{_number(r.mm_per_px)} mm/px was taken as it stands."
        for r in edge[:1]
    )
    return Scale(first.mm_per_px, f"DICOM region {first.number}", notes)


def regions(dataset: Any) -> list[Region]:
    """Regions of 2-D tissue or colour flow with both axes in centimetres."""
    items = dataset.get("SequenceOfUltrasoundRegions") or []
    return [r for n, item in enumerate(items, 1) if (r := _region(item, n)) is not None]


def _region(item: Any, number: int) -> Region | None:
    units = (item.get("PhysicalUnitsXDirection"), item.get("PhysicalUnitsYDirection"))
    deltas = [abs(float(item.get(f"PhysicalDelta{axis}") or 0.0)) for axis in "XY"]
    picture = item.get("RegionSpatialFormat") == _TWO_D and item.get("RegionDataType") in _PICTURES
    if not picture or units != (_CM, _CM) or not np.isfinite(deltas).all() or min(deltas) <= 0:
        return None
    corners = ("MinX0", "MinY0", "MaxX1", "MaxY1")
    x0, y0, x1, y1 = (int(item.get(f"RegionLocation{corner}") or 0) for corner in corners)
    return Region(number, (x0, y0, x1, y1), (10.0 * deltas[0], 10.0 * deltas[1]))


def _pixel_spacing(dataset: Any) -> Scale:
    values, source = dataset.get("PixelSpacing"), "DICOM PixelSpacing"
    if values is None:
        values, source = _shared_spacing(dataset), "DICOM PixelMeasures"
    if values is None or np.size(values) != 2:
        return Scale(None, "unknown")
    y, x = (float(value) for value in values)
    if not (np.isfinite([x, y]).all() and min(x, y) > 0):
        return Scale(None, "unknown")
    return Scale((x, y), source)


def _shared_spacing(dataset: Any) -> Any:
    """PixelSpacing of an enhanced object, kept in its shared functional groups."""
    for group in dataset.get("SharedFunctionalGroupsSequence") or []:
        for measures in group.get("PixelMeasuresSequence") or []:
            return measures.get("PixelSpacing")
    return None


def _outside_note(region: Region, width: int, height: int, name: str) -> str:
    _, _, x1, y1 = region.box
    before = _size_before(width, height, x1 + 1, y1 + 1)
    factor = before[0] / width
    would_be = _number((region.mm_per_px[0] * factor, region.mm_per_px[1] * factor))
    return (
        f"{name} has a scaled region that reaches x = {x1}, y = {y1} in a picture of {width} x "
        f"{height} px, as if it had been shrunk after writing, so lengths stay in pixels; if it "
        f"was {before[0]} x {before[1]} px before, confirm with --mm-per-px {would_be}."
    )


def _size_before(width: int, height: int, right: int, bottom: int) -> tuple[int, int]:
    """The likely size of the picture before shrinking: it must hold the region."""
    for w, h in _SIZES:
        alike = abs(w * height - h * width) <= 0.01 * w * height
        if alike and w >= right and h >= bottom and w > width:
            return w, h
    factor = int(np.ceil(max(right / width, bottom / height)))
    return width * factor, height * factor


def _number(pair: tuple[float, float]) -> str:
    """One number where both axes agree, else x,y; four significant digits for reading."""
    x, y = (f"{value:.4g}" for value in pair)
    return x if x == y else f"{x},{y}"


def times(dataset: Any, frame_count: int, name: str) -> Times:
    """Time of every frame in seconds, from 0.

    FrameIncrementPointer decides between FrameTime and FrameTimeVector; then
    CineRate, then RecommendedDisplayFrameRate, which is how fast to show the
    clip rather than how fast it was recorded.
    """
    notes: list[str] = []
    for found, note in _candidates(dataset, frame_count, name):
        if note:
            notes.append(note)
        if found is not None:
            return Times(found.times_s, found.source, tuple(notes))
    notes.append(f"{name} states no frame rate, so times are unknown; give it with --fps.")
    return Times(None, "unknown", tuple(notes))


def _candidates(dataset: Any, frame_count: int, name: str) -> Iterator[tuple[Times | None, str]]:
    """Sources of time, best first, each with a doubt or an empty string."""
    readers = [_from_vector, _from_frame_time]
    if _FRAME_TIME in _pointers(dataset) and _FRAME_TIME_VECTOR not in _pointers(dataset):
        readers.reverse()
    for reader in readers:
        yield reader(dataset, frame_count, name)
    yield _from_rate(dataset, "CineRate", frame_count), ""
    shown = _from_rate(dataset, "RecommendedDisplayFrameRate", frame_count)
    if shown is not None:
        source = f"{shown.source} (a display rate, perhaps not the true one)"
        shown = shown._replace(source=source)
    yield shown, ""


def _pointers(dataset: Any) -> set[int]:
    value = dataset.get("FrameIncrementPointer")
    if value is None:
        return set()
    try:
        return {int(tag) for tag in value}
    except TypeError:
        return {int(value)}


def _from_vector(dataset: Any, frame_count: int, name: str) -> tuple[Times | None, str]:
    values = dataset.get("FrameTimeVector")
    if values is None or np.size(values) == 0:
        return None, ""
    steps = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if len(steps) != frame_count:
        return None, (
            f"{name} has {len(steps)} entries in its FrameTimeVector for {frame_count} frames, so "
            "that tag was ignored."
        )
    if not np.isfinite(steps).all() or (steps[1:] <= 0).any():
        return None, f"{name} has a FrameTimeVector that does not rise, so that tag was ignored."
    seconds: NDArray[np.float64] = (np.cumsum(steps) - steps[0]) / 1000.0
    return Times(seconds, "DICOM FrameTimeVector"), ""


def _from_frame_time(dataset: Any, frame_count: int, name: str) -> tuple[Times | None, str]:
    step = _positive(dataset, "FrameTime")
    if step is None:
        return None, ""
    return Times(np.arange(frame_count, dtype=np.float64) * step / 1000.0, "DICOM FrameTime"), ""


def _from_rate(dataset: Any, keyword: str, frame_count: int) -> Times | None:
    rate = _positive(dataset, keyword)
    if rate is None:
        return None
    return Times(np.arange(frame_count, dtype=np.float64) / rate, f"DICOM {keyword}")


def _positive(dataset: Any, keyword: str) -> float | None:
    value = dataset.get(keyword)
    if value is None or np.size(value) != 1:
        return None
    number = float(value)
    return number if np.isfinite(number) and number > 0 else None
