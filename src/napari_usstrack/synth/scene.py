"""What a scene is: bodies of tissue that move, points to follow, and a probe.

A body is described in its *material* coordinates: where its tissue lies, in
mm of the anatomy's own frame, in the reference state (for a heart at end
diastole, for a muscle at rest). Its motion takes material places to places
at a time; scatterers and tracked points go through the same motion, so the
truth is exact. The pose then puts the anatomy in front of the probe.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from napari_usstrack.core.tracks import Kind
from napari_usstrack.synth.look import Look
from napari_usstrack.synth.probe import Plane, Probe

Path = Callable[[float], Plane]
"""Seconds to places in mm."""

Field = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Material x and y in mm, each (n,), to one number each."""

Follow = Callable[[str, NDArray[np.float64]], NDArray[np.float64]]
"""Body name and material places (n, 2) in mm to ``[frames, n, 2]`` in mm."""

Measures = Callable[[Follow], Mapping[str, NDArray[np.float64]]]
"""Derived truth, one number per frame; names end in their unit."""

NOTHING_DB = -80.0
"""Below this level there is no tissue."""


class Motion(Protocol):
    """Where material places lie at a time."""

    def bind(self, x: torch.Tensor, y: torch.Tensor) -> Path:
        """Do what needs doing once for the given material places (mm)."""
        ...


@dataclass(frozen=True)
class Still:
    """No motion."""

    def bind(self, x: torch.Tensor, y: torch.Tensor) -> Path:
        """Stay in place."""
        return lambda _seconds: (x, y)


def everywhere(value: float) -> Field:
    """The same value at every place."""
    return lambda x, _y: torch.full_like(x, value)


@dataclass(frozen=True, eq=False)
class Body:
    """Tissue with one continuous motion.

    Attributes
    ----------
    name : str
        Unique in its scene.
    echo_db : Field
        Mean brightness at material places, dB; 0 is bright tissue, blood -30.
        At `NOTHING_DB` or less there is none. Need not be smooth.
    motion : Motion
        Where its material places lie at a time.
    lifetime_s : Field
        How long its speckle lives: the echo of a scatterer correlates with
        itself as ``exp(-t / lifetime)``.
    restless : float
        Share of the echoes' power that is new in every frame, 0 to 1.
    beside_db : tuple of Field
        Brightness beside the image plane: the slab of scatterers is divided
        evenly among `echo_db` and these, and travel through the plane brings
        one after the other into view.
    through_mm : Field or None
        How far material places move through the image plane when the scene's
        `through` is 1, mm.
    """

    name: str
    echo_db: Field
    motion: Motion = field(default_factory=Still)
    lifetime_s: Field = field(default_factory=lambda: everywhere(2.0))
    restless: float = 0.06
    beside_db: tuple[Field, ...] = ()
    through_mm: Field | None = None


@dataclass(frozen=True)
class Pose:
    """How the anatomy lies in front of the probe.

    A place in the anatomy is mirrored (x to -x) when `mirrored`, turned by
    `turn_deg` about `pivot`, then put with the pivot at `at`. `sway` adds a
    rigid motion of the probe: seconds to (dx mm, dy mm, turn in degrees).

    Attributes
    ----------
    turn_deg : float
        Turn from x towards y, degrees.
    mirrored : bool
        Left and right changed.
    pivot, at : tuple of float
        Place in the anatomy, and where the probe sees it, mm.
    sway : callable
        Probe drift and breathing.
    """

    turn_deg: float = 0.0
    mirrored: bool = False
    pivot: tuple[float, float] = (0.0, 0.0)
    at: tuple[float, float] = (0.0, 0.0)
    sway: Callable[[float], tuple[float, float, float]] = lambda _seconds: (0.0, 0.0, 0.0)

    def seen(self, place: Plane, seconds: float) -> Plane:
        """Places in mm of the anatomy as the probe sees them, mm."""
        dx, dy, more_deg = self.sway(seconds)
        return self._turned(place, self.turn_deg + more_deg, dx, dy)

    def _turned(self, place: Plane, turn_deg: float, dx: float, dy: float) -> Plane:
        angle = math.radians(turn_deg)
        cos, sin = math.cos(angle), math.sin(angle)
        flip = -1.0 if self.mirrored else 1.0
        x = flip * (place[0] - self.pivot[0])
        y = place[1] - self.pivot[1]
        return (
            cos * x - sin * y + (self.at[0] + dx),
            sin * x + cos * y + (self.at[1] + dy),
        )

    def anatomy(self, place: Plane) -> Plane:
        """Inverse of `seen` without sway."""
        angle = math.radians(self.turn_deg)
        cos, sin = math.cos(angle), math.sin(angle)
        x, y = place[0] - self.at[0], place[1] - self.at[1]
        flip = -1.0 if self.mirrored else 1.0
        return (
            flip * (cos * x + sin * y) + self.pivot[0],
            -sin * x + cos * y + self.pivot[1],
        )


@dataclass(frozen=True)
class Mark:
    """A material point to follow.

    Attributes
    ----------
    name, group, kind : str
        As in `PointInfo`.
    body : str
        The body it belongs to.
    x, y : float
        Material place, mm.
    """

    name: str
    body: str
    x: float
    y: float
    group: str = ""
    kind: Kind = "point"


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything needed to render a clip.

    Attributes
    ----------
    name : str
        Kind of scene.
    probe : Probe
        What looks at it.
    bodies : tuple of Body
        Tissue; where bodies overlap their echoes add up.
    marks : tuple of Mark
        Points with truth.
    frame_count : int
        Frames in the clip.
    fps : float
        Frames per second.
    pose : Pose
        How the anatomy lies before the probe.
    look : Look
        Gain, compression, noise and artefacts.
    through : callable
        Seconds to a factor of the bodies' `through_mm`.
    measures : callable
        Derived truth, such as strain in percent.
    margin_mm : float
        How far tissue may travel into the view from outside, mm.
    facts : mapping
        What was drawn for this scene: numbers a reader may want (ejection,
        heart rate, pennation at rest, ...), names ending in their unit.
    """

    name: str
    probe: Probe
    bodies: tuple[Body, ...]
    marks: tuple[Mark, ...]
    frame_count: int
    fps: float
    pose: Pose = field(default_factory=Pose)
    look: Look = field(default_factory=Look)
    through: Callable[[float], float] = lambda _seconds: 0.0
    measures: Measures = lambda _follow: {}
    margin_mm: float = 12.0
    facts: Mapping[str, float] = field(default_factory=dict)

    def body(self, name: str) -> Body:
        """The body of that name."""
        return next(body for body in self.bodies if body.name == name)

    def paths(self, body: str, material: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where material places lie in every frame, as the probe sees them.

        Parameters
        ----------
        body : str
            Name of a body.
        material : ndarray, shape (n, 2)
            Material places, mm.

        Returns
        -------
        ndarray, shape (frames, n, 2)
            mm, x to the right from the middle of the probe, y down.
        """
        x, y = torch.as_tensor(material, dtype=torch.float64).T
        path = self.body(body).motion.bind(x, y)
        seen = [
            self.pose.seen(path(frame / self.fps), frame / self.fps)
            for frame in range(self.frame_count)
        ]
        return np.stack([torch.stack(place, dim=1).numpy() for place in seen])
