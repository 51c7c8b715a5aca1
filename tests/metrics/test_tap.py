from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from napari_usstrack.metrics.pairs import counted_cells, scored_cells, survival
from napari_usstrack.metrics.tap import (
    accuracy,
    average_jaccard,
    distance_at_256,
    mean_over_videos,
    share_within,
)

SQUARE = (256, 256)


def paths(*distances):
    """Truth at (100, 100), and a prediction for each point that far to the right of it."""
    off = np.array(distances, dtype=float).T
    true = np.full((*off.shape, 2), 100.0)
    return true + np.stack([off, 0 * off], axis=-1), true


def scores(predicted, true, *, query_frames=0, mode="first", size=SQUARE, **options):
    return accuracy(predicted, true, size=size, query_frames=query_frames, mode=mode, **options)


ONE = paths([0, 0.5, 1.0, 3.0, 20.0])
SEEN = np.array([[1], [1], [1], [0], [1]], dtype=bool)
CLAIMED = np.array([[1], [1], [0], [1], [1]], dtype=bool)


def test_shares_within_the_thresholds():
    found = scores(*ONE)
    # Of four frames after the query: 0.5 is under 1; 1.0 is not, but under 2; 3 under 4.
    assert_allclose(found.shares, [1 / 4, 2 / 4, 3 / 4, 3 / 4, 3 / 4])
    assert_allclose(found.delta_avg, 0.6)
    assert found.cells == 4
    assert found.mode == "first"


def test_a_distance_at_the_limit_is_not_within():
    used = np.ones((1, 3), dtype=bool)
    assert share_within([[2.0, np.nextafter(2.0, 0.0), np.nan]], used, limit=2.0) == 1 / 3


def test_the_query_frame_does_not_count():
    predicted, true = paths([9.0, 0, 9.0])
    assert scores(predicted, true, query_frames=1, mode="strided").shares == (0, 0, 0, 0, 1)
    assert scores(predicted, true, query_frames=1, mode="strided").cells == 2
    assert scores(predicted, true, query_frames=1, mode="first").cells == 1
    assert scores(predicted, true, query_frames=2, mode="first").cells == 0


def test_each_point_has_its_own_query_frame():
    counted = counted_cells((3, 2), query_frames=[0, 2], mode="strided")
    assert counted.tolist() == [[False, True], [True, True], [True, False]]
    counted = counted_cells((3, 2), query_frames=[0, 1], mode="first")
    assert counted.tolist() == [[False, False], [True, False], [True, True]]


def test_pixels_of_a_wide_frame_are_not_equal_in_x_and_y():
    # 512 x 128: x is halved, y doubled.
    off = np.array([[[6.0, 0.0], [0.0, 2.0], [6.0, 2.0]]])
    true = np.full((1, 3, 2), 50.0)
    assert_allclose(distance_at_256(true + off, true, size=(512, 128)), [[3, 4, 5]])


def test_position_counts_only_where_the_true_point_is_visible():
    found = scores(*ONE, true_visible=SEEN)
    # Frames 1, 2 and 4 with 0.5, 1.0 and 20 px.
    assert_allclose(found.shares, [1 / 3, 2 / 3, 2 / 3, 2 / 3, 2 / 3])
    assert found.cells == 3


def test_occlusion_accuracy():
    # Frame 1 agrees, 2 and 3 do not, 4 does.
    assert scores(*ONE, true_visible=SEEN, predicted_visible=CLAIMED).occlusion_accuracy == 0.5


def test_jaccard_with_own_and_with_true_visibility():
    found = scores(*ONE, true_visible=SEEN, predicted_visible=CLAIMED)
    # Own: frame 1 is a hit at all thresholds, frame 3 (hidden) and 4 (far) are false alarms,
    # three frames are truly visible: 1 / (3 + 2).
    assert_allclose(found.jaccard_own, 0.2)
    # True: at 1 px one hit and two too far, 1 / (3 + 2); above, two hits, 2 / (3 + 1).
    assert_allclose(found.jaccard_true_visibility, (0.2 + 4 * 0.5) / 5)


def test_a_perfect_prediction_scores_one_and_an_empty_one_nothing():
    _, true = ONE
    best = scores(true, true, true_visible=SEEN, predicted_visible=SEEN)
    assert (best.delta_avg, best.occlusion_accuracy, best.jaccard_own) == (1, 1, 1)
    assert (best.jaccard_true_visibility, best.survival, best.missing_share) == (1, 1, 0)
    worst = scores(np.full_like(true, np.nan), true, true_visible=SEEN)
    assert (worst.delta_avg, worst.jaccard_own, worst.survival, worst.missing_share) == (0, 0, 0, 1)
    assert worst.jaccard_true_visibility == 0
    assert worst.occlusion_accuracy == 0.25  # the one hidden frame


def test_a_missing_prediction_is_outside_every_threshold():
    predicted, true = paths([0, 0.5, np.nan, 3.0, 20.0])
    found = scores(predicted, true, true_visible=SEEN, predicted_visible=np.ones_like(SEEN))
    assert_allclose(found.shares, [1 / 3] * 5)
    assert_allclose(found.missing_share, 1 / 3)
    # Without a position it cannot be claimed visible: no false alarm, 1 / (3 + 2).
    assert_allclose(found.jaccard_own, 0.2)
    # With true visibility it is claimed and too far: frames 2 and 4, 1 / (3 + 2).
    assert_allclose(found.jaccard_true_visibility, 0.2)


def test_frames_nobody_labelled_do_not_count():
    labelled = np.array([[1], [1], [0], [1], [1]], dtype=bool)
    found = scores(*ONE, true_visible=SEEN, predicted_visible=CLAIMED, labelled=labelled)
    assert found.cells == 2
    assert_allclose(found.occlusion_accuracy, 2 / 3)
    predicted, true = ONE[0], ONE[1].copy()
    true[2] = np.nan
    assert scores(predicted, true).cells == 3
    assert scores(predicted, true).occlusion_accuracy == 1


def test_survival_ends_when_a_point_is_first_lost():
    distances = np.array([[60.0, 3.0, 0.0, 50.0, 51.0, 2.0, np.nan]]).T
    true = np.zeros((7, 1, 2))

    def survived(mode):
        used = scored_cells(true, query_frames=2, mode=mode)
        return survival(distances, used, query_frames=2, limit=50)

    assert survived("first") == 1 / 4  # 50 is not over 50; frames 4, 5 and 6 are lost
    assert_allclose(survived("strided"), 2 / 6)  # frames 1 and 3
    used = scored_cells(true, query_frames=2, mode="first") & (distances != 51)
    assert_allclose(survival(distances, used, query_frames=2, limit=50), 2 / 3)


def test_survival_is_the_mean_over_points():
    predicted, true = paths([0, 1, 1, 1], [0, 1, 90, 1])
    assert_allclose(scores(predicted, true).survival, (1 + 1 / 3) / 2)


def test_a_missing_prediction_is_lost():
    predicted, true = paths([0, 1, np.nan, 1])
    assert_allclose(scores(predicted, true).survival, 1 / 3)


@pytest.mark.parametrize("mode", ["first", "strided"])
def test_order_of_points_does_not_matter(mode):
    random = np.random.default_rng(0)
    predicted, true = random.uniform(0, 60, (2, 9, 4, 2))
    seen = random.random((9, 4)) < 0.7
    query = np.array([0, 3, 5, 2])
    order = [2, 0, 3, 1]
    plain = scores(predicted, true, query_frames=query, mode=mode, true_visible=seen)
    mixed = scores(
        predicted[:, order],
        true[:, order],
        query_frames=query[order],
        mode=mode,
        true_visible=seen[:, order],
    )
    assert_allclose(flat(mixed), flat(plain))


def test_strided_scores_are_the_same_backward_in_time():
    random = np.random.default_rng(1)
    predicted, true = random.uniform(0, 60, (2, 9, 4, 2))
    query = np.array([0, 3, 5, 8])
    plain = scores(predicted, true, query_frames=query, mode="strided")
    back = scores(predicted[::-1], true[::-1], query_frames=8 - query, mode="strided")
    assert_allclose(flat(back), flat(plain))


def flat(found):
    return [
        *found.shares,
        found.delta_avg,
        found.occlusion_accuracy,
        found.jaccard_own,
        found.jaccard_true_visibility,
        found.survival,
        found.missing_share,
        found.cells,
    ]


def test_videos_weigh_the_same_however_long():
    short, long = scores(*paths([0, 0.5])), scores(*paths([0] + [100] * 9))
    both = mean_over_videos([short, long])
    assert both.delta_avg == 0.5
    assert both.survival == 0.5
    assert (both.cells, both.videos) == (10, 2)
    nothing = scores(*paths([0]))
    assert np.isnan(nothing.delta_avg)
    assert mean_over_videos([short, nothing]).delta_avg == 1


def test_what_cannot_be_scored_is_refused():
    predicted, true = ONE
    with pytest.raises(ValueError, match="mode"):
        scores(predicted, true, mode="last")
    with pytest.raises(ValueError, match="query frames"):
        scores(predicted, true, query_frames=5)
    with pytest.raises(ValueError, match="frames x points x 2"):
        scores(predicted[:3], true)
    with pytest.raises(ValueError, match="true_visible"):
        scores(predicted, true, true_visible=SEEN[:3])
    with pytest.raises(ValueError, match="no position"):
        scores(predicted, np.where(SEEN[..., None], np.nan, true), true_visible=SEEN)
    with pytest.raises(ValueError, match="one mode"):
        mean_over_videos([scores(*ONE), scores(*ONE, mode="strided")])
    with pytest.raises(ValueError, match="no video"):
        mean_over_videos([])


def test_jaccard_of_nothing_is_nothing():
    none = np.zeros((2, 1), dtype=bool)
    found = average_jaccard(np.zeros((2, 1)), ~none, true_visible=none, predicted_visible=none)
    assert np.isnan(found)
