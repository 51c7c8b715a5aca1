"""Parts the heart scenes are made of."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_usstrack.synth.heart.beats import Beats, Smooth
from napari_usstrack.synth.heart.function import SEGMENTS, Disorder, Function
from napari_usstrack.synth.heart.shapes import Curve, outline_distance, union
from napari_usstrack.synth.heart.walls import Ring, solid_offset
from napari_usstrack.synth.lattice import Lattice, filled


def circle(radius, count=720):
    angle = np.linspace(0.0, 2.0 * np.pi, count, endpoint=False)
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


# --- lattice ---------------------------------------------------------------------------------


def test_a_lattice_keeps_slopes_and_is_smooth():
    lattice = Lattice.over((-4.0, 2.0), (9.0, 20.0), 0.5)
    x, y = lattice.nodes().T
    values = torch.from_numpy(np.stack([3.0 * x - y, np.ones_like(x)], axis=1))
    at = torch.linspace(0.0, 6.0, 50, dtype=torch.float64)
    found = lattice.sample(values, at, at + 6.0)
    assert torch.allclose(found[:, 0], 2.0 * at - 6.0)
    assert torch.allclose(found[:, 1], torch.ones_like(at))


def test_filling_solves_the_equation_it_states():
    """A plate held at its border and in the middle falls off as the balance of forces says."""
    lattice = Lattice(0.0, 0.0, 1.0, 15, 17)
    known = np.zeros((15, 17), dtype=bool)
    known[7, 8] = True
    values = np.where(known, 2.0, 0.0).reshape(-1, 1)
    random = np.random.default_rng(0)
    stiff = random.uniform(1.0, 3.0, (15, 17))
    pull = random.uniform(0.0, 0.1, (15, 17))
    u = filled(
        lattice, values, known.reshape(-1), pull=pull.reshape(-1), stiffness=stiff.reshape(-1)
    ).reshape(15, 17)
    assert u[7, 8] == pytest.approx(2.0)
    assert np.abs(u[0]).max() == 0.0
    i, j = 6, 10
    force = sum(
        0.5 * (stiff[i, j] + stiff[a, b]) * (u[a, b] - u[i, j])
        for a, b in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1))
    )
    assert force == pytest.approx(pull[i, j] * u[i, j])


# --- curves and outlines ---------------------------------------------------------------------


def test_places_are_found_on_a_circle():
    curve = Curve.through(circle(30.0), 240, closed=True)
    assert curve.bend == pytest.approx(np.full(240, 1.0 / 30.0), rel=0.01)
    angle = np.radians([10.0, 100.0, 351.3])
    places = np.stack([34.0 * np.cos(angle), 34.0 * np.sin(angle)], axis=1)
    index, offset, beyond = curve.locate(places)
    assert index == pytest.approx(np.mod(angle / (2.0 * np.pi) * 240, 240), abs=0.02)
    assert offset == pytest.approx(np.full(3, 4.0), abs=0.02)
    assert not beyond.any()


def test_outlines_know_their_inside():
    square = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])
    places = np.array([[2.0, 2.0], [1.0, 2.0], [5.0, 2.0], [7.0, 8.0]])
    found = outline_distance(square, places)
    assert found == pytest.approx([-2.0, -1.0, 1.0, 5.0])
    assert union([found, found + 1.0]) == pytest.approx(found)


# --- walls -----------------------------------------------------------------------------------


def test_a_stretched_layer_keeps_its_volume():
    """A cylinder that shortens along both directions, against the closed form."""
    offset = np.array([-5.0, 5.0])
    bend, flat = np.full(2, 1.0 / 25.0), np.zeros(2)
    around, along = 0.8, 0.85
    moved = solid_offset(offset, (bend, flat), (np.full(2, around), np.full(2, along)))
    before = np.diff((25.0 + offset) ** 2)
    after = np.diff((25.0 * around + moved) ** 2) * along
    assert after == pytest.approx(before, rel=1e-9)
    assert np.diff(moved) > 10.0


@pytest.mark.parametrize("count", [0, 2])
def test_a_ring_shortens_as_it_was_told(count):
    function = Function(-0.2, Disorder("reduced", tuple(range(count))))
    strain = function.along(SEGMENTS * np.arange(240) / 240, closed=True)
    curve = Curve.through(circle(27.0), 240, closed=True)
    ring = Ring(curve, np.full(240, 10.0), strain, -0.15, (0.0, 0.0), (8.0, 4.0))
    index = np.arange(0.0, 240.0)
    line = ring.moved(index, np.zeros(240), {"contraction": 1.0, "twist": 1.0})
    pieces = np.hypot(*(np.roll(line, -1, axis=0) - line).T) / curve.step - 1.0
    halfway = 0.5 * (strain["contraction"] + np.roll(strain["contraction"], -1))
    assert pieces == pytest.approx(halfway, abs=0.004)


def test_a_wall_that_does_not_contract_stays():
    """The ring leans so that the ill side moves much less than the healthy one."""
    function = Function(-0.2, Disorder("reduced", (0, 1, 2)))
    strain = function.along(SEGMENTS * np.arange(240) / 240, closed=True)
    curve = Curve.through(circle(27.0), 240, closed=True)
    ring = Ring(curve, np.full(240, 10.0), strain, -0.15, (0.0, 0.0))
    index = np.array([60.0, 180.0])
    moved = ring.moved(index, np.zeros(2), {"contraction": 1.0}) - curve.points[[60, 180]]
    ill, healthy = np.hypot(*moved.T)
    assert ill < 0.5 * healthy


# --- function and beats ----------------------------------------------------------------------


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("kind", ["reduced", "late", "bulging"])
def test_ill_segments_differ_and_the_rest_is_healthy(closed, kind):
    segment = np.linspace(0.0, 6.0, 600, endpoint=False)
    strain = Function(-0.2, Disorder(kind, (2, 3))).along(segment, closed=closed)
    assert strain["contraction"][50] == pytest.approx(-0.2, abs=0.005)
    assert strain["contraction"][300] > -0.08
    other = strain.get(kind)
    assert (other is None) == (kind == "reduced")
    if kind == "late":
        assert other[300] < -0.05
    if kind == "bulging":
        assert other[300] > 0.03


@pytest.mark.parametrize("seed", range(8))
def test_beats_join_smoothly_and_rest_at_end_diastole(seed):
    beats = Beats.drawn(np.random.default_rng(seed), 3.0)
    assert beats.beats[0].start_s <= 0.0
    for beat in beats.beats[1:]:
        for course in ("contraction", "late", "bulging", "twist"):
            assert abs(beats(course, beat.start_s)) < 1e-12
            before, after = (beats(course, beat.start_s + dt) for dt in (-1e-3, 1e-3))
            assert max(abs(before), abs(after)) < 2e-3
        assert beats("contraction", beat.start_s + beat.systole_s) == pytest.approx(beat.depth)
        assert 0.24 < beat.systole_s < 0.5
    facts = beats.facts(150, 50.0)
    assert 45.0 < facts["heart_rate_bpm"] < 120.0


def test_valves_take_turns():
    beat = Beats.drawn(np.random.default_rng(0), 3.0).beats[0]
    times = np.linspace(beat.start_s, beat.start_s + beat.length_s, 200)
    mitral = np.array([beat("opening", t) for t in times])
    aortic = np.array([beat("outflow", t) for t in times])
    assert mitral.max() > 0.9
    assert aortic.max() > 0.9
    assert np.minimum(mitral, aortic).max() == 0.0


def test_a_smooth_course_does_not_overshoot():
    course = Smooth.through([(0.0, 0.0), (0.1, 0.9), (0.4, 1.0), (1.0, 0.0)])
    values = [course(t) for t in np.linspace(-0.2, 1.2, 300)]
    assert min(values) == 0.0
    assert max(values) == pytest.approx(1.0, abs=1e-3)
