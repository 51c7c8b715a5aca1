"""The sets by name: what is in each, found in the folders given.

`simulated` is made here. `clips` are ``.npz`` files with exact tracks; of the
heart among them the strain error is told as well, from the line of points
whose true length is the file's ``length_mm``. Fascicle length and pennation of
the muscle clips are left out: no tracked point lies on the file's fascicle or
on its ends, so those figures cannot be told from the tracks. `phantom` are
wires in a water tank. `observers` and `checks` have modules of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.curves import spline_length
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracks import CELL_ARRAYS, Cells, Source, Tracks, named_points
from napari_usstrack.core.video import Video, VideoInfo
from napari_usstrack.io.registry import open_video
from napari_usstrack.io.truth import read_arrays, true_tracks
from napari_usstrack.metrics.pairs import Floats
from napari_usstrack.pipelines.bench.cases import Case, NoData, absolute, tracked_case
from napari_usstrack.pipelines.bench.checks import check_cases
from napari_usstrack.pipelines.bench.derived import derived_errors
from napari_usstrack.pipelines.bench.files import files, read_rows
from napari_usstrack.pipelines.bench.observers import observer_cases
from napari_usstrack.pipelines.figures import NAN, Figure

Found = Case | NoData
MOST_LAYERS = 6
SAME_LENGTH = 1e-3
"""A line of points is the file's own when its true length is the file's to this share."""


def find_cases(name: str, folders: Sequence[Path], limit: int | None = None) -> Iterator[Found]:
    """Cases of a set, made one at a time; a `NoData` where there are none.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    folders : sequence of Path
        Where data are looked for.
    limit : int, optional
        At most so many cases.
    """
    count = 0
    for found in islice(_SETS[name](folders), limit):
        count += 1
        yield found
    if not count:
        yield NoData(name, "", _MISSING[name])


def _simulated(_folders: Sequence[Path]) -> Iterator[Found]:
    from napari_usstrack.synth.benchmark import benchmark_clips

    for name, video, truth in benchmark_clips():
        yield _with_derived("simulated", name, video, truth)


def _with_derived(set_name: str, name: str, video: Video, truth: Tracks) -> Case:
    """A case of the points that are ever visible, with all errors that their groups allow."""
    ever = np.flatnonzero(truth.visible.any(axis=0))
    seen = truth.select([truth.points[i].name for i in ever])
    return tracked_case(set_name, name, video, seen, derived_errors(seen))


# --- clips with exact tracks -----------------------------------------------------------------


def _clips(folders: Sequence[Path]) -> Iterator[Found]:
    for path in files(folders, "*.npz"):
        try:
            case = _clip(path)
        except UsstrackError as error:
            yield NoData("clips", path.stem, str(error))
            continue
        if case is not None:
            yield case


def _clip(path: Path) -> Case | None:
    arrays = read_arrays(path)
    if "frames" not in arrays or "tracks" not in arrays:
        return None
    video = open_video(path)
    truth = true_tracks(arrays, video.info, path)
    if "gls" in arrays:
        return tracked_case("clips", path.stem, video, truth, _strain(arrays, truth))
    return _with_derived("clips", path.stem, video, truth)


def truth_of(info: VideoInfo, xy: Floats) -> Tracks:
    """True tracks from positions ``[frames, points, 2]`` in px, visible where known."""
    cells = Cells.placed(xy, Source.MANUAL)
    points = named_points([f"p{i + 1}" for i in range(xy.shape[1])])
    return Tracks(**{name: getattr(cells, name) for name in CELL_ARRAYS}, points=points, video=info)


def _strain(
    arrays: dict[str, NDArray], truth: Tracks
) -> Callable[[Floats], Iterable[Figure]] | None:
    """Measure of the strain error, where the file tells strain and the line it is of."""
    if "gls" not in arrays or "length_mm" not in arrays:
        return None
    line = wall_line(truth, np.asarray(arrays["length_mm"], dtype=np.float64))
    if line is None:
        return None
    true = np.asarray(arrays["gls"], dtype=np.float64)

    def measure(xy: Floats) -> Iterable[Figure]:
        length = spline_length(truth.video.calibration.mm(xy[:, line]))
        strain = 100.0 * (length / length[0] - 1.0)
        off = absolute(strain, true)[1:]
        known = strain[~np.isnan(strain)]
        peak = abs(known.min() - true.min()) if known.size else NAN
        yield Figure("GLS_error", float(off.mean()) if off.size else NAN, "percentage points")
        yield Figure("GLS_peak_error", float(peak), "percentage points")

    return measure


def wall_line(truth: Tracks, length_mm: Floats) -> slice | None:
    """Points whose spline has the stated length in every frame, among equal layers of points.

    Parameters
    ----------
    truth : Tracks
        Layers of points, one after the other, each in order along the wall.
    length_mm : float64 ndarray, shape (frames,)
        Length of the line that is looked for.

    Returns
    -------
    slice or None
        Columns of the points; None if no layer has this length.
    """
    count = truth.shape[1]
    for layers in range(1, MOST_LAYERS + 1):
        size, rest = divmod(count, layers)
        if rest or size < 3:
            continue
        for start in range(0, count, size):
            line = slice(start, start + size)
            length = spline_length(truth.video.calibration.mm(truth.xy[:, line]))
            if length.shape == length_mm.shape and np.allclose(length, length_mm, SAME_LENGTH, 0):
                return line
    return None


# --- wires in a water tank -------------------------------------------------------------------


def _phantom(folders: Sequence[Path]) -> Iterator[Found]:
    """Wires of a phantom that moves in steps under the probe.

    A wire is scored in frames in which it is labelled, from the first of them
    on. The middle wire of each row runs askew, so its spot travels by more
    than those beside it.
    """
    for folder in folders:
        table = folder / "phantom" / "points.csv"
        if not table.is_file():
            continue
        rows = read_rows(table, ("volume", "frame0", "wire", "x_px", "y_px"))
        for volume in dict.fromkeys(row["volume"] for row in rows):
            path = table.parent / volume
            if not path.is_file():
                yield NoData("phantom", volume, f"{path} is missing")
                continue
            video = open_video(path)
            own = [row for row in rows if row["volume"] == volume]
            truth = truth_of(video.info, _wires(own, video.info.frame_count, table))
            yield tracked_case("phantom", path.name.split(".")[0], video, truth)


def _wires(rows: Sequence[dict[str, str]], count: int, table: Path) -> Floats:
    names = sorted({row["wire"] for row in rows})
    xy = np.full((count, len(names), 2), np.nan)
    for row in rows:
        frame = int(row["frame0"])
        if not 0 <= frame < count:
            raise UsstrackError(f"{table}: frame {frame} is outside the clip of {count} frames")
        xy[frame, names.index(row["wire"])] = float(row["x_px"]), float(row["y_px"])
    return xy


_SETS: dict[str, Callable[[Sequence[Path]], Iterator[Found]]] = {
    "simulated": _simulated,
    "clips": _clips,
    "observers": observer_cases,
    "phantom": _phantom,
    "checks": check_cases,
}
_MISSING = {
    "simulated": "the simulator made no clip",
    "clips": "no .npz with frames and tracks in the folders given with --data",
    "observers": "no muscle/labels.csv in the folders given with --data",
    "phantom": "no phantom/points.csv in the folders given with --data",
    "checks": "no clip of 8 frames or more in the folders given with --data",
}
NAMES = tuple(_SETS)
"""All sets, in the order in which they are run."""
