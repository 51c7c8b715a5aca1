"""SpeckNet with random weights: what holds for any weights, and its parts against plain sums."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from torch.nn import functional

from napari_usstrack.models.specknet import (
    COARSE,
    FINE,
    MIDDLE,
    Descriptors,
    Maps,
    SpeckNet,
    SpeckNetSettings,
    coarse_place,
    levelled,
    peak,
)
from napari_usstrack.models.symmetry import ORDER, moved, moved_xy

SIZE = (96, 128)
SMALL = SpeckNetSettings(fine=2, middle=3, coarse=4, wide=4)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def network() -> SpeckNet:
    torch.manual_seed(0)
    network = SpeckNet(SMALL).eval()
    network.scale.data = torch.tensor([2.3, 1.7, 2.1, -0.8])
    return network


def texture(count: int = 1, size: tuple[int, int] = SIZE) -> torch.Tensor:
    """Speckled frames, 0 to 255."""
    noise = torch.randn(2 * count, 1, size[0] + 4, size[1] + 4)
    smooth = functional.avg_pool2d(functional.avg_pool2d(noise, 3, 1), 3, 1)
    bright = smooth.view(2, count, *size).square().sum(dim=0).sqrt()
    return 255.0 * (bright / bright.amax())


def places(count: int, size: tuple[int, int] = SIZE, room: float = 0.0) -> torch.Tensor:
    """Random positions of one frame, (1, points, 2) px."""
    span = torch.tensor([size[1], size[0]]) - 1.0 - 2.0 * room
    return room + torch.rand(1, count, 2) * span


def asked(network: SpeckNet, maps: Maps, xy: torch.Tensor) -> Descriptors:
    """Descriptors of points in the first frame, (points, channels)."""
    return Descriptors(*(each[0] for each in network.describe(maps.of(slice(0, 1)), xy)))


# --- maps ------------------------------------------------------------------------------------


def test_descriptors_have_unit_length_and_the_cells_of_their_map(network):
    maps = network.encode(texture(2))
    strides = (FINE, MIDDLE, COARSE)
    for each, features, stride in zip(maps[:3], (2, 3, 4), strides, strict=True):
        assert each.shape == (2, ORDER * features, SIZE[0] // stride, SIZE[1] // stride)
        norm = each.norm(dim=1)
        torch.testing.assert_close(norm, torch.ones_like(norm))
    for each in network.describe(maps, places(5).expand(2, -1, -1)):
        torch.testing.assert_close(each.norm(dim=-1), torch.ones(2, 5))


def test_the_picture_without_mean_and_contrast_is_kept(network):
    frames = texture(2)
    assert torch.equal(network.encode(frames).picture, levelled(frames[:, None]))


def test_maps_of_some_frames(network):
    maps = network.encode(texture(3))
    for some, whole in zip(maps.of([2, 0]), maps, strict=True):
        assert torch.equal(some, whole[[2, 0]])


def test_no_frame_sees_another(network):
    frames = texture(3)
    together = network.encode(frames)
    other = network.encode(torch.cat([frames[:1], texture(2)]))
    for one, whole, mixed in zip(network.encode(frames[:1]), together, other, strict=True):
        torch.testing.assert_close(whole[:1], one, atol=1e-5, rtol=0)
        torch.testing.assert_close(mixed[:1], one, atol=1e-5, rtol=0)
        assert (whole[1:] - mixed[1:]).abs().max() > 0.1


def test_frames_may_be_whole_numbers(network):
    frames = texture(2).byte()
    for one, other in zip(network.encode(frames), network.encode(frames.float()), strict=True):
        assert torch.equal(one, other)


def test_an_exported_encoder_gives_the_same_maps(network):
    frames = texture(2, (48, 64))

    class Encoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, grey):
            return tuple(self.network.encode(grey))

    exported = torch.export.export(Encoder(), (frames,)).module()
    other = texture(2, (48, 64))
    for found, wanted in zip(exported(other), network.encode(other), strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


def test_settings_there_and_back():
    settings = SpeckNetSettings(
        fine=1, middle=2, coarse=3, wide=2, reach=4, peak=1, symmetric=False
    )
    again = SpeckNetSettings(**json.loads(json.dumps(settings.plain())))
    assert again == settings
    assert again != SpeckNetSettings()
    one, other = SpeckNet(settings), SpeckNet(again)
    other.load_state_dict(one.state_dict())
    frames = texture(1, (32, 48))
    for found, wanted in zip(other.encode(frames), one.encode(frames), strict=True):
        assert torch.equal(found, wanted)


# --- local mean and contrast -----------------------------------------------------------------


def test_offset_and_gain_hardly_matter():
    grey = texture(2)[:, None]
    straight = levelled(grey)
    assert 0.7 < straight.std() < 1.3
    assert straight.mean().abs() < 0.1
    torch.testing.assert_close(levelled(grey + 60.0), straight, atol=2e-3, rtol=0)
    for gain in (0.7, 1.6):
        assert (levelled(gain * grey) - straight).abs().mean() < 0.03 * straight.abs().mean()


def test_a_picture_without_contrast_becomes_nothing():
    flat = torch.full((1, 1, 40, 56), 137.0)
    torch.testing.assert_close(levelled(flat), torch.zeros_like(flat), atol=1e-4, rtol=0)
    faint = flat + 0.1 * torch.randn_like(flat)
    assert levelled(faint).abs().max() < 0.1


def test_a_ramp_is_all_local_mean():
    """Deep inside; at the border the mean is that of the inner side alone."""
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(128.0), indexing="ij")
    ramp = (1.1 * x + 0.7 * y)[None, None]
    assert levelled(ramp)[..., 24:-24, 24:-24].abs().max() < 1e-3
    assert levelled(ramp)[..., :8, :8].max() < -0.2


def test_brightness_far_away_does_not_matter():
    grey = texture()[:, None]
    other = grey.clone()
    other[..., 64:] = 0.0
    gap = (levelled(grey) - levelled(other)).abs()
    assert gap[..., :32].max() < 1e-6
    assert gap[..., 60:64].max() > 0.05


@pytest.mark.parametrize("element", range(ORDER))
def test_levels_follow_the_symmetries(element):
    grey = texture()[:, None]
    wanted = moved(levelled(grey), element)
    torch.testing.assert_close(levelled(moved(grey, element)), wanted, atol=1e-4, rtol=0)


# --- comparing -------------------------------------------------------------------------------


def test_the_volume_is_the_sum_of_enlarged_products(network):
    maps = network.encode(texture(2))
    wanted = asked(network, maps, places(5))
    found = network.volume(maps, wanted)
    _, middle, coarse, _ = network.scale.exp()
    one = torch.einsum("pc,fcij->fpij", wanted.middle, maps.middle)
    two = torch.einsum("pc,fcij->fpij", wanted.coarse, maps.coarse)
    large = functional.interpolate(two, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(found, middle * one + coarse * large, atol=1e-4, rtol=1e-5)
    each = Descriptors(*(d.expand(2, -1, -1) for d in wanted))
    torch.testing.assert_close(network.volume(maps, each), found, atol=1e-5, rtol=1e-6)


def test_the_finest_map_is_compared_around_a_guess(network):
    maps = network.encode(texture(2))
    wanted = asked(network, maps, places(4))
    volume = network.volume(maps, wanted)
    guess = torch.tensor([[1.5, 1.5], [61.5, 41.5], [125.5, 93.5], [125.5, 1.5]]).expand(2, -1, -1)
    side = 2 * SMALL.reach
    logits, corner = network.closely(maps, wanted, volume, guess)
    rows, columns = maps.fine.shape[-2:]
    # 61.5 px is between the cells 30 and 31 of 2 px, 41.5 px between 20 and 21.
    assert corner[0].tolist() == [
        [0, 0],
        [30 - SMALL.reach + 1, 20 - SMALL.reach + 1],
        [columns - side, rows - side],
        [columns - side, 0],
    ]
    gain, _, _, share = network.scale.exp().numpy()
    for frame in range(2):
        for point in range(4):
            left, top = corner[frame, point].tolist()
            piece = maps.fine[frame, :, top : top + side, left : left + side]
            near = torch.einsum("c,cij->ij", wanted.fine[point], piece).numpy()
            at = np.mgrid[top : top + side, left : left + side]
            at = ((at + 0.5) * FINE - 0.5 + 0.5) / MIDDLE - 0.5
            far = map_coordinates(volume[frame, point].numpy(), at, order=1, mode="nearest")
            found = logits[frame, point].view(side, side)
            np.testing.assert_allclose(found, gain * near + share * far, atol=1e-4)


def test_the_best_cell_of_4_px():
    volume = torch.zeros(1, 2, 6, 9)
    volume[0, 0, 4, 7], volume[0, 1, 0, 2] = 1.0, 1.0
    torch.testing.assert_close(coarse_place(volume), torch.tensor([[[29.5, 17.5], [9.5, 1.5]]]))


def test_a_peak_is_the_mean_of_cells_near_the_best():
    logits = torch.full((1, 1, 8, 8), -30.0)
    share = {(3, 5): 0.5, (4, 5): 0.3, (3, 3): 0.2}
    for (x, y), part in share.items():
        logits[0, 0, y, x] = np.log(part)
    corner = torch.tensor([[[10, 20]]])
    xy, spread, sure = peak(logits.flatten(2), corner, 8, 2)
    cells = np.average(list(share), axis=0, weights=list(share.values()))
    np.testing.assert_allclose(xy[0, 0], ([10, 20] + cells + 0.5) * FINE - 0.5, atol=1e-4)
    square = ((np.array(list(share)) - cells) ** 2).sum(axis=1)
    assert spread.item() == pytest.approx(4 * np.average(square, weights=list(share.values())))
    assert sure.item() == pytest.approx(1.0)
    logits[0, 0, 5, 6] = np.log(0.4)
    far, _, sure = peak(logits.flatten(2), corner, 8, 2)
    torch.testing.assert_close(far, xy)
    assert sure.item() == pytest.approx(1 / 1.4)


# --- finding ---------------------------------------------------------------------------------


def found_at(network: SpeckNet, frames: torch.Tensor, xy: torch.Tensor):
    maps = network.encode(frames)
    return network.find(maps, asked(network, maps, xy))


@pytest.mark.parametrize("size", [SIZE, (112, 64)])
def test_answers_turn_and_mirror_with_the_picture(network, size):
    frames, xy = texture(2, size), places(25, size)
    straight = found_at(network, frames, xy)
    for element in range(1, ORDER):
        turned = found_at(network, moved(frames, element), moved_xy(xy, element, size))
        wanted = moved_xy(straight.xy, element, size)
        torch.testing.assert_close(turned.xy, wanted, atol=1e-3, rtol=0)
        torch.testing.assert_close(turned.spread, straight.spread, atol=1e-3, rtol=0)
        torch.testing.assert_close(turned.seen, straight.seen, atol=1e-3, rtol=0)


def test_free_layers_give_another_answer_in_a_turned_picture():
    free = SpeckNet(SpeckNetSettings(2, 3, 4, 4, symmetric=False)).eval()
    frames, xy = texture(2), places(25)
    straight, turned = (found_at(free, moved(frames, g), moved_xy(xy, g, SIZE)).xy for g in (0, 1))
    assert (turned - moved_xy(straight, 1, SIZE)).abs().max() > 0.05


def test_points_are_found_in_their_own_frame_and_after_a_shift(network):
    """A shift of whole cells of all maps is found as well as no shift at all."""
    wide = texture(1, (SIZE[0], SIZE[1] + 2 * COARSE))[0]
    frames = torch.stack([wide[:, 2 * COARSE :], wide[:, : SIZE[1]]])
    xy = places(30, (SIZE[0], SIZE[1] - 2 * COARSE), room=24.0)
    found = found_at(network, frames, xy).xy - xy
    assert found[0].norm(dim=-1).max() < 2.0
    moved_by = found[1] - torch.tensor([2.0 * COARSE, 0.0])
    assert moved_by.norm(dim=-1).median() < 1.0
    assert (found[1] - found[0] - torch.tensor([2.0 * COARSE, 0.0])).abs().median() < 0.1


def test_of_two_places_that_look_alike_the_expected_one_is_taken(network):
    tile = texture(1, (64, 64))
    frames = tile.repeat(1, 1, 3)
    xy = torch.tensor([[[90.0, 30.0]]])
    maps = network.encode(frames)
    wanted = asked(network, maps, xy)
    step = torch.arange(48) * MIDDLE + 1.5
    for shift in (-64.0, 0.0, 64.0):
        near = (-0.5 * ((step - 90.0 - shift) / 16.0) ** 2).expand(1, 1, 16, -1)
        found = network.find(maps, wanted, near).xy
        assert (found - xy - torch.tensor([shift, 0.0])).norm() < 8.0


def test_all_parts_learn():
    with torch.enable_grad():
        network = SpeckNet(SMALL)
        maps = network.encode(texture(2))
        wanted = asked(network, maps, places(10))
        found = network.find(maps, wanted)
        (found.xy.sum() + found.spread.sum() + found.seen.sum()).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert (parameter.grad != 0).any(), name
