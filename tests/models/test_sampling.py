"""Cells and px, and maps read between cells, against SciPy on maps that are not square."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from torch.nn import functional

from napari_usstrack.models.sampling import sampled, to_cells, to_px, windows


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("stride", [1, 2, 4, 8])
def test_px_to_cells_and_back(stride):
    xy = torch.rand(50, 2, dtype=torch.float64) * 300 - 20
    torch.testing.assert_close(to_px(to_cells(xy, stride), stride), xy)
    torch.testing.assert_close(to_cells(to_px(xy, stride), stride), xy)


@pytest.mark.parametrize("stride", [2, 4, 8])
def test_a_cell_lies_at_the_mean_of_its_pixels(stride):
    px = torch.arange(5 * stride, dtype=torch.float64)
    middles = px.view(5, stride).mean(dim=1)
    torch.testing.assert_close(to_px(torch.arange(5, dtype=torch.float64), stride), middles)
    torch.testing.assert_close(to_cells(middles, stride), torch.arange(5, dtype=torch.float64))


@pytest.mark.parametrize("stride", [1, 2, 8])
@pytest.mark.parametrize("shape", [(5, 11), (11, 5)])
def test_values_between_cells_are_those_of_scipy(shape, stride):
    maps = torch.randn(2, 3, *shape, dtype=torch.float64)
    rows, columns = shape
    low, high = -2.0 * stride, stride * torch.tensor([columns + 2.0, rows + 2.0])
    xy = low + torch.rand(2, 40, 2, dtype=torch.float64) * (high.double() - low)
    found = sampled(maps, xy, stride)
    assert found.shape == (2, 40, 3)
    cells = (xy.numpy() + 0.5) / stride - 0.5
    for one in range(2):
        at = cells[one, :, ::-1].T
        for channel in range(3):
            wanted = map_coordinates(maps[one, channel].numpy(), at, order=1, mode="nearest")
            np.testing.assert_allclose(found[one, :, channel], wanted, atol=1e-9)


@pytest.mark.parametrize("stride", [2, 4, 8])
def test_a_ramp_that_was_made_coarse_is_read_at_its_true_height(stride):
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(80.0), indexing="ij")
    maps = functional.avg_pool2d(torch.stack([x, y])[None], stride)
    xy = 8.0 + torch.rand(1, 30, 2) * torch.tensor([62.0, 30.0])
    torch.testing.assert_close(sampled(maps, xy, stride), xy, atol=1e-4, rtol=0)


def test_pieces_are_slices():
    maps = torch.randn(2, 3, 7, 12)
    corner = torch.tensor([[[0, 0], [9, 4], [2, 3]], [[8, 1], [0, 4], [9, 0]]])
    found = windows(maps, corner, 3)
    assert found.shape == (2, 3, 9, 3)
    for one in range(2):
        for point in range(3):
            x, y = corner[one, point].tolist()
            piece = maps[one, :, y : y + 3, x : x + 3]
            assert torch.equal(found[one, point].T.reshape(3, 3, 3), piece)


def test_pieces_hand_gradients_back_to_their_cells():
    maps = torch.randn(1, 2, 6, 8, requires_grad=True)
    windows(maps, torch.tensor([[[1, 2], [2, 2]]]), 2).sum().backward()
    wanted = torch.zeros(6, 8)
    wanted[2:4, 1:3] += 1
    wanted[2:4, 2:4] += 1
    assert torch.equal(maps.grad, wanted.expand(1, 2, -1, -1))
