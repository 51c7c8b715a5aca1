"""Fixtures that DUSTrack 1.3.2 writes itself, from labels made up here.

Run in an environment that has DUSTrack (`pip install dustrack==1.3.2`); none of
this package is needed there::

    QT_QPA_PLATFORM=offscreen MPLBACKEND=Agg python tests/interop/written_by_dustrack.py

With ``--read FILE`` it prints what DUSTrack reads from an annotation file or a
DeepLabCut table instead, as JSON. Only files that DUSTrack wrote are stored,
none of its code.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

FOLDER = Path(__file__).resolve().parent / "dustrack-1.3.2"
FRAMES = 100
STEM = "trial1"


def made_up() -> dict[str, dict[str, dict[int, list[float]]]]:
    """Labels by layer, label and frame, in px."""
    draw = random.Random(20)
    many = {frame: [draw.uniform(0, 700), draw.uniform(0, 500)] for frame in range(0, 100, 7)}
    edges = {99: [1e-07, 499.5], 9: [-0.0, 1 / 3], 10: [123456.789, 2.0]}
    return {
        "plain": {"0": {0: [80.0, 90.0], 20: [82.0, 92.0]}, "1": {}},
        "digits": {"0": many, "1": edges, "3": {50: [0.1 + 0.2, 5e-324]}},
        "nothing": {"0": {}, "1": {}},
        "": {"0": {5: [3, 4]}},
    }


def annotation(data: dict[str, Any] | None, path: Path | None, name: str) -> Any:
    """DUSTrack's object over labels, without a picture."""
    from dustrack.annotations import VideoAnnotation

    extra = {} if data is None else {"preloaded_json": data}
    return VideoAnnotation(fname=None if path is None else str(path), name=name, **extra)


def write(folder: Path) -> None:
    """Write every fixture."""
    folder.mkdir(exist_ok=True)
    for layer, data in made_up().items():
        ending = f"_{layer}" if layer else ""
        path = folder / f"{STEM}_annotations{ending}.json"
        annotation(data, None, layer).save(str(path))
    table = annotation(made_up()["digits"], folder / f"{STEM}_annotations_digits.json", "digits")
    table.video = Pictures(FRAMES)
    with tempfile.TemporaryDirectory() as spare:
        table.to_dlc(scorer="me", output_path=spare, file_prefix="dlc")
        for suffix in (".csv", ".h5"):
            name = f"CollectedData_me{suffix}"
            (folder / name).write_bytes((Path(spare) / name).read_bytes())


class Pictures(SimpleNamespace):
    """As much of a video as DUSTrack's export of tables looks at."""

    def __init__(self, frames: int) -> None:
        super().__init__(name=STEM, frames=frames)

    def __len__(self) -> int:
        return self.frames


def read(path: Path) -> dict[str, dict[str, list[float]]]:
    """What DUSTrack reads from an annotation file, or from a table by way of pandas."""
    if path.suffix == ".json":
        found = annotation(None, path, "read").data
    else:
        import pandas as pd
        from dustrack.annotations import VideoAnnotation

        shape = {"header": [0, 1, 2], "index_col": [0, 1, 2]}
        table = pd.read_csv(path, float_precision="round_trip", **shape)
        found = VideoAnnotation._dlc_df_to_annotation_dict(table)
    return {
        label: {str(frame): [float(value) for value in xy] for frame, xy in places.items()}
        for label, places in found.items()
    }


def main() -> None:
    """Write, or read one file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--read", type=Path)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    given = parser.parse_args()
    if given.read is None:
        write(given.folder)
        return
    with contextlib.redirect_stdout(sys.stderr):
        found = read(given.read)
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
