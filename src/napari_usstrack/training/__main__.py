"""Train SpeckNet from the command line; needs torch, numpy and safetensors only.

``python -m napari_usstrack.training --output FOLDER --minutes 80``
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from napari_usstrack.models.specknet import SpeckNetSettings
from napari_usstrack.training.checkpoints import Checkpoint
from napari_usstrack.training.loop import Plan, Report, train
from napari_usstrack.training.recipes import RECIPES


def main(arguments: list[str] | None = None) -> int:
    """Train a piece; returns the exit code."""
    given = _parser().parse_args(arguments)
    if given.threads:
        torch.set_num_threads(given.threads)
    plan = Plan(
        RECIPES[given.recipe],
        replace(SpeckNetSettings(), symmetric=not given.free),
        minutes=given.minutes,
        seed=given.seed,
        device=given.device,
        clips=given.clips,
        pool=given.pool,
        renew_every=given.renew_every,
    )
    work, said = train(plan, given.output, piece_min=given.piece_minutes), 0.0
    try:
        while True:
            report = next(work)
            if report.scores is not None or time.monotonic() - said > given.every:
                said = time.monotonic()
                _say(_line(report))
    except StopIteration as stop:
        state: Checkpoint = stop.value
        _say(f"{state.step} steps in {state.minutes:.1f} minutes of training")
    except KeyboardInterrupt:
        work.close()
        _say("stopped; the same command goes on from here")
    return 0


def _line(report: Report) -> str:
    if report.preparing:
        return f"{report.preparing}"
    text = (
        f"step {report.step}, {report.minutes:.1f} min: loss {report.loss:.3f}, "
        f"median error {report.error_px:.2f} px, rate {report.rate:.1e}"
    )
    if report.scores is not None:
        median, mean, delta = report.scores
        text += f" | validation: median {median:.2f} px, mean {mean:.2f} px, delta {delta:.1f} %"
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m napari_usstrack.training", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder of the training")
    parser.add_argument("--recipe", choices=tuple(RECIPES), default="impartial")
    parser.add_argument("--minutes", type=float, default=80.0, help="length of the whole training")
    parser.add_argument(
        "--piece-minutes", type=float, default=math.inf, help="stop after so many minutes"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ...")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--clips", type=int, default=3, help="clips in a step")
    parser.add_argument("--pool", type=int, default=96, help="clips kept")
    parser.add_argument("--renew-every", type=int, default=4, help="steps to a new clip")
    parser.add_argument("--free", action="store_true", help="layers without symmetry")
    parser.add_argument("--every", type=float, default=10.0, help="seconds between lines")
    return parser


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
