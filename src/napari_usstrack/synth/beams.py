"""Echoes on beams: scatterers are put on a grid of beams and samples, then blurred.

The order is that of COLE (Gao et al., IEEE TUFFC 2009): the lateral weight
depends on depth, then every beam is convolved with the pulse. A scatterer
between grid nodes is shared among its four neighbours, which keeps its centre
exactly; its phase follows from its exact distance, so speckle does not flicker.
"""

from __future__ import annotations

import math

import torch

from napari_usstrack.synth.probe import Plane, Probe

SHARED_VARIANCE = 1.0 / 6.0
"""Mean variance, in steps², that sharing among neighbours adds."""


class BeamGrid:
    """Grid of samples x beams around the view of a probe, with its blur.

    Parameters
    ----------
    probe : Probe
        What it belongs to.
    device : torch.device
        Where it computes.
    """

    def __init__(self, probe: Probe, device: torch.device) -> None:
        self.probe = probe
        self.pad_beams = 16
        self.pad_samples = 6
        self.samples = probe.samples + 2 * self.pad_samples
        self.beams = _quick(probe.beams + 2 * self.pad_beams)
        rows = torch.arange(self.samples, device=device, dtype=torch.float32)
        self.range_mm = (rows - self.pad_samples) * probe.sample_mm
        self._taps = _pulse(probe)
        self._lateral = _lateral(probe, self.range_mm, self.beams)
        self.wave = 4.0 * math.pi / probe.wavelength_mm

    @property
    def inner(self) -> tuple[slice, slice]:
        """Rows and columns of the probe's own samples and beams."""
        return (
            slice(self.pad_samples, self.pad_samples + self.probe.samples),
            slice(self.pad_beams, self.pad_beams + self.probe.beams),
        )

    def empty(self) -> torch.Tensor:
        """Two planes of zeros, real and imaginary, flat: (2, samples * beams)."""
        return torch.zeros(2, self.samples * self.beams, device=self.range_mm.device)

    def add(self, planes: torch.Tensor, place: Plane, echo: torch.Tensor) -> None:
        """Put scatterers at places in mm on `planes`; echoes are (2, n), real and imaginary."""
        beam, range_mm = self.probe.beam_and_range(*place)
        phase = self.wave * range_mm
        cos, sin = torch.cos(phase), torch.sin(phase)
        column = (beam + self.pad_beams).clamp_(0.0, self.beams - 1.001)
        row = (range_mm / self.probe.sample_mm + self.pad_samples).clamp_(0.0, self.samples - 1.01)
        corner, right, down = self._corner(column, row)
        for plane, part in zip(
            planes, (echo[0] * cos - echo[1] * sin, echo[0] * sin + echo[1] * cos), strict=True
        ):
            below = part * down
            above = part - below
            for step, whole in ((0, above), (self.beams, below)):
                share = whole * right
                plane.scatter_add_(0, corner + step, whole - share)
                plane.scatter_add_(0, corner + (step + 1), share)

    def _corner(
        self, column: torch.Tensor, row: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Node above and left of each place, and the distances to it in steps."""
        whole_column, whole_row = column.floor(), row.floor()
        corner = whole_row.long().mul_(self.beams).add_(whole_column.long())
        return corner, column.sub_(whole_column), row.sub_(whole_row)

    def blurred(self, planes: torch.Tensor) -> torch.Tensor:
        """Blur across beams and along them: complex (samples, beams).

        What lies beyond the grid was put on its outermost nodes, and is left out.
        """
        grid = planes.view(2, self.samples, self.beams)
        grid[:, [0, -1]] = 0.0
        grid[:, :, [0, -1]] = 0.0
        spectrum = torch.fft.fft(torch.complex(grid[0], grid[1]), dim=1)
        return along_beams(torch.fft.ifft(spectrum * self._lateral, dim=1), self._taps)


def along_beams(field: torch.Tensor, taps: list[float]) -> torch.Tensor:
    """Convolve along samples (first axis) with an odd number of taps; zero outside."""
    reach = len(taps) // 2
    if not reach:
        return field * taps[0]
    out = field * taps[reach]
    for step in range(1, reach + 1):
        out[step:].add_(field[:-step], alpha=taps[reach + step])
        out[:-step].add_(field[step:], alpha=taps[reach - step])
    return out


def gaussian_taps(sd: float, *, energy: bool = False) -> list[float]:
    """Gaussian weights out to three deviations, of unit sum or unit sum of squares."""
    reach = math.ceil(3.2 * sd) if sd > 0.05 else 0
    weights = [math.exp(-0.5 * (step / sd) ** 2) if step else 1.0 for step in range(reach + 1)]
    full = weights[:0:-1] + weights
    total = math.sqrt(sum(w * w for w in full)) if energy else sum(full)
    return [w / total for w in full]


def _pulse(probe: Probe) -> list[float]:
    sd = probe.axial_sd_mm / probe.sample_mm
    return gaussian_taps(math.sqrt(sd * sd - SHARED_VARIANCE), energy=True)


def _lateral(probe: Probe, range_mm: torch.Tensor, beams: int) -> torch.Tensor:
    """Transfer function (samples, beams) of Gaussians of unit sum of squares."""
    sd = probe.lateral_sd_beams(range_mm)
    variance = torch.clamp(sd * sd - SHARED_VARIANCE, min=0.04)[:, None]
    turns = torch.fft.fftfreq(beams, device=range_mm.device)[None]
    transfer = torch.exp(-2.0 * math.pi**2 * variance * turns * turns)
    energy = torch.sqrt((transfer * transfer).mean(dim=1, keepdim=True))
    return transfer / energy


def _quick(size: int) -> int:
    """Smallest size from `size` on that a Fourier transform likes."""
    while True:
        rest = size
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return size
        size += 1
