"""The search of SpeckNet through a clip, both ways from the queries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from napari_usstrack.core.coords import Resize
from napari_usstrack.core.tracker import Queries
from napari_usstrack.core.video import Video, VideoInfo
from napari_usstrack.models.specknet import (
    GRID,
    MIDDLE,
    Descriptors,
    Found,
    Maps,
    SpeckNet,
    coarse_place,
)

Floats = NDArray[np.float64]
CHUNK = 16
"""Frames encoded together."""
MOST_ENLARGED = 2.0
"""Small frames are enlarged by no more."""
SMALLEST = 2 * GRID
UNKNOWN_SEARCH = 0.06
"""Standard deviation of the search without a scale, of the longer side of the frame."""
CERTAIN_PX = 1e-3
"""How far off a query is taken to be when several queries of one point are joined."""
SELF_PX = 3.0
"""A point that is not found this near in its own frame is not corrected by it."""


class Answer(NamedTuple):
    """Where each query was found, of ``[frames, queries]``.

    Attributes
    ----------
    xy : float64 ndarray, shape (frames, queries, 2)
        Px of the clip, NaN where a query was not looked for.
    seen : float64 ndarray
        Probability of being visible.
    spread_px : float64 ndarray
        Expected distance from the truth along each axis, px of the clip.
    """

    xy: Floats
    seen: Floats
    spread_px: Floats


def chosen_device(wanted: str) -> str:
    """The device that is meant by "auto", or the one that is asked for."""
    if wanted != "auto":
        return wanted
    return "cuda" if torch.cuda.is_available() else "cpu"


@dataclass(frozen=True)
class Working:
    """The pictures that the network sees.

    Attributes
    ----------
    grid : Resize
        From px of the clip to px of these pictures.
    mm : float or None
        Millimetres per px of these.
    """

    grid: Resize
    mm: float | None

    @classmethod
    def of(cls, info: VideoInfo, side_px: int) -> Working:
        """Pictures whose longer side has about so many px, multiples of `GRID`."""
        factor = min(side_px / max(info.width, info.height), MOST_ENLARGED)
        size = tuple(
            max(SMALLEST, GRID * round(factor * side / GRID)) for side in (info.width, info.height)
        )
        grid = Resize((info.width, info.height), (size[0], size[1]))
        spacing = info.spacing_mm
        mm = None if spacing is None else float(np.mean(np.array(spacing) / grid.factor))
        return cls(grid, mm)

    def pictures(self, frames: NDArray[np.uint8], device: torch.device) -> torch.Tensor:
        """Frames as the network sees them, float, 0 to 255."""
        grey = torch.from_numpy(np.array(frames)).to(device).float()[:, None]
        width, height = self.grid.size
        if grey.shape[-2:] != (height, width):
            grey = functional.interpolate(
                grey, (height, width), mode="bilinear", antialias=True, align_corners=False
            )
        return grey[:, 0]


class Search:
    """One run of the tracker: both directions of time, all queries."""

    def __init__(
        self,
        network: SpeckNet,
        video: Video,
        queries: Queries,
        span: range,
        *,
        side_px: int,
        search_mm: float,
        expected: Floats | None = None,
    ) -> None:
        self.network, self.video, self.queries, self.span = network, video, queries, span
        self.device = next(network.parameters()).device
        self.view = Working.of(video.info, side_px)
        width, height = self.view.grid.size
        mm, side = self.view.mm, max(width, height)
        self.sigma = UNKNOWN_SEARCH * side if mm is None else search_mm / mm
        self.first, self.last = queries.limits(span)
        self.inside = (queries.frame >= self.first) & (queries.frame <= self.last)
        self.xy = np.full((len(span), len(queries), 2), np.nan)
        self.seen = np.zeros((len(span), len(queries)))
        self.scale = np.full((len(span), len(queries)), np.nan)
        self.steps = [self._frames(1), self._frames(-1)]
        asked = np.unique(queries.frame[self.inside])
        self.total = len(asked) + sum(len(frames) for frames in self.steps)
        self.start = torch.from_numpy(self.view.grid.forward(queries.xy)).float().to(self.device)
        self.bias = torch.zeros_like(self.start)
        self.expected = None if expected is None else self.view.grid.forward(expected)

    def _frames(self, sign: int) -> range:
        """Frames in which some query is looked for, in one direction of time."""
        frame, end = self.queries.frame, self.last if sign > 0 else self.first
        live = self.inside & (sign * end > sign * frame)
        if not live.any():
            return range(0)
        if sign > 0:
            return range(int(frame[live].min()) + 1, int(end[live].max()) + 1)
        return range(int(frame[live].max()) - 1, int(end[live].min()) - 1, -1)

    def frames(self) -> Iterator[int]:
        """Do the work, frame by frame."""
        yield from self._described()
        for sign, frames in zip((1, -1), self.steps, strict=True):
            at, age = self.start.clone(), torch.zeros(len(self.start), device=self.device)
            for number, maps in self._encoded(frames):
                live = self.inside & (sign * self.queries.frame < sign * number)
                end = self.last if sign > 0 else self.first
                rows = torch.from_numpy(np.flatnonzero(live & (sign * number <= sign * end)))
                if len(rows):
                    self._looked(number, maps, rows.to(self.device), at, age)
                yield number

    def _described(self) -> Iterator[int]:
        """Take the descriptors of all queries, each in its own frame."""
        parts: dict[int, list[torch.Tensor]] = {}
        for number in np.unique(self.queries.frame[self.inside]).tolist():
            rows = np.flatnonzero(self.inside & (self.queries.frame == number))
            maps = next(self._encoded(range(number, number + 1)))[1]
            parts[number] = self._own(maps, torch.from_numpy(rows).to(self.device))
            row = number - self.span.start
            self.xy[row, rows] = self.queries.xy[rows]
            self.seen[row, rows], self.scale[row, rows] = 1.0, CERTAIN_PX
            yield number
        if not parts:
            return
        order = torch.cat(
            [
                torch.from_numpy(np.flatnonzero(self.inside & (self.queries.frame == number)))
                for number in parts
            ]
        ).to(self.device)
        whole = []
        for level in range(3):
            found = torch.cat([part[level] for part in parts.values()])
            empty = found.new_zeros(len(self.queries), found.shape[-1])
            empty[order] = found
            whole.append(empty)
        self.wanted = Descriptors(*whole)

    @torch.inference_mode()
    def _own(self, maps: Maps, rows: torch.Tensor) -> list[torch.Tensor]:
        """Descriptors of queries, and how far off the network finds them in their own frame."""
        wanted = self.network.describe(maps, self.start[rows][None])
        volume = self.network.volume(maps, wanted)
        middle = ((self.start[rows] + 0.5) / MIDDLE - 0.5).round()
        guess = ((middle + 0.5) * MIDDLE - 0.5)[None]
        off = self.network.around(maps, wanted, volume, guess).xy[0] - self.start[rows]
        near = torch.linalg.vector_norm(off, dim=-1) < SELF_PX
        self.bias[rows] = torch.where(near[:, None], off, torch.zeros_like(off))
        return [each[0] for each in wanted]

    def _encoded(self, frames: range) -> Iterator[tuple[int, Maps]]:
        """Maps of frames, one after the other, encoded in chunks."""
        for begin in range(0, len(frames), CHUNK):
            chunk = frames[begin : begin + CHUNK]
            low, high = min(chunk[0], chunk[-1]), max(chunk[0], chunk[-1])
            pictures = self.video.frames(range(low, high + 1))[:: frames.step]
            maps = self._maps(pictures)
            for place, number in enumerate(chunk):
                yield number, maps.of(slice(place, place + 1))

    @torch.inference_mode()
    def _maps(self, pictures: NDArray[np.uint8]) -> Maps:
        return self.network.encode(self.view.pictures(pictures, self.device))

    @torch.inference_mode()
    def _looked(
        self, number: int, maps: Maps, rows: torch.Tensor, at: torch.Tensor, age: torch.Tensor
    ) -> None:
        """Find some queries in a frame, near where they were last seen."""
        wanted = self.wanted.of(rows)
        volume = self.network.volume(maps, wanted)
        if self.expected is not None:
            place = self.expected[number - self.span.start, rows.cpu().numpy()]
            told = torch.from_numpy(place).to(at)
            known = torch.isfinite(told).all(dim=-1)
            at[rows[known]], age[rows[known]] = told[known], 0.0
        near = _near(at[rows], self.sigma * torch.sqrt(1.0 + age[rows]), volume.shape[-2:])
        found = self.network.around(maps, wanted, volume, coarse_place(volume + near))
        place = found.xy[0] - self.bias[rows]
        sure = found.seen[0] > 0
        at[rows] = torch.where(sure[:, None], place, at[rows])
        age[rows] = torch.where(sure, torch.zeros_like(age[rows]), age[rows] + 1.0)
        self._kept(number - self.span.start, rows.cpu().numpy(), place, found)

    def _kept(self, row: int, columns: NDArray[np.intp], place: torch.Tensor, found: Found) -> None:
        self.xy[row, columns] = self.view.grid.backward(place.cpu().double().numpy())
        self.seen[row, columns] = torch.sigmoid(found.seen[0]).cpu().double().numpy()
        px = torch.exp(found.spread[0]).cpu().double().numpy()
        self.scale[row, columns] = px / float(np.mean(self.view.grid.factor))

    def answer(self) -> Answer:
        """What was found."""
        return Answer(self.xy, self.seen, self.scale)


def _near(at: torch.Tensor, sigma: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """What is added to a comparison: less far from where points are expected."""
    rows, columns = shape
    step_x = (torch.arange(columns, device=at.device) + 0.5) * MIDDLE - 0.5
    step_y = (torch.arange(rows, device=at.device) + 0.5) * MIDDLE - 0.5
    across = ((step_x - at[:, :1]) / sigma[:, None]).square()
    down = ((step_y - at[:, 1:]) / sigma[:, None]).square()
    return -0.5 * (down[:, :, None] + across[:, None, :])
