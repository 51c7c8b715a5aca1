"""Clips from one picture: their paths are true, and no direction is preferred."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from blobs import blob_clip, centroids, speckled

from napari_usstrack.training import warps
from napari_usstrack.training.clips import TrainingClip
from napari_usstrack.training.warps import still, warped


def generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture
def noiseless(monkeypatch):
    monkeypatch.setattr(warps, "noisy", lambda frames, _level, _random: frames)


# --- warped ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(160, 160), (128, 192)])
def test_a_blob_is_where_its_path_says(noiseless, size):
    start = np.array([0.55 * size[1], 0.45 * size[0]])
    clip, moved_by, compared = blob_clip(np.tile(start, (6, 1)), size, width=1.5), [], 0
    for seed in range(25):
        after = warped(clip, generator(seed))
        xy = after.xy[:, 0].numpy()
        whole = ((xy > 12) & (xy < np.array(size)[::-1] - 13)).all(axis=1)
        off = np.linalg.norm(centroids(after.frames)[whole] - xy[whole], axis=1)
        assert (off < 0.15).all()
        moved_by.append(np.linalg.norm(xy - start, axis=1).max())
        compared += whole.sum()
    assert compared > 100
    assert max(moved_by) > 15


def test_only_the_first_frame_is_shown():
    clip = speckled(4, 64, 20)
    other = TrainingClip(clip.frames.clone(), clip.xy.clone(), clip.seen, 0.1, "")
    other.frames[1:] = 0
    other.xy[1:] = 0
    one, two = warped(clip, generator(3)), warped(other, generator(3))
    assert torch.equal(one.frames, two.frames)
    assert torch.equal(one.xy, two.xy)
    assert one.frames.min() >= 0
    assert one.frames.max() <= 255


def test_a_point_that_leaves_is_not_seen():
    clip = speckled(6, 64, 200, room=0)
    clip.seen[0, 0] = False
    gone = 0
    for seed in range(20):
        after = warped(clip, generator(seed))
        inside = ((after.xy >= 0) & (after.xy <= 63)).all(dim=-1)
        inside[:, 0] = False
        assert torch.equal(after.seen, inside)
        gone += int((~inside[:, 1:]).sum())
    assert gone > 0


def test_motion_is_smooth_and_never_folds():
    """Neighbours stay neighbours: an area of the picture keeps its sign and rough size."""
    y, x = np.mgrid[8:120:8, 8:120:8].astype(np.float32)
    grid = torch.from_numpy(np.stack([x, y], axis=-1).reshape(-1, 2))
    clip = TrainingClip(
        torch.zeros(6, 128, 128), grid.expand(6, -1, -1), torch.ones(6, 196, dtype=bool), 0.1, ""
    )
    for seed in range(40):
        xy = warped(clip, generator(seed)).xy.view(6, 14, 14, 2)
        right, down = xy[:, :-1, 1:] - xy[:, :-1, :-1], xy[:, 1:, :-1] - xy[:, :-1, :-1]
        area = (right[..., 0] * down[..., 1] - right[..., 1] * down[..., 0]) / 64.0
        assert area.min() > 0.3
        assert area.max() < 3.0


def test_no_direction_and_no_phase_is_preferred():
    clip = speckled(5, 64, 1)
    clip.xy[:] = torch.tensor([36.0, 28.0])
    seeds = 800
    xy = np.stack([warped(clip, generator(seed)).xy[:, 0].numpy() for seed in range(seeds)])
    for travel in (
        xy[:, -1] - xy[:, 0],
        xy[:, 2] - xy[:, 0],
        xy[:, 2] - 0.5 * (xy[:, 1] + xy[:, 3]),
    ):
        error = travel.std(axis=0) / np.sqrt(seeds)
        assert (np.abs(travel.mean(axis=0)) < 4 * error).all()
        # As much along x as along y.
        assert 0.8 < travel[:, 0].std() / travel[:, 1].std() < 1.25
    speed = np.linalg.norm(np.diff(xy, axis=1), axis=2).mean(axis=0)
    assert speed.max() < 1.15 * speed.min()


# --- still -----------------------------------------------------------------------------------


def test_a_still_clip_has_no_motion():
    clip = blob_clip([[30.0, 30.0], [40.0, 30.0], [50.0, 30.0], [60.0, 30.0]], (64, 96))
    taken = set()
    for seed in range(20):
        after = still(clip, generator(seed))
        assert after.frames.shape == clip.frames.shape
        assert (after.xy == after.xy[0]).all()
        one = int(torch.nonzero((clip.xy == after.xy[0]).all(dim=-1))[0, 0])
        base = clip.frames[one]
        taken.add(one)
        assert (after.frames.mean(dim=0) - base).abs().mean() < 6
        assert after.seen.all()
    assert taken == {0, 1, 2, 3}


def test_a_still_clip_has_fresh_noise():
    clip = speckled(6, 64, 5)
    levels = []
    for seed in range(20):
        after = still(clip, generator(seed)).frames
        noise = (after - clip.frames.float()).numpy().reshape(6, -1)
        assert abs(np.corrcoef(noise)[~np.eye(6, dtype=bool)]).max() < 0.2
        levels.append(noise.std())
    assert 1 < min(levels) < 4
    assert 6 < max(levels) < 13


@pytest.mark.parametrize("make", [still, warped])
def test_the_same_seed_gives_the_same_clip(make):
    clip = speckled(4, 64, 10)
    kept = clip.frames.clone(), clip.xy.clone()
    one, again, other = (make(clip, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(one.frames, again.frames)
    assert torch.equal(one.xy, again.xy)
    assert not torch.equal(one.frames, other.frames)
    assert torch.equal(clip.frames, kept[0])
    assert torch.equal(clip.xy, kept[1])
