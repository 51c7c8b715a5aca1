"""Probes: how places in tissue become beams and samples, and how sharp they are.

Tissue coordinates are mm in the plane of the picture: x to the right, 0 at the
middle of the probe; y down from the skin. Beam coordinates are a beam number
and a sample number, both fractional.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch

SOUND_MM_PER_US = 1.54
FWHM = 2.0 * math.sqrt(2.0 * math.log(2.0))
"""Full width at half maximum of a Gaussian in standard deviations."""

WIDEST_BEAMS = 10.0
"""Beams meet at the origin of a fan; there the point spread is held to this."""

ProbeKind = Literal["sector", "convex", "linear"]
Plane = tuple[torch.Tensor, torch.Tensor]
"""x and y in mm, each of shape (n,)."""


@dataclass(frozen=True)
class Probe:
    """A transducer, its field of view and its resolution.

    Resolution follows the focusing of an array (Szabo, Diagnostic Ultrasound
    Imaging, 2014): lateral width at half maximum is 1.2 wavelengths times
    depth over the active aperture, which grows with depth at a constant
    f-number until the array ends; the pulse is Gaussian in its bandwidth.

    Attributes
    ----------
    kind : {"sector", "convex", "linear"}
        Sector and convex beams fan out, linear beams are parallel.
    width : float
        Opening angle in degrees for a fan, width in mm for a linear probe.
    depth_mm : float
        Deepest sample below the skin.
    radius_mm : float
        Radius of curvature of the face: how far the beams' common origin lies
        above the skin; 0 for a phased array. Unused by a linear probe.
    frequency_mhz, bandwidth : float
        Centre frequency and relative -6 dB bandwidth of the pulse.
    aperture_mm, f_number : float
        Largest active aperture, and depth over aperture before it is reached.
    elevation_mm : float
        Thickness of the imaged slice, full width at half maximum.
    beams : int
        Number of image lines.
    """

    kind: ProbeKind
    width: float
    depth_mm: float
    radius_mm: float = 0.0
    frequency_mhz: float = 2.72
    bandwidth: float = 0.6
    aperture_mm: float = 19.2
    f_number: float = 1.5
    elevation_mm: float = 4.0
    beams: int = 160

    @property
    def fan(self) -> bool:
        """Whether beams share an origin."""
        return self.kind != "linear"

    @property
    def wavelength_mm(self) -> float:
        """Wavelength at the centre frequency, mm."""
        return SOUND_MM_PER_US / self.frequency_mhz

    @property
    def axial_sd_mm(self) -> float:
        """Standard deviation of the pulse's envelope along the beam, mm."""
        duration_us = math.sqrt(2.0 * math.log(2.0)) / (
            math.pi * self.bandwidth * self.frequency_mhz
        )
        return 0.5 * SOUND_MM_PER_US * duration_us

    @property
    def sample_mm(self) -> float:
        """Distance between samples along a beam, mm."""
        return 0.9 * self.axial_sd_mm

    @property
    def samples(self) -> int:
        """Samples along a beam."""
        return math.ceil(self.depth_mm / self.sample_mm) + 1

    @property
    def beam_step(self) -> float:
        """Distance between beams: radians for a fan, mm for a linear probe."""
        width = math.radians(self.width) if self.fan else self.width
        return width / (self.beams - 1)

    def beam_and_range(self, x: torch.Tensor, y: torch.Tensor) -> Plane:
        """Fractional beam number, and mm along the beam, of places in mm."""
        middle = 0.5 * (self.beams - 1)
        if not self.fan:
            return x / self.beam_step + middle, y
        below = y + self.radius_mm
        beam = torch.atan2(x, below) / self.beam_step + middle
        return beam, torch.sqrt(x * x + below * below) - self.radius_mm

    def place(self, beam: torch.Tensor, range_mm: torch.Tensor) -> Plane:
        """Places in mm of fractional beam numbers and mm along the beam."""
        across = (beam - 0.5 * (self.beams - 1)) * self.beam_step
        if not self.fan:
            return across, range_mm
        from_origin = range_mm + self.radius_mm
        return from_origin * torch.sin(across), from_origin * torch.cos(across) - self.radius_mm

    def lateral_sd_beams(self, range_mm: torch.Tensor) -> torch.Tensor:
        """Standard deviation of the point spread across beams, in beams."""
        depth_mm = torch.clamp(range_mm, min=1.0)
        aperture = torch.clamp(depth_mm / self.f_number, max=self.aperture_mm)
        sd_mm = 1.2 * self.wavelength_mm * depth_mm / aperture / FWHM
        if not self.fan:
            return sd_mm / self.beam_step
        return torch.clamp(sd_mm / ((depth_mm + self.radius_mm) * self.beam_step), max=WIDEST_BEAMS)

    def cells_per_beam_mm(self, range_mm: torch.Tensor) -> torch.Tensor:
        """Resolution cells (full widths at half maximum) per beam and mm along it."""
        return 1.0 / (FWHM**2 * self.axial_sd_mm * self.lateral_sd_beams(range_mm))


def cardiac(*, depth_mm: float = 150.0, width_deg: float = 75.0, mhz: float = 2.72) -> Probe:
    """Phased array of 64 elements at 0.3 mm, a sector from the skin."""
    return Probe("sector", width_deg, depth_mm, frequency_mhz=mhz)


def curved(*, depth_mm: float = 90.0, width_deg: float = 60.0, mhz: float = 4.0) -> Probe:
    """Convex array with a radius of 50 mm."""
    return Probe(
        *("convex", width_deg, depth_mm, 50.0),
        frequency_mhz=mhz,
        aperture_mm=25.0,
        f_number=2.0,
        elevation_mm=3.0,
        beams=224,
    )


def linear(*, depth_mm: float = 50.0, width_mm: float = 60.0, mhz: float = 6.5) -> Probe:
    """Linear array as used on muscle and tendon."""
    return Probe(
        *("linear", width_mm, depth_mm),
        frequency_mhz=mhz,
        aperture_mm=20.0,
        f_number=2.0,
        elevation_mm=2.0,
        beams=math.ceil(width_mm / 0.22),
    )
