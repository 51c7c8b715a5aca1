"""Every change as an entry and back, to the last bit; what is known is written once."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_usstrack.core import edits
from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.history import EventChange, RunChange, Together
from napari_usstrack.core.provenance import Step
from napari_usstrack.core.tracks import (
    Cells,
    PointInfo,
    Source,
    Tracks,
    arrays_of,
    blank_arrays,
    named_points,
    trusted,
)
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io.change_text import (
    ChangeReader,
    ChangeWriter,
    calibration_of,
    calibration_value,
    cells_of,
    cells_value,
)
from napari_usstrack.io.labels import dump

INFO = VideoInfo(40, 64, 48, digest="abc", name="trial.mp4")
POINTS = (PointInfo("tip", "fascicle", "line", "#00c8ff"), PointInfo("Muskel ä/1"))


def through(*changes):
    """The changes written as text and read again, and all entries."""
    writer, entries, at = ChangeWriter(), [], []
    for change in changes:
        made = writer.entries(change, len(entries))
        entries += [json.loads(dump(entry)) for entry in made]
        at.append(len(entries) - 1)
    reader = ChangeReader(entries.__getitem__, INFO)
    return [reader.change(entries[number]) for number in at], entries


def same(one, other) -> bool:
    if type(one) is not type(other) or one.name != other.name:
        return False
    if isinstance(one, Together):
        return all(same(a, b) for a, b in zip(one.parts, other.parts, strict=True))
    if isinstance(one, edits.Edit):
        return (
            one.frames.tolist() == other.frames.tolist()
            and one.frames.dtype == other.frames.dtype
            and (one.points, one.roster) == (other.points, other.roster)
            and one.before.equals(other.before)
            and one.after.equals(other.after)
        )
    if isinstance(one, EventChange):
        return (one.key, one.before, one.after) == (other.key, other.before, other.after)
    return one.run == other.run and all(
        same_run(getattr(one, side), getattr(other, side)) for side in ("before", "after")
    )


def same_run(one, other) -> bool:
    if one is None or other is None:
        return one is other
    return one.equals(other) and one.points == other.points and one.log == other.log


def noise(seed, frames=40, points=2, share=0.7) -> Cells:
    """Cells of all kinds with positions that need every bit."""
    rng = np.random.default_rng(seed)
    arrays = blank_arrays(frames, points)
    source = rng.integers(0, len(Source), (frames, points)).astype(np.uint8)
    source[rng.random((frames, points)) > share] = 0
    present, looked = source > Source.ABSENT, source > Source.MISSING
    arrays["source"] = source
    arrays["xy"][present] = rng.uniform(-1, 64, (present.sum(), 2))
    arrays["visible"] = present & (rng.random((frames, points)) < 0.5)
    sure = looked & (rng.random((frames, points)) < 0.5)
    arrays["confidence"][sure] = rng.random(sure.sum())
    return Cells(**arrays)


def run(seed, points=POINTS, *steps) -> Tracks:
    blank = Tracks.blank(INFO, points)
    return blank.with_cells(noise(seed, points=len(points)), *steps)


@pytest.mark.parametrize("frames", [1, 3, 32, 33, 40])
def test_blocks_come_back_to_the_last_bit(frames):
    cells = noise(frames, frames)
    value = json.loads(dump(cells_value(cells)))
    assert isinstance(value, list) == (frames <= 32)
    assert cells_of(value, cells.shape).equals(cells)


coordinate = st.floats(allow_nan=False, allow_infinity=False)
sure = st.none() | st.floats(0, 1, width=32)
cell = st.one_of(
    st.none(),
    st.tuples(st.none(), sure, st.just(False), st.just(Source.ABSENT)),
    st.tuples(
        st.tuples(coordinate, coordinate),
        sure,
        st.booleans(),
        st.sampled_from([s for s in Source if s > Source.ABSENT]),
    ),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(cell, max_size=12), st.lists(cell, min_size=12, max_size=12), st.booleans())
def test_any_edit_comes_back(before, after, large):
    repeat = 7 if large else 1
    blocks = [block_of(cells[: len(before)] * repeat) for cells in (before, after)]
    frames = np.arange(len(before) * repeat, dtype=np.intp)[::-1]
    edit = edits.Edit("é\n\ud800", frames, ("tip",), *blocks, (POINTS, POINTS[:1]))
    assert same(through(edit)[0][0], edit)


def block_of(cells) -> Cells:
    arrays = blank_arrays(len(cells), 1)
    for row, content in enumerate(cells):
        if content is not None:
            xy, confidence, visible, source = content
            arrays["xy"][row, 0] = np.nan if xy is None else xy
            arrays["confidence"][row, 0] = np.nan if confidence is None else confidence
            arrays["visible"][row, 0] = visible
            arrays["source"][row, 0] = source
    return Cells(**arrays)


def test_every_kind_of_change_comes_back():
    first, second = run(1, POINTS, Step("track", "lk", settings={"window": 21})), run(2)
    marks = {"ed": [3, 17], "note": "systole ü", "value": 0.1 + 0.2, "none": None}
    edit = edits.rename_point(first, "tip", "apex")
    parts = (edit, RunChange("rename", "a", first, first.revised({"tip": PointInfo("apex")})))
    made = [
        edit,
        RunChange("add run a", "a", None, first),
        RunChange("replace run a", "a", first, second),
        RunChange("remove run a", "a", second, None),
        EventChange("mark ED", "cycle", None, marks),
        EventChange("forget", "cycle", marks, None),
        Together("rename tip", parts),
    ]
    found, _ = through(*made)
    assert [same(a, b) for a, b in zip(found, made, strict=True)] == [True] * len(made)
    assert found[1].after.video is INFO
    assert [same(a.inverse(), b.inverse()) for a, b in zip(found, made, strict=True)] == [True] * 7


def test_rosters_and_tables_are_written_once():
    first, second = run(1), run(2)
    again = first.with_video(VideoInfo(40, 64, 48))
    made = [
        RunChange("add", "a", None, first),
        RunChange("replace", "a", again, second),
        RunChange("back", "a", second, first),
        edits.put(first, 3, "tip", (1.5, 2.5)),
    ]
    _, entries = through(*made)
    kinds = [next(iter(entry)) for entry in entries]
    assert kinds == ["roster", "table", "run", "table", "run", "run", "edit"]


def test_only_the_block_that_differs_is_written():
    base = run(1, POINTS, Step("track", "lk"))
    arrays = arrays_of(base)
    rows = np.flatnonzero(base.present[:, 1])[:3]
    arrays["xy"][rows, 1] += 0.25
    steps = (*base.log, Step("fill", "lk"))
    changed = trusted(Tracks, **arrays, points=POINTS, video=INFO, log=steps)
    recoloured = changed.revised({"tip": PointInfo("tip", colour="#ffffff")})
    made = [
        RunChange("add", "a", None, base),
        RunChange("fill", "a", base, changed),
        RunChange("colour", "a", changed, recoloured),
    ]
    found, entries = through(*made)
    assert [same(a, b) for a, b in zip(found, made, strict=True)] == [True] * 3
    blocks = [entry for entry in entries if "of" in entry]
    assert [(b["frames"], b["columns"]) for b in blocks] == [(rows.tolist(), [1]), ([], [])]
    assert [len(b["log"]) for b in blocks] == [1, 0]


def test_long_chains_of_blocks_come_back():
    runs = [run(1)]
    row = int(np.flatnonzero(runs[0].present[:, 0])[0])
    for _ in range(1500):
        arrays = arrays_of(runs[-1])
        arrays["xy"][row, 0] += 1
        runs.append(trusted(Tracks, **arrays, points=POINTS, video=INFO, log=()))
    writer, entries = ChangeWriter(), []
    for old, new in pairwise(runs):
        entries += writer.entries(RunChange("fill", "a", old, new), len(entries))
    found = ChangeReader(entries.__getitem__, INFO).change(entries[-1])
    assert same_run(found.after, runs[-1])


def test_a_strange_nan_becomes_the_one_labels_are_read_with():
    arrays = arrays_of(Cells.empty(40, 2))
    arrays["xy"].view(np.uint64)[:] = 0xFFF8_0000_0000_0001
    odd = trusted(Cells, **arrays)
    nothing = Cells.empty(40, 2)
    assert not odd.equals(nothing)
    edit = edits.Edit("odd", np.arange(40), ("tip", "Muskel ä/1"), odd, odd, (POINTS, POINTS))
    assert through(edit)[0][0].before.equals(nothing)


@pytest.mark.parametrize("frames", [5, 500])
def test_calibrations_come_back_exactly(frames):
    times = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.05, frames))
    for made in (Calibration((0.1, 0.3), times, "ruler", "ü"), Calibration()):
        found = calibration_of(json.loads(dump(calibration_value(made))))
        assert (found.spacing_mm, found.spacing_source) == (made.spacing_mm, made.spacing_source)
        assert found.time_source == made.time_source
        assert np.array_equal(found.times_s, made.times_s)


@pytest.mark.parametrize(
    "harm",
    [
        lambda entry: entry.update(before=entry["before"] * 2),
        lambda entry: entry.update(roster=[0]),
        lambda entry: entry.update(after=[[1.0, None, None, True, "manual"]]),
        lambda entry: entry.update(after=[[1.0, 2.0, None, True, "guessed"]]),
        lambda entry: entry.pop("frames"),
    ],
)
def test_a_harmed_entry_is_refused(harm):
    entries = ChangeWriter().entries(edits.put(run(1), 3, "tip", (1, 2)), 0)
    harm(entries[-1])
    with pytest.raises((LookupError, ValueError, TypeError)):
        ChangeReader(entries.__getitem__, INFO).change(entries[-1])


def test_points_given_by_name_alone_share_a_roster():
    tracks = Tracks.blank(INFO, named_points(["a", "b"]))
    _, entries = through(*(edits.put(tracks, frame, "a", (1, 2)) for frame in range(5)))
    assert len(entries) == 6
