"""Frames in the same phase of earlier cycles."""

from __future__ import annotations

import numpy as np
import pytest
from textures import Texture, grey8, still

from napari_usstrack.flow.recurrence import (
    Path,
    closing_match,
    levelled,
    partners,
    period,
    thumbnail,
)
from napari_usstrack.flow.support import Support

SIZE, CYCLE = (96, 88), 12
SUPPORT = Support.reaching(6.0, 2.5)
MIDDLE = np.array([48.0, 44.0])


def beating(frames: int, cycle: float = CYCLE, amount: float = 8.0) -> np.ndarray:
    """Shift (x, y), px, of every frame; x and y out of phase."""
    phase = 2.0 * np.pi * np.arange(frames) / cycle
    return amount * np.stack([1.0 - np.cos(phase), 0.5 * np.sin(phase)], axis=-1)


def pictures(shifts: np.ndarray, seed: int = 0) -> np.ndarray:
    coarse = Texture(seed, (6.0, 6.0))
    return np.stack([grey8(coarse.seen(SIZE, shift)) for shift in shifts])


def small(frames: np.ndarray) -> np.ndarray:
    return levelled(np.stack([thumbnail(frame) for frame in frames]))


@pytest.mark.parametrize("cycle", [8, 12, 15])
def test_the_length_of_a_cycle(cycle):
    assert abs(period(small(pictures(beating(44, cycle)))) - cycle) <= 1


def test_motion_that_does_not_recur_has_no_cycle():
    away = np.stack([0.7 * np.arange(40), np.zeros(40)], axis=-1)
    assert period(small(pictures(away))) == 0
    assert period(small(pictures(beating(15)))) == 0


def test_pictures_that_stand_still_or_are_flat_have_no_cycle():
    assert period(small(pictures(np.zeros((20, 2))))) == 0
    assert period(small(np.full((20, 88, 96), 50, dtype=np.uint8))) == 0


@pytest.mark.parametrize("query", [0, 20, 39])
def test_partners_are_whole_cycles_away_and_near_the_query(query):
    thumbs = small(pictures(beating(40)))
    found = partners(thumbs, query, CYCLE)
    later = np.flatnonzero(found >= 0)
    assert later.size >= 15
    off = np.abs((later - found[later] + CYCLE // 2) % CYCLE - CYCLE // 2)
    assert off.max() <= 1
    assert (off == 0).mean() > 0.85
    assert (np.abs(found[later] - query) < CYCLE).all()
    assert (np.abs(later - query) >= 0.85 * CYCLE).all()


def test_tissue_of_a_later_cycle_is_found_however_far_the_path_has_gone_astray():
    shifts = beating(2 * CYCLE)
    fine = Texture(3)
    frames = np.stack([grey8(fine.seen(SIZE, shift - 8.0)) for shift in shifts])
    truth = MIDDLE + shifts - 8.0
    first, later = slice(0, CYCLE), slice(CYCLE, 2 * CYCLE)
    astray = Path(truth[later] + [9.0, -7.0], still(CYCLE))
    found = closing_match(
        (frames[first], Path(truth[first], still(CYCLE))),
        (frames[later], astray),
        np.arange(CYCLE),
        SUPPORT,
        0.3,
    )
    np.testing.assert_allclose(found.place, truth[later], atol=0.1)
    np.testing.assert_allclose(found.deformed, still(CYCLE), atol=0.05)


def test_a_path_on_other_tissue_than_before_is_left_alone():
    shifts = beating(2 * CYCLE)
    frames = np.concatenate(
        [
            np.stack([grey8(Texture(seed).seen(SIZE, shift - 8.0)) for shift in shifts[:CYCLE]])
            for seed in (3, 4)
        ]
    )
    path = Path(MIDDLE + shifts[:CYCLE] - 8.0, still(CYCLE))
    found = closing_match(
        (frames[:CYCLE], path), (frames[CYCLE:], path), np.arange(CYCLE), SUPPORT, 0.3
    )
    assert np.isnan(found.place).all(axis=-1).mean() > 0.8
