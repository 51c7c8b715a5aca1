"""All frames of a stretch compared with what they have in common, and with their neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.flow.layers import split
from napari_usstrack.flow.registration import Registered, Templates, register
from napari_usstrack.flow.squares import Crops
from napari_usstrack.flow.support import Support

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
LEAST_ALIKE = 0.3
ROOM_MM = 2.0
"""How far from where it was thought to be a match is believed."""
STEP, MATCH = (2.0, 0.02), (8.0, 0.06)
"""Error of a step and of a match: factor of the stated covariance, and mm beside it."""


@dataclass(frozen=True, eq=False)
class GroupMatch:
    """What comparing frames says of one point, in px; NaN where it says nothing.

    Attributes
    ----------
    common : float64 ndarray, shape (frames, 2)
        Places by comparison with the mean of all frames.
    common_covariance : float64 ndarray, shape (frames, 2, 2)
    step : float64 ndarray, shape (frames - 1, 2)
        Motion from each frame to the next.
    step_covariance : float64 ndarray, shape (frames - 1, 2, 2)
    likeness : float64 ndarray, shape (frames,)
        Correlation with the mean of all frames.
    """

    common: Floats
    common_covariance: Floats
    step: Floats
    step_covariance: Floats
    likeness: Floats


def group_match(
    blocks: Sequence[NDArray[np.uint8]],
    centre: Floats,
    deformed: Floats,
    query: int,
    support: Support,
    mm: float,
) -> GroupMatch:
    """Compare all frames of a stretch along a path.

    Parameters
    ----------
    blocks : sequence of uint8 ndarray, shape (n, height, width)
        Frames with square pixels, one block after the other.
    centre : float64 ndarray, shape (frames, 2)
        Where the point is thought to be, px.
    deformed : float64 ndarray, shape (frames, 2, 2)
        How its tissue is thought to have deformed since the query.
    query : int
        Row of the frame in which the place is known.
    support : Support
        How much is compared.
    mm : float
        Side of a pixel.

    Notes
    -----
    Squares cut along the path, their deformation undone, all show the same
    tissue, as far as the path is right. What stands still in the picture is
    taken away (`layers.split`), and each square is registered with the mean of
    them all, which is less noisy than any frame and favours none. The place of
    the query is known, so its own match tells by how much the mean is off.
    Speckle that has changed moves matches of neighbouring frames alike, so
    their differences are good steps, more exact than the matches themselves.
    """
    crops = Crops(blocks, centre, deformed, support)
    layers = split(crops, centre, deformed, support)
    every = np.arange(len(centre))
    common = register(
        Templates.of(layers.template[None], support),
        lambda at, how: crops.squares(layers.moving, every, at, how),
        centre,
        deformed,
        support,
    )
    shift = common.shift - common.shift[query]
    place = centre + _turned(deformed, shift)
    place[_astray(common, mm)] = np.nan
    step = np.diff(place, axis=0)
    place[query] = np.nan
    return GroupMatch(
        place,
        _covariance(common.covariance, deformed, mm, *MATCH),
        step,
        _covariance(_of_steps(common, support), deformed[1:], mm, *STEP),
        common.likeness,
    )


def _turned(deformed: Floats, shift: Floats) -> Floats:
    return np.asarray(np.einsum("nij,nj->ni", deformed, shift))


def _astray(found: Registered, mm: float) -> NDArray[np.bool_]:
    far = np.hypot(*found.shift.T) * mm > ROOM_MM
    return np.asarray(far | (found.likeness < LEAST_ALIKE))


def _of_steps(found: Registered, support: Support) -> Floats:
    """Covariance of the difference of neighbouring matches, whose errors are much alike."""
    change = np.diff(found.left, axis=0)
    share = ((change * change) @ support.weight) / ((found.left[1:] ** 2) @ support.weight + 1e-9)
    return np.asarray(found.covariance[1:] * share[:, None, None])


def _covariance(own: Floats, deformed: Floats, mm: float, factor: float, least_mm: float) -> Floats:
    """Covariances in the picture, px^2; grains of speckle are taken for 1 mm^2."""
    own = factor * own / mm**2 + (least_mm / mm) ** 2 * np.eye(2)
    return np.asarray(deformed @ own @ deformed.transpose(0, 2, 1))
