"""Points held to what they looked like in the frame they started from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.coords import inside
from napari_usstrack.core.tracker import Memory, Queries
from napari_usstrack.flow.chain import Grey, Landing
from napari_usstrack.flow.local_affine import LocalAffine, Seeds, fit
from napari_usstrack.flow.opencv import opencv
from napari_usstrack.flow.seeds import alike, returned, search
from napari_usstrack.flow.working_grid import WorkingGrid

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
ROOM_MM = 2.0
"""How far from where flow leads a point is looked for."""
STIFFNESS_MM2 = 0.1
LEAST_ALIKE, ALIKE = 0.2, 0.45
"""Correlation from which a seed counts, and that the seeds must reach on average."""
STEP_MM, SPREAD_SHARE = 0.03, 0.3
"""Error of one step of flow: at least, and as a share of what its seeds disagree by."""
MATCH_MM = 0.06
"""Error of the best match."""
LOST_MM = 0.5
"""Error that a frame adds in which the point was lost."""
GATE = 3.0
"""Matches farther away than this many standard deviations are not believed."""
MOST_TAKEN = 0.5
"""Share of a match's own stretch and rotation that is taken over at most."""
HALF_SURE_MM = 0.5
"""Expected error at which confidence is a half."""


@dataclass(frozen=True, eq=False)
class Trail:
    """What is known of a point in one frame.

    Attributes
    ----------
    xy : float64 ndarray, shape (2,)
        Position in that frame, px.
    template : uint8 ndarray, shape (side, side)
        What was around it in the frame it started from, px of the working grid.
    deformed : float64 ndarray, shape (2, 2)
        Deformation gradient of the tissue since then.
    variance : float
        Expected squared error, mm^2.
    """

    xy: Floats
    template: Grey
    deformed: Floats
    variance: float


class Rematcher:
    """Corrects each step by comparing the new frame with the first one.

    Parameters
    ----------
    grid : WorkingGrid
        Where pictures are compared.
    seeds : Seeds
        Centres of the squares compared.
    window : int
        Side of the squares, px of the grid, odd.
    queries : Queries
        Points and where they start.
    memory : mutable mapping, optional
        Trails by point and frame, to go on from and to add to.
    comparing : bool
        Without it errors are followed but nothing is corrected.
    """

    def __init__(
        self,
        grid: WorkingGrid,
        seeds: Seeds,
        window: int,
        queries: Queries,
        memory: Memory | None = None,
        *,
        comparing: bool = True,
    ) -> None:
        self._grid = grid
        self._seeds = seeds
        self._window = window
        self._queries = queries
        self._memory = memory
        self._comparing = comparing
        reach = seeds.offsets.max() + ROOM_MM
        self._room = ceil(reach / grid.mm.min()) + window // 2
        self._trails: dict[int, Trail] = {}

    def turn(self) -> None:
        """Start a pass in the other direction."""
        self._trails.clear()

    def settle(
        self, points: Indices, here: int, there: int, frames: tuple[Grey, Grey], moved: Landing
    ) -> Landing:
        """Correct where points landed and say how far that is to be believed.

        Parameters
        ----------
        points : intp ndarray
            Queries that moved.
        here, there : int
            From which frame to which.
        frames : tuple of uint8 ndarray
            Both frames.
        moved : Landing
            Where flow led them, with the motion of the tissue around.
        """
        motion = moved.motion
        assert motion is not None
        trails = [self._trail(point, here, frames[0]) for point in points.tolist()]
        guess = _Guess(
            self._grid.to_grid(moved.xy),
            (np.eye(2) + motion.gradient) @ np.array([trail.deformed for trail in trails]),
            _grown(np.array([trail.variance for trail in trails]), moved.found, motion),
        )
        sought = np.flatnonzero(moved.found) if self._comparing else np.empty(0, np.intp)
        if sought.size:
            templates = [trails[i].template for i in sought]
            guess.put(sought, self._compared(templates, frames[1], guess.of(sought)))
        xy = np.where(moved.found[:, None], self._grid.to_frame(guess.xy), moved.xy)
        self._remember(points, there, trails, xy, guess)
        self._forget(points, here, there)
        height, width = frames[1].shape
        found = moved.found & inside(xy, width, height)
        sure = 1.0 / (1.0 + guess.variance / HALF_SURE_MM**2)
        return Landing(xy, np.where(found, sure, 0.0), found)

    def _trail(self, point: int, here: int, frame: Grey) -> Trail:
        """Give what is known of a point before it moves; at first, what it looks like."""
        if point in self._trails:
            return self._trails[point]
        xy = self._queries.xy[point]
        if self._memory is not None:
            known: Trail | None = self._memory.get((self._queries.name[point], here))
            if known is not None and np.array_equal(known.xy, xy):
                return known
        picture, at = self._grid.picture(frame), self._grid.to_grid(xy)
        template = cut(picture, at[None], np.eye(2)[None], self._room)
        return Trail(xy, template, np.eye(2), 0.0)

    def _remember(
        self, points: Indices, there: int, trails: list[Trail], xy: Floats, guess: _Guess
    ) -> None:
        for i, point in enumerate(points.tolist()):
            self._trails[point] = trail = replace(
                trails[i],
                xy=xy[i],
                deformed=guess.deformed[i],
                variance=float(guess.variance[i]),
            )
            if self._memory is not None:
                self._memory[self._queries.name[point], there] = trail

    def _forget(self, points: Indices, here: int, there: int) -> None:
        """Let go of points that have reached the end of their query."""
        ends = self._queries.last if there > here else self._queries.first
        for point in points[ends[points] == there].tolist():
            del self._trails[point]

    def _compared(self, templates: list[Grey], frame: Grey, guess: _Guess) -> _Guess:
        """Move guesses towards where the first picture is found again."""
        grid, count = self._grid, len(templates)
        scale = np.diag(1.0 / grid.mm), np.diag(grid.mm)
        deformed_px = scale[0] @ guess.deformed @ scale[1]
        now = cut(grid.picture(frame), guess.xy, deformed_px, self._room)
        match, likeness = self._match(np.concatenate(templates), now, count)
        innovation = np.einsum("nij,nj->ni", guess.deformed, match.shift)
        worth = np.maximum(match.weight.sum(axis=1) / self._seeds.weights.sum(), 1e-3)
        noise = MATCH_MM**2 + 0.1 * (MATCH_MM**2 + match.spread**2) / worth
        away = np.linalg.norm(innovation, axis=-1)
        believed = (away < GATE * np.sqrt(guess.variance + noise)) & (likeness > ALIKE)
        gain = np.where(believed, guess.variance / (guess.variance + noise), 0.0)
        taken = np.minimum(gain, MOST_TAKEN)[:, None, None] * match.gradient
        return _Guess(
            guess.xy + gain[:, None] * innovation / grid.mm,
            guess.deformed @ (np.eye(2) + taken),
            (1.0 - gain) * guess.variance,
        )

    def _match(self, then: Grey, now: Grey, count: int) -> tuple[LocalAffine, Floats]:
        """Tell by what affine motion pictures differ, and how alike they are."""
        side, mm = 2 * self._room + 1, self._grid.mm
        middle = np.column_stack([np.full(count, self._room), np.arange(count) * side + self._room])
        start = (middle[:, None] + self._seeds.offsets / mm).reshape(-1, 2)
        landed, good = search(then, now, start, self._window, levels=3, guess=start)
        back, _ = search(now, then, landed, self._window, levels=1, guess=start)
        shift = (landed - start) * mm
        likeness = alike(then, now, start, landed, self._window)
        good &= np.abs(shift).max(axis=-1) <= ROOM_MM
        weight = np.clip(likeness - LEAST_ALIKE, 0.0, 1.0) ** 2 * returned(start, back, mm)
        weight = np.where(good, weight, 0.0).reshape(count, -1) * self._seeds.weights
        match = fit(self._seeds.offsets, shift.reshape(count, -1, 2), weight, STIFFNESS_MM2)
        total = np.maximum(match.weight.sum(axis=1), 1e-9)
        mean = (likeness.reshape(count, -1) * match.weight).sum(axis=1) / total
        return match, mean


@dataclass(eq=False)
class _Guess:
    """Where points are on the grid, how the tissue deformed, and how far off that may be."""

    xy: Floats
    deformed: Floats
    variance: Floats

    def of(self, points: Indices) -> _Guess:
        """Of some of the points."""
        return _Guess(self.xy[points], self.deformed[points], self.variance[points])

    def put(self, points: Indices, other: _Guess) -> None:
        """Replace what is known of some points."""
        self.xy[points], self.deformed[points] = other.xy, other.deformed
        self.variance[points] = other.variance


def _grown(variance: Floats, found: NDArray[np.bool_], motion: LocalAffine) -> Floats:
    """Add the error of one step of flow, mm^2."""
    step = STEP_MM**2 + (SPREAD_SHARE * motion.spread) ** 2
    return np.asarray(variance + np.where(found, step, LOST_MM**2))


def cut(picture: Grey, xy: Floats, deformed: Floats, room: int) -> Grey:
    """Cut squares around points and undo a deformation; they lie one above the other.

    Parameters
    ----------
    picture : uint8 ndarray, shape (height, width)
        Where to cut from; its border is repeated beyond it.
    xy : float64 ndarray, shape (points, 2)
        Centres, px.
    deformed : float64 ndarray, shape (points, 2, 2)
        Matrices that take an offset in the square to one in the picture.
    room : int
        Pixels on each side of the centre.

    Returns
    -------
    uint8 ndarray, shape (points * side, side)
        With ``side = 2 * room + 1``.
    """
    cv2 = opencv()
    side = 2 * room + 1
    sheet = np.empty((len(xy) * side, side), dtype=np.uint8)
    corner = xy - deformed @ np.full(2, float(room))
    maps = np.concatenate([deformed, corner[..., None]], axis=-1)
    for i, affine in enumerate(maps):
        cv2.warpAffine(
            picture,
            affine,
            (side, side),
            dst=sheet[i * side : (i + 1) * side],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
    return sheet
