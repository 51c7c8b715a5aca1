"""What muscle, vessel and free scenes say of themselves is true."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_usstrack.core.curves import path_length
from napari_usstrack.core.fascicles import pennation
from napari_usstrack.core.geometry import fit_line, line_through
from napari_usstrack.synth.free import free
from napari_usstrack.synth.muscle.anatomy import Belly
from napari_usstrack.synth.muscle.courses import Cycles, Push, effort, push
from napari_usstrack.synth.muscle.layers import Layers, Profile, Shape
from napari_usstrack.synth.muscle.pennate import placed
from napari_usstrack.synth.muscle.scenes import BUILDERS as MUSCLE
from napari_usstrack.synth.scene import NOTHING_DB
from napari_usstrack.synth.vessel import vessel

BUILDERS = {**MUSCLE, "vessel": vessel, "free": free}
FRAMES = 30
SEEDS = range(6)
each_scene = pytest.mark.parametrize("name", BUILDERS)
PENNATE = ["muscle-unipennate", "muscle-bipennate"]
UNITS = ("_mm", "_deg", "_percent")


def mark_paths(scene):
    """Path ``[frames, points, 2]`` of every group of marks, mm."""
    groups = {}
    for mark in scene.marks:
        groups.setdefault(mark.group, []).append((mark.x, mark.y))
    body = scene.bodies[0].name
    return {group: scene.paths(body, np.array(places)) for group, places in groups.items()}


def measured(scene):
    return scene.measures(scene.paths)


# --- every scene -------------------------------------------------------------------------------


@each_scene
def test_same_seed_same_scene_another_seed_another(name):
    one, two, other = (BUILDERS[name](seed, FRAMES) for seed in (4, 4, 5))
    assert one.marks == two.marks != other.marks
    assert (one.probe, one.look, one.fps, one.facts) == (two.probe, two.look, two.fps, two.facts)
    body = one.bodies[0].name
    places = np.array([[mark.x, mark.y] for mark in one.marks])
    np.testing.assert_array_equal(one.paths(body, places), two.paths(body, places))
    x, y = torch.from_numpy(places.astype(np.float32)).T
    assert torch.equal(one.bodies[0].echo_db(x, y), two.bodies[0].echo_db(x, y))


@each_scene
def test_a_generator_is_as_good_as_its_seed(name):
    assert BUILDERS[name](8, FRAMES).marks == BUILDERS[name](np.random.default_rng(8), FRAMES).marks


@each_scene
def test_global_random_state_is_neither_used_nor_changed(name):
    np.random.seed(3)
    torch.manual_seed(3)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    BUILDERS[name](1, 3)
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])
    assert torch.equal(torch.get_rng_state(), before[1])


@each_scene
@pytest.mark.parametrize("orientation", ["usual", "any"])
def test_marks_have_unique_names_and_measures_one_finite_number_per_frame(name, orientation):
    for seed in SEEDS:
        scene = BUILDERS[name](seed, FRAMES, orientation=orientation)
        names = [mark.name for mark in scene.marks]
        assert len(set(names)) == len(names)
        assert sum(mark.group == "tissue" for mark in scene.marks) >= 12
        for measure, values in measured(scene).items():
            assert measure.endswith(UNITS)
            assert values.shape == (FRAMES,)
            assert np.isfinite(values).all()


@each_scene
def test_tissue_points_start_in_view(name):
    for seed in SEEDS:
        scene = BUILDERS[name](seed, FRAMES, orientation="any")
        x, y = torch.tensor(
            [(m.x, m.y) for m in scene.marks if m.group == "tissue"], dtype=torch.float64
        ).T
        still = replace(scene.pose, sway=lambda _seconds: (0.0, 0.0, 0.0))
        beam, reach = scene.probe.beam_and_range(*still.seen((x, y), 0.0))
        assert (beam > 0).all()
        assert (beam < scene.probe.beams - 1).all()
        assert (reach > 0).all()
        assert (reach < scene.probe.depth_mm).all()


@each_scene
@pytest.mark.parametrize("orientation", ["usual", "any"])
def test_the_view_is_full_of_tissue_at_all_times(name, orientation):
    """No part of the view is empty, and all tissue that comes there is bright or dark."""
    for seed in (0, 1):
        check_filled(BUILDERS[name](seed, FRAMES, orientation=orientation))


def check_filled(scene):
    probe, margin = scene.probe, scene.margin_mm
    half = 0.5 * probe.width if not probe.fan else 0.8 * probe.depth_mm
    across = torch.arange(-half - margin, half + margin, 1.0)
    down = torch.arange(-margin, probe.depth_mm + margin, 1.0)
    y, x = (v.ravel() for v in torch.meshgrid(down, across, indexing="ij"))
    x, y = scene.pose.anatomy((x, y))
    body = scene.bodies[0]
    level, path = body.echo_db(x, y), body.motion.bind(x, y)
    assert level.dtype == torch.float32
    for frame in range(0, FRAMES, 5):
        seconds = frame / scene.fps
        beam, reach = probe.beam_and_range(*scene.pose.seen(path(seconds), seconds))
        inside = (beam >= 0) & (beam <= probe.beams - 1) & (reach > 0) & (reach < probe.depth_mm)
        cells = torch.stack(
            [12.0 * beam[inside] / probe.beams, 12.0 * reach[inside] / probe.depth_mm]
        )
        assert len(torch.unique(cells[:, cells[1] > 2].long(), dim=1).T) == 120
        assert level[inside].min() > NOTHING_DB
        assert level[inside].max() < 12.0


@each_scene
def test_lifetimes_are_those_of_tissue_and_blood(name):
    scene = BUILDERS[name](6, FRAMES)
    x, y = torch.rand(2, 500, generator=torch.Generator().manual_seed(0)) * 40.0
    lifetime_s = scene.bodies[0].lifetime_s(x - 20.0, y)
    assert lifetime_s.max() <= 5.0
    assert lifetime_s.min() >= (0.005 if name == "vessel" else 0.3)


def test_views_are_mirrored_about_half_of_the_time_and_turned_only_when_asked():
    usual = [BUILDERS["muscle-unipennate"](seed, 3).pose for seed in range(60)]
    assert 15 < sum(pose.mirrored for pose in usual) < 45
    assert {pose.turn_deg for pose in usual} == {0.0}
    turned = [BUILDERS["muscle-unipennate"](s, 3, orientation="any").pose for s in range(60)]
    quarter, _ = np.histogram([pose.turn_deg for pose in turned], bins=4, range=(0, 360))
    assert quarter.min() >= 5


# --- pennate muscle ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", PENNATE)
def test_rest_anatomy_and_contraction_are_physiological(name):
    for seed in range(60):
        facts = BUILDERS[name](seed, 3).facts
        assert 7.5 < facts["rest_angle_deg"] < 30.5
        assert 20.0 < facts["rest_length_mm"] < 110.0
        assert 0.0 <= facts["shortening_percent"] <= 40.0
        assert 0.0 < facts["slide_mm"] <= 30.0


@pytest.mark.parametrize("name", PENNATE)
def test_lengths_and_angles_stay_physiological(name):
    for seed in range(12):
        for measure, values in measured(BUILDERS[name](seed, FRAMES)).items():
            if measure.endswith("fascicle_length_mm"):
                assert values.min() > 12.0
                assert values.max() < 135.0
                assert values.max() / values.min() < 1.9
            elif measure.endswith("pennation_deg"):
                assert values.min() > 3.0
                assert values.max() < 58.0
            elif measure.endswith("thickness_mm"):
                assert values.min() > 6.0
                assert values.max() < 32.0
            else:
                assert np.abs(values).max() < 30.0


def test_measures_follow_from_the_paths_of_the_marks():
    for seed in SEEDS:
        scene = BUILDERS["muscle-unipennate"](seed, FRAMES)
        paths, truth = mark_paths(scene), measured(scene)
        fascicles = [paths[group] for group in paths if group.startswith("fascicle")]
        assert len(fascicles) >= 3
        length = np.mean([path_length(path) for path in fascicles], axis=0)
        np.testing.assert_allclose(length, truth["fascicle_length_mm"], rtol=1e-3)
        top, bottom = fit_line(paths["superficial"]), fit_line(paths["deep"])
        angle = np.mean(
            [
                pennation(
                    line_through(path[:, 0], path[:, -1]), superficial=top, deep=bottom
                ).between_deep_deg
                for path in fascicles
            ],
            axis=0,
        )
        np.testing.assert_allclose(angle, truth["pennation_deg"], atol=1e-6)


def test_fascicles_end_on_the_aponeuroses():
    for seed in SEEDS:
        scene = BUILDERS["muscle-unipennate"](seed, FRAMES)
        layers = scene.bodies[0].motion
        for group in ("fascicle-1", "fascicle-4"):
            x, y = torch.tensor(
                [(m.x, m.y) for m in scene.marks if m.group == group], dtype=torch.float64
            ).T
            _, across = layers.ideal(x, y)
            deep = [m for m in scene.marks if m.group == "deep"]
            _, depth = layers.ideal(
                *(torch.tensor([v], dtype=torch.float64) for v in (deep[0].x, deep[0].y))
            )
            assert float(across[0]) == pytest.approx(0.0, abs=1e-9)
            assert float(across[-1]) == pytest.approx(float(depth[0]), abs=1e-9)


def contracted(scene, strength):
    """Measures of a scene that keeps one strength of contraction."""
    (body,) = scene.bodies
    drive = body.motion.at
    held = replace(body.motion, at=lambda _seconds: drive.state(strength, 0.0))
    still = replace(scene, bodies=(replace(body, motion=held),), frame_count=1)
    return {name: float(values[0]) for name, values in measured(still).items()}


def test_fascicles_shorten_as_much_as_the_facts_say_and_pennation_rises():
    for seed in range(25):
        scene = BUILDERS["muscle-unipennate"](seed, 3)
        rest, half, full = (contracted(scene, strength) for strength in (0.0, 0.5, 1.0))
        lengths = [state["fascicle_length_mm"] for state in (rest, half, full)]
        angles = [state["pennation_deg"] for state in (rest, half, full)]
        shortening = 100.0 * (1.0 - lengths[2] / lengths[0])
        assert shortening == pytest.approx(scene.facts["shortening_percent"], abs=6.0)
        assert lengths[0] > lengths[1] > lengths[2]
        if shortening > 12.0:
            assert angles[0] < angles[1] < angles[2], seed


def levels(scene, groups, down=0.0):
    """Brightness some mm below the marks of some groups, where there is any."""
    places = torch.tensor([(m.x, m.y + down) for m in scene.marks if m.group in groups])
    found = scene.bodies[0].echo_db(*places.T)
    return found[found > NOTHING_DB]


def test_aponeuroses_are_bright_and_muscle_is_dark():
    for seed in SEEDS:
        scene = BUILDERS["muscle-unipennate"](seed, FRAMES)
        sheets = levels(scene, ["superficial"], -0.4), levels(scene, ["deep"], 0.3)
        assert torch.cat(sheets).median() > -6.0
        flesh = levels(scene, [f"fascicle-{i}" for i in range(1, 5)])
        assert -34.0 < flesh.median() < -12.0


def test_straight_fascicles_stay_straight_when_layers_slide_evenly():
    rest = Shape(lift=(6.0, 0.05, 0.0), slides=(0.0,))
    layers = Layers(
        rest=rest,
        at=lambda t: replace(rest, slides=(t,), stretch=0.1 * t),
        slides=(Profile(((-20.0, 5.0), (40.0, -25.0))),),
    )
    places = placed(layers, Belly(0.0, 18.0, 45.0).points(-20.0, np.linspace(0, 1, 9)))
    path = layers.bind(*torch.from_numpy(places.T.copy()))
    before, after = (torch.stack(path(t), dim=1).numpy() for t in (0.0, 1.0))
    assert np.hypot(*(after - before).T).max() > 4.0
    for line in (before, after):
        chord = (line[-1] - line[0]) / np.hypot(*(line[-1] - line[0]))
        off = (line - line[0]) @ np.array([-chord[1], chord[0]])
        assert np.abs(off).max() < 1e-4


# --- junction ----------------------------------------------------------------------------------


def test_the_junction_travels_as_far_as_the_facts_say_and_stays_in_view():
    for seed in SEEDS:
        scene = BUILDERS["muscle-junction"](seed, 120, manner="cycles")
        assert 5.0 <= abs(scene.facts["travel_mm"]) <= 20.0
        truth = measured(scene)
        path = mark_paths(scene)["junction"][:, 0]
        np.testing.assert_allclose(truth["junction_x_mm"], path[:, 0])
        travelled = np.ptp(truth["junction_displacement_mm"])
        assert 0.5 * abs(scene.facts["travel_mm"]) < travelled < 26.0
        assert np.abs(path[:, 0]).max() < 0.5 * scene.probe.width
        assert np.abs(truth["tendon_strain_percent"]).max() < 12.0


# --- two muscles -------------------------------------------------------------------------------


def test_one_muscle_lengthens_while_the_other_shortens():
    for seed in SEEDS:
        scene = BUILDERS["two-muscles"](seed, 90, manner="cycles")
        truth = measured(scene)
        first, second = truth["muscle_1_strain_percent"], truth["muscle_2_strain_percent"]
        assert np.ptp(first) > 3.0
        assert np.ptp(second) > 3.0
        assert np.corrcoef(first, second)[0, 1] < -0.6
        assert scene.facts["upper_percent"] * scene.facts["lower_percent"] < 0
        thirds = [truth[f"muscle_1_{part}_strain_percent"] for part in ("left", "middle", "right")]
        np.testing.assert_allclose(np.mean(thirds, axis=0), first, atol=1e-9)


def test_the_boundary_is_continuous_and_sheared():
    for seed in SEEDS:
        scene = BUILDERS["two-muscles"](seed, 90, manner="cycles")
        places = np.array([(m.x, m.y) for m in scene.marks if m.group == "boundary"])
        step = np.array([0.0, 1e-4])
        above, below = (scene.paths("muscles", places + s * step) for s in (-1, 1))
        assert np.hypot(*np.moveaxis(below - above, -1, 0)).max() < 4e-3
        assert np.ptp(measured(scene)["boundary_slip_mm"]) > 0.2


# --- vessel ------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", ["along", "across"])
def test_the_diameter_pulsates_and_the_wall_thins_as_it_grows(cut):
    for seed in SEEDS:
        scene = BUILDERS["vessel"](seed, 120, cut=cut)
        truth = measured(scene)
        diameter, wall = truth["diameter_mm"], truth["wall_thickness_mm"]
        rest = 2.0 * scene.facts["radius_mm"]
        assert diameter.min() >= rest - 0.01
        assert 0.015 < np.ptp(diameter) / rest < 0.2
        assert 0.4 < wall.min() <= wall.max() < 1.05
        assert np.corrcoef(diameter, wall)[0, 1] < -0.95


def test_no_tissue_point_floats_in_blood():
    for seed in SEEDS:
        scene = BUILDERS["vessel"](seed, 3)
        x, y = torch.tensor([(m.x, m.y) for m in scene.marks if m.group == "tissue"]).T
        _, far = scene.bodies[0].motion.offset(x, y)
        assert far.min() > scene.facts["radius_mm"]


# --- courses -----------------------------------------------------------------------------------


def test_a_push_rises_holds_and_falls():
    course = Push(onset_s=1.0, rise_s=0.2, hold_s=0.5, fall_s=0.4)
    assert [course(t) for t in (0.0, 1.0, 1.2, 1.6, 2.1, 9.0)] == pytest.approx([0, 0, 1, 1, 0, 0])
    assert course(1.1) == pytest.approx(0.5)


def test_cycles_repeat_and_reach_rest_and_full_strength():
    course = Cycles(period_s=0.8, phase=0.3, sharpness=1.5)
    seconds = np.linspace(0.0, 0.8, 400)
    values = np.array([course(t) for t in seconds])
    assert values.min() == pytest.approx(0.0, abs=1e-3)
    assert values.max() == pytest.approx(1.0, abs=1e-3)
    assert course(0.11) == pytest.approx(course(0.91))


def test_fast_pushes_take_tenths_of_a_second_and_slow_ones_seconds():
    random = np.random.default_rng(0)
    fast = [push(random, 1.0, fast=True).rise_s for _ in range(50)]
    slow = [push(random, 1.0, fast=False).rise_s for _ in range(50)]
    assert min(fast) >= 0.1
    assert max(fast) <= 0.3
    assert min(slow) >= 0.5
    assert max(slow) <= 2.0


def test_efforts_stay_between_rest_and_full_strength():
    random = np.random.default_rng(1)
    for _ in range(100):
        course = effort(random, 1.5)
        values = [course(t) for t in np.linspace(0, 1.5, 60)]
        assert min(values) > -0.15
        assert max(values) < 1.2


def test_clips_start_in_every_phase():
    random = np.random.default_rng(2)
    starts = np.array([effort(random, 1.5)(0.0) for _ in range(300)])
    assert (starts < 0.1).mean() > 0.2
    assert (starts > 0.7).mean() > 0.08
    assert ((starts > 0.1) & (starts < 0.7)).mean() > 0.1
