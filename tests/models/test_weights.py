"""Files of weights: what is read from them, and one sentence for what is none."""

from __future__ import annotations

import hashlib
import json
import os

import pytest
import torch
from safetensors.torch import save_file

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.models.specknet import SpeckNet, SpeckNetSettings
from napari_usstrack.models.weights import load

SMALL = SpeckNetSettings(fine=1, middle=2, coarse=2, reach=4)


def written(path, settings=SMALL, seed=0, **facts):
    """A file with a network of random weights; returns the network."""
    torch.manual_seed(seed)
    network = SpeckNet(settings)
    known = {"network": settings.plain(), **facts}
    save_file(network.state_dict(), path, {"usstrack": json.dumps(known)})
    return network


def test_what_was_written_is_read(tmp_path):
    path = tmp_path / "small.safetensors"
    network = written(path, recipe="impartial", scores=[[1, 2.5]])
    found = load(path)
    assert found.network.settings == SMALL
    assert not found.network.training
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.facts["recipe"] == "impartial"
    assert found.facts["scores"] == [[1, 2.5]]
    state = found.network.state_dict()
    assert state.keys() == network.state_dict().keys()
    assert all(torch.equal(state[name], kept) for name, kept in network.state_dict().items())


def test_facts_of_a_later_version_are_passed_over(tmp_path):
    path = tmp_path / "later.safetensors"
    settings = {**SMALL.plain(), "colour": 3}
    save_file(SpeckNet(SMALL).state_dict(), path, {"usstrack": json.dumps({"network": settings})})
    assert load(path).network.settings == SMALL


def test_settings_left_out_are_the_usual_ones(tmp_path):
    path = tmp_path / "bare.safetensors"
    save_file(SpeckNet().state_dict(), path)
    assert load(path).network.settings == SpeckNetSettings()


def test_a_file_is_read_once_and_anew_when_it_changes(tmp_path):
    path = tmp_path / "small.safetensors"
    written(path, seed=0)
    first = load(path)
    assert load(path) is first
    written(path, seed=1)
    os.utime(path, ns=(1, 1))
    second = load(path)
    assert second.sha256 != first.sha256
    assert not torch.equal(second.network.stem.weight, first.network.stem.weight)


def test_reading_draws_no_random_number(tmp_path):
    path = tmp_path / "small.safetensors"
    written(path)
    before = torch.get_rng_state()
    load(path)
    assert torch.equal(torch.get_rng_state(), before)


def one_sentence(path) -> str:
    with pytest.raises(UsstrackError) as raised:
        load(path)
    text = str(raised.value)
    assert path.name in text
    assert "\n" not in text
    assert len(text) < 300 + len(str(path))
    return text


def test_a_missing_file(tmp_path):
    assert "does not exist" in one_sentence(tmp_path / "gone.safetensors")
    assert "does not exist" in one_sentence(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no network", bytes(range(256)) * 40])
def test_garbage(tmp_path, content):
    path = tmp_path / "garbage.safetensors"
    path.write_bytes(content)
    assert "cannot be read as weights" in one_sentence(path)


def test_half_a_file(tmp_path):
    path = tmp_path / "half.safetensors"
    written(path)
    path.write_bytes(path.read_bytes()[:-100])
    assert "cannot be read as weights" in one_sentence(path)


def test_facts_that_cannot_be_read(tmp_path):
    path = tmp_path / "facts.safetensors"
    save_file(SpeckNet(SMALL).state_dict(), path, {"usstrack": "{network"})
    assert "cannot be read as weights" in one_sentence(path)


def test_other_layers(tmp_path):
    path = tmp_path / "other.safetensors"
    for tensors in (
        {"weight": torch.ones(3)},
        SpeckNet(SpeckNetSettings(fine=2, middle=2, coarse=2)).state_dict(),
        {f"network.{name}": kept for name, kept in SpeckNet(SMALL).state_dict().items()},
    ):
        save_file(tensors, path, {"usstrack": json.dumps({"network": SMALL.plain()})})
        assert "other layers" in one_sentence(path)
