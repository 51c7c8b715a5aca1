"""Noise that is the same on every device and costs nothing per frame."""

from __future__ import annotations

import numpy as np
import torch


class NoisePool:
    """Complex normal numbers drawn once, handed out from a random place each time.

    Generators of different devices draw different numbers, so the pool is
    drawn by NumPy and moved. A piece is long against any correlation in it.

    Parameters
    ----------
    random : numpy Generator
        Draws the pool and, later, the places.
    longest : int
        Most numbers asked for at once.
    device : torch.device
        Where the numbers are wanted.
    """

    def __init__(self, random: np.random.Generator, longest: int, device: torch.device) -> None:
        self._random = random
        size = 2 * longest + 65536
        drawn = random.standard_normal((2, size), dtype=np.float32)
        self._pool = torch.from_numpy(drawn).to(device)

    def normal(self, count: int) -> torch.Tensor:
        """A view (2, count): real and imaginary parts of unit variance each."""
        start = int(self._random.integers(self._pool.shape[1] - count))
        return self._pool[:, start : start + count]
