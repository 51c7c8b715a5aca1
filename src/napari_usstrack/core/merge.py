"""A run taken over into the labels: what would change, and the edit that does it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypedDict, Unpack, get_args

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.edits import Edit
from napari_usstrack.core.errors import EditConflictError, UsstrackError
from napari_usstrack.core.provenance import digest
from napari_usstrack.core.regions import picked, rows_of, widened, write_wide
from napari_usstrack.core.tracks import CELL_ARRAYS, Cells, Source, Tracks, arrays_of

Policy = Literal["fill missing", "overwrite", "keep manual"]
"""Keep every label; keep none; keep what a person placed or said is absent, but not accepted."""
SAME_PX = 1e-9
Mask = NDArray[np.bool_]


class Options(TypedDict, total=False):
    """What of a run is merged; see `plan`."""

    frames: Iterable[int] | None
    names: Sequence[str] | None
    min_confidence: float
    tolerance_px: float


@dataclass(frozen=True)
class PointCounts:
    """What a merge does to the cells of one point, or of all.

    Every position of the run is in exactly one of the first five counts.

    Attributes
    ----------
    added : int
        Placed where there is no label.
    identical : int
        Label at the same place already; nothing changes.
    moved : int
        Label overwritten: with another place, or where a person said that the
        point is absent.
    kept : int
        Label that the policy leaves as it is.
    skipped : int
        The run lost sight of the point or is not sure enough.
    far : int
        Of the moved, those by more than the tolerance.
    largest_px, median_px : float or None
        Distance from label to run over the moved, px; None where there is none.
    """

    added: int
    identical: int
    moved: int
    kept: int
    skipped: int
    far: int
    largest_px: float | None
    median_px: float | None

    @property
    def changed(self) -> int:
        """Cells that the merge writes."""
        return self.added + self.moved


@dataclass(frozen=True)
class MergeCounts(PointCounts):
    """What a merge does, in total and per point.

    Attributes
    ----------
    points : mapping of str to PointCounts
        By point, in the run's order.
    new_points : tuple of str
        Points that the merge adds.
    """

    points: Mapping[str, PointCounts]
    new_points: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class MergePlan:
    """A merge that was looked at but not done.

    Attributes
    ----------
    counts : MergeCounts
        For a person to read.
    edit : Edit
        What does it.
    fingerprint : str
        Digest of the annotations and the run it was made from.
    """

    counts: MergeCounts
    edit: Edit
    fingerprint: str

    def confirmed(self, annotations: Tracks, run: Tracks) -> Edit:
        """Give the edit, if labels and run are still those that were looked at.

        Raises
        ------
        EditConflictError
            When either changed since.
        """
        if self.fingerprint != _fingerprint(annotations, run):
            raise EditConflictError(
                "The labels or the run changed since the merge was previewed; preview it again."
            )
        return self.edit


def plan(
    annotations: Tracks,
    run: Tracks,
    policy: Policy,
    frames: Iterable[int] | None = None,
    names: Sequence[str] | None = None,
    min_confidence: float = 0.0,
    tolerance_px: float = 0.5,
) -> MergePlan:
    """Work out a merge of a run into the annotations.

    Merged cells become ACCEPTED, with the run's confidence. Cells without a
    position in the run change nothing.

    Parameters
    ----------
    annotations, run : Tracks
        Labels, and a method's result over the same frames.
    policy : {"fill missing", "overwrite", "keep manual"}
        Which labels stay: all, none, or those that a person placed or said are
        absent, while accepted ones may be replaced.
    frames : iterable of int, optional
        Frames of the clip; all if None.
    names : sequence of str, optional
        Points of the run; all if None. Points that are new are added.
    min_confidence : float
        The run's positions below are skipped, and if it is above 0 also those
        without a confidence; positions set by hand are never below.
    tolerance_px : float
        Moves beyond it are counted as far, px.

    Raises
    ------
    UsstrackError
        When there is no such policy, point or frame, or the run is of another
        clip.
    """
    _check(annotations, run, policy, names)
    rows = rows_of(annotations, range(annotations.shape[0]) if frames is None else frames)
    points = run.names if names is None else tuple(dict.fromkeys(names))
    wide = widened(annotations, run, points)
    mine = wide.block(rows, [wide.column(name) for name in points])
    theirs = run.block(rows, [run.column(name) for name in points])
    parts = _sorted_out(mine, theirs, policy, min_confidence)
    distance = _distance(mine, theirs)
    changed = parts["added"] | parts["moved"]
    new = [name for name in picked(points, changed) if name not in annotations.names]
    each = {
        name: _counts(
            {key: mask[:, i] for key, mask in parts.items()}, distance[:, i], tolerance_px
        )
        for i, name in enumerate(points)
    }
    total = _counts(parts, distance, tolerance_px)
    edit = write_wide(
        annotations,
        widened(annotations, run, new),
        f"merge {total.changed} position{'' if total.changed == 1 else 's'}",
        rows,
        points,
        _merged(mine, theirs, changed),
        changed,
    )
    counts = MergeCounts(**vars(total), points=MappingProxyType(each), new_points=tuple(new))
    return MergePlan(counts, edit, _fingerprint(annotations, run))


def preview(
    annotations: Tracks, run: Tracks, policy: Policy, **options: Unpack[Options]
) -> MergeCounts:
    """Count what `merge` with the same arguments changes; options as for `plan`."""
    return plan(annotations, run, policy, **options).counts


def merge(annotations: Tracks, run: Tracks, policy: Policy, **options: Unpack[Options]) -> Edit:
    """Take a run over into the annotations; options as for `plan`."""
    return plan(annotations, run, policy, **options).edit


def _check(annotations: Tracks, run: Tracks, policy: str, names: Sequence[str] | None) -> None:
    if policy not in get_args(Policy):
        raise UsstrackError(
            f"There is no policy '{policy}'; choose one of: {', '.join(get_args(Policy))}."
        )
    if run.shape[0] != annotations.shape[0]:
        raise UsstrackError(
            f"The run has {run.shape[0]} frames and this clip {annotations.shape[0]}; "
            "choose a run of this clip."
        )
    if unknown := set(names or ()) - set(run.names):
        raise UsstrackError(
            f"The run has no point '{sorted(unknown)[0]}'; "
            f"choose from: {', '.join(run.names) or 'none'}."
        )


def _sorted_out(
    mine: Cells, theirs: Cells, policy: Policy, min_confidence: float
) -> dict[str, Mask]:
    """Masks of added, identical, moved, kept and skipped cells."""
    sure = theirs.confidence >= min_confidence
    if min_confidence <= 0:
        sure |= np.isnan(theirs.confidence)
    usable = theirs.visible & (sure | theirs.by_hand)
    held = mine.source != Source.MISSING
    identical = usable & mine.present & (_distance(mine, theirs) <= SAME_PX)
    contested = usable & held & ~identical
    moved = contested & ~_protected(mine, policy)
    return {
        "added": usable & ~held,
        "identical": identical,
        "moved": moved,
        "kept": contested & ~moved,
        "skipped": theirs.present & ~usable,
    }


def _protected(mine: Cells, policy: Policy) -> Mask:
    if policy == "keep manual":
        return np.isin(mine.source, (Source.MANUAL, Source.ABSENT))
    return np.full(mine.shape, policy == "fill missing")


def _distance(mine: Cells, theirs: Cells) -> NDArray[np.float64]:
    distance: NDArray[np.float64] = np.linalg.norm(theirs.xy - mine.xy, axis=-1)
    return distance


def _counts(
    parts: Mapping[str, Mask], distance: NDArray[np.float64], tolerance_px: float
) -> PointCounts:
    away = distance[parts["moved"]]
    away = away[np.isfinite(away)]
    return PointCounts(
        **{key: int(mask.sum()) for key, mask in parts.items()},
        far=int((away > tolerance_px).sum()),
        largest_px=float(away.max()) if away.size else None,
        median_px=float(np.median(away)) if away.size else None,
    )


def _merged(mine: Cells, theirs: Cells, changed: Mask) -> Cells:
    arrays = arrays_of(mine)
    for name in CELL_ARRAYS:
        arrays[name][changed] = getattr(theirs, name)[changed]
    arrays["source"][changed] = Source.ACCEPTED
    return Cells(**arrays)


def _fingerprint(annotations: Tracks, run: Tracks) -> str:
    read = [getattr(each, name) for each in (annotations, run) for name in CELL_ARRAYS]
    return digest(annotations.points, run.points, *read)
