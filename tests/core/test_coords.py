from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_usstrack.core.coords import Chain, Crop, Flip, Resize, Transpose, inside, swapped

WIDTH, HEIGHT = 23, 14

side = st.integers(1, 300)
sizes = st.tuples(side, side)
positions = st.lists(
    st.tuples(st.floats(-500, 500), st.floats(-500, 500)), min_size=1, max_size=6
).map(np.array)


@st.composite
def picture_maps(draw, before):
    """A map from a frame of the size `before` that can also change pictures."""
    width, height = before
    kind = draw(st.sampled_from(["crop", "flip", "transpose"]))
    if kind == "flip":
        return Flip(before, draw(st.booleans()), draw(st.booleans()))
    if kind == "transpose":
        return Transpose(before)
    left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    return Crop(left, top, draw(st.integers(1, width - left)), draw(st.integers(1, height - top)))


@st.composite
def chains(draw):
    size = draw(sizes)
    maps = []
    for _ in range(draw(st.integers(1, 5))):
        resize = draw(st.booleans())
        maps.append(Resize(size, draw(sizes)) if resize else draw(picture_maps(size)))
        size = maps[-1].size
    return Chain(maps)


@given(chains(), positions)
def test_chain_comes_back(chain, xy):
    np.testing.assert_allclose(chain.backward(chain.forward(xy)), xy, atol=1e-6)


@given(sizes, sizes, positions)
def test_resize_comes_back(before, after, xy):
    resize = Resize(before, after)
    np.testing.assert_allclose(resize.backward(resize.forward(xy)), xy, atol=1e-9)
    np.testing.assert_allclose(resize.forward(resize.backward(xy)), xy, atol=1e-7)


@given(sizes, sizes)
def test_resize_keeps_the_outer_edges(before, after):
    resize = Resize(before, after)
    edges = [[-0.5, -0.5], [before[0] - 0.5, before[1] - 0.5]]
    wanted = [[-0.5, -0.5], [after[0] - 0.5, after[1] - 0.5]]
    np.testing.assert_allclose(resize.forward(edges), wanted, atol=1e-9)


def test_resize_to_half_puts_the_corner_pixel_between_four():
    half = Resize((8, 4), (4, 2))
    np.testing.assert_allclose(half.backward([[0, 0], [3, 1]]), [[0.5, 0.5], [6.5, 2.5]])
    np.testing.assert_allclose(half.factor, [0.5, 0.5])


def test_resize_agrees_with_block_means():
    ramp = np.arange(WIDTH * 4, dtype=float).reshape(-1, 4).mean(axis=1)
    resize = Resize((WIDTH * 4, HEIGHT), (WIDTH, HEIGHT))
    centres = np.stack([np.arange(WIDTH), np.zeros(WIDTH)], axis=-1)
    np.testing.assert_allclose(resize.backward(centres)[:, 0], ramp)


@given(st.data())
def test_a_bright_pixel_goes_where_forward_says(data):
    before = data.draw(st.tuples(st.integers(1, 30), st.integers(1, 30)))
    mapping = data.draw(picture_maps(before))
    width, height = before
    at = data.draw(st.tuples(st.integers(0, width - 1), st.integers(0, height - 1)))
    frames = np.zeros((2, height, width), np.uint8)
    frames[:, at[1], at[0]] = 255
    picture = mapping.picture(frames)
    assert picture.shape == (2, *mapping.size[::-1])
    x, y = mapping.forward(at)
    lands_inside = bool(inside([x, y], *mapping.size))
    assert picture[0].any() == lands_inside
    if lands_inside:
        assert picture[1, int(y), int(x)] == 255


def test_a_corner_under_each_map():
    corner = (WIDTH - 1, 0)
    size = (WIDTH, HEIGHT)
    assert Flip(size).forward(corner).tolist() == [0, 0]
    assert Flip(size, False, True).forward(corner).tolist() == [WIDTH - 1, HEIGHT - 1]
    assert Flip(size, True, True).forward(corner).tolist() == [0, HEIGHT - 1]
    assert Transpose(size).forward(corner).tolist() == [0, WIDTH - 1]
    assert Transpose(size).size == (HEIGHT, WIDTH)
    assert Crop(20, 0, 3, 9).forward(corner).tolist() == [2, 0]
    assert Crop(20, 0, 3, 9).size == (3, 9)


def test_size_follows_the_chain():
    chain = Chain([Crop(2, 3, 11, 7), Transpose((11, 7)), Resize((7, 11), (14, 33))])
    assert chain.size == (14, 33)
    np.testing.assert_allclose(chain.forward([2, 3]), [0.5, 1.0])


@pytest.mark.parametrize("mapping", [Flip((WIDTH, HEIGHT)), Transpose((WIDTH, HEIGHT))])
def test_twice_is_nothing(mapping):
    xy = np.array([[3.25, 7.5], [0, 13]])
    np.testing.assert_array_equal(mapping.backward(mapping.forward(xy)), xy)


@pytest.mark.parametrize(
    "crop", [Crop(-1, 0, 5, 5), Crop(0, -1, 5, 5), Crop(19, 0, 5, 5), Crop(0, 10, 5, 5)]
)
def test_a_crop_outside_the_frame_is_refused(crop):
    with pytest.raises(ValueError, match=f"does not fit a frame of {WIDTH} x {HEIGHT}"):
        crop.picture(np.zeros((HEIGHT, WIDTH), np.uint8))


def test_missing_positions_stay_missing():
    chain = Chain([Resize((9, 5), (3, 10)), Flip((3, 10)), Crop(1, 1, 2, 2)])
    assert np.isnan(chain.forward([[np.nan, np.nan]])).all()


def test_inside_ends_at_the_outer_pixel_edges():
    xy = [[-0.5, -0.5], [WIDTH - 0.5, HEIGHT - 0.5], [-0.6, 0], [0, HEIGHT], [WIDTH, 0]]
    assert inside(xy, WIDTH, HEIGHT).tolist() == [True, True, False, False, False]
    assert not inside([np.nan, 1], WIDTH, HEIGHT)
    assert inside(np.zeros((4, 3, 2)), WIDTH, HEIGHT).shape == (4, 3)


def test_swapped_exchanges_the_last_axis():
    np.testing.assert_array_equal(swapped([[1, 2], [3, 4]]), [[2, 1], [4, 3]])
