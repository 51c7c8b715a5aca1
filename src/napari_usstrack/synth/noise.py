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
        drawn = torch.from_numpy(random.standard_normal((size, 2), dtype=np.float32))
        self._pool = torch.view_as_complex(drawn).to(device)

    def normal(self, count: int) -> torch.Tensor:
        """A view of `count` numbers whose real and imaginary parts have unit variance."""
        start = int(self._random.integers(len(self._pool) - count))
        return self._pool[start : start + count]
