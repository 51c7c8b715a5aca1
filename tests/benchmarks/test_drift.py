"""What the benchmark of drift and the kept clips compute."""

import numpy as np
import pytest
from benchmarks.drift import BEATS, CYCLES, KINDS, count, ends
from benchmarks.kept import Recipe, case_of, kept


def test_the_first_cycle_follows_the_query_and_the_last_ends_the_clip():
    off = np.zeros((11, 2))
    off[1:5], off[5:7], off[7:] = 1.0, 100.0, 3.0
    found = ends(off, np.ones(off.shape, dtype=bool), cycle=4)
    assert (found.first, found.last, found.ratio, found.points) == (1.0, 3.0, 3.0, 2)


def test_points_that_one_of_the_cycles_misses_count_in_neither():
    off = np.ones((9, 3))
    off[:, 1] = 50.0
    off[:, 2] = np.nan
    scored = np.ones(off.shape, dtype=bool)
    scored[-4:, 1] = False
    found = ends(off, scored, cycle=4)
    assert (found.first, found.last, found.points) == (1.0, 1.0, 1)


def test_a_point_counts_once_however_many_of_its_cells_are_scored():
    off = np.ones((9, 2))
    off[:, 1] = 3.0
    scored = np.ones(off.shape, dtype=bool)
    scored[2:5, 1] = False
    assert ends(off, scored, cycle=4).first == pytest.approx(2.0)


def test_a_clip_of_whole_cycles_has_the_query_frame_beside():
    assert count(20, 0.85, 30.0) == 511


@pytest.mark.parametrize(("kind", "cycles"), [("muscle", CYCLES), ("heart", BEATS)])
def test_clips_hold_the_cycles_they_promise(kind, cycles):
    scene, cycle_s = KINDS[kind](9103)
    held = (scene.frame_count - 1) / scene.fps / cycle_s
    assert held == pytest.approx(cycles, rel=0.05)


def test_the_fast_clip_contracts_five_times_or_more():
    scene, cycle_s = KINDS["fast"](9103)
    assert (scene.frame_count, scene.fps) == (1500, 300.0)
    assert cycle_s <= 1.0


def test_a_kept_clip_is_made_once_and_read_back(tmp_path):
    recipe = Recipe("vessel", 1, frames=3, size_px=64, points=5)
    made = []
    make = lambda: made.append(recipe.made()) or made[0]
    paths = {kept(tmp_path, recipe.name, make) for _ in range(2)}
    assert len(made) == 1
    case = case_of(paths.pop())
    assert case.true_xy.shape == (3, 5, 2)
    assert case.video.frames(range(3)).dtype == np.uint8
    np.testing.assert_allclose(case.true_xy, made[0].tracks.xy, atol=1e-4)
