"""Points held to lines in pictures of bands and lines whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from line_pictures import MM, MUSCLE, muscle, straight

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.geometry import fit_line
from napari_usstrack.core.tracker import Progress, Queries, finish
from napari_usstrack.core.tracks import Cells, Source
from napari_usstrack.core.video import CallbackVideo, VideoInfo
from napari_usstrack.flow.line_drawings import drawings, roles
from napari_usstrack.flow.line_groups import held_to_lines
from napari_usstrack.flow.with_lines import LinesOnly
from napari_usstrack.synth.catalogue import draw
from napari_usstrack.synth.render import render

COUNT, ANCHOR = 12, 4
ANGLES = np.linspace(20.0, 31.0, COUNT)
UPPER = [(40.0 + 0.5 * i, 0.002 * i) for i in range(COUNT)]
LOWER = [(225.0 - 1.0 * i, -0.03 + 0.002 * i) for i in range(COUNT)]
NAMES = ("superficial", "deep", "fascicle")


def video(frames) -> CallbackVideo:
    stack = np.stack(frames)
    info = VideoInfo(
        len(stack), MUSCLE[1], MUSCLE[0], digest="x", calibration=Calibration((MM, MM))
    )
    return CallbackVideo(info, lambda span: stack[span.start : span.stop])


@pytest.fixture(scope="module")
def clip() -> CallbackVideo:
    return video(muscle(ANGLES, UPPER, LOWER))


def drawn(frame):
    """Both edges that face the fascicle, seven points each, and five points on one."""
    turn = np.deg2rad(ANGLES[frame])
    reach = np.linspace(-80, 80, 5)[:, None] * [np.cos(turn), -np.sin(turn)]
    upper, lower = UPPER[frame], LOWER[frame]
    return {
        "superficial": straight(upper[0] + 7, upper[1]),
        "deep": straight(lower[0] - 7, lower[1]),
        "fascicle": np.array([207.0, 135.0]) + reach,
    }


def queries(frame=ANCHOR, names=NAMES, **columns) -> Queries:
    lines = {name: line for name, line in drawn(frame).items() if name in names}
    xy = np.concatenate(list(lines.values()))
    group = tuple(name for name, line in lines.items() for _ in line)
    name = tuple(f"p{i}" for i in range(len(xy)))
    kind = ("line",) * len(xy)
    return Queries(np.full(len(xy), frame), xy, name, group=group, kind=kind, **columns)


def drifting(asked: Queries, step=(0.4, 0.5)) -> Cells:
    """Flow that carries all points the same wrong way."""
    gone = np.arange(COUNT)[:, None] - asked.frame
    xy = asked.xy + gone[..., None] * np.array(step)
    return Cells.placed(xy, Source.FLOW, confidence=0.9)


def held(clip, asked, cells=None, **options) -> Cells:
    cells = drifting(asked) if cells is None else cells
    return finish(held_to_lines(clip, asked, cells, range(COUNT), **options))


def line_of(cells, asked, name):
    return fit_line(cells.xy[:, [group == name for group in asked.group]])


def edges_are_right(cells, asked, names=("superficial", "deep")):
    for name, truth, side in (("superficial", UPPER, 7.0), ("deep", LOWER, -7.0)):
        if name in names:
            line = line_of(cells, asked, name)
            slopes = np.array([slope for _, slope in truth])
            np.testing.assert_allclose(line.angle_deg, -np.rad2deg(np.arctan(slopes)), atol=0.3)
            there = [
                y + side + s * (x - 207.5) for (y, s), (x, _) in zip(truth, line.at, strict=True)
            ]
            np.testing.assert_allclose(line.at[:, 1], there, atol=1.0)


def test_flow_that_drifts_is_held_to_bands_and_to_the_direction_between_them(clip):
    asked = queries()
    cells = held(clip, asked)
    edges_are_right(cells, asked)
    np.testing.assert_allclose(line_of(cells, asked, "fascicle").angle_deg, ANGLES, atol=1.0)
    np.testing.assert_array_equal(cells.xy[ANCHOR], asked.xy)
    assert (cells.confidence[ANCHOR] == 1.0).all()
    assert cells.visible.all()
    assert (cells.source == Source.FLOW).all()


def test_along_the_line_flow_counts(clip):
    asked = queries()
    cells = held(clip, asked)
    gone = np.arange(COUNT) - ANCHOR
    for name in ("superficial", "deep"):
        at = [group == name for group in asked.group]
        moved = cells.xy[:, at, 0].mean(axis=1) - asked.xy[at, 0].mean()
        np.testing.assert_allclose(moved, 0.4 * gone, atol=0.3)
        assert (np.diff(cells.xy[:, at, 0], axis=1) > 50.0).all()


def test_a_point_that_runs_away_stays_between_its_neighbours(clip):
    asked = queries(names=("superficial",))
    cells = drifting(asked, (0.0, 0.0))
    xy = cells.xy.copy()
    xy[ANCHOR + 1 :, 3] += (90.0, 30.0)
    run = held(clip, asked, Cells.placed(xy, Source.FLOW, confidence=0.9))
    assert np.abs(run.xy[:, 3, 0] - asked.xy[3, 0]).max() < 15.0
    edges_are_right(run, asked, ("superficial",))


@pytest.mark.parametrize("name", ["superficial", "deep"])
def test_a_band_alone(clip, name):
    asked = queries(names=(name,))
    edges_are_right(held(clip, asked), asked, (name,))


def test_a_fascicle_alone(clip):
    asked = queries(names=("fascicle",))
    run = held(clip, asked)
    np.testing.assert_allclose(line_of(run, asked, "fascicle").angle_deg, ANGLES, atol=1.5)


def test_where_a_band_is_hidden_flow_goes_on():
    frames = muscle(ANGLES, UPPER, LOWER)
    for row in (6, 7, 8):
        frames[row] = frames[row].copy()
        frames[row][:110] = 60
    asked = queries(names=("superficial",))
    truth = np.array([y + 7 for y, _ in UPPER])
    xy = np.repeat(asked.xy[None], COUNT, axis=0)
    xy[..., 1] += (truth - truth[ANCHOR])[:, None]
    run = held(video(frames), asked, Cells.placed(xy, Source.FLOW, confidence=0.9))
    line = line_of(run, asked, "superficial")
    there = [truth[i] + UPPER[i][1] * (line.at[i, 0] - 207.5) for i in range(COUNT)]
    np.testing.assert_allclose(line.at[:, 1], there, atol=2.0)


def test_lost_points_come_back_with_their_line(clip):
    asked = queries()
    cells = drifting(asked, (0.0, 0.0))
    lost = np.zeros(cells.shape, dtype=bool)
    lost[ANCHOR + 2 :] = True
    gone = Cells(
        xy=cells.xy,
        confidence=np.where(lost, 0.0, cells.confidence),
        visible=cells.visible & ~lost,
        source=cells.source,
    )
    run = held(clip, asked, gone)
    edges_are_right(run, asked)
    np.testing.assert_allclose(line_of(run, asked, "fascicle").angle_deg, ANGLES, atol=1.0)
    assert run.visible.all()


def test_without_any_flow(clip):
    asked = queries()
    run = finish(LinesOnly().track(clip, asked, range(COUNT)))
    edges_are_right(run, asked)
    np.testing.assert_allclose(line_of(run, asked, "fascicle").angle_deg, ANGLES, atol=1.0)


def test_bands_that_leave_no_room_between_them(clip):
    asked = queries()
    thin = asked.xy.copy()
    thin[7:14] = thin[:7] + (0.0, 12.0)
    thin[14:] = thin[2] + np.linspace(0.0, 1.0, 5)[:, None] * (60.0, 10.0)
    close = Queries(asked.frame, thin, asked.name, group=asked.group, kind=asked.kind)
    run = held(clip, close)
    np.testing.assert_array_equal(run.xy[ANCHOR], thin)
    assert run.present.all()


def test_lines_that_leave_the_picture_are_not_visible_there(clip):
    asked = queries(names=("superficial", "fascicle"))
    cells = drifting(asked, (60.0, 0.0))
    run = held(clip, asked, cells)
    assert run.present.all()
    assert not run.visible[-1].all()
    assert (run.confidence[~run.visible] == 0.0).all()
    assert (run.xy >= -0.5).all()


def test_only_what_is_asked_for_is_filled(clip):
    base = queries()
    first, last = np.full(len(base), ANCHOR), np.full(len(base), ANCHOR + 5)
    asked = queries(first=first, last=last)
    whole = drifting(base)
    there = asked.asked(range(COUNT))
    xy = np.where(there[..., None], whole.xy, np.nan)
    run = held(clip, asked, Cells.placed(xy, Source.FLOW, confidence=0.9))
    np.testing.assert_array_equal(run.present, there)


def test_points_and_lone_points_of_a_line_stay_as_tracked(clip):
    base = queries()
    kind = tuple("point" if group == "deep" else "line" for group in base.group)
    group = tuple("" if group == "superficial" else group for group in base.group)
    asked = Queries(base.frame, base.xy, base.name, group=group, kind=kind)
    alone = asked.select([i for i, g in enumerate(group) if g != "fascicle"] + [len(group) - 1])
    cells = drifting(alone)
    assert held(clip, alone, cells).equals(cells)


def test_progress_never_falls_and_ends_at_its_total(clip):
    seen: list[Progress] = []
    asked = queries(names=("superficial",))
    finish(held_to_lines(clip, asked, drifting(asked), range(COUNT)), seen.append)
    done = [progress.done / progress.total for progress in seen]
    assert done == sorted(done)
    assert done[-1] == 1.0
    assert len(done) > COUNT


@pytest.mark.parametrize("seed", [1, 3])
def test_fascicles_of_synthetic_muscles_within_two_degrees(seed):
    made = render(draw("muscle-unipennate", seed, frames=16), seed=seed, size=(320, 380))
    truth, stack = made.tracks, made.frames
    shown = CallbackVideo(truth.video, lambda span: stack[span.start : span.stop])
    at = [
        i
        for i, point in enumerate(truth.points)
        if point.group in ("superficial", "deep", "fascicle-2") and truth.visible[:, i].all()
    ]
    points = [truth.points[i] for i in at]
    asked = Queries(
        np.zeros(len(at)),
        truth.xy[0, at],
        tuple(point.name for point in points),
        group=tuple(point.group for point in points),
        kind=tuple(point.kind for point in points),
    )
    run = finish(LinesOnly().track(shown, asked, range(16)))
    mine = [point.group == "fascicle-2" for point in points]
    found, true = fit_line(run.xy[:, mine]), fit_line(truth.xy[:, at][:, mine])
    assert np.abs(found.angle_deg - true.angle_deg).mean() < 2.0


def test_an_offset_of_what_was_drawn_fades_or_stays():
    angles = [*np.repeat(22.0, 5), *np.linspace(23.5, 36.5, 10), *np.repeat(38.0, 5)]
    turning = video(muscle(angles, [(40.0, 0.0)] * 20, [(225.0, 0.0)] * 20))
    turn = np.deg2rad(26.0)
    reach = np.array([[-80], [80]]) * [np.cos(turn), -np.sin(turn)]
    lines = (straight(47.0, 0.0), straight(218.0, 0.0), np.array([207.0, 135.0]) + reach)
    group = tuple(name for name, line in zip(NAMES, lines, strict=True) for _ in line)
    xy = np.concatenate(lines)
    names = tuple(f"p{i}" for i in range(len(xy)))
    asked = Queries(np.zeros(len(xy)), xy, names, group=group, kind=("line",) * len(xy))
    still = Cells.placed(np.repeat(xy[None], 20, axis=0), Source.FLOW)
    for fade_deg, last in ((3.0, 38.0), (np.inf, 42.0)):
        work = held_to_lines(turning, asked, still, range(20), use_flow=False, fade_deg=fade_deg)
        angle = line_of(finish(work), asked, "fascicle").angle_deg
        np.testing.assert_allclose(angle[[0, 1, 18, 19]], [26.0, 26.0, last, last], atol=1.5)


def scene(**lines):
    xy = np.concatenate([np.asarray(line, float) for line in lines.values()])
    group = tuple(name for name, line in lines.items() for _ in line)
    name = tuple(f"p{i}" for i in range(len(xy)))
    asked = Queries(np.zeros(len(xy)), xy, name, group=group, kind=("line",) * len(xy))
    (found,) = drawings(asked, range(3))
    told = roles(found, np.array([MM, MM]))
    names = [drawing.group for drawing in found]
    between = {
        names[i]: None if pair is None else tuple(names[j] for j in pair)
        for i, pair in told.between.items()
    }
    return between, {names[i] for i in told.bands}


TOP, BOTTOM = [(10, 20), (400, 25)], [(10, 200), (400, 195)]
SLANTED, BESIDE = [(100, 180), (300, 50)], [(160, 180), (360, 50)]


def test_a_line_that_crosses_from_one_to_another_is_a_fascicle():
    assert scene(a=TOP, b=SLANTED, c=BOTTOM) == ({"b": ("a", "c")}, {"a", "c"})
    assert scene(c=BOTTOM, b=SLANTED, a=TOP[::-1]) == ({"b": ("a", "c")}, {"a", "c"})


def test_neighbouring_fascicles_do_not_bound_each_other():
    both = {"b": ("a", "c"), "d": ("a", "c")}
    assert scene(a=TOP, b=SLANTED, c=BOTTOM, d=BESIDE) == (both, {"a", "c"})


def test_names_decide_where_they_tell():
    flat = [(100, 120), (300, 118)]
    assert scene(a=TOP, b=flat, c=BOTTOM) == ({}, {"a", "b", "c"})
    assert scene(a=TOP, fascicle_1=flat, c=BOTTOM) == ({"fascicle_1": ("a", "c")}, {"a", "c"})
    assert scene(a=TOP, central=SLANTED, c=BOTTOM) == ({}, {"a", "central", "c"})
    assert scene(Fascicle=SLANTED) == ({"Fascicle": None}, set())
    assert scene(a=SLANTED) == ({}, {"a"})


def test_the_nearest_lines_around_count():
    middle = [(10, 300), (400, 300)]
    found, _ = scene(a=TOP, b=SLANTED, c=BOTTOM, d=middle)
    assert found == {"b": ("a", "c")}
