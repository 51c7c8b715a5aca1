"""Where a network runs."""

from __future__ import annotations

import torch

from napari_usstrack.core.errors import UsstrackError


def usable(wanted: str) -> str:
    """The device that is meant by "auto", or the one that is asked for.

    Raises
    ------
    UsstrackError
        If this machine or this PyTorch has none.
    """
    device = wanted
    if wanted == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(device, False):
        raise UsstrackError(
            f"the device '{device}' is not there for PyTorch; choose the device cpu, or auto"
        )
    return device
