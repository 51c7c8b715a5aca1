"""Dense flow leads a point near, and comparing its tissue says where it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.coords import Resize, inside
from napari_usstrack.core.tracker import Memory, Queries
from napari_usstrack.flow.chain import Grey, Landing
from napari_usstrack.flow.local_affine import LocalAffine
from napari_usstrack.flow.opencv import opencv
from napari_usstrack.flow.recurrence import thumbnail
from napari_usstrack.flow.registration import Registered, Templates, register
from napari_usstrack.flow.seeds import search
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
APART, SURELY_ALIKE = 0.15, 0.98
"""How far away, in reaches, sparse flow must lead to be tried, where that is not needless."""
MOST_STRETCH, MOST_CHANGE = 0.15, 0.3
STEP, MATCH = (2.0, 0.03), (30.0, 0.1)
"""Error of a step and of a match: factor of the stated variance, and mm beside it."""
ASTRAY_MM = 0.5
"""Error of a step that only dense flow leads."""
GATE = 3.0
MOST_TAKEN = 0.5
HALF_SURE_MM = 0.5
KEPT = 6
MOST_BYTES = 256_000_000


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


@dataclass(frozen=True, eq=False)
class View:
    """A frame as it is compared: on the grid, and small for dense flow."""

    frame: Grey
    grey: Grey
    picture: Singles
    small: Grey


@dataclass(frozen=True, eq=False)
class Moved(LocalAffine):
    """Motion of the tissue around each point, px of the grid.

    Attributes
    ----------
    covariance : float64 ndarray, shape (points, 2, 2)
        Of the shift, px^2.
    """

    covariance: Floats


@dataclass(frozen=True, eq=False)
class Reached:
    """How a point came to a frame, px of the grid.

    Attributes
    ----------
    step : float64 ndarray, shape (2,)
        From where it was in the frame before.
    covariance : float64 ndarray, shape (2, 2)
    deformed : float64 ndarray, shape (2, 2)
        Deformation gradient of the tissue since the query.
    """

    step: Floats
    covariance: Floats
    deformed: Floats


class Views:
    """The last few frames as they are compared, and dense flow between them.

    Parameters
    ----------
    grid : Grid
        Where pictures are compared.
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        size = np.array(grid.map.after)
        factor = min(1.0, LONGEST_PX / size.max())
        width, height = np.maximum(1, np.rint(size * factor)).astype(int).tolist()
        self.small = Resize(grid.map.after, (width, height))
        self._recent: dict[int, View] = {}
        self._flows: dict[tuple[int, int], tuple[Grey, Grey, Floats | None]] = {}
        self._lock = Lock()

    def of(self, frame: Grey) -> View:
        """A frame as it is compared."""
        with self._lock:
            known = self._recent.get(id(frame))
        if known is None or known.frame is not frame:
            picture = self.grid.picture(frame)
            small = picture
            if self.small.after != self.small.before:
                cv2 = opencv()
                small = cv2.resize(picture, self.small.after, interpolation=cv2.INTER_AREA)
            known = View(frame, picture, picture.astype(np.float32), np.ascontiguousarray(small))
            self._remember(self._recent, id(frame), known)
        return known

    def flow(self, here: Grey, there: Grey) -> Floats | None:
        """Dense flow ``[y, x, 2]`` between small pictures, px; None where nothing moves."""
        key = id(here), id(there)
        with self._lock:
            known = self._flows.get(key)
        if known is None or known[0] is not here or known[1] is not there:
            known = here, there, self._found(self.of(here).small, self.of(there).small)
            self._remember(self._flows, key, known)
        return known[2]

    def _remember(self, known: dict[Any, Any], key: object, value: object) -> None:
        with self._lock:
            known.pop(key, None)
            while len(known) >= KEPT:
                known.pop(next(iter(known)))
            known[key] = value

    def _found(self, here: Grey, there: Grey) -> Floats | None:
        if min(here.shape) < LEAST_PX or np.array_equal(here, there):
            return None
        cv2 = opencv()
        search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        return np.asarray(search.calc(here, there, None))


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
        self.reached: dict[tuple[int, int, int], Reached] = {}
        """By point, frame it came from and frame it came to."""
        self.thumbs: dict[int, Singles] = {}
        """Every frame that was walked through, very small."""
        self.kept: dict[int, Grey] = {}
        """Such frames on the grid, as many as are allowed to stay in memory."""

    def prepare(self, here: Grey, there: Grey) -> None:
        """Compute dense flow beforehand."""
        self.views.flow(here, there)

    # --- the step ----------------------------------------------------------------------------

    def step(self, here: Grey, there: Grey, xy: Floats, _motion: Floats | None = None) -> Landing:
        """Move points (n, 2), px, from one frame to the next."""
        count, still = len(xy), np.tile(np.eye(2), (len(xy), 1, 1))
        start = self.grid.map.forward(xy)
        led = self._led(here, there, start)
        before, after = self.views.of(here).picture, self.views.of(there).picture
        seen = Templates.of(squares(before, *places(start, still, self.support)), self.support)
        found = _compare(seen, after, led, still, self.support)
        led, found = self._otherwise(here, there, start, seen, led, found)
        astray = (found.likeness < LEAST_ALIKE) | self._far(found.shift)
        landed = led + np.where(astray[:, None], 0.0, found.shift)
        stretch = np.where(astray[:, None, None], 0.0, found.gradient)
        stray = np.where(astray, ASTRAY_MM / self.grid.mm, 0.0) ** 2
        covariance = self._covariance(found, *STEP) + stray[:, None, None] * np.eye(2)
        full = self.grid.map.backward(landed)
        good = (found.likeness >= LOST_ALIKE) & inside(full, *self.grid.map.before)
        sure = np.clip(found.likeness, 0.0, 1.0)
        stretch = np.clip(stretch, -MOST_STRETCH, MOST_STRETCH)
        none = np.empty((count, 0))
        motion = Moved(landed - start, stretch, _per_axis(covariance), none, covariance)
        return Landing(full, np.where(good, sure, 0.0), good, motion)

    def _led(self, here: Grey, there: Grey, start: Floats) -> Floats:
        """Where dense flow leads points of the grid."""
        flow = self.views.flow(here, there)
        if flow is None:
            return start
        cv2 = opencv()
        small = self.views.small
        x, y = small.forward(start).astype(np.float32).T
        moved = cv2.remap(flow, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(start + moved.reshape(-1, 2) / small.factor)

    def _otherwise(
        self,
        here: Grey,
        there: Grey,
        start: Floats,
        seen: Templates,
        led: Floats,
        found: Registered,
    ) -> tuple[Floats, Registered]:
        """Where sparse flow leads elsewhere, take what is more alike."""
        one, other = self.views.of(here), self.views.of(there)
        window = 2 * round(self.support.reach_px) + 1
        sought, good = search(one.grey, other.grey, start, window)
        apart = np.hypot(*(sought - led - found.shift).T) > APART * self.support.reach_px
        rows = np.flatnonzero(apart & good & (found.likeness < SURELY_ALIKE))
        if not rows.size:
            return led, found
        still = np.tile(np.eye(2), (len(rows), 1, 1))
        new = _compare(seen.of_rows(rows), other.picture, sought[rows], still, self.support)
        better = (new.likeness > found.likeness[rows]) & (new.likeness >= LEAST_ALIKE)
        led = led.copy()
        led[rows[better]] = sought[rows[better]]
        return led, found.replaced(rows[better], new.of(better))

    def _far(self, shift: Floats) -> NDArray[np.bool_]:
        return np.asarray(np.hypot(*shift.T) * self.grid.mm > ROOM_MM)

    def _covariance(self, found: Registered, factor: float, least_mm: float) -> Floats:
        least = (least_mm / self.grid.mm) ** 2 * np.eye(2)
        return np.asarray(factor * self.support.grain_px**2 * found.covariance + least)

    # --- held to the first picture -------------------------------------------------------------

    def turn(self) -> None:
        """Start a pass in the other direction."""
        self._trails.clear()

    def settle(
        self, points: Indices, here: int, there: int, frames: tuple[Grey, Grey], moved: Landing
    ) -> Landing:
        """Correct where points landed and say how far that is to be believed."""
        motion = moved.motion
        assert isinstance(motion, Moved)
        for index, frame in ((here, frames[0]), (there, frames[1])):
            if index not in self.thumbs:
                view = self.views.of(frame)
                self.thumbs[index] = thumbnail(view.small)
                if (len(self.kept) + 1) * view.grey.nbytes <= MOST_BYTES:
                    self.kept[index] = view.grey
        trails = [self._trail(point, here, frames[0]) for point in points.tolist()]
        centre = self.grid.map.forward(moved.xy)
        deformed = (np.eye(2) + motion.gradient) @ np.stack([each.deformed for each in trails])
        spread = np.array([each.variance for each in trails]) + motion.spread**2
        template = Templates(
            np.concatenate([each.template.grey for each in trails]),
            np.concatenate([each.template.slopes for each in trails]),
        )
        after = self.views.of(frames[1]).picture
        found = _compare(template, after, centre, deformed, self.support)
        noise = _per_axis(self._covariance(found, *MATCH)) ** 2
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
            step = Reached(motion.shift[i], motion.covariance[i], deformed[i])
            self.reached[point, here, there] = step
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
        seen = squares(self.views.of(frame).picture, *places(centre, still, self.support))
        return Templates.of(seen, self.support)

    def _keep(
        self, point: int, there: int, trail: Trail, xy: Floats, deformed: Floats, spread: float
    ) -> None:
        new = replace(trail, xy=xy, deformed=deformed, variance=spread)
        self._trails[point] = new
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


def _per_axis(covariance: Floats) -> Floats:
    """Standard deviation per axis."""
    return np.asarray(np.sqrt(0.5 * np.trace(covariance, axis1=-2, axis2=-1)))
