"""Training from nothing on generated clips, in a folder that can be gone on with."""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracker import Progress
from napari_usstrack.io.atomic import check_writable, unwritable
from napari_usstrack.pipelines.canvas import folder_for
from napari_usstrack.pipelines.learn_files import CURVES, LOG, finish, record, score_words

if TYPE_CHECKING:
    from napari_usstrack.training.loop import Plan, Report

RECIPE = "impartial"
PARTS = 1000


@dataclass(frozen=True)
class Told(Progress):
    """Progress in words.

    Attributes
    ----------
    text : str
        What goes on; the next one takes its place.
    news : str
        A line worth keeping, or empty.
    """

    text: str = ""
    news: str = ""


@dataclass(frozen=True)
class Learned:
    """What a training came to.

    Attributes
    ----------
    facts : mapping
        What the checkpoint holds.
    files : tuple of str
        Names of what was written for the user.
    over : bool
        Whether all planned minutes have passed.
    """

    facts: dict[str, Any]
    files: tuple[str, ...]
    over: bool


def planned(
    folder: Path,
    *,
    resume: bool = False,
    recipe: str | None = None,
    minutes: float | None = None,
    seed: int | None = None,
    device: str = "auto",
) -> Plan:
    """Plan a training, or go on with that of a folder.

    Parameters
    ----------
    folder : Path
    resume : bool
        The folder holds a checkpoint; what is left out is as it was.
    recipe : str, optional
        A key of `training.recipes.RECIPES`.
    minutes : float, optional
        Length of the whole training.
    seed : int, optional
    device : {"auto", "cpu", "cuda", "mps"}

    Raises
    ------
    UsstrackError
        If the folder or a value cannot be used.
    """
    from napari_usstrack.models.devices import usable
    from napari_usstrack.training.checkpoints import LAST, facts_in
    from napari_usstrack.training.loop import Plan
    from napari_usstrack.training.recipes import RECIPES

    if minutes is not None:
        check_minutes(minutes, "--minutes")
    facts = facts_in(folder)
    if resume and facts is None:
        raise UsstrackError(f"{folder} holds no training to go on with; leave --resume out")
    if not resume and facts is not None:
        raise UsstrackError(
            f"{folder} holds a training already; go on with it by --resume, or name another folder"
        )
    chosen = usable(device)
    if facts is None:
        plan = Plan(RECIPES[recipe or RECIPE], seed=seed or 0, device=chosen)
    else:
        _same(folder, facts, recipe, seed)
        try:
            plan = Plan.of(facts, chosen)
        except (KeyError, TypeError, ValueError) as error:
            raise UsstrackError(
                f"{folder / LAST} is of another version ({error}); train anew in another folder"
            ) from error
    folder_for(folder)
    check_writable(folder / LAST)
    return plan if minutes is None else replace(plan, minutes=minutes)


def check_minutes(value: float, what: str) -> None:
    """Refuse a time that is not more than nothing."""
    if not (math.isfinite(value) and value > 0):
        raise UsstrackError(f"{what} cannot be {value:g}; give a number of minutes above 0")


def _same(folder: Path, facts: dict[str, Any], recipe: str | None, seed: int | None) -> None:
    for name, given in (("recipe", recipe), ("seed", seed)):
        if given is not None and given != facts.get(name):
            raise UsstrackError(
                f"{folder} holds a training with --{name} {facts.get(name)}, not {given}; leave "
                f"--{name} out or name another folder"
            )


def pretrain(
    plan: Plan, folder: Path, *, piece_min: float = math.inf
) -> Generator[Told, None, Learned]:
    """Train, and keep curves and log up to date.

    Parameters
    ----------
    plan : Plan
        From `planned`.
    folder : Path
        Gets checkpoint and pool of clips (`training.loop.train`), ``log.csv`` and
        ``curves.png`` at every validation and at the end, and when all planned
        minutes have passed ``specknet.safetensors`` and ``card.json``.
    piece_min : float
        Stop after so many minutes of this call.

    Raises
    ------
    UsstrackError
        If a file cannot be written.
    """
    from napari_usstrack.training.checkpoints import BEST, facts_in

    known = facts_in(folder)
    if known is None or known["state"]["minutes"] < plan.minutes:
        yield from _trained(plan, folder, piece_min)
    elif not (folder / BEST).exists():
        raise UsstrackError(
            f"{folder} has trained for {known['state']['minutes']:.3g} min without a validation; "
            "give more --minutes"
        )
    else:
        record(folder)
    facts = facts_in(folder)
    assert facts is not None
    over = facts["state"]["minutes"] >= plan.minutes
    return Learned(facts, (LOG, CURVES, *(finish(folder) if over else ())), over)


def _trained(plan: Plan, folder: Path, piece_min: float) -> Generator[Told, None, None]:
    from napari_usstrack.training.loop import train

    end = time.monotonic() + 60.0 * piece_min
    work = train(plan, folder, piece_min=piece_min)
    try:
        for report in work:
            if report.scores is not None:
                record(folder)
            yield _told(report, plan, (end - time.monotonic()) / 60.0)
    except OSError as error:
        raise unwritable(folder, error) from error
    finally:
        work.close()
        record(folder)


def _told(report: Report, plan: Plan, piece_left: float) -> Told:
    done = min(int(PARTS * report.minutes / plan.minutes), PARTS)
    if report.preparing:
        return Told(done, PARTS, text=f"making {report.preparing}")
    left = max(min(plan.minutes - report.minutes, piece_left), 0.0)
    text = f"{left:.1f} min left, loss {report.loss:.2f}, median error {report.error_px:.1f} px"
    news = ""
    if report.scores is not None:
        at = f"{report.minutes:.1f} of {plan.minutes:g} min, step {report.step}"
        news = f"{at}: {score_words(report.scores)}"
    return Told(done, PARTS, text=text, news=news)
