"""Layers that turn with the picture: the group's law, and equal answers for all eight elements."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torch.nn import functional

from napari_usstrack.models.symmetry import ORDER, TABLE, Lift, Plain, Turning, moved, moved_xy

ELEMENTS = range(ORDER)
LAYERS = [
    pytest.param(3, 1, (20, 28), id="odd kernel"),
    pytest.param(4, 1, (20, 28), id="even kernel"),
    pytest.param(4, 2, (24, 32), id="even kernel, stride 2"),
    pytest.param(6, 2, (24, 32), id="wide even kernel, stride 2"),
    pytest.param(3, 2, (25, 33), id="odd kernel, stride 2, odd sides"),
]


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)
    with torch.no_grad():
        yield


def biased(layer):
    """The layer with gains and biases that are not those of the start."""
    layer.gain.uniform_(0.5, 2.0)
    layer.bias.uniform_(-0.5, 0.5)
    return layer


def marked(size, x, y):
    picture = torch.zeros(size)
    picture[y, x] = 1.0
    return picture


# --- the eight elements ----------------------------------------------------------------------


@pytest.mark.parametrize("element", ELEMENTS)
def test_a_marked_pixel_lies_where_its_position_says(element):
    size = (5, 9)
    for y, x in product(range(5), range(9)):
        after = moved(marked(size, x, y), element)
        at = moved_xy(torch.tensor([x, y]), element, size)
        assert torch.nonzero(after).tolist() == [at.flip(0).tolist()]


def test_the_eight_elements_are_different_and_the_first_four_are_quarter_turns():
    picture = torch.arange(9.0).reshape(3, 3)
    assert len({tuple(moved(picture, g).flatten().tolist()) for g in ELEMENTS}) == ORDER
    np.testing.assert_array_equal(moved(picture, 1), np.rot90(picture))
    np.testing.assert_array_equal(moved(picture, 4), np.fliplr(picture))
    np.testing.assert_array_equal(moved(picture, 7), np.rot90(np.fliplr(picture), 3))


def test_positions_between_pixels_keep_their_distances():
    xy = 30.0 * torch.rand(40, 2, dtype=torch.float64)
    for element in ELEMENTS:
        after = moved_xy(xy, element, (21, 31))
        torch.testing.assert_close(torch.pdist(after), torch.pdist(xy))


def test_the_table_undoes_the_first_element():
    picture = torch.arange(12.0).reshape(3, 4)
    for g, h in product(ELEMENTS, ELEMENTS):
        rest = moved(picture, int(TABLE[g, h]))
        assert torch.equal(moved(rest, g), moved(picture, h))


# --- layers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("kernel", "stride", "size"), LAYERS)
@pytest.mark.parametrize("element", ELEMENTS)
def test_features_turn_and_their_orientations_change_places(element, kernel, stride, size):
    lift, turning = biased(Lift(2, 3, kernel, stride)), biased(Turning(3, 2, kernel))
    picture = torch.randn(1, 2, *size)
    before = functional.relu(lift(picture))
    after = functional.relu(lift(moved(picture, element)))
    for one, other in ((before, after), (turning(before), turning(after))):
        split = one.unflatten(1, (-1, ORDER))
        wanted = moved(split[:, :, TABLE[element]], element).flatten(1, 2)
        torch.testing.assert_close(other, wanted, atol=1e-4, rtol=0)


def alike(layers, picture, element, places):
    """Products of normalised descriptors of all pairs of places, given before the move."""
    features = moved(picture, element)
    for layer in layers:
        features = layer(functional.relu(features))
    rows, columns = features.shape[-2:]
    before = (columns, rows) if element % 2 else (rows, columns)
    x, y = moved_xy(places, element, before).unbind(-1)
    found = functional.normalize(features[0, :, y, x], dim=0)
    return found.T @ found


@pytest.mark.parametrize(("kernel", "stride", "size"), LAYERS)
def test_descriptors_of_two_places_match_as_before(kernel, stride, size):
    layers = [
        biased(Lift(1, 2, kernel, stride)),
        biased(Turning(2, 3, kernel, 1)),
        biased(Turning(3, 2, 1)),
    ]
    picture = torch.randn(1, 1, *size)
    places = torch.stack([torch.randint(0, 8, (12,)), torch.randint(0, 6, (12,))], dim=1)
    straight = alike(layers, picture, 0, places)
    assert straight.std() > 0.05
    for element in ELEMENTS:
        found = alike(layers, picture, element, places)
        torch.testing.assert_close(found, straight, atol=1e-4, rtol=0)


def test_two_halvings_keep_cells_symmetric():
    layers = [biased(Lift(1, 2, 6, 2)), biased(Turning(2, 2, 4, 2)), biased(Turning(2, 2, 3))]
    picture = torch.randn(1, 1, 24, 40)
    places = torch.stack([torch.randint(0, 10, (12,)), torch.randint(0, 6, (12,))], dim=1)
    straight = alike(layers, picture, 0, places)
    for element in ELEMENTS:
        found = alike(layers, picture, element, places)
        torch.testing.assert_close(found, straight, atol=1e-4, rtol=0)


def test_free_layers_do_not_turn_with_the_picture():
    layers = [biased(Plain(1, 16, 3)), biased(Plain(16, 16, 3))]
    picture = torch.randn(1, 1, 20, 28)
    places = torch.stack([torch.randint(0, 8, (12,)), torch.randint(0, 6, (12,))], dim=1)
    straight = alike(layers, picture, 0, places)
    for element in ELEMENTS[1:]:
        assert (alike(layers, picture, element, places) - straight).abs().max() > 0.05


def test_free_and_symmetric_layers_have_the_same_shapes():
    pairs = ((Lift(1, 3, 6, 2), Plain(1, 24, 6, 2)), (Turning(2, 3, 4, 2), Plain(16, 24, 4, 2)))
    for symmetric, free in pairs:
        weight, bias = symmetric.expanded()
        assert weight.shape == free.expanded()[0].shape
        assert bias.shape == free.expanded()[1].shape


# --- weights of zero mean and fixed power ----------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "channels"),
    [(Lift(4, 6, 5), 4), (Turning(3, 6, 3), 24), (Plain(24, 48, 3), 24)],
    ids=["lift", "turning", "plain"],
)
@pytest.mark.parametrize(("factor", "offset"), [(1.0, 0.0), (20.0, 7.0)])
def test_variance_stays_near_one_whatever_the_raw_weights(layer, channels, factor, offset):
    layer.weight.normal_().mul_(factor).add_(offset)
    maps = torch.randn(4, channels, 40, 40) + 3.0
    found = layer(maps)[..., 4:-4, 4:-4]
    assert found.var().item() == pytest.approx(1.0, abs=0.1)
    per_feature = found.var(dim=(0, 2, 3))
    assert per_feature.min() > 0.8
    assert per_feature.max() < 1.2
    assert found.mean().abs() < 0.02


def test_gain_and_bias_of_a_feature_hold_for_its_eight_orientations():
    layer = Turning(2, 3, 3)
    maps = torch.randn(1, 16, 12, 12)
    plain = layer(maps).unflatten(1, (3, ORDER))
    layer.gain.copy_(torch.tensor([0.5, 1.0, 3.0]))
    layer.bias.copy_(torch.tensor([-1.0, 0.0, 2.0]))
    changed = layer(maps).unflatten(1, (3, ORDER))
    for feature, (gain, bias) in enumerate([(0.5, -1.0), (1.0, 0.0), (3.0, 2.0)]):
        torch.testing.assert_close(changed[:, feature], gain * plain[:, feature] + bias)


def test_gradients_reach_every_weight():
    with torch.enable_grad():
        lift, turning = Lift(1, 2, 4, 2), Turning(2, 2, 3)
        turning(functional.relu(lift(torch.randn(1, 1, 16, 16)))).square().sum().backward()
    for layer in (lift, turning):
        assert (layer.weight.grad != 0).all()
