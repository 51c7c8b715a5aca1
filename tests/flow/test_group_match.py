"""Paths with errors we made, along speckle whose motion we made."""

from __future__ import annotations

import numpy as np
import pytest
from textures import Texture, grey8, still

from napari_usstrack.flow.group_match import LEAST_ALIKE, ROOM_MM, GroupMatch, group_match
from napari_usstrack.flow.support import Support

SUPPORT, MM = Support.reaching(6.0, 3.0), 0.3
SIZE, COUNT, QUERY = (110, 90), 24, 5
TISSUE = Texture(1)


def truth() -> np.ndarray:
    turn = 2.0 * np.pi * np.arange(COUNT) / 17.0
    return np.array([55.0, 45.0]) + 5.0 * np.stack([np.cos(turn), np.sin(1.7 * turn)], axis=-1)


def clip(noise: float = 3.0) -> np.ndarray:
    random = np.random.default_rng(0)
    path = truth()
    grain = random.normal(0.0, noise, (COUNT, *SIZE[::-1]))
    return grey8(np.stack([TISSUE.seen(SIZE, at - path[0]) for at in path]) + grain)


def mistaken(size_px: float = 0.6) -> np.ndarray:
    """The true path with errors; none in the query's frame."""
    errors = np.random.default_rng(1).normal(0.0, size_px, (COUNT, 2))
    errors[QUERY] = 0.0
    return truth() + errors


def matched(frames=None, centre=None, deformed=None, query: int = QUERY) -> GroupMatch:
    frames = [clip()] if frames is None else frames
    centre = mistaken() if centre is None else centre
    deformed = still(len(centre)) if deformed is None else deformed
    return group_match(frames, centre, deformed, query, SUPPORT, MM)


others = np.arange(COUNT) != QUERY


def error(places: np.ndarray, true: np.ndarray) -> float:
    return float(np.sqrt(np.mean((places - true) ** 2)))


def test_a_path_with_errors_is_pulled_to_the_truth():
    found = matched()
    assert error(found.common[others], truth()[others]) < 0.25 * error(
        mistaken()[others], truth()[others]
    )
    assert found.likeness.min() > 0.8


@pytest.mark.parametrize("reach_px", [0.2, 0.6, 2.0])
def test_a_right_path_stays_right_however_little_tissue_moves(reach_px):
    path = np.array([55.0, 45.0]) + (truth() - [55.0, 45.0]) * reach_px / 5.0
    frames = np.stack([grey8(TISSUE.seen(SIZE, at - path[0])) for at in path])
    assert error(matched([frames], path).common[others], path[others]) < 0.06


def test_the_query_measures_nothing():
    found = matched()
    assert np.isnan(found.common[QUERY]).all()
    assert np.isfinite(found.common[others]).all()


def test_places_are_told_relative_to_the_query():
    shifted = matched(centre=mistaken() + [0.5, -0.3])
    plain = matched()
    moved = shifted.common[others] - plain.common[others]
    np.testing.assert_allclose(moved, np.broadcast_to([0.5, -0.3], moved.shape), atol=0.1)


def test_an_error_that_all_frames_but_the_query_share_is_found():
    biased = truth() + [0.6, -0.4]
    biased[QUERY] = truth()[QUERY]
    found = matched(centre=biased).common[others]
    np.testing.assert_allclose(found, truth()[others], atol=0.15)


def test_places_are_turned_with_the_tissue():
    path, middle = truth(), np.array([55.0, 45.0])
    turns = np.linspace(0.0, 1.2, COUNT)
    turned = np.stack([[[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]] for a in turns])
    turned = turned @ turned[QUERY].T
    frames = np.stack(
        [
            grey8(TISSUE.seen(SIZE, at - middle, how, middle))
            for at, how in zip(path, turned, strict=True)
        ]
    )
    found = matched([frames], deformed=turned)
    assert error(found.common[others], path[others]) < 0.15


def test_deformation_turns_the_covariance():
    stripes = Texture(3, (2.0, 25.0))
    random = np.random.default_rng(0)
    quarter = np.array([[0.0, -1.0], [1.0, 0.0]])
    middle = np.array([55.0, 45.0])
    upright = [stripes.seen(SIZE) + random.normal(0, 4, SIZE[::-1]) for _ in range(4)]
    lying = stripes.seen(SIZE, turned=quarter, about=middle) + random.normal(0, 4, SIZE[::-1])
    frames = np.stack([grey8(each) for each in [*upright, lying]])
    deformed = np.stack([np.eye(2)] * 4 + [quarter])
    found = matched([frames], np.tile(middle, (5, 1)), deformed, 0)
    along = np.diagonal(found.common_covariance, axis1=1, axis2=2)
    assert (along[:4, 1] > 2.0 * along[:4, 0]).all()
    assert along[4, 0] > 2.0 * along[4, 1]


def test_frames_of_noise_say_nothing():
    frames, gone = clip(), [8, 9, 10, 19]
    random = np.random.default_rng(2)
    frames[gone] = random.integers(0, 256, (len(gone), *frames.shape[1:]), dtype=np.uint8)
    found = matched([frames])
    silent = np.isnan(found.common).all(axis=1)
    assert np.flatnonzero(silent).tolist() == sorted([QUERY, *gone])
    assert (found.likeness[gone] < LEAST_ALIKE).all()
    kept = ~silent
    assert error(found.common[kept], truth()[kept]) < 0.2


def test_places_too_far_from_where_they_were_thought_to_be_are_not_believed():
    stray = mistaken(0.1)
    stray[15] += [1.5 * ROOM_MM / MM, 0.0]
    found = matched(centre=stray).common[15]
    assert np.isnan(found).all() or np.hypot(*(found - stray[15])) * MM <= ROOM_MM


@pytest.mark.parametrize("split", [1, 6, COUNT - 1])
def test_a_query_in_a_block_put_in_front_gives_the_same(split):
    frames, centre = clip(), mistaken()
    rest = np.r_[:QUERY, QUERY + 1 : COUNT]
    order = np.r_[QUERY, rest]
    together = matched([frames[order]], centre[order], query=0)
    apart = matched([frames[order][:split], frames[order][split:]], centre[order], query=0)
    np.testing.assert_allclose(apart.common, together.common, atol=1e-4)
    np.testing.assert_allclose(together.common[1:], matched().common[rest], atol=0.02)


def test_a_stretch_far_from_the_query_is_measured_by_it():
    frames, centre = clip(), mistaken()
    rows = np.r_[QUERY, 14:COUNT]
    found = matched([frames[[QUERY]], frames[14:]], centre[rows], query=0)
    assert error(found.common[1:], truth()[14:]) < 0.25
