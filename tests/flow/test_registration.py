"""Squares registered with squares of textures whose motion we made."""

from __future__ import annotations

import numpy as np
import pytest
from textures import Texture, grey8, still

from napari_usstrack.flow.registration import Registered, Templates, register
from napari_usstrack.flow.squares import places, squares
from napari_usstrack.flow.support import Support

SIZE, MIDDLE = (101, 101), np.array([50.0, 50.0])
SUPPORT = Support.reaching(9.0, 3.0)
TEXTURE, OTHER = Texture(1), Texture(2)
TURN = np.array([[1.04, 0.05], [-0.03, 0.97]])


def single(picture) -> np.ndarray:
    return np.asarray(picture).astype(np.float32)


def template(picture, at=MIDDLE) -> Templates:
    """What is seen around a place, or around several."""
    centre = np.atleast_2d(at)
    seen = squares(single(picture), *places(centre, still(len(centre)), SUPPORT))
    return Templates.of(seen, SUPPORT)


def found(here, there, expected=MIDDLE, deformed=None, at=MIDDLE) -> Registered:
    """Where tissue around `at` lies in another picture."""
    centre = np.atleast_2d(expected)
    deformed = still(len(centre)) if deformed is None else deformed
    return register(
        template(here, at),
        lambda xy, how: squares(single(there), *places(xy, how, SUPPORT)),
        centre,
        deformed,
        SUPPORT,
    )


@pytest.mark.parametrize("shift", [(0.3, -0.2), (-0.5, 0.0), (0.0, 0.7), (1.1, -0.8)], ids=str)
def test_a_shift_between_pixels_is_found(shift):
    seen = found(grey8(TEXTURE.seen(SIZE)), grey8(TEXTURE.seen(SIZE, shift)))
    np.testing.assert_allclose(seen.shift, [shift], atol=0.03)
    np.testing.assert_allclose(seen.gradient, 0.0, atol=0.005)
    assert seen.likeness > 0.99


def test_an_affine_motion_is_found():
    moved = TEXTURE.seen(SIZE, (0.4, -0.3), TURN, MIDDLE)
    seen = found(TEXTURE.seen(SIZE), moved)
    np.testing.assert_allclose(seen.shift, [[0.4, -0.3]], atol=0.04)
    np.testing.assert_allclose(seen.gradient[0], TURN - np.eye(2), atol=0.01)


def test_motion_is_told_in_the_frame_of_the_template():
    turn = np.array([[0.0, -1.1], [0.95, 0.0]])
    moved = TEXTURE.seen(SIZE, turn @ [0.5, 0.2], turn @ (np.eye(2) + 0.02), MIDDLE)
    seen = found(TEXTURE.seen(SIZE), moved, deformed=turn[None])
    np.testing.assert_allclose(seen.shift, [[0.5, 0.2]], atol=0.03)
    np.testing.assert_allclose(seen.gradient[0], np.full((2, 2), 0.02), atol=0.01)


@pytest.mark.parametrize(("contrast", "brightness"), [(0.4, 0.0), (1.6, 0.0), (1.0, 60.0)])
def test_contrast_and_brightness_do_not_matter(contrast, brightness):
    here, there = TEXTURE.seen(SIZE), TEXTURE.seen(SIZE, (0.6, 0.3))
    plain, changed = found(here, there), found(here, contrast * there + brightness)
    np.testing.assert_allclose(changed.shift, plain.shift, atol=2e-3)
    np.testing.assert_allclose(changed.likeness, plain.likeness, atol=1e-3)


def partly_other(axis: int) -> float:
    """Mean error where other tissue comes into a quarter of the square's weight, from each side."""
    errors = []
    along = np.moveaxis(np.mgrid[: SIZE[1], : SIZE[0]], 0, -1)[..., 1 - axis] - MIDDLE[axis]
    for seed, side in [(1, -1), (1, 1), (21, -1), (21, 1)]:
        tissue, other = Texture(seed), Texture(seed + 1).seen(SIZE)
        covered = side * along > 0.67 * SUPPORT.reach_px
        there = np.where(covered, other, tissue.seen(SIZE, (0.6, -0.4)))
        errors.append(np.abs(found(tissue.seen(SIZE), there).shift - [0.6, -0.4]).max())
    return float(np.mean(errors))


@pytest.mark.parametrize("axis", [0, 1])
def test_other_tissue_in_a_part_of_the_square_is_outvoted(axis, monkeypatch):
    robust = partly_other(axis)
    monkeypatch.setattr("napari_usstrack.flow.registration.TOLERANCE", 1e6)
    assert robust < 0.12
    assert robust < 0.5 * partly_other(axis)


@pytest.mark.parametrize("axis", [0, 1])
def test_along_stripes_a_shift_is_known_less_well(axis):
    grain = (30.0, 2.0) if axis == 0 else (2.0, 30.0)
    stripes = Texture(3, grain)
    noise = np.random.default_rng(0).normal(0.0, 4.0, (2, *SIZE))
    seen = found(stripes.seen(SIZE) + noise[0], stripes.seen(SIZE) + noise[1])
    variance = np.diagonal(seen.covariance[0])
    assert variance[axis] > 10.0 * variance[1 - axis]


def test_the_covariance_is_that_of_errors_that_noise_makes():
    random = np.random.default_rng(4)
    here, errors, stated = TEXTURE.seen(SIZE), [], []
    for _ in range(60):
        seen = found(here, here + random.normal(0.0, 8.0, SIZE))
        errors.append(seen.shift[0])
        stated.append(np.diagonal(seen.covariance[0]))
    ratio = np.square(errors).mean(axis=0) / np.mean(stated, axis=0)
    assert ((ratio > 0.3) & (ratio < 3.0)).all()


def test_noise_makes_the_covariance_larger():
    noise = np.random.default_rng(0).normal(size=SIZE)
    here = TEXTURE.seen(SIZE)
    little, much = (np.trace(found(here, here + s * noise).covariance[0]) for s in (3.0, 30.0))
    assert much > 20.0 * little


def test_likeness_is_the_correlation():
    noise = np.random.default_rng(5).normal(0.0, 40.0, SIZE)
    here = TEXTURE.seen(SIZE)
    assert found(here, here).likeness > 0.999
    assert found(here, here + noise).likeness == pytest.approx(np.sqrt(0.5), abs=0.08)
    assert abs(found(here, OTHER.seen(SIZE)).likeness) < 0.35
    assert found(here, -here).likeness < -0.9


@pytest.mark.parametrize("grey", [0.0, 200.0])
def test_flat_pictures_say_nothing_and_break_nothing(grey):
    flat, here = np.full(SIZE, grey), TEXTURE.seen(SIZE)
    for seen in (found(flat, flat), found(here, flat), found(flat, here)):
        assert np.isfinite(seen.shift).all()
        assert np.isfinite(seen.covariance).all()
        assert abs(seen.likeness) < 0.1


def test_one_template_for_all_is_as_good_as_one_for_each():
    here, there = TEXTURE.seen(SIZE), single(TEXTURE.seen(SIZE, (0.6, -0.4)))
    centre = MIDDLE + [[0.0, 0.0], [0.5, 0.5], [1.0, -0.4]]
    one = template(here)
    answers = [
        register(
            templates,
            lambda xy, how: squares(there, *places(xy, how, SUPPORT)),
            centre,
            still(3),
            SUPPORT,
        )
        for templates in (one, one.of_rows([0, 0, 0]))
    ]
    for name in ("shift", "gradient", "covariance", "likeness"):
        together, apart = (getattr(answer, name) for answer in answers)
        np.testing.assert_allclose(together, apart, rtol=1e-3, atol=1e-5)


def test_points_do_not_change_each_other():
    here, there = TEXTURE.seen(SIZE), TEXTURE.seen(SIZE, (0.6, -0.4))
    at = np.array([[40.0, 44.0], [55.5, 60.25], [62.0, 40.0]])
    together = found(here, there, at, at=at)
    for row, place in enumerate(at):
        alone = found(here, there, place, at=place)
        np.testing.assert_allclose(alone.shift[0], together.shift[row], atol=1e-4)
        np.testing.assert_allclose(alone.likeness[0], together.likeness[row], atol=1e-4)
