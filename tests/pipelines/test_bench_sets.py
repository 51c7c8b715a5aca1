"""What is in each set, and how it is scored."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import Walker

from napari_usstrack.core.tracker import finish
from napari_usstrack.flow.peers import PEERS
from napari_usstrack.io.array_video import array_video
from napari_usstrack.pipelines.bench import checks, observers
from napari_usstrack.pipelines.bench.cases import ALL, NoData
from napari_usstrack.pipelines.bench.sets import find_cases
from napari_usstrack.pipelines.figures import find

FRAMES = 10
# delta_avg in %, MTE in px at 256, mean error in mm, from the notes beside the clips.
STATED = {
    ("lv-apical", "opencv-lk-21"): (97.6, 0.50, 0.29),
    ("lv-apical", "opencv-lk-45"): (93.9, 0.68, 0.42),
    ("lv-apical", "opencv-dis"): (96.4, 0.57, 0.35),
    ("lv-apical-two-beats-poor", "opencv-lk-21"): (86.5, 1.19, 0.67),
    ("lv-apical-two-beats-poor", "opencv-lk-45"): (78.7, 1.59, 0.96),
    ("lv-apical-two-beats-poor", "opencv-dis"): (81.8, 1.44, 0.83),
    ("muscle-pennate", "opencv-lk-21"): (74.1, 2.58, 0.47),
    ("muscle-pennate", "opencv-lk-45"): (81.9, 1.59, 0.29),
    ("muscle-pennate", "opencv-dis"): (74.2, 2.42, 0.41),
    ("muscle-pennate-three-cycles", "opencv-lk-21"): (56.8, 7.19, 1.12),
    ("muscle-pennate-three-cycles", "opencv-lk-45"): (73.2, 2.53, 0.44),
    ("muscle-pennate-three-cycles", "opencv-dis"): (65.3, 3.25, 0.55),
}


def value(outcome, metric, unit=None):
    return find(outcome.figures, metric, unit).value


def texture(frames=FRAMES, height=60, width=90) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (frames, height, width), dtype=np.uint8)


def write_clip(path, tracks, **more):
    np.savez(path, frames=texture(), tracks=tracks, mm_per_px=0.5, fps=20.0, **more)


def walk(points, speed=1.0) -> np.ndarray:
    """Paths ``[points, frames, 2]`` that go right."""
    start = np.asarray(points, dtype=float)
    return start[:, None] + np.arange(FRAMES)[None, :, None] * [speed, 0.0]


# --- clips -----------------------------------------------------------------------------------


def test_clips_are_scored_from_frame_0_in_px_and_mm(tmp_path):
    write_clip(tmp_path / "one.npz", walk([[10, 20], [30, 40]], speed=2.0))
    (case,) = find_cases("clips", [tmp_path])
    (outcome,) = finish(case.run(Walker(dx=1.0)))
    assert outcome.case == "one"
    assert value(outcome, "mean_error", "px") == pytest.approx(5.0)
    assert value(outcome, "mean_error", "mm") == pytest.approx(2.5)
    assert value(outcome, "missing") == 0.0
    assert find(outcome.figures, "GLS_error") is None


def test_strain_is_measured_on_the_line_the_file_tells(tmp_path):
    other = walk([[5, 50], [15, 50], [25, 50], [35, 50]], speed=0.0)
    wall = other - [0, 30]
    wall[:, :, 0] *= 1.0 - 0.01 * np.arange(FRAMES)
    length = np.ptp(wall[:, :, 0], axis=0) * 0.5
    strain = 100 * (length / length[0] - 1)
    tracks = np.concatenate([other, wall])
    write_clip(tmp_path / "heart.npz", tracks, gls=strain, length_mm=length)
    (case,) = find_cases("clips", [tmp_path])
    (outcome,) = finish(case.run(Walker(dx=0.0)))
    assert value(outcome, "GLS_error") == pytest.approx(np.abs(strain[1:]).mean(), rel=1e-6)
    assert value(outcome, "GLS_peak_error") == pytest.approx(9.0, rel=1e-6)
    write_clip(tmp_path / "heart.npz", tracks, gls=strain, length_mm=2 * length)
    (case,) = find_cases("clips", [tmp_path])
    assert find(finish(case.run(Walker()))[0].figures, "GLS_error") is None


def test_files_that_do_not_fit_are_told_and_others_passed_over(tmp_path):
    np.savez(tmp_path / "other.npz", frames=texture())
    write_clip(tmp_path / "short.npz", walk([[10, 20]])[:, :4])
    (tmp_path / "torn.npz").write_bytes(b"PK")
    found = list(find_cases("clips", [tmp_path]))
    assert [each.case for each in found] == ["short", "torn"]
    assert all(isinstance(each, NoData) for each in found)
    assert "points x frames x 2" in found[0].reason


@pytest.mark.parametrize("name", ["clips", "observers", "phantom", "checks"])
def test_a_set_without_data_says_so(tmp_path, name):
    (found,) = find_cases(name, [tmp_path])
    assert isinstance(found, NoData)
    assert "--data" in found.reason
    (found,) = find_cases(name, [])
    assert isinstance(found, NoData)


def test_simulated_clips_have_true_visibility_and_come_out_the_same():
    pytest.importorskip("torch")
    first, again = (next(iter(find_cases("simulated", []))) for _ in range(2))
    np.testing.assert_array_equal(first.true_xy, again.true_xy)
    np.testing.assert_array_equal(first.video.frames(range(3)), again.video.frames(range(3)))
    points = np.arange(len(first.query_frames))
    assert first.true_visible[first.query_frames, points].all()


@pytest.mark.parametrize("clip", sorted({clip for clip, _ in STATED}))
def test_plain_trackers_reach_what_is_stated_beside_the_clips(shared_clips, clip):
    (case,) = (c for c in find_cases("clips", [shared_clips]) if c.name == clip)
    for name, peer in PEERS.items():
        if (clip, name) not in STATED:
            continue
        (outcome,) = finish(case.run(peer))
        got = (
            value(outcome, "delta_avg"),
            value(outcome, "MTE", "px at 256"),
            value(outcome, "mean_error", "mm"),
        )
        # Stated with two decimals.
        assert got == pytest.approx(STATED[clip, name], rel=0.02, abs=0.006), name


def test_the_mid_wall_line_of_the_shared_hearts_is_found(shared_clips):
    for case in find_cases("clips", [shared_clips]):
        assert (case.extra is not None) == case.name.startswith("lv")
        if case.extra is not None:
            figures = list(case.extra(case.true_xy))
            assert max(figure.value for figure in figures) < 1e-3


# --- phantom ---------------------------------------------------------------------------------


def test_wires_are_scored_where_they_are_labelled(tmp_path):
    folder = tmp_path / "phantom"
    folder.mkdir()
    np.save(folder / "tank.npy", texture())
    rows = ["volume,frame0,wire,x_px,y_px"]
    rows += [f"tank.npy,{f},0,{10 + f},20" for f in (0, 1, 4, 9)]
    rows += [f"tank.npy,{f},1,{30 + 2 * f},40" for f in (2, 3)]
    (folder / "points.csv").write_text("\n".join(rows))
    (case,) = find_cases("phantom", [tmp_path])
    np.testing.assert_array_equal(case.query_frames, [0, 2])
    (outcome,) = finish(case.run(Walker(dx=1.0)))
    # Wire 0 is followed exactly in 3 frames, wire 1 is 1 px off in its only one.
    assert value(outcome, "mean_error", "px") == pytest.approx(0.5)
    assert find(outcome.figures, "mean_error", "mm") is None


def test_a_phantom_whose_volume_is_missing(tmp_path):
    folder = tmp_path / "phantom"
    folder.mkdir()
    (folder / "points.csv").write_text("volume,frame0,wire,x_px,y_px\ngone.mha,0,0,1,1\n")
    (found,) = find_cases("phantom", [tmp_path])
    assert "gone.mha is missing" in found.reason


# --- observers -------------------------------------------------------------------------------

HEADER = (
    "clip,frame0,observer,alpha_deg,beta_deg,gamma_deg,y_sup_at_x928,y_deep_at_x928,"
    "fascicle_length_through_centre_mm,fascicle_length_edge_mm"
)


def labels_of(alpha: float, length: float) -> observers.Labels:
    start = {"alpha_deg": 30.0, "beta_deg": 0.0, "gamma_deg": 0.0}
    start |= {"y_sup_at_x928": 100.0, "y_deep_at_x928": 200.0}
    return observers.Labels(
        frames=np.array([0, 1]),
        angles_deg=np.array([[30.0, 30.0, 30.0], [alpha] * 3]),
        edge_mm=np.zeros((2, 3)),
        length_mm=np.array([20.0, length]),
        start=start,
    )


def test_points_lie_on_the_lines_as_drawn():
    xy = observers.start_points(labels_of(30.0, 20.0).start)
    assert xy.shape == (23, 2)
    np.testing.assert_allclose(xy[:7, 1], 100.0)
    np.testing.assert_allclose(xy[7:14, 1], 200.0)
    np.testing.assert_allclose(xy[[0, 6, 7, 13], 0], [330, 800, 330, 800])
    np.testing.assert_allclose(xy[18], [570.0, 150.0])
    np.testing.assert_allclose(xy[[14, 22], 1], [115.0, 185.0])
    slope = np.diff(xy[14:], axis=0)
    np.testing.assert_allclose(slope[:, 1] / slope[:, 0], np.tan(np.deg2rad(30)))


def test_errors_of_angle_length_and_change_by_hand():
    labels = labels_of(alpha=33.0, length=21.0)
    xy = np.repeat(observers.start_points(labels.start)[None], 2, axis=0)
    missed = observers.errors(xy, labels, spacing_mm=0.1)
    # 100 px of thickness at 30 degrees are 200 px, 20 mm, in both frames.
    np.testing.assert_allclose(missed.angle_deg, [3.0])
    np.testing.assert_allclose(missed.length_mm, [1.0])
    np.testing.assert_allclose(missed.angle_change_deg, [3.0])
    np.testing.assert_allclose(missed.length_change_mm, [1.0])


def test_a_line_of_fewer_than_three_points_is_none():
    labels = labels_of(alpha=30.0, length=20.0)
    xy = np.repeat(observers.start_points(labels.start)[None], 2, axis=0)
    xy[1, 14:20] = np.nan
    assert observers.errors(xy, labels, 0.1).angle_deg[0] == pytest.approx(0.0, abs=1e-9)
    xy[1, 20] = np.nan
    assert np.isnan(observers.errors(xy, labels, 0.1).angle_deg[0])


def test_observers_against_the_mean_of_the_other_two_and_missing_rows(tmp_path):
    folder = tmp_path / "muscle"
    folder.mkdir()
    frames = np.zeros((3, 300, 960), dtype=np.uint8)
    np.save(folder / "clip.npy", frames)
    rows = [HEADER]
    for frame in (0, 2):
        for observer, angle in ((1, 27.0), (2, 30.0), (3, 33.0)):
            rows.append(f"clip.npy,{frame},{observer},{angle},0,0,100,200,17.66,{10 + observer}")
    rows.append("gone.npy,0,2,30,0,0,100,200,20,12")
    (folder / "labels.csv").write_text("\n".join(rows))
    missing, case = find_cases("observers", [tmp_path])
    assert "gone.npy is missing" in missing.reason
    ((who, person),) = case.references()
    assert who == "human"
    # 27 against 31.5, 30 against 30, 33 against 28.5; 11, 12 and 13 likewise.
    assert value(person, "angle_error") == pytest.approx(3.0)
    assert value(person, "length_error") == pytest.approx(1.0)
    assert value(person, "angle_change_error") == pytest.approx(0.0)
    first, pooled = finish(case.run(Walker(dx=0.0)))
    assert (first.case, pooled.case) == ("clip.npy", ALL)
    assert value(pooled, "angle_error") == pytest.approx(0.0, abs=1e-9)
    assert value(pooled, "length_error") == pytest.approx(0.0, abs=1e-9)
    assert value(pooled, "missing") == 0.0
    assert value(pooled, "frames_without_lines") == 0.0


def test_people_reach_what_is_stated_beside_the_muscle_clips(shared_data):
    (case,) = find_cases("observers", [shared_data])
    ((_, person),) = case.references()
    assert value(person, "angle_error") == pytest.approx(1.4, rel=0.02)
    assert value(person, "length_error") == pytest.approx(1.35, rel=0.02)


def test_lucas_kanade_reaches_what_is_stated_beside_the_muscle_clips(shared_data):
    (case,) = find_cases("observers", [shared_data])
    *_, pooled = finish(case.run(PEERS["opencv-lk-45"]))
    # Stated with one decimal.
    assert value(pooled, "angle_error") == pytest.approx(9.4, rel=0.02)
    assert value(pooled, "length_error") == pytest.approx(5.7, abs=0.02 * 5.7 + 0.05)
    assert value(pooled, "length_error_median") == pytest.approx(6.1, rel=0.02)


# --- checks ----------------------------------------------------------------------------------


def test_checks_of_a_tracker_without_bias(tmp_path):
    (tmp_path / "short").mkdir()
    np.save(tmp_path / "short" / "few.npy", texture(frames=3))
    np.save(tmp_path / "noise.npy", texture())
    case, short = find_cases("checks", [tmp_path])
    assert "8 are needed" in short.reason
    (outcome,) = finish(case.run(Walker(dx=0.0)))
    for metric in ("forward_backward", "static_motion", "gap_left-right", "gap_time_reversal"):
        assert value(outcome, metric) == 0.0, metric
    assert value(outcome, "excursion") == 0.0
    assert value(outcome, "directions_mean") == pytest.approx(
        value(outcome, "directions_no_motion")
    )


def test_checks_of_a_tracker_that_always_goes_right(tmp_path):
    np.save(tmp_path / "noise.npy", texture())
    (case,) = find_cases("checks", [tmp_path])
    (outcome,) = finish(case.run(Walker(dx=0.5)))
    # 0.5 px a frame over 9 frames, the mirrored run going the other way.
    assert value(outcome, "excursion") == pytest.approx(2.5)
    assert value(outcome, "gap_left-right") == pytest.approx(5.0)
    assert value(outcome, "gap_up-down") == pytest.approx(0.0, abs=1e-9)
    assert value(outcome, "static_motion") == pytest.approx(2.5)
    assert value(outcome, "directions_spread") > 1.0


def test_points_have_texture_in_both_directions():
    frames = np.zeros((8, 100, 100), dtype=np.uint8)
    frames[:, 30:34, 30:34] = 200
    frames[:, :, 70] = 200
    xy = checks.textured_points(array_video(frames))
    assert len(xy) < 9
    assert (np.abs(xy[0] - 32) <= 12).all()


@pytest.mark.parametrize(
    ("signal", "end"),
    [
        (-np.sin(np.linspace(0, np.pi, 21)), 20),
        (1 - np.cos(np.linspace(0, 4 * np.pi, 41)), 20),
        (np.arange(10.0), None),
        (np.zeros(10), None),
    ],
)
def test_the_end_of_the_first_cycle(signal, end):
    assert checks.cycle_end(signal) == end


def test_closure_stands_beside_that_of_the_truth(tmp_path):
    away = 5 * np.sin(np.linspace(0, np.pi, FRAMES))
    tracks = walk([[20, 20], [40, 30]], speed=0.0)
    tracks[:, :, 0] += away
    write_clip(tmp_path / "cycle.npz", tracks, fascicle_mm=50 + away)
    (case,) = find_cases("checks", [tmp_path])
    (outcome,) = finish(case.run(Walker(dx=0.5)))
    assert value(outcome, "closure") == pytest.approx(4.5)
    assert value(outcome, "true_closure") == pytest.approx(0.0, abs=1e-6)
