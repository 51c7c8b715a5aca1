"""A chase joins a path with where the query's look is found."""

from __future__ import annotations

import torch

from napari_usstrack.models.chase import _joined

EYE = torch.eye(2)[None]
STEP, LOOK = torch.tensor([[10.0, 20.0]]), torch.tensor([[11.0, 20.0]])
SURE = torch.tensor([0.95])


def test_equal_errors_meet_in_the_middle():
    xy, variance, differ = _joined(STEP, EYE, LOOK, EYE, SURE)
    torch.testing.assert_close(xy, torch.tensor([[10.5, 20.0]]))
    torch.testing.assert_close(variance, 0.5 * EYE)
    assert not differ.any()


def test_the_surer_one_counts_more_in_its_own_direction():
    along = torch.diag(torch.tensor([9.0, 0.01]))[None]
    xy, _, _ = _joined(STEP, along, torch.tensor([[12.0, 20.5]]), EYE, SURE)
    torch.testing.assert_close(xy, torch.tensor([[11.8, 20.005]]), atol=1e-3, rtol=0)


def test_a_look_far_away_is_left_out_unless_the_path_is_lost():
    far = torch.tensor([[30.0, 20.0]])
    xy, variance, differ = _joined(STEP, 0.5 * EYE, far, 0.1 * EYE, SURE)
    torch.testing.assert_close(xy, STEP)
    torch.testing.assert_close(variance, 0.5 * EYE)
    assert differ.all()
    xy, variance, differ = _joined(STEP, 4.0 * EYE, far, 0.1 * EYE, SURE)
    torch.testing.assert_close(xy, far)
    torch.testing.assert_close(variance, 0.1 * EYE)
    assert not differ.any()
    xy, _, differ = _joined(STEP, 4.0 * EYE, far, 0.1 * EYE, torch.tensor([0.5]))
    torch.testing.assert_close(xy, STEP)
    assert differ.all()


def test_errors_of_the_look_last():
    _, variance, _ = _joined(STEP, 1e-3 * EYE, LOOK, EYE, SURE)
    torch.testing.assert_close(variance, 0.25 * EYE)
