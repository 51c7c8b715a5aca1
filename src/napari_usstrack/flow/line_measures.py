"""Lines measured in every frame on their own, from where they were drawn outwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.geometry import Floats, fit_line, fold_deg
from napari_usstrack.core.tracker import Progress, Work
from napari_usstrack.core.video import Video
from napari_usstrack.flow.bands import Part, Shift, band, moved
from napari_usstrack.flow.line_drawings import Drawing, Roles
from napari_usstrack.flow.region_texture import NothingLeftError
from napari_usstrack.flow.ridges import MARGIN_MM, Votes, votes

CHUNK = 16
GRID_MM, LENGTH_MM = 0.4, 10.0
"""Coarser pixels and shorter filters than those of a single picture: hardly less
accurate, and several times as fast."""
NEAREST_DEG, STEEPEST_DEG, STEEPER_DEG = 8.0, 60.0, 25.0
"""Fascicles are looked for at these angles to the bands around them: from half the
drawn angle, or the first, to the second, or the drawn one and the third more."""
AROUND_DEG, ROOM_MM = 40.0, 10.0
"""Without bands: angles around the drawn one, and room beside the line."""
LEAST_SHARE = 0.3
"""Share of a band that must be seen for it to count."""
SEARCH_MM, TILT_MM = 1.5, 0.8
ALONE: tuple[Part, ...] = ("middle", "upper", "lower")


@dataclass(eq=False)
class BandMeasures:
    """A band's displacement across itself since it was drawn.

    Attributes
    ----------
    value, sd : float64 ndarray, shape (frames, 2)
        Mean displacement and that of the ends besides, mm; NaN where no band
        was seen.
    share : float64 ndarray, shape (frames,)
        Part of the line along which it was seen.
    """

    value: Floats
    sd: Floats
    share: Floats

    @classmethod
    def blank(cls, frames: int) -> BandMeasures:
        """Nothing seen yet."""
        return cls(np.full((frames, 2), np.nan), np.full((frames, 2), np.nan), np.zeros(frames))


@dataclass(eq=False)
class Measured:
    """What was seen of the drawings of one frame, by their index; row 0 is the first frame."""

    frames: range
    bands: dict[int, BandMeasures] = field(default_factory=dict)
    votes: dict[int, dict[int, Votes]] = field(default_factory=dict)


def measure(
    video: Video,
    scene: Sequence[Drawing],
    parts: Roles,
    moving: Mapping[int, Floats],
    spacing_mm: tuple[float, float],
) -> Work[Measured]:
    """Look for all lines drawn in one frame in the frames around it.

    Parameters
    ----------
    video : Video
        The clip.
    scene : sequence of Drawing
        Lines drawn in one frame.
    parts : Roles
        What they are.
    moving : mapping of int to float64 ndarray, shape (frames, 2)
        By drawing, how flow says that a band has moved across itself and
        tilted since it was drawn, mm, or, of a fascicle without bands, in x
        and y. The search starts there.
    spacing_mm : tuple of float
        Mm per px, (x, y).
    """
    frames = range(min(d.first for d in scene), max(d.last for d in scene) + 1)
    found = Measured(frames)
    found.bands = {i: BandMeasures.blank(len(frames)) for i in parts.bands}
    found.votes = {i: {} for i in parts.between}
    looking = _Looking(scene, parts, moving, spacing_mm, found)
    anchor, done = scene[0].frame, 0
    for order in (range(anchor, frames.stop), range(anchor - 1, frames.start - 1, -1)):
        looking.turn()
        for frame, picture in _pictures(video, order):
            looking.look(picture, frame)
            done += 1
            yield Progress(done, len(frames))
    return found


def _pictures(video: Video, order: range) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    for start in range(0, len(order), CHUNK):
        some = order[start : start + CHUNK]
        first = min(some)
        grey = video.frames(range(first, max(some) + 1))
        for frame in some:
            yield frame, grey[frame - first]


class _Looking:
    """Carries the lines from frame to frame while they are measured."""

    def __init__(
        self,
        scene: Sequence[Drawing],
        parts: Roles,
        moving: Mapping[int, Floats],
        spacing_mm: tuple[float, float],
        found: Measured,
    ) -> None:
        self._scene, self._roles, self._moving = scene, parts, moving
        self._spacing, self._found = spacing_mm, found
        self._sides = _sides(parts)
        self._before: int | None = None
        self._now = {i: np.zeros(2) for i in parts.bands}
        self._within = {i: self._angles(i, pair) for i, pair in parts.between.items()}

    def turn(self) -> None:
        """Start at the drawings again."""
        self._before = None
        anchor = self._scene[0].frame - self._found.frames.start
        for i, own in self._found.bands.items():
            self._now[i] = np.nan_to_num(own.value[anchor])

    def look(self, picture: NDArray[np.uint8], frame: int) -> None:
        """Measure one frame."""
        row = frame - self._found.frames.start
        for i in self._now:
            self._band(picture, i, row)
        self._before = row
        for i in self._roles.between:
            region = self._region(i, row, picture.shape[::-1])
            cast = None if region is None else self._votes(picture, region, i)
            if cast is not None:
                self._found.votes[i][row] = cast

    def _votes(self, picture: NDArray[np.uint8], region: Floats, i: int) -> Votes | None:
        """Votes in a region; None where bands leave no room, or the region left the picture."""
        try:
            return votes(
                picture,
                region,
                spacing_mm=self._spacing,
                length_mm=LENGTH_MM,
                margin_mm=MARGIN_MM if self._roles.between[i] else 0.0,
                within_deg=self._within[i],
                grid_mm=GRID_MM,
            )
        except NothingLeftError:
            return None

    def _band(self, picture: NDArray[np.uint8], i: int, row: int) -> None:
        own, line = self._found.bands[i], self._scene[i].points
        if self._before is not None:
            self._now[i] = self._now[i] + self._moving[i][row] - self._moving[i][self._before]
        expected = _placed(line, self._now[i], self._spacing)
        if i not in self._sides:
            self._sides[i] = self._part(picture, line)
        shift = band(
            picture,
            expected,
            spacing_mm=self._spacing,
            part=self._sides[i],
            search_mm=SEARCH_MM,
            tilt_mm=TILT_MM,
        )
        if shift.confidence > LEAST_SHARE:
            self._now[i] = self._now[i] + (shift.place_mm, shift.tilt_mm)
            own.value[row] = self._now[i]
            own.sd[row] = shift.place_sd_mm, shift.tilt_sd_mm
            own.share[row] = shift.confidence

    def _part(self, picture: NDArray[np.uint8], line: Floats) -> Part:
        """Which part of a band was drawn: the one that is seen nearest."""

        def off(part: Part) -> float:
            seen = band(picture, line, spacing_mm=self._spacing, part=part)
            near = abs(seen.place_mm) + abs(seen.tilt_mm)
            return near if seen.confidence > LEAST_SHARE else np.inf

        return min(ALONE, key=off)

    def _region(self, i: int, row: int, size: tuple[int, ...]) -> Floats | None:
        """Outline in which the lines of a fascicle are looked for, px."""
        pair = self._roles.between[i]
        if pair is not None:
            upper, lower = (
                _placed(self._scene[j].points, self._now[j], self._spacing) for j in pair
            )
            return np.concatenate([upper, lower[::-1]])
        moved_px = self._moving[i][row] / self._spacing
        low, high = self._scene[i].points.min(axis=0), self._scene[i].points.max(axis=0)
        room = np.array([ROOM_MM, 0.0]) / self._spacing
        low, high = low - room + moved_px, high + room + moved_px
        limit = np.array(size) - 1.0
        low, high = np.clip(low, 0.0, limit), np.clip(high, 0.0, limit)
        if ((high - low) * self._spacing < 2.0).any():
            return None
        return np.array([low, [high[0], low[1]], high, [low[0], high[1]]])

    def _angles(self, i: int, pair: tuple[int, int] | None) -> tuple[float, float]:
        own, *around = (
            float(fit_line(self._scene[j].points * self._spacing).angle_deg)
            for j in (i, *(pair or ()))
        )
        if not around:
            return own - AROUND_DEG, own + AROUND_DEG
        sheet = around[0] + 0.5 * float(fold_deg(around[1] - around[0]))
        rise = float(fold_deg(own - sheet))
        side, steep = float(np.sign(rise) or 1.0), abs(rise)
        least, most = min(NEAREST_DEG, 0.5 * steep), max(STEEPEST_DEG, steep + STEEPER_DEG)
        first, last = sorted((sheet + side * least, sheet + side * most))
        return first, last


def _sides(parts: Roles) -> dict[int, Part]:
    """Edges that face a fascicle; the middle where both do."""
    found: dict[int, Part] = {}
    for pair in parts.between.values():
        for i, part in zip(pair or (), ("lower", "upper"), strict=False):
            found[i] = "middle" if found.get(i, part) != part else part  # type: ignore[assignment]
    return found


def _placed(line: Floats, displaced: Floats, spacing_mm: tuple[float, float]) -> Floats:
    place, tilt = (float(value) for value in displaced)
    return moved(line, Shift(place, tilt, 0.0, 0.0, 1.0), spacing_mm=spacing_mm)
