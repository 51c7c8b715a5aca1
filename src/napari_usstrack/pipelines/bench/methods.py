"""The methods a benchmark compares: ours by name, peers, and TorchScript files."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracker import Tracker
from napari_usstrack.pipelines import trackers
from napari_usstrack.pipelines.bench.dustrack import VARIABLE, Dustrack

UNNAMED = "not run: it follows fascicles between two aponeuroses, which this set does not name"
LINES_ONLY, WITHOUT_LINES = "lines-only", ("simulated", "clips", "phantom", "checks")
_SETTING = re.compile(r":([A-Za-z_][A-Za-z0-9_]*)=([^:]*)$")


@dataclass(frozen=True, eq=False)
class Method:
    """A tracker under the name a table shows.

    Attributes
    ----------
    name : str
    tracker : Tracker
    unsuited : tuple of str
        Sets it is not run on.
    why : str
        Why not.
    """

    name: str
    tracker: Tracker
    unsuited: tuple[str, ...] = ()
    why: str = ""


def own(text: str = "") -> list[Method]:
    """Our methods from ``name:key=value:key=value,name``; all with defaults where empty.

    Raises
    ------
    UsstrackError
        For an unknown method or setting, or a method that is named twice.
    """
    words = [word.strip() for word in text.split(",") if word.strip()] or list(trackers.names())
    if twins := [word for word in words if words.count(word) > 1]:
        raise UsstrackError(f"--methods names '{twins[0]}' twice; remove one of them")
    return [_own(word) for word in words]


def _own(word: str) -> Method:
    name, settings = _split(word)
    if ":" in name:
        raise UsstrackError(
            f"--methods cannot read '{word}'; write settings as in lucas-kanade:window=21:levels=3"
        )
    if word == LINES_ONLY:
        from napari_usstrack.flow.with_lines import LinesOnly

        return Method(word, LinesOnly(), WITHOUT_LINES, "not run: it follows nothing but lines")
    return Method(word, trackers.make(name, settings))


def _split(word: str) -> tuple[str, dict[str, str]]:
    """What stands before the ``:key=value`` at the end, and those."""
    settings: dict[str, str] = {}
    while found := _SETTING.search(word):
        settings = {found[1]: found[2], **settings}
        word = word[: found.start()]
    return word, settings


def peers() -> tuple[list[Method], str]:
    """Plain OpenCV trackers, published schemes, and DUSTrack where there is one; and a note."""
    from napari_usstrack.flow.affine_kalman import AffineKalman
    from napari_usstrack.flow.affine_region import AffineRegion
    from napari_usstrack.flow.peers import PEERS

    found = [Method(name, tracker) for name, tracker in PEERS.items()]
    found.append(Method("affine-region", AffineRegion()))
    found.append(Method("affine-region-kalman", AffineKalman(), ("checks",), UNNAMED))
    python = os.environ.get(VARIABLE)
    if not python:
        return found, (
            f"dustrack is not run: {VARIABLE} names no interpreter that has it; "
            "opencv-lk-dustrack has its settings."
        )
    why = "not run: its interpreter starts anew for every run; see opencv-lk-dustrack"
    return [*found, Method("dustrack", Dustrack(python), ("checks",), why)], ""


def torchscript(word: str) -> Method:
    """A TorchScript file as a method, from ``FILE[:channels=3][:size=256x256]``.

    Raises
    ------
    UsstrackError
        If it cannot be loaded or a setting cannot be used.
    """
    from napari_usstrack.models.torchscript import TorchScriptTracker

    path, settings = _split(word)
    channels = settings.pop("channels", "1")
    size = settings.pop("size", "")
    if settings or channels not in ("1", "3") or not re.fullmatch(r"([1-9]\d*x[1-9]\d*)?", size):
        raise UsstrackError(
            f"--torchscript cannot read '{word}'; write FILE, FILE:channels=3 or "
            "FILE:channels=3:size=256x256 (width x height, px)"
        )
    wanted = [int(side) for side in size.split("x")] if size else None
    tracker = TorchScriptTracker(
        Path(path),
        channels=cast("Literal[1, 3]", int(channels)),
        size=None if wanted is None else (wanted[0], wanted[1]),
    )
    _ = tracker.module
    return Method(f"torchscript:{Path(path).name}", tracker)


def chosen(
    text: str, torchscripts: Sequence[str], with_peers: bool
) -> tuple[list[Method], list[str]]:
    """All methods of a run, and sentences on what is not run."""
    methods = [*own(text), *(torchscript(word) for word in torchscripts)]
    if not with_peers:
        return methods, []
    others, note = peers()
    return [*methods, *others], [note] if note else []
