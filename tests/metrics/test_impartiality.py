from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from spot_clips import (
    FRAMES,
    HEIGHT,
    SPACING,
    WIDTH,
    Fake,
    ask,
    clip,
    drifting,
    resting,
    seeing,
    spot,
)

from napari_usstrack.core.tracker import Queries, finish
from napari_usstrack.flow.lucas_kanade import LucasKanade
from napari_usstrack.metrics.impartiality import (
    SYMMETRIES,
    TIME,
    equivariance,
    rigid_motion,
    square_symmetry,
)
from napari_usstrack.metrics.trials import backward, mapped
from napari_usstrack.synth.motion import shift
from napari_usstrack.synth.speckle import speckle_clip

SPAN = range(FRAMES)
MEAN_LAG = 2.5  # of 1, 2, 3, 4 frames from the query


# --- the changes -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def noise():
    return clip(np.random.default_rng(0).integers(0, 256, (FRAMES, HEIGHT, WIDTH), np.uint8))


@pytest.mark.parametrize("name", SYMMETRIES)
def test_queries_stay_on_their_pixel(noise, name):
    queries = ask(1, [(3.0, 4.0), (39.0, 0.0), (20.0, 29.0)])
    trial = mapped(noise, queries, SPAN, square_symmetry(name, (WIDTH, HEIGHT)))
    x, y = queries.xy.astype(int).T
    there_x, there_y = trial.queries.xy.astype(int).T
    before, after = noise.frames(range(1, 3)), trial.video.frames(range(1, 3))
    assert_array_equal(after[:, there_y, there_x], before[:, y, x])
    assert_allclose(trial.undo(trial.queries.xy[None]), queries.xy[None])
    info = trial.video.info
    assert (info.height, info.width) == after.shape[1:]
    assert info.spacing_mm == (SPACING if info.width == WIDTH else SPACING[::-1])
    assert info.digest == ""


def test_the_eight_symmetries_differ_and_a_turn_to_the_left_lifts_the_right_edge(noise):
    assert len(SYMMETRIES) == 8
    seen = {
        tuple(
            mapped(noise, ask(0, [(3.0, 4.0)]), SPAN, square_symmetry(n, (WIDTH, HEIGHT)))
            .queries.xy[0]
            .tolist()
        )
        for n in SYMMETRIES
    }
    assert len(seen) == 8
    right = ask(0, [(WIDTH - 1.0, 10.0)])
    left_turn = square_symmetry("quarter turn left", (WIDTH, HEIGHT))
    assert mapped(noise, right, SPAN, left_turn).queries.xy.tolist() == [[10.0, 0.0]]


def test_a_clip_run_backward(noise):
    queries = Queries([1, 3], np.zeros((2, 2)), ("a", "b"), [0, 2], [2, 3])
    trial = backward(noise, queries, range(1, 4))
    assert trial.queries.frame.tolist() == [3, 1]
    assert trial.queries.first.tolist() == [2, 1]
    assert trial.queries.last.tolist() == [3, 2]
    assert trial.span == range(1, 4)
    assert_array_equal(trial.video.frames(range(0, 2)), noise.frames(range(3, 5))[::-1])
    # Times 0, 0.1, 0.4, 0.9, 1.6 s.
    assert_allclose(trial.video.info.calibration.times_s, [0, 0.7, 1.2, 1.5, 1.6])
    assert backward(noise, ask(), range(0, 2)).span == range(3, 5)


# --- equivariance ----------------------------------------------------------------------------


def test_a_tracker_that_sees_has_no_gap():
    found = finish(equivariance(seeing(), spot((2, 1)), ask(), SPAN))
    assert [gap.name for gap in found.gaps] == [*SYMMETRIES, TIME]
    for gap in found.gaps:
        assert gap.mean_px < 1e-9
        assert (gap.unmatched_share, gap.cells) == (0, 8)
    assert_allclose(found.excursion_px, np.sqrt(5) * MEAN_LAG)
    assert_allclose(found.excursion_mm, np.hypot(2 * 0.5, 1 * 0.2) * MEAN_LAG)


def test_gaps_of_a_tracker_that_always_drifts_right():
    found = finish(equivariance(drifting(3, 0), spot(), ask(), SPAN))
    want = {
        "unchanged": 0,
        "left-right": 6,
        "up-down": 0,
        "half turn": 6,
        "quarter turn left": np.hypot(3, 3),
        "quarter turn right": np.hypot(3, 3),
        "main diagonal": np.hypot(3, 3),
        "other diagonal": np.hypot(3, 3),
        TIME: 6,
    }
    for name, per_frame in want.items():
        assert_allclose(found.gap(name).mean_px, per_frame * MEAN_LAG, atol=1e-9, err_msg=name)
        assert_allclose(found.gap(name).largest_px, per_frame * 4, atol=1e-9, err_msg=name)
    assert_allclose(found.gap("left-right").mean_mm, 6 * 0.5 * MEAN_LAG)
    assert_allclose(found.gap("main diagonal").mean_mm, np.hypot(3 * 0.5, 3 * 0.2) * MEAN_LAG)
    assert_allclose(found.excursion_px, 3 * MEAN_LAG)
    with pytest.raises(ValueError, match="no gap"):
        found.gap("sideways")


def test_queries_in_the_middle_of_a_span_and_frames_nobody_asked_for():
    queries = Queries([2], [[15.0, 12.0]], ("a",), [1], [3])
    found = finish(equivariance(drifting(3, 0), spot(), queries, range(1, 5), changes=[TIME]))
    assert found.gaps[0].cells == 2
    assert_allclose(found.gaps[0].mean_px, 6)


def test_cells_of_only_one_run_are_counted_apart():
    def lost_on_the_right(video, frame, home, xy):
        return None if frame > home and xy[0] > video.info.width / 2 else xy

    queries = ask(0, [(5.0, 5.0), (6.0, 6.0), (15.0, 5.0), (30.0, 5.0)])
    found = finish(equivariance(Fake(lost_on_the_right), spot(), queries, SPAN))
    assert found.gap("up-down").unmatched_share == 0
    assert found.gap("up-down").cells == 12
    assert found.gap("left-right").unmatched_share == 1
    assert found.gap("left-right").cells == 0
    assert np.isnan(found.gap("left-right").mean_px)


def test_without_a_scale_there_are_no_millimetres():
    video = spot()
    bare = video.info.calibrated(video.info.calibration.with_spacing(None, "unknown"))
    video = type(video)(bare, video.read)
    found = finish(equivariance(drifting(1, 0), video, ask(), SPAN, changes=["main diagonal"]))
    assert np.isnan([found.excursion_mm, found.gaps[0].mean_mm]).all()
    assert found.gaps[0].mean_px > 0


def test_an_unknown_change_is_refused():
    with pytest.raises(ValueError, match="sideways"):
        finish(equivariance(resting(), spot(), ask(), SPAN, changes=["sideways"]))


@pytest.mark.parametrize("probe", [equivariance, rigid_motion])
def test_progress_and_cancelling(probe):
    steps = []
    finish(probe(resting(), spot(), ask(), SPAN), steps.append)
    done = [step.done for step in steps]
    assert done == sorted(done)
    assert done[-1] == steps[-1].total
    assert len(done) > 8 * FRAMES
    tracker = resting()
    work = probe(tracker, spot(), ask(), SPAN)
    next(work)
    work.close()
    assert tracker.log == ["closed"]


# --- rigid motion ----------------------------------------------------------------------------


def test_a_tracker_that_sees_has_no_error_in_any_direction():
    found = finish(rigid_motion(seeing(), spot(), ask(), SPAN, travel_px=8))
    assert found.errors_px == (0,) * 8
    assert found.lost_shares == (0,) * 8
    assert (found.mean_px, found.spread_px) == (0, 0)
    # Straight: 2, 4, 6, 8 px. Diagonal: 5.657 px on each axis by quarters, rounded 1, 3, 4, 6.
    assert_allclose(found.no_motion_px, (5 + 3.5 * np.sqrt(2)) / 2)


def test_a_tracker_that_never_moves_has_the_error_of_not_moving():
    found = finish(rigid_motion(resting(), spot(), ask(), SPAN, travel_px=8))
    assert_allclose(found.errors_px, [5, 3.5 * np.sqrt(2)] * 4)
    assert_allclose(found.mean_px, found.no_motion_px)
    assert_allclose(found.errors_mm[0], 5 * 0.5)
    assert_allclose(found.errors_mm[2], 5 * 0.2)


def test_a_tracker_that_favours_a_direction_shows_a_spread():
    # Always 2 px per frame to the right: right on at 0 degrees, off by twice the way at 180.
    found = finish(rigid_motion(drifting(2, 0), spot(), ask(), SPAN, travel_px=8))
    assert_allclose(found.errors_px[found.angles_deg.index(0)], 0)
    assert_allclose(found.errors_px[found.angles_deg.index(180)], 10)
    assert_allclose(found.spread_px, 10)
    up = finish(rigid_motion(drifting(0, -2), spot(), ask(), SPAN, travel_px=8))
    assert_allclose(up.errors_px[up.angles_deg.index(90)], 0)


def test_excursions_are_relative_to_the_true_ones():
    assert finish(rigid_motion(seeing(), spot(), ask(), SPAN)).excursion_shares == (1,) * 8
    assert finish(rigid_motion(resting(), spot(), ask(), SPAN)).excursion_shares == (0,) * 8
    half = finish(rigid_motion(drifting(1, 0), spot(), ask(), SPAN, travel_px=8))
    assert half.excursion_shares[0] == pytest.approx(0.5)


def test_equal_steps_of_parts_of_a_px_and_noise_that_stays_behind():
    still, moving = (
        speckle_clip(shift(step, 0.0), frames=FRAMES, width=97, height=81, seed=4).frames
        for step in (0.0, 1.25)
    )
    inner = (slice(None), slice(10, -10), slice(15, -15))
    seen = []

    def look(video, frame, home, xy):
        seen.append(video.frames(range(frame, frame + 1))[0].astype(float))
        return xy

    def pictures(noise_grey):
        seen.clear()
        given = (clip(still), ask(0, [(45.0, 40.0)]), SPAN)
        work = rigid_motion(Fake(look), *given, travel_px=5, whole=False, noise_grey=noise_grey)
        assert_allclose(finish(work).errors_px, 1.25 * MEAN_LAG)
        return np.array(seen[:FRAMES])

    shown = pictures(0.0)
    assert (shown - moving)[inner].std() < 0.15 * (shown[0] - moving)[inner].std()
    noise = (pictures(4.0) - shown)[inner].reshape(FRAMES, -1)
    assert noise.std() == pytest.approx(4.0, rel=0.1)
    assert abs(np.corrcoef(noise) - np.eye(FRAMES)).max() < 0.1


def test_a_clip_with_a_truth_goes_on_moving():
    truth = ask().xy + np.arange(FRAMES)[:, None, None] * np.array([1, -1])
    video = spot((1, -1))
    found = finish(rigid_motion(seeing(), video, ask(), SPAN, travel_px=8, truth=truth))
    assert found.errors_px == (0,) * 8
    still = finish(rigid_motion(resting(), video, ask(), SPAN, travel_px=8, truth=truth))
    # To the right by 1 + 2 px and up by 1 px per frame.
    assert_allclose(still.errors_px[0], np.hypot(3, 1) * MEAN_LAG)
    later = finish(rigid_motion(seeing(), video, ask(3, truth[3]), SPAN, truth=truth))
    assert later.mean_px == 0


def test_places_outside_the_frame_and_lost_points():
    edge = ask(0, [(WIDTH - 1.0, 12.0)])
    found = finish(rigid_motion(resting(), spot(), edge, SPAN, travel_px=8))
    assert np.isnan(found.errors_px[0])
    assert_allclose(found.errors_px[4], 5)
    blind = Fake(lambda v, frame, home, xy: xy if frame in (home, 1) else None)
    found = finish(rigid_motion(blind, spot(), ask(), SPAN, travel_px=8))
    assert found.lost_shares == (0.75,) * 8
    assert found.errors_px[0] == 2


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="truth must"):
        finish(rigid_motion(resting(), spot(), ask(), SPAN, truth=np.zeros((4, 2, 2))))
    with pytest.raises(ValueError, match="must lie in"):
        finish(rigid_motion(resting(), spot(), ask(0), range(1, 5)))
    none = Queries([], np.empty((0, 2)), ())
    assert np.isnan(finish(rigid_motion(resting(), spot(), none, SPAN)).spread_px)


def test_lucas_kanade_favours_nothing():
    made = speckle_clip(shift(1.3, -0.7), frames=6, width=97, height=81, seed=4, margin_px=20)
    queries = ask(0, [(45.0, 40.0), (52.0, 36.0)])
    found = finish(equivariance(LucasKanade(), clip(made.frames), queries, range(6)))
    assert found.excursion_px > 4
    assert max(gap.mean_px for gap in found.gaps) < 0.02 * found.excursion_px
    moved = finish(rigid_motion(LucasKanade(), clip(made.frames), queries, range(6)))
    assert moved.mean_px < 0.1
    assert moved.no_motion_px > 5
