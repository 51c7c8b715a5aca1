"""Clips that are a moving texture plus a still one, taken apart again."""

from __future__ import annotations

import numpy as np
import pytest
from textures import Texture, still

from napari_usstrack.flow.layers import Layers, split
from napari_usstrack.flow.squares import Crops
from napari_usstrack.flow.support import Support

SUPPORT = Support.reaching(5.0, 2.0)
SIZE = (110, 90)
TISSUE, CLUTTER = Texture(1, (1.5, 1.5)), Texture(2, (1.5, 1.5))


def swing(frames: int, reach_px: float) -> np.ndarray:
    """Places of a point that goes around the middle of the picture."""
    turn = 2.0 * np.pi * np.arange(frames) / 31.0
    return np.array([55.0, 45.0]) + reach_px * np.stack([np.cos(turn), np.sin(1.7 * turn)], axis=-1)


def taken(frames: int, reach_px: float, clutter: float = 1.0, grey=128.0) -> tuple[Crops, Layers]:
    """Crops along the path of the tissue, and the layers found in them."""
    path = swing(frames, reach_px)
    behind = clutter * CLUTTER.seen(SIZE)
    pictures = np.stack([TISSUE.seen(SIZE, at - path[0]) + behind for at in path])
    grey8 = np.clip(np.rint(0.6 * pictures + grey), 0, 255).astype(np.uint8)
    crops = Crops([grey8], path, still(frames), SUPPORT)
    return crops, split(crops, path, still(frames), SUPPORT)


def removed(crops: Crops, layers: Layers) -> np.ndarray:
    """The still picture that was taken from the crops."""
    gone = crops.grey - layers.moving
    np.testing.assert_allclose(gone, np.broadcast_to(gone[:1], gone.shape), atol=1e-3)
    return gone[0]


def middle(picture: np.ndarray) -> np.ndarray:
    """The part of a crop that most squares show."""
    rows, columns = (side // 4 for side in picture.shape)
    return picture[rows:-rows, columns:-columns]


def shown(texture: Texture, crops: Crops) -> np.ndarray:
    """What a texture that stands still contributes to the crops."""
    rows, columns = crops.shape
    left, top = crops.corner.astype(int)
    return 0.6 * texture.seen(SIZE)[top : top + rows, left : left + columns]


def alike(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def test_what_stands_still_is_found_where_tissue_moves_far():
    crops, layers = taken(48, 8.0)
    gone, truth = middle(removed(crops, layers)), middle(shown(CLUTTER, crops))
    assert alike(gone, truth) > 0.9
    assert 0.5 < gone.std() / truth.std() < 1.1


def test_the_template_shows_the_tissue_alone():
    crops, layers = taken(48, 8.0)
    own = swing(1, 8.0)[0] + SUPPORT.offsets
    tissue = 0.6 * TISSUE.at(own)
    assert alike(layers.template, tissue) > 0.95
    raw = crops.squares(crops.grey, np.arange(1), swing(1, 8.0), still(1))[0]
    assert alike(raw, tissue) < 0.8
    np.testing.assert_allclose(layers.template, layers.squares.mean(axis=0), atol=1e-3)


def test_squares_are_cut_from_what_moves():
    crops, layers = taken(20, 6.0)
    seen = crops.squares(layers.moving, np.arange(20), swing(20, 6.0), still(20))
    np.testing.assert_allclose(layers.squares, seen, atol=0.05)


@pytest.mark.parametrize("clutter", [0.0, 1.0])
def test_nothing_is_taken_from_tissue_that_does_not_move(clutter):
    crops, layers = taken(48, 0.0, clutter)
    np.testing.assert_allclose(layers.moving, crops.grey, atol=0.05)


@pytest.mark.parametrize("reach_px", [0.3, 1.0])
def test_tissue_that_hardly_moves_keeps_most_of_its_own(reach_px):
    crops, layers = taken(48, reach_px, clutter=0.0)
    assert middle(removed(crops, layers)).std() < 0.25 * crops.grey.std()


def test_little_is_taken_where_nothing_stands_still():
    crops, layers = taken(48, 8.0, clutter=0.0)
    assert middle(removed(crops, layers)).std() < 0.25 * crops.grey.std()


def test_few_frames_take_little():
    parts = []
    for frames in (4, 12, 48):
        crops, layers = taken(frames, 8.0)
        parts.append(middle(removed(crops, layers)).std() / middle(shown(CLUTTER, crops)).std())
    assert parts[0] < 0.1
    assert parts[0] < 0.5 * parts[1] < 0.5 * parts[2]


@pytest.mark.parametrize("grey", [0.0, 200.0])
def test_flat_pictures_stay_flat(grey):
    path = swing(10, 8.0)
    flat = np.full((10, *SIZE[::-1]), grey, np.uint8)
    crops = Crops([flat], path, still(10), SUPPORT)
    layers = split(crops, path, still(10), SUPPORT)
    np.testing.assert_allclose(layers.moving, grey, atol=1e-2)
    np.testing.assert_allclose(layers.template, grey, atol=1e-2)


def test_crops_with_more_pixels_than_opencv_addresses_in_a_row():
    side, frames = 260, 3
    path = np.array([[30.0, 30.0], [130.0, 130.0], [230.0, 230.0]])
    noise = np.random.default_rng(0).integers(0, 255, (frames, side, side), dtype=np.uint8)
    crops = Crops([noise], path, still(frames), SUPPORT)
    assert crops.grey[0].size > 32767
    layers = split(crops, path, still(frames), SUPPORT)
    seen = crops.squares(layers.moving, np.arange(frames), path, still(frames))
    np.testing.assert_allclose(layers.squares, seen, atol=0.05)


def test_more_frames_than_are_needed_to_tell_layers_apart():
    crops, layers = taken(75, 8.0)
    assert layers.moving.shape == crops.grey.shape
    assert len(layers.squares) == 75
    assert alike(middle(removed(crops, layers)), middle(shown(CLUTTER, crops))) > 0.9
