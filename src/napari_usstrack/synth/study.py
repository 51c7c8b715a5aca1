"""Studies: the three apical views of one heart, from end diastole to the next.

The views share rate, size, wall thickness, contraction and disease, which lies in
the segments that one coronary artery feeds in each view. The rest of the anatomy is
drawn for each view. A study can be made again: the same motion, another examination.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from napari_usstrack.synth.catalogue import SCENES, scanned
from napari_usstrack.synth.heart.apical import Size
from napari_usstrack.synth.heart.beats import Beat, Beats
from napari_usstrack.synth.heart.exam import found_again
from napari_usstrack.synth.heart.function import DISORDERS, SEGMENTS, Disorder, Function
from napari_usstrack.synth.heart.marks import HEART
from napari_usstrack.synth.scene import Body, Mark, Scene

Floats = NDArray[np.float64]
Kind = Literal["normal", "reduced", "regional"]
VIEWS = ("heart-a4c", "heart-a2c", "heart-a3c")
STRAINS: Mapping[Kind, tuple[float, float]] = {
    "normal": (-0.21, -0.16),
    "reduced": (-0.14, -0.08),
    "regional": (-0.20, -0.15),
}
"""Smallest and largest strain of healthy segments along the middle of the wall."""
ARTERIES: Mapping[str, tuple[tuple[int, ...], ...]] = {
    "anterior descending": ((2, 3), (3, 4, 5), (3, 4, 5)),
    "right": ((0, 1), (0, 1), ()),
    "circumflex": ((4, 5), (), (0, 1)),
}
"""Segments an artery feeds in each of `VIEWS`, counted from the base of the left wall."""
WAVES = 4
WIDEST_DEG, MARGIN_DEG, MARGIN_MM = 90.0, 3.0, 5.0
DEEPER_MM = 2.0


@dataclass(frozen=True, eq=False)
class Heart:
    """What the views of a study have in common.

    Attributes
    ----------
    seed : int
        Of the study.
    kind : {"normal", "reduced", "regional"}
    strain : float
        Of healthy segments at end systole.
    disorder, artery : str
        Of the segments of one artery; empty where all are alike.
    size : Size
    beat_s, rest : float
        Seconds from end diastole to the next, and what is left of contraction
        in diastasis.
    fps : float
        Frames per second of all views.
    """

    seed: int
    kind: Kind
    strain: float
    disorder: str
    artery: str
    size: Size
    beat_s: float
    rest: float
    fps: float

    @classmethod
    def drawn(cls, seed: int, kind: Kind) -> Heart:
        """Any heart of a kind; the same seed and kind give the same one."""
        random = np.random.default_rng([seed, *kind.encode()])
        ill = kind == "regional"
        return cls(
            seed,
            kind,
            strain=random.uniform(*STRAINS[kind]),
            disorder=str(random.choice(DISORDERS)) if ill else "",
            artery=str(random.choice(list(ARTERIES))) if ill else "",
            size=Size(
                length_mm=random.uniform(80.0, 95.0),
                half_mm=random.uniform(27.0, 31.5),
                wall_mm=random.uniform(8.0, 10.0),
            ),
            beat_s=60.0 / random.uniform(55.0, 95.0),
            rest=random.uniform(0.12, 0.28),
            fps=random.uniform(40.0, 60.0),
        )

    def view(self, name: str) -> Scene:
        """One of `VIEWS` from end diastole to the next, before the scanner is set."""
        function, anatomy = np.random.default_rng([self.seed, *name.encode()]).spawn(2)
        segments = ARTERIES[self.artery][VIEWS.index(name)] if self.artery else ()
        disorder = Disorder(self.disorder or DISORDERS[0], segments)
        starts = (0.0, self.beat_s)
        return SCENES[name](
            anatomy,
            round(self.beat_s * self.fps) + 1,
            fps=self.fps,
            beats=Beats(tuple(Beat.of(start, self.beat_s, 1.0, self.rest) for start in starts)),
            function=Function(self.strain, disorder, function.normal(0.0, 0.07, SEGMENTS)),
            size=self.size,
        )


def examined(heart: Heart, name: str, visit: int, *, off_mm: float = 1.0) -> tuple[Scene, int]:
    """One view as one examination shows it, and the seed to render it with.

    Examinations of one heart differ in the probe (turned, shifted, tilted to another
    slice of tissue), in breathing, in the scanner's settings, in speckle, and in where
    the contours along the middle and the inside of the wall were placed. The motion is
    the same.

    Parameters
    ----------
    heart : Heart
    name : str
        One of `VIEWS`.
    visit : int
        Which examination.
    off_mm : float
        Standard deviation of a contour from its layer, along the wall and across.
    """
    random = np.random.default_rng([heart.seed, visit, *name.encode()])
    view = heart.view(name)
    scene = replace(
        scanned(view, random),
        pose=found_again(random, view.pose),
        marks=placed(view.marks, random, off_mm),
    )
    slices = int(random.integers(4))
    scene = replace(scene, bodies=tuple(_tilted(body, slices) for body in scene.bodies))
    return _in_view(scene), int(random.integers(2**31))


def placed(marks: Sequence[Mark], random: np.random.Generator, off_mm: float) -> tuple[Mark, ...]:
    """Contours of the left ventricle, not quite where they should be, but on the wall.

    Parameters
    ----------
    marks : sequence of Mark
        With the contours "endocardium" and "epicardium", both from base to base.
    random : numpy Generator
    off_mm : float
        Standard deviation of smooth errors along the wall and across it.

    Returns
    -------
    tuple of Mark
        As many points along the middle of the wall, then along its inside.
    """
    inside, outside = (
        np.array([(mark.x, mark.y) for mark in marks if mark.group == group])
        for group in ("endocardium", "epicardium")
    )
    count = len(inside)
    even = np.linspace(0.0, 1.0, count)
    inner, outer = CubicSpline(even, inside), CubicSpline(even, outside)
    length = float(np.hypot(*np.diff(0.5 * (inside + outside), axis=0).T).sum())
    found = []
    for group, depth in (("mid-wall", 0.5), ("endocardium", 0.0)):
        along, across = off_mm * _smooth(random, even), off_mm * _smooth(random, even)
        share = np.clip(even + along / length, 0.0, 1.0)
        near, wide = inner(share), outer(share) - inner(share)
        level = np.clip(depth + across / np.hypot(*wide.T), 0.0, 1.0)
        places = near + level[:, None] * wide
        found += [
            Mark(f"{group} {i}", HEART, float(x), float(y), group, "contour")
            for i, (x, y) in enumerate(places)
        ]
    return tuple(found)


def _smooth(random: np.random.Generator, at: Floats) -> Floats:
    """A few waves of unit variance."""
    waves = np.cos(np.pi * np.arange(WAVES + 1) * at[:, None])
    size = np.sqrt(np.array([1.0, *[2.0] * WAVES]) / (WAVES + 1))
    return waves @ (size * random.normal(size=WAVES + 1))


def _tilted(body: Body, slices: int) -> Body:
    """The same tissue with another of its slices in the image plane."""
    layers = (body.echo_db, *body.beside_db)
    by = slices % len(layers)
    first, *others = (*layers[by:], *layers[:by])
    return replace(body, echo_db=first, beside_db=tuple(others))


def _in_view(scene: Scene) -> Scene:
    """All marks inside the sector at all times: it is made wider, and the heart lies deeper.

    The heart comes to lie deeper only where the sector would become too wide.
    """
    marks = np.array([(mark.x, mark.y) for mark in scene.marks])
    while True:
        x, y = scene.paths(HEART, marks).reshape(-1, 2).T
        wide_deg = 2.0 * (float(np.degrees(np.arctan2(abs(x), y)).max()) + MARGIN_DEG)
        if wide_deg <= WIDEST_DEG:
            break
        at = (scene.pose.at[0], scene.pose.at[1] + DEEPER_MM)
        scene = replace(scene, pose=replace(scene.pose, at=at))
    probe = scene.probe
    deep_mm = float(np.hypot(x, y).max()) + MARGIN_MM
    probe = replace(probe, width=max(probe.width, wide_deg), depth_mm=max(probe.depth_mm, deep_mm))
    return replace(scene, probe=probe)
