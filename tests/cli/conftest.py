"""The command in process, and clips for it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from napari_usstrack import cli
from napari_usstrack.synth.motion import shift
from napari_usstrack.synth.speckle import SpeckleClip, speckle_clip


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


@pytest.fixture
def usstrack(monkeypatch, capsys) -> Callable[..., Ran]:
    def run(*words: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["usstrack", *map(str, words)])
        capsys.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return run


@pytest.fixture(scope="session")
def moving() -> SpeckleClip:
    return speckle_clip(shift(1.0, -0.5), frames=8, width=90, height=70, per_px=0.2, margin_px=15.0)


@pytest.fixture
def clip(tmp_path, moving) -> Path:
    path = tmp_path / "clip.npy"
    np.save(path, moving.frames)
    return path


@pytest.fixture
def points(tmp_path) -> Path:
    path = tmp_path / "points.csv"
    path.write_text("frame,point,x,y\n0,tip,40,40\n0,base,50,35\n7,base,57,31.5\n")
    return path
