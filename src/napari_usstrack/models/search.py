"""The search of SpeckNet through a clip, both ways from the queries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from napari_usstrack.core.coords import Resize
from napari_usstrack.core.tracker import Queries
from napari_usstrack.core.video import Video, VideoInfo
from napari_usstrack.models.chase import Chase
from napari_usstrack.models.specknet import GRID, Maps, SpeckNet

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

    def pictures(self, frames: NDArray[np.uint8], device: torch.device | str) -> torch.Tensor:
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
        sigma = UNKNOWN_SEARCH * side if mm is None else search_mm / mm
        self.chase = Chase(network, len(queries), sigma, self.device)
        self.first, self.last = queries.limits(span)
        self.inside = (queries.frame >= self.first) & (queries.frame <= self.last)
        self.xy = np.full((len(span), len(queries), 2), np.nan)
        self.seen = np.zeros((len(span), len(queries)))
        self.scale = np.full((len(span), len(queries)), np.nan)
        self.steps = [self._frames(1), self._frames(-1)]
        asked = np.unique(queries.frame[self.inside])
        self.total = len(asked) + sum(len(frames) for frames in self.steps)
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
        yield from self._asked()
        for sign, frames in zip((1, -1), self.steps, strict=True):
            self.chase.turn()
            end = self.last if sign > 0 else self.first
            for number, maps in self._encoded(frames):
                live = self.inside & (sign * self.queries.frame < sign * number)
                rows = np.flatnonzero(live & (sign * number <= sign * end))
                if rows.size:
                    self._looked(number, maps, rows)
                yield number

    def _asked(self) -> Iterator[int]:
        """Look at all queries, each in its own frame."""
        for number in np.unique(self.queries.frame[self.inside]).tolist():
            rows = np.flatnonzero(self.inside & (self.queries.frame == number))
            maps = next(self._encoded(range(number, number + 1)))[1]
            places = torch.from_numpy(self.view.grid.forward(self.queries.xy[rows])).float()
            self.chase.begin(torch.from_numpy(rows).to(self.device), maps, places.to(self.device))
            row = number - self.span.start
            self.xy[row, rows] = self.queries.xy[rows]
            self.seen[row, rows], self.scale[row, rows] = 1.0, CERTAIN_PX
            yield number

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

    def _looked(self, number: int, maps: Maps, rows: NDArray[np.intp]) -> None:
        """Find some queries in a frame."""
        row, expected = number - self.span.start, None
        if self.expected is not None:
            expected = torch.from_numpy(self.expected[row, rows]).float().to(self.device)
        found = self.chase.step(torch.from_numpy(rows).to(self.device), maps, expected)
        xy, spread, seen = (each.cpu().double().numpy() for each in found)
        self.xy[row, rows] = self.view.grid.backward(xy)
        self.seen[row, rows] = seen
        self.scale[row, rows] = spread / float(np.mean(self.view.grid.factor))

    def answer(self) -> tuple[Floats, Floats, Floats]:
        """Places, visibility and spread, as in `predictor.Matches`."""
        return self.xy, self.seen, self.scale
