"""SpeckNet adapted to a laboratory's own clips, without forgetting the generated ones."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn import functional

from napari_usstrack.models.specknet import SpeckNet
from napari_usstrack.training.augment import changed
from napari_usstrack.training.clips import TrainingClip, drawn_clip
from napari_usstrack.training.lab import Bools, Held, Lab, Trial, to_learn
from napari_usstrack.training.losses import Losses
from napari_usstrack.training.pool import Pool
from napari_usstrack.training.recipes import RECIPES
from napari_usstrack.training.steps import learn, matched, optimizer_of, set_rate, varied
from napari_usstrack.training.validation import Scores, validate, validation_clips
from napari_usstrack.training.warps import still, warped

RECIPE = RECIPES["impartial"]
TISSUE = 12.0
"""Mean grey level of a place that a point is put on."""
FIRST_SEED = 500_000_000


@dataclass(frozen=True)
class AdaptPlan:
    """How a network is adapted.

    Attributes
    ----------
    minutes : float
        At most so long, trials included.
    rate : float
        Largest rate of learning.
    generated : float
        Share of clips that are generated.
    seed : int
    side, clips, frames, points : int
        As in `training.loop.Plan`.
    pool, renew_every : int
        Generated clips, as there.
    trials, trial_steps : int
        Held-out points are looked for about so often, but at most after every so
        many steps.
    patience : int
        Trials without a better one after which it ends.
    device : str
    """

    minutes: float = 10.0
    rate: float = 5e-4
    generated: float = 0.3
    seed: int = 0
    side: int = 192
    clips: int = 3
    frames: int = 6
    points: int = 64
    pool: int = 16
    renew_every: int = 12
    trials: int = 20
    trial_steps: int = 25
    patience: int = 6
    device: str = "cpu"


@dataclass(frozen=True)
class Adapting:
    """How far it has come.

    Attributes
    ----------
    minutes : float
    step : int
    loss : float
    held : Held or None
        After a trial.
    preparing : str
        Set instead of the rest before the first step.
    """

    minutes: float
    step: int
    loss: float = math.nan
    held: Held | None = None
    preparing: str = ""


@dataclass(frozen=True, eq=False)
class Adapted:
    """What came of it.

    Attributes
    ----------
    network : SpeckNet
        The better one.
    better : bool
        Whether that is the adapted one.
    before, after : Held
        Errors at held-out labels: of the network as it was, and of the best
        adapted one.
    generated_before, generated_after : Scores
        Of the same two, on generated clips.
    steps : int
    minutes : float
    """

    network: SpeckNet
    better: bool
    before: Held
    after: Held
    generated_before: Scores
    generated_after: Scores
    steps: int
    minutes: float


def adapt(
    network: SpeckNet, labs: Sequence[Lab], held: Sequence[Bools], plan: AdaptPlan
) -> Generator[Adapting, None, Adapted]:
    """Adapt a copy of a network, and keep whichever is better at held-out labels.

    Parameters
    ----------
    network : SpeckNet
        Stays as it is.
    labs, held : sequence
        From `training.lab`; something to learn and something held out.
    plan : AdaptPlan
    """
    yield Adapting(0.0, 0, preparing="looking for held-out points")
    trial = Trial(labs, held, plan.device)
    begun = time.monotonic()
    before = trial.errors(network)
    pause = max(plan.minutes / plan.trials, 4.0 * (time.monotonic() - begun) / 60.0)
    held_clips: list[TrainingClip] = []
    for clip in validation_clips(plan.device):
        held_clips.append(clip)
        yield Adapting(0.0, 0, preparing=f"generated clip to check on: {clip.scene}")
    generated_before = validate(network, held_clips)
    network.eval()
    run = _Run(network, labs, held, plan)
    yield from run.prepare()
    yield Adapting(0.0, 0, held=before)
    yield from run.learned(trial, pause)
    assert run.tried is not None
    after, state = run.tried
    run.network.load_state_dict(state)
    better = nearer(after, before)
    generated_after = validate(run.network, held_clips)
    chosen = run.network.eval() if better else network
    return Adapted(
        *(chosen, better, before, after, generated_before, generated_after),
        steps=run.step,
        minutes=run.minutes,
    )


def nearer(one: Held, other: Held) -> bool:
    """Whether the first mean error is the smaller one; one that is no number is the largest."""
    return one.mean_px < (math.inf if math.isnan(other.mean_px) else other.mean_px)


class _Run:
    """A network that is being adapted."""

    def __init__(
        self, network: SpeckNet, labs: Sequence[Lab], held: Sequence[Bools], plan: AdaptPlan
    ) -> None:
        self.plan = plan
        self.network = copy.deepcopy(network).train()
        self.optimizer = optimizer_of(self.network, plan.rate)
        clips = (to_learn(lab, own, plan.device) for lab, own in zip(labs, held, strict=True))
        self.clips = [clip for clip in clips if clip is not None]
        self.pool = Pool(self._made, plan.pool, None, plan.device)
        self.step, self.minutes = 0, 0.0
        self.tried: tuple[Held, dict[str, torch.Tensor]] | None = None

    def prepare(self) -> Generator[Adapting, None, None]:
        """Make the generated clips."""
        for number in self.pool.fill(self.plan.pool - 1):
            yield Adapting(0.0, 0, preparing=f"generated clip {number + 1} of {self.plan.pool}")

    def learned(self, trial: Trial, pause: float) -> Generator[Adapting, None, None]:
        """Learn and try, until time is over or nothing gets better."""
        plan, begun = self.plan, time.monotonic()
        tried, tried_at, since, over = 0.0, 0, 0, False
        while since < plan.patience and not over:
            loss = self._learn()
            self.minutes = (time.monotonic() - begun) / 60.0
            over = self.minutes >= plan.minutes
            due = self.minutes - tried >= pause and self.step - tried_at >= plan.trial_steps
            if not (over or due):
                yield Adapting(self.minutes, self.step, loss)
                continue
            found = trial.errors(self.network)
            since = 0 if self._noted(found) else since + 1
            tried = self.minutes = (time.monotonic() - begun) / 60.0
            tried_at = self.step
            yield Adapting(self.minutes, self.step, loss, found)

    def _noted(self, found: Held) -> bool:
        """Keep the weights if no trial before was as good."""
        if self.tried is not None and not nearer(found, self.tried[0]):
            return False
        state = {key: value.clone() for key, value in self.network.state_dict().items()}
        self.tried = found, state
        return True

    def _learn(self) -> float:
        plan = self.plan
        random = np.random.default_rng([plan.seed, 2, self.step])
        for _ in self.pool.fill(plan.pool - 1 + self.step // plan.renew_every):
            pass
        set_rate(self.optimizer, plan.rate, min(self.minutes / plan.minutes, 1.0))
        found = self._losses(random)
        learn(self.network, self.optimizer, found)
        self.step += 1
        return float(found.total.detach())

    def _losses(self, random: np.random.Generator) -> Losses:
        plan = self.plan
        while True:
            clips = [self._clip(random) for _ in range(plan.clips)]
            found = matched(self.network, clips, seen_frame, plan.points, random)
            if found is not None:
                return found

    def _clip(self, random: np.random.Generator) -> TrainingClip:
        plan = self.plan
        if random.random() < plan.generated:
            return varied(self.pool.pick(random), RECIPE, plan.frames, plan.side, random)
        clip = self.clips[int(random.integers(len(self.clips)))]
        for _ in range(20):
            shown = lab_part(clip, plan, random)
            if (shown.seen.sum(dim=0) >= 2).any():
                break
        return shown

    def _made(self, number: int) -> TrainingClip:
        plan = self.plan
        return drawn_clip(
            FIRST_SEED + 100_000 * plan.seed + number,
            frames=2 * plan.frames,
            mix=RECIPE.mix,
            orientation=RECIPE.orientation,
            device=plan.device,
        )


def lab_part(clip: TrainingClip, plan: AdaptPlan, random: np.random.Generator) -> TrainingClip:
    """Some labelled frames of a clip, or one picture warped or still, changed by the recipe."""
    chance = random.random()
    scattered = scatter(clip, plan, random) if chance < RECIPE.still + RECIPE.warped else None
    if scattered is None:
        part = clip.part(labelled_frames(clip, plan.frames, random))
    else:
        part = (still if chance < RECIPE.still else warped)(scattered, random)
    return changed(part, RECIPE.changes, plan.side, random)


def labelled_frames(clip: TrainingClip, count: int, random: np.random.Generator) -> torch.Tensor:
    """Frames in which one of the points is labelled, and if those are few some others."""
    point = int(random.integers(clip.seen.shape[1]))
    own = clip.seen[:, point].cpu().numpy()
    first, second = (random.permutation(np.flatnonzero(rows)) for rows in (own, ~own))
    rows = np.sort(np.concatenate([first, second])[:count])
    return torch.from_numpy(rows).to(clip.frames.device)


def scatter(
    clip: TrainingClip, plan: AdaptPlan, random: np.random.Generator
) -> TrainingClip | None:
    """One frame, repeated, with points all over its tissue; None where all of it is dark.

    What is warped moves exactly as it is told, so any place can be a point.
    """
    one = int(random.integers(len(clip.frames)))
    grey = clip.frames[one].float()
    mean = functional.avg_pool2d(grey[None], 17, stride=1, padding=8)[0]
    places = torch.nonzero(mean > TISSUE)
    if not len(places):
        return None
    rows = torch.from_numpy(random.integers(len(places), size=2 * plan.points)).to(places.device)
    xy = places[rows].flip(-1).float()
    xy = xy + torch.from_numpy(random.uniform(-0.5, 0.5, xy.shape)).to(xy)
    frames = clip.frames[one].expand(plan.frames, -1, -1)
    xy = xy.expand(plan.frames, -1, -1)
    seen = torch.ones(xy.shape[:2], dtype=torch.bool, device=xy.device)
    return replace(clip, frames=frames, xy=xy, seen=seen, known=None)


def seen_frame(clip: TrainingClip, random: np.random.Generator) -> int:
    """Any frame in which a point is seen."""
    rows = torch.nonzero(clip.seen.any(dim=1))[:, 0]
    return int(rows[int(random.integers(len(rows)))]) if len(rows) else 0
