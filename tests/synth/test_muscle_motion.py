"""Laws that the motion of every muscle, vessel and free scene obeys."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_usstrack.synth.free import free
from napari_usstrack.synth.muscle.layers import Layers, Profile, Shape, Switch
from napari_usstrack.synth.muscle.scenes import BUILDERS as MUSCLE
from napari_usstrack.synth.vessel import vessel

BUILDERS = {**MUSCLE, "vessel": vessel, "free": free}
FRAMES = 24
SEEDS = (0, 1, 2, 3, 4)
each_scene = pytest.mark.parametrize("name", BUILDERS)


def view_grid(scene, step_mm=1.7, margin_mm=6.0):
    """Material places (rows, columns) over the view and some mm around it."""
    probe = scene.probe
    half = 0.5 * probe.width if not probe.fan else 0.7 * probe.depth_mm
    x = torch.arange(-half - margin_mm, half + margin_mm, step_mm, dtype=torch.float64)
    y = torch.arange(-margin_mm, probe.depth_mm + margin_mm, step_mm, dtype=torch.float64)
    down, across = torch.meshgrid(y, x, indexing="ij")
    return scene.pose.anatomy((across, down))


def area_ratio(path, x, y, seconds, step=1e-4):
    """Determinant of the motion's gradient at material places, by central differences."""
    shape = x.shape
    x, y = x.ravel(), y.ravel()
    at = lambda dx, dy: path(x + dx, y + dy)(seconds)
    right, left, low, high = at(step, 0), at(-step, 0), at(0, step), at(0, -step)
    xx, yx = ((a - b) / (2 * step) for a, b in zip(right, left, strict=True))
    xy, yy = ((a - b) / (2 * step) for a, b in zip(low, high, strict=True))
    return (xx * yy - xy * yx).reshape(shape)


def times(scene, count=5):
    return np.linspace(0.0, scene.frame_count / scene.fps, count)


@each_scene
@pytest.mark.parametrize("orientation", ["usual", "any"])
def test_motion_is_one_to_one(name, orientation):
    for seed in SEEDS:
        scene = BUILDERS[name](seed, FRAMES, orientation=orientation)
        (body,) = scene.bodies
        x, y = view_grid(scene)
        for seconds in times(scene):
            ratio = area_ratio(body.motion.bind, x, y, float(seconds))
            assert ratio.min() > 0.02, (seed, seconds)


@each_scene
def test_motion_is_smooth_in_time(name):
    """No point jumps: speeds stay below those of the fastest contractions."""
    for seed in SEEDS:
        scene = BUILDERS[name](seed, FRAMES)
        (body,) = scene.bodies
        x, y = (v.ravel()[::7] for v in view_grid(scene))
        path, step = body.motion.bind(x, y), 1e-3
        scale = 4.0 if name == "free" else 1.0
        for seconds in np.linspace(0.0, scene.frame_count / scene.fps, 40):
            before, after = path(float(seconds)), path(float(seconds) + step)
            speed = torch.hypot(*(b - a for a, b in zip(before, after, strict=True))) / step
            assert speed.max() < 400.0 * scale, (seed, seconds)


@each_scene
def test_something_moves_in_most_clips(name):
    moved = []
    for seed in range(12):
        scene = BUILDERS[name](seed, 60)
        path = scene.paths(scene.bodies[0].name, np.array([[m.x, m.y] for m in scene.marks]))
        moved.append(np.hypot(*np.moveaxis(path - path[0], -1, 0)).max())
    assert np.median(moved) > (0.15 if name == "vessel" else 1.0)
    assert max(moved) < 60.0


@each_scene
def test_points_bound_together_and_alone_take_the_same_path(name):
    scene = BUILDERS[name](3, FRAMES)
    (body,) = scene.bodies
    x, y = (v.ravel()[::97] for v in view_grid(scene))
    together = body.motion.bind(x, y)(0.21)
    alone = [body.motion.bind(x[i : i + 1], y[i : i + 1])(0.21) for i in range(len(x))]
    for axis in (0, 1):
        torch.testing.assert_close(together[axis], torch.cat([a[axis] for a in alone]))


@each_scene
def test_single_precision_agrees_to_a_micrometre(name):
    scene = BUILDERS[name](5, FRAMES)
    (body,) = scene.bodies
    x, y = (v.ravel() for v in view_grid(scene))
    exact, quick = body.motion.bind(x, y)(0.3), body.motion.bind(x.float(), y.float())(0.3)
    for a, b in zip(exact, quick, strict=True):
        assert b.dtype == torch.float32
        torch.testing.assert_close(a, b.double(), atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", ["muscle-unipennate", "muscle-junction", "two-muscles"])
def test_rest_is_the_identity(name):
    for seed in SEEDS:
        scene = BUILDERS[name](seed, FRAMES)
        motion = scene.bodies[0].motion
        rest = replace(motion.rest, slides=(0.0,) * len(motion.slides))
        x, y = (v.ravel() for v in view_grid(scene))
        place = replace(motion, at=lambda _seconds, rest=rest: rest).bind(x, y)(0.7)
        torch.testing.assert_close(place[0], x, atol=1e-9, rtol=0)
        torch.testing.assert_close(place[1], y, atol=1e-9, rtol=0)


LAYERED = ["muscle-unipennate", "muscle-bipennate", "muscle-junction", "two-muscles"]


@pytest.mark.parametrize("name", LAYERED)
def test_area_is_kept_exactly_below_the_superficial_aponeurosis(name):
    for seed in SEEDS:
        scene = BUILDERS[name](seed, FRAMES)
        motion = scene.bodies[0].motion
        x, y = view_grid(scene)
        inside = motion.fat_share(x, y) == 1.0
        assert inside.double().mean() > 0.4
        for seconds in times(scene):
            ratio = area_ratio(motion.bind, x, y, float(seconds))
            torch.testing.assert_close(
                ratio[inside], torch.ones_like(ratio[inside]), atol=2e-6, rtol=0
            )


@pytest.mark.parametrize("name", LAYERED)
def test_the_skin_stays_with_the_probe(name):
    scene = BUILDERS[name](1, FRAMES)
    x = torch.linspace(-30, 30, 40, dtype=torch.float64)
    for depth in (0.0, -2.0):
        y = torch.full_like(x, depth)
        place = scene.bodies[0].motion.bind(x, y)(0.4)
        torch.testing.assert_close(place[0], x)
        torch.testing.assert_close(place[1], y)


def test_a_vessel_cut_across_keeps_area_in_its_wall():
    for seed in SEEDS:
        scene = BUILDERS["vessel"](seed, FRAMES, cut="across")
        motion = scene.bodies[0].motion
        angle = torch.linspace(0.3, 2.8, 30, dtype=torch.float64)
        far = motion.radius_mm + 0.6
        x, y = far * torch.cos(angle), motion.depth_mm + far * torch.sin(angle)
        for seconds in times(scene):
            ratio = area_ratio(motion.bind, x, y, float(seconds))
            torch.testing.assert_close(ratio, torch.ones_like(ratio), atol=1e-5, rtol=0)


# --- free --------------------------------------------------------------------------------------


def test_free_motion_favours_no_direction():
    """Displacements between random frames, over seeds, have a mean near zero in every direction."""
    shifts = []
    for seed in range(400):
        scene = BUILDERS["free"](seed, 16)
        places = np.array([[mark.x, mark.y] for mark in scene.marks[:12]])
        path = scene.paths("tissue", places) / scene.probe.depth_mm
        shifts.append((path[15] - path[3]).mean(axis=0))
    shifts = np.array(shifts)
    error = shifts.std(axis=0) / np.sqrt(len(shifts))
    assert (np.abs(shifts.mean(axis=0)) < 3.0 * error).all()
    spread = shifts.std(axis=0)
    assert 0.7 < spread[0] / spread[1] < 1.4
    angle = np.arctan2(shifts[:, 1], shifts[:, 0])
    count, _ = np.histogram(angle, bins=8, range=(-np.pi, np.pi))
    assert count.max() < 1.8 * count.min()


def test_free_scenes_use_every_kind_of_probe():
    assert {BUILDERS["free"](seed, 4).probe.kind for seed in range(20)} == {
        "linear",
        "convex",
        "sector",
    }


# --- parts -------------------------------------------------------------------------------------


def test_a_profile_meets_its_knots_and_is_straight_between():
    profile = Profile(((0.0, 3.0), (10.0, -4.0), (11.0, -4.0), (20.0, 1.0)), rounding_mm=0.05)
    depth = torch.tensor([-9.0, 0.0, 5.0, 10.0, 10.5, 15.5, 20.0, 40.0], dtype=torch.float64)
    wanted = torch.tensor([3.0, 3.0, -0.5, -4.0, -4.0, -1.5, 1.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(profile(depth), wanted, atol=0.04, rtol=0)


def test_the_integral_of_a_switch_is_its_integral():
    switch = Switch(12.0, 0.5)
    depth = torch.linspace(-5.0, 30.0, 7001, dtype=torch.float64)
    slope = torch.gradient(switch.integral(depth), spacing=(depth,))[0]
    torch.testing.assert_close(slope[5:-5], switch.share(depth)[5:-5], atol=1e-5, rtol=0)
    assert switch.integral(torch.zeros(1, dtype=torch.float64)) == pytest.approx(0.0)


@pytest.mark.parametrize("bulge", [-0.3, 0.0, 0.3])
def test_ideal_coordinates_and_back(bulge):
    rest = Shape(bulge=bulge, lift=(7.0, 0.08, 1e-3))
    layers = Layers(rest=rest, at=lambda _seconds: rest, wave_per_mm=0.06, wave_phase=1.0)
    x = torch.linspace(-45.0, 45.0, 50, dtype=torch.float64)
    y = torch.linspace(-5.0, 60.0, 50, dtype=torch.float64)
    back = layers.material(*layers.ideal(x, y))
    torch.testing.assert_close(back[0], x, atol=1e-10, rtol=0)
    torch.testing.assert_close(back[1], y, atol=1e-10, rtol=0)


@each_scene
def test_motion_computes_where_its_places_are(name):
    """On any device: the one without storage refuses to meet tensors of another."""
    scene = BUILDERS[name](1, FRAMES)
    x, y = torch.empty(2, 10, device="meta")
    for axis in scene.bodies[0].motion.bind(x, y)(0.2):
        assert axis.device.type == "meta"
        assert axis.dtype == torch.float32
