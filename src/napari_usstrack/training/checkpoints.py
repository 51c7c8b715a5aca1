"""States of a training on disk: weights, optimizer, history, scores."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.io.atomic import replacing
from napari_usstrack.models.weights import KEY
from napari_usstrack.training.validation import Scores

LAST, BEST = "checkpoint.safetensors", "best.safetensors"
SMOOTH = 0.98
"""Weight of the past in the loss that is kept."""
EVERY = 20
"""Steps between two entries of the history."""


@dataclass
class Checkpoint:
    """How far a training has come.

    Attributes
    ----------
    step : int
    minutes : float
        Over all pieces.
    history : list of list of float
        ``[step, minutes, loss, median error px, rate]``, averaged over steps.
    scores : list of list of float
        ``[step, minutes, median px, mean px, delta %]`` of each validation.
    """

    step: int = 0
    minutes: float = 0.0
    history: list[list[float]] = field(default_factory=list)
    scores: list[list[float]] = field(default_factory=list)
    running: list[float] = field(default_factory=list)

    @classmethod
    def resumed(
        cls, folder: Path, network: nn.Module, optimizer: torch.optim.Optimizer
    ) -> Checkpoint:
        """Put the state of a folder into network and optimizer; a new one where there is none."""
        path = folder / LAST
        if not path.exists():
            return cls()
        device = next(network.parameters()).device
        with safe_open(path, "pt", device=str(device)) as kept:
            facts = json.loads(kept.metadata()[KEY])
            tensors = {name: kept.get_tensor(name) for name in kept.keys()}  # noqa: SIM118
        network.load_state_dict(_within(tensors, "network."))
        _restore(optimizer, network, tensors)
        return cls(**facts["state"])

    def write(
        self,
        folder: Path,
        network: nn.Module,
        optimizer: torch.optim.Optimizer | None,
        facts: dict[str, Any],
        *,
        best: bool = False,
    ) -> None:
        """Write all of it beside and put it in place, so that a whole file is always there."""
        folder.mkdir(parents=True, exist_ok=True)
        prefix = "" if optimizer is None else "network."
        tensors = {f"{prefix}{k}": v.contiguous() for k, v in network.state_dict().items()}
        if optimizer is not None:
            tensors |= _moments(optimizer, network)
        state = {
            "step": self.step,
            "minutes": self.minutes,
            "history": self.history,
            "scores": self.scores,
            "running": self.running,
        }
        path = folder / (BEST if best else LAST)
        part = path.with_suffix(".part")
        save_file(tensors, part, {KEY: json.dumps({**facts, "state": state})})
        part.replace(path)

    def note(self, loss: float, error_px: float, rate: float) -> None:
        """Add a step to the history."""
        new = [loss, error_px]
        self.running = [
            _smoothed(old, value) for old, value in zip(self.running or new, new, strict=True)
        ]
        if self.step % EVERY == 0:
            self.history.append([self.step, self.minutes, *self.running, rate])

    def judged(self, scores: Scores) -> None:
        """Add a validation."""
        self.scores.append([self.step, self.minutes, *scores])

    @property
    def best(self) -> list[float] | None:
        """The validation with the smallest mean error, the latest of equals."""
        return min(reversed(self.scores), key=lambda row: row[3], default=None)

    @property
    def best_is_last(self) -> bool:
        """Whether no validation before the last found a smaller mean error."""
        means = [row[3] for row in self.scores]
        return means[-1] <= min(means)


def facts_in(folder: Path) -> dict[str, Any] | None:
    """What the checkpoint of a folder says of its training; None where there is none.

    Raises
    ------
    UsstrackError
        If it is damaged.
    """
    path = folder / LAST
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as kept:
            facts: dict[str, Any] = json.loads(kept.metadata()[KEY])
        Checkpoint(**facts["state"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise UsstrackError(
            f"{path} cannot be read as a checkpoint ({error}); train anew in another folder"
        ) from error
    return facts


def write_weights(network: nn.Module, path: Path, facts: Mapping[str, Any]) -> str:
    """Write a network for `models.weights.load`, whole or not at all; returns its SHA-256."""
    tensors = {name: value.contiguous() for name, value in network.state_dict().items()}
    with replacing(path) as part:
        save_file(tensors, part, {KEY: json.dumps(facts)})
        digest = hashlib.sha256(part.read_bytes()).hexdigest()
    return digest


def _smoothed(old: float, new: float) -> float:
    """A running mean; what is missing takes no part."""
    if math.isnan(new):
        return old
    return new if math.isnan(old) else SMOOTH * old + (1 - SMOOTH) * new


def _within(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _moments(optimizer: torch.optim.Optimizer, network: nn.Module) -> dict[str, torch.Tensor]:
    found = {}
    for name, parameter in network.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            found[f"optimizer.{name}.{key}"] = torch.as_tensor(value).contiguous()
    return found


def _restore(
    optimizer: torch.optim.Optimizer, network: nn.Module, tensors: dict[str, torch.Tensor]
) -> None:
    for name, parameter in network.named_parameters():
        state = _within(tensors, f"optimizer.{name}.")
        if state:
            optimizer.state[parameter] = {
                key: value.cpu() if key == "step" else value for key, value in state.items()
            }
