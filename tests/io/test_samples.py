"""Generated samples: what the generator renders, with its truth."""

import numpy as np
import pytest

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.io.registry import open_video
from napari_usstrack.io.sample import (
    FOLLOWED,
    GENERATED,
    SAMPLE_FRAMES,
    SAMPLE_SEED,
    SAMPLE_SIZES,
    generated_clip,
    generated_truth,
)
from napari_usstrack.io.truth import read_arrays, true_tracks
from napari_usstrack.synth.catalogue import draw
from napari_usstrack.synth.render import render


@pytest.mark.parametrize("name", GENERATED)
def test_a_sample_is_what_the_generator_renders(name):
    scene = draw(GENERATED[name].removesuffix(".npz"), SAMPLE_SEED, frames=SAMPLE_FRAMES)
    clip = render(scene, seed=SAMPLE_SEED, size=SAMPLE_SIZES[name])
    stored = open_video(generated_clip(name))
    frames = stored.frames(range(SAMPLE_FRAMES)).astype(int)
    assert (np.abs(frames - clip.frames) <= 1).mean() > 0.999
    assert stored.info.spacing_mm == pytest.approx(clip.tracks.video.spacing_mm)
    truth = generated_truth(name)
    again = clip.tracks.select(list(truth.names))
    np.testing.assert_allclose(truth.xy, again.xy, atol=1e-3)
    np.testing.assert_array_equal(truth.visible, again.visible)


@pytest.mark.parametrize("name", GENERATED)
def test_truth_has_the_groups_that_are_followed(name):
    truth = generated_truth(name)
    assert tuple(dict.fromkeys(point.group for point in truth.points)) == FOLLOWED[name]
    assert truth.visible[0].mean() > 0.7
    moved = np.linalg.norm(truth.xy - truth.xy[0], axis=-1)
    assert np.nanmax(moved) > 4


def stored(tmp_path, **arrays):
    path = tmp_path / "clip.npz"
    base = {"frames": np.zeros((4, 8, 9), np.uint8), "tracks": np.ones((3, 4, 2))}
    np.savez(path, **{**base, **arrays})
    return path, open_video(path).info


def test_names_and_visibility_are_optional(tmp_path):
    path, info = stored(tmp_path)
    truth = true_tracks(read_arrays(path), info, path)
    assert truth.names == ("p1", "p2", "p3")
    assert truth.visible.all()


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"tracks": np.ones((3, 5, 2))}, "points x frames x 2"),
        ({"visible": np.ones((4, 3), bool)}, "points x frames"),
        ({"names": np.array(["a", "b"])}, "2 names for 3 points"),
    ],
)
def test_truth_that_does_not_fit_is_told(tmp_path, arrays, said):
    path, info = stored(tmp_path, **arrays)
    with pytest.raises(UsstrackError, match=said):
        true_tracks(read_arrays(path), info, path)
