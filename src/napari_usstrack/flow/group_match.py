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
MATCH = (2.0, 0.03)
"""Error of a match: factor of the stated covariance, and mm beside it."""


@dataclass(frozen=True, eq=False)
class GroupMatch:
    """What comparing frames says of one point, in px; NaN where it says nothing.

    Attributes
    ----------
    common : float64 ndarray, shape (frames, 2)
        Places by comparison with the mean of all frames.
    common_covariance : float64 ndarray, shape (frames, 2, 2)
    likeness : float64 ndarray, shape (frames,)
        Correlation with the mean of all frames.
    """

    common: Floats
    common_covariance: Floats
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
    place[query] = np.nan
    return GroupMatch(
        place,
        _covariance(common.covariance, deformed, support, MATCH[0], MATCH[1] / mm),
        common.likeness,
    )


def _turned(deformed: Floats, shift: Floats) -> Floats:
    return np.asarray(np.einsum("nij,nj->ni", deformed, shift))


def _astray(found: Registered, mm: float) -> NDArray[np.bool_]:
    far = np.hypot(*found.shift.T) * mm > ROOM_MM
    return np.asarray(far | (found.likeness < LEAST_ALIKE))


def _covariance(
    own: Floats, deformed: Floats, support: Support, factor: float, least_px: float
) -> Floats:
    """Covariances in the picture, px^2; the pixels of a grain are not independent."""
    full = factor * support.grain_px**2 * own + least_px**2 * np.eye(2)
    return np.asarray(deformed @ full @ deformed.transpose(0, 2, 1))
