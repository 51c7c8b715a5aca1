"""Alignment of patches to a fraction of a pixel, on textures that we shift ourselves."""

from __future__ import annotations

import math

import pytest
import torch

from napari_usstrack.models.polish import covariances, likeness, patches, polished, smaller
from napari_usstrack.models.symmetry import ORDER, moved, moved_xy

SIZE = (96, 128)
POINTS = torch.tensor([[40.0, 40.0], [70.25, 55.5], [90.0, 48.0]])


def waves(dx: float = 0.0, dy: float = 0.0, *, turn: bool = True) -> torch.Tensor:
    """A sum of plane waves, moved exactly; with `turn` off all run along x."""
    random = torch.Generator().manual_seed(3)
    y = torch.arange(SIZE[0], dtype=torch.float32)[:, None] - dy
    x = torch.arange(SIZE[1], dtype=torch.float32) - dx
    picture = torch.zeros(SIZE)
    for _ in range(24):
        angle, phase, length = torch.rand(3, generator=random).tolist()
        way = 2.0 * math.pi * angle if turn else 0.0
        step = 2.0 * math.pi / (9.0 + 14.0 * length)
        picture += torch.cos(step * (math.cos(way) * x + math.sin(way) * y) + 2.0 * math.pi * phase)
    return (picture / picture.std())[None, None]


@pytest.mark.parametrize("stride", [1, 2])
def test_a_patch_is_found_exactly_where_it_was_taken(stride):
    picture = smaller(waves(), stride)
    wanted = patches(picture, POINTS, stride)
    xy, alike = polished(picture, wanted, POINTS, stride)
    torch.testing.assert_close(xy, POINTS, atol=1e-5, rtol=0)
    torch.testing.assert_close(alike, torch.ones(3), atol=1e-4, rtol=0)


@pytest.mark.parametrize("shift", [(0.3, 0.0), (-1.4, 0.9), (0.5, 0.5), (2.0, -2.5)])
def test_a_known_shift(shift):
    xy, alike = polished(waves(*shift), patches(waves(), POINTS), POINTS)
    assert (xy - POINTS - torch.tensor(shift)).abs().max() < 0.03
    assert (alike > 0.99).all()


def test_from_a_smaller_picture_further_away():
    there, wanted = smaller(waves(3.6, -3.2), 2), patches(smaller(waves(), 2), POINTS, 2)
    xy, _ = polished(there, wanted, POINTS, 2)
    assert (xy - POINTS - torch.tensor([3.6, -3.2])).abs().max() < 0.2


def test_gain_does_not_matter_to_likeness():
    wanted = patches(waves(), POINTS)
    torch.testing.assert_close(
        likeness(3.0 * waves(), wanted, POINTS), torch.ones(3), atol=1e-3, rtol=0
    )
    assert (likeness(-waves(), wanted, POINTS) < -0.99).all()


def test_a_patch_that_would_go_far_stays():
    xy, _ = polished(waves(40.0, 20.0), patches(waves(), POINTS), POINTS)
    assert (torch.linalg.vector_norm(xy - POINTS, dim=-1) <= 5.0 + 1e-5).all()


@pytest.mark.parametrize("element", range(ORDER))
def test_the_answer_turns_with_the_pictures(element):
    here, there = waves(), waves(1.3, -0.8)
    xy, _ = polished(there, patches(here, POINTS), POINTS)
    turned, _ = polished(
        moved(there, element),
        patches(moved(here, element), moved_xy(POINTS, element, SIZE)),
        moved_xy(POINTS, element, SIZE),
    )
    torch.testing.assert_close(turned, moved_xy(xy, element, SIZE), atol=1e-3, rtol=0)


def test_errors_are_larger_along_stripes_and_with_what_is_left_over():
    stripes = waves(turn=False)
    noise = torch.randn(stripes.shape, generator=torch.Generator().manual_seed(0))
    wanted = patches(stripes, POINTS)
    little, much = (covariances(stripes + s * noise, wanted, POINTS) for s in (0.1, 0.4))
    assert (little[:, 1, 1] > 20.0 * little[:, 0, 0]).all()
    assert (much[:, 0, 0] > 4.0 * little[:, 0, 0]).all()
