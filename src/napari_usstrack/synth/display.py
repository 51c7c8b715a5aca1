"""From an envelope on beams to grey pictures: smoothing, scan conversion, grey curve."""

from __future__ import annotations

import math

import torch

from napari_usstrack.synth.beams import BeamGrid, along_beams, gaussian_taps
from napari_usstrack.synth.blocks import compressed
from napari_usstrack.synth.look import Look
from napari_usstrack.synth.probe import Plane, Probe

HEADROOM_DB = 6.0
"""How far below white mean tissue of 0 dB lies."""
BORDER_PX = 4
LEAST_SD_PX = 0.5
"""Least width of a point along the beam in the picture."""


class Display:
    """A picture of the view of a probe, and what a scanner does to show it.

    Parameters
    ----------
    grid : BeamGrid
        Where envelopes come from.
    look : Look
        Compression and smoothing.
    size : tuple of int
        Height and width of the picture, px.
    """

    def __init__(self, grid: BeamGrid, look: Look, size: tuple[int, int]) -> None:
        self._grid, self._look = grid, look
        self.height, self.width = size
        self.mm_per_px, self._origin_mm = _fitted(grid.probe, size)
        device = grid.range_mm.device
        rows, columns = torch.meshgrid(
            torch.arange(self.height, device=device, dtype=torch.float32),
            torch.arange(self.width, device=device, dtype=torch.float32),
            indexing="ij",
        )
        beam, range_mm = grid.probe.beam_and_range(*self.mm(columns, rows))
        self.mask = (beam >= 0) & (beam <= grid.probe.beams - 1)
        self.mask &= (range_mm >= 0) & (range_mm <= grid.probe.depth_mm)
        self._where = _normalised(grid, beam, range_mm)
        least_mm2 = (LEAST_SD_PX * self.mm_per_px) ** 2 - grid.probe.axial_sd_mm**2
        along_mm = math.sqrt(max(least_mm2, look.smoothing_mm**2))
        self._taps = gaussian_taps(along_mm / grid.probe.sample_mm)
        self._side_taps = gaussian_taps(look.smoothing_beams)
        self._former: torch.Tensor | None = None

    def mm(self, x: torch.Tensor, y: torch.Tensor) -> Plane:
        """Places in mm of picture positions in px."""
        return (
            x * self.mm_per_px + self._origin_mm[0],
            y * self.mm_per_px + self._origin_mm[1],
        )

    def px(self, x: torch.Tensor, y: torch.Tensor) -> Plane:
        """Positions in px of places in mm."""
        return (
            (x - self._origin_mm[0]) / self.mm_per_px,
            (y - self._origin_mm[1]) / self.mm_per_px,
        )

    def apex_px(self) -> tuple[float, float] | None:
        """Where the beams' common origin lies in the picture, px; None for parallel beams."""
        if not self._grid.probe.fan:
            return None
        above = torch.tensor(-self._grid.probe.radius_mm)
        x, y = self.px(torch.zeros(()), above)
        return float(x), float(y)

    def amplitude(self, grey: torch.Tensor) -> torch.Tensor:
        """Envelope that a grey level from 0 to 255 stands for; 0 for black."""
        look = self._look
        level = torch.pow(torch.clamp(grey / 255.0, 0.0, 1.0), 1.0 / look.gamma)
        db = look.dynamic_range_db * (level - 1.0) + HEADROOM_DB - look.gain_db
        return torch.where(grey > 0, torch.pow(10.0, db / 20.0), 0.0)

    def picture(self, envelope: torch.Tensor) -> torch.Tensor:
        """Next picture, uint8 (height, width), of an envelope (samples, beams)."""
        look = self._look
        smooth = along_beams(along_beams(envelope, self._taps).T, self._side_taps).T
        shown = torch.nn.functional.grid_sample(
            smooth[None, None], self._where, mode="bicubic", align_corners=True
        )[0, 0]
        db = 20.0 * torch.log10(torch.clamp(shown, min=1e-6)) + look.gain_db - HEADROOM_DB
        grey = torch.clamp(1.0 + db / look.dynamic_range_db, 0.0, 1.0)
        if look.gamma != 1.0:
            grey = torch.pow(grey, look.gamma)
        if self._former is not None and look.persistence > 0:
            grey = torch.lerp(grey, self._former, look.persistence)
        self._former = grey
        levels = 255.0 * torch.where(self.mask, grey, 0.0)
        if look.block_quality > 0:
            levels = torch.where(self.mask, compressed(levels, look.block_quality), 0.0)
        return levels.round().clamp(0, 255).to(torch.uint8)


def _fitted(probe: Probe, size: tuple[int, int]) -> tuple[float, tuple[float, float]]:
    """Millimetres per px, and the place in mm of the first px."""
    height, width = size
    left, right, top, bottom = _extent(probe)
    mm_per_px = max(
        (bottom - top) / (height - 1 - 2 * BORDER_PX), (right - left) / (width - 1 - 2 * BORDER_PX)
    )
    middle = 0.5 * (left + right) - 0.5 * (width - 1) * mm_per_px
    return mm_per_px, (middle, top - BORDER_PX * mm_per_px)


def _extent(probe: Probe) -> tuple[float, float, float, float]:
    """Left, right, top and bottom of the view, mm."""
    if not probe.fan:
        return -0.5 * probe.width, 0.5 * probe.width, 0.0, probe.depth_mm
    half = math.radians(0.5 * probe.width)
    reach = probe.depth_mm + probe.radius_mm
    side = reach * math.sin(min(half, 0.5 * math.pi))
    return -side, side, probe.radius_mm * (math.cos(half) - 1.0), probe.depth_mm


def _normalised(grid: BeamGrid, beam: torch.Tensor, range_mm: torch.Tensor) -> torch.Tensor:
    """Sampling positions from -1 to 1, (1, height, width, 2), over the padded grid."""
    column = beam + grid.pad_beams
    row = range_mm / grid.probe.sample_mm + grid.pad_samples
    across = 2.0 * column / (grid.beams - 1) - 1.0
    along = 2.0 * row / (grid.samples - 1) - 1.0
    return torch.stack([across, along], dim=-1)[None]
