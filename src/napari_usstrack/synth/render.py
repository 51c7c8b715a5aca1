"""From a scene to a clip."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import cycle

import numpy as np
import torch
from numpy.typing import NDArray

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.tracks import PALETTE, PointInfo, Source, Tracks
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.synth.beams import BeamGrid
from napari_usstrack.synth.clip import Clip
from napari_usstrack.synth.cloud import SLAB, Cloud, clouds
from napari_usstrack.synth.display import Display
from napari_usstrack.synth.noise import NoisePool
from napari_usstrack.synth.scanner import Scanner
from napari_usstrack.synth.scene import Scene


class Renderer:
    """Draws the frames of a scene, one after the other.

    Parameters
    ----------
    scene : Scene
        What to draw.
    seed : int
        Same seed, same clip.
    size : tuple of int
        Height and width, px.
    device : str or torch.device
        Where to compute. All random numbers are drawn by NumPy, so that
        devices differ by rounding only.
    scatterers : sequence of Cloud, optional
        In place of those of the scene's bodies.
    """

    def __init__(
        self,
        scene: Scene,
        *,
        seed: int,
        size: tuple[int, int],
        device: str | torch.device = "cpu",
        scatterers: Sequence[Cloud] | None = None,
    ) -> None:
        random = np.random.default_rng(seed)
        self.scene, self.device = scene, torch.device(device)
        self.grid = BeamGrid(scene.probe, self.device)
        self.scanner = Scanner(self.grid, scene.look, random, 1.0 / scene.fps)
        self.display = Display(self.grid, scene.look, size)
        drawn = clouds(scene, random, self.device) if scatterers is None else scatterers
        self.clouds = [cloud for cloud in drawn if len(cloud.scale)]
        longest = max((len(cloud.scale) for cloud in self.clouds), default=0)
        self._noise = NoisePool(random, longest, self.device)

    def pictures(self) -> Iterator[torch.Tensor]:
        """Frames in order, uint8 (height, width), on the device."""
        echoes = [cloud.amplitude.clone() for cloud in self.clouds]
        kept = [cloud.kept(1.0 / self.scene.fps) for cloud in self.clouds]
        fresh = [torch.sqrt(1.0 - k * k) * c.scale for k, c in zip(kept, self.clouds, strict=True)]
        for frame in range(self.scene.frame_count):
            for echo, stays, new in zip(echoes, kept, fresh, strict=True) if frame else ():
                echo.mul_(stays).addcmul_(self._noise.normal(len(stays)), new)
            yield self.display.picture(self.scanner.envelope(self.field(echoes, frame)))

    def field(self, echoes: Sequence[torch.Tensor], frame: int) -> torch.Tensor:
        """Blurred echoes of the tissue, complex (samples, beams), before the scanner."""
        seconds = frame / self.scene.fps
        planes = self.grid.empty()
        for cloud, echo in zip(self.clouds, echoes, strict=True):
            place = self.scene.pose.seen(cloud.path(seconds), seconds)
            weight = self._elevation(cloud, seconds)
            self.grid.add(planes, place, echo if weight is None else echo * weight)
        return self.grid.blurred(planes)

    def _elevation(self, cloud: Cloud, seconds: float) -> torch.Tensor | None:
        """How well each scatterer is seen across the image plane.

        The slab wraps around, so that new scatterers come in on one side as
        others leave on the other.
        """
        if cloud.across_mm is None or cloud.through_mm is None:
            return None
        width = self.scene.probe.elevation_mm
        slab = SLAB * width
        across = cloud.across_mm + cloud.through_mm * self.scene.through(seconds)
        across = across - slab * torch.round(across / slab)
        return torch.exp(across * across * (-8.0 * np.log(2.0) / (2.0 * width * width))) * (
            _SLAB_LEVEL
        )

    def truth(self) -> Tracks:
        """True positions in px, absent outside the picture, and visibility of the points."""
        scene = self.scene
        xy_mm = np.full((scene.frame_count, len(scene.marks), 2), np.nan)
        for name in dict.fromkeys(mark.body for mark in scene.marks):
            columns = [i for i, mark in enumerate(scene.marks) if mark.body == name]
            material = np.array([(scene.marks[i].x, scene.marks[i].y) for i in columns])
            xy_mm[:, columns] = scene.paths(name, material)
        x, y = (torch.from_numpy(xy_mm[..., axis].copy()) for axis in (0, 1))
        visible = self.scanner.audible(
            *(axis.to(self.device) for axis in scene.probe.beam_and_range(x, y))
        )
        xy = torch.stack(self.display.px(x, y), dim=-1).numpy()
        return _tracks(scene, xy, visible.cpu().numpy(), self.display)


_SLAB_LEVEL = float(
    1.0
    / np.sqrt(np.mean(np.exp(-8.0 * np.log(2.0) * np.linspace(-0.5 * SLAB, 0.5 * SLAB, 2001) ** 2)))
)
"""Keeps the mean power of a slab that of a flat cloud."""


def render(
    scene: Scene,
    *,
    seed: int,
    size: int | tuple[int, int] = 256,
    device: str | torch.device = "cpu",
) -> Clip:
    """Draw a scene.

    Parameters
    ----------
    scene : Scene
        What to draw.
    seed : int
        Same seed, same clip.
    size : int or tuple of int
        Height and width of the picture in px; one number for a square.
    device : str or torch.device
        Where to compute.

    Returns
    -------
    Clip
        Frames, true tracks, derived truth.
    """
    shape = (size, size) if isinstance(size, int) else size
    renderer = Renderer(scene, seed=seed, size=shape, device=device)
    frames: NDArray[np.uint8] = np.stack([p.cpu().numpy() for p in renderer.pictures()])
    tracks = renderer.truth()
    digest = hashlib.blake2b(frames.tobytes(), digest_size=16).hexdigest()
    info = replace(tracks.video, digest=digest)
    return Clip(
        name=scene.name,
        frames=frames,
        tracks=replace(tracks, video=info),
        measures={k: np.asarray(v) for k, v in scene.measures(scene.paths).items()},
        facts=dict(scene.facts),
        mask=renderer.display.mask.cpu().numpy(),
        apex_xy=renderer.display.apex_px(),
    )


def _tracks(
    scene: Scene, xy: NDArray[np.float64], visible: NDArray[np.bool_], display: Display
) -> Tracks:
    times = np.arange(scene.frame_count) / scene.fps
    info = VideoInfo(
        scene.frame_count,
        display.width,
        display.height,
        Calibration((display.mm_per_px,) * 2, times, "simulation", "simulation"),
        name=scene.name,
    )
    points = tuple(
        PointInfo(mark.name, mark.group, mark.kind, colour)
        for mark, colour in zip(scene.marks, cycle(PALETTE), strict=False)
    )
    size = np.array([display.width, display.height])
    inside = np.asarray(((xy >= -0.5) & (xy <= size - 0.5)).all(axis=-1))
    visible = visible & inside
    return Tracks(
        xy=np.where(inside[..., None], xy, np.nan),
        confidence=np.where(visible, np.nan, 0.0).astype(np.float32),
        visible=visible,
        source=np.where(inside, Source.MANUAL, Source.ABSENT).astype(np.uint8),
        points=points,
        video=info,
    )
