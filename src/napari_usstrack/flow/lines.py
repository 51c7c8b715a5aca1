"""Aponeuroses and fascicles followed through a clip as lines, without drift.

Every frame is measured anew: where both aponeuroses lie (`flow.bands`) and
which way the fascicles between them run (`flow.ridges`). What a person drew in
one frame, the anchor, is kept: of the aponeuroses only the change since then
is used, and the fascicle runs as drawn wherever the measured direction is that
of the anchor. The direction of fascicles is read along the most plausible path through
the votes of all frames; the measures are then smoothed over time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_usstrack.core.geometry import Floats, Line, cross, crossing, fit_line, fold_deg
from napari_usstrack.core.tracker import Progress, Work
from napari_usstrack.flow.bands import Part, Shift, band, moved
from napari_usstrack.flow.line_angles import FADE_DEG, as_drawn, plausible_path
from napari_usstrack.flow.line_smoothing import smoothed
from napari_usstrack.flow.ridges import MARGIN_MM, Votes, direction, votes

Spacing = tuple[float, float]
NEAR_DEG = 8.0
ANGLE_JERK_DEG, BAND_JERK_MM = 0.3, 0.04
"""Usual change of the speed of an angle and of a band, per frame and frame."""
ANGLE_SD_DEG, BAND_SD_MM = 0.7, 0.05
"""Least standard deviation of a measured angle and place."""
LEAST_SHARE = 0.3
"""Share of a band that must be seen for it to count."""


@dataclass(frozen=True, eq=False)
class TrackedLines:
    """Three lines in every frame.

    Attributes
    ----------
    superficial, deep, fascicle : float64 ndarray, shape (frames, points, 2)
        Px, (x, y), with as many points as were drawn.
    angle_deg, angle_sd_deg : float64 ndarray, shape (frames,)
        Direction of the fascicle in mm, rising to the right is positive, and
        its standard deviation relative to the anchor.
    measured_deg : float64 ndarray, shape (frames,)
        Direction of the lines in each frame alone, without the offset of what
        was drawn; NaN where there was nothing to see.
    confidence : float64 ndarray, shape (frames, 3)
        Of superficial, deep and fascicle, 0 to 1.
    """

    superficial: Floats
    deep: Floats
    fascicle: Floats
    angle_deg: Floats
    angle_sd_deg: Floats
    measured_deg: Floats
    confidence: Floats


def track_lines(
    frames: Sequence[NDArray] | NDArray,
    superficial: ArrayLike,
    deep: ArrayLike,
    fascicle: ArrayLike,
    *,
    spacing_mm: Spacing,
    anchor: int = 0,
    margin_mm: float = MARGIN_MM,
    fade_deg: float = FADE_DEG,
) -> Work[TrackedLines]:
    """Follow two aponeuroses and the direction of the fascicles between them.

    Parameters
    ----------
    frames : sequence of ndarray, shape (y, x)
        Grey pictures.
    superficial, deep, fascicle : array_like, shape (points, 2)
        Lines in the anchor frame, px, (x, y), two points each at least;
        aponeuroses from left to right.
    spacing_mm : tuple of float
        Mm per px, (x, y).
    anchor : int
        Frame in which the lines were drawn.
    margin_mm : float
        Strip along both aponeuroses in which no fascicle is looked for.
    fade_deg : float
        The drawn fascicle differs from the measured direction in the anchor
        frame. This offset is added in full to frames with the same measured
        direction, and by a Gaussian of this sigma less to others; infinity
        keeps it everywhere.

    Yields
    ------
    Progress
        After each frame.

    Returns
    -------
    TrackedLines
        In the anchor frame the lines as drawn, a fascicle of more than two
        points made straight. In the others the fascicle passes at the same
        height between the aponeuroses, at the anchor's x.

    Raises
    ------
    ValueError
        For lines of another shape, or an anchor outside the clip.

    Notes
    -----
    Path: Viterbi's algorithm. Smoothing: a Kalman filter of value and speed
    with the backward pass of the RTS smoother (1965), repeated with Huber's
    weights.

    Why the offset fades: in relaxed muscle fascicles are faint and speckle,
    wider than deep, flattens what the filters see; in contracted muscle they
    are clear. An offset seen in one state is wrong in the other.
    """
    upper, lower, middle = (_checked(line) for line in (superficial, deep, fascicle))
    count = len(frames)
    if not 0 <= anchor < count:
        raise ValueError(f"the anchor {anchor} is not a frame of {count}")
    found = _Found(np.full((count, 2, 2), np.nan), np.full((count, 2, 2), np.nan), {})
    done = 0
    for order in (range(anchor, count), range(anchor - 1, -1, -1)):
        last = np.zeros((2, 2)) if order.step > 0 else found.bands[anchor].copy()
        for frame in order:
            last = _bands_of(frames[frame], (upper, lower), last, spacing_mm, found, frame)
            lines = [
                _placed(line, at, spacing_mm) for line, at in zip((upper, lower), last, strict=True)
            ]
            region = np.concatenate([lines[0], lines[1][::-1]])
            found.votes[frame] = votes(
                frames[frame], region, spacing_mm=spacing_mm, margin_mm=margin_mm
            )
            done += 1
            yield Progress(done, count)
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    return _assembled((upper, lower, middle), found, anchor, spacing, fade_deg)


@dataclass(eq=False)
class _Found:
    """Measures of single frames: bands (frames, 2 lines, place and tilt), mm, and votes."""

    bands: Floats
    bands_sd: Floats
    votes: dict[int, Votes]


def _checked(line: ArrayLike) -> Floats:
    points = np.asarray(line, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2 or np.isnan(points).any():
        raise ValueError(f"a line is points x 2, two at least, all known, got {points.shape}")
    return points


def _bands_of(
    frame: NDArray,
    drawn: tuple[Floats, Floats],
    last: Floats,
    spacing_mm: Spacing,
    found: _Found,
    row: int,
) -> Floats:
    """Measure both bands; where they lie now, or lay last where none is seen."""
    now = last.copy()
    parts: tuple[Part, Part] = ("lower", "upper")
    for i, (line, part) in enumerate(zip(drawn, parts, strict=True)):
        predicted = _placed(line, last[i], spacing_mm)
        shift = band(frame, predicted, spacing_mm=spacing_mm, part=part)
        if shift.confidence > LEAST_SHARE:
            now[i] = last[i] + (shift.place_mm, shift.tilt_mm)
            found.bands[row, i] = now[i]
            found.bands_sd[row, i] = shift.place_sd_mm, shift.tilt_sd_mm
    return now


def _placed(line: Floats, displaced: Floats, spacing_mm: Spacing | Floats) -> Floats:
    place, tilt = (float(value) for value in displaced)
    x_mm, y_mm = (float(value) for value in spacing_mm)
    return moved(line, Shift(place, tilt, 0.0, 0.0, 1.0), spacing_mm=(x_mm, y_mm))


# --- from measures to lines ------------------------------------------------------------------


def _assembled(
    drawn: tuple[Floats, Floats, Floats],
    found: _Found,
    anchor: int,
    spacing_mm: Floats,
    fade_deg: float,
) -> TrackedLines:
    upper, lower, middle = drawn
    bands = np.zeros_like(found.bands)
    for i, k in np.ndindex(2, 2):
        sd = np.hypot(found.bands_sd[:, i, k], BAND_SD_MM)
        smooth, _ = smoothed(found.bands[:, i, k], sd, BAND_JERK_MM)
        bands[:, i, k] = np.nan_to_num(smooth - smooth[anchor])
    start = fit_line(middle * spacing_mm)
    sheets_deg = [float(fit_line(line * spacing_mm).angle_deg) for line in (upper, lower)]
    cast = [found.votes[i] for i in range(len(bands))]
    angles, confidence = _angles(cast, start, anchor, sheets_deg)
    angle = as_drawn(angles.smooth, float(start.angle_deg), anchor, fade_deg)
    sheets = [
        np.stack([_placed(line, at, spacing_mm) for at in bands[:, i]])
        for i, line in enumerate((upper, lower))
    ]
    sheets[0][anchor], sheets[1][anchor] = upper, lower
    fascicle = _fascicles(drawn, sheets, start, angle, spacing_mm)
    seen = np.isfinite(found.bands[..., 0]).astype(float)
    return TrackedLines(
        superficial=sheets[0],
        deep=sheets[1],
        fascicle=fascicle,
        angle_deg=fold_deg(angle),
        angle_sd_deg=angles.sd,
        measured_deg=fold_deg(angles.measured),
        confidence=np.column_stack([seen, confidence]),
    )


def _fascicles(
    drawn: tuple[Floats, Floats, Floats],
    sheets: Sequence[Floats],
    start: Line,
    angle_deg: Floats,
    spacing_mm: Floats,
) -> Floats:
    """Points of the fascicle in every frame, px: turned, and as long as its sheets allow."""
    upper, lower = (fit_line(sheet * spacing_mm) for sheet in sheets)
    share = _share_down(start, drawn, spacing_mm)
    count = len(angle_deg)
    gone = [
        _gone(sheet * spacing_mm, line * spacing_mm, start.at)
        for sheet, line in zip(sheets, drawn[:2], strict=True)
    ]
    centre = start.at + (1.0 - share) * gone[0] + share * gone[1]
    turn = np.deg2rad(angle_deg)
    along = np.stack([np.cos(turn), -np.sin(turn)], axis=-1)
    line = Line(centre, along)
    length = np.hypot(*(crossing(line, upper) - crossing(line, lower)).T)
    first = Line(np.broadcast_to(start.at, (count, 2)), np.broadcast_to(start.along, (count, 2)))
    own = [fit_line(each * spacing_mm) for each in drawn[:2]]
    whole = np.hypot(*(crossing(first, own[0]) - crossing(first, own[1])).T)
    scale = np.nan_to_num(length / whole, nan=1.0)
    reach = (drawn[2] * spacing_mm - start.at) @ start.along
    points = centre[:, None] + (scale[:, None] * reach)[..., None] * along[:, None]
    return np.asarray(points / spacing_mm)


def _gone(now_mm: Floats, drawn_mm: Floats, at_mm: Floats) -> Floats:
    """How far a line has moved (frames, 2) beside a place, mm."""
    chord = drawn_mm[-1] - drawn_mm[0]
    along = float((at_mm - drawn_mm[0]) @ chord / (chord @ chord))
    first, last = (now_mm[:, end] - drawn_mm[end] for end in (0, -1))
    return np.asarray(first + along * (last - first))


def _share_down(start: Line, drawn: Sequence[Floats], spacing_mm: Floats) -> float:
    """Where the fascicle's middle lies between the aponeuroses: 0 superficial, 1 deep."""
    away = [
        abs(float(cross(each.along, start.at - each.at)))
        for each in (fit_line(line * spacing_mm) for line in drawn[:2])
    ]
    return away[0] / max(sum(away), 1e-9)


# --- direction over time ---------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Angles:
    measured: Floats
    smooth: Floats
    sd: Floats


def _angles(
    cast: Sequence[Votes], start: Line, anchor: int, sheets_deg: Sequence[float]
) -> tuple[_Angles, Floats]:
    path = plausible_path(cast, anchor, float(start.angle_deg), sheets_deg)
    read = [
        direction(each, predicted_deg=float(at), search_deg=NEAR_DEG)
        for each, at in zip(cast, path, strict=True)
    ]
    measured = np.array([each.angle_deg for each in read])
    measured = path + fold_deg(measured - path)
    sd = np.hypot([each.sd_deg for each in read], ANGLE_SD_DEG)
    confidence = np.array([each.confidence for each in read])
    smooth, smooth_sd = smoothed(measured, sd, ANGLE_JERK_DEG)
    return _Angles(measured, smooth, smooth_sd), confidence
