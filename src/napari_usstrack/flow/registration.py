"""By what affine motion two squares of tissue differ, and how surely that can be told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.flow.opencv import opencv
from napari_usstrack.flow.support import Support, product

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Look = Callable[[Floats, Floats], Singles]
"""Grey values ``[n, pixels]`` of squares with centres (n, 2), px, and deformations (n, 2, 2)."""
ROUNDS = 2
STIFFNESS, HOLD = 1e-3, 1e-5
"""How strongly stretch, and motion, are drawn to 0, for texture of contrast 1."""
TOLERANCE = 5.0
"""Squared distance from the typical one at which a place counts half."""
GRAIN = 0.7
"""Side of the places that count together, in units of the reach."""
LEAST_GREY = 1e-2


@dataclass(frozen=True, eq=False)
class Registered:
    """Motion ``shift + gradient @ offset`` of squares, in their own frame, px.

    Attributes
    ----------
    shift : float64 ndarray, shape (n, 2)
    gradient : float64 ndarray, shape (n, 2, 2)
    covariance : float64 ndarray, shape (n, 2, 2)
        Of the shift, px^2, as if pixels were independent: larger along lines
        and where the squares differ.
    likeness : float64 ndarray, shape (n,)
        Correlation after the motion, -1 to 1.
    """

    shift: Floats
    gradient: Floats
    covariance: Floats
    likeness: Floats

    def of(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Registered:
        """Some of them."""
        return Registered(*(getattr(self, name)[rows] for name in PARTS))

    def replaced(self, rows: NDArray[np.intp], others: Registered) -> Registered:
        """These with some rows put in their place."""
        parts = [getattr(self, name).copy() for name in PARTS]
        for part, name in zip(parts, PARTS, strict=True):
            part[rows] = getattr(others, name)
        return Registered(*parts)


PARTS = ("shift", "gradient", "covariance", "likeness")


@dataclass(frozen=True, eq=False)
class Templates:
    """Squares that are looked for, at contrast 1, with their slopes.

    Attributes
    ----------
    grey : float32 ndarray, shape (n, pixels)
    slopes : float32 ndarray, shape (n, 6, pixels)
        By shift along x and y, and by the four parts of the gradient times the reach.
    """

    grey: Singles
    slopes: Singles

    @classmethod
    def of(cls, squares: Singles, support: Support) -> Templates:
        """Prepare squares ``[n, pixels]``."""
        grey = _levelled(squares, support.weight)
        contrast = np.sqrt(np.einsum("np,p->n", grey * grey, support.weight) / support.total)
        grey = grey / (contrast + np.float32(LEAST_GREY))[:, None]
        return cls(grey, _slopes(grey, support))

    def of_rows(self, rows: Sequence[int] | NDArray[np.intp]) -> Templates:
        """Some of them."""
        return Templates(self.grey[rows], self.slopes[rows])


def register(
    template: Templates, look: Look, centre: Floats, deformed: Floats, support: Support
) -> Registered:
    """Find templates near where they are expected.

    Parameters
    ----------
    template : Templates
        What is looked for; one for all if there is only one.
    look : callable
        Gives the squares of the picture.
    centre : float64 ndarray, shape (n, 2)
        Where to begin, px of the picture.
    deformed : float64 ndarray, shape (n, 2, 2)
        Expected deformation: takes offsets in the template to the picture's.
    support : Support
        Size of the squares and weights of their pixels.

    Notes
    -----
    Gauss-Newton steps for shift and gradient with the slopes of the template
    (Lucas and Kanade, 1981; Baker and Matthews, 2004), after the mean and the
    contrast of both are made equal. Places that do not fit count less, by the
    Cauchy function of the mean squared difference around them.
    """
    count, pixels = len(centre), support.weight
    normal_of = _normals(template.slopes)
    change = np.zeros((count, 6))
    ridge = support.total * np.diag(2 * [HOLD] + 4 * [STIFFNESS])
    weight: Singles = pixels[None]
    for _ in range(ROUNDS):
        gradient = (change[:, 2:] / support.reach_px).reshape(count, 2, 2)
        moved = centre + np.einsum("nij,nj->ni", deformed, change[:, :2])
        seen = _levelled(look(moved, deformed @ (np.eye(2) + gradient)), pixels)
        left, likeness = _difference(template.grey, seen, weight)
        weight = _robust(left, support)
        weight *= pixels
        normal = normal_of(weight)
        change -= np.linalg.solve(normal + ridge, _pull(template.slopes, weight * left))[..., 0]
    squared = np.einsum("np,np->n", weight * left, left) / weight.sum(axis=1)
    spread = np.linalg.inv(normal + ridge)[:, :2, :2] * squared[:, None, None]
    gradient = (change[:, 2:] / support.reach_px).reshape(count, 2, 2)
    return Registered(change[:, :2], gradient, spread, likeness.astype(np.float64))


def _levelled(grey: Singles, weight: Singles) -> Singles:
    """Grey values less their weighted mean."""
    return grey - np.einsum("np,p->n", grey, weight / weight.sum())[:, None]


def _slopes(template: Singles, support: Support) -> Singles:
    side = support.side
    square = template.reshape(-1, side, side)
    out = np.zeros((len(square), 6, side, side), dtype=np.float32)
    np.subtract(square[:, :, 2:], square[:, :, :-2], out=out[:, 0, :, 1:-1])
    np.subtract(square[:, 2:], square[:, :-2], out=out[:, 1, 1:-1])
    out[:, :2] *= 0.5
    x, y = (support.offsets / np.float32(support.reach_px)).T.reshape(2, side, side)
    for axis in range(2):
        np.multiply(out[:, axis], x, out=out[:, 2 + 2 * axis])
        np.multiply(out[:, axis], y, out=out[:, 3 + 2 * axis])
    return out.reshape(len(square), 6, -1)


def _normals(slopes: Singles) -> Callable[[Singles], Floats]:
    """From weights ``[n, pixels]`` to normal matrices ``[n, 6, 6]``."""
    if len(slopes) == 1:
        products = (slopes[0][:, None] * slopes[0]).reshape(36, -1).T
        return lambda weight: product(weight, products).reshape(-1, 6, 6).astype(np.float64)
    across = slopes.transpose(0, 2, 1)
    return lambda weight: np.asarray((slopes * weight[:, None]) @ across, dtype=np.float64)


def _pull(slopes: Singles, left: Singles) -> Floats:
    """Right sides ``[n, 6, 1]``."""
    if len(slopes) == 1:
        return product(left, slopes[0].T)[..., None].astype(np.float64)
    return np.asarray(slopes @ left[..., None], dtype=np.float64)


def _difference(sought: Singles, seen: Singles, weight: Singles) -> tuple[Singles, Singles]:
    """Squares less the templates at equal contrast, and their correlation."""
    weighed = weight * sought
    own = np.einsum("np,np->n", weighed, sought) + np.float32(1e-6)
    shared = np.einsum("np,np->n", np.broadcast_to(weighed, seen.shape), seen)
    other = np.einsum("np,np->n", weight * seen, seen)
    other += np.float32(LEAST_GREY**2) * weight.sum(axis=1)
    left = seen * np.sqrt(own / other)[:, None]
    left -= sought
    return left, shared / np.sqrt(own * other)


def _robust(left: Singles, support: Support) -> Singles:
    """Weight of each pixel by how well its surroundings fit."""
    cv2 = opencv()
    grain = max(3, round(GRAIN * support.reach_px) | 1)
    squared = (left * left).reshape(-1, support.side)
    around = np.asarray(cv2.blur(squared, (grain, grain))).reshape(left.shape)
    typical = np.median(around[:, support.core], axis=1, keepdims=True) + np.float32(1e-4)
    around /= np.float32(TOLERANCE) * typical
    around += np.float32(1.0)
    return np.reciprocal(around, out=around)
