"""A pool of training clips that is renewed bit by bit and kept on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from napari_usstrack.training.clips import TrainingClip

Make = Callable[[int], TrainingClip]


class Pool:
    """The latest clips of an endless numbered row.

    Parameters
    ----------
    make : callable
        Number to clip; the same number gives the same clip.
    size : int
        Clips kept.
    folder : Path, optional
        Where clips lie between runs.
    device : str or torch.device
    """

    def __init__(
        self, make: Make, size: int, folder: Path | None, device: str | torch.device
    ) -> None:
        self._make, self._size, self._folder = make, size, folder
        self._device = torch.device(device)
        self._clips: dict[int, TrainingClip] = {}
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def fill(self, newest: int) -> Iterator[int]:
        """Hold the clips up to a number; yields after each that was made or read."""
        wanted = range(max(0, newest + 1 - self._size), newest + 1)
        for number in [n for n in self._clips if n not in wanted]:
            del self._clips[number]
            if self._folder is not None:
                self._file(number).unlink(missing_ok=True)
        for number in wanted:
            if number not in self._clips:
                self._clips[number] = self._got(number)
                yield number

    def pick(self, random: np.random.Generator) -> TrainingClip:
        """Any of the clips."""
        numbers = sorted(self._clips)
        return self._clips[numbers[int(random.integers(len(numbers)))]]

    def _got(self, number: int) -> TrainingClip:
        if self._folder is None:
            return self._make(number)
        path = self._file(number)
        if path.exists():
            return read_clip(path, self._device)
        clip = self._make(number)
        part = path.with_suffix(".part.npz")
        np.savez(
            part,
            frames=clip.frames.cpu().numpy(),
            xy=clip.xy.cpu().numpy(),
            seen=clip.seen.cpu().numpy(),
            mm_per_px=clip.mm_per_px,
            scene=np.array(clip.scene),
        )
        part.replace(path)
        return clip

    def _file(self, number: int) -> Path:
        assert self._folder is not None
        return self._folder / f"clip-{number}.npz"


def read_clip(path: Path, device: torch.device) -> TrainingClip:
    """Read a clip of a pool."""
    with np.load(path) as kept:
        return TrainingClip(
            frames=torch.from_numpy(kept["frames"]).to(device),
            xy=torch.from_numpy(kept["xy"]).to(device),
            seen=torch.from_numpy(kept["seen"]).to(device),
            mm_per_px=float(kept["mm_per_px"]),
            scene=str(kept["scene"]),
        )
