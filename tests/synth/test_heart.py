"""Laws of the heart scenes: truth that can be known without drawing a picture."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from napari_usstrack.core.geometry import cross, polygon_area
from napari_usstrack.synth.heart.exam import beam_origin, drawn_pose
from napari_usstrack.synth.heart.scenes import BUILDERS
from napari_usstrack.synth.scene import Pose
from napari_usstrack.synth.tissue import tissue_marks, tissue_places

APICAL = ("heart-a4c", "heart-a2c", "heart-a3c", "heart-rv")
FPS, FRAMES = 50.0, 70
each_scene = pytest.mark.parametrize("name", BUILDERS)


@cache
def scene(name, seed=1, *, healthy=True, **fixed):
    """A healthy heart with equal beats, unless told otherwise."""
    usual = {"disordered": 0, "equal_beats": True} if healthy else {}
    return BUILDERS[name](seed, FRAMES, fps=FPS, **usual | fixed)


@cache
def measures(name, seed=1, **fixed):
    it = scene(name, seed, **fixed)
    return it.measures(it.paths)


def grid(motion, step=1.0):
    """Places over the heart, rows x columns."""
    lattice = motion.lattice
    wide, tall = ((n - 1) * lattice.step for n in (lattice.columns, lattice.rows))
    return torch.meshgrid(
        torch.arange(lattice.y0, lattice.y0 + tall, step, dtype=torch.float64),
        torch.arange(lattice.x0, lattice.x0 + wide, step, dtype=torch.float64),
        indexing="ij",
    )[::-1]


def events(it, kind):
    return [v for k, v in it.facts.items() if k.startswith(f"{kind}_") and k.endswith("_s")]


def group(it, name):
    return np.array([(m.x, m.y) for m in it.marks if m.group == name])


def still(it):
    """The scene before a probe that does not move and is not turned."""
    return type(it)(**{**vars(it), "pose": Pose()})


# --- the map ---------------------------------------------------------------------------------


@each_scene
def test_end_diastole_is_the_reference_state(name):
    it = scene(name)
    x, y = (axis.reshape(-1) for axis in grid(it.body("heart").motion, 5.0))
    times = events(it, "ed")
    assert times
    for body in it.bodies:
        path = body.motion.bind(x, y)
        for seconds in times:
            there = path(seconds)
            assert float(torch.hypot(there[0] - x, there[1] - y).max()) < 1e-6, body.name


@each_scene
@pytest.mark.parametrize("seed", [2, 3])
def test_the_motion_is_continuous_and_folds_nowhere(name, seed):
    it = scene(name, seed, healthy=False)
    motion = it.body("heart").motion
    x, y = grid(motion)
    path = motion.bind(x.reshape(-1), y.reshape(-1))
    for seconds in np.linspace(0.0, FRAMES / FPS, 7):
        moved = torch.stack([axis.reshape(x.shape) for axis in path(float(seconds))])
        across = moved[:, :-1, 1:] - moved[:, :-1, :-1]
        along = moved[:, 1:, :-1] - moved[:, :-1, :-1]
        area = across[0] * along[1] - across[1] * along[0]
        assert float(area.min()) > 0.0
        assert float(area.max()) < 6.0
        assert max(float(across.abs().max()), float(along.abs().max())) < 6.0


@each_scene
def test_the_motion_is_continuous_in_time(name):
    it = scene(name)
    x, y = (axis.reshape(-1) for axis in grid(it.body("heart").motion, 6.0))
    path = it.body("heart").motion.bind(x, y)
    steps = np.stack([torch.stack(path(float(t))) for t in np.arange(0.0, 1.2, 0.004)])
    speeds = np.hypot(*np.diff(steps, axis=0).transpose(1, 0, 2)) / 0.004
    assert speeds.max() < 400.0
    assert np.abs(np.diff(speeds, axis=0)).max() < 80.0


@each_scene
def test_equal_beats_repeat(name):
    it = scene(name)
    first, second = events(it, "ed")[:2]
    path = it.body("heart").motion.bind(*torch.tensor(group(it, "endocardium")).T)
    for share in (0.2, 0.4, 0.8):
        one, other = (
            path(first + share * (second - first)),
            path(first - (1 - share) * (second - first)),
        )
        assert torch.allclose(torch.stack(one), torch.stack(other), atol=1e-6)


@each_scene
def test_surroundings_keep_their_place(name):
    it = scene(name)
    motion = it.body("heart").motion
    lattice = motion.lattice
    corner = torch.tensor([lattice.x0 - 5.0], dtype=torch.float64)
    path = motion.bind(corner, torch.tensor([lattice.y0 + 40.0], dtype=torch.float64))
    assert float(path(0.3)[0]) == float(corner)


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_places_come_in_the_precision_asked_for(precision):
    it = scene("heart-a4c")
    x, y = (torch.tensor(values, dtype=precision) for values in ([10.0, -3.0], [40.0, 20.0]))
    for body in it.bodies:
        assert all(axis.dtype == precision for axis in body.motion.bind(x, y)(0.21))
        assert body.echo_db(x, y).dtype == precision


@each_scene
def test_everything_follows_the_device_of_the_places(name):
    """On the device without data, mixing it with another one is an error."""
    it = scene(name)
    place = torch.empty(2, 7, device="meta")
    for body in it.bodies:
        moved = body.motion.bind(*place)(0.3)
        fields = [body.echo_db(*place), body.lifetime_s(*place)]
        fields += [body.through_mm(*place)] if body.through_mm else []
        assert all(tensor.device.type == "meta" for tensor in (*moved, *fields))


# --- what the heart does ---------------------------------------------------------------------


@pytest.mark.parametrize("name", APICAL)
def test_a_healthy_ventricle_shortens_thickens_and_ejects(name):
    found = measures(name)
    assert -27.0 < found["gls_percent"].min() < -7.0
    assert found["gls_endo_percent"].min() < found["gls_percent"].min()
    assert found["gls_percent"].min() < found["gls_epi_percent"].min()
    assert found["gls_percent"].max() < 0.5
    for key, thick in found.items():
        if key.startswith("thickness"):
            assert 1.1 < thick.max() / thick.min() < 1.8, key
    area = found["lv_area_mm2"]
    assert 0.15 < 1.0 - area.min() / area.max() < 0.6


@pytest.mark.parametrize("name", APICAL)
def test_the_base_moves_and_the_apex_hardly(name):
    it = still(scene(name))
    middle = group(it, "mid-wall")
    moved = np.ptp(it.paths("heart", middle), axis=0)
    travel = np.hypot(*moved.T)
    apex = int(middle[:, 1].argmin())
    assert travel[apex] < 3.0
    assert 5.0 < travel[[0, -1]].mean() < 25.0
    assert travel[apex] < 0.4 * travel[[0, -1]].min()


@pytest.mark.parametrize("name", APICAL)
def test_an_apical_wall_keeps_its_volume(name):
    """Volume swept by the wall around the long axis, within 12 percent."""
    it = still(scene(name))
    inside, outside = (it.paths("heart", group(it, g)) for g in ("endocardium", "epicardium"))
    apex = 10
    volumes = []
    for half in (slice(0, apex + 1), slice(apex, None)):
        ring = np.concatenate([inside[:, half], outside[:, half][:, ::-1]], axis=1)
        base = 0.5 * (inside[:, 0] + inside[:, -1])
        axis = outside[:, apex] - base
        axis /= np.hypot(*axis.T)[:, None]
        apart = ring - base[:, None]
        u, v = cross(axis[:, None], apart), (apart * axis[:, None]).sum(axis=-1)
        next_u, next_v = np.roll(u, -1, axis=1), np.roll(v, -1, axis=1)
        volumes.append(np.abs(((u + next_u) * (u * next_v - next_u * v)).sum(axis=1) / 6.0))
    volume = volumes[0] + volumes[1]
    assert np.abs(volume / volume.max() - 1.0).max() < 0.12


def test_a_ring_keeps_its_volume():
    """Area times length through the plane, within 4 percent."""
    it = still(scene("heart-sax"))
    area = [polygon_area(it.paths("heart", group(it, g))) for g in ("epicardium", "endocardium")]
    wall = area[0] - area[1]
    through = 1.0 + it.facts["lengthwise_percent"] / 100.0 * np.array(
        [it.through(frame / FPS) for frame in range(FRAMES)]
    )
    volume = wall * through
    assert np.abs(volume / volume.max() - 1.0).max() < 0.04


def test_the_ring_shortens_thickens_and_twists():
    found = measures("heart-sax")
    assert found["circumferential_endo_percent"].min() < found["circumferential_percent"].min() < -7
    assert 15.0 < found["radial_percent"].max() < 75.0
    assert 1.0 < np.abs(found["twist_deg"]).max() < 12.0


@pytest.mark.parametrize("name", ["heart-a4c", "heart-a2c", "heart-a3c", "heart-sax"])
@pytest.mark.parametrize("seed", [1, 2])
def test_ill_segments_shorten_less(name, seed):
    it = scene(name, seed, disordered=2)
    found = measures(name, seed, disordered=2)
    strains = [v for k, v in found.items() if k.startswith("strain_")]
    ill = [int(k.split("_")[2]) for k in it.facts if k.startswith("ill_segment")]
    at_es = [round(v) for k, v in it.facts.items() if k.startswith("es_") and k.endswith("_frame")]
    worst = [strains[i][at_es[0]] for i in ill]
    others = [strains[i][at_es[0]] for i in range(6) if i not in ill]
    assert min(worst) > np.mean(others) * 0.75
    assert np.mean(worst) > np.mean(others) * 0.6


def test_the_free_wall_of_the_right_ventricle_and_its_ring():
    found = measures("heart-rv")
    assert -36.0 < found["rv_free_wall_percent"].min() < -8.0
    assert 5.0 < found["tapse_mm"].max() < 32.0


def test_events_are_where_the_curves_turn():
    it = scene("heart-a4c")
    gls = measures("heart-a4c")["gls_percent"]
    for key, frame in it.facts.items():
        if key.startswith("ed_") and key.endswith("_frame"):
            assert abs(gls[int(frame)]) < 1.0
        if key.startswith("es_") and key.endswith("_frame") and 3 < frame < FRAMES - 4:
            near = gls[int(frame) - 3 : int(frame) + 4]
            assert near.min() - 0.3 <= gls[int(frame)] <= near.min() + 0.3


@pytest.mark.parametrize("name", APICAL)
def test_leaflets_hang_on_the_ring_and_open(name):
    it = scene(name)
    for leaf in it.bodies[1:]:
        hinged = leaf.motion
        hinge = torch.tensor([hinged.leaflet.hinge], dtype=torch.float64).T
        tip = torch.tensor([hinged.leaflet.tip], dtype=torch.float64).T
        root, ring = leaf.motion.bind(*hinge), it.body("heart").motion.bind(*hinge)
        end = leaf.motion.bind(*tip)
        lengths, turns = [], []
        for seconds in np.linspace(0.0, 1.3, 60):
            at = torch.stack(root(float(seconds)))
            assert torch.allclose(at, torch.stack(ring(float(seconds))), atol=1e-9)
            reach = (torch.stack(end(float(seconds))) - at)[:, 0]
            lengths.append(float(torch.hypot(*reach)))
            turns.append(float(torch.atan2(reach[1], reach[0])))
        assert np.ptp(lengths) < 1e-6
        assert np.ptp(np.unwrap(turns)) > np.radians(25.0)


# --- drawing and posing ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["heart-a3c", "heart-sax"])
def test_a_seed_fixes_the_scene(name):
    one, same, other = (BUILDERS[name](seed, 20) for seed in (5, 5, 6))
    x, y = torch.tensor([[5.0, -10.0], [30.0, 50.0]], dtype=torch.float64)
    assert one.facts == same.facts
    assert one.marks == same.marks
    assert one.look == same.look
    assert torch.equal(one.bodies[0].echo_db(x, y), same.bodies[0].echo_db(x, y))
    places = np.stack([x, y], axis=1)
    np.testing.assert_array_equal(one.paths("heart", places), same.paths("heart", places))
    assert one.facts != other.facts


@pytest.mark.parametrize("orientation", ["usual", "any"])
@pytest.mark.parametrize("name", ["heart-a2c", "heart-sax"])
def test_the_pose_has_an_inverse(name, orientation):
    it = scene(name, orientation=orientation)
    place = torch.tensor([[3.0, 40.0, -7.0], [10.0, 80.0, 60.0]], dtype=torch.float64)
    still_pose = Pose(**{**vars(it.pose), "sway": lambda _seconds: (0.0, 0.0, 0.0)})
    back = still_pose.anatomy(still_pose.seen((place[0], place[1]), 0.0))
    assert torch.allclose(torch.stack(back), place, atol=1e-9)
    seen = still_pose.seen(
        tuple(torch.tensor([v], dtype=torch.float64) for v in beam_origin(it.pose, it.probe)), 0.0
    )
    assert float(torch.stack(seen).abs().max()) < 1e-9 + it.probe.radius_mm


def test_no_direction_is_favoured_when_any_orientation_goes():
    it = still(scene("heart-a4c"))
    mid = group(it, "mid-wall")
    moved = it.paths("heart", mid)
    es = round(next(v for k, v in it.facts.items() if k.startswith("es_") and "frame" in k))
    step = moved[es] - mid
    random = np.random.default_rng(0)
    means = []
    for _ in range(400):
        pose = drawn_pose(random, _anatomy(), it.probe, anyhow=True)
        turned = Pose(pose.turn_deg, pose.mirrored)
        means.append(turned.seen((torch.tensor(step[:, 0]), torch.tensor(step[:, 1])), 0.0))
    mean = np.array([[float(axis.mean()) for axis in place] for place in means])
    size = np.hypot(*mean.T).mean()
    assert size > 2.0
    assert np.hypot(*mean.mean(axis=0)) < 0.15 * size


def _anatomy():
    from napari_usstrack.synth.heart.apical import two_chambers
    from napari_usstrack.synth.heart.function import Function

    return two_chambers(np.random.default_rng(0), Function(-0.2))


@each_scene
def test_contours_are_ordered_and_in_the_wall(name):
    it = scene(name)
    names = [mark.name for mark in it.marks]
    assert len(set(names)) == len(names)
    for contour in ("endocardium", "mid-wall", "epicardium"):
        places = group(it, contour)
        steps = np.hypot(*np.diff(places, axis=0).T)
        assert steps.max() < 2.2 * steps.min()
    lifetime = it.body("heart").lifetime_s(*torch.tensor(group(it, "mid-wall")).T)
    assert float(lifetime.min()) >= 0.1


@each_scene
def test_tissue_points_are_tissue_in_view(name):
    it = scene(name)
    places = tissue_places(it, "heart", 60, np.random.default_rng(1))
    x, y = torch.tensor(places).T
    assert places.shape == (60, 2)
    assert float(it.body("heart").echo_db(x, y).min()) > -30.0
    assert float(it.body("heart").lifetime_s(x, y).min()) > 0.05
    marks = tissue_marks(it, "heart", 60, np.random.default_rng(1))
    assert [(m.x, m.y) for m in marks] == [tuple(place) for place in places]


@each_scene
def test_blood_is_darker_and_livelier_than_the_wall(name):
    it = scene(name)
    heart = it.body("heart")
    middle = group(it, "mid-wall")
    centre = group(it, "endocardium").mean(axis=0, keepdims=True)
    wall, blood = (torch.tensor(places).T for places in (middle, centre))
    assert float(heart.echo_db(*blood)) < float(heart.echo_db(*wall).mean()) - 12.0
    assert float(heart.lifetime_s(*blood)) < 0.1 * float(heart.lifetime_s(*wall).mean())
