"""Any TorchScript point tracker behind our own `Tracker` protocol.

The scripted module is called once per clip::

    tracks, visibility = module(frames, queries)

============ ================= ================================================
frames       float32           ``[1, T, C, H, W]``, grey 0 to 255, C is 1 or 3
queries      float32           ``[1, N, 3]``: frame from 0, x, y
tracks       floating point    ``[1, T, N, 2]``: x, y
visibility   float or bool     ``[1, T, N]``: 0 to 1, visible above 0.5
============ ================= ================================================

Positions are px of the frames that the module is given, x to the right, y
down, and an integer is a pixel centre.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.coords import Resize
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracker import Progress, Queries, Traits, Work
from napari_usstrack.core.tracks import Cells, Source
from napari_usstrack.core.video import Video

SEEN = 0.5


@dataclass(frozen=True)
class TorchScriptTracker:
    """A TorchScript file as a tracker.

    Parameters
    ----------
    path : Path
        File written by ``torch.jit.save``.
    channels : {1, 3}
        Channels of the frames; with 3 the grey picture stands in each.
    size : tuple of int, optional
        Width and height that the module wants, px. Frames are resized to it
        (bilinear, antialiased), queries and answers along with them.
    device : str
        Where it runs, as torch names it ("cpu", "cuda").
    """

    path: Path
    channels: Literal[1, 3] = 1
    size: tuple[int, int] | None = None
    device: str = "cpu"
    traits: Traits = field(init=False)

    def __post_init__(self) -> None:
        name = f"torchscript {self.path.name}"
        summary = "A network given as a TorchScript file."
        traits = Traits(name, Source.MODEL, "clip", bound_px=float("inf"), summary=summary)
        object.__setattr__(self, "traits", traits)

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings in force, plain values, with the fingerprint of the file."""
        return {
            "file": self.path.name,
            "sha256": self._digest,
            "channels": self.channels,
            "size": None if self.size is None else list(self.size),
            "device": self.device,
        }

    @cached_property
    def _digest(self) -> str:
        try:
            return hashlib.sha256(self.path.read_bytes()).hexdigest()
        except OSError as error:
            reason = error.strerror or error
            raise UsstrackError(f"{self.path} cannot be read ({reason}); check the path") from error

    @cached_property
    def module(self) -> Any:
        """The loaded module, ready to be called.

        Raises
        ------
        UsstrackError
            If the file is missing or no TorchScript.
        """
        import torch

        if not self.path.is_file():
            raise UsstrackError(f"{self.path} does not exist; check the name and the folder")
        try:
            with warnings.catch_warnings():
                # PyTorch advises those who write such files to write others; we only read them.
                warnings.filterwarnings("ignore", r".torch\.jit", DeprecationWarning)
                return torch.jit.load(str(self.path), map_location=self.device).eval()
        except (RuntimeError, ValueError) as error:
            raise UsstrackError(
                f"{self.path} cannot be loaded as TorchScript ({_first_line(error)}); write it "
                "with torch.jit.save"
            ) from error

    def track(self, video: Video, queries: Queries, span: range) -> Work[Cells]:
        """Follow queries through the whole span in one call of the module.

        A query outside the span has no answer. Query cells are put back as
        they were given.
        """
        yield Progress(0, 1)
        frames = video.frames(span)
        rows = np.clip(queries.frame - span.start, 0, len(span) - 1)
        if len(queries):
            size = video.info.width, video.info.height
            xy, seen = self._answer(frames, rows, queries.xy, size)
        else:
            xy, seen = np.full((len(span), 0, 2), np.nan), np.zeros((len(span), 0))
        inside = (queries.frame >= span.start) & (queries.frame < span.stop)
        xy[~(queries.asked(span) & inside)] = np.nan
        at = np.flatnonzero(inside)
        xy[rows[at], at], seen[rows[at], at] = queries.xy[at], 1.0
        yield Progress(1, 1)
        seen = np.clip(np.nan_to_num(seen), 0.0, 1.0)
        return Cells.placed(xy, Source.MODEL, confidence=seen, visible=seen > SEEN)

    def _answer(
        self,
        frames: NDArray[np.uint8],
        rows: NDArray[np.intp],
        xy: NDArray[np.float64],
        size: tuple[int, int],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Positions ``[frames, queries, 2]``, px of the clip; visibility ``[frames, queries]``."""
        import torch

        grid = Resize(size, self.size or size)
        asked = np.column_stack([rows, grid.forward(xy)])
        with torch.inference_mode():
            pictures = self._pictures(frames)
            points = torch.from_numpy(asked).float()[None].to(self.device)
            try:
                tracks, seen = self.module(pictures, points)
                placed = tracks.double().cpu().numpy()
                sure = seen.double().cpu().numpy()
            except (RuntimeError, ValueError, TypeError, AttributeError, torch.jit.Error) as error:
                raise UsstrackError(
                    f"{self.path.name} did not accept frames {list(pictures.shape)} and queries "
                    f"{list(points.shape)} ({_first_line(error)}); see docs/benchmark.md for what "
                    "it is given"
                ) from error
        wanted = 1, len(frames), len(xy)
        if placed.shape != (*wanted, 2) or sure.shape != wanted:
            raise UsstrackError(
                f"{self.path.name} answered with shapes {list(placed.shape)} and "
                f"{list(sure.shape)}; it must give tracks {[*wanted, 2]} and visibility "
                f"{list(wanted)}"
            )
        placed[~np.isfinite(placed).all(axis=-1)] = np.nan
        return grid.backward(placed[0]), sure[0].copy()

    def _pictures(self, frames: NDArray[np.uint8]) -> Any:
        import torch

        pictures = torch.from_numpy(np.array(frames)).to(self.device).float()[:, None]
        if self.size is not None:
            width, height = self.size
            pictures = torch.nn.functional.interpolate(
                pictures, (height, width), mode="bilinear", antialias=True, align_corners=False
            )
        return pictures.expand(-1, self.channels, -1, -1)[None].contiguous()


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip()[:160] if lines else type(error).__name__
