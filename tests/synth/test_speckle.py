"""Rendered motion is the motion that was asked for."""

from __future__ import annotations

import numpy as np
import pytest

from napari_usstrack.synth.motion import contraction, shift, still
from napari_usstrack.synth.speckle import SpeckleClip, _spots, sample_clip, speckle_clip

SMALL = {"frames": 3, "width": 41, "height": 30, "margin_px": 8.0}
BEAT = contraction((20.0, 15.0), period=12.0)


def test_same_seed_same_bytes_another_seed_other_bytes():
    one, two, other = (speckle_clip(BEAT, seed=s, noise=2.0, **SMALL).frames for s in (4, 4, 5))
    assert one.tobytes() == two.tobytes()
    assert one.tobytes() != other.tobytes()


def test_global_random_state_is_neither_used_nor_changed():
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    one = speckle_clip(BEAT, **SMALL).frames
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    np.random.seed(2)
    np.testing.assert_array_equal(speckle_clip(BEAT, **SMALL).frames, one)


def test_frames_are_grey_bytes_of_the_asked_size_and_locked():
    frames = speckle_clip(BEAT, **SMALL).frames
    assert frames.shape == (3, 30, 41)
    assert frames.dtype == np.uint8
    assert not frames.flags.writeable
    assert frames.std() > 40
    assert 0.3 < np.median(frames) / 255 < 0.9


def test_a_still_clip_repeats_one_picture():
    frames = speckle_clip(still, **SMALL).frames
    assert (frames == frames[0]).all()


def test_noise_changes_from_frame_to_frame():
    frames = speckle_clip(still, noise=3.0, **SMALL).frames.astype(float)
    quiet = speckle_clip(still, **SMALL).frames.astype(float)
    inner = (quiet > 20) & (quiet < 235)
    assert (frames[1] - frames[0])[inner[0]].std() == pytest.approx(3 * np.sqrt(2), rel=0.1)


@pytest.mark.parametrize(("dx", "dy"), [(1, 0), (0, 1), (-2, 3)])
def test_a_whole_shift_moves_the_picture_exactly(dx, dy):
    frames = speckle_clip(shift(dx, dy), **SMALL).frames
    y, x = slice(max(dy, 0), 30 + min(dy, 0)), slice(max(dx, 0), 41 + min(dx, 0))
    back_y, back_x = slice(max(-dy, 0), 30 + min(-dy, 0)), slice(max(-dx, 0), 41 + min(-dx, 0))
    np.testing.assert_array_equal(frames[1, y, x], frames[0, back_y, back_x])


def centroid(weight):
    rows, columns = np.indices(weight.shape)
    return np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()


@pytest.mark.parametrize("psf_px", [(1.9, 1.3), (1.3, 1.9), (2.5, 2.5)])
def test_a_lone_scatterer_lies_where_it_was_put(psf_px):
    random = np.random.default_rng(0)
    for xy in random.uniform([15, 15], [46, 25], (40, 2)):
        field = np.abs(_spots(xy[None], np.array([1.0 + 0j]), 61, 41, psf_px))
        np.testing.assert_allclose(centroid(field), xy, atol=0.1)
        assert field.max() <= 1.0
        row, column = np.unravel_index(field.argmax(), field.shape)
        np.testing.assert_allclose([column, row], xy, atol=0.51)


def test_a_lone_scatterer_follows_its_motion():
    motion = contraction((30.0, 20.0), period=12.0)
    clip = SpeckleClip(np.zeros((12, 41, 61), np.uint8), motion)
    start = np.array([[41.0, 24.0]])
    for frame, expected in enumerate(clip.truth(start)[:, 0]):
        field = np.abs(_spots(motion(frame, start), np.array([1j]), 61, 41, (1.9, 1.3)))
        np.testing.assert_allclose(centroid(field), expected, atol=0.1)


def test_a_scatterer_just_outside_still_shines_in():
    field = np.abs(_spots(np.array([[-2.0, 20.0]]), np.array([1.0 + 0j]), 61, 41, (1.9, 1.3)))
    assert field[20, 0] == pytest.approx(np.exp(-0.5 * (2 / 1.9) ** 2))
    assert field[:, 6:].max() == 0


@pytest.mark.parametrize("frame", [0, 1, 5, 11])
def test_truth_from_any_frame_is_the_same_path(frame):
    clip = SpeckleClip(np.zeros((12, 30, 41), np.uint8), BEAT)
    start = np.array([[10.0, 8.0], [30.0, 22.0], [20.0, 15.0]])
    path = clip.truth(start)
    np.testing.assert_allclose(path[0], start, atol=1e-12)
    np.testing.assert_allclose(clip.truth(path[frame], frame), path, atol=1e-9)
    np.testing.assert_allclose(clip.truth(path[frame], frame)[frame], path[frame], atol=1e-9)


def test_truth_leaves_its_argument_alone():
    start = np.array([[10.0, 8.0]])
    SpeckleClip(np.zeros((12, 30, 41), np.uint8), BEAT).truth(start, 5)
    assert start.tolist() == [[10.0, 8.0]]


def test_shift_has_constant_velocity():
    np.testing.assert_allclose(shift(1.5, -0.5)(4, np.array([[1.0, 2.0]])), [[7.0, 0.0]])


def test_contraction_comes_back_after_a_cycle_and_keeps_area():
    corners = np.array([[10.0, 8.0], [11.0, 8.0], [10.0, 9.0]])
    np.testing.assert_allclose(BEAT(12, corners), corners, atol=1e-12)
    moved = BEAT(6, corners)
    assert np.linalg.norm(moved - corners, axis=-1).max() > 1
    (a, b) = moved[1] - moved[0], moved[2] - moved[0]
    assert a[0] * b[1] - a[1] * b[0] == pytest.approx(1.0)
    assert np.linalg.norm(a) == pytest.approx(0.92)


def test_the_sample_is_a_clip_with_points_inside():
    clip, queries = sample_clip()
    assert clip.frames.shape == (60, 180, 240)
    assert queries.shape == (9, 2)
    path = clip.truth(queries)
    assert (path > 20).all()
    assert (path < [220, 160]).all()
    np.testing.assert_allclose(path[30], path[0], atol=1e-9)
