"""Dense flow: sampling between pixels, the check by the reverse flow, odd pictures."""

from __future__ import annotations

import numpy as np
import pytest

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.flow.dense import DenseFlow, sample, textured
from napari_usstrack.pipelines import trackers
from napari_usstrack.synth.motion import shift
from napari_usstrack.synth.speckle import speckle_clip

POINTS = np.array([[60.3, 50.1], [90.0, 60.7], [75.25, 45.0]])


def pair(dx, dy):
    clip = speckle_clip(shift(dx, dy), frames=2, width=150, height=110, per_px=0.2, margin_px=25.0)
    return clip.frames


# --- sampling --------------------------------------------------------------------------------


def plane(height=7, width=11):
    y, x = np.mgrid[0:height, 0:width].astype(float)
    return np.stack([2.0 * x - 3.0 * y, x * y], axis=-1)


def test_sampling_is_exact_where_the_field_is_bilinear():
    xy = np.random.default_rng(0).uniform(0, [10, 6], (50, 2))
    x, y = xy.T
    np.testing.assert_allclose(sample(plane(), xy), np.stack([2 * x - 3 * y, x * y], axis=-1))


@pytest.mark.parametrize(
    ("outside", "border"),
    [((-0.5, 3), (0, 3)), ((10.5, 6.5), (10, 6)), ((4.25, -9), (4.25, 0)), ((99, 2.5), (10, 2.5))],
)
def test_beyond_the_border_the_field_goes_on_as_it_ends(outside, border):
    field = plane()
    np.testing.assert_allclose(
        sample(field, np.array([outside])), sample(field, np.array([border]))
    )


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (2, 2)])
def test_sampling_of_tiny_fields(shape):
    field = plane(*shape)
    corner = np.array([[shape[1] - 1.0, shape[0] - 1.0]])
    np.testing.assert_allclose(sample(field, corner)[0], field[-1, -1])
    assert sample(field, np.empty((0, 2))).shape == (0, 2)


# --- steps -----------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["medium", "fast", "ultrafast"])
def test_presets_find_a_shift(preset):
    landing = trackers.make("dense-flow", {"preset": preset}).step(*pair(2.6, -1.3), POINTS)
    assert landing.found.all()
    assert np.abs(landing.xy - POINTS - [2.6, -1.3]).max() < 0.4
    assert landing.confidence.min() > 0.9


def test_the_check_is_the_reverse_flow():
    here, _ = pair(1.3, 0.4)
    other = speckle_clip(shift(0, 0), frames=1, width=150, height=110, seed=9, per_px=0.2).frames[0]
    tracker = DenseFlow()
    landing = tracker.step(here, other, POINTS)
    landed = POINTS + sample(tracker.flow(here, other), POINTS)
    gap = np.linalg.norm(landed + sample(tracker.flow(other, here), landed) - POINTS, axis=-1)
    np.testing.assert_array_equal(landing.xy, landed)
    np.testing.assert_allclose(landing.confidence, 1 / (1 + gap**2))
    strict = DenseFlow(lost_px=float(gap.max()) * 0.999).step(here, other, POINTS)
    assert strict.found.tolist() == (gap < gap.max()).tolist()
    assert (strict.confidence[~strict.found] == 0).all()


def test_a_step_that_ends_outside_the_frame_is_a_loss():
    here, there = pair(-6.0, 0.0)
    landing = DenseFlow().step(here, there, np.array([[2.0, 55.0], [75.0, 55.0]]))
    assert landing.found.tolist() == [False, True]


def test_a_point_without_texture_is_lost():
    here, there = (frame.copy() for frame in pair(1.0, 0.0))
    for frame in (here, there):
        frame[:, :60] = 0
    assert textured(here, np.array([[20.0, 50.0], [62.0, 50.0]])).tolist() == [False, True]
    landing = DenseFlow().step(here, there, np.array([[20.0, 50.0], [110.0, 50.0]]))
    assert landing.found.tolist() == [False, True]


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (3, 200), (12, 12), (16, 9)])
def test_pictures_smaller_than_a_patch(shape):
    here, there = np.random.default_rng(0).integers(0, 255, (2, *shape), dtype=np.uint8)
    middle = np.array([[shape[1] / 2, shape[0] / 2]])
    assert DenseFlow().flow(here, there).shape == (*shape, 2)
    assert np.isfinite(DenseFlow().step(here, there, middle).xy).all()


def test_pictures_that_are_cut_from_larger_ones():
    here, there = pair(1.3, 0.4)[:, 3:100, 5:140]
    assert not here.flags.c_contiguous
    xy = POINTS - [5, 3]
    whole = DenseFlow().step(here.copy(), there.copy(), xy)
    np.testing.assert_array_equal(DenseFlow().step(here, there, xy).xy, whole.xy)


@pytest.mark.parametrize(("name", "value"), [("preset", "slow"), ("lost_px", 0), ("patience", -1)])
def test_a_value_that_cannot_be_is_one_sentence(name, value):
    with pytest.raises(UsstrackError, match=f"^Setting '{name}' of method 'dense-flow'"):
        trackers.make("dense-flow", {name: value})
