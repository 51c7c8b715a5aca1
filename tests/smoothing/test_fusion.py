"""Flow and measured places joined: against dense least squares, and against known truth."""

from __future__ import annotations

from unittest.mock import Mock

import numpy as np
import pytest
from scipy.signal import savgol_filter

from napari_usstrack.smoothing import two_filter
from napari_usstrack.smoothing.fusion import Measured, fuse
from napari_usstrack.smoothing.two_filter import join
from napari_usstrack.smoothing.uncertainty import (
    closure_covariances,
    confidence,
    in_region,
    increments_from_tracks,
    oriented_covariances,
    region,
)

PLAIN = {"robust": "none", "calibrate": False}
EXACT = np.zeros((2, 2))


def covariances(rng: np.random.Generator, shape: tuple[int, ...], sd_px: float) -> np.ndarray:
    """Random matrices, up to ten times as wide in one direction as in the other."""
    angle = rng.uniform(0, np.pi, shape)
    return oriented_covariances(angle, sd_px * rng.uniform(1, 3, shape), sd_px * 0.3)


def noise(rng: np.random.Generator, spread: np.ndarray) -> np.ndarray:
    return (np.linalg.cholesky(spread) @ rng.normal(size=(*spread.shape[:-1], 1)))[..., 0]


def simulated(seed: int, frames: int = 60, points: int = 4, share: float = 0.3):
    """A true walk, increments and their covariances, measurements in a share of cells."""
    rng = np.random.default_rng(seed)
    true = 300 + np.cumsum(rng.normal(0, 2, (frames, points, 2)), axis=0)
    steps = covariances(rng, (frames - 1, points), 0.1)
    moved = np.diff(true, axis=0) + noise(rng, steps)
    spread = covariances(rng, (frames, points), 1.0)
    xy = true + noise(rng, spread)
    xy[rng.random((frames, points)) >= share] = np.nan
    return true, moved, steps, Measured.from_tracks(xy, spread, "network")


def anchors(places: dict[tuple[int, int], tuple[float, float]], sd_px: float = 0.0) -> Measured:
    cell = np.array(list(places), dtype=np.intp)
    spread = np.broadcast_to(sd_px**2 * np.eye(2), (len(cell), 2, 2))
    kinds = np.full(len(cell), "manual")
    return Measured(cell[:, 0], cell[:, 1], np.array(list(places.values())), spread, kinds)


def nothing() -> Measured:
    return anchors({(0, 0): (np.nan, np.nan)})


def dense(moved: np.ndarray, steps: np.ndarray, measured: Measured, point: int):
    """Least squares of one point by its whole precision matrix."""
    frames = len(moved) + 1
    precision, pull = np.zeros((frames, 2, frames, 2)), np.zeros((frames, 2))
    for i, (d, q) in enumerate(zip(moved[:, point], np.linalg.inv(steps[:, point]), strict=True)):
        for a, b, sign in ((i, i, 1), (i + 1, i + 1, 1), (i, i + 1, -1), (i + 1, i, -1)):
            precision[a, :, b] += sign * q
        pull[i + 1] += q @ d
        pull[i] -= q @ d
    for row in np.flatnonzero(measured.point == point):
        frame, worth = measured.frame[row], np.linalg.inv(measured.covariance[row])
        precision[frame, :, frame] += worth
        pull[frame] += worth @ measured.xy[row]
    covariance = np.linalg.inv(precision.reshape(2 * frames, 2 * frames))
    blocks = covariance.reshape(frames, 2, frames, 2)
    xy = (covariance @ pull.ravel()).reshape(frames, 2)
    return xy, np.stack([blocks[i, :, i] for i in range(frames)])


def turned(measured: Measured, turn: np.ndarray) -> Measured:
    spread = turn @ measured.covariance @ turn.T
    return Measured(measured.frame, measured.point, measured.xy @ turn.T, spread, measured.kind)


# --- the smoother ----------------------------------------------------------------------------


def test_it_is_the_least_squares_solution():
    _, moved, steps, network = simulated(0)
    elsewhere = network.xy + np.random.default_rng(1).normal(size=network.xy.shape)
    kinds = np.full(len(elsewhere), "match")
    cell = network.frame, network.point
    both = network.and_(Measured(*cell, elsewhere, 4 * network.covariance, kinds))
    found = fuse(moved, steps, both, **PLAIN)
    for point in range(4):
        xy, spread = dense(moved, steps, both, point)
        np.testing.assert_allclose(found.xy[:, point], xy, rtol=0, atol=1e-8)
        np.testing.assert_allclose(found.covariances[:, point], spread, rtol=0, atol=1e-8)


@pytest.mark.parametrize("robust", ["none", "student", "huber"])
def test_exact_anchors_come_back_bit_for_bit(robust):
    true, moved, steps, network = simulated(2)
    places = {
        (0, 0): true[0, 0] / 3,
        (17, 0): true[17, 0] / 7,
        (18, 0): true[18, 0],
        (59, 3): (0.1, 0.2),
    }
    found = fuse(moved, steps, network.and_(anchors(places)), robust=robust)
    for (frame, point), xy in places.items():
        assert found.xy[frame, point].tolist() == list(xy)
        assert not found.covariances[frame, point].any()
    assert np.linalg.det(found.covariances[:, 1]).min() > 0


def test_between_two_exact_anchors_the_closing_error_is_shared_by_variance():
    moved, steps = np.zeros((3, 1, 2)), np.array([1.0, 2.0, 1.0])[:, None, None, None] * np.eye(2)
    found = fuse(moved, steps, anchors({(0, 0): (0, 0), (3, 0): (4, 8)}), **PLAIN)
    np.testing.assert_allclose(found.xy[:, 0], [(0, 0), (1, 2), (3, 6), (4, 8)], atol=1e-7)
    np.testing.assert_allclose(found.covariances[1, 0], 0.75 * np.eye(2), atol=1e-7)


def test_a_soft_anchor_is_a_measurement():
    moved, steps = np.zeros((1, 1, 2)), np.ones((1, 1, 1, 1)) * np.eye(2)
    soft = anchors({(0, 0): (0, 0), (1, 0): (3, 3)}, sd_px=1.0)
    found = fuse(moved, steps, soft, **PLAIN)
    np.testing.assert_allclose(found.xy[:, 0], [(1, 1), (2, 2)], atol=1e-7)


@pytest.mark.parametrize("options", [PLAIN, {}])
def test_time_reversed(options):
    true, moved, steps, network = simulated(3)
    every = network.and_(anchors({(20, 1): tuple(true[20, 1])}))
    back = Measured(59 - every.frame, every.point, every.xy, every.covariance, every.kind)
    ahead = fuse(moved, steps, every, **options)
    behind = fuse(-moved[::-1], steps[::-1], back, **options)
    np.testing.assert_allclose(behind.xy[::-1], ahead.xy, rtol=0, atol=1e-8)
    np.testing.assert_allclose(behind.covariances[::-1], ahead.covariances, rtol=0, atol=1e-8)


@pytest.mark.parametrize("options", [PLAIN, {}, {"robust": "huber"}])
def test_turned(options):
    _, moved, steps, network = simulated(4)
    turn = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    straight = fuse(moved, steps, network, **options)
    found = fuse(moved @ turn.T, turn @ steps @ turn.T, turned(network, turn), **options)
    np.testing.assert_allclose(found.xy, straight.xy @ turn.T, rtol=0, atol=1e-7)
    np.testing.assert_allclose(
        found.covariances, turn @ straight.covariances @ turn.T, rtol=0, atol=1e-7
    )


def test_where_flow_slides_along_a_line_measurements_decide_along_it():
    moved = np.zeros((1, 1, 2))
    steps = oriented_covariances([[np.pi / 4]], [[100.0]], [[0.01]])
    found = fuse(moved, steps, anchors({(0, 0): (0, 0), (1, 0): (2, 0)}, sd_px=1.0), **PLAIN)
    along, across = np.array([1, 1]) / np.sqrt(2), np.array([1, -1]) / np.sqrt(2)
    assert along @ found.xy[1, 0] == pytest.approx(np.sqrt(2), abs=1e-3)
    assert across @ found.xy[1, 0] == pytest.approx(1 / np.sqrt(2), abs=1e-3)


# --- what is missing -------------------------------------------------------------------------


def test_nothing_measured_is_nothing_known():
    found = fuse(np.zeros((4, 2, 2)), np.ones((4, 2, 1, 1)) * np.eye(2), nothing())
    assert np.isnan(found.xy).all()
    assert np.isnan(found.covariances).all()
    assert np.isnan(found.weights).all()


def test_one_frame_and_one_measurement():
    found = fuse(np.zeros((0, 1, 2)), np.zeros((0, 1, 2, 2)), anchors({(0, 0): (3, 4)}, 0.5))
    assert found.xy.tolist() == [[[3, 4]]]


def test_frames_that_nothing_leads_to_stay_missing():
    moved, steps = np.ones((5, 1, 2)), np.ones((5, 1, 1, 1)) * np.eye(2)
    moved[[2, 3]] = np.nan
    ends = anchors({(0, 0): (0, 0), (5, 0): (9, 9)})
    found = fuse(moved, steps, ends)
    assert found.xy[[0, 1, 2, 4, 5], 0, 0].tolist() == [0, 1, 2, 8, 9]
    assert np.isnan(found.xy[3]).all()
    assert np.isnan(found.flow_weights[:, 0]).tolist() == [False, False, True, True, False]


def test_a_lost_and_found_point_is_bridged_with_growing_variance():
    moved, steps = np.ones((9, 1, 2)), np.full((9, 1, 1, 1), 0.01) * np.eye(2)
    moved[3:7] = np.nan
    found = fuse(moved, steps, anchors({(0, 0): (0, 0), (9, 0): (13, 5)}), gap_px=2.0, **PLAIN)
    np.testing.assert_allclose(found.xy[5, 0], (7, 3), atol=0.01)
    spread = found.covariances[:, 0, 0, 0]
    assert spread[5] == pytest.approx(4.0, abs=0.02)
    assert spread[3] < spread[4] < spread[5] > spread[6] > spread[7]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"increments": np.zeros((4, 2))}, "steps x points"),
        ({"covariances": -np.ones((4, 1, 1, 1)) * np.eye(2)}, "increment is not"),
        ({"measured": anchors({(9, 0): (0, 0)})}, "outside the 5 frames"),
        ({"measured": anchors({(0, -1): (0, 0)})}, "outside"),
    ],
)
def test_inputs_that_cannot_be(change, message):
    good = {
        "increments": np.zeros((4, 1, 2)),
        "covariances": np.ones((4, 1, 1, 1)) * np.eye(2),
        "measured": anchors({(0, 0): (0, 0)}),
    }
    fuse(**good)
    with pytest.raises(ValueError, match=message):
        fuse(**{**good, **change})


def test_two_exact_places_for_one_cell():
    twice = anchors({(0, 0): (0, 0)}).and_(anchors({(0, 0): (0, 1)}))
    with pytest.raises(ValueError, match="two exact"):
        fuse(np.zeros((1, 1, 2)), np.ones((1, 1, 1, 1)) * np.eye(2), twice)


# --- outliers and calibration ----------------------------------------------------------------


def covered(found, true) -> float:
    return float(in_region(found.xy - true, found.covariances).mean())


@pytest.mark.parametrize(("flow", "network"), [(1, 1), (4, 0.25), (0.25, 4)])
@pytest.mark.parametrize("robust", ["none", "student"])
def test_stated_variances_are_put_right(flow, network, robust):
    true, moved, steps, measured = simulated(5, frames=80, points=250)
    wrong = Measured(
        measured.frame, measured.point, measured.xy, network * measured.covariance, measured.kind
    )
    found = fuse(moved, flow * steps, wrong, robust=robust)
    assert 0.87 <= covered(found, true) <= 0.93
    assert found.scales["network"] * network == pytest.approx(1.0, rel=0.1)
    if (flow, network) != (1, 1):
        stated = fuse(moved, flow * steps, wrong, **PLAIN)
        assert not 0.87 <= covered(stated, true) <= 0.93


def test_kinds_are_scaled_apart():
    true, moved, steps, network = simulated(6, points=200)
    match = simulated(6, points=200)[3]
    rng = np.random.default_rng(7)
    xy = true[match.frame, match.point] + 3 * noise(rng, match.covariance)
    worse = Measured(match.frame, match.point, xy, match.covariance, np.full(len(xy), "match"))
    found = fuse(moved, steps, network.and_(worse))
    assert found.scales["network"] == pytest.approx(1.0, rel=0.1)
    assert found.scales["match"] == pytest.approx(9.0, rel=0.15)


@pytest.mark.parametrize("calibrate", [False, True])
def test_gross_outliers_are_not_believed(calibrate):
    true, moved, steps, clean = simulated(8, points=100)
    rng = np.random.default_rng(9)
    bad = rng.random(len(clean.xy)) < 0.1
    xy = clean.xy + np.where(bad[:, None], rng.choice([-40, 40], clean.xy.shape), 0.0)
    dirty = Measured(clean.frame, clean.point, xy, clean.covariance, clean.kind)
    rms = {}
    for robust in ("none", "student"):
        found = fuse(moved, steps, dirty, robust=robust, calibrate=calibrate)
        rms[robust] = np.sqrt(np.mean((found.xy - true) ** 2))
    best = np.sqrt(np.mean((fuse(moved, steps, clean, **PLAIN).xy - true) ** 2))
    assert rms["student"] < 1.15 * best
    assert rms["none"] > 4 * best
    assert np.median(found.weights[bad]) < 0.05
    assert np.median(found.weights[~bad]) == 1.0


def test_a_burst_that_agrees_with_itself_is_not_believed():
    rng = np.random.default_rng(10)
    true = np.cumsum(rng.normal(0, 1, (100, 20, 2)), axis=0)
    xy = true + rng.normal(0, 0.5, true.shape)
    xy[40:50] += 30
    steps = np.full((99, 20, 1, 1), 0.05**2) * np.eye(2)
    moved = np.diff(true, axis=0) + rng.normal(0, 0.05, (99, 20, 2))
    found = fuse(moved, steps, Measured.from_tracks(xy, 0.25 * np.eye(2), "network"))
    assert np.abs(found.xy - true).max() < 1.0


@pytest.mark.parametrize("slip", [2.0, 8.0, 20.0, 100.0])
@pytest.mark.parametrize("calibrate", [False, True])
def test_a_step_of_flow_that_slipped_is_not_believed(slip, calibrate):
    rng = np.random.default_rng(11)
    true = np.cumsum(rng.normal(0, 1, (100, 20, 2)), axis=0)
    moved = np.diff(true, axis=0) + rng.normal(0, 0.05, (99, 20, 2))
    moved[50] += slip
    steps = np.full((99, 20, 1, 1), 0.05**2) * np.eye(2)
    xy = true + rng.normal(0, 0.5, true.shape)
    network = Measured.from_tracks(xy, 0.25 * np.eye(2), "network")
    found = fuse(moved, steps, network, calibrate=calibrate)
    assert np.sqrt(np.mean((found.xy - true)[40:60] ** 2)) < 0.3
    assert np.abs(found.xy - true).max() < 1.2


def test_a_sudden_contraction_keeps_its_height_while_jitter_falls():
    rng = np.random.default_rng(12)
    frames, points, height = 200, 200, 12.0
    curve = height * np.exp(-0.5 * ((np.arange(frames) - 100) / 2.5) ** 2)
    true = np.zeros((frames, points, 2)) + curve[:, None, None] * [1.0, 0.0]
    jitter = rng.normal(0, 1.0, true.shape)
    moved = np.diff(true, axis=0) + rng.normal(0, 0.1, (frames - 1, points, 2))
    steps = np.full((frames - 1, points, 1, 1), 0.1**2) * np.eye(2)
    raw = true + jitter
    found = fuse(moved, steps, Measured.from_tracks(raw, np.eye(2), "network")).xy
    left = np.std(found[20:80])
    smooth = {w: savgol_filter(raw, w, 2, axis=0) for w in range(5, 81, 2)}
    equal = min(smooth, key=lambda w: abs(np.std(smooth[w][20:80]) - left))
    lost = {
        "fusion": 1 - found[100, :, 0].mean() / height,
        "savgol": 1 - smooth[equal][100, :, 0].mean() / height,
    }
    assert left < 0.27
    assert abs(lost["fusion"]) < 0.02
    assert lost["savgol"] > 0.5


def test_points_share_one_loop_over_frames(monkeypatch):
    """A smoother's joins are as many for fifty points as for one."""
    counts = []
    for points in (1, 50):
        _, moved, steps, measured = simulated(13, frames=1000, points=points, share=1.0)
        counted = Mock(side_effect=join)
        monkeypatch.setattr(two_filter, "join", counted)
        found = fuse(moved, steps, measured, **PLAIN)
        assert np.isfinite(found.xy).all()
        counts.append(counted.call_count)
    assert counts == [1001, 1001]


# --- what covariances say --------------------------------------------------------------------


def test_confidence_is_the_share_of_errors_within_the_distance():
    rng = np.random.default_rng(14)
    spread = oriented_covariances(0.4, 2.0, 0.5)
    errors = noise(rng, np.broadcast_to(spread, (200_000, 2, 2)))
    inside = np.linalg.norm(errors * [0.1, 0.3], axis=-1) < 0.2
    assert confidence(spread, 0.2, (0.1, 0.3)) == pytest.approx(inside.mean(), abs=0.004)
    assert confidence(4.0 * np.eye(2), 3.0) == pytest.approx(1 - np.exp(-9 / 8), abs=1e-6)
    line = confidence(np.diag([1.0, 0.0]), 1.0)
    assert line == pytest.approx(0.6826895, abs=1e-5)
    assert confidence(EXACT, 0.1) == 1.0
    assert np.isnan(confidence(np.full((2, 2), np.nan), 0.1))


def test_regions_hold_their_share():
    rng = np.random.default_rng(15)
    spread = covariances(rng, (100_000,), 2.0)
    errors = noise(rng, spread)
    for share in (0.5, 0.9, 0.99):
        assert in_region(errors, spread, share).mean() == pytest.approx(share, abs=0.005)
    axes, angle = region(oriented_covariances([0.3], [2.0], [1.0]))
    np.testing.assert_allclose(axes, np.sqrt(4.60517) * np.array([[2, 1]]), rtol=1e-5)
    np.testing.assert_allclose(angle, 0.3)
    assert in_region([0, 0], EXACT)
    assert not in_region([0, 1e-9], EXACT)
    assert not in_region([np.nan, 0], np.eye(2))


def test_increments():
    xy = np.array([[[0, 0]], [[1, 2]], [[np.nan, np.nan]]])
    assert increments_from_tracks(xy)[0].tolist() == [[1, 2]]
    assert np.isnan(increments_from_tracks(xy)[1]).all()
    with pytest.raises(ValueError, match="frames x points"):
        increments_from_tracks(np.zeros((3, 2)))


def test_covariance_of_flow_from_going_there_and_back():
    rng = np.random.default_rng(16)
    spread = oriented_covariances(0.5, 0.4, 0.1)
    shape = (400, 50)
    once = noise(rng, np.broadcast_to(spread, (*shape, 2, 2)))
    closure = once + noise(rng, np.broadcast_to(spread, (*shape, 2, 2)))
    closure[3, 0] = np.nan
    found = closure_covariances(closure, floor_px=0.03)
    assert np.isnan(found[3, 0]).all()
    assert np.isfinite(found).all(axis=(-2, -1)).sum() == found[..., 0, 0].size - 1
    np.testing.assert_allclose(
        np.nanmean(found, axis=(0, 1)), spread + 0.0009 * np.eye(2), rtol=0.05, atol=0.002
    )
    quiet = closure_covariances(np.zeros((3, 1, 2)), floor_px=0.1)
    np.testing.assert_allclose(quiet, np.full((3, 1, 1, 1), 0.01) * np.eye(2))
    with pytest.raises(ValueError, match="odd"):
        closure_covariances(closure, frames=4)
