"""A laboratory's own clips: what of them is learned from, and what is held out."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from napari_usstrack.core.tracker import Queries
from napari_usstrack.core.tracks import Tracks
from napari_usstrack.core.video import Video
from napari_usstrack.models.search import Working
from napari_usstrack.models.specknet import Descriptors, SpeckNet
from napari_usstrack.training.clips import TrainingClip

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
MOST_FRAMES = 400
"""Frames of a clip that are kept, evenly over the labelled ones."""
TRIAL_FRAMES = 48
"""Frames of a clip in which held-out points are looked for."""
EVERY = 4
"""Every fourth point, or the last quarter of the frames, is held out."""
CHUNK = 16


@dataclass(frozen=True, eq=False)
class Lab:
    """The labelled frames of one clip, as the network sees them.

    Attributes
    ----------
    name : str
    names : tuple of str
        Points that are labelled in two frames at least.
    frames : uint8 tensor, shape (frames, height, width)
    xy : ndarray, shape (frames, points, 2)
        Px of these frames; anything where `use` is False.
    use : bool ndarray, shape (frames, points)
        Positions that count as true.
    absent : bool ndarray, shape (frames, points)
        A person said that the point is not to be seen.
    factor : ndarray, shape (2,)
        Px of these frames per px of the clip, (x, y).
    spacing_mm : tuple of float or None
        Mm per px of the clip, (x, y).
    """

    name: str
    names: tuple[str, ...]
    frames: torch.Tensor
    xy: Floats
    use: Bools
    absent: Bools
    factor: Floats
    spacing_mm: tuple[float, float] | None


def lab_clip(
    video: Video, tracks: Tracks, use: Bools, side_px: int = 256
) -> Generator[int, None, Lab | None]:
    """Read the labelled frames of a clip.

    Parameters
    ----------
    video : Video
    tracks : Tracks
        Of the clip, with its scale.
    use : bool ndarray, shape (frames, points)
        Positions that count as true.
    side_px : int
        As in `models.predictor.SpeckNetTracker`.

    Yields
    ------
    int
        Frames read so far.

    Returns
    -------
    Lab or None
        None if no point is labelled in two frames.
    """
    columns = np.flatnonzero(use.sum(axis=0) >= 2)
    rows = _even(np.flatnonzero(use[:, columns].any(axis=1)), MOST_FRAMES)
    at = np.ix_(rows, columns)
    kept = use[at].sum(axis=0) >= 2
    if not kept.any():
        return None
    view, parts = Working.of(tracks.video, side_px), []
    for span in _stretches(rows):
        shown = view.pictures(video.frames(span), torch.device("cpu"))
        parts.append(shown.round().clamp(0, 255).byte())
        yield sum(len(part) for part in parts)
    own = use[at][:, kept]
    xy = view.grid.forward(np.where(own[..., None], tracks.xy[at][:, kept], 0.0))
    return Lab(
        name=tracks.video.name,
        names=tuple(tracks.names[column] for column in columns[kept]),
        frames=torch.cat(parts),
        xy=xy,
        use=own,
        absent=(tracks.said & ~use)[at][:, kept],
        factor=np.asarray(view.grid.factor),
        spacing_mm=tracks.video.spacing_mm,
    )


def _even(rows: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """At most so many of the rows, evenly among them."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).round().astype(np.intp)]


def _stretches(rows: NDArray[np.intp]) -> Iterator[range]:
    """Rows that follow each other, not too many at once."""
    for block in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1):
        for first in range(0, len(block), CHUNK):
            part = block[first : first + CHUNK]
            yield range(int(part[0]), int(part[-1]) + 1)


# --- held out --------------------------------------------------------------------------------


def held_out(labs: Sequence[Lab]) -> tuple[list[Bools], str]:
    """Choose the labels that nothing is learned from.

    Returns
    -------
    held : list of bool ndarray, shape (frames, points)
        Of each clip.
    rule : str
        In words.
    """
    names = list(dict.fromkeys(name for lab in labs for name in lab.names))
    if len(names) >= EVERY:
        chosen = names[EVERY - 1 :: EVERY]
        columns = [np.isin(lab.names, chosen) for lab in labs]
        held = [lab.use & own for lab, own in zip(labs, columns, strict=True)]
        return held, f"every fourth point ({', '.join(chosen)})"
    held = []
    for lab in labs:
        late = np.arange(len(lab.use)) >= len(lab.use) - -(-len(lab.use) // EVERY)
        held.append(lab.use & late[:, None])
    return held, "the last quarter of the labelled frames"


def to_learn(lab: Lab, held: Bools, device: str) -> TrainingClip | None:
    """What is left to learn from: points with two labels at least, in frames with any."""
    use = lab.use & ~held
    use[:, use.sum(axis=0) < 2] = False
    columns, rows = use.any(axis=0), use.any(axis=1)
    if not columns.any():
        return None
    use = use[rows][:, columns]
    xy = lab.xy[rows][:, columns]
    # A place nobody labelled must not be far away: crops are laid around points.
    mean = (xy * use[..., None]).sum(axis=0) / use.sum(axis=0)[:, None]
    xy = np.where(use[..., None], xy, mean)
    absent = lab.absent[rows][:, columns]
    scale = np.nan if lab.spacing_mm is None else np.mean(np.array(lab.spacing_mm) / lab.factor)
    return TrainingClip(
        frames=lab.frames[torch.from_numpy(rows)].to(device),
        xy=torch.from_numpy(xy).float().to(device),
        seen=torch.from_numpy(use).to(device),
        mm_per_px=float(scale),
        scene=lab.name,
        known=torch.from_numpy(use | absent).to(device),
    )


class Held(NamedTuple):
    """Errors at held-out labels, in px of the clips; mm where every scale is known.

    Attributes
    ----------
    labels : int
        How many of them were looked for.
    median_px, mean_px : float
    median_mm, mean_mm : float or None
    """

    labels: int
    median_px: float
    mean_px: float
    median_mm: float | None
    mean_mm: float | None


class Trial:
    """Looks for held-out labels in each frame on its own, from each point's first label.

    Parameters
    ----------
    labs : sequence of Lab
    held : sequence of bool ndarray
        From `held_out`.
    device : str
    """

    def __init__(self, labs: Sequence[Lab], held: Sequence[Bools], device: str) -> None:
        self.device = device
        pairs = (_sought(lab, own) for lab, own in zip(labs, held, strict=True))
        self.parts = [part for part in pairs if part is not None]

    @property
    def labels(self) -> int:
        """How many are looked for."""
        return int(sum(part.score.sum() for part in self.parts))

    def errors(self, network: SpeckNet) -> Held:
        """How far off a network finds them."""
        found = [part.errors(network, self.device) for part in self.parts]
        px = np.concatenate([each for each, _ in found])
        mm = np.concatenate([each for _, each in found])
        known = not np.isnan(mm).any()
        return Held(
            len(px),
            float(np.median(px)),
            float(np.mean(px)),
            float(np.median(mm)) if known else None,
            float(np.mean(mm)) if known else None,
        )


@dataclass(frozen=True, eq=False)
class _Sought:
    """Frames of one clip with points to find in them."""

    lab: Lab
    frames: NDArray[np.uint8]
    queries: Queries
    xy: Floats
    score: Bools

    @torch.inference_mode()
    def errors(self, network: SpeckNet, device: str) -> tuple[Floats, Floats]:
        """Distances from the labels that count, px and mm of the clip.

        Of what the network says of each frame on its own: paths and polishing,
        which do not learn, are left out.
        """
        lab, frames = self.lab, torch.from_numpy(self.frames)
        start = torch.from_numpy(self.queries.xy).float().to(device)
        wanted: list[torch.Tensor] | None = None
        for begin in np.unique(self.queries.frame).tolist():
            maps = network.encode(frames[begin : begin + 1].to(device))
            own = [each[0] for each in network.describe(maps, start[None])]
            here = torch.from_numpy(self.queries.frame == begin).to(device)[:, None]
            wanted = (
                own
                if wanted is None
                else [torch.where(here, new, old) for new, old in zip(own, wanted, strict=True)]
            )
        assert wanted is not None
        found = []
        for first in range(0, len(frames), CHUNK):
            maps = network.encode(frames[first : first + CHUNK].to(device))
            found.append(network.find(maps, Descriptors(*wanted)).xy.cpu().double().numpy())
        off = ((np.concatenate(found) - self.xy) / lab.factor)[self.score]
        mm = off * (np.nan if lab.spacing_mm is None else np.array(lab.spacing_mm))
        return np.linalg.norm(off, axis=-1), np.linalg.norm(mm, axis=-1)


def _sought(lab: Lab, held: Bools) -> _Sought | None:
    """Held-out labels of a clip, each asked for in the first frame in which its point is."""
    first = lab.use.argmax(axis=0)
    score = held.copy()
    score[first, np.arange(len(lab.names))] = False
    columns = np.flatnonzero(score.any(axis=0))
    if not len(columns):
        return None
    asked = np.unique(first[columns])
    rows = np.union1d(asked, _even(np.flatnonzero(score.any(axis=1)), TRIAL_FRAMES))
    at = np.ix_(rows, columns)
    begin = np.searchsorted(rows, first[columns])
    queries = Queries(
        begin,
        lab.xy[first[columns], columns],
        tuple(lab.names[column] for column in columns),
    )
    frames = lab.frames[torch.from_numpy(rows)].numpy()
    return _Sought(lab, frames, queries, lab.xy[at], score[at])
