"""Parts of the loss against torch, closed forms, and maps that have the answer."""

from __future__ import annotations

import math

import pytest
import torch
from blobs import speckled
from torch.nn import functional

from napari_usstrack.models.specknet import Descriptors, SpeckNet, SpeckNetSettings
from napari_usstrack.training.losses import Losses, _cross_entropy, losses, pooled

SMALL = SpeckNetSettings(fine=2, middle=3, coarse=4, wide=4)
PARTS = ("place", "close", "distance", "spread", "seen")


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture
def network() -> SpeckNet:
    torch.manual_seed(0)
    return SpeckNet(SMALL)


def described(network, clip):
    """Maps of all frames, and descriptors of the points of the first."""
    maps = network.encode(clip.frames)
    wanted = network.describe(maps.of(slice(0, 1)), clip.xy[:1])
    return maps, Descriptors(*(each[0] for each in wanted))


def judged(network, shift=(0.0, 0.0), seen=True) -> Losses:
    """Losses in a still clip, with the truth moved by a shift."""
    clip = speckled(3, 96, 20)
    maps, wanted = described(network, clip)
    xy = clip.xy[1:] + torch.tensor(shift)
    there = torch.full(xy.shape[:2], seen)
    return losses(network, maps.of([1, 2]), wanted, xy, there, torch.zeros_like(xy))


# --- cross entropy ---------------------------------------------------------------------------


def test_at_a_cell_centre_it_is_that_of_torch():
    rows, columns = 5, 8
    logits = 3.0 * torch.randn(2, 6, rows * columns, dtype=torch.float64)
    cell = torch.stack([torch.randint(0, 7, (2, 6)), torch.randint(0, 4, (2, 6))], dim=-1)
    found = _cross_entropy(logits, cell.double(), columns, rows)
    index = cell[..., 1] * columns + cell[..., 0]
    wanted = functional.cross_entropy(logits.flatten(0, 1), index.flatten(), reduction="none")
    torch.testing.assert_close(found.flatten(), wanted)


def test_between_cells_it_is_that_of_torch_with_a_spread_target():
    rows, columns = 4, 5
    logits = torch.randn(1, 1, rows * columns, dtype=torch.float64)
    target = torch.zeros(rows, columns, dtype=torch.float64)
    target[1, 2], target[1, 3], target[2, 2], target[2, 3] = 0.75 * 0.9, 0.25 * 0.9, 0.075, 0.025
    found = _cross_entropy(logits, torch.tensor([[[2.25, 1.1]]]).double(), columns, rows)
    wanted = functional.cross_entropy(logits[0], target.flatten()[None])
    torch.testing.assert_close(found[0, 0], wanted)


@pytest.mark.parametrize(
    ("cell", "index"), [((-3.0, 1.0), 5), ((4.0, 3.0), 19), ((90.0, -2.0), 4), ((0.0, 0.0), 0)]
)
def test_beyond_the_border_it_is_that_of_the_border(cell, index):
    logits = torch.randn(1, 1, 20)
    found = _cross_entropy(logits, torch.tensor([[cell]]), 5, 4)
    wanted = functional.cross_entropy(logits[0], torch.tensor([index]))
    torch.testing.assert_close(found[0, 0], wanted, atol=0.01, rtol=0)


# --- the whole -------------------------------------------------------------------------------


def test_maps_that_have_the_answer_cost_less(network):
    right, wrong = judged(network), judged(network, (22.0, -18.0))
    for part in ("place", "close", "distance"):
        assert getattr(right, part) < 0.5 * getattr(wrong, part), part
    assert right.total < wrong.total
    assert right.error_px.median() < 1.5
    assert wrong.error_px.median() > 20


def test_the_total_is_the_weighted_sum(network):
    found = judged(network)
    weights = (1.0, 1.0, 0.3, 0.2, 0.2)
    wanted = sum(w * getattr(found, part) for w, part in zip(weights, PARTS, strict=True))
    torch.testing.assert_close(found.total, wanted)


def told(network, spread, seen):
    """The network says this of every match."""
    torch.nn.init.zeros_(network.judge[2].weight)
    network.judge[2].bias.data = torch.tensor([spread, seen])
    return network


def test_spread_costs_least_at_the_mean_distance_along_an_axis(network):
    """-log of a Laplace density with mean distance s on both axes, without its constant."""
    levels = torch.linspace(-2.0, 1.0, 31)
    with torch.no_grad():
        cost = torch.stack([judged(told(network, float(s), 0.0)).spread for s in levels])
    clip = speckled(3, 96, 20)
    maps, wanted = described(network, clip)
    apart = (network.find(maps.of([1, 2]), wanted).xy - clip.xy[1:]).detach().abs()
    assert apart.norm(dim=-1).max() < 16
    assert levels[cost.argmin()] == pytest.approx(math.log(apart.mean()), abs=0.06)
    s = levels[10]
    laplace = torch.distributions.Laplace(0.0, s.exp()).log_prob(apart).sum(-1).mean()
    torch.testing.assert_close(cost[10], -laplace - 2 * math.log(2.0), atol=1e-4, rtol=0)


@pytest.mark.parametrize("logit", [3.0, -2.0])
def test_being_seen_means_found_within_4_px(network, logit):
    network = told(network, 0.0, logit)
    right, wrong = math.log1p(math.exp(-logit)), math.log1p(math.exp(logit))
    still = judged(network)
    share = (still.error_px < 4).float().mean().item()
    assert share > 0.8
    cost = share * right + (1 - share) * wrong
    assert still.seen.item() == pytest.approx(cost, rel=1e-4)
    assert judged(network, (22.0, -18.0)).seen.item() == pytest.approx(wrong, rel=1e-4)
    assert judged(network, seen=False).seen.item() == pytest.approx(wrong, rel=1e-4)


def test_where_nobody_knows_whether_a_point_is_seen_nothing_is_judged(network):
    clip = speckled(2, 96, 20)
    maps, wanted = described(network, clip)
    known = torch.arange(20)[None] < 12
    none = torch.zeros_like(clip.xy[1:])
    some = losses(network, maps.of([1]), wanted, clip.xy[1:], known, none, known)
    few = Descriptors(*(each[known[0]] for each in wanted))
    there = torch.ones(1, 12, dtype=torch.bool)
    only = losses(network, maps.of([1]), few, clip.xy[1:, :12], there, none[:, :12])
    for part in (*PARTS, "error_px"):
        torch.testing.assert_close(getattr(some, part), getattr(only, part))


def test_no_point_seen_gives_no_gap(network):
    found = judged(network, seen=False)
    for part in ("place", "close", "distance", "spread"):
        assert getattr(found, part) == 0, part
    assert found.seen.isfinite()
    assert found.error_px.numel() == 0
    found.total.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


def test_points_that_are_not_seen_do_not_count(network):
    clip = speckled(2, 96, 20)
    maps, wanted = described(network, clip)
    seen = torch.rand(1, 20) < 0.5
    xy = torch.where(seen[..., None], clip.xy[1:], -500.0)
    none = torch.zeros_like(xy)
    some = losses(network, maps.of([1]), wanted, xy, seen, none)
    kept = seen[0]
    few = Descriptors(*(each[kept] for each in wanted))
    only = losses(network, maps.of([1]), few, xy[:, kept], seen[:, kept], none[:, kept])
    for part in ("place", "close", "distance", "spread", "error_px"):
        torch.testing.assert_close(getattr(some, part), getattr(only, part))


def test_everything_learns(network):
    judged(network).total.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert (parameter.grad != 0).any(), name


def test_several_clips_are_pooled(network):
    one, two = judged(network), judged(network, (6.0, 0.0))
    both = pooled([one, two])
    for part in PARTS:
        torch.testing.assert_close(
            getattr(both, part), 0.5 * (getattr(one, part) + getattr(two, part))
        )
    assert len(both.error_px) == len(one.error_px) + len(two.error_px)
