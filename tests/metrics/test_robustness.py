from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from spot_clips import FRAMES, Fake, ask, drifting, resting, seeing, spot

from napari_usstrack.core.tracker import Queries, finish
from napari_usstrack.metrics.robustness import nuisance, static_motion, there_and_back
from napari_usstrack.metrics.trials import frozen

SPAN = range(FRAMES)


# --- nothing moves ---------------------------------------------------------------------------


def test_a_frozen_frame_has_fresh_noise_in_every_repeat_and_the_same_when_read_again():
    video = frozen(spot((2, 1)), 1, noise_grey=4.0, seed=7)
    pictures = video.frames(SPAN).astype(float)
    assert_array_equal(video.frames(range(2, 4)), pictures[2:4])
    assert (pictures[:, 13, 17] > 150).all()
    assert np.ptp(pictures[:, 13, 17]) > 0
    assert (pictures[1] != pictures[2]).mean() > 0.3
    assert (frozen(spot(), 1, noise_grey=4.0, seed=8).frames(SPAN) != pictures).any()
    quiet = frozen(spot((2, 1)), 1).frames(SPAN)
    assert_array_equal(quiet, np.repeat(spot((2, 1)).frames(range(1, 2)), FRAMES, axis=0))


def test_static_motion():
    found = finish(static_motion(seeing(), spot((2, 1)), ask(), SPAN))
    assert (found.mean_px, found.largest_px, found.lost_share, found.cells) == (0, 0, 0, 8)
    found = finish(static_motion(drifting(0, 2), spot((2, 1)), ask(), SPAN))
    assert_allclose([found.mean_px, found.largest_px, found.mean_mm], [5, 8, 5 * 0.2])


def test_lost_points_are_no_still_points():
    blind = Fake(lambda v, frame, home, xy: xy if frame in (home, 1) else None)
    found = finish(static_motion(blind, spot(), ask(), SPAN))
    assert (found.mean_px, found.lost_share) == (0, 0.75)


# --- what should not matter ------------------------------------------------------------------


def test_a_tracker_that_sees_bears_it():
    found = finish(nuisance(seeing(), spot((2, 1)), ask(), SPAN))
    names = ["again", "dimmed to 80 %", "shifted by 2 px", "shifted by 6 px"]
    assert [gap.name for gap in found.gaps] == names
    assert [gap.mean_px for gap in found.gaps] == [0, 0, 0, 0]
    assert_allclose(found.excursion_px, 2.5 * np.sqrt(5))


def test_a_tracker_that_minds_brightness():
    def lit(video, frame, home, xy):
        return xy + np.array([video.frames(range(frame, frame + 1)).max() / 100, 0])

    found = finish(nuisance(Fake(lit), spot(), ask(), SPAN))
    # The spot of 200 is dimmed to 160.
    assert_allclose([gap.mean_px for gap in found.gaps], [0, 0.4, 0, 0], atol=1e-12)
    assert_allclose(found.excursion_px, 2.0)


def test_a_tracker_on_a_coarse_grid_minds_shifts():
    snapping = Fake(lambda v, frame, home, xy: np.round(xy / 4) * 4)
    found = finish(nuisance(snapping, spot(), ask(0, [(9.0, 8.0)]), SPAN, shifts_px=(2, 4, 6)))
    # 9 snaps to 8; 11 to 12, less 2 is 10; 13 to 12, less 4 is 8; 15 to 16, less 6 is 10.
    assert [gap.mean_px for gap in found.gaps] == [0, 0, 2, 0, 2]


# --- there and back --------------------------------------------------------------------------


def test_gap_after_going_there_and_back():
    found = finish(there_and_back(seeing(), spot((2, 1)), ask(), SPAN))
    assert (found.mean_px, found.lost_share, found.cells) == (0, 0, 2)
    away = Fake(lambda v, frame, home, xy: xy + np.array([0.5, 0]) * abs(frame - home))
    found = finish(there_and_back(away, spot(), ask(), SPAN))
    # 4 frames there and 4 back, half a px each.
    assert_allclose([found.mean_px, found.mean_mm], [4, 4 * 0.5])


def test_each_query_goes_to_its_own_end():
    away = Fake(lambda v, frame, home, xy: xy + np.array([1.0, 0]) * abs(frame - home))
    queries = Queries([0, 1, 4], np.full((3, 2), 9.0), ("a", "b", "c"), [0, 0, 0], [2, 4, 4])
    found = finish(there_and_back(away, spot(), queries, SPAN))
    # 2 frames, 3 frames, and one that starts at its end.
    assert_allclose([found.mean_px, found.largest_px], [(4 + 6) / 2, 6])
    assert found.cells == 2


def test_points_lost_on_the_way_are_counted_as_lost():
    leaving = Fake(lambda v, frame, home, xy: None if frame == 4 and xy[0] > 16 else xy)
    found = finish(there_and_back(leaving, spot(), ask(), SPAN))
    assert (found.mean_px, found.lost_share, found.cells) == (0, 0.5, 2)
    none = finish(there_and_back(resting(), spot(), ask(4), SPAN))
    assert np.isnan(none.mean_px)


@pytest.mark.parametrize("probe", [static_motion, nuisance, there_and_back])
def test_progress_and_cancelling(probe):
    steps = []
    finish(probe(resting(), spot(), ask(), SPAN), steps.append)
    done = [step.done for step in steps]
    assert done == sorted(done)
    assert done[-1] == steps[-1].total
    tracker = resting()
    work = probe(tracker, spot(), ask(), SPAN)
    next(work)
    work.close()
    assert tracker.log == ["closed"]
