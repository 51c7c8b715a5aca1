"""Layered tissue that slides, swells and bends without changing its area.

Layers are described in ideal coordinates, in mm: `along` them, and `across`
them, 0 at the superficial aponeurosis and growing with depth. There all layers
are straight and parallel. Three maps follow one another, each of which keeps
areas exactly, so that their chain does: layers slide and stretch by amounts
that depend on depth only; stretching that differs along the muscle thins it
where it grows longer; every column is shifted in depth. Above the superficial
aponeurosis the motion fades away towards the skin, which stays with the probe;
fat there gives way as it must.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from napari_usstrack.synth.probe import Plane
from napari_usstrack.synth.scene import Path

NEWTON_STEPS = 14


@dataclass(frozen=True)
class Profile:
    """A number that depends on depth: straight between knots, with rounded corners.

    Attributes
    ----------
    knots : tuple of (float, float)
        Depth across the layers in mm, and value. Constant beyond both ends.
    rounding_mm : float
        Length over which the slope changes at a knot.
    """

    knots: tuple[tuple[float, float], ...]
    rounding_mm: float = 0.25

    def _corners(self) -> list[tuple[float, float]]:
        depth, value = zip(*self.knots, strict=True)
        slopes = [
            (value[i + 1] - value[i]) / (depth[i + 1] - depth[i]) for i in range(len(depth) - 1)
        ]
        change = [
            after - before for before, after in zip([0.0, *slopes], [*slopes, 0.0], strict=True)
        ]
        return list(zip(depth, change, strict=True))

    def __call__(self, across: torch.Tensor) -> torch.Tensor:
        """Values at depths."""
        value = torch.full_like(across, self.knots[0][1])
        for depth, change in self._corners():
            u = (across - depth) / self.rounding_mm
            value = value + change * self.rounding_mm * torch.nn.functional.softplus(u)
        return value


@dataclass(frozen=True)
class Switch:
    """A share that goes from 1 above a depth to 0 below it, and its integral.

    Attributes
    ----------
    at_mm, width_mm : float
        Where it is one half, and how wide the change is.
    """

    at_mm: float
    width_mm: float

    def share(self, across: torch.Tensor) -> torch.Tensor:
        """Share at depths."""
        return torch.sigmoid((self.at_mm - across) / self.width_mm)

    def integral(self, across: torch.Tensor) -> torch.Tensor:
        """Integral of the share from depth 0, mm."""
        soft = torch.nn.functional.softplus
        top = soft(torch.full_like(across, self.at_mm / self.width_mm))
        return self.width_mm * (top - soft((self.at_mm - across) / self.width_mm))


@dataclass(frozen=True)
class Shape:
    """State of layered tissue at one time.

    Attributes
    ----------
    slides : tuple of float
        Factor of every slide profile.
    upper, lower : float
        Relative change of length along the layers, above and below the
        switch. Unused without a switch.
    stretch : float
        Relative change of length of everything.
    bulge : float
        Change of length that differs along the muscle, as a cosine.
    lift : tuple of float
        Depth of the superficial aponeurosis in mm as a polynomial of degree
        two of the place along it.
    """

    slides: tuple[float, ...] = ()
    upper: float = 0.0
    lower: float = 0.0
    stretch: float = 0.0
    bulge: float = 0.0
    lift: tuple[float, float, float] = (8.0, 0.0, 0.0)


@dataclass(frozen=True, eq=False)
class Layers:
    """Motion of layered tissue.

    Attributes
    ----------
    rest : Shape
        The reference state. Its slides, `upper` and `lower` are taken as 0.
    at : callable
        Seconds to the state then.
    slides : sequence of Profile
        Displacement along the layers by depth, mm.
    wave_per_mm, wave_phase : float
        Angular frequency and phase of the cosine of `Shape.bulge`.
    switch : Switch or None
        Border between two muscles that change length on their own.
    pivot_mm : float
        Place along the layers that stays when they do.
    """

    rest: Shape
    at: Callable[[float], Shape]
    slides: Sequence[Profile] = ()
    wave_per_mm: float = 0.05
    wave_phase: float = 0.0
    switch: Switch | None = None
    pivot_mm: float = 0.0

    def ideal(self, x: torch.Tensor, y: torch.Tensor) -> Plane:
        """Ideal coordinates of material places."""
        along = x / (1.0 + self.rest.stretch)
        for _ in range(NEWTON_STEPS):
            reached, rate = self._swell(along, self.rest)
            along = along - (reached - x) / rate
        _, rate = self._swell(along, self.rest)
        return along, (y - _polynomial(self.rest.lift, x)) * rate

    def material(self, along: torch.Tensor, across: torch.Tensor) -> Plane:
        """Material places of ideal coordinates."""
        x, rate = self._swell(along, self.rest)
        return x, across / rate + _polynomial(self.rest.lift, x)

    def fat_share(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Depth in shares of that of the superficial aponeurosis: 0 at the skin, 1 in muscle."""
        return torch.clamp(y / torch.clamp(_polynomial(self.rest.lift, x), min=0.1), 0.0, 1.0)

    def bind(self, x: torch.Tensor, y: torch.Tensor) -> Path:
        """Do what needs doing once for material places (mm)."""
        along, across = self.ideal(x, y)
        depth = self.fat_share(x, y)
        share = depth * depth * (3.0 - 2.0 * depth)
        still_x, still_y = x * (1.0 - share), torch.clamp(y, max=0.0)
        muscle = (across > 0).to(x)
        slides = [profile(across) for profile in self.slides]
        switch = self.switch
        upper = None if switch is None else switch.share(across)
        above = None if switch is None else switch.integral(across)

        def path(seconds: float) -> Plane:
            shape = self.at(seconds)
            u, v = along, across
            if upper is not None and above is not None:
                up, low = 1.0 / (1.0 + shape.upper), 1.0 / (1.0 + shape.lower)
                u = (along - self.pivot_mm) / (low + (up - low) * upper) + self.pivot_mm
                v = across * low + above * (up - low)
            for profile, factor in zip(slides, shape.slides, strict=True):
                u = torch.add(u, profile, alpha=factor)
            reached, rate = self._swell(u, shape)
            px = torch.addcmul(still_x, share, reached)
            py = torch.addcmul(still_y, depth, _polynomial(shape.lift, px))
            return px, torch.addcdiv(py, v * muscle, rate)

        return path

    def _swell(self, along: torch.Tensor, shape: Shape) -> Plane:
        angle = along * self.wave_per_mm + self.wave_phase
        reached = along * (1.0 + shape.stretch) + torch.sin(angle) * (
            shape.bulge / self.wave_per_mm
        )
        return reached, torch.cos(angle) * shape.bulge + (1.0 + shape.stretch)


def _polynomial(lift: tuple[float, float, float], x: torch.Tensor) -> torch.Tensor:
    c0, c1, c2 = lift
    return x * (x * c2 + c1) + c0
