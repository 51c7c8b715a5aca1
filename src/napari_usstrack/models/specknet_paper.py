"""The published SpeckNet, rebuilt from its description (arXiv 2507.10127).

One encoder looks at every frame, one head is shared by its levels and looks a
few frames to both sides, and each query's feature vector is compared with the
whole of every frame. Levels are multiplied and the place is read around the
peak: nothing is carried from frame to frame. It is here to be measured
against, so it keeps the published choices, the weak ones included.

Places between grids are in units of the picture's sides, (x + 0.5) / width,
and a cell's centre is (index + 0.5) / cells: a resized frame, the grid of a
level and the frame itself then agree without a constant.

Not told by the description and chosen here: biases in the head only, PyTorch's
first weights, a disc around the peak, and the finest grid of the levels in
use as the one on which they are multiplied.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

STRIDE = 16
STEM_CHANNELS = 32
CHANNELS = 64
HEAD_CHANNELS = 256
HEAD_BLOCKS = 5
RADIUS_CELLS = 5
AT_ONCE = 64


@dataclass(frozen=True)
class SpeckNetPaperSettings:
    """What may differ between two networks of this kind.

    Parameters
    ----------
    levels : {1, 2, 3}
        Maps that are compared, from the coarsest on: the fourth, the third
        and the second group of the encoder.
    size : int
        Side of the square to which frames are resized, px; 32, 48, 64, ...
    """

    levels: int = 3
    size: int = 512

    def __post_init__(self) -> None:
        if self.levels not in (1, 2, 3):
            raise ValueError(f"levels is {self.levels}; it must be 1, 2 or 3")
        if self.size < 2 * STRIDE or self.size % STRIDE:
            raise ValueError(f"size is {self.size} px; it must be 32 or a larger multiple of 16")


class Convolution(nn.Conv2d):
    """A convolution without bias that halves the picture where `stride` is 2.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    kernel, stride : int
        Side of the kernel and step, cells.
    before, after : int
        Cells of zeros on the top and left, and on the bottom and right.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, before: int, after: int
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride=stride, bias=False)
        self.margins = [before, after, before, after]

    def forward(self, maps: Tensor) -> Tensor:
        """Maps ``[n, inputs, h, w]`` to ``[n, outputs, h / stride, w / stride]``."""
        return F.conv2d(F.pad(maps, self.margins), self.weight, None, self.stride)


def convolution_3(inputs: int, outputs: int, stride: int) -> Convolution:
    """3 x 3; with stride 2 zeros stand only after the picture."""
    before, after = (1, 1) if stride == 1 else (0, 2)
    return Convolution(inputs, outputs, 3, stride, before, after)


class ResidualBlock(nn.Module):
    """Two convolutions, each after instance norm and ReLU, and a way around them.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    stride : {1, 2}
        Step of the first convolution, cells.
    projected : bool
        Whether the way around is a 1 x 1 convolution of the normalised and
        rectified input; otherwise it is the input.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, projected: bool) -> None:
        super().__init__()
        self.norm_0 = nn.InstanceNorm2d(inputs, affine=True)
        self.conv_0 = convolution_3(inputs, outputs, stride)
        self.norm_1 = nn.InstanceNorm2d(outputs, affine=True)
        self.conv_1 = convolution_3(outputs, outputs, 1)
        self.projected = projected
        self.around: nn.Module = nn.Identity()
        if projected:
            self.around = Convolution(inputs, outputs, 1, stride, 0, 0)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps ``[n, inputs, h, w]`` to ``[n, outputs, h / stride, w / stride]``."""
        active = F.relu(self.norm_0(maps))
        shortcut = self.around(active if self.projected else maps)
        return shortcut + self.conv_1(F.relu(self.norm_1(self.conv_0(active))))


def group(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """Two blocks; the first changes channels and size."""
    return nn.Sequential(
        ResidualBlock(inputs, outputs, stride, projected=True),
        ResidualBlock(outputs, outputs, 1, projected=False),
    )


class Encoder(nn.Module):
    """Single pictures to maps at three depths."""

    def __init__(self) -> None:
        super().__init__()
        self.unshuffle = nn.PixelUnshuffle(2)
        self.stem = Convolution(4, STEM_CHANNELS, 7, 2, 2, 4)
        self.group_0 = group(STEM_CHANNELS, STEM_CHANNELS, 1)
        self.group_1 = group(STEM_CHANNELS, CHANNELS, 2)
        self.group_2 = group(CHANNELS, CHANNELS, 1)
        self.group_3 = group(CHANNELS, CHANNELS, 2)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Maps of the groups 3, 2 and 1.

        Parameters
        ----------
        pictures : Tensor, shape (n, 1, size, size)
            Grey, -1 to 1.

        Returns
        -------
        list of Tensor, shape (n, 64, cells, cells)
            `cells` is size / 16, size / 8 and size / 8.
        """
        first = self.group_1(self.group_0(self.stem(self.unshuffle(pictures))))
        second = self.group_2(first)
        return [self.group_3(second), second, first]


class HeadBlock(nn.Module):
    """Each frame's map takes up what its neighbours in time show around each cell."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(CHANNELS)
        self.widen = nn.Conv2d(3 * CHANNELS, HEAD_CHANNELS, 3, padding=1)
        self.narrow = nn.Conv2d(HEAD_CHANNELS, CHANNELS, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps ``[B, T, 64, h, w]`` to maps of that shape.

        The frame before the first is the first, the frame after the last the
        last, in each clip of the batch. What is found is added to the
        normalised map.
        """
        normal = self.norm(maps.movedim(2, -1)).movedim(-1, 2)
        before = torch.cat([normal[:, :1], normal[:, :-1]], dim=1)
        after = torch.cat([normal[:, 1:], normal[:, -1:]], dim=1)
        three = torch.cat([normal, before, after], dim=2).flatten(0, 1)
        found = self.narrow(F.gelu(self.widen(three), approximate="tanh"))
        return normal + found.unflatten(0, maps.shape[:2])


class Head(nn.Module):
    """Five blocks, one set of weights for all levels, and vectors of unit length."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*[HeadBlock() for _ in range(HEAD_BLOCKS)])

    def forward(self, maps: Tensor) -> Tensor:
        """Maps ``[B, T, 64, h, w]`` to features of that shape."""
        return F.normalize(self.blocks(maps), dim=2)


class SpeckNetPaper(nn.Module):
    """The network with its encoder, its head and its way to read places.

    Parameters
    ----------
    settings : SpeckNetPaperSettings, optional
        Levels and input size; three levels and 512 px by default.

    Attributes
    ----------
    frames_at_once, queries_at_once : int
        How many frames are encoded and how many queries compared in one step;
        they bound memory and change no result.
    """

    def __init__(self, settings: SpeckNetPaperSettings | None = None) -> None:
        super().__init__()
        self.settings = settings or SpeckNetPaperSettings()
        self.levels, self.size = self.settings.levels, self.settings.size
        self.frames_at_once = AT_ONCE
        self.queries_at_once = AT_ONCE
        self.encoder = Encoder()
        self.head = Head()

    def forward(self, frames: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Follow queries, as `models.torchscript` asks it of a network.

        Parameters
        ----------
        frames : Tensor, shape (B, T, C, H, W)
            Grey 0 to 255; of several channels the first is looked at.
        queries : Tensor, shape (B, N, 3)
            Frame from 0, x, y, px of `frames`.

        Returns
        -------
        tracks : Tensor, shape (B, T, N, 2)
            x, y, px of `frames`.
        visibility : Tensor, shape (B, T, N)
            The confidence of `match`, 0 to 1; the published network has none.
        """
        features = self.features(frames[:, :, :1])
        return self.match(features, queries, (frames.shape[4], frames.shape[3]))

    def features(self, frames: Tensor) -> list[Tensor]:
        """Unit vectors of every cell of every level.

        Parameters
        ----------
        frames : Tensor of uint8 or float, shape (B, T, 1, H, W)
            Grey 0 to 255, of any size.

        Returns
        -------
        list of Tensor, shape (B, T, 64, cells, cells)
            One per level, the coarsest first: size / 16, size / 8 and
            size / 8 cells.
        """
        chunks = [
            self.encoder(self._pictures(chunk))
            for chunk in frames.flatten(0, 1).split(self.frames_at_once)
        ]
        found: list[Tensor] = []
        for level in range(self.levels):
            maps = torch.cat([chunk[level] for chunk in chunks])
            found.append(self.head(maps.unflatten(0, frames.shape[:2])))
        return found

    def match(
        self, features: list[Tensor], queries: Tensor, frame_size: tuple[int, int] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Look for each query in every frame.

        Parameters
        ----------
        features : list of Tensor, shape (B, T, 64, cells, cells)
            As `features` gives them.
        queries : Tensor, shape (B, N, 3)
            Frame from 0, x, y, px; an integer is a pixel centre.
        frame_size : tuple of int, optional
            Width and height of the frames in whose px queries and tracks are;
            without it, the network's square input.

        Returns
        -------
        tracks : Tensor, shape (B, T, N, 2)
            x, y, px. In a query's frame stands the query.
        confidence : Tensor, shape (B, T, N)
            Size of the cosine at the peak, geometric mean of the levels, 0 to
            1; 1 in a query's frame.
        """
        width, height = (self.size, self.size) if frame_size is None else frame_size
        frame, xy = queries[..., 0].round().long(), queries[..., 1:]
        sides = torch.tensor([width, height], dtype=xy.dtype, device=xy.device)
        times = torch.arange(features[0].shape[1], device=frame.device)
        if bool(((frame < 0) | (frame >= len(times))).any()):
            raise ValueError(f"a query lies outside the {len(times)} frames of the clip")
        place, peak = self._search(features, frame, (xy + 0.5) / sides)
        own = times[None, :, None] == frame[:, None]
        tracks = torch.where(own[..., None], xy[:, None], place * sides - 0.5)
        confidence = (peak ** (0.25 / len(features))).clamp(0.0, 1.0)
        return tracks, torch.where(own, 1.0, confidence)

    def _search(self, maps: list[Tensor], frame: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
        """Places ``[B, T, N, 2]`` and peaks ``[B, T, N]``, a chunk of queries at a time."""
        places: list[Tensor] = []
        peaks: list[Tensor] = []
        for at in range(0, frame.shape[1], self.queries_at_once):
            part = slice(at, at + self.queries_at_once)
            found, peak = read_place(likeness(maps, frame[:, part], place[:, part]))
            places.append(found)
            peaks.append(peak)
        if len(places) == 0:
            nothing = place.new_zeros(maps[0].shape[0], maps[0].shape[1], 0, 2)
            return nothing, nothing[..., 0]
        return torch.cat(places, dim=2), torch.cat(peaks, dim=2)

    def _pictures(self, frames: Tensor) -> Tensor:
        """Frames ``[n, 1, H, W]``, 0 to 255, as pictures ``[n, 1, size, size]``, -1 to 1."""
        grey = frames.to(self.encoder.stem.weight.dtype)
        return resized(grey, self.size) / 127.5 - 1.0


def resized(maps: Tensor, size: int) -> Tensor:
    """Maps ``[n, C, h, w]`` to ``[n, C, size, size]``, bilinearly; edges stay edges."""
    if maps.shape[2] == size and maps.shape[3] == size:
        return maps
    return F.interpolate(maps, [size, size], mode="bilinear", align_corners=False)


def sample(maps: Tensor, frame: Tensor, place: Tensor) -> Tensor:
    """Vectors ``[B, n, 64]`` of unit length, bilinearly sampled at queries.

    Parameters
    ----------
    maps : Tensor, shape (B, T, 64, h, w)
        Features of one level.
    frame : Tensor of int64, shape (B, n)
        Frame of each query.
    place : Tensor, shape (B, n, 2)
        x, y in units of the picture's sides. Beyond the outermost cell
        centres the map goes on as it ends.
    """
    batch, count = frame.shape
    rows = torch.arange(batch, device=frame.device)[:, None]
    own = maps[rows, frame].flatten(0, 1)
    grid = (2.0 * place - 1.0).to(maps.dtype).view(batch * count, 1, 1, 2)
    found = F.grid_sample(own, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return F.normalize(found.view(batch, count, -1), dim=2)


def likeness(features: list[Tensor], frame: Tensor, place: Tensor) -> Tensor:
    """Product over levels of the 4th power of the cosine, on the finest grid.

    Parameters
    ----------
    features : list of Tensor, shape (B, T, 64, cells, cells)
        One per level.
    frame : Tensor of int64, shape (B, n)
        Frame of each query.
    place : Tensor, shape (B, n, 2)
        x, y in units of the picture's sides.

    Returns
    -------
    Tensor, shape (B, T, n, h, w)
        0 to 1. The square that makes a cost of it comes with `read_place`.
    """
    finest = max([maps.shape[-1] for maps in features])
    product = torch.ones(1, device=place.device)
    for maps in features:
        cosine = torch.einsum("bnc,btchw->btnhw", sample(maps, frame, place), maps)
        power = cosine.square().square()
        product = product * resized(power.flatten(0, 1), finest).unflatten(0, power.shape[:2])
    return product


def read_place(product: Tensor, radius: int = RADIUS_CELLS) -> tuple[Tensor, Tensor]:
    """Mean of the cell centres near the peak, weighted by the square.

    Parameters
    ----------
    product : Tensor, shape (..., h, w)
        From `likeness`.
    radius : int
        How far a cell's centre may lie from the peak's, cells.

    Returns
    -------
    place : Tensor, shape (..., 2)
        x, y in units of the picture's sides.
    peak : Tensor, shape (...)
        Value of `product` at the peak.
    """
    height, width = product.shape[-2:]
    cell = torch.arange(height * width, device=product.device)
    column, row = cell % width, cell // width
    centres = torch.stack([(column + 0.5) / width, (row + 0.5) / height], dim=-1)
    flat = product.flatten(-2).clamp_min(1e-30)
    peak, at = flat.max(dim=-1, keepdim=True)
    near = (column - at % width).square() + (row - at // width).square() <= radius**2
    weight = (flat / peak.detach()).square() * near
    return (weight @ centres.to(weight.dtype)) / weight.sum(dim=-1, keepdim=True), peak[..., 0]
