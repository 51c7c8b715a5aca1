"""The run: every case, every method, and files that are whole after each of them."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.provenance import software_version
from napari_usstrack.core.tracker import Queries, finish
from napari_usstrack.core.video import CallbackVideo, VideoInfo
from napari_usstrack.io.atomic import write_bytes
from napari_usstrack.pipelines.bench.cases import Case, NoData, Outcome, SelfTimed
from napari_usstrack.pipelines.bench.methods import Method
from napari_usstrack.pipelines.bench.sets import NAMES, find_cases
from napari_usstrack.pipelines.figures import Figure
from napari_usstrack.pipelines.score_text import cells, csv_text

RESULTS = "results.csv"
SETTINGS = "settings.json"
COLUMNS = (
    *("set", "case", "method", "metric", "value", "unit", "low", "high"),
    *("interval_over", "missing_percent", "note"),
)
LIBRARIES = ("numpy", "scipy", "opencv-python", "torch", "matplotlib", "av", "pydicom")


@dataclass(frozen=True)
class Row:
    """One figure, or a note in its place."""

    set_name: str
    case: str
    method: str
    figure: Figure | None = None
    note: str = ""

    def cells(self) -> tuple[str, ...]:
        """Text of each of `COLUMNS`."""
        figure = ("",) * 7 if self.figure is None else cells(self.figure)
        return (self.set_name, self.case, self.method, *figure, self.note)


@dataclass
class Results:
    """All rows so far, and the file they are in."""

    path: Path
    rows: list[Row] = field(default_factory=list)

    def add(self, rows: Iterable[Row]) -> None:
        """Take in rows and replace the file by one that has them."""
        self.rows.extend(rows)
        text = csv_text([COLUMNS, *(row.cells() for row in self.rows)])
        write_bytes(self.path, text.encode())

    @property
    def measured(self) -> bool:
        """Whether there is any figure of a tracker or person."""
        return any(row.figure is not None for row in self.rows)


def check_sets(text: str) -> list[str]:
    """Names of sets from ``a,b``, in the order in which they are run.

    Raises
    ------
    UsstrackError
        For an unknown one, or none.
    """
    wanted = [word.strip() for word in text.split(",") if word.strip()]
    unknown = [word for word in wanted if word not in NAMES]
    if unknown or not wanted:
        named = f"no set '{unknown[0]}'" if unknown else "no set in --sets"
        raise UsstrackError(f"There is {named}; choose from: {', '.join(NAMES)}")
    return [name for name in NAMES if name in wanted]


def run(
    methods: Sequence[Method],
    sets: Sequence[str],
    folders: Sequence[Path],
    results: Results,
    *,
    limit: int | None = None,
) -> Iterator[str]:
    """Run every method on every case; yields a line after each, when its rows are saved.

    Parameters
    ----------
    methods : sequence of Method
    sets : sequence of str
        From `check_sets`.
    folders : sequence of Path
        Where data are looked for.
    results : Results
        Takes the rows. A method that cannot do a case leaves a note in its place.
    limit : int, optional
        At most so many cases of each set.

    Raises
    ------
    UsstrackError
        At the end, if nothing at all could be run.
    """
    warm_up(methods)
    for name in sets:
        for case in find_cases(name, folders, limit):
            if isinstance(case, NoData):
                results.add([Row(name, case.case, "", note=case.reason)])
                yield f"{name}: {case.reason}"
                continue
            told = case.references()
            if told:
                results.add(row for who, out in told for row in _rows(name, who, [out]))
            for method in methods:
                results.add(_case_rows(name, case, method))
                yield f"{name} {case.name}: {method.name}"
    if not results.measured:
        notes = "; ".join(dict.fromkeys(row.note.rstrip(".") for row in results.rows if row.note))
        raise UsstrackError(f"Nothing could be run: {notes}; name folders with --data")


def warm_up(methods: Sequence[Method]) -> None:
    """Run each method on three frames, so that loading libraries is no part of any time."""
    noise = np.random.default_rng(0).integers(0, 255, (3, 96, 96), dtype=np.uint8)
    video = CallbackVideo(VideoInfo(3, 96, 96), lambda span: noise[span.start : span.stop])
    queries = Queries(np.zeros(1, dtype=np.intp), np.full((1, 2), 48.0), ("p1",))
    for method in methods:
        if not isinstance(method.tracker, SelfTimed):
            with suppress(UsstrackError):
                finish(method.tracker.track(video, queries, range(3)))


def _case_rows(set_name: str, case: Case, method: Method) -> list[Row]:
    if set_name in method.unsuited:
        return [Row(set_name, case.name, method.name, note=method.why)]
    try:
        outcomes = finish(case.run(method.tracker))
    except UsstrackError as error:
        return [Row(set_name, case.name, method.name, note=str(error))]
    return _rows(set_name, method.name, outcomes)


def _rows(set_name: str, method: str, outcomes: Iterable[Outcome]) -> list[Row]:
    return [
        Row(set_name, outcome.case, method, figure)
        for outcome in outcomes
        for figure in outcome.figures
    ]


# --- what the figures were made with ---------------------------------------------------------


def write_settings(path: Path, methods: Sequence[Method], **told: object) -> None:
    """Write versions, machine class, methods with their settings, and all of `told` as JSON."""
    content = {
        "command": ["usstrack", *sys.argv[1:]],
        **told,
        "methods": {
            method.name: {
                "method": method.tracker.traits.name,
                "version": method.tracker.traits.version,
                "settings": dict(method.tracker.settings),
            }
            for method in methods
        },
        "versions": _versions(),
        "machine": machine(),
    }
    write_bytes(path, f"{json.dumps(content, indent=2, default=str)}\n".encode())


def _versions() -> dict[str, str]:
    found = {"napari-usstrack": software_version(), "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def machine() -> dict[str, Any]:
    """Class of machine: system, processor, and cores this process may use."""
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "cores": len(usable) or os.cpu_count(),
    }


def _cpu() -> str:
    table = Path("/proc/cpuinfo")
    if table.is_file():
        for line in table.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
