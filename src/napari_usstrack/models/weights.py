"""Networks from files, with what is known of their training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.models.files import SPECKNET
from napari_usstrack.models.specknet import SpeckNet, SpeckNetSettings

KEY = "usstrack"


@dataclass(frozen=True, eq=False)
class Weights:
    """A network ready for use.

    Attributes
    ----------
    network : SpeckNet
        In evaluation mode, on the device that was asked for.
    sha256 : str
        Fingerprint of the file.
    facts : mapping
        Recipe, seed, steps, minutes, scores: what the training wrote down.
    """

    network: SpeckNet
    sha256: str
    facts: Mapping[str, Any]


def shipped() -> bool:
    """Whether this installation has weights of its own."""
    return SPECKNET.is_file()


def load(path: Path | None = None, device: str = "cpu") -> Weights:
    """Read a network; the shipped one unless told otherwise.

    Raises
    ------
    UsstrackError
        If the file is missing or holds something else.
    """
    path = SPECKNET if path is None else path
    if not path.is_file():
        raise UsstrackError(f"{path} does not exist; check the name and the folder")
    stamp = path.stat()
    return _read(path, device, (stamp.st_mtime_ns, stamp.st_size))


@lru_cache(maxsize=4)
def _read(path: Path, device: str, _stamp: tuple[int, int]) -> Weights:
    try:
        with safe_open(path, "pt", device=device) as kept:
            facts = json.loads((kept.metadata() or {}).get(KEY, "{}"))
            tensors = {name: kept.get_tensor(name) for name in kept.keys()}  # noqa: SIM118
    except (SafetensorError, json.JSONDecodeError) as error:
        raise UsstrackError(
            f"{path} cannot be read as weights ({error}); give a .safetensors file that "
            "usstrack pretrain or finetune wrote"
        ) from error
    known = [each.name for each in fields(SpeckNetSettings)]
    given = {k: v for k, v in facts.get("network", {}).items() if k in known}
    with torch.random.fork_rng(devices=[]):
        network = SpeckNet(SpeckNetSettings(**given))
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise UsstrackError(
            f"{path} holds other layers than this version's SpeckNet; give a .safetensors file "
            "that usstrack pretrain or finetune wrote"
        ) from error
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Weights(network.to(torch.device(device)).eval(), digest, facts)
