"""A run taken over into the labels: the preview is the truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_usstrack.core import edits, merge
from napari_usstrack.core.errors import EditConflictError, UsstrackError
from napari_usstrack.core.merge import PointCounts
from napari_usstrack.core.tracks import Source, Tracks, arrays_of, named_points
from napari_usstrack.core.video import VideoInfo

FRAMES = 6
VIDEO = VideoInfo(FRAMES, 40, 30)
POLICIES = ["fill missing", "overwrite", "keep manual"]


def tracks_of(names: str, cells: dict[tuple[int, str], tuple]) -> Tracks:
    """Source, x, confidence and visible by frame and point."""
    blank = Tracks.blank(VIDEO, named_points(list(names)))
    arrays = arrays_of(blank)
    for (frame, name), (source, x, confidence, visible) in cells.items():
        at = frame, blank.column(name)
        arrays["source"][at] = source
        arrays["confidence"][at] = confidence
        if source > Source.ABSENT:
            arrays["xy"][at] = (x, 1.0)
            arrays["visible"][at] = visible
    return Tracks(**arrays, points=blank.points, video=VIDEO)


def hand(x: float, source: Source = Source.MANUAL) -> tuple:
    return source, x, np.nan, True


def flow(x: float, confidence: float = 0.8, *, visible: bool = True) -> tuple:
    return Source.FLOW, x, confidence, visible


LABELS = tracks_of(
    "ab",
    {
        (0, "a"): hand(1),
        (1, "a"): hand(2, Source.ACCEPTED),
        (2, "a"): hand(3),
        (3, "a"): (Source.ABSENT, 0, np.nan, False),
        (5, "b"): hand(7),
    },
)
RUN = tracks_of(
    "cba",
    {
        (0, "a"): flow(1),
        (1, "a"): flow(2.25),
        (2, "a"): flow(6),
        (3, "a"): flow(4),
        (4, "a"): flow(5, 0.3),
        (5, "a"): flow(6, 0, visible=False),
        (4, "b"): flow(7, np.nan),
        (0, "c"): flow(9),
    },
)


def test_fill_missing_adds_only():
    counts = merge.preview(LABELS, RUN, "fill missing")
    assert counts.points["a"] == PointCounts(1, 1, 0, 3, 1, 0, None, None)
    assert counts.points["b"] == PointCounts(1, 0, 0, 0, 0, 0, None, None)
    assert (counts.added, counts.kept, counts.changed) == (3, 3, 3)
    assert counts.new_points == ("c",)
    after = merge.merge(LABELS, RUN, "fill missing").apply(LABELS)
    assert after.names == ("a", "b", "c")
    assert after.source[4].tolist() == [Source.ACCEPTED, Source.ACCEPTED, Source.MISSING]
    assert after.confidence[4, 0] == np.float32(0.3)
    assert np.isnan(after.confidence[4, 1])
    assert after.source[5, 0] == Source.MISSING
    assert after.points[2] == RUN.points[0]


def test_overwrite_moves_all_and_tells_how_far():
    counts = merge.preview(LABELS, RUN, "overwrite")
    assert counts.points["a"] == PointCounts(1, 1, 3, 0, 1, 1, 3.0, 1.625)
    after = merge.merge(LABELS, RUN, "overwrite").apply(LABELS)
    assert after.xy[:5, 0, 0].tolist() == [1, 2.25, 6, 4, 5]
    assert after.source[0, 0] == Source.MANUAL
    assert (after.source[1:5, 0] == Source.ACCEPTED).all()
    assert after.source[5, 1] == Source.MANUAL


def test_keep_manual_replaces_what_was_only_accepted():
    counts = merge.preview(LABELS, RUN, "keep manual", names=["a"])
    assert counts.points == {"a": PointCounts(1, 1, 1, 2, 1, 0, 0.25, 0.25)}
    after = merge.merge(LABELS, RUN, "keep manual", names=["a"]).apply(LABELS)
    assert after.xy[:3, 0, 0].tolist() == [1, 2.25, 3]
    assert after.source[3, 0] == Source.ABSENT
    assert after.names == ("a", "b")


def test_confidence_frames_and_names_narrow_the_merge():
    counts = merge.preview(LABELS, RUN, "overwrite", frames=[4], min_confidence=0.5)
    assert (counts.added, counts.skipped, counts.new_points) == (0, 2, ())
    edit = merge.merge(LABELS, RUN, "overwrite", frames=[4], min_confidence=0.5)
    assert edit.apply(LABELS).equals(LABELS)


def test_labels_of_another_person_are_sure_enough():
    other = tracks_of("a", {(4, "a"): hand(5)})
    assert merge.preview(LABELS, other, "fill missing", min_confidence=0.9).added == 1


def test_tolerance_tells_far_moves_from_small_ones():
    assert merge.preview(LABELS, RUN, "overwrite", tolerance_px=0.2).far == 2
    assert merge.preview(LABELS, RUN, "overwrite", tolerance_px=5).far == 0


def test_only_changed_cells_are_in_the_edit():
    edit = merge.merge(LABELS, RUN, "fill missing")
    assert edit.frames.tolist() == [0, 4]
    assert edit.name == "merge 3 positions"
    after = edit.apply(LABELS)
    back = edit.inverse().apply(after)
    assert back.equals(LABELS)
    assert back.points == LABELS.points


@pytest.mark.parametrize(
    ("run", "policy", "options", "message"),
    [
        (RUN, "always", {}, "no policy 'always'; choose one of: fill missing, overwrite"),
        (RUN, "overwrite", {"names": ["z"]}, "no point 'z'; choose from: c, b, a"),
        (RUN, "overwrite", {"frames": [6]}, "Frame 6 is outside the clip"),
        (Tracks.blank(VideoInfo(3, 40, 30)), "overwrite", {}, "has 3 frames and this clip 6"),
    ],
)
def test_merges_that_cannot_be(run, policy, options, message):
    with pytest.raises(UsstrackError, match=message):
        merge.preview(LABELS, run, policy, **options)


# --- a plan that grew stale ------------------------------------------------------------------


def test_a_plan_holds_while_nothing_changed():
    plan = merge.plan(LABELS, RUN, "overwrite")
    assert plan.confirmed(replace(LABELS), RUN) is plan.edit


def test_a_stale_plan_is_refused():
    plan = merge.plan(LABELS, RUN, "fill missing")
    labels = edits.put(LABELS, 5, "a", (3, 3)).apply(LABELS)
    run = RUN.with_cells(edits.put(RUN, 0, "b", (3, 3)).apply(RUN))
    recoloured = edits.set_roster(LABELS, "order", LABELS.points[::-1]).apply(LABELS)
    for stale in ((labels, RUN), (LABELS, run), (recoloured, RUN)):
        with pytest.raises(EditConflictError, match="preview it again"):
            plan.confirmed(*stale)


# --- the law: what the preview says is what the edit does ------------------------------------

cell = st.tuples(
    st.sampled_from([s for s in Source if s != Source.MISSING]),
    st.sampled_from([0.0, 0.2, 3.0]),
    st.sampled_from([0.0, 0.4, 0.9, np.nan]),
    st.booleans(),
)


def random_tracks(names: str) -> st.SearchStrategy[Tracks]:
    keys = st.tuples(st.integers(0, FRAMES - 1), st.sampled_from(names))
    return st.dictionaries(keys, cell, max_size=20).map(lambda cells: tracks_of(names, cells))


@given(
    random_tracks("ab"),
    random_tracks("bca"),
    st.sampled_from(POLICIES),
    st.none() | st.sets(st.integers(0, FRAMES - 1)),
    st.none() | st.lists(st.sampled_from("abc"), unique=True),
    st.sampled_from([0.0, 0.5]),
)
def test_the_effect_is_the_preview(labels, run, policy, frames, names, min_confidence):
    options = {"frames": frames, "names": names, "min_confidence": min_confidence}
    counts = merge.preview(labels, run, policy, **options)
    edit = merge.merge(labels, run, policy, **options)
    after = edit.apply(labels)
    assert after.names == (*labels.names, *counts.new_points)
    rows = np.arange(FRAMES) if frames is None else sorted(frames)
    for name, said in counts.points.items():
        theirs = run.block(rows, [run.column(name)])
        assert said.added + said.identical + said.moved + said.kept + said.skipped == (
            theirs.present.sum()
        )
        if name not in after.names:
            assert said.changed == 0
            continue
        before = edits.add_points(
            labels, [p for p in after.points if p.name not in labels.names]
        ).apply(labels)
        old, new = (t.select([name]) for t in (before, after))
        differs = (old.source != new.source) | ~np.isclose(
            old.xy, new.xy, rtol=0, atol=0, equal_nan=True
        ).all(axis=-1)
        written = differs | ((new.source == Source.ACCEPTED) & (old.source != new.source))
        assert (written & (old.source == Source.MISSING)).sum() == said.added
        assert (written & (old.source != Source.MISSING)).sum() == said.moved
        assert (new.source[written] == Source.ACCEPTED).all()
        distance = np.linalg.norm(new.xy - old.xy, axis=-1)[written]
        distance = distance[~np.isnan(distance)]
        assert said.largest_px == (distance.max() if distance.size else None)
        if policy == "fill missing":
            assert said.moved == 0
        if policy == "keep manual":
            guarded = np.isin(old.source, (Source.MANUAL, Source.ABSENT))
            assert not (written & guarded).any()
    assert counts.added == sum(said.added for said in counts.points.values())
    assert counts.moved == sum(said.moved for said in counts.points.values())
    assert edit.inverse().apply(after).equals(labels)
    again = merge.preview(after, run, policy, **options)
    assert again.changed == 0
