"""Muscle clips that three people measured: fascicle angle and length.

The rule. In the first labelled frame, as observer 2 drew them, 7 points lie on
each aponeurosis line (x evenly from 330 to 800 px) and 9 on the fascicle line
through mid muscle at x = 570 px, evenly over 70 % of the muscle's thickness
there. They are tracked forward. In every later labelled frame a line is fitted
to each group (total least squares, px of the clip); the fascicle line's angle
is compared with the mean of the observers, and its length between the
crossings with both aponeurosis lines with that of observer 2. The error of
change is that of the difference from the first labelled frame.

All points that have a position are fitted, also those a tracker calls not
visible and has left where they were last seen. The figures named ``seen`` fit
the visible ones alone; a frame with fewer than three of them in a group has no
line, and the share of such frames stands beside.

The human row: each observer against the mean of the other two, in all labelled
frames, with the lengths they all measured to the picture's edge.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.fascicles import fascicle_between
from napari_usstrack.core.geometry import Line, fit_line
from napari_usstrack.core.tracker import Queries, Tracker, Work
from napari_usstrack.core.tracks import Kind
from napari_usstrack.core.video import Video
from napari_usstrack.io.registry import open_video
from napari_usstrack.metrics.pairs import Floats, Mask
from napari_usstrack.pipelines.bench.cases import (
    ALL,
    TIME,
    Case,
    NoData,
    Outcome,
    absolute,
    in_memory,
    timed,
)
from napari_usstrack.pipelines.bench.files import read_rows
from napari_usstrack.pipelines.figures import (
    NAN,
    PERCENT,
    Figure,
    resampled,
    with_missing,
)

SET = "observers"
SPACING_MM = 0.0883
"""Mm per px of the published clips, for a clip that does not tell its own."""
EDGES_PX, MIDDLE_PX, HEIGHT_AT_PX = (330.0, 800.0), 570.0, 928.0
PER_LINE, PER_FASCICLE, SHARE = 7, 9, 0.7
GROUPS = {"superficial": slice(0, 7), "deep": slice(7, 14), "fascicle": slice(14, 23)}
GROUP_OF_POINT = tuple(g for g, at in GROUPS.items() for _ in range(at.stop - at.start))
COLUMNS = (
    *("clip", "frame0", "observer", "alpha_deg", "beta_deg", "gamma_deg"),
    *("y_sup_at_x928", "y_deep_at_x928"),
    *("fascicle_length_through_centre_mm", "fascicle_length_edge_mm"),
)
DRAWN_BY = "2"


@dataclass(frozen=True, eq=False)
class Labels:
    """What the observers measured in one clip.

    Attributes
    ----------
    frames : intp ndarray, shape (frames,)
        Labelled frames.
    angles_deg, edge_mm : float64 ndarray, shape (frames, observers)
        Fascicle angle, in the picture's sense (y down), and length to the edge.
    length_mm : float64 ndarray, shape (frames,)
        Length through the middle, of observer 2.
    start : mapping of str to float
        All that observer 2 measured in the first frame.
    """

    frames: NDArray[np.intp]
    angles_deg: Floats
    edge_mm: Floats
    length_mm: Floats
    start: dict[str, float]


@dataclass(frozen=True, eq=False)
class Missed:
    """Errors in the later labelled frames of one clip; NaN where a line could not be told."""

    angle_deg: Floats
    length_mm: Floats
    angle_change_deg: Floats
    length_change_mm: Floats


def observer_cases(folders: Sequence[Path]) -> Iterator[Case | NoData]:
    """All labelled clips of each folder that has ``muscle/labels.csv``, as one case."""
    for folder in folders:
        table = folder / "muscle" / "labels.csv"
        if not table.is_file():
            continue
        rows = read_rows(table, COLUMNS)
        names = sorted({row["clip"] for row in rows})
        missing = [name for name in names if not (table.parent / name).is_file()]
        if missing:
            yield NoData(SET, missing[0], f"{table.parent / missing[0]} is missing")
        there = [name for name in names if name not in missing]
        if there:
            labels = {name: _labels(rows, name, table) for name in there}
            yield ObserverCase(table.parent, labels)


def _labels(rows: Sequence[dict[str, str]], clip: str, table: Path) -> Labels:
    by_place = {(int(r["frame0"]), r["observer"]): r for r in rows if r["clip"] == clip}
    frames = sorted({frame for frame, _ in by_place})
    people = sorted({observer for _, observer in by_place})

    def column(name: str, observers: Sequence[str]) -> Floats:
        return np.array(
            [[_float(by_place.get((f, o), {}).get(name)) for o in observers] for f in frames]
        )

    start = by_place.get((frames[0], DRAWN_BY))
    if start is None:
        raise UsstrackError(
            f"{table}: observer {DRAWN_BY} has no row for {clip}, frame {frames[0]}; the points "
            "to track are where that observer drew the lines"
        )
    return Labels(
        frames=np.array(frames, dtype=np.intp),
        angles_deg=column("alpha_deg", people),
        edge_mm=column("fascicle_length_edge_mm", people),
        length_mm=column("fascicle_length_through_centre_mm", [DRAWN_BY])[:, 0],
        start={name: _float(start[name]) for name in COLUMNS[3:]},
    )


def _float(text: str | None) -> float:
    return float(text) if text else NAN


def start_points(start: dict[str, float]) -> Floats:
    """Points to track ``[23, 2]`` in px: superficial, deep and fascicle line."""

    def line(height: str, angle: str, x: Floats) -> Floats:
        y = start[height] + np.tan(np.deg2rad(start[angle])) * (x - HEIGHT_AT_PX)
        return np.stack([x, y], axis=-1)

    across, middle = np.linspace(*EDGES_PX, PER_LINE), np.array([MIDDLE_PX])
    upper = line("y_sup_at_x928", "beta_deg", middle)[0, 1]
    lower = line("y_deep_at_x928", "gamma_deg", middle)[0, 1]
    down = np.linspace(-0.5, 0.5, PER_FASCICLE) * SHARE * (lower - upper)
    along = down / np.tan(np.deg2rad(start["alpha_deg"]))
    fascicle = np.stack([MIDDLE_PX + along, 0.5 * (upper + lower) + down], axis=-1)
    return np.concatenate(
        [
            line("y_sup_at_x928", "beta_deg", across),
            line("y_deep_at_x928", "gamma_deg", across),
            fascicle,
        ]
    )


@dataclass(frozen=True, eq=False)
class ObserverCase:
    """The labelled clips of one folder, pooled."""

    folder: Path
    labels: dict[str, Labels]
    set_name: str = SET
    name: str = ALL

    def run(self, tracker: Tracker) -> Work[list[Outcome]]:
        """Track each clip and compare with the observers."""
        outcomes, missed, seen, shares, times = [], [], [], [], []
        for name, labels in self.labels.items():
            video = in_memory(open_video(self.folder / name))
            xy, visible, spent = yield from self._tracked(tracker, video, labels)
            spacing = (video.info.spacing_mm or (SPACING_MM,))[0]
            missed.append(errors(xy, labels, spacing))
            seen.append(errors(np.where(visible[..., None], xy, np.nan), labels, spacing))
            shares.append(100.0 * float(np.isnan(xy[1:]).any(axis=-1).mean()))
            times.append(spent.value)
            own = with_missing(_figures(missed[-1:], seen[-1:]), shares[-1])
            outcomes.append(Outcome(name, (*own, spent)))
        share = float(np.mean(shares))
        figures = (*_figures(missed, seen), Figure("missing", share, PERCENT))
        time = Figure(TIME, float(np.mean(times)), spent.unit)
        return [*outcomes, Outcome(ALL, (*with_missing(figures, share), time))]

    def _tracked(
        self, tracker: Tracker, video: Video, labels: Labels
    ) -> Work[tuple[Floats, Mask, Figure]]:
        """Positions ``[labelled frames, 23, 2]`` in px, visibility, and time."""
        xy = start_points(labels.start)
        first, last = int(labels.frames[0]), int(labels.frames[-1])
        names = tuple(f"p{i + 1}" for i in range(len(xy)))
        kinds: list[Kind] = ["line"] * len(xy)
        frame = np.full(len(xy), first)
        queries = Queries(frame, xy, names, group=GROUP_OF_POINT, kind=tuple(kinds))
        cells, spent = yield from timed(tracker, video, queries, range(first, last + 1))
        rows = labels.frames - first
        return cells.xy[rows], cells.visible[rows], spent

    def references(self) -> Sequence[tuple[str, Outcome]]:
        """Each observer against the mean of the other two."""
        all_labels = list(self.labels.values())
        figures = (
            _pooled("angle_error", "deg", [_between(each.angles_deg) for each in all_labels]),
            _pooled("length_error", "mm", [_between(each.edge_mm) for each in all_labels]),
            _middle("length_error_median", [_between(each.edge_mm) for each in all_labels]),
            _pooled("angle_change_error", "deg", [_changes(e.angles_deg) for e in all_labels]),
            _pooled("length_change_error", "mm", [_changes(e.edge_mm) for e in all_labels]),
        )
        return [("human", Outcome(ALL, figures))]


def errors(xy: Floats, labels: Labels, spacing_mm: float) -> Missed:
    """Errors of tracked points ``[labelled frames, 23, 2]``, px, after the first frame.

    A line is fitted to the points that are there, three at least.
    """
    lines = {name: _fitted(xy[:, columns]) for name, columns in GROUPS.items()}
    fascicle = lines.pop("fascicle")
    # Angles of our lines rise to the right, those of the table fall.
    angle = -fascicle.angle_deg
    length = fascicle_between(fascicle, **lines).length_mm * spacing_mm
    person = labels.angles_deg.mean(axis=1)
    off_angle, off_length = angle - person, length - labels.length_mm
    return Missed(
        np.abs(off_angle[1:]),
        np.abs(off_length[1:]),
        np.abs(off_angle[1:] - off_angle[0]),
        np.abs(off_length[1:] - off_length[0]),
    )


def _fitted(points: Floats) -> Line:
    lines = []
    for frame in points:
        known = frame[~np.isnan(frame).any(axis=-1)]
        lines.append(fit_line(known if len(known) >= 3 else np.full((3, 2), np.nan)))
    return Line(np.stack([line.at for line in lines]), np.stack([line.along for line in lines]))


def _figures(missed: Sequence[Missed], seen: Sequence[Missed]) -> tuple[Figure, ...]:
    lengths = np.concatenate([each.length_mm for each in seen])
    return (
        _pooled("angle_error", "deg", [each.angle_deg for each in missed]),
        _pooled("length_error", "mm", [each.length_mm for each in missed]),
        _middle("length_error_median", [each.length_mm for each in missed]),
        _pooled("angle_change_error", "deg", [each.angle_change_deg for each in missed]),
        _pooled("length_change_error", "mm", [each.length_change_mm for each in missed]),
        _pooled("angle_error_seen", "deg", [each.angle_deg for each in seen]),
        _pooled("length_error_seen", "mm", [each.length_mm for each in seen]),
        Figure("frames_without_lines", 100.0 * float(np.isnan(lengths).mean()), PERCENT),
    )


def _pooled(metric: str, unit: str, clips: Sequence[Floats]) -> Figure:
    """Mean over all frames of all clips, with an interval over clips."""

    def mean(at: NDArray[np.intp]) -> float:
        values = absolute(np.concatenate([clips[i].ravel() for i in at]), 0.0)
        return float(values.mean()) if values.size else NAN

    return resampled(metric, unit, len(clips), mean, over="clip")


def _middle(metric: str, clips: Sequence[Floats]) -> Figure:
    def median(at: NDArray[np.intp]) -> float:
        values = absolute(np.concatenate([clips[i].ravel() for i in at]), 0.0)
        return float(np.median(values)) if values.size else NAN

    return resampled(metric, "mm", len(clips), median, over="clip")


def _between(values: Floats) -> Floats:
    """Each observer's distance from the mean of the others, ``[frames, observers]``."""
    others = (values.sum(axis=1, keepdims=True) - values) / (values.shape[1] - 1)
    return np.abs(values - others)


def _changes(values: Floats) -> Floats:
    return _between(values[1:] - values[0])
