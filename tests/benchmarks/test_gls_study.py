"""Strain of studies is right where the answer can be worked out."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import gls
from napari_usstrack.core.tracks import Source
from napari_usstrack.synth.clip import Clip
from napari_usstrack.synth.render import Renderer
from napari_usstrack.synth.study import VIEWS, examined

LARGER = 1.02
ROWS_PER_STUDY = len(gls.LAYERS) * gls.VISITS * (len(VIEWS) + 1)


def unseen(number: int, visit: int, name: str) -> Clip:
    """A view with its truth and noise in place of tissue, which is made at once."""
    scene, seed = examined(gls.heart(number), name, visit)
    truth = Renderer(scene, seed=seed, size=(64, 64), scatterers=()).truth()
    noise = np.random.default_rng(seed).integers(0, 256, (*truth.shape[:1], 64, 64), np.uint8)
    return Clip(scene.name, noise, truth)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("studies")
    gls.study(path, 0, unseen)
    return path


@pytest.fixture(scope="module")
def study(folder):
    return gls.study(folder, 0)


def scaled(view: gls.View) -> np.ndarray:
    """True paths, from the second frame on larger about the corner of the picture."""
    return np.concatenate([view.truth.xy[:1], LARGER * view.truth.xy[1:]])


def test_a_study_has_two_examinations_of_three_views(study):
    assert [len(views) for views in study.visits] == [3, 3]
    for view in (view for views in study.visits for view in views):
        groups = [point.group for point in view.truth.points]
        assert groups == [layer for layer in gls.LAYERS for _ in range(21)]
        assert (view.truth.source == Source.MANUAL).all()
        assert len(view.queries()) == 42
        assert set(view.queries().kind) == {"contour"}


def test_true_paths_have_no_error(study):
    found = gls.measured(study, gls.true_paths)
    for layer in gls.LAYERS:
        for name, figure in gls.figures([found, found], layer).items():
            if name not in ("MDC", "s"):
                assert figure.value == pytest.approx(0.0, abs=1e-9), (layer, name)


def test_the_truth_is_that_of_the_scene():
    for name in VIEWS:
        scene, _ = examined(gls.heart(0), name, 0, off_mm=0.0)
        groups = np.array([mark.group for mark in scene.marks])
        paths = scene.paths("heart", np.array([(mark.x, mark.y) for mark in scene.marks]))
        known = scene.measures(scene.paths)
        # The scene's own lines have four times as many points, which tell folds of the inside.
        near = {"mid-wall": ("gls_percent", 0.02), "endocardium": ("gls_endo_percent", 1.0)}
        for layer, (measure, bound) in near.items():
            line = paths[:, groups == layer]
            found = gls.strain(line, line[0])
            np.testing.assert_allclose(found.line, known[measure], atol=bound)
            if layer == "mid-wall":
                parts = [value for key, value in known.items() if key.startswith("strain_")]
                np.testing.assert_allclose(found.segments, np.stack(parts, axis=1), atol=0.3)


def test_paths_that_are_scaled_have_the_error_of_algebra(study):
    # A length of (1 + e) L is taken for s (1 + e) L: the error is (s - 1) (100 + e) points.
    found, more = gls.measured(study, scaled), LARGER - 1.0
    for layer in gls.LAYERS:
        one = found.readings[layer][0]
        peak, true = one.peaks()
        assert true < -10.0
        assert peak - true == pytest.approx(more * (100.0 + true))
        curve = np.mean([each.line for each in one.true], axis=0)[1:]
        assert one.curve_rms() == pytest.approx(more * np.sqrt(np.mean((100.0 + curve) ** 2)))
        low = np.array([gls.peak(each.segments) for each in one.true])
        assert one.segments() == pytest.approx(more * (100.0 + low).mean())
        figures = gls.figures([found, found], layer)
        for name in ("peak", "bias", "limits"):
            assert figures[name].value == pytest.approx(more * (100.0 + true))
        assert figures["limits"].low == pytest.approx(figures["limits"].high)


def test_the_detectable_change_is_that_of_the_difference_between_examinations(study):
    true = gls.measured(study, gls.true_paths)
    first, second = true.readings["mid-wall"]
    change = 3.0
    moved = tuple(replace(each, line=each.line + change * (each.line < 0)) for each in first.found)
    for again in (first, replace(first, found=moved)):
        both = replace(true, readings={"mid-wall": (first, again)})
        away = again.peaks()[0] - first.peaks()[0]
        mdc = gls.figures([both, both], "mid-wall")["MDC"].value
        assert mdc == pytest.approx(1.96 * abs(away))
    assert away == pytest.approx(change)
    placing = abs(first.peaks()[1] - second.peaks()[1])
    assert gls.figures([true], "mid-wall")["MDC"].value == pytest.approx(1.96 * placing)


def test_frames_in_which_a_point_is_lost_have_no_length(study):
    def blind(view):
        xy = view.truth.xy.copy()
        xy[1:5, 3] = np.nan
        return xy

    found = gls.measured(study, blind).readings
    frames = study.visits[0][0].truth.shape[0]
    assert found["mid-wall"][0].missing() == pytest.approx(100.0 * 4 / (frames - 1))
    assert found["endocardium"][0].missing() == 0.0
    assert found["mid-wall"][0].peaks()[0] == pytest.approx(found["mid-wall"][0].peaks()[1])


def test_the_script_prints_a_table_and_writes_every_view(folder, tmp_path, capsys):
    path = tmp_path / "views.csv"
    words = ["--studies", "1", "--methods", "lucas-kanade:window=21", "--cache", str(folder)]
    gls.main([*words, "--csv", str(path)])
    printed = capsys.readouterr().out
    assert "lucas-kanade:window=21, mid-wall, normal" in printed
    assert "true paths, endocardium" in printed
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 2 * ROWS_PER_STUDY
    known = [row for row in rows if row["method"] == "true paths"]
    assert all(row["peak"] == row["true_peak"] for row in known)
    assert {row["view"] for row in rows} == {*VIEWS, "all"}
