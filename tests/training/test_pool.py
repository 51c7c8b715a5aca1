"""The pool of clips: the latest few of a numbered row, in memory and on disk."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from blobs import speckled

from napari_usstrack.training.pool import Pool


class Maker:
    """Makes small clips and remembers which."""

    def __init__(self):
        self.made = []

    def __call__(self, number):
        self.made.append(number)
        return speckled(2, 16, 5, seed=number, room=2)


@pytest.fixture
def make() -> Maker:
    return Maker()


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def same(one, other):
    assert torch.equal(one.frames, other.frames)
    assert one.frames.dtype == other.frames.dtype
    assert torch.equal(one.xy, other.xy)
    assert one.xy.dtype == other.xy.dtype
    assert torch.equal(one.seen, other.seen)
    assert (one.mm_per_px, one.scene) == (other.mm_per_px, other.scene)


def every(pool, size):
    """All clips of a pool, by picking until each has come."""
    random, found = np.random.default_rng(0), {}
    for _ in range(60 * size):
        clip = pool.pick(random)
        found[id(clip)] = clip
    return sorted(found.values(), key=lambda clip: clip.xy.sum().item())


@pytest.mark.parametrize("on_disk", [False, True])
def test_the_latest_clips_are_kept(make, tmp_path, on_disk):
    pool = Pool(make, 3, tmp_path / "clips" if on_disk else None, "cpu")
    assert list(pool.fill(2)) == [0, 1, 2]
    assert list(pool.fill(2)) == []
    assert list(pool.fill(4)) == [3, 4]
    assert make.made == [0, 1, 2, 3, 4]
    kept = every(pool, 3)
    wanted = sorted((make(n) for n in (2, 3, 4)), key=lambda clip: clip.xy.sum().item())
    assert len(kept) == 3
    for one, other in zip(kept, wanted, strict=True):
        same(one, other)


def test_fewer_clips_than_fit(make, tmp_path):
    pool = Pool(make, 5, tmp_path, "cpu")
    assert list(pool.fill(1)) == [0, 1]
    assert files(tmp_path) == ["clip-0.npz", "clip-1.npz"]


def test_files_come_and_go(make, tmp_path):
    pool = Pool(make, 2, tmp_path / "deep" / "clips", "cpu")
    for newest, wanted in ((1, [0, 1]), (2, [1, 2]), (6, [5, 6])):
        list(pool.fill(newest))
        assert files(tmp_path / "deep" / "clips") == [f"clip-{n}.npz" for n in wanted]


def test_what_is_read_equals_what_was_made(make, tmp_path):
    first = Pool(make, 3, tmp_path, "cpu")
    list(first.fill(4))
    made = len(make.made)
    second = Pool(make, 3, tmp_path, "cpu")
    assert list(second.fill(4)) == [2, 3, 4]
    assert len(make.made) == made
    for one, other in zip(every(first, 3), every(second, 3), strict=True):
        same(one, other)


def test_a_lost_or_half_written_file_is_made_again(make, tmp_path):
    list(Pool(make, 3, tmp_path, "cpu").fill(2))
    (tmp_path / "clip-1.npz").rename(tmp_path / "clip-1.part.npz")
    assert make.made == [0, 1, 2]
    list(Pool(make, 3, tmp_path, "cpu").fill(2))
    assert make.made == [0, 1, 2, 1]
    assert files(tmp_path) == [f"clip-{n}.npz" for n in range(3)]


def test_picks_depend_on_the_generator_alone(make):
    one, two = Pool(make, 4, None, "cpu"), Pool(make, 4, None, "cpu")
    list(one.fill(5))
    for newest in (3, 4, 5):
        list(two.fill(newest))
    randoms = np.random.default_rng(3), np.random.default_rng(3)
    for _ in range(20):
        same(one.pick(randoms[0]), two.pick(randoms[1]))


def test_every_clip_is_as_likely(make):
    pool = Pool(make, 4, None, "cpu")
    list(pool.fill(3))
    random, count = np.random.default_rng(0), 2000
    found = [id(pool.pick(random)) for _ in range(count)]
    shares = [found.count(one) for one in set(found)]
    assert len(shares) == 4
    assert max(abs(n - count / 4) for n in shares) < 5 * np.sqrt(count * 3 / 16)
