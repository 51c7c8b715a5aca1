"""Length and pennation of a fascicle between two aponeuroses.

Three straight lines per frame, in mm, x right and y down. Programs disagree on
what pennation is and on whether a fascicle ends where the picture does, so
every answer carries the name of its convention.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from napari_usstrack.core.geometry import Floats, Line, acute_deg, crossing, distance, fold_deg


@dataclass(frozen=True, eq=False)
class Fascicle:
    """A fascicle continued to both aponeuroses.

    Attributes
    ----------
    superficial, deep : float64 ndarray, shape (..., 2)
        Where it meets each aponeurosis, mm.
    length_mm : float64 ndarray, shape (...)
        Distance between the two, also where they lie outside the picture.
    """

    superficial: Floats
    deep: Floats
    length_mm: Floats


@dataclass(frozen=True, eq=False)
class Pennation:
    """Fascicle angle in each convention in use, degrees.

    With line angles a (fascicle), b (superficial aponeurosis) and g (deep
    aponeurosis), each positive where the line rises to the right. The signed
    ones turn negative for a muscle drawn falling to the right.

    Attributes
    ----------
    to_deep_deg : float64 ndarray
        a - g, signed: UltraTimTrack, DL_Track_US, SMA, Drazan 2019.
    to_superficial_deg : float64 ndarray
        a - b, signed: TimTrack.
    to_horizontal_deg : float64 ndarray
        a, signed: UltraTrack, which stores its size in radians.
    between_deep_deg, between_superficial_deg : float64 ndarray
        Acute angle between the lines, 0 to 90, unsigned; the same in a
        mirrored picture.
    """

    to_deep_deg: Floats
    to_superficial_deg: Floats
    to_horizontal_deg: Floats
    between_deep_deg: Floats
    between_superficial_deg: Floats


def fascicle_between(fascicle: Line, *, superficial: Line, deep: Line) -> Fascicle:
    """Continue a fascicle in a straight line to both aponeuroses.

    NaN where a line is missing, or the fascicle is within one degree of
    parallel to an aponeurosis.

    Notes
    -----
    The extrapolated length of Drazan 2019, DL_Track_US and TimTrack. The
    length that UltraTrack gives is the distance of the two labelled ends,
    `core.geometry.distance`; the two are not comparable.
    """
    upper, lower = crossing(fascicle, superficial), crossing(fascicle, deep)
    return Fascicle(upper, lower, distance(upper, lower))


def pennation(fascicle: Line, *, superficial: Line, deep: Line) -> Pennation:
    """Fascicle angle in all conventions; NaN where a line it needs is missing."""
    angle = fascicle.angle_deg
    return Pennation(
        to_deep_deg=fold_deg(angle - deep.angle_deg),
        to_superficial_deg=fold_deg(angle - superficial.angle_deg),
        to_horizontal_deg=angle,
        between_deep_deg=acute_deg(fascicle, deep),
        between_superficial_deg=acute_deg(fascicle, superficial),
    )


def visible_length(
    start: ArrayLike, end: ArrayLike, *, panel: tuple[float, float, float, float]
) -> Floats:
    """Length of the part of straight segments that lies inside the picture.

    Parameters
    ----------
    start, end : array_like, shape (..., 2)
        Ends of each segment, mm.
    panel : tuple of float
        Left, top, right and bottom edge of the picture, mm. Pixel centres are
        integers, so a picture of w x h px reaches from -0.5 to w - 0.5 and
        h - 0.5 px, times mm per px.

    Returns
    -------
    float64 ndarray, shape (...)
        0 for a segment outside, NaN where an end is missing.

    Raises
    ------
    ValueError
        When the panel is empty.
    """
    left, top, right, bottom = panel
    if not (left < right and top < bottom):
        raise ValueError(f"panel must be left < right and top < bottom, got {panel}")
    start = np.asarray(start, dtype=np.float64)
    along = np.asarray(end, dtype=np.float64) - start
    still = along == 0
    step = np.where(still, 1.0, along)
    near, far = (np.array([left, top]) - start) / step, (np.array([right, bottom]) - start) / step
    low, high = np.minimum(near, far), np.maximum(near, far)
    # A segment along an axis is inside on the other axis all the way or not at all.
    within = (near <= 0) & (far >= 0)
    high = np.where(still, np.where(within, np.inf, -np.inf), high)
    share = np.minimum(high.min(axis=-1), 1.0) - np.maximum(low.max(axis=-1), 0.0)
    whole = np.hypot(along[..., 0], along[..., 1])
    return np.where(np.isnan(whole), np.nan, np.maximum(share, 0.0) * whole)


def extrapolated_share(fascicle: Fascicle, *, panel: tuple[float, float, float, float]) -> Floats:
    """Share of the fascicle's length that no picture shows, 0 to 1.

    ``1 - visible / length``. A length that is mostly extrapolated is mostly a
    guess that fascicle and aponeuroses are straight; warn above 0.4 to 0.5.

    Parameters
    ----------
    fascicle : Fascicle
    panel : tuple of float
        As for `visible_length`.

    Returns
    -------
    float64 ndarray, shape (...)
        NaN where the length is NaN or 0.

    Notes
    -----
    TimTrack's ``(L - W / cos a) / L`` is the same for a fascicle that leaves
    the picture on both sides. For one that ends inside it is negative, this
    is not.
    """
    seen = visible_length(fascicle.superficial, fascicle.deep, panel=panel)
    whole = fascicle.length_mm
    known = whole > 0
    return 1.0 - np.divide(seen, whole, out=np.full(np.shape(whole), np.nan), where=known)
