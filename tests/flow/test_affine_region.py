"""Affine motion of a region, alone and corrected by lines, on motion that is known."""

from __future__ import annotations

import numpy as np
import pytest
from line_pictures import MM, grey, lines, speckle

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.geometry import fit_line
from napari_usstrack.core.tracker import Queries, finish
from napari_usstrack.core.video import CallbackVideo, VideoInfo
from napari_usstrack.flow.affine_kalman import SIZES, AffineKalman, muscles
from napari_usstrack.flow.affine_region import AffineRegion, applied, fit_affine, region_mask
from napari_usstrack.io.array_video import array_video
from napari_usstrack.synth.motion import contraction
from napari_usstrack.synth.speckle import speckle_clip

AFFINE = np.array([[1.02, -0.03, 4.0], [0.01, 0.97, -2.5]])


def queries(xy, frame=0):
    return Queries(np.full(len(xy), frame), xy, tuple(f"p{i}" for i in range(len(xy))))


# --- the map ---------------------------------------------------------------------------------


def test_a_map_is_found_among_outliers():
    rng = np.random.default_rng(0)
    start = rng.uniform(0, 300, (200, 2))
    end = applied(AFFINE, start) + rng.normal(0, 0.1, start.shape)
    end[:70] += rng.normal(0, 20, (70, 2))
    off = applied(fit_affine(start, end), start) - applied(AFFINE, start)
    assert np.abs(off).max() < 0.1


def test_the_region_is_the_hull_and_a_margin():
    mask = region_mask(np.array([[30.0, 20.0], [60.0, 20.0], [30.0, 50.0]]), (80, 100), 5)
    assert mask[20, 45] == mask[16, 45] == mask[30, 40] == 255
    assert mask[12, 45] == mask[48, 58] == 0
    assert region_mask(np.array([[50.0, 40.0]]), (80, 100), 5).astype(bool).sum() > 60


# --- flow alone ------------------------------------------------------------------------------


def test_one_affine_motion_of_all_tissue_is_followed_both_ways():
    motion = contraction((120, 90), period=40.0, strain=0.06, turn_deg=3.0, sway_px=4.0)
    clip = speckle_clip(motion, frames=16, width=240, height=180, seed=4, per_px=0.2)
    xy = np.array([[60.0, 60.0], [180.0, 60.0], [60.0, 130.0], [180.0, 130.0]])
    true = clip.truth(xy, 6)
    cells = finish(AffineRegion().track(array_video(clip.frames), queries(xy, 6), range(16)))
    assert np.linalg.norm(cells.xy - true, axis=-1).max() < 0.3
    assert cells.visible.all()
    np.testing.assert_array_equal(cells.xy[6], xy)


def test_without_texture_nothing_moves():
    frames = np.full((4, 80, 100), 60, np.uint8)
    xy = np.array([[30.0, 20.0], [60.0, 50.0]])
    cells = finish(AffineRegion().track(array_video(frames), queries(xy), range(4)))
    np.testing.assert_array_equal(cells.xy, np.broadcast_to(xy, (4, 2, 2)))


# --- with lines ------------------------------------------------------------------------------


SIZE = (260, 420)
COUNT = 10
GROUPS = (slice(0, 7), slice(7, 14), slice(14, 23))
ONE = np.full(2, MM)
ANGLES = np.linspace(18.0, 30.0, COUNT)
UPPER, LOWER = 40.0 + 0.5 * np.arange(COUNT), 225.0 - 1.0 * np.arange(COUNT)


def muscle():
    """Lines that turn between two bands that approach, under speckle that never lasts."""
    y = np.arange(SIZE[0], dtype=float)[:, None]
    frames = []
    for number, angle in enumerate(ANGLES):
        picture = 0.6 * lines(angle, shape=SIZE, phase=0.3 * number) * speckle(SIZE, seed=number)
        for place in (UPPER[number], LOWER[number]):
            share = 0.5 * (np.tanh((y - place + 7) / 2) - np.tanh((y - place - 7) / 2))
            picture = picture + share * (230.0 - picture)
        frames.append(grey(picture))
    frames = np.stack(frames)
    info = VideoInfo(COUNT, SIZE[1], SIZE[0], calibration=Calibration(spacing_mm=(MM, MM)))
    return CallbackVideo(info, lambda span: frames[span.start : span.stop])


def drawn(frame=0):
    """23 points: aponeuroses along the inner edges of both bands, and a fascicle."""
    across = np.linspace(15.0, 400.0, 7)
    upper, lower = UPPER[frame] + 7.0, LOWER[frame] - 7.0
    down = np.linspace(-0.35, 0.35, 9) * (lower - upper)
    fascicle = np.stack(
        [207.0 - down / np.tan(np.deg2rad(ANGLES[frame])), 0.5 * (upper + lower) + down], axis=-1
    )
    sheets = [np.column_stack([across, np.full(7, at)]) for at in (upper, lower)]
    return np.concatenate([*sheets, fascicle])


@pytest.mark.parametrize("frame", [0, COUNT - 1])
def test_lines_correct_flow(frame):
    cells = finish(
        AffineKalman(doubt=10.0).track(muscle(), queries(drawn(frame), frame), range(10))
    )
    np.testing.assert_array_equal(cells.xy[frame], drawn(frame))
    for number in range(COUNT):
        upper, lower, fascicle = (fit_line(cells.xy[number, group]) for group in GROUPS)
        assert upper.at[1] == pytest.approx(UPPER[number] + 7.0, abs=2.0)
        assert lower.at[1] == pytest.approx(LOWER[number] - 7.0, abs=2.0)
        assert fascicle.angle_deg == pytest.approx(ANGLES[number], abs=2.5)


def test_without_doubt_it_is_flow_alone():
    video, asked = muscle(), queries(drawn())
    flow = finish(AffineRegion().track(video, asked, range(COUNT))).xy
    both = finish(AffineKalman(doubt=0.0).track(video, asked, range(COUNT))).xy
    for group in GROUPS:
        own, other = (fit_line(xy[:, group]) for xy in (both, flow))
        np.testing.assert_allclose(own.angle_deg, other.angle_deg, atol=0.05)


def test_other_queries_are_refused():
    with pytest.raises(UsstrackError, match=r"^not run: it follows fascicles between two"):
        finish(AffineKalman().track(muscle(), queries(drawn()[:2]), range(COUNT)))
    with pytest.raises(UsstrackError, match="none is among the points"):
        finish(AffineKalman().track(muscle(), queries(drawn()), range(1, COUNT)))


def grouped(fascicles=1) -> Queries:
    """The same lines by their groups, shuffled, with one point that is on none."""
    xy, names = drawn(), ["upper"] * 7 + ["lower"] * 7 + ["fascicle-1"] * 9
    for number in range(2, fascicles + 1):
        xy = np.concatenate([xy, drawn()[14:] + (60.0 * (number - 1), 0.0)])
        names += [f"fascicle-{number}"] * 9
    xy, names = np.concatenate([xy, [[200.0, 130.0]]]), [*names, "alone"]
    order = np.random.default_rng(0).permutation(len(xy))
    return Queries(
        np.zeros(len(xy)),
        xy[order],
        tuple(f"p{i}" for i in order),
        group=tuple(names[i] for i in order),
        kind=tuple("point" if names[i] == "alone" else "line" for i in order),
    )


def test_groups_say_what_the_points_lie_on():
    asked = grouped()
    found = finish(AffineKalman(doubt=10.0).track(muscle(), asked, range(COUNT)))
    plain = finish(AffineKalman(doubt=10.0).track(muscle(), queries(drawn()), range(COUNT)))
    for i in range(23):
        column = asked.name.index(f"p{i}")
        np.testing.assert_allclose(found.xy[:, column], plain.xy[:, i], atol=2.0)
    assert found.visible.all()
    assert set(asked.group) > {asked.group[i] for i in muscles(asked, range(1), ONE)[0].queries}


def test_every_fascicle_is_followed_between_the_same_aponeuroses():
    asked = grouped(fascicles=2)
    steps = []
    found = finish(AffineKalman(doubt=10.0).track(muscle(), asked, range(COUNT)), steps.append)
    assert [muscle.sizes for muscle in muscles(asked, range(COUNT), ONE)] == [SIZES, SIZES]
    for group in ("fascicle-1", "fascicle-2"):
        columns = [i for i, name in enumerate(asked.group) if name == group]
        angles = fit_line(found.xy[:, columns]).angle_deg
        np.testing.assert_allclose(angles, ANGLES, atol=2.5)
    assert steps[-1].done == steps[-1].total
