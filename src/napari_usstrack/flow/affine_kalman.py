"""Affine flow of a region corrected by line angles in a Kalman filter.

A peer to compare with, written from published descriptions; no method of the
program. For muscles with two aponeuroses and a fascicle only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.geometry import Line, crossing, fit_line, fold_deg
from napari_usstrack.core.parts import part
from napari_usstrack.core.tracker import Progress, Queries, Traits, Work
from napari_usstrack.core.tracks import Cells, Source, arrays_of, blank_arrays
from napari_usstrack.core.video import Video
from napari_usstrack.flow.affine_region import AffineRegion, applied
from napari_usstrack.flow.bands import Part, band, moved
from napari_usstrack.flow.line_drawings import drawings, roles
from napari_usstrack.flow.ridges import direction, votes

Floats = NDArray[np.float64]
SIZES = (7, 7, 9)
"""Points on the superficial and the deep aponeurosis and on a fascicle, where no query
says to which line it belongs."""
USUAL_MM = 0.1
"""Mm per px of a clip that does not tell its own."""
LEAST_SD = np.array([0.05, 0.05, 0.05, 0.05, 0.7])
"""Least standard deviation of measured heights, mm, and of the angle, degrees."""
FASCICLE_DEG = (8.0, 70.0)
"""Least and largest angle of fascicles to the deep aponeurosis, on the drawn side."""
LEAST_SHARE = 0.3
"""Share of a band that must be seen for it to count."""
PARTS: tuple[Part, Part] = ("lower", "upper")


@dataclass(frozen=True)
class AffineKalman:
    """Lines of a muscle: predicted by affine flow, corrected by their angles in each frame.

    Queries of kind ``line`` tell by their groups what they lie on (`muscles`); 23
    without are 7 on the superficial aponeurosis, 7 on the deep one, from left to
    right, and 9 on a fascicle. All other points follow the affine flow alone.

    Parameters
    ----------
    flow : AffineRegion
        What predicts.
    doubt : float
        Variance of a prediction as a share of the squared change it predicts:
        0 is flow alone, a large value the lines of single frames alone.

    Notes
    -----
    The scheme of UltraTimTrack (van der Zee, Tecchio, Hahn and Raiteri, PeerJ
    Computer Science 2025), which joins UltraTrack's affine flow with lines of
    single frames as in TimTrack (van der Zee and Kuo, 2022). State: heights of
    both ends of each aponeurosis and the fascicle's direction; where the
    fascicle begins on the superficial aponeurosis is flow alone. Variance of
    measurements: from their second differences. The backward pass is that of
    Rauch, Tung and Striebel (1965). Lines are found by our own filters
    (`flow.bands`, `flow.ridges`); of aponeuroses the change since the drawn
    frame counts, of fascicles the direction as found.
    """

    flow: AffineRegion = field(default_factory=AffineRegion)
    doubt: float = 0.01

    @property
    def traits(self) -> Traits:
        """What the tracker says of itself."""
        return Traits("affine-region-kalman", Source.FLOW, "clip", bound_px=1.0)

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings in force, plain values."""
        return asdict(self)

    def track(self, video: Video, queries: Queries, span: range) -> Work[Cells]:
        """Follow the lines both ways from the frames in which they were drawn.

        Raises
        ------
        UsstrackError
            Where no fascicle between two aponeuroses was drawn in a frame of the span.
        """
        found = muscles(queries, span, _spacing(video))
        held = {column for muscle in found for column in muscle.queries}
        alone = len(held) < len(queries)
        size = len(span)
        frames = sorted({muscle.frame for muscle in found})
        total = size * (alone + len(frames))
        arrays = blank_arrays(size, len(queries))
        if alone:
            flow = self.flow.track(video, queries, span)
            arrays = arrays_of((yield from part(flow, 0, size, total)))
        for number, frame in enumerate(frames, int(alone)):
            drawn = [muscle for muscle in found if muscle.frame == frame]
            work = self._lines(video, queries, span, drawn, arrays["xy"])
            yield from part(work, number * size, size, total)
        known = queries.asked(span) & ~np.isnan(arrays["xy"]).any(axis=-1)
        arrays["xy"][~known] = np.nan
        arrays["visible"][known], arrays["confidence"][known] = True, 1.0
        arrays["source"][known] = Source.FLOW
        return Cells(**arrays)

    def _lines(
        self, video: Video, queries: Queries, span: range, drawn: list[Muscle], out: Floats
    ) -> Work[None]:
        """Put places ``[frames, queries, 2]`` of the muscles drawn in one frame into `out`."""
        frame = drawn[0].frame
        ways = [range(frame, span.stop - 1), range(frame, span.start, -1)]
        region = queries.xy[queries.frame == frame]
        total, done = sum(map(len, ways)), 0
        for muscle in drawn:
            out[frame - span.start, muscle.queries] = queries.xy[list(muscle.queries)]
        for way in ways:
            courses = [_Course(video, muscle, queries.xy, self) for muscle in drawn]
            for reached, picture, affine in self.flow.maps(video, way, region):
                for course in courses:
                    course.see(reached, picture, affine)
                done += 1
                yield Progress(done, total)
            for muscle, course in zip(drawn, courses, strict=True):
                if course.frames:
                    rows = np.array(course.frames) - span.start
                    out[rows[:, None], list(muscle.queries)] = course.points()
        if not total:
            yield Progress(0, 0)


@dataclass(frozen=True, eq=False)
class Muscle:
    """Two aponeuroses and a fascicle between them, drawn in one frame.

    Attributes
    ----------
    frame : int
    queries : tuple of int
        Points of the superficial and of the deep aponeurosis, from left to
        right, and of the fascicle.
    sizes : tuple of int
        How many of each.
    """

    frame: int
    queries: tuple[int, ...]
    sizes: tuple[int, int, int]

    @property
    def groups(self) -> tuple[slice, slice, slice]:
        """Where each line is in `queries`."""
        a, b, c = self.sizes
        return slice(0, a), slice(a, a + b), slice(a + b, a + b + c)


def muscles(queries: Queries, span: range, spacing_mm: Floats) -> list[Muscle]:
    """Fascicles with the aponeuroses around them, by groups of kind ``line`` (`line_drawings`).

    Raises
    ------
    UsstrackError
        Where there are none.
    """
    found = []
    for scene in drawings(queries, span):
        for i, pair in roles(scene, spacing_mm).between.items():
            if pair is not None:
                lines = [scene[j] for j in (*pair, i)]
                columns = tuple(own[0] for line in lines for own in line.columns)
                a, b, c = (len(line.columns) for line in lines)
                found.append(Muscle(lines[0].frame, columns, (a, b, c)))
    frames = np.unique(queries.frame)
    plain = "line" not in queries.kind and len(queries) == sum(SIZES) and len(frames) == 1
    if plain and frames[0] in span:
        return [Muscle(int(frames[0]), tuple(range(len(queries))), SIZES)]
    if not found:
        raise UsstrackError(
            "not run: it follows fascicles between two aponeuroses, and none is among the points"
        )
    return found


def _spacing(video: Video) -> Floats:
    return np.asarray(video.info.spacing_mm or (USUAL_MM, USUAL_MM), dtype=np.float64)


class _Course:
    """What is seen in frame after frame, in mm, and the lines that follow from it."""

    def __init__(self, video: Video, muscle: Muscle, xy: Floats, settings: AffineKalman) -> None:
        self.frames: list[int] = []
        self._settings = settings
        self._mm = _spacing(video)
        self._spacing = (float(self._mm[0]), float(self._mm[1]))
        xy = xy[list(muscle.queries)]
        self._groups = muscle.groups
        self._drawn = xy * self._mm
        self._ends = np.array([self._drawn[group][[0, -1]] for group in self._groups[:2]])
        self._found = [xy[group] for group in self._groups[:2]]
        self._maps: list[Floats] = []
        self._measured: list[Floats] = []
        self._offset = np.zeros(4)
        first = self._lines(video.frames(range(muscle.frame, muscle.frame + 1))[0])[:4]
        self._offset = np.nan_to_num(first - self._ends[..., 1].ravel())

    def see(self, frame: int, picture: NDArray[np.uint8], affine: Floats) -> None:
        """Take the next frame and the map that leads to it, px."""
        scaled = affine.copy()
        scaled[:, :2] = self._mm[:, None] * affine[:, :2] / self._mm
        scaled[:, 2] *= self._mm
        self.frames.append(frame)
        self._maps.append(scaled)
        self._measured.append(self._lines(picture))

    def _lines(self, picture: NDArray[np.uint8]) -> Floats:
        """Four heights, mm, and the fascicle's direction, degrees; NaN where nothing is seen."""
        values = np.full(5, np.nan)
        for i, side in enumerate(PARTS):
            shift = band(picture, self._found[i], spacing_mm=self._spacing, part=side)
            if shift.confidence > LEAST_SHARE:
                self._found[i] = moved(self._found[i], shift, spacing_mm=self._spacing)
                line = fit_line(self._found[i] * self._mm)
                values[2 * i : 2 * i + 2] = _heights(line, self._ends[i][:, 0])
        values[:4] -= self._offset
        region = np.concatenate([self._found[0], self._found[1][::-1]])
        cast = votes(picture, region, spacing_mm=self._spacing)
        drawn = float(fit_line(self._drawn[self._groups[2]]).angle_deg)
        deep = float(fit_line(self._found[1] * self._mm).angle_deg)
        middle = deep + np.sign(fold_deg(drawn - deep)) * np.mean(FASCICLE_DEG)
        half = 0.5 * float(np.ptp(FASCICLE_DEG))
        found = direction(cast, predicted_deg=float(middle), search_deg=half)
        values[4] = middle + fold_deg(found.angle_deg - middle)
        return values

    def points(self) -> Floats:
        """Positions ``[frame, points, 2]``, px, of all frames that were seen."""
        state, begins, along = self._smoothed()
        out = []
        for values, x, flowed in zip(state, begins, along, strict=True):
            out.append(self._placed(values, x, flowed) / self._mm)
        return np.array(out)

    def _smoothed(self) -> tuple[Floats, Floats, Floats]:
        """State (frames, 5), where the fascicle begins, x, and aponeurosis points by flow."""
        measured = np.array(self._measured)
        noise = _noise(measured)
        lines = [fit_line(self._drawn[group]) for group in self._groups]
        mean = np.array([*self._ends[0][:, 1], *self._ends[1][:, 1], float(lines[2].angle_deg)])
        begin = crossing(lines[2], lines[0])
        flowed = self._drawn[: self._groups[1].stop]
        spread = np.zeros(5)
        means, spreads, ahead, wide = [], [], [], []
        begins, along = [], []
        for affine, seen in zip(self._maps, measured, strict=True):
            begin[1] = _at(mean[:2], self._ends[0][:, 0], begin[0])
            change = self._change(mean, affine)
            begin, flowed = applied(affine, begin[None])[0], applied(affine, flowed)
            mean, spread = mean + change, spread + self._settings.doubt * change**2 + 1e-12
            ahead.append(mean)
            wide.append(spread)
            gain = np.where(np.isfinite(seen), spread / (spread + noise), 0.0)
            mean = mean + gain * np.where(np.isfinite(seen), seen - mean, 0.0)
            spread = (1.0 - gain) * spread
            means.append(mean)
            spreads.append(spread)
            begins.append(begin[0])
            along.append(flowed)
        for k in range(len(means) - 2, -1, -1):
            means[k] = means[k] + spreads[k] / wide[k + 1] * (means[k + 1] - ahead[k + 1])
        return np.array(means), np.array(begins), np.array(along)

    def _change(self, mean: Floats, affine: Floats) -> Floats:
        """How a map changes a state."""
        out = np.empty(5)
        for i in range(2):
            x, y = self._ends[i][:, 0], mean[2 * i : 2 * i + 2]
            line = fit_line(applied(affine, np.column_stack([x, y])))
            out[2 * i : 2 * i + 2] = _heights(line, x) - y
        turn = np.deg2rad(mean[4])
        along = affine[:, :2] @ [np.cos(turn), -np.sin(turn)]
        out[4] = fold_deg(-np.rad2deg(np.arctan2(along[1], along[0])) - mean[4])
        return out

    def _placed(self, values: Floats, begin_x: float, flowed: Floats) -> Floats:
        """All points, mm: on the aponeuroses where flow has taken them, and along the fascicle."""
        out, lines = [], []
        for i, group in enumerate(self._groups[:2]):
            x, heights = self._ends[i][:, 0], values[2 * i : 2 * i + 2]
            across = flowed[group][:, 0]
            out.append(np.column_stack([across, _at(heights, x, across)]))
            lines.append(fit_line(np.column_stack([x, heights])))
        turn = np.deg2rad(values[4])
        top = np.array([begin_x, _at(values[:2], self._ends[0][:, 0], begin_x)])
        bottom = crossing(Line(top, np.array([np.cos(turn), -np.sin(turn)])), lines[1])
        out.append(top + self._shares()[:, None] * (bottom - top))
        return np.concatenate(out)

    def _shares(self) -> Floats:
        """Where the drawn points lie along the fascicle, 0 superficial to 1 deep."""
        upper, lower, middle = (fit_line(self._drawn[group]) for group in self._groups)
        top, bottom = crossing(middle, upper), crossing(middle, lower)
        whole = bottom - top
        return np.asarray((self._drawn[self._groups[2]] - top) @ whole / (whole @ whole))


def _noise(measured: Floats) -> Floats:
    """Variance of each measured series from its second differences, robustly."""
    second = np.diff(measured, 2, axis=0)
    if len(second) and np.isfinite(second).any():
        usual = np.nanmedian(np.abs(np.where(np.isfinite(second), second, np.nan)), axis=0)
        spread = np.nan_to_num(1.4826 * usual / np.sqrt(6.0))
    else:
        spread = np.zeros(measured.shape[1])
    return np.asarray(np.hypot(spread, LEAST_SD) ** 2)


def _heights(line: Line, x: Floats) -> Floats:
    """Y of a line at places x."""
    slope = line.along[1] / line.along[0]
    return np.asarray(line.at[1] + slope * (x - line.at[0]))


def _at(heights: Floats, ends: Floats, x: Floats | float) -> Floats:
    """Y at places x of the line with two heights at two ends."""
    return np.asarray(heights[0] + (heights[1] - heights[0]) * (x - ends[0]) / (ends[1] - ends[0]))
