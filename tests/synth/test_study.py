"""Laws of studies: three views of one heart, examined again and again."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from napari_usstrack.core.geometry import distance
from napari_usstrack.synth.heart.marks import HEART
from napari_usstrack.synth.study import ARTERIES, VIEWS, Heart, examined, placed

each_view = pytest.mark.parametrize("name", VIEWS)


@cache
def heart(kind="normal", seed=71):
    return Heart.drawn(seed, kind)


@cache
def view(name, kind="normal", seed=71):
    return heart(kind, seed).view(name)


@cache
def measures(name, kind="normal", seed=71):
    it = view(name, kind, seed)
    return it.measures(it.paths)


def places(marks, group):
    return np.array([(mark.x, mark.y) for mark in marks if mark.group == group])


def test_views_share_time_and_end_where_they_begin():
    scenes = [view(name) for name in VIEWS]
    assert len({(scene.fps, scene.frame_count) for scene in scenes}) == 1
    for name in VIEWS:
        curve = measures(name)["gls_percent"]
        assert abs(curve[[0, -1]]).max() < 0.2
        assert 100.0 * heart().strain == pytest.approx(curve.min(), rel=0.15)


def test_views_share_the_size_of_the_ventricle():
    middles = [places(view(name).marks, "mid-wall") for name in VIEWS]
    lengths = [float(distance(m[10], 0.5 * (m[0] + m[-1]))) for m in middles]
    assert lengths == pytest.approx([heart().size.length_mm] * 3, abs=8.0)


def test_kinds_differ_in_strain():
    means = [
        np.mean([measures(name, kind)["gls_percent"].min() for name in VIEWS])
        for kind in ("normal", "reduced", "regional")
    ]
    assert means[0] < -15.0
    assert means[1] > -15.5
    assert means[0] < means[2]


def test_disease_lies_where_the_artery_goes():
    for seed in (71, 72, 73):
        one = heart("regional", seed)
        for name, ill in zip(VIEWS, ARTERIES[one.artery], strict=True):
            curves = {k: v for k, v in measures(name, "regional", seed).items() if "strain_" in k}
            assert len(curves) == 6
            at = np.abs(measures(name, "regional", seed)["gls_percent"]).argmax()
            here = np.array([curve[at] for curve in curves.values()])
            well = [i for i in range(6) if i not in ill]
            if ill:
                assert here[list(ill)].mean() > here[well].mean() + 3.0, (seed, name)
            else:
                assert here.max() < -5.0, (seed, name)


@each_view
def test_an_examination_changes_what_is_seen_and_not_the_motion(name):
    visits = [examined(heart(), name, visit) for visit in (0, 1)]
    (one, first), (two, second) = visits
    assert first != second
    assert one.pose.turn_deg != two.pose.turn_deg
    assert one.look != two.look
    for scene, _ in visits:
        assert scene.frame_count == view(name).frame_count
        curve = scene.measures(scene.paths)["gls_percent"]
        np.testing.assert_allclose(curve, measures(name)["gls_percent"], atol=1e-9)
        x, y = (torch.from_numpy(scene.paths(HEART, _marks(scene))[..., i].copy()) for i in (0, 1))
        beam, deep = scene.probe.beam_and_range(x, y)
        assert bool(((beam > 0) & (beam < scene.probe.beams - 1)).all())
        assert bool(((deep > 0) & (deep < scene.probe.depth_mm)).all())


def _marks(scene):
    return np.array([(mark.x, mark.y) for mark in scene.marks])


def test_the_same_examination_is_the_same_again():
    (one, first), (two, second) = (examined(heart(), VIEWS[0], 1) for _ in range(2))
    assert first == second
    assert one.marks == two.marks
    np.testing.assert_array_equal(one.paths(HEART, _marks(one)), two.paths(HEART, _marks(two)))


@each_view
def test_contours_without_error_are_the_layers_and_with_error_stay_on_the_wall(name):
    marks = view(name).marks
    exact = placed(marks, np.random.default_rng(0), 0.0)
    for group in ("mid-wall", "endocardium"):
        off = distance(places(exact, group), places(marks, group))
        assert off.max() < 0.1, group
    away = np.array(
        [
            places(placed(marks, np.random.default_rng(seed), 1.0), "mid-wall")
            - places(exact, "mid-wall")
            for seed in range(200)
        ]
    )
    assert np.sqrt((away[:, 5:-5] ** 2).sum(axis=-1).mean()) == pytest.approx(2**0.5, rel=0.15)
    share = np.linspace(0.0, 20.0, 401)
    inside, outside = (
        np.stack([np.interp(share, np.arange(21), axis) for axis in places(marks, group).T], axis=1)
        for group in ("endocardium", "epicardium")
    )
    thick = distance(inside, outside).max()
    far = places(placed(marks, np.random.default_rng(1), 4.0), "mid-wall")
    apart = [distance(far[:, None], line).min(axis=1) for line in (inside, outside)]
    assert distance(far, places(marks, "mid-wall")).max() > 4.0
    assert np.sum(apart, axis=0).max() < thick + 1.0
