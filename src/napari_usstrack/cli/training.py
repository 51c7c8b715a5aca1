"""The commands ``pretrain`` and ``finetune``."""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from napari_usstrack.cli.parts import Rate, Scale, spacing_of

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_usstrack.pipelines.learn import Told

T = TypeVar("T")
PRETRAIN_EXAMPLE = "Example: usstrack pretrain --recipe impartial --minutes 80 --output training"
FINETUNE_EXAMPLE = (
    "Example: usstrack finetune trial01.mp4.usstrack.json trial02.mp4.usstrack.json "
    "--weights training/specknet.safetensors --output lab.safetensors"
)
INTERRUPTED = 130
BAR = 20


class Recipe(StrEnum):
    """How training clips come about."""

    PLAIN = "plain"
    IMPARTIAL = "impartial"


class Device(StrEnum):
    """Where the network is trained."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"


OnDevice = Annotated[Device, typer.Option(help="Where to train; auto takes a GPU if there is one.")]
Folder = Annotated[
    Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder of the training.")
]
Curated = Annotated[
    list[Path],
    typer.Argument(
        metavar="TRACKS",
        help="Projects, or tables with --clip. Positions that a person placed or accepted count.",
    ),
]
Weights = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE", help=".safetensors file to write.")
]
Before = Annotated[
    Path | None,
    typer.Option(
        "--weights", metavar="FILE", help="Weights to adapt; by default the shipped ones."
    ),
]
Clips = Annotated[
    list[Path] | None,
    typer.Option("--clip", help="Video of the tables: once for all, or once for each; repeatable."),
]
Run = Annotated[
    str | None,
    typer.Option("--run", metavar="NAME", help="Run of the projects that counts as true, too."),
]
Points = Annotated[
    str, typer.Option("--points", metavar="NAME,...", help="Points to use; by default all.")
]


def pretrain(
    output: Folder,
    recipe: Annotated[
        Recipe | None,
        typer.Option(help="Clips with motion in all directions alike, or as drawn; impartial."),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Length of the whole training; 80 unless told otherwise.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the training in the folder.")
    ] = False,
    piece_minutes: Annotated[
        float | None, typer.Option(help="Stop after so many minutes; --resume goes on.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Same seed, same clips.")] = None,
    device: OnDevice = Device.AUTO,
) -> None:
    """Train the network SpeckNet from nothing, on generated clips alone."""
    from napari_usstrack.pipelines import learn

    if piece_minutes is not None:
        learn.check_minutes(piece_minutes, "--piece-minutes")
    plan = learn.planned(
        output,
        resume=resume,
        recipe=None if recipe is None else recipe.value,
        minutes=minutes,
        seed=seed,
        device=device.value,
    )
    piece = float("inf") if piece_minutes is None else piece_minutes
    again = f"usstrack pretrain --resume --output {output}"
    try:
        found = _show(learn.pretrain(plan, output, piece_min=piece), "Training")
    except KeyboardInterrupt:
        typer.echo(f"Stopped; all is kept. Go on with: {again}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    _tell_training(output, found.facts, found.files)
    if not found.over:
        typer.echo(f"  {'to do':<9}until {plan.minutes:g} min; go on with: {again}")


def finetune(
    tracks: Curated,
    output: Weights,
    weights: Before = None,
    minutes: Annotated[float, typer.Option(help="At most so long.")] = 10.0,
    clip: Clips = None,
    run_name: Run = None,
    points: Points = "",
    seed: Annotated[int, typer.Option(min=0, help="Of the order of clips and changes.")] = 0,
    device: OnDevice = Device.AUTO,
    mm_per_px: Scale = None,
    fps: Rate = None,
) -> None:
    """Adapt SpeckNet to your own tracks; keeps the old weights where they are better."""
    from napari_usstrack.pipelines import finetune as adapting
    from napari_usstrack.pipelines.curated_files import read_curated
    from napari_usstrack.pipelines.learn import check_minutes

    check_minutes(minutes, "--minutes")
    adapting.check_output(output, [*tracks, *(clip or []), *([] if weights is None else [weights])])
    plan = adapting.plan_of(minutes, seed, device.value)
    before = adapting.weights_to_adapt(weights, plan.device)
    names = [name.strip() for name in points.split(",") if name.strip()]
    sources = read_curated(
        *(tracks, clip or []),
        run=run_name,
        names=names,
        spacing_mm=spacing_of(mm_per_px),
        fps=fps,
    )
    try:
        found = _show(adapting.finetune(sources, before, plan, output), "Adapting")
    except KeyboardInterrupt:
        typer.echo("Stopped; nothing was written.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    typer.echo(f"{output}: {found.adapted.steps} steps in {found.adapted.minutes:.1f} min")
    for label, text in adapting.lines(found):
        typer.echo(f"  {label:<9}{text}")


def _tell_training(output: Path, facts: dict[str, Any], files: tuple[str, ...]) -> None:
    from napari_usstrack.pipelines.learn_files import score_words
    from napari_usstrack.training.checkpoints import Checkpoint

    state = Checkpoint(**facts["state"])
    typer.echo(f"{output}: {', '.join(files)}")
    how = f"recipe {facts['recipe']}, seed {facts['seed']}"
    typer.echo(f"  {'trained':<9}{state.step} steps in {state.minutes:.1f} min, {how}")
    if state.best is not None:
        step, _minutes, *scores = state.best
        typer.echo(f"  {'best':<9}step {step}, validation: {score_words(scores)}")


def _show(work: Generator[Told, None, T], title: str) -> T:
    """Run work to its end behind a bar with words on stderr; without a terminal, its news alone."""
    shown = sys.stderr.isatty()
    try:
        with _patience() as asked:
            while True:
                try:
                    told = next(work)
                except StopIteration as stop:
                    result: T = stop.value
                    return result
                if told.news:
                    typer.echo(f"{_over('')}\r{told.news}" if shown else told.news, err=True)
                if shown:
                    typer.echo(_over(_bar(told, title)), err=True, nl=False)
                if asked():
                    raise KeyboardInterrupt
    finally:
        work.close()
        if shown:
            typer.echo(err=True)


def _bar(told: Told, title: str) -> str:
    share = told.done / max(told.total, 1)
    full = "#" * int(BAR * share)
    return f"{title}  [{full:-<{BAR}}]  {100 * share:3.0f}%  {told.text}"


def _over(text: str) -> str:
    """Text that takes the place of the line before."""
    room = shutil.get_terminal_size().columns - 1
    return f"\r{text[:room]:<{room}}"


@contextmanager
def _patience() -> Iterator[Callable[[], bool]]:
    """Let the first Ctrl+C end what is going on at the next step, the second at once."""
    asked = False

    def ask(_number: int, _frame: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)
