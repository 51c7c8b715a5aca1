"""From echoes on beams to an envelope: shade, clutter, haze, noise, depth gain."""

from __future__ import annotations

import math

import numpy as np
import torch

from napari_usstrack.synth.beams import BeamGrid, along_beams, gaussian_taps
from napari_usstrack.synth.look import Look
from napari_usstrack.synth.noise import NoisePool
from napari_usstrack.synth.probe import Probe

INAUDIBLE_DB = -15.0
"""Tissue weakened by more than this is hidden."""
HAZE_LIFETIME_S = 0.3


class Scanner:
    """What happens to the received field, the same for every frame of a clip.

    Parameters
    ----------
    grid : BeamGrid
        Where the field lives.
    look : Look
        The settings.
    random : numpy Generator
        Draws clutter, dropout and noise.
    seconds : float
        Between frames.
    """

    def __init__(
        self, grid: BeamGrid, look: Look, random: np.random.Generator, seconds: float
    ) -> None:
        self._grid, self._look = grid, look
        device = grid.range_mm.device
        self._noise = NoisePool(random, grid.samples * grid.beams, device)
        self.shade_db = _shade_db(grid.probe, look, random).to(device)
        self._shade = _amplitude(_on_grid(self.shade_db, grid))
        depth = torch.clamp(grid.range_mm / grid.probe.depth_mm, 0.0, 1.0)[:, None]
        self._gain = _amplitude(_steps_db(look.gain_steps_db, depth))
        noise_db = look.noise_db + look.noise_rise_db * (depth - 0.5)
        self._hiss = _amplitude(noise_db) * math.sqrt(0.5)
        self._hiss_taps = gaussian_taps(
            math.sqrt(0.5) * grid.probe.axial_sd_mm / grid.probe.sample_mm, energy=True
        )
        self._clutter = self._reverberation(random, depth) if look.clutter_db > -200 else None
        self._haze = self._speckle() if look.haze_db > -200 else None
        self._haze_kept = math.exp(-seconds / HAZE_LIFETIME_S)

    def envelope(self, field: torch.Tensor) -> torch.Tensor:
        """Envelope (samples, beams) after everything that is not the display.

        Parameters
        ----------
        field : complex tensor, shape (samples, beams)
            Tissue's blurred echoes.
        """
        heard = field * self._shade
        if self._clutter is not None:
            heard = heard + self._clutter
        if self._haze is not None:
            fresh = math.sqrt(1.0 - self._haze_kept**2)
            self._haze = self._haze_kept * self._haze + fresh * self._speckle()
            heard = heard + self._haze * 10.0 ** (self._look.haze_db / 20.0)
        white = self._white().reshape(2, *field.shape)
        hiss = along_beams(torch.complex(white[0], white[1]), self._hiss_taps)
        return (heard + hiss * self._hiss).abs() * self._gain

    def audible(self, beam: torch.Tensor, range_mm: torch.Tensor) -> torch.Tensor:
        """Whether places lie in the view and are not hidden in shadow or dropout."""
        probe = self._grid.probe
        inside = (beam >= 0) & (beam <= probe.beams - 1)
        inside &= (range_mm >= 0) & (range_mm <= probe.depth_mm)
        rows, columns = self.shade_db.shape
        row = torch.clamp((range_mm / probe.sample_mm).round().long(), 0, rows - 1)
        column = torch.clamp(beam.round().long(), 0, columns - 1)
        return inside & (self.shade_db[row, column] > INAUDIBLE_DB)

    def _white(self) -> torch.Tensor:
        return self._noise.normal(self._grid.samples * self._grid.beams)

    def _speckle(self) -> torch.Tensor:
        """Blurred complex noise of unit mean power."""
        return self._grid.blurred(self._white() * math.sqrt(0.5))

    def _reverberation(self, random: np.random.Generator, depth: torch.Tensor) -> torch.Tensor:
        """Near-field clutter: speckle and a few bands parallel to the face that do not move."""
        range_mm = self._grid.range_mm[:, None]
        level = 10.0 ** (self._look.clutter_db / 20.0)
        fall = torch.exp(-torch.clamp(range_mm, min=0.0) / self._look.clutter_mm)
        bands = torch.ones_like(depth)
        for at in random.uniform(0.0, 1.5 * self._look.clutter_mm, 6):
            width = float(random.uniform(0.3, 1.5))
            bands = bands + float(random.uniform(0.2, 1.5)) * torch.exp(
                -0.5 * ((range_mm - float(at)) / width) ** 2
            )
        return self._speckle() * fall * bands * level


def _amplitude(db: torch.Tensor) -> torch.Tensor:
    return torch.pow(10.0, db / 20.0)


def _steps_db(steps: tuple[float, ...], depth: torch.Tensor) -> torch.Tensor:
    """Piecewise linear gain in dB at depths given as shares."""
    if len(steps) == 1:
        return torch.full_like(depth, steps[0])
    at = depth * (len(steps) - 1)
    below = torch.clamp(at.floor().long(), 0, len(steps) - 2)
    table = torch.tensor(steps, dtype=depth.dtype, device=depth.device)
    return torch.lerp(table[below], table[below + 1], at - below)


def _shade_db(probe: Probe, look: Look, random: np.random.Generator) -> torch.Tensor:
    """Loss in dB (samples, beams) by shadows and dropout; 0 or less."""
    beam = torch.linspace(0.0, 1.0, probe.beams)[None]
    range_mm = (torch.arange(probe.samples) * probe.sample_mm)[:, None]
    loss = torch.zeros(probe.samples, probe.beams)
    for shadow in look.shadows:
        across = torch.sigmoid(
            (0.5 * shadow.width - (beam - shadow.beam).abs()) / (0.5 * shadow.softness)
        )
        along = torch.sigmoid((range_mm - shadow.from_mm) / (2.0 + 200.0 * shadow.softness))
        loss = loss - shadow.loss_db * across * along
    if look.dropout_db > 0:
        coarse = torch.from_numpy(random.standard_normal((1, 1, 8, 8)).astype(np.float32))
        smooth = torch.nn.functional.interpolate(
            coarse, size=(probe.samples, probe.beams), mode="bicubic", align_corners=True
        )[0, 0]
        loss = loss - look.dropout_db * torch.clamp(smooth - 0.8, 0.0, 1.0)
    return loss


def _on_grid(shade_db: torch.Tensor, grid: BeamGrid) -> torch.Tensor:
    """Extend the probe's own samples and beams to the padded grid."""
    top, left = grid.pad_samples, grid.pad_beams
    below = grid.samples - shade_db.shape[0] - top
    right = grid.beams - shade_db.shape[1] - left
    return torch.nn.functional.pad(shade_db[None, None], (left, right, top, below), "replicate")[
        0, 0
    ]
