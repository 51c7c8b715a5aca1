"""Clips that come with the program: a real one of a dependency, generated ones with truth."""

from __future__ import annotations

from pathlib import Path

from napari_usstrack.core.tracks import Tracks
from napari_usstrack.io.registry import open_video
from napari_usstrack.io.truth import read_arrays, true_tracks

GENERATED = {"heart": "heart-a4c.npz", "muscle": "muscle-unipennate.npz"}
SAMPLE_SEED, SAMPLE_FRAMES = 75, 40
SAMPLE_SIZES = {"heart": (168, 232), "muscle": (176, 176)}
"""The generated samples are what ``python -m napari_usstrack.synth`` renders with
these for ``--seed``, ``--frames`` and ``--size``, and the scene that the file is named after."""

FOLLOWED = {
    "heart": ("endocardium", "mid-wall"),
    "muscle": ("superficial", "deep", "fascicle-1", "fascicle-2", "fascicle-3", "fascicle-4"),
}
"""Groups of points that a sample shows and the demo follows."""


def embedded_cine() -> Path:
    """Path of the apical echo cine inside the installed pydicom package.

    Thirty frames of 320 x 240 px, part of pydicom under the MIT licence.
    """
    from pydicom.data import get_testdata_file

    return Path(str(get_testdata_file("examples_ybr_color.dcm", download=False)))


def generated_clip(name: str) -> Path:
    """Path of a generated clip of 40 frames, with exact truth.

    Parameters
    ----------
    name : {"heart", "muscle"}
        Apical four-chamber view, or a muscle with aponeuroses and fascicles.
    """
    return Path(__file__).parents[1] / "samples" / GENERATED[name]


def generated_truth(name: str) -> Tracks:
    """True tracks of a generated clip's `FOLLOWED` points, with true visibility."""
    path = generated_clip(name)
    truth = true_tracks(read_arrays(path), open_video(path).info, path)
    return truth.select([point.name for point in truth.points if point.group in FOLLOWED[name]])
