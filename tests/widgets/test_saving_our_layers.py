"""Saving the dock's own layers: whole runs and labels, not only what is drawn."""

from __future__ import annotations

import npe2
import pytest
from test_workbench import Bench

from napari_usstrack import _writer
from napari_usstrack.io.project import load, project_path
from napari_usstrack.io.registry import open_video
from napari_usstrack.io.tables import read_points


@pytest.fixture
def bench(clip_file, monkeypatch):
    told: list[str] = []
    monkeypatch.setattr(_writer, "show_warning", told.append)
    npe2.PluginManager.instance().discover()
    bench = Bench(open_video(clip_file))
    bench.bench.label().add([[0, 40.0, 48.0], [0, 30.25, 31.5]])
    bench.session.track(method="lucas-kanade", options={"window": 21})
    bench.bench.hidden = ["p2"]
    yield bench
    bench.bench.close()
    assert told == []


def save(bench: Bench, layers, path) -> None:
    bench.viewer.layers.selection = set(layers)
    bench.viewer.layers.save(str(path), selected=True, plugin="napari-usstrack")


def test_all_layers_give_labels_over_the_whole_run(bench, tmp_path) -> None:
    save(bench, bench.viewer.layers, tmp_path / "all.csv")
    saved = read_points(tmp_path / "all.csv", bench.session.video.info)
    assert saved.equals(bench.session.shown("track"))


@pytest.mark.parametrize("ours", ["run-tracks", "run-points"])
def test_one_layer_of_a_run_gives_all_of_it(bench, tmp_path, ours) -> None:
    bench.bench.reference = "track"
    save(bench, bench.layers(ours), tmp_path / "run.csv")
    saved = read_points(tmp_path / "run.csv", bench.session.video.info)
    assert saved.equals(bench.session.curation.shown)


def test_labels_follow_a_new_scale(bench, tmp_path) -> None:
    known = bench.session.annotations.video.calibration
    bench.session.calibrate(known.with_spacing((0.5, 0.5), "typed"))
    save(bench, bench.layers("labels"), tmp_path / "labels.csv")
    assert ",24.0,20.0," in (tmp_path / "labels.csv").read_text()


def test_all_layers_give_a_project(bench, clip_file, tmp_path) -> None:
    bench.bench.close()
    save(bench, bench.viewer.layers, project_path(clip_file))
    saved = load(project_path(clip_file))
    assert saved.annotations.equals(bench.session.annotations)
    assert saved.runs["track"].equals(bench.session.curation.shown)
