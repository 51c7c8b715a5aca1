"""One plain training loop that stops and goes on anywhere."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_usstrack.models.specknet import SpeckNet, SpeckNetSettings
from napari_usstrack.training.checkpoints import Checkpoint
from napari_usstrack.training.clips import TrainingClip, drawn_clip
from napari_usstrack.training.losses import Losses
from napari_usstrack.training.pool import Pool
from napari_usstrack.training.recipes import RECIPES, Recipe
from napari_usstrack.training.steps import learn, matched, optimizer_of, set_rate, varied
from napari_usstrack.training.validation import Scores, validate, validation_clips


@dataclass(frozen=True)
class Plan:
    """How long and with how much training goes on.

    Attributes
    ----------
    recipe : Recipe
    network : SpeckNetSettings
    minutes : float
        Length of the whole training; the rate of learning falls to nothing at
        its end.
    seed : int
    side : int
        Side of the pictures that are trained on, px, a multiple of 16.
    clips, frames, points : int
        Clips in a step, frames of each, and points at most.
    pool, renew_every : int
        Clips kept; a new one replaces the oldest every so many steps.
    rate : float
        Largest rate of learning.
    validate_min : float
        Minutes between validations.
    device : str
    """

    recipe: Recipe
    network: SpeckNetSettings = field(default_factory=SpeckNetSettings)
    minutes: float = 80.0
    seed: int = 0
    side: int = 192
    clips: int = 3
    frames: int = 6
    points: int = 64
    pool: int = 96
    renew_every: int = 4
    rate: float = 4e-3
    validate_min: float = 5.0
    device: str = "cpu"

    def plain(self) -> dict[str, Any]:
        """All of it but the device as plain values, for files."""
        return {
            "recipe": self.recipe.name,
            "network": self.network.plain(),
            "seed": self.seed,
            "side_px": self.side,
            "batch": [self.clips, self.frames, self.points],
            "pool": [self.pool, self.renew_every],
            "rate": self.rate,
            "planned_minutes": self.minutes,
            "validate_minutes": self.validate_min,
        }

    @classmethod
    def of(cls, facts: Mapping[str, Any], device: str) -> Plan:
        """Read what `plain` wrote."""
        clips, frames, points = facts["batch"]
        pool, renew_every = facts.get("pool", (cls.pool, cls.renew_every))
        return cls(
            RECIPES[facts["recipe"]],
            SpeckNetSettings(**facts["network"]),
            minutes=facts["planned_minutes"],
            seed=facts["seed"],
            side=facts["side_px"],
            clips=clips,
            frames=frames,
            points=points,
            pool=pool,
            renew_every=renew_every,
            rate=facts["rate"],
            validate_min=facts.get("validate_minutes", cls.validate_min),
            device=device,
        )


@dataclass(frozen=True)
class Report:
    """What a step of training came to.

    Attributes
    ----------
    step : int
    minutes : float
        Minutes of training so far, over all pieces.
    loss, error_px : float
        Of this step; the error is the median.
    rate : float
        Rate of learning.
    scores : Scores or None
        After a validation.
    preparing : str
        Set instead of the rest while clips are made.
    """

    step: int
    minutes: float
    loss: float = math.nan
    error_px: float = math.nan
    rate: float = 0.0
    scores: Scores | None = None
    preparing: str = ""


Training = Generator[Report, None, Checkpoint]


def train(plan: Plan, folder: Path, *, piece_min: float = math.inf) -> Training:
    """Train, or go on with the training whose checkpoint lies in a folder.

    Parameters
    ----------
    plan : Plan
    folder : Path
        Gets ``checkpoint.safetensors`` (every validation, and on stopping), the
        best so far as ``best.safetensors``, and the pool of clips.
    piece_min : float
        Stop after so many minutes of this call.

    Yields
    ------
    Report

    Returns
    -------
    Checkpoint
        The last state; the training is over when its minutes have reached the plan's.
    """
    run = _Run(plan, folder)
    begun = time.monotonic()
    try:
        run.save()  # so that clips never lie in a folder without the plan they were made for
        yield from run.prepare()
        while not run.over and time.monotonic() - begun < 60.0 * piece_min:
            yield run.step()
    finally:
        run.save()
    return run.state


class _Run:
    """Everything that changes while training."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan, self.folder = plan, folder
        torch.manual_seed(plan.seed)
        self.network = SpeckNet(plan.network).to(plan.device)
        self.optimizer = optimizer_of(self.network, plan.rate)
        self.state = Checkpoint.resumed(folder, self.network, self.optimizer)
        self.pool = Pool(self._made, plan.pool, folder / "clips", plan.device)
        self._validated = self.state.scores[-1][1] if self.state.scores else 0.0
        self._held: list[TrainingClip] = []

    @property
    def over(self) -> bool:
        """Whether the time that was planned has passed."""
        return self.state.minutes >= self.plan.minutes

    def prepare(self) -> Generator[Report, None, None]:
        """Make the clips that are needed at once."""
        plan, state = self.plan, self.state
        for number in self.pool.fill(plan.pool - 1 + state.step // plan.renew_every):
            yield Report(state.step, state.minutes, preparing=f"training clip {number}")
        for clip in validation_clips(plan.device):
            self._held.append(clip)
            yield Report(state.step, state.minutes, preparing=f"validation on {clip.scene}")

    def step(self) -> Report:
        """Learn from a few clips once; validate where it is time."""
        begun = time.monotonic()
        plan, state = self.plan, self.state
        random = np.random.default_rng([plan.seed, 1, state.step])
        for _ in self.pool.fill(plan.pool - 1 + state.step // plan.renew_every):
            pass
        rate = self._rate()
        found = self._losses(random)
        learn(self.network, self.optimizer, found)
        state.step += 1
        state.minutes += (time.monotonic() - begun) / 60.0
        scores = self._scores()
        error = float(found.error_px.median()) if len(found.error_px) else math.nan
        report = Report(state.step, state.minutes, float(found.total.detach()), error, rate, scores)
        state.note(report.loss, error, rate)
        if scores is not None:
            self.save()
        return report

    def save(self) -> None:
        """Write the present state."""
        self.state.write(self.folder, self.network, self.optimizer, self._facts())

    def _facts(self) -> dict[str, Any]:
        return {
            **self.plan.plain(),
            "device": _device_name(self.plan.device),
            "threads": torch.get_num_threads(),
        }

    def _rate(self) -> float:
        """One cycle by planned time."""
        part = min(self.state.minutes / self.plan.minutes, 1.0)
        return set_rate(self.optimizer, self.plan.rate, part)

    def _losses(self, random: np.random.Generator) -> Losses:
        """What the network makes of a few clips of the pool."""
        plan = self.plan
        while True:
            clips = [self._clip(random) for _ in range(plan.clips)]
            found = matched(self.network, clips, self._query, plan.points, random)
            if found is not None:
                return found

    def _clip(self, random: np.random.Generator) -> TrainingClip:
        plan = self.plan
        for _ in range(20):
            clip = varied(self.pool.pick(random), plan.recipe, plan.frames, plan.side, random)
            if clip.seen.any(dim=0).sum() >= 8:
                break
        return clip

    def _query(self, _clip: TrainingClip, random: np.random.Generator) -> int:
        chance, frames = random.random(), self.plan.frames
        if self.plan.recipe.query == "first" or chance < 0.2:
            return 0
        return int(0.72 * frames) if chance < 0.4 else int(random.integers(frames))

    def _made(self, number: int) -> TrainingClip:
        plan, recipe = self.plan, self.plan.recipe
        return drawn_clip(
            1_000_000 * (plan.seed + 1) + number,
            frames=2 * plan.frames,
            mix=recipe.mix,
            orientation=recipe.orientation,
            device=plan.device,
        )

    def _scores(self) -> Scores | None:
        due = self.state.minutes - self._validated >= self.plan.validate_min
        if not (due or self.over):
            return None
        self._validated = self.state.minutes
        scores = validate(self.network, self._held)
        self.state.judged(scores)
        if self.state.best_is_last:
            self.state.write(self.folder, self.network, None, self._facts(), best=True)
        return scores


def _device_name(device: str) -> str:
    if device.startswith("cuda"):
        return torch.cuda.get_device_name()
    return f"{device}, {torch.get_num_threads()} threads"
