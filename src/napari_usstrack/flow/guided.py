"""Dense flow leads a point near, and comparing its tissue says where it is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.coords import Resize, inside
from napari_usstrack.core.tracker import Memory, Queries
from napari_usstrack.flow.chain import Grey, Landing
from napari_usstrack.flow.local_affine import LocalAffine
from napari_usstrack.flow.opencv import opencv
from napari_usstrack.flow.registration import Registered, Templates, register
from napari_usstrack.flow.squares import places, squares
from napari_usstrack.flow.support import Grid, Support

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Indices = NDArray[np.intp]
LONGEST_PX = 224
"""Longer side of the pictures in which dense flow is computed."""
LEAST_PX = 16
"""Pictures smaller than this have no dense flow."""
ROOM_MM = 2.5
"""How far from where it is expected a point is believed."""
LEAST_ALIKE = 0.3
"""Correlation of neighbouring frames below which their comparison says nothing."""
LOST_ALIKE = 0.15
"""And below which the point is lost."""
STILL_ALIKE = 0.35
"""Correlation with the first picture that is needed to be held to it."""
MOST_STRETCH, MOST_CHANGE = 0.15, 0.3
STEP, MATCH = (2.0, 0.03), (8.0, 0.06)
"""Error of a step and of a match: factor of the stated variance, and mm beside it."""
ASTRAY_MM = 0.5
"""Error of a step that only dense flow leads."""
GATE = 3.0
MOST_TAKEN = 0.5
HALF_SURE_MM = 0.5
KEPT = 3


@dataclass(frozen=True, eq=False)
class Trail:
    """What is known of a point in one frame.

    Attributes
    ----------
    xy : float64 ndarray, shape (2,)
        Position in that frame, px.
    template : Templates
        What was around it in the frame it started from, one row.
    deformed : float64 ndarray, shape (2, 2)
        Deformation gradient of the tissue since then.
    variance : float
        Expected squared error per axis, px^2 of the grid.
    """

    xy: Floats
    template: Templates
    deformed: Floats
    variance: float


@dataclass(eq=False)
class Views:
    """The last few frames as they are compared."""

    grid: Grid
    _recent: dict[int, tuple[Grey, Grey, Singles, Grey]] = field(default_factory=dict)

    def of(self, frame: Grey) -> tuple[Grey, Singles, Grey]:
        """A frame on the grid, the same as float32, and small for dense flow."""
        key = id(frame)
        known = self._recent.get(key)
        if known is None or known[0] is not frame:
            while len(self._recent) >= KEPT:
                self._recent.pop(next(iter(self._recent)))
            picture = self.grid.picture(frame)
            small = picture
            if max(picture.shape) > LONGEST_PX:
                cv2 = opencv()
                small = np.asarray(
                    cv2.resize(picture, self.small.after, interpolation=cv2.INTER_AREA)
                )
            known = frame, picture, picture.astype(np.float32), small
            self._recent[key] = known
        return known[1:]

    @property
    def small(self) -> Resize:
        """From the grid to the pictures in which dense flow is computed."""
        size = np.array(self.grid.map.after)
        factor = min(1.0, LONGEST_PX / size.max())
        width, height = np.maximum(1, np.rint(size * factor)).astype(int).tolist()
        return Resize(self.grid.map.after, (width, height))


class Guide:
    """Moves points of one clip from frame to frame, and holds them to their first picture.

    Parameters
    ----------
    grid : Grid
        Where pictures are compared.
    support : Support
        How much is compared.
    queries : Queries
        Points and where they start.
    memory : mutable mapping, optional
        Trails by point and frame, to go on from and to add to.
    """

    def __init__(
        self, grid: Grid, support: Support, queries: Queries, memory: Memory | None = None
    ) -> None:
        self.grid, self.support = grid, support
        self.views = Views(grid)
        self._queries, self._memory = queries, memory
        self._trails: dict[int, Trail] = {}
        self._flow: Any = None
        self.deformed: dict[tuple[int, int], Floats] = {}

    # --- the step ----------------------------------------------------------------------------

    def step(self, here: Grey, there: Grey, xy: Floats, _motion: Floats | None = None) -> Landing:
        """Move points (n, 2), px, from one frame to the next."""
        count, still = len(xy), np.tile(np.eye(2), (len(xy), 1, 1))
        start = self.grid.map.forward(xy)
        led = self._led(here, there, start)
        before, after = self.views.of(here)[1], self.views.of(there)[1]
        seen = squares(before, *places(start, still, self.support))
        found = _compare(Templates.of(seen, self.support), after, led, still, self.support)
        astray = (found.likeness < LEAST_ALIKE) | self._far(found.shift)
        landed = led + np.where(astray[:, None], 0.0, found.shift)
        stretch = np.where(astray[:, None, None], 0.0, found.gradient)
        spread = np.sqrt(self._variance(found, *STEP) + astray * (ASTRAY_MM / self.grid.mm) ** 2)
        full = self.grid.map.backward(landed)
        good = (found.likeness >= LOST_ALIKE) & inside(full, *self.grid.map.before)
        sure = np.clip(found.likeness, 0.0, 1.0)
        motion = LocalAffine(
            landed - start,
            np.clip(stretch, -MOST_STRETCH, MOST_STRETCH),
            spread,
            np.empty((count, 0)),
        )
        return Landing(full, np.where(good, sure, 0.0), good, motion)

    def _led(self, here: Grey, there: Grey, start: Floats) -> Floats:
        """Where dense flow leads points of the grid."""
        cv2 = opencv()
        if self._flow is None:
            self._flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        one, other = (np.ascontiguousarray(self.views.of(each)[2]) for each in (here, there))
        if min(one.shape) < LEAST_PX or np.array_equal(one, other):
            return start
        flow = self._flow.calc(one, other, None)
        small = self.views.small
        x, y = small.forward(start).astype(np.float32).T
        moved = cv2.remap(flow, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(start + moved.reshape(-1, 2) / small.factor)

    def _far(self, shift: Floats) -> NDArray[np.bool_]:
        return np.asarray(np.hypot(*shift.T) * self.grid.mm > ROOM_MM)

    def _variance(self, found: Registered, factor: float, least_mm: float) -> Floats:
        return variance(found, self.grid.mm, factor, least_mm)

    # --- held to the first picture -------------------------------------------------------------

    def turn(self) -> None:
        """Start a pass in the other direction."""
        self._trails.clear()

    def settle(
        self, points: Indices, here: int, there: int, frames: tuple[Grey, Grey], moved: Landing
    ) -> Landing:
        """Correct where points landed and say how far that is to be believed."""
        motion = moved.motion
        assert motion is not None
        trails = [self._trail(point, here, frames[0]) for point in points.tolist()]
        centre = self.grid.map.forward(moved.xy)
        deformed = (np.eye(2) + motion.gradient) @ np.stack([each.deformed for each in trails])
        spread = np.array([each.variance for each in trails]) + motion.spread**2
        template = Templates(
            np.concatenate([each.template.grey for each in trails]),
            np.concatenate([each.template.slopes for each in trails]),
        )
        after = self.views.of(frames[1])[1]
        found = _compare(template, after, centre, deformed, self.support)
        noise = self._variance(found, *MATCH)
        away = np.hypot(*found.shift.T)
        held = (found.likeness > STILL_ALIKE) & ~self._far(found.shift) & moved.found
        held &= away < GATE * np.sqrt(spread + noise)
        gain = np.where(held, spread / (spread + noise), 0.0)
        centre = centre + gain[:, None] * np.einsum("nij,nj->ni", deformed, found.shift)
        change = np.clip(found.gradient, -MOST_CHANGE, MOST_CHANGE)
        deformed = deformed @ (np.eye(2) + np.minimum(gain, MOST_TAKEN)[:, None, None] * change)
        spread = (1.0 - gain) * spread
        xy = np.where(moved.found[:, None], self.grid.map.backward(centre), moved.xy)
        for i, point in enumerate(points.tolist()):
            self._keep(point, there, trails[i], xy[i], deformed[i], float(spread[i]))
        self._forget(points, here, there)
        good = moved.found & inside(xy, *self.grid.map.before)
        sure = 1.0 / (1.0 + spread * (self.grid.mm / HALF_SURE_MM) ** 2)
        return Landing(xy, np.where(good, sure, 0.0), good)

    def _trail(self, point: int, here: int, frame: Grey) -> Trail:
        if point in self._trails:
            return self._trails[point]
        xy = self._queries.xy[point]
        if self._memory is not None:
            known: Trail | None = self._memory.get((self._queries.name[point], here))
            if known is not None and np.array_equal(known.xy, xy):
                return known
        return Trail(xy, self._template(frame, xy), np.eye(2), 0.0)

    def _template(self, frame: Grey, xy: Floats) -> Templates:
        centre, still = self.grid.map.forward(xy[None]), np.eye(2)[None]
        seen = squares(self.views.of(frame)[1], *places(centre, still, self.support))
        return Templates.of(seen, self.support)

    def _keep(
        self, point: int, there: int, trail: Trail, xy: Floats, deformed: Floats, spread: float
    ) -> None:
        new = replace(trail, xy=xy, deformed=deformed, variance=spread)
        self._trails[point] = new
        self.deformed[point, there] = deformed
        if self._memory is not None:
            self._memory[self._queries.name[point], there] = new

    def _forget(self, points: Indices, here: int, there: int) -> None:
        """Let go of points that have reached the end of their query."""
        ends = self._queries.last if there > here else self._queries.first
        for point in points[ends[points] == there].tolist():
            self._trails.pop(point, None)


def _compare(
    template: Templates, picture: Singles, centre: Floats, deformed: Floats, support: Support
) -> Registered:
    return register(
        template,
        lambda at, how: squares(picture, *places(at, how, support)),
        centre,
        deformed,
        support,
    )


def variance(found: Registered, mm: float, factor: float, least_mm: float) -> Floats:
    """Expected squared error per axis, px^2, of registrations on a grid of `mm` per px."""
    stated = 0.5 * np.trace(found.covariance, axis1=1, axis2=2)
    return np.asarray(factor * stated / mm**2 + (least_mm / mm) ** 2)
