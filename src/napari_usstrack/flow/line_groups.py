"""Tracked points held to the lines and contours they were drawn as.

Speckle gives no grip along a fascicle or an aponeurosis, and flow drifts. The
lines themselves can be measured in every frame (`flow.line_measures`), so what a
tracker found is kept along the line and for fast motion, and replaced across it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.coords import inside
from napari_usstrack.core.geometry import Floats, Line, crossing, fit_line, fold_deg
from napari_usstrack.core.parts import part
from napari_usstrack.core.tracker import Progress, Queries, Work
from napari_usstrack.core.tracks import Cells, Source, arrays_of
from napari_usstrack.core.video import Video, VideoInfo
from napari_usstrack.flow.line_angles import FADE_DEG, as_drawn, corrected, read_angles
from napari_usstrack.flow.line_drawings import Drawing, Roles, drawings, roles
from napari_usstrack.flow.line_measures import Measured, measure
from napari_usstrack.flow.line_motion import Carried, Moves, along_line, moves
from napari_usstrack.flow.line_smoothing import joined
from napari_usstrack.flow.ridges import STEP_DEG, Votes
from napari_usstrack.flow.working_grid import WorkingGrid

ANGLE_JERKS_DEG = (0.003, 0.01, 0.03, 0.1, 0.2, 0.4)
BAND_JERKS_MM = (0.001, 0.003, 0.01, 0.03, 0.1)
"""Usual change, per frame and frame, of the speed at which flow gathers error."""
BAND_SD_MM = 0.05
"""Least standard deviation of a measured place."""
HALF_SURE_MM = 0.8
"""Standard deviation of a line's ends at which it is half sure."""
SEEN = 0.3
LONGEST, SHORTEST = 3.0, 0.3


@dataclass(frozen=True, eq=False)
class _Found:
    """One line in every frame: points, mm (frames, points, 2), and confidence (frames,)."""

    xy: Floats
    confidence: Floats


def held_to_lines(
    video: Video,
    queries: Queries,
    cells: Cells,
    span: range,
    *,
    use_flow: bool = True,
    fade_deg: float = FADE_DEG,
) -> Work[Cells]:
    """Hold what a tracker found to the lines that its points were drawn as.

    Parameters
    ----------
    video : Video
        The clip.
    queries : Queries
        What the tracker was asked, with groups and kinds.
    cells : Cells
        What it found, ``[len(span), len(queries)]``.
    span : range
        Frames of the rows.
    use_flow : bool
        Whether the motion in `cells` counts; without, lines are smoothed
        measures of single frames.
    fade_deg : float
        Turn by which the offset of a drawn fascicle from the measured
        direction has faded (`flow.line_angles.as_drawn`).

    Yields
    ------
    Progress
        After each frame.

    Returns
    -------
    Cells
        The same outside groups of kind ``line``. Each query keeps its own
        place in its own frame exactly, so that passes from several anchors can
        be blended as ever. Confidence is that of the line.

    Notes
    -----
    Points of a group queried in one frame are one line (`flow.line_drawings`).
    A line between two others is a fascicle: its direction is measured in the
    region between them, and it keeps its height between them. A fascicle
    without two such lines is looked for around itself; all other lines are
    bright bands. Measures and flow are joined by `flow.line_smoothing.joined`.
    """
    scenes = drawings(queries, span)
    spacing = scale_mm(video.info)
    arrays = arrays_of(cells)
    total = len(span) * max(len(scenes), 1)
    for number, scene in enumerate(scenes):
        work = _held(video, scene, cells, span, spacing, use_flow, fade_deg)
        found, frames = yield from part(work, number * len(span), len(span), total)
        for drawing, line in zip(scene, found, strict=True):
            size = video.info.width, video.info.height
            _write(arrays, drawing, line, frames, span, spacing, size, queries)
    yield Progress(total, total)
    return Cells(**arrays)


def scale_mm(info: VideoInfo) -> Floats:
    """Mm per px, (x, y); without a scale, as `WorkingGrid` takes them to be."""
    if info.spacing_mm is not None:
        return np.asarray(info.spacing_mm, dtype=np.float64)
    grid = WorkingGrid(info)
    return np.asarray(grid.mm * np.array(grid.size) / (info.width, info.height))


def _held(
    video: Video,
    scene: Sequence[Drawing],
    cells: Cells,
    span: range,
    spacing: Floats,
    use_flow: bool,
    fade_deg: float,
) -> Work[tuple[list[_Found], range]]:
    parts = roles(scene, spacing)
    frames = range(min(d.first for d in scene), max(d.last for d in scene) + 1)
    anchor = scene[0].frame - frames.start
    carried = [Carried.of(d, cells, frames, span.start, spacing) for d in scene]
    if not use_flow:
        carried = [_still(each, anchor) for each in carried]
    moved = [moves(each, anchor) for each in carried]
    moving = {i: np.stack([moved[i].across, moved[i].tilt], -1) for i in parts.bands}
    moving |= {i: moved[i].centre for i in parts.between}
    pair = float(spacing[0]), float(spacing[1])
    seen = yield from measure(video, scene, parts, moving, pair)
    state = _Scene(scene, parts, carried, moved, seen, anchor, spacing)
    bands = {i: state.band(i) for i in parts.bands}
    found = dict(bands)
    found |= {i: state.fascicle(i, bands, fade_deg) for i in parts.between}
    return [found[i] for i in range(len(scene))], frames


def _still(carried: Carried, anchor: int) -> Carried:
    seen = np.zeros_like(carried.seen)
    seen[anchor] = True
    return Carried(carried.xy, seen)


@dataclass(frozen=True, eq=False)
class _Scene:
    """All that is known of the lines drawn in one frame."""

    drawn: Sequence[Drawing]
    roles: Roles
    carried: Sequence[Carried]
    moved: Sequence[Moves]
    seen: Measured
    anchor: int
    spacing: Floats

    def band(self, i: int) -> _Found:
        """A bright band: displaced across as measured, along as flow says."""
        own, flow, linked = self.seen.bands[i], self.moved[i], self.carried[i].linked
        sd = np.hypot(own.sd, BAND_SD_MM)
        place, place_sd = joined(own.value[:, 0], sd[:, 0], flow.across, linked, BAND_JERKS_MM)
        tilt, tilt_sd = joined(own.value[:, 1], sd[:, 1], flow.tilt, linked, BAND_JERKS_MM)
        place, tilt = place - place[self.anchor], tilt - tilt[self.anchor]
        start = self.drawn[i].points * self.spacing
        chord = start[-1] - start[0]
        length = float(np.hypot(*chord))
        along = chord / length
        normal = np.array([-along[1], along[0]])
        places, heights = (start - start[0]) @ along, (start - start[0]) @ normal
        now = (self.carried[i].xy - start[0]) @ along
        at = along_line(places, now, self.carried[i].seen)
        up = np.interp(at, places, heights) + place[:, None]
        up = up + tilt[:, None] * (2.0 * at / length - 1.0)
        xy = start[0] + at[..., None] * along + up[..., None] * normal
        xy[self.anchor] = start
        return _Found(xy, _sure(np.hypot(place_sd, tilt_sd)))

    def fascicle(self, i: int, bands: dict[int, _Found], fade_deg: float) -> _Found:
        """A line whose direction is measured, at its height between the bands."""
        start = self.drawn[i].points * self.spacing
        line = fit_line(start)
        angle, sd_deg = self._angle(i, float(line.angle_deg), fade_deg)
        turn = np.deg2rad(angle)
        along = np.stack([np.cos(turn), -np.sin(turn)], axis=-1)
        if float(along[self.anchor] @ line.along) < 0:
            along = -along
        pair = self.roles.between[i]
        centre, scale = line.at + self.moved[i].centre, np.ones(len(angle))
        if pair is not None:
            sheets = tuple(fit_line(bands[j].xy) for j in pair)
            centre = _at_height(line, sheets, self.anchor, centre)
            scale = _scale(Line(centre, along), sheets, self.anchor)
        places = (start - line.at) @ line.along
        offsets = np.einsum("fpk,fk->fp", self.carried[i].xy - centre[:, None], along)
        rest = offsets - scale[:, None] * places
        at = along_line(places, places + rest, self.carried[i].seen) - places
        at = at + scale[:, None] * places
        # A gently curved line keeps its shape.
        bow = (start - line.at) @ np.array([-line.along[1], line.along[0]])
        normal = np.stack([-along[:, 1], along[:, 0]], axis=-1)
        xy = centre[:, None] + at[..., None] * along[:, None] + bow[:, None] * normal[:, None]
        xy[self.anchor] = start
        half = 0.5 * float(np.ptp(places))
        return _Found(xy, _sure(half * np.tan(np.deg2rad(np.minimum(sd_deg, 60.0)))))

    def _angle(self, i: int, drawn_deg: float, fade_deg: float) -> tuple[Floats, Floats]:
        cast, count = self.seen.votes[i], len(self.seen.frames)
        blank = _no_votes(next(iter(cast.values()), None))
        pair = self.roles.between[i] or ()
        sheets = [float(fit_line(self.drawn[j].points * self.spacing).angle_deg) for j in pair]
        every = [cast.get(row, blank) for row in range(count)]
        read = read_angles(every, self.anchor, drawn_deg, sheets)
        flow, linked = self.moved[i].turn_deg, self.carried[i].linked
        smooth, sd = joined(read.measured_deg, read.sd_deg, flow, linked, ANGLE_JERKS_DEG)
        if np.isnan(sd).all():
            return drawn_deg + flow, sd
        held = as_drawn(smooth, drawn_deg, self.anchor, fade_deg)
        offset = float(fold_deg(drawn_deg - smooth[self.anchor]))
        sd = np.hypot(sd, offset - (held - smooth))
        return corrected(held, drawn_deg + flow, linked), sd


def _no_votes(like: Votes | None) -> Votes:
    if like is not None:
        return Votes(like.angles_deg, np.zeros_like(like.parts), like.sought)
    angles = np.arange(-90.0, 90.0, STEP_DEG)
    return Votes(angles, np.zeros((2, 4, len(angles))))


def _sure(sd_mm: Floats) -> Floats:
    return np.asarray(np.nan_to_num(1.0 / (1.0 + (sd_mm / HALF_SURE_MM) ** 2)))


def _at_height(line: Line, sheets: tuple[Line, ...], anchor: int, centre: Floats) -> Floats:
    """Places beside `centre` at the height between two lines that the first one had."""
    across = [np.array([-each.along[anchor][1], each.along[anchor][0]]) for each in sheets]
    away = [
        abs(float((line.at - each.at[anchor]) @ normal))
        for each, normal in zip(sheets, across, strict=True)
    ]
    share = away[0] / max(sum(away), 1e-9)
    normal = across[0] + across[1]
    normal = np.broadcast_to(normal / np.hypot(*normal), centre.shape)
    upper, lower = (crossing(Line(centre, normal), each) for each in sheets)
    target = (1.0 - share) * upper + share * lower
    return np.where(np.isnan(target), centre, target + line.at - target[anchor])


def _scale(line: Line, sheets: tuple[Line, ...], anchor: int) -> Floats:
    """Length between the bands, relative to the frame of the drawing."""
    ends = [crossing(line, each) for each in sheets]
    length = np.hypot(*(ends[0] - ends[1]).T)
    ratio = length / length[anchor]
    return np.clip(np.nan_to_num(ratio, nan=1.0), SHORTEST, LONGEST)


def _write(
    arrays: dict[str, Any],
    drawing: Drawing,
    line: _Found,
    frames: range,
    span: range,
    spacing: Floats,
    size: tuple[int, int],
    queries: Queries,
) -> None:
    """Put a line's points into the columns that asked for them."""
    asked = queries.asked(span)
    for i, columns in enumerate(drawing.columns):
        xy = line.xy[:, i] / spacing
        within = inside(xy, *size)
        xy = np.clip(xy, 0.0, np.array(size) - 1.0)
        for column in columns:
            rows = np.arange(frames.start, frames.stop) - span.start
            mine = asked[rows, column]
            rows, take = rows[mine], np.flatnonzero(mine)
            own = rows == drawing.frame - span.start
            sure = np.where(within[take], line.confidence[take], 0.0)
            seen = within[take] & (arrays["visible"][rows, column] | (sure >= SEEN))
            arrays["xy"][rows, column] = np.where(own[:, None], queries.xy[column], xy[take])
            arrays["confidence"][rows, column] = np.where(own, 1.0, np.where(seen, sure, 0.0))
            arrays["visible"][rows, column] = seen | own
            arrays["source"][rows, column] = _source(arrays["source"][:, column])


def _source(column: NDArray[np.uint8]) -> int:
    known = column[column > Source.ABSENT]
    return int(known[0]) if known.size else int(Source.FLOW)
