"""Two muscles side by side: one lengthens while the other shortens, as in a reach."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from napari_usstrack.core.geometry import fit_line
from napari_usstrack.synth.muscle.anatomy import Band, Belly, Fat, Flesh, Stack
from napari_usstrack.synth.muscle.courses import Course, Manner, Push, effort, tremble
from napari_usstrack.synth.muscle.layers import Layers, Shape, Switch
from napari_usstrack.synth.muscle.pennate import placed
from napari_usstrack.synth.muscle.settings import (
    Orientation,
    Reached,
    generator,
    lie,
    line_marks,
    muscle_probe,
    slow_waves,
    speckle_lifetime,
    through_plane,
    tissue_marks,
    view,
)
from napari_usstrack.synth.muscle.truth import stretch_percent
from napari_usstrack.synth.probe import Probe
from napari_usstrack.synth.scene import Body, Follow, Mark, Scene

Floats = NDArray[np.float64]
BODY = "muscles"
ROWS, COLUMNS = 3, 7


@dataclass(frozen=True, eq=False)
class Reach:
    """State of two muscles over time.

    Attributes
    ----------
    rest : Shape
        Before the movement.
    upper, lower : float
        Relative change of length of each muscle at the far end of the reach.
    bulge, rise : float
        Change of the bulge, and of the depth of the fascia in mm.
    course, regional : Course
        The reach, and differences along the muscles.
    """

    rest: Shape
    upper: float
    lower: float
    bulge: float
    rise: float
    course: Course
    regional: Course

    def __call__(self, seconds: float) -> Shape:
        """State at a time."""
        now, regional = self.course(seconds), self.regional(seconds)
        c0, c1, c2 = self.rest.lift
        return Shape(
            upper=self.upper * now,
            lower=self.lower * now,
            bulge=self.rest.bulge + self.bulge * regional,
            lift=(c0 + self.rise * now, c1, c2),
        )


@dataclass(frozen=True, eq=False)
class TwoTruth:
    """Measures of two muscles, from material places.

    Attributes
    ----------
    grids : sequence of ndarray, shape (ROWS, COLUMNS, 2)
        In the upper and in the lower muscle; columns run along the muscle.
    beside : tuple of ndarray, shape (n, 2)
        Just above the boundary and just below it.
    """

    grids: tuple[Floats, Floats]
    beside: tuple[Floats, Floats]

    def __call__(self, follow: Follow) -> Mapping[str, Floats]:
        """Compute all measures, one number per frame.

        Strain is Lagrangian, along the muscle, relative to the first frame:
        the mean over the grid, and over its left, middle and right third in
        the anatomy. Slip is how far the lower muscle has moved along the
        boundary relative to the upper one, positive to the right.
        """
        found: dict[str, Floats] = {}
        for number, grid in enumerate(self.grids, 1):
            paths = follow(BODY, grid.reshape(-1, 2))
            paths = paths.reshape(len(paths), ROWS, COLUMNS, 2)
            whole = _strain(paths[:, :, :-1], paths[:, :, 1:])
            found[f"muscle_{number}_strain_percent"] = whole
            for third, name in enumerate(("left", "middle", "right")):
                part = slice(2 * third, 2 * third + 2)
                found[f"muscle_{number}_{name}_strain_percent"] = _strain(
                    paths[:, :, :-1][:, :, part], paths[:, :, 1:][:, :, part]
                )
        above, below = (follow(BODY, places) for places in self.beside)
        along = fit_line(above[0]).along
        apart = ((below - above) - (below - above)[0]).mean(axis=1)
        found["boundary_slip_mm"] = np.asarray(apart @ along)
        return found


def _strain(start: Floats, end: Floats) -> Floats:
    count = len(start)
    return stretch_percent(start.reshape(count, -1, 2), end.reshape(count, -1, 2))


def two_muscles(
    seed: int | np.random.Generator,
    frame_count: int,
    *,
    orientation: Orientation = "usual",
    manner: Manner | None = None,
) -> Scene:
    """Scene with two muscles that share a boundary, such as triceps and brachialis.

    Parameters
    ----------
    seed : int or numpy Generator
        Same seed, same scene.
    frame_count : int
        Frames of the clip.
    orientation : {"usual", "any"}
        Usual: skin above, left or right at random. Any: any turn.
    manner : {"slow", "fast", "cycles", "still"}, optional
        How the arm moves; a reach, or several, when not given.
    """
    random = generator(seed)
    probe = muscle_probe(random)
    fps = float(random.uniform(20.0, 60.0))
    duration_s = frame_count / fps
    border = float(random.uniform(11.0, 0.5 * probe.depth_mm))
    layers = _layers(random, border, duration_s, manner)
    pose = view(random, probe, duration_s, orientation)
    tissue = _tissue(random, border, layers, pose.turn_deg, skin=orientation == "usual")
    body = Body(
        BODY,
        echo_db=Reached(tissue, layers, pose, probe, np.linspace(0.0, duration_s, 16)),
        motion=layers,
        lifetime_s=speckle_lifetime(random),
        through_mm=through_plane(random),
    )
    low = min(border + 15.0, probe.depth_mm - layers.rest.lift[0] - 3.0)
    grids = (_grid(layers, probe, 1.5, border - 1.5), _grid(layers, probe, border + 2.5, low))
    boundary, *beside = (_row(layers, probe, border + d) for d in (0.4, -1.5, 2.3))
    marks = _marks(grids, boundary) + tissue_marks(random, probe, pose, 20, body=BODY)
    return Scene(
        name="two-muscles",
        probe=probe,
        bodies=(body,),
        marks=tuple(marks),
        frame_count=frame_count,
        fps=fps,
        pose=pose,
        through=slow_waves(random),
        measures=TwoTruth(grids, (beside[0], beside[1])),
        margin_mm=34.0,
        facts=_facts(layers.at),
    )


def _facts(state: Course | object) -> dict[str, float]:
    assert isinstance(state, Reach)
    return {"upper_percent": 100.0 * state.upper, "lower_percent": 100.0 * state.lower}


def _layers(
    random: np.random.Generator, border: float, duration_s: float, manner: Manner | None
) -> Layers:
    even = random.uniform
    fat_mm = float(even(3.0, 9.0))
    bulge = float(np.clip(random.normal(0.0, 0.08), -0.16, 0.16))
    rest = Shape(bulge=bulge, lift=lie(random, fat_mm))
    sign = float(random.choice([-1.0, 1.0]))
    reach = Reach(
        rest=rest,
        upper=sign * float(even(0.1, 0.25)),
        lower=-sign * float(even(0.1, 0.25)),
        bulge=float(np.clip(random.normal(0.0, 0.03), -0.06, 0.06)),
        rise=0.1 * fat_mm * float(even(-1.0, 1.0)),
        course=_course(random, duration_s)
        if manner is None
        else effort(random, duration_s, manner),
        regional=effort(random, duration_s, manner),
    )
    return Layers(
        rest=rest,
        at=reach,
        wave_per_mm=2.0 * math.pi / float(even(90.0, 160.0)),
        wave_phase=float(even(0.0, 2.0 * math.pi)),
        switch=Switch(border + 0.4, float(even(0.25, 0.8))),
        pivot_mm=float(even(-45.0, 45.0)),
    )


def _course(random: np.random.Generator, duration_s: float) -> Course:
    """One reach and back, or several."""
    if random.random() < 0.4:
        return effort(random, duration_s, "cycles")
    even = random.uniform
    rise_s = float(even(0.2, 0.7))
    onset_s = float(even(0.1, 0.6)) * duration_s - 0.5 * rise_s
    reach = Push(onset_s, rise_s, float(even(0.05, 0.6)), rise_s * float(even(0.8, 1.5)))
    tremor = tremble(random, 0.02)
    return lambda seconds: reach(seconds) + tremor(seconds)


def _tissue(
    random: np.random.Generator, border: float, layers: Layers, turn_deg: float, *, skin: bool
) -> Stack:
    even = random.uniform
    tilt = math.degrees(math.atan(layers.rest.lift[1])) + turn_deg
    slopes = [math.tan(math.radians(float(even(4.0, 18.0)))) for _ in range(2)]
    side = float(random.choice([-1.0, 1.0]))
    upper = Belly(0.0, border, side * border / slopes[0])
    lower = Belly(
        border + 0.8, border + 40.0, float(random.choice([-side, side])) * 39.2 / slopes[1]
    )
    bands = (
        Band.draw(random, -0.7, tilt_deg=tilt),
        Band.draw(random, border, tilt_deg=tilt, level_db=-2.0, below_mm=float(even(0.3, 0.8))),
    )
    flesh = [Flesh.draw(random, belly, tilt) for belly in (upper, lower)]
    return Stack(layers, Fat.draw(random, skin=skin), flesh, bands)


def _row(layers: Layers, probe: Probe, depth: float, share: float = 0.38) -> Floats:
    """Material places (COLUMNS, 2) along a layer, evenly along the layer."""
    ends = torch.tensor([-share, share], dtype=torch.float64) * probe.width
    along, _ = layers.ideal(ends, torch.zeros_like(ends))
    places = np.linspace(float(along[0]), float(along[1]), COLUMNS)
    return placed(layers, np.stack([places, np.full(COLUMNS, depth)], axis=1))


def _grid(layers: Layers, probe: Probe, top: float, bottom: float) -> Floats:
    return np.stack([_row(layers, probe, float(d)) for d in np.linspace(top, bottom, ROWS)])


def _marks(grids: tuple[Floats, Floats], boundary: Floats) -> list[Mark]:
    marks = line_marks("boundary", BODY, [(float(x), float(y)) for x, y in boundary])
    for number, grid in enumerate(grids, 1):
        for row in range(ROWS):
            for column in range(COLUMNS):
                x, y = grid[row, column]
                name = f"muscle-{number}-{row + 1}-{column + 1}"
                marks.append(Mark(name, BODY, float(x), float(y), group=f"muscle-{number}"))
    return marks
