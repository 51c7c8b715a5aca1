"""Following points from frame to frame while looking back at where they were asked for.

In each frame a point is sought twice: as it looked in its own frame, wherever the
network finds that again, and as it looked in the frame before, near where it was
then. Both places are polished (`models.polish`) and joined by how alike they are, so
that neither the drift of the one nor the look-alikes of the other carry through.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from napari_usstrack.models.polish import (
    Patches,
    covariances,
    likeness,
    patches,
    polished,
    smaller,
)
from napari_usstrack.models.specknet import MIDDLE, Descriptors, Maps, SpeckNet, coarse_place

STRIDES = (4, 2, 1)
"""Sizes of the pictures in which patches are aligned, coarse to fine, px per cell."""
WIDE = 0.3
"""Weight of the wider surroundings when guesses of a step are compared."""
STEP_SHARE = 1.0
"""Error of a step between neighbouring frames, of that of a patch from far away."""
CORRELATED = 0.25
"""Least variance of joined places, of that of the query's look: its errors last."""
STRAY = 0.1
"""What likeness a place loses one standard deviation of the search away."""
GATE = 9.0
"""Squared distance (Mahalanobis) beyond which both places contradict each other."""
CONVINCING = 0.85
"""Likeness at which the query's look is believed against a path that is not sure."""
LOST_PX = 1.5
"""Standard deviation of a path that is not sure."""
HALF_SEEN, STEEPNESS = 0.25, 12.0
"""Likeness at which a point is as likely hidden as seen, and how fast that changes."""


class Places(NamedTuple):
    """Where points are in a frame.

    Attributes
    ----------
    xy : tensor, shape (points, 2)
        Px of the picture.
    spread : tensor, shape (points,)
        Standard deviation along an axis, px.
    seen : tensor, shape (points,)
        Probability of being visible.
    """

    xy: torch.Tensor
    spread: torch.Tensor
    seen: torch.Tensor


class Chase:
    """The state of all points on their way through a clip.

    Parameters
    ----------
    network : SpeckNet
    points : int
    sigma : float
        Standard deviation of the search, px.
    device : torch.device
    """

    def __init__(self, network: SpeckNet, points: int, sigma: float, device: torch.device) -> None:
        self.network, self.sigma = network, sigma
        self._start = torch.zeros(points, 2, device=device)
        self._wanted: Descriptors | None = None
        self._latest: Descriptors | None = None
        self._own: list[Patches] | None = None
        self.turn()

    def turn(self) -> None:
        """Begin again at the queries."""
        self.at = self._start.clone()
        self._before = self._start.clone()
        self._variance = torch.zeros(len(self.at), 2, 2, device=self.at.device)
        self._gone = torch.zeros(len(self.at), dtype=torch.bool, device=self.at.device)
        if self._own is not None and self._wanted is not None:
            self._recent = [Patches(*(each.clone() for each in own)) for own in self._own]
            self._latest = Descriptors(*(each.clone() for each in self._wanted))

    @torch.inference_mode()
    def begin(self, rows: torch.Tensor, maps: Maps, xy: torch.Tensor) -> None:
        """Take the looks of some points in the frame they are asked for in, at `xy` px."""
        found = self.network.describe(maps, xy[None])
        own = [patches(smaller(maps.picture, s), xy, s) for s in STRIDES]
        if self._own is None or self._wanted is None:
            count = len(self._start)
            self._wanted = Descriptors(*(_room(each[0], count) for each in found))
            self._own = [Patches(*(_room(each, count) for each in level)) for level in own]
        for whole, part in zip(self._wanted, found, strict=True):
            whole[rows] = part[0]
        for kept, new in zip(self._own, own, strict=True):
            _put(kept, rows, new)
        self._start[rows] = xy

    @torch.inference_mode()
    def step(self, rows: torch.Tensor, maps: Maps, expected: torch.Tensor | None = None) -> Places:
        """Find some points in the next frame.

        Parameters
        ----------
        rows : int tensor, shape (points,)
        maps : Maps
            Of that frame.
        expected : tensor, shape (points, 2), optional
            Where they are thought to be, px; NaN where nobody knows.
        """
        assert self._own is not None
        assert self._wanted is not None
        assert self._latest is not None
        at, pictures = self.at[rows], [smaller(maps.picture, s) for s in STRIDES]
        ahead = 2.0 * at - self._before[rows]
        if expected is not None:
            known = torch.isfinite(expected).all(dim=-1, keepdim=True)
            at, ahead = torch.where(known, expected, at), torch.where(known, expected, ahead)
        both = Descriptors(
            *(
                torch.cat([a[rows], b[rows]])
                for a, b in zip(self._wanted, self._latest, strict=True)
            )
        )
        guess, next_to = self._guess(both, maps, torch.cat([at, at])).split(len(rows))
        recent = [each.of(rows) for each in self._recent]
        own = [each.of(rows) for each in self._own]
        gone, _ = polished(pictures[0], recent[0], at, STRIDES[0])
        step, alike = self._best(pictures, recent, [gone, at, ahead, next_to, guess], at, WIDE)
        path = self._variance[rows] + STEP_SHARE**2 * covariances(pictures[-1], recent[-1], step)
        look, known_again = self._best(pictures, own, [step, guess], step)
        found = covariances(pictures[-1], own[-1], look)
        xy, variance, differ = _joined(step, path, look, found, known_again)
        seen = torch.sigmoid(STEEPNESS * (torch.maximum(alike, known_again) - HALF_SEEN))
        height, width = maps.picture.shape[-2:]
        border = torch.tensor([width, height], device=xy.device) - 0.5
        beyond = ((xy < -0.5) | (xy > border)).any(dim=-1)
        back = (known_again > CONVINCING) & ~differ
        self._gone[rows] = beyond | (self._gone[rows] & ~back)
        seen = torch.where(self._gone[rows], torch.zeros_like(seen), seen)
        self._before[rows], self.at[rows], self._variance[rows] = self.at[rows], xy, variance
        for whole, picture, stride in zip(self._recent, pictures, STRIDES, strict=True):
            _put(whole, rows, patches(picture, xy, stride))
        for kept, new in zip(self._latest, self.network.describe(maps, xy[None]), strict=True):
            kept[rows] = new[0]
        spread = torch.sqrt(0.5 * variance.diagonal(dim1=-2, dim2=-1).sum(-1))
        return Places(xy, spread, seen)

    def _guess(self, wanted: Descriptors, maps: Maps, at: torch.Tensor) -> torch.Tensor:
        """Where the network finds points again, near a place, (points, 2) px."""
        volume = self.network.volume(maps, wanted)
        near = _near(at, self.sigma, volume.shape[-2:])
        return self.network.placed(maps, wanted, volume, coarse_place(volume + near))[0]

    def _best(
        self,
        pictures: list[torch.Tensor],
        wanted: list[Patches],
        guesses: list[torch.Tensor],
        middle: torch.Tensor,
        wide: float = 0.0,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Polish the guess that is most alike, less so far from the middle."""
        places = torch.stack(guesses)
        alike = (1.0 - wide) * likeness(pictures[-1], wanted[-1], places)
        if wide:
            alike = alike + wide * likeness(pictures[1], wanted[1], places, STRIDES[1])
        far = ((places - middle) / self.sigma).square().sum(-1)
        best = (alike - STRAY * far).argmax(dim=0)
        start = places[best, torch.arange(len(best), device=best.device)]
        return polished(pictures[-1], wanted[-1], start)


def _joined(
    step: torch.Tensor,
    path: torch.Tensor,
    look: torch.Tensor,
    found: torch.Tensor,
    alike: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Join a path with where its query's look was found; one of them where they differ."""
    both = torch.linalg.inv(path + found)
    gain, off = path @ both, look - step
    apart = (off[:, None] @ both @ off[..., None])[:, 0, 0]
    xy = step + (gain @ off[..., None])[..., 0]
    variance = path - gain @ path
    variance = torch.where(
        _size(variance) < CORRELATED * _size(found), CORRELATED * found, variance
    )
    differ = apart > GATE
    trusted = differ & (alike > CONVINCING) & (_size(path)[:, 0, 0] > 2.0 * LOST_PX**2)
    xy = torch.where(differ[:, None], torch.where(trusted[:, None], look, step), xy)
    wide = differ[:, None, None]
    variance = torch.where(wide, torch.where(trusted[:, None, None], found, path), variance)
    return xy, variance, differ & ~trusted


def _size(covariance: torch.Tensor) -> torch.Tensor:
    """Sum of the variances along both axes, (points, 1, 1)."""
    return covariance.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None, None]


def _near(at: torch.Tensor, sigma: float, shape: torch.Size) -> torch.Tensor:
    """What is added to a comparison: less far from where points are expected."""
    rows, columns = shape
    step_x = (torch.arange(columns, device=at.device) + 0.5) * MIDDLE - 0.5
    step_y = (torch.arange(rows, device=at.device) + 0.5) * MIDDLE - 0.5
    across = ((step_x - at[:, :1]) / sigma).square()
    down = ((step_y - at[:, 1:]) / sigma).square()
    return -0.5 * (down[:, :, None] + across[:, None, :])


def _room(part: torch.Tensor, count: int) -> torch.Tensor:
    return part.new_zeros(count, *part.shape[1:])


def _put(whole: Patches, rows: torch.Tensor, part: Patches) -> None:
    for kept, new in zip(whole, part, strict=True):
        kept[rows] = new
