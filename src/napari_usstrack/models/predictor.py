"""SpeckNet as a tracker: each frame is compared with the query's and with the one before."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray

from napari_usstrack.core.believed import held
from napari_usstrack.core.coords import inside
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracker import Progress, Queries, Traits, Work
from napari_usstrack.core.tracks import Cells, Source
from napari_usstrack.core.video import Video, VideoInfo
from napari_usstrack.models.files import SPECKNET

Floats = NDArray[np.float64]
TRAITS = Traits(
    name="specknet",
    source=Source.MODEL,
    reach="clip",
    bound_px=0.5,
    scaled=True,
    summary="A pretrained network finds the speckle of the query again in every frame; turned and "
    "mirrored clips get the same answer, no training by the user.",
)
UNKNOWN_WITHIN = 0.004
"""Distance that confidence speaks of without a scale, of the longer side of the frame."""
SEEN = 0.5
"""Probability above which a point is called visible."""
LEAST = 1e-9
"""Keeps the weights of answers that are all unseen above nothing."""


@dataclass(frozen=True)
class SpeckNetTracker:
    """Points found again in every frame by a pretrained network.

    Parameters
    ----------
    side_px : int
        The longer side of a frame is brought to about so many px. The network
        was trained on pictures whose depth fills 256; more is slower and may
        be finer.
    search_mm : float
        Standard deviation of the search around where a point was last seen, mm.
        Tissue that moves further between frames is found only if it looks
        much more alike than the rest.
    within_mm : float
        Confidence is the probability of being seen and less than so far off, mm.
    weights : str
        File with weights; those that come with the package when empty.
    device : {"auto", "cpu", "cuda", "mps"}
        Where the network runs; "auto" takes CUDA where there is one.
    sha256 : str
        Fingerprint that the weights must have; any when empty. Results carry
        that of the weights they were made with.

    Notes
    -----
    In each frame the network finds the query again, the tissue of the frame
    before is found near where it was, and both are aligned to a fraction of a
    pixel and joined (`models.chase`). Answers are the same, turned, for a clip
    that is turned or mirrored.
    """

    side_px: Annotated[int, Interval(ge=64, le=2048)] = 256
    search_mm: Annotated[float, Interval(gt=0, le=1000)] = 8.0
    within_mm: Annotated[float, Interval(gt=0, le=50)] = 0.5
    weights: str = ""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    sha256: str = ""

    @property
    def traits(self) -> Traits:
        """What the tracker says of itself."""
        return TRAITS

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings in force, with the fingerprint of the weights."""
        return {**asdict(self), "sha256": self._digest()}

    @property
    def path(self) -> Path:
        """The file with the weights."""
        return Path(self.weights) if self.weights else SPECKNET

    def _digest(self) -> str:
        """Fingerprint of the weights, which must be the one that was asked for."""
        try:
            found = hashlib.sha256(self.path.read_bytes()).hexdigest()
        except OSError as error:
            reason = error.strerror or error
            raise UsstrackError(f"{self.path} cannot be read ({reason}); check the path") from error
        if self.sha256 and self.sha256 != found:
            raise UsstrackError(
                f"{self.path} holds other weights than those asked for (their fingerprint begins "
                f"with {self.sha256[:12]}, not {found[:12]}); give that file, or no fingerprint"
            )
        return found

    def track(self, video: Video, queries: Queries, span: range) -> Work[Cells]:
        """Find queries in all frames inside their limits; yields for every frame."""
        found = yield from self.matches(video, queries, span)
        return _cells(found, video.info, queries, span, self._within_px(video.info))

    def matches(
        self, video: Video, queries: Queries, span: range, expected: Floats | None = None
    ) -> Work[Matches]:
        """Do as `track`, and give what the network says of each place.

        Parameters
        ----------
        video, queries, span
            As for `track`.
        expected : float64 ndarray, shape (frames, queries, 2), optional
            Where to search, px of the clip, instead of where points were last
            seen; NaN where nobody knows.
        """
        from napari_usstrack.models.devices import usable
        from napari_usstrack.models.search import Search
        from napari_usstrack.models.weights import load

        self._digest()
        network = load(self.path, usable(self.device)).network
        side_px, search_mm = self.side_px, self.search_mm
        search = Search(
            network, video, queries, span, side_px=side_px, search_mm=search_mm, expected=expected
        )
        if not search.total:
            yield Progress(1, 1)
        for done, _ in enumerate(search.frames(), start=1):
            yield Progress(done, search.total)
        return Matches(*_fused(queries, *search.answer()))

    def _within_px(self, info: VideoInfo) -> float:
        spacing = info.spacing_mm
        if spacing is None:
            return UNKNOWN_WITHIN * max(info.width, info.height)
        return self.within_mm / float(np.mean(spacing))


@dataclass(frozen=True, eq=False)
class Matches:
    """Where a network found queries.

    Attributes
    ----------
    xy : float64 ndarray, shape (frames, queries, 2)
        Px of the clip, NaN where a query was not looked for; queries themselves are exact.
    seen : float64 ndarray, shape (frames, queries)
        Probability of being visible.
    spread_px : float64 ndarray, shape (frames, queries)
        Expected distance from the truth along each axis, px of the clip; NaN in
        the query's own frame.
    """

    xy: Floats
    seen: Floats
    spread_px: Floats


def _cells(
    found: Matches, info: VideoInfo, queries: Queries, span: range, within_px: float
) -> Cells:
    """Positions with visibility, and confidence of being near the truth."""
    away = within_px / found.spread_px
    confidence = found.seen * (1.0 - (1.0 + away) * np.exp(-away))
    first, last = queries.limits(span)
    asked = (queries.frame >= first) & (queries.frame <= last)
    columns = np.flatnonzero(asked)
    rows = queries.frame[columns] - span.start
    xy, seen = found.xy.copy(), found.seen.copy()
    xy[rows, columns], seen[rows, columns], confidence[rows, columns] = queries.xy[columns], 1, 1
    visible = (seen > SEEN) & inside(xy, info.width, info.height)
    xy[..., 0] = np.clip(xy[..., 0], -0.5, info.width - 0.5)
    xy[..., 1] = np.clip(xy[..., 1], -0.5, info.height - 0.5)
    present = np.asarray(np.isfinite(xy).all(axis=-1))
    xy = held(xy, visible, queries.frame - span.start, present)
    return Cells.placed(
        xy, Source.MODEL, confidence=np.where(visible, confidence, 0.0), visible=visible
    )


def _fused(queries: Queries, xy: Floats, seen: Floats, scale: Floats) -> tuple[Floats, ...]:
    """Join the answers of several queries of one point by how sure each is."""
    for name in {n for n in queries.name if queries.name.count(n) > 1}:
        columns = np.array([i for i, other in enumerate(queries.name) if other == name])
        there = np.isfinite(xy[:, columns, 0])
        sure = np.where(there, (seen[:, columns] + LEAST) / scale[:, columns] ** 2, 0.0)
        total = sure.sum(axis=1, keepdims=True)
        weight = sure / np.where(total > 0, total, 1.0)
        several = there.sum(axis=1) > 1
        mean = (weight[..., None] * np.nan_to_num(xy[:, columns])).sum(axis=1)
        best = seen[:, columns].max(axis=1)
        least = np.where(there, scale[:, columns], np.inf).min(axis=1)
        for place, column in enumerate(columns):
            rows = several & there[:, place]
            xy[rows, column], seen[rows, column] = mean[rows], best[rows]
            scale[rows, column] = least[rows]
    return xy, seen, scale
