"""Changed clips: the truth follows the picture, and no direction or phase is preferred."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from blobs import MM, blob_clip, centroids, speckled

from napari_usstrack.training.augment import IMPARTIAL, PLAIN, Changes, changed, noisy, sheared
from napari_usstrack.training.clips import TrainingClip

SIZE = (180, 220)
PATH = np.array([[100.0, 80.0], [104.3, 83.1], [109.9, 88.2], [112.4, 96.0], [108.2, 101.7]])
STILL = Changes(symmetries=False, turn_deg=0.0, zoom=(1.0, 1.0), look=False)
CHANGES = {
    "cropped": STILL,
    "symmetries": Changes(turn_deg=0.0, zoom=(1.0, 1.0), look=False),
    "turned": Changes(symmetries=False, turn_deg=40.0, zoom=(1.0, 1.0), look=False),
    "zoomed": Changes(symmetries=False, turn_deg=0.0, zoom=(0.6, 1.6), look=False),
    "all": Changes(look=False),
}


def generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def same(one: TrainingClip, other: TrainingClip) -> bool:
    names = "frames", "xy", "seen"
    equal = all(torch.equal(getattr(one, name), getattr(other, name)) for name in names)
    return equal and one.mm_per_px == other.mm_per_px


# --- geometry --------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_the_truth_follows_the_picture(changes):
    clip, side, compared = blob_clip(PATH, SIZE), 128, 0
    for seed in range(25):
        after = changed(clip, changes, side, generator(seed))
        assert after.frames.shape == (5, side, side)
        xy = after.xy[:, 0].numpy()
        whole = ((xy > 18) & (xy < side - 19)).all(axis=1)
        off = np.linalg.norm(centroids(after.frames)[whole] - xy[whole], axis=1)
        assert (off < 0.3).all()
        assert after.seen[whole, 0].all()
        compared += whole.sum()
    assert compared > 60


def test_a_point_outside_the_cut_is_not_seen():
    clip = blob_clip(PATH, SIZE)
    far = torch.rand(5, 200, 2) * torch.tensor([219.0, 179.0])
    clip = TrainingClip(clip.frames, far, torch.ones(5, 200, dtype=torch.bool), MM, "blob")
    clip.seen[:, 0] = False
    for seed in range(5):
        after = changed(clip, CHANGES["all"], 96, generator(seed))
        inside = ((after.xy >= 1) & (after.xy <= 94)).all(dim=-1)
        inside[:, 0] = False
        assert torch.equal(after.seen, inside)
        assert 0.05 < after.seen.float().mean() < 0.95


def test_areas_in_mm_stay_as_they_were():
    corners = torch.tensor([[80.0, 60.0], [120.0, 65.0], [90.0, 100.0]]).expand(2, -1, -1)
    frames = torch.zeros(2, *SIZE)
    clip = TrainingClip(frames, corners, torch.ones(2, 3, dtype=torch.bool), MM, "blob")

    def area(one):
        a, b, c = one.xy[0].double()
        (x, y), (u, v) = b - a, c - a
        return abs(float(x * v - y * u)) * one.mm_per_px**2

    for seed in range(10):
        after = changed(clip, CHANGES["all"], 96, generator(seed))
        assert after.mm_per_px != MM
        assert area(after) == pytest.approx(area(clip), rel=1e-3)


def test_turn_and_zoom_stay_within_what_is_asked():
    xy = torch.tensor([[100.0, 90.0], [120.0, 90.0], [100.0, 110.0]]).expand(2, -1, -1)
    clip = TrainingClip(torch.zeros(2, *SIZE), xy, torch.ones(2, 3, dtype=torch.bool), MM, "")
    changes = Changes(symmetries=False, turn_deg=25.0, zoom=(0.8, 1.5), look=False)
    zooms, turns = [], []
    for seed in range(300):
        a, b, c = changed(clip, changes, 16, generator(seed)).xy[0].double().numpy()
        matrix = np.stack([b - a, c - a], axis=1) / 20.0
        # The picture is turned first and zoomed along the axes of the square after.
        zoom = np.linalg.norm(matrix, axis=1)
        turn = np.degrees(np.arctan2(matrix[1, 0] / zoom[1], matrix[0, 0] / zoom[0]))
        zooms.append(zoom)
        turns.append(turn)
    zooms = np.array(zooms)
    assert 0.8 - 1e-4 < zooms.min() < 0.85
    assert 1.4 < zooms.max() < 1.5 + 1e-4
    assert np.abs(np.log(zooms).mean(axis=0) - np.log([0.8, 1.5]).mean()).max() < 0.05
    assert -25.01 < min(turns) < -22
    assert 22 < max(turns) < 25.01
    assert abs(np.mean(turns)) < 3


def test_each_symmetry_and_each_direction_of_time_are_as_likely():
    """Three points tell which of the eight it was, their distance which way time ran."""
    small = torch.tensor([[100.0, 90.0], [110.0, 90.0], [100.0, 95.0]])
    large = torch.tensor([[100.0, 90.0], [120.0, 90.0], [100.0, 100.0]])
    clip = TrainingClip(
        torch.zeros(2, *SIZE),
        torch.stack([small, large]),
        torch.ones(2, 3, dtype=torch.bool),
        MM,
        "",
    )
    count, found, backward = 1600, {}, 0
    for seed in range(count):
        a, b, c = changed(clip, CHANGES["symmetries"], 8, generator(seed)).xy[0]
        key = tuple(torch.sign(torch.cat([b - a, c - a]).round()).int().tolist())
        found[key] = found.get(key, 0) + 1
        backward += bool(((b - a).norm() > 15).item())
    assert len(found) == 8
    # Five standard deviations of a count.
    assert max(abs(n - count / 8) for n in found.values()) < 5 * np.sqrt(count / 8 * 7 / 8)
    assert abs(backward - count / 2) < 5 * np.sqrt(count / 4)


def test_without_symmetries_time_runs_forward():
    clip = blob_clip(PATH, SIZE)
    for seed in range(20):
        after = changed(clip, STILL, 128, generator(seed))
        step = after.xy[1:, 0] - after.xy[:-1, 0]
        torch.testing.assert_close(step, clip.xy[1:, 0] - clip.xy[:-1, 0], atol=1e-3, rtol=0)
    assert not PLAIN.symmetries
    assert IMPARTIAL.symmetries


def test_pixels_between_pixels_are_their_mean():
    frames = torch.arange(24.0).reshape(1, 4, 6)
    shown = sheared(frames, np.eye(2), np.array([1.5, 1.0]), 2)
    torch.testing.assert_close(shown, torch.tensor([[[7.5, 8.5], [13.5, 14.5]]]))
    turned = sheared(frames, np.array([[0.0, -1.0], [1.0, 0.0]]), np.array([3.0, 0.0]), 3)
    torch.testing.assert_close(turned[0], frames[0, :3, 1:4].flip(1).T)


# --- appearance ------------------------------------------------------------------------------


def test_looks_change_the_grey_and_not_the_geometry():
    clip = speckled(3, 128, 20)
    unlike = []
    for seed in range(30):
        plain = changed(clip, Changes(look=False), 96, generator(seed))
        dressed = changed(clip, Changes(look=True), 96, generator(seed))
        assert torch.equal(dressed.xy, plain.xy)
        assert torch.equal(dressed.seen, plain.seen)
        assert dressed.mm_per_px == plain.mm_per_px
        assert dressed.frames.min() >= 0
        assert dressed.frames.max() <= 255
        unlike.append(float((dressed.frames - plain.frames).abs().mean()))
    assert min(unlike) > 0
    assert np.median(unlike) > 10


def test_looks_leave_the_speckle_in_its_place():
    """The best shift between the picture before and after is none."""
    clip = speckled(1, 128, 20)
    for seed in range(30):
        plain = changed(clip, Changes(look=False), 96, generator(seed)).frames[0].numpy()
        dressed = changed(clip, Changes(look=True), 96, generator(seed)).frames[0].numpy()
        spectra = [np.fft.rfft2(picture - picture.mean()) for picture in (plain, dressed)]
        likeness = np.fft.irfft2(np.conj(spectra[0]) * spectra[1], s=plain.shape)
        assert np.argmax(likeness) == 0


def test_noise_is_new_in_every_frame_and_as_strong_as_asked():
    flat = torch.full((20, 96, 128), 128.0)
    for seed in range(12):
        noise = (noisy(flat, 5.0, generator(seed)) - flat).numpy()
        assert noise[:, 8:-8, 8:-8].std() == pytest.approx(5.0, rel=0.1)
        assert abs(noise.mean()) < 0.1
        assert abs(np.corrcoef(noise.reshape(20, -1))[~np.eye(20, dtype=bool)]).max() < 0.3


# --- chance ----------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_clip():
    clip = speckled(3, 128, 20)
    one, again, other = (changed(clip, IMPARTIAL, 96, generator(seed)) for seed in (4, 4, 5))
    assert same(one, again)
    assert not same(one, other)


def test_only_the_generator_is_used_and_the_clip_stays_as_it_was():
    clip = speckled(3, 128, 20)
    kept = speckled(3, 128, 20)
    before = torch.get_rng_state(), str(np.random.get_state())
    changed(clip, IMPARTIAL, 96, generator(0))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert str(np.random.get_state()) == before[1]
    assert same(clip, kept)
