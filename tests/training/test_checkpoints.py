"""States of a training on disk: all of it comes back, and a whole file is always there."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from safetensors import safe_open

from napari_usstrack.models.specknet import SpeckNet, SpeckNetSettings
from napari_usstrack.models.weights import load
from napari_usstrack.training.checkpoints import BEST, EVERY, LAST, SMOOTH, Checkpoint
from napari_usstrack.training.validation import Scores

SMALL = SpeckNetSettings(fine=1, middle=1, coarse=1, wide=1)


def trained(steps: int, seed: int = 0):
    """A network and its optimizer after some steps towards nothing in particular."""
    torch.manual_seed(seed)
    network = SpeckNet(SMALL)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2, betas=(0.9, 0.99))
    go_on(network, optimizer, steps)
    return network, optimizer


def go_on(network, optimizer, steps):
    frames = torch.arange(32.0 * 48).remainder(37.0).mul(6.0).view(1, 32, 48)
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=True)
        sum(each.square().sin().sum() for each in network.encode(frames)).backward()
        optimizer.step()


def test_a_folder_without_a_state_is_a_start(tmp_path):
    network, optimizer = trained(0)
    assert Checkpoint.resumed(tmp_path, network, optimizer) == Checkpoint()
    assert not optimizer.state


def test_all_of_it_comes_back(tmp_path):
    network, optimizer = trained(3)
    state = Checkpoint(3, 0.1 + 0.2, [[1, 0.1, 2.5, math.pi, 1e-3]], [[3, 0.3, 1, 2, 50.5]], [1.5])
    state.write(tmp_path / "new" / "folder", network, optimizer, {"recipe": "impartial"})
    again, other = trained(0, seed=9)
    found = Checkpoint.resumed(tmp_path / "new" / "folder", again, other)
    assert found == state
    for one, two in zip(network.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, two)
        assert optimizer.state[one].keys() == other.state[two].keys()
        for key, value in optimizer.state[one].items():
            assert torch.equal(value, other.state[two][key])
    go_on(network, optimizer, 3)
    go_on(again, other, 3)
    for one, two in zip(network.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, two)


def test_a_write_that_fails_leaves_the_last_file(tmp_path, monkeypatch):
    network, optimizer = trained(1)
    Checkpoint(1).write(tmp_path, network, optimizer, {})

    def full(_tensors, path, *_):
        path.write_bytes(b"half of")
        raise OSError("no space left on device")

    monkeypatch.setattr("napari_usstrack.training.checkpoints.save_file", full)
    with pytest.raises(OSError, match="no space"):
        Checkpoint(2).write(tmp_path, network, optimizer, {})
    assert Checkpoint.resumed(tmp_path, network, optimizer).step == 1


def test_nothing_else_is_left_in_the_folder(tmp_path):
    network, optimizer = trained(1)
    Checkpoint(1).write(tmp_path, network, optimizer, {})
    Checkpoint(1).write(tmp_path, network, None, {}, best=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([BEST, LAST])


def test_the_best_file_is_a_file_of_weights(tmp_path):
    network, _ = trained(2)
    scores = [[2, 0.5, 1.0, 2.0, 60.0]]
    facts = {"network": SMALL.plain(), "recipe": "plain"}
    Checkpoint(2, 0.5, scores=scores).write(tmp_path, network, None, facts, best=True)
    found = load(tmp_path / BEST)
    assert found.network.settings == SMALL
    assert found.facts["recipe"] == "plain"
    assert found.facts["state"]["scores"] == scores
    for name, value in network.state_dict().items():
        assert torch.equal(found.network.state_dict()[name], value)
    with safe_open(tmp_path / BEST, "pt") as kept:
        assert json.loads(kept.metadata()["usstrack"]) == found.facts


# --- history ---------------------------------------------------------------------------------


def test_the_history_is_smoothed():
    state, losses = Checkpoint(), np.linspace(5.0, 1.0, 3 * EVERY)
    for step, loss in enumerate(losses, start=1):
        state.step, state.minutes = step, 0.5 * step
        state.note(float(loss), 10.0, 1e-3)
    assert [row[:2] for row in state.history] == [[n * EVERY, 0.5 * n * EVERY] for n in (1, 2, 3)]
    expected = losses[0]
    for loss in losses:
        expected = SMOOTH * expected + (1 - SMOOTH) * loss
    assert state.history[-1][2] == pytest.approx(expected)
    assert state.history[-1][3] == pytest.approx(10.0)
    assert state.history[-1][4] == 1e-3


@pytest.mark.parametrize("missing", [0, 7])
def test_a_step_without_a_seen_point_leaves_no_gap(missing):
    state = Checkpoint()
    for step in range(EVERY):
        state.step = step + 1
        state.note(3.0, math.nan if step == missing else 10.0, 1e-3)
    assert state.history[0][2:] == pytest.approx([3.0, 10.0, 1e-3])


def test_the_best_has_the_smallest_mean_error():
    state, best = Checkpoint(), []
    for mean in (5.0, 4.0, 4.5, 3.0, 3.5):
        state.judged(Scores(9.0 - mean, mean, 50.0))
        best.append(state.best_is_last)
    assert best == [True, True, False, True, False]
