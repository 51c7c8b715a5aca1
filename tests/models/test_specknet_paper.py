"""The rebuilt SpeckNet: sizes, and every place where a rebuild goes wrong without a sign."""

from __future__ import annotations

import numpy as np
import pytest

from napari_usstrack.core.coords import Resize
from napari_usstrack.core.tracker import Queries, finish
from napari_usstrack.io.array_video import array_video
from napari_usstrack.models.torchscript import TorchScriptTracker

torch = pytest.importorskip("torch")
from torch.nn import functional as F  # noqa: E402, N812

from napari_usstrack.models.specknet_paper import (  # noqa: E402
    Convolution,
    Encoder,
    Head,
    HeadBlock,
    ResidualBlock,
    SpeckNetPaper,
    SpeckNetPaperSettings,
    convolution_3,
    likeness,
    read_place,
    sample,
)

SIZE = 128
FINE_PX = 8
COARSE_PX = 16


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def network() -> SpeckNetPaper:
    torch.manual_seed(0)
    return SpeckNetPaper(SpeckNetPaperSettings(size=SIZE)).eval()


def texture(height: int = SIZE, width: int = SIZE) -> torch.Tensor:
    """Blurred noise ``[height, width]``, 0 to 255."""
    blurred = F.avg_pool2d(torch.rand(1, 1, height + 2, width + 2), 3, 1)[0, 0]
    return (blurred - blurred.min()) / (blurred.max() - blurred.min()) * 255


def clip(count: int, batch: int = 1, height: int = SIZE, width: int = SIZE) -> torch.Tensor:
    return torch.stack(
        [torch.stack([texture(height, width)[None] for _ in range(count)]) for _ in range(batch)]
    )


def places(start: int, stop: int, step: int, frame: int = 0) -> torch.Tensor:
    """Queries ``[1, N, 3]`` on a square lattice, px."""
    axis = range(start, stop, step)
    return torch.tensor([[[float(frame), x, y] for y in axis for x in axis]])


def parameters(module: torch.nn.Module) -> int:
    return sum(weights.numel() for weights in module.parameters())


# --- sizes -----------------------------------------------------------------------------------


def test_parameters_of_each_row(network):
    encoder = network.encoder
    groups = encoder.group_0, encoder.group_1, encoder.group_2, encoder.group_3
    assert parameters(encoder.stem) == 6272
    assert [parameters(group) for group in groups] == [38144, 131520, 152064, 152064]
    assert parameters(encoder) == 480064
    assert round(parameters(network.head) / 1e6, 2) == 2.95
    assert round(parameters(network) / 1e6, 2) == 3.43


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_shapes(levels):
    network = SpeckNetPaper(SpeckNetPaperSettings(levels=levels, size=64))
    frames = clip(3, batch=2, height=50, width=70).byte()
    features = network.features(frames)
    assert [list(maps.shape) for maps in features] == [
        [2, 3, 64, cells, cells] for cells in (4, 8, 8)[:levels]
    ]
    for maps in features:
        torch.testing.assert_close(maps.norm(dim=2), torch.ones(2, 3, *maps.shape[3:]))
    tracks, visibility = network(frames, places(10, 40, 10).expand(2, -1, -1))
    assert tracks.shape == (2, 3, 9, 2)
    assert visibility.shape == (2, 3, 9)
    assert ((visibility > 0) & (visibility <= 1)).all()


def test_the_order_of_levels_and_the_published_settings():
    encoder = Encoder()
    coarse, middle, fine = encoder(torch.randn(1, 1, 64, 64))
    torch.testing.assert_close(encoder.group_2(fine), middle)
    torch.testing.assert_close(encoder.group_3(middle), coarse)
    assert SpeckNetPaperSettings() == SpeckNetPaperSettings(levels=3, size=512)


@pytest.mark.parametrize("wrong", [{"levels": 0}, {"levels": 4}, {"size": 500}, {"size": 16}])
def test_settings_that_cannot_be(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SpeckNetPaperSettings(**wrong)


def test_no_query_and_a_query_outside_the_clip(network):
    features = [torch.ones(1, 2, 64, 4, 4)]
    tracks, confidence = network.match(features, torch.empty(1, 0, 3))
    assert tracks.shape == (1, 2, 0, 2)
    assert confidence.shape == (1, 2, 0)
    for frame in (-1, 2):
        with pytest.raises(ValueError, match="outside the 2 frames"):
            network.match(features, torch.tensor([[[float(frame), 3, 3]]]))


# --- encoder ---------------------------------------------------------------------------------


def test_grey_levels_become_minus_one_to_one(network):
    seen = []
    hook = network.encoder.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    grey = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1, 1)
    network.features(grey.expand(-1, -1, -1, 40, 60))
    hook.remove()
    assert seen[0].shape == (3, 1, SIZE, SIZE)
    torch.testing.assert_close(seen[0][:, 0, 0, 0], torch.tensor([-1.0, -0.6, 1.0]))


def one_tap(convolution: Convolution, row: int, column: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What a convolution reads through one of its weights, and the map it is given."""
    convolution.weight.zero_()
    convolution.weight[0, 0, row, column] = 1.0
    ramp = torch.arange(1.0, 65.0).view(1, 1, 8, 8).expand(-1, convolution.in_channels, -1, -1)
    return convolution(ramp)[0, 0], ramp[0, 0]


def test_where_zeros_are_added():
    read, ramp = one_tap(Encoder().stem, 2, 2)
    torch.testing.assert_close(read, ramp[::2, ::2])
    halving = convolution_3(3, 3, 2)
    read, ramp = one_tap(halving, 0, 0)
    torch.testing.assert_close(read, ramp[::2, ::2])
    read, ramp = one_tap(halving, 2, 2)
    torch.testing.assert_close(read[:-1, :-1], ramp[2::2, 2::2])
    assert (read[-1] == 0).all()
    assert (read[:, -1] == 0).all()
    read, ramp = one_tap(convolution_3(3, 3, 1), 1, 1)
    torch.testing.assert_close(read, ramp)


@pytest.mark.parametrize("stride", [1, 2])
def test_the_way_around_a_first_block_starts_after_norm_and_relu(stride):
    block = ResidualBlock(4, 6, stride, projected=True)
    block.norm_0.weight.uniform_(0.5, 2.0)
    block.norm_0.bias.uniform_(-1.0, 1.0)
    block.conv_1.weight.zero_()
    maps = 3.0 * torch.randn(2, 4, 8, 8) + 1.0
    active = F.relu(F.instance_norm(maps, weight=block.norm_0.weight, bias=block.norm_0.bias))
    wanted = F.conv2d(active, block.around.weight)[..., ::stride, ::stride]
    torch.testing.assert_close(block(maps), wanted)


def test_the_way_around_a_second_block_is_its_input():
    block = ResidualBlock(4, 4, 1, projected=False)
    maps = torch.randn(2, 4, 8, 8)
    normal = F.relu(F.instance_norm(maps))
    inner = F.conv2d(normal, block.conv_0.weight, padding=1)
    found = F.conv2d(F.relu(F.instance_norm(inner)), block.conv_1.weight, padding=1)
    torch.testing.assert_close(block(maps), maps + found)


# --- head ------------------------------------------------------------------------------------


def test_the_head_adds_to_the_normalised_map():
    block = HeadBlock()
    block.norm.weight.uniform_(0.5, 2.0)
    block.norm.bias.uniform_(-1.0, 1.0)
    block.narrow.weight.zero_()
    block.narrow.bias.zero_()
    maps = 5.0 * torch.randn(1, 3, 64, 4, 4) + 2.0
    mean = maps.mean(dim=2, keepdim=True)
    sd = maps.var(dim=2, keepdim=True, unbiased=False).add(1e-5).sqrt()
    learned = [part.view(1, 1, 64, 1, 1) for part in (block.norm.weight, block.norm.bias)]
    torch.testing.assert_close(block(maps), (maps - mean) / sd * learned[0] + learned[1])


@pytest.mark.parametrize(("third", "step"), [(0, 0), (1, -1), (2, 1)])
def test_current_previous_and_next_frame(third, step):
    block = HeadBlock()
    for weights in block.parameters():
        weights.zero_()
    block.norm.weight.fill_(1.0)
    block.widen.weight[0, 64 * third, 1, 1] = 1.0
    block.narrow.weight[0, 0, 1, 1] = 1.0
    maps = torch.randn(2, 4, 64, 3, 3)
    normal = F.layer_norm(maps.movedim(2, -1), [64]).movedim(-1, 2)
    times = (torch.arange(4) + step).clamp(0, 3)
    added = F.gelu(normal[:, times, 0], approximate="tanh")
    torch.testing.assert_close(block(maps)[:, :, 0], normal[:, :, 0] + added)


def test_the_head_reaches_five_frames_and_no_other_clip():
    head = Head()
    maps = torch.randn(2, 13, 64, 3, 3)
    other = maps.clone()
    other[0, 6] = torch.randn(64, 3, 3)
    changed = (head(maps) - head(other)).abs().amax(dim=(2, 3, 4)) > 1e-6
    assert torch.nonzero(changed[0]).flatten().tolist() == list(range(1, 12))
    assert not changed[1].any()


def test_two_clips_at_once_equal_each_alone(network):
    frames = clip(3, batch=2)
    queries = torch.cat([places(20, 110, 40), places(24, 114, 40, frame=2)])
    both = network(frames, queries)
    for row in range(2):
        alone = network(frames[row : row + 1], queries[row : row + 1])
        torch.testing.assert_close(both[0][row], alone[0][0], atol=2e-3, rtol=0)
        torch.testing.assert_close(both[1][row], alone[1][0], atol=1e-4, rtol=0)


def test_a_clip_end_repeats_itself(network):
    still = clip(1)
    for one, three in zip(
        network.features(still), network.features(still.expand(-1, 3, -1, -1, -1)), strict=True
    ):
        torch.testing.assert_close(one.expand_as(three), three, atol=1e-4, rtol=0)


# --- matching --------------------------------------------------------------------------------


def test_a_query_vector_is_read_between_cell_centres():
    maps = torch.zeros(1, 2, 64, 4, 4)
    maps[0, 1, 0] = torch.arange(4.0)[None]
    maps[0, 1, 1] = torch.arange(4.0)[:, None]
    maps[0, 1, 2] = 1.0
    place = torch.tensor([[[1.5 / 4, 2.5 / 4], [1.75 / 4, 2.0 / 4], [0.0, 1.0]]])
    found = sample(maps, torch.ones(1, 3, dtype=torch.int64), place)
    torch.testing.assert_close(found.norm(dim=2), torch.ones(1, 3))
    wanted = torch.tensor([[1.0, 2.0], [1.25, 1.5], [0.0, 3.0]])
    torch.testing.assert_close(found[0, :, :2] / found[0, :, 2:3], wanted)


def test_levels_are_resized_between_fourth_power_and_square():
    features = [F.normalize(torch.randn(1, 2, 64, cells, cells), dim=2) for cells in (4, 8)]
    frame, place = torch.zeros(1, 1, dtype=torch.int64), torch.tensor([[[2.5 / 8, 2.5 / 8]]])
    coarse, fine = (
        torch.einsum("c,tcij->tij", sample(maps, frame, place)[0, 0], maps[0]) ** 4
        for maps in features
    )
    # Cell centres of eight cells on the scale of four, edges repeated.
    at = ((torch.arange(8) + 0.5) / 2 - 0.5).clamp(0, 3)
    low, part = at.floor().long(), at - at.floor()
    high = (low + 1).clamp_max(3)
    rows = coarse[:, low] * (1 - part)[:, None] + coarse[:, high] * part[:, None]
    wanted = (rows[..., low] * (1 - part) + rows[..., high] * part) * fine
    torch.testing.assert_close(likeness(features, frame, place)[0, :, 0], wanted)


def test_a_place_is_the_mean_of_centres_within_five_cells_weighted_by_the_square():
    product = torch.zeros(20, 30)
    product[8, 20] = 0.8
    place, peak = read_place(product)
    torch.testing.assert_close(place, torch.tensor([20.5 / 30, 8.5 / 20]))
    assert peak == pytest.approx(0.8)
    product[8, 15] = product[11, 24] = 0.4
    product[8, 26] = product[12, 24] = 0.7
    weights = np.array([0.64, 0.16, 0.16])
    x, y = np.average([[20.5, 8.5], [15.5, 8.5], [24.5, 11.5]], axis=0, weights=weights)
    torch.testing.assert_close(read_place(product)[0], torch.tensor([x / 30, y / 20]).float())


def test_tiny_and_missing_likeness_gives_no_gap():
    product = torch.zeros(2, 9, 9)
    product[0, 4, 4] = 1e-25
    place, _ = read_place(product)
    torch.testing.assert_close(place[0], torch.tensor([0.5, 0.5]), atol=1e-6, rtol=0)
    assert place[1].isfinite().all()


def test_confidence_is_the_mean_cosine_at_the_peak(network):
    maps = torch.zeros(1, 2, 64, 8, 8)
    maps[:, :, 0] = 1.0
    maps[0, 1, 0], maps[0, 1, 1] = 0.6, 0.8
    _, confidence = network.match([maps, maps], torch.tensor([[[0.0, 64, 64]]]))
    torch.testing.assert_close(confidence, torch.tensor([[[1.0], [0.6]]]))


def test_gradients_reach_the_features(network):
    with torch.enable_grad():
        maps = torch.randn(1, 3, 64, 8, 8, requires_grad=True)
        tracks, confidence = network.match([F.normalize(maps, dim=2)], places(20, 110, 40, 1))
        (tracks.sum() + confidence.sum()).backward()
    assert maps.grad.isfinite().all()
    assert (maps.grad[0, [0, 2]] != 0).any()


# --- the whole -------------------------------------------------------------------------------


@pytest.mark.parametrize(("down", "right"), [(COARSE_PX, -COARSE_PX), (0, COARSE_PX)])
def test_a_moved_texture_is_found_with_random_weights(network, down, right):
    """Six frames of each picture, so that the first and the last see no other."""
    picture = texture()
    moved = picture.roll((down, right), (0, 1))
    frames = torch.stack([picture] * 6 + [moved] * 6)[None, :, None]
    queries = places(40, 90, 8)
    tracks, _ = network(frames, queries)
    gap = tracks[0, -1] - queries[0, :, 1:] - torch.tensor([right, down])
    assert gap.norm(dim=-1).median() < FINE_PX
    assert gap.norm(dim=-1).max() < 2 * FINE_PX


def test_no_offset_in_a_still_clip(network):
    """Mixed conventions would show as half a cell, the same for all queries."""
    frames = clip(1).expand(-1, 2, -1, -1, -1)
    queries = places(30, 98, 5)
    tracks, _ = network(frames, queries)
    gap = tracks[0, 1] - queries[0, :, 1:]
    assert gap.mean(dim=0).abs().max() < FINE_PX / 8
    assert gap.norm(dim=-1).max() < FINE_PX


def test_frames_of_any_size(network):
    frames = clip(3, height=90, width=160)
    queries = torch.tensor([[[0.0, 70, 40], [2, 100, 60.5], [1, -0.5, 89.5]]])
    grid = Resize((160, 90), (SIZE, SIZE))
    square = F.interpolate(frames[0], (SIZE, SIZE), mode="bilinear", align_corners=False)[None]
    asked = torch.cat(
        [queries[..., :1], torch.from_numpy(grid.forward(queries[..., 1:])).float()], dim=2
    )
    wanted, sure = network.match(network.features(square), asked)
    tracks, visibility = network(frames, queries)
    np.testing.assert_allclose(tracks, grid.backward(wanted), atol=2e-3)
    torch.testing.assert_close(visibility, sure, atol=1e-4, rtol=0)


def test_queries_in_the_middle_come_back_exactly(network):
    frames = clip(5, height=100, width=150)
    queries = torch.tensor([[[2.0, 61.7, 33.3], [4, 100.1, 60.9], [0, 10, 5]]])
    tracks, visibility = network(frames, queries)
    frame = queries[0, :, 0].long()
    assert torch.equal(tracks[0, frame, torch.arange(3)], queries[0, :, 1:])
    assert (visibility[0, frame, torch.arange(3)] == 1).all()
    assert (visibility == 1).sum() == 3


def test_a_query_is_looked_up_in_its_own_frame(network):
    """The same clip backwards, asked in the mirrored frame, answers backwards."""
    features = [F.normalize(torch.randn(1, 4, 64, 8, 8), dim=2) for _ in range(2)]
    queries = places(20, 110, 40, frame=1)
    tracks, _ = network.match(features, queries)
    mirrored = queries.clone()
    mirrored[..., 0] = 2
    backwards, _ = network.match([maps.flip(1) for maps in features], mirrored)
    torch.testing.assert_close(backwards.flip(1), tracks)


def test_chunks_change_nothing(network):
    frames, queries = clip(3, batch=2), places(20, 110, 24).expand(2, -1, -1)
    whole = network(frames, queries)
    network.frames_at_once, network.queries_at_once = 4, 5
    chunked = network(frames, queries)
    network.frames_at_once, network.queries_at_once = 64, 64
    torch.testing.assert_close(chunked[0], whole[0], atol=2e-3, rtol=0)
    torch.testing.assert_close(chunked[1], whole[1], atol=1e-4, rtol=0)


@pytest.mark.filterwarnings("ignore:.torch.jit")
def test_saved_as_torchscript_it_is_a_tracker(tmp_path):
    network = SpeckNetPaper(SpeckNetPaperSettings(size=64)).eval()
    path = tmp_path / "paper.pt"
    torch.jit.script(network).save(str(path))
    frames = clip(3, height=60, width=80).byte()
    asked = Queries(np.array([1, 0]), [[40.0, 30.0], [20.0, 41.5]], ("a", "b"))
    cells = finish(
        TorchScriptTracker(path).track(array_video(frames[0, :, 0].numpy()), asked, range(3))
    )
    tracks, visibility = network(frames, torch.tensor([[[1.0, 40, 30], [0, 20, 41.5]]]))
    np.testing.assert_allclose(cells.xy, tracks[0], atol=1e-3)
    np.testing.assert_allclose(cells.confidence, visibility[0], atol=1e-4)
