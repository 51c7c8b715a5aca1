"""``python -m napari_usstrack.synth``, and clips on disk."""

import subprocess
import sys

import numpy as np
import pytest

from napari_usstrack.io.registry import open_video
from napari_usstrack.synth.__main__ import main
from napari_usstrack.synth.catalogue import SCENES, draw


def test_a_clip_is_written_with_its_truth_and_opens_as_a_clip(tmp_path, capsys):
    target = tmp_path / "clip.npz"
    made = ["--scene", "vessel", "--frames", "3", "--size", "96", "--output", str(target)]
    assert main(made) == 0
    told = capsys.readouterr().out
    assert "vessel: 3 frames of 96 x 96 px" in told
    assert "diameter_mm" in told
    with np.load(target) as stored:
        assert stored["frames"].shape == (3, 96, 96)
        points = len(stored["names"])
        assert stored["tracks"].shape == (points, 3, 2)
        assert stored["visible"].shape == (points, 3)
        assert stored["measure_diameter_mm"].shape == (3,)
        spacing, fps = float(stored["mm_per_px"]), float(stored["fps"])
    info = open_video(target).info
    assert info.spacing_mm == pytest.approx((spacing, spacing))
    assert info.fps == pytest.approx(fps)


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["--scene", "liver"], "choose one of heart-a4c"),
        (["--frames", "0"], "give 1 or more"),
        (["--size", "8"], "give 32 to 2048 px"),
        (["--output", "clip.mp4"], "does not end in .npz"),
        (["--output", "nowhere/clip.npz"], "make it first"),
    ],
)
def test_bad_input_gets_one_sentence(words, remedy, capsys):
    assert main(words) == 1
    told = capsys.readouterr().err
    assert remedy in told
    assert told.count("\n") == 1


def test_all_scenes_are_listed(capsys):
    assert main(["--list"]) == 0
    assert capsys.readouterr().out.split() == list(SCENES)


def test_only_torch_and_numpy_are_loaded():
    code = (
        "import sys, napari_usstrack.synth.__main__\n"
        "ours = {'napari_usstrack', 'numpy', 'torch'}\n"
        "heavy = {'scipy', 'cv2', 'pydantic', 'xarray', 'skimage', 'napari', 'qtpy', 'av', 'PIL'}\n"
        "print(sorted(heavy & {name.split('.')[0] for name in sys.modules}))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("name", SCENES)
def test_every_scene_is_drawn_alike_from_a_seed_and_has_points_and_truth(name):
    one, two, other = (draw(name, seed, frames=5) for seed in (3, 3, 4))
    assert one.look == two.look
    assert one.marks == two.marks
    assert one.marks != other.marks
    assert len({mark.name for mark in one.marks}) == len(one.marks) >= 20
    for values in one.measures(one.paths).values():
        assert np.shape(values) == (5,)
        assert np.isfinite(values).all()
