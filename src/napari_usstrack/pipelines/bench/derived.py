"""Errors of what is made from tracks: strain of a wall, fascicles, regional strain.

Groups of points in the truth tell what can be made: a contour ``mid-wall`` has
a strain, lines ``fascicle-...`` a length and an angle, groups ``muscle-...`` of
points spread over a region a strain in every triangle between neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.curves import path_length, spline_length
from napari_usstrack.core.geometry import fit_line, fold_deg, polygon_area, vector_angle_deg
from napari_usstrack.core.tracks import Tracks
from napari_usstrack.metrics.pairs import Floats
from napari_usstrack.pipelines.bench.cases import absolute
from napari_usstrack.pipelines.figures import NAN, Figure

POINTS_OF_PERCENT = "percentage points"
Columns = NDArray[np.intp]
LEAST_SLENDERNESS = 0.2
"""Flatter triangles tell no strain: a small error of a corner changes all."""


def derived_errors(truth: Tracks) -> Callable[[Floats], Iterable[Figure]] | None:
    """Errors of derived measures, given positions ``[frames, points, 2]`` in px.

    Parameters
    ----------
    truth : Tracks
        True positions of the same points, with groups and scale.

    Returns
    -------
    callable or None
        None where no group allows a measure. Strains are relative to frame 0
        of each, Lagrangian; frames in which a point of a group is unknown do
        not count.
    """
    groups = {
        name: np.array([i for i, point in enumerate(truth.points) if point.group == name])
        for name in dict.fromkeys(point.group for point in truth.points)
    }
    mm = truth.video.calibration.mm
    true = mm(truth.xy)

    def measure(xy: Floats) -> Iterator[Figure]:
        yield from _figures(groups, mm(xy), true)

    wanted = any(name == "mid-wall" or name.startswith(("fascicle-", "muscle-")) for name in groups)
    return measure if wanted else None


def _figures(groups: dict[str, Columns], found: Floats, true: Floats) -> Iterator[Figure]:
    if "mid-wall" in groups:
        line = groups["mid-wall"]
        off = absolute(_strain(found[:, line]), _strain(true[:, line]))[1:]
        yield Figure("wall_strain_error", _mean(off), POINTS_OF_PERCENT)
    fascicles = [columns for name, columns in groups.items() if name.startswith("fascicle-")]
    if fascicles:
        pairs = [(found[:, line], true[:, line]) for line in fascicles]
        lengths = [absolute(path_length(ours), path_length(theirs))[1:] for ours, theirs in pairs]
        angles = [
            np.abs(fold_deg(_angle_deg(ours) - _angle_deg(theirs)))[1:] for ours, theirs in pairs
        ]
        yield Figure("fascicle_length_error", _mean(np.concatenate(lengths)), "mm")
        yield Figure("fascicle_angle_error", _mean(np.concatenate(angles)), "deg")
    regions = [columns for name, columns in groups.items() if name.startswith("muscle-")]
    if regions:
        off = np.concatenate([_regional(found[:, r], true[:, r]) for r in regions])
        yield Figure("regional_strain_error", _mean(off), POINTS_OF_PERCENT)


def _strain(line: Floats) -> Floats:
    length = spline_length(line)
    return 100.0 * (length / length[0] - 1.0)


def _angle_deg(line: Floats) -> Floats:
    return vector_angle_deg(fit_line(line).along)


def _regional(found: Floats, true: Floats) -> Floats:
    """Differences of the strain along the muscle and across it, in every triangle and frame.

    The muscle lies along the longest extent of the true points in frame 0.
    """
    from scipy.spatial import Delaunay

    corners = Delaunay(true[0]).simplices
    corners = corners[_slenderness(true[0][corners]) > LEAST_SLENDERNESS]
    along = true[0] - true[0].mean(axis=0)
    axes = np.linalg.svd(along, full_matrices=False)[2]
    ours, theirs = (_strains(each, corners, axes) for each in (found, true))
    return absolute(ours, theirs)


def _slenderness(triangles: Floats) -> Floats:
    """Smallest height over longest side of triangles ``(..., 3, 2)``."""
    sides = np.roll(triangles, -1, axis=-2) - triangles
    longest = np.hypot(sides[..., 0], sides[..., 1]).max(axis=-1)
    return 2.0 * polygon_area(triangles) / longest**2


def _strains(points: Floats, corners: Columns, axes: Floats) -> Floats:
    """Lagrangian strain in percent along both axes, (frames, triangles, 2)."""
    sides = points[:, corners[:, 1:]] - points[:, corners[:, :1]]
    sides = np.swapaxes(sides, -1, -2)
    change = sides @ np.linalg.inv(sides[0])
    stretch = np.linalg.norm(np.einsum("...ij,kj->...ki", change, axes), axis=-1)
    return 100.0 * (stretch - 1.0)[1:]


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else NAN
