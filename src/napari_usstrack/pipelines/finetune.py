"""SpeckNet adapted to tracks from files; what came of it is written with the weights."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.io.atomic import beside, check_writable
from napari_usstrack.pipelines.curated_files import Curated
from napari_usstrack.pipelines.learn import PARTS, Told
from napari_usstrack.pipelines.learn_files import score_words, surroundings, write_card

if TYPE_CHECKING:
    from napari_usstrack.models.weights import Weights
    from napari_usstrack.training.adapt import Adapted, Adapting, AdaptPlan
    from napari_usstrack.training.lab import Bools, Held, Lab

ENDING = ".safetensors"


@dataclass(frozen=True, eq=False)
class Finetuned:
    """What was adapted, to what, and how it went.

    Attributes
    ----------
    adapted : Adapted
    learned, points, clips : int
        Labels that were learned from, their points, and clips.
    held_out : str
        Which labels were not.
    """

    adapted: Adapted
    learned: int
    points: int
    clips: int
    held_out: str


def weights_to_adapt(path: Path | None, device: str) -> Weights:
    """Load weights, the shipped ones unless others are named.

    Raises
    ------
    UsstrackError
        If there are none, or they cannot be read.
    """
    from napari_usstrack.models.weights import load, shipped

    if path is None and not shipped():
        raise UsstrackError(
            "this installation comes without weights of SpeckNet; name a file with --weights, such "
            "as the specknet.safetensors that usstrack pretrain writes"
        )
    return load(path, device)


def plan_of(minutes: float, seed: int, device: str) -> AdaptPlan:
    """Plan an adaptation.

    Raises
    ------
    UsstrackError
        If the device is not there.
    """
    from napari_usstrack.models.devices import usable
    from napari_usstrack.training.adapt import AdaptPlan

    return AdaptPlan(minutes=minutes, seed=seed, device=usable(device))


def check_output(output: Path, inputs: Sequence[Path]) -> None:
    """Refuse weights that are an input, have the wrong ending or cannot be written."""
    if output.suffix.lower() != ENDING:
        raise UsstrackError(f"{output} has the wrong ending; weights are written as {ENDING}")
    if output.resolve() in [path.resolve() for path in inputs]:
        raise UsstrackError(f"{output} is an input; choose another name for the result")
    check_writable(output)
    check_writable(beside(output, ".json"))


def finetune(
    sources: Sequence[Curated], weights: Weights, plan: AdaptPlan, output: Path
) -> Generator[Told, None, Finetuned]:
    """Adapt weights to tracks, and write whichever are better at held-out labels.

    Parameters
    ----------
    sources : sequence of Curated
    weights : Weights
    plan : training.adapt.AdaptPlan
    output : Path
        Gets the weights; a card lies beside it as ``.json``.

    Raises
    ------
    UsstrackError
        If there is too little to learn from or nothing to hold out, or a file
        cannot be written.
    """
    from napari_usstrack.training.adapt import adapt
    from napari_usstrack.training.checkpoints import write_weights
    from napari_usstrack.training.lab import held_out

    labs = yield from _labs(sources)
    held, rule = held_out(labs)
    counts = _counts(sources, labs, held, plan.device)
    work = adapt(weights.network, labs, held, plan)
    try:
        while True:
            try:
                report = next(work)
            except StopIteration as stop:
                adapted: Adapted = stop.value
                break
            yield _told(report, plan)
    finally:
        work.close()
    found = Finetuned(adapted, *counts, held_out=rule)
    card = _card(found, weights, plan)
    digest = write_weights(adapted.network, output, card)
    write_card(beside(output, ".json"), {**card, "file": output.name, "sha256": digest})
    return found


def _labs(sources: Sequence[Curated]) -> Generator[Told, None, list[Lab]]:
    from napari_usstrack.training.lab import lab_clip

    labs: list[Lab] = []
    for source in sources:
        work = lab_clip(source.video, source.tracks, source.use)
        while True:
            try:
                count = next(work)
            except StopIteration as stop:
                if stop.value is not None:
                    labs.append(stop.value)
                break
            yield Told(0, PARTS, text=f"reading {source.clip.name}: {count} frames")
    return labs


def _counts(
    sources: Sequence[Curated], labs: Sequence[Lab], held: Sequence[Bools], device: str
) -> tuple[int, int, int]:
    """Labels, points and clips to learn from."""
    from napari_usstrack.training.lab import Trial, to_learn

    clips = [to_learn(lab, own, "cpu") for lab, own in zip(labs, held, strict=True)]
    kept = [clip for clip in clips if clip is not None]
    if not kept or not Trial(labs, held, device).labels:
        named = ", ".join(str(source.path) for source in sources)
        raise UsstrackError(
            f"{named}: too few labels to learn from some and hold out others; label four points "
            "in several frames, or a few points in at least four"
        )
    labels = sum(int(clip.seen.sum()) for clip in kept)
    return labels, sum(clip.seen.shape[1] for clip in kept), len(kept)


def _told(report: Adapting, plan: AdaptPlan) -> Told:
    if report.preparing:
        return Told(0, PARTS, text=report.preparing)
    done = min(int(PARTS * report.minutes / plan.minutes), PARTS)
    left = max(plan.minutes - report.minutes, 0.0)
    news = ""
    if report.held is not None:
        news = f"{report.minutes:.1f} min, step {report.step}, held out: {held_words(report.held)}"
    return Told(done, PARTS, text=f"{left:.1f} min left, loss {report.loss:.2f}", news=news)


def held_words(held: Held) -> str:
    """Errors at held-out labels with units."""
    words = []
    for name, px, mm in (
        ("median", held.median_px, held.median_mm),
        ("mean", held.mean_px, held.mean_mm),
    ):
        words.append(f"{name} {px:.2f} px" + ("" if mm is None else f" ({mm:.3f} mm)"))
    return ", ".join(words)


def lines(found: Finetuned) -> list[tuple[str, str]]:
    """Tell what came of it, as labels and sentences with units."""
    made = found.adapted
    kept = (
        "the adapted network"
        if made.better
        else "the network as it was, since no trial was nearer to the held-out labels in the mean"
    )
    return [
        ("learned", f"{found.learned} labels of {found.points} points in {found.clips} clips"),
        ("held out", f"{found.held_out}: {made.before.labels} labels"),
        ("before", held_words(made.before)),
        ("adapted", f"{held_words(made.after)}, best of all trials"),
        (
            "others",
            f"generated clips before: {score_words(made.generated_before)}; adapted: "
            f"{score_words(made.generated_after)}",
        ),
        ("kept", kept),
        (
            "note",
            "the held-out labels also chose when to stop, so new clips are a fairer test: "
            "usstrack evaluate",
        ),
    ]


def _card(found: Finetuned, weights: Weights, plan: AdaptPlan) -> dict[str, Any]:
    """The facts of the weights before, and this; no names of clips or points."""
    made = found.adapted
    facts = {key: value for key, value in weights.facts.items() if key != "state"}
    settings = asdict(plan)
    device = settings.pop("device")
    new = {
        "from_sha256": weights.sha256,
        "kept": "adapted" if made.better else "as it was",
        "recipe": "impartial",
        "settings": settings,
        "steps": made.steps,
        "minutes": round(made.minutes, 3),
        "learned": {"labels": found.learned, "points": found.points, "clips": found.clips},
        "held_out": {
            "before": made.before._asdict(),
            "adapted": made.after._asdict(),
        },
        "generated": {
            "before": made.generated_before._asdict(),
            "adapted": made.generated_after._asdict(),
        },
        **surroundings({"device": device}),
    }
    network = weights.network.settings.plain()
    return {**facts, "network": network, "finetuned": [*facts.get("finetuned", []), new]}
