"""What can be told of a tracker without a truth, on any clip.

The first frames of every clip below the folders are used. Points are those of
the truth where the file has one, else places with texture on a grid over the
middle of the picture. Beside each gap stands how far the points moved at all:
a tracker that never moves has no gap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy import ndimage

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.parts import part
from napari_usstrack.core.tracker import Queries, Tracker, Work
from napari_usstrack.core.video import Video
from napari_usstrack.io.registry import READERS, can_open, open_video
from napari_usstrack.io.truth import read_arrays
from napari_usstrack.metrics.error import closure
from napari_usstrack.metrics.impartiality import TIME, equivariance, rigid_motion
from napari_usstrack.metrics.pairs import Floats, mean_or_nan
from napari_usstrack.metrics.robustness import nuisance, static_motion, there_and_back
from napari_usstrack.metrics.trials import Gaps
from napari_usstrack.pipelines.bench.cases import Case, NoData, Outcome, in_memory, timed
from napari_usstrack.pipelines.bench.files import files
from napari_usstrack.pipelines.figures import PERCENT, Figure

SET = "checks"
FRAMES, FEWEST, GRID = 16, 8, 3
TRAVEL_PX, NOISE_GREY = 10.0, 4.0
CHANGES = ("left-right", "up-down", "quarter turn left", TIME)
UNITS = 1000
WINDOW_PX = 21


@dataclass(frozen=True, eq=False)
class CheckCase:
    """One clip and points to follow from its first frame.

    Attributes
    ----------
    name : str
    video : Video
        In memory.
    xy : float64 ndarray, shape (points, 2)
        Px.
    path : float64 ndarray, shape (frames, points, 2), optional
        True positions, px.
    cycle_end : int, optional
        Frame in which the first full cycle ends.
    """

    name: str
    video: Video
    xy: Floats
    path: Floats | None = None
    cycle_end: int | None = None
    set_name: str = SET

    def run(self, tracker: Tracker) -> Work[list[Outcome]]:
        """Run all checks one after the other."""
        total = 6 * UNITS
        count = min(FRAMES, self.video.info.frame_count)
        video = in_memory(self.video, count)
        given = (tracker, video, self._queries(), range(count))
        cells, spent = yield from part(timed(*given), 0, UNITS, total)
        back = yield from part(there_and_back(*given), UNITS, UNITS, total)
        still = static_motion(*given, noise_grey=NOISE_GREY)
        static = yield from part(still, 2 * UNITS, UNITS, total)
        turned = yield from part(equivariance(*given, changes=CHANGES), 3 * UNITS, UNITS, total)
        borne = yield from part(nuisance(*given), 4 * UNITS, UNITS, total)
        rigid = yield from part(rigid_motion(*given, travel_px=TRAVEL_PX), 5 * UNITS, UNITS, total)
        lost = 100.0 * mean_or_nan(~cells.present[1:])
        figures = [
            Figure("forward_backward", back.mean_px, "px"),
            Figure("static_motion", static.mean_px, "px"),
            *_gaps(turned),
            *_gaps(borne),
            Figure("directions_mean", rigid.mean_px, "px"),
            Figure("directions_spread", rigid.spread_px, "px"),
            Figure("directions_no_motion", rigid.no_motion_px, "px"),
            Figure("excursion", turned.excursion_px, "px"),
            Figure("missing", lost, PERCENT),
            spent,
        ]
        closing = yield from self._closure(tracker)
        return [Outcome(self.name, (*figures, *closing))]

    def _queries(self) -> Queries:
        names = tuple(f"p{i + 1}" for i in range(len(self.xy)))
        return Queries(np.zeros(len(self.xy), dtype=np.intp), self.xy, names)

    def _closure(self, tracker: Tracker) -> Work[list[Figure]]:
        """Gap over the first full cycle where the file tells one, and the true points' own."""
        if self.cycle_end is None or self.path is None:
            return []
        span = range(self.cycle_end + 1)
        cells = yield from tracker.track(self.video, self._queries(), span)
        gap, true = (
            mean_or_nan(closure(xy, first_ed=0, last_ed=self.cycle_end))
            for xy in (cells.xy, self.path)
        )
        return [Figure("closure", gap, "px"), Figure("true_closure", true, "px")]

    def references(self) -> Sequence[tuple[str, Outcome]]:
        """None."""
        return ()


def _gaps(found: Gaps) -> Iterator[Figure]:
    for gap in found.gaps:
        yield Figure(
            f"gap_{gap.name.replace(' ', '_').replace('_%', '_percent')}", gap.mean_px, "px"
        )


def check_cases(folders: Sequence[Path]) -> Iterator[Case | NoData]:
    """Every clip of 8 frames or more below the folders."""
    for path in files(folders, "*"):
        if path.suffix.lower() not in READERS or not can_open(path):
            continue
        try:
            yield _case(path)
        except UsstrackError as error:
            yield NoData(SET, path.name, str(error))


def _case(path: Path) -> CheckCase:
    video = in_memory(open_video(path))
    if video.info.frame_count < FEWEST:
        raise UsstrackError(f"{path.name} has {video.info.frame_count} frames, {FEWEST} are needed")
    arrays = read_arrays(path) if path.suffix == ".npz" else {}
    if "tracks" not in arrays:
        return CheckCase(path.name, video, textured_points(video))
    true = np.asarray(arrays["tracks"], dtype=np.float64).transpose(1, 0, 2)
    chosen = np.linspace(0, true.shape[1] - 1, min(GRID**2, true.shape[1])).astype(np.intp)
    signals = [arrays[name] for name in ("gls", "fascicle_mm") if name in arrays]
    return CheckCase(
        name=path.name,
        video=video,
        xy=true[0, chosen],
        path=true[:, chosen],
        cycle_end=cycle_end(signals[0]) if signals else None,
    )


def textured_points(video: Video) -> Floats:
    """Up to nine places ``[points, 2]`` in px with texture in both directions, in frame 0.

    The middle 60 % of the picture is cut into 3 x 3 parts; of each the place
    with the largest smaller eigenvalue of the structure tensor is taken.

    Raises
    ------
    UsstrackError
        For a picture without texture there.

    Notes
    -----
    Shi and Tomasi, "Good features to track" (CVPR 1994).
    """
    picture = video.frames(range(1))[0].astype(np.float64)
    down, right = np.gradient(picture)
    xx, yy, xy = (ndimage.uniform_filter(a, WINDOW_PX) for a in (right**2, down**2, right * down))
    strength = 0.5 * (xx + yy) - np.sqrt(0.25 * (xx - yy) ** 2 + xy**2)
    rows, columns = (np.linspace(0.2 * n, 0.8 * n, GRID + 1).astype(int) for n in picture.shape)
    found = []
    for top, bottom in pairwise(rows):
        for left, end in pairwise(columns):
            block = strength[top:bottom, left:end]
            if block.size and block.max() > 1.0:
                y, x = np.unravel_index(block.argmax(), block.shape)
                found.append((left + float(x), top + float(y)))
    if not found:
        raise UsstrackError(f"{video.info.name} has no texture in its middle to follow")
    return np.array(found)


def cycle_end(signal: Floats) -> int | None:
    """Frame in which a signal is back where it began again; None if never.

    Back is within a twentieth of the excursion.
    """
    away = np.abs(np.asarray(signal, dtype=np.float64) - signal[0])
    far = np.flatnonzero(away > 0.5 * away.max())
    if not far.size:
        return None
    back = np.flatnonzero((away < 0.05 * away.max()) & (np.arange(len(away)) > far[0]))
    return int(back[0] + away[back[0] : back[0] + 4].argmin()) if back.size else None
