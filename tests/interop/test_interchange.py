"""Formats told apart, and conversions from any to any."""

from __future__ import annotations

import numpy as np
import pytest
from common import PREDICTED, TABLE, labels

from napari_usstrack import cli
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracks import Source, Tracks
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io import interchange, project
from napari_usstrack.pipelines.convert import convert

JSON = '{"0": {"3": [1.5, 2.25]}, "1": {}}'
TIDY = "frame,point,x,y\n3,tip,1.5,2.25\n"


def test_the_command_offers_every_format():
    assert [kind.value for kind in cli.Format] == list(interchange.FORMATS)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.csv", TIDY, "csv"),
        ("a.csv", TABLE, "deeplabcut"),
        ("a.csv", "\ufeff" + TABLE, "deeplabcut"),
        ("a.csv", PREDICTED, "deeplabcut"),
        ("a.h5", "", "deeplabcut"),
        ("a.json", JSON, "dustrack"),
        ("a.mp4.usstrack.json", "{}", "project"),
        ("renamed.json", '{"schema": 1}', "project"),
    ],
)
def test_formats_are_told_by_name_and_content(put, name, text, expected):
    assert interchange.identify(put(name, text)) == expected


def test_unknown_files(put, tmp_path):
    with pytest.raises(UsstrackError, match="no kind that can be told"):
        interchange.identify(put("a.xlsx", "x"))
    for path in (tmp_path, tmp_path / "missing.json", tmp_path / "missing.csv"):
        with pytest.raises(UsstrackError, match="cannot be read"):
            interchange.identify(path)
    with pytest.raises(UsstrackError, match="no format 'xls'"):
        interchange.read(put("a.csv", TIDY), format="xls")
    with pytest.raises(UsstrackError, match="no kind that can be told"):
        interchange.write(labels(("0",)), tmp_path / "a.txt")


@pytest.mark.parametrize("kind", ["dustrack", "deeplabcut", "csv", "project"])
def test_each_format_gives_back_what_it_was_given(tmp_path, kind):
    tracks = labels(("point0", "point1"))
    name = {
        "dustrack": "trial1_annotations_me.json",
        "deeplabcut": "CollectedData_me.csv",
        "csv": "a.csv",
        "project": "trial1.mp4.usstrack.json",
    }[kind]
    written = interchange.write(tracks, tmp_path / name)
    found = interchange.read(written.path, tracks.video)
    assert found.labels.equals(tracks)
    assert found.labels.names == tracks.names
    assert found.run is None


def test_a_table_without_a_clip(put):
    found = interchange.read(put("a.csv", TIDY))
    video = found.labels.video
    assert (video.frame_count, video.width, video.height) == (4, 2, 3)
    assert "4 frames of 2 x 3 px" in found.notes[0]
    with pytest.raises(UsstrackError, match="line 2: x is 'left'"):
        interchange.read(put("b.csv", TIDY.replace("1.5", "left")))
    with pytest.raises(UsstrackError, match="is empty"):
        interchange.read(put("b.csv", ""))


def test_a_table_with_machine_positions_is_a_run(put):
    found = interchange.read(put("a.csv", "frame,point,x,y,source\n0,a,1,1,flow\n"))
    assert found.labels is None
    assert found.run.source[0, 0] == Source.FLOW


def test_computed_positions_become_a_run_of_a_project(put, tmp_path):
    info = VideoInfo(2, 64, 48, digest="d", name="a.mp4")
    run = interchange.read(put("p.csv", PREDICTED), info).run
    written = interchange.write(run, tmp_path / "a.mp4.usstrack.json")
    saved = project.load(written.path, info)
    assert not saved.annotations.source.any()
    assert saved.runs["net"].equals(run)
    assert interchange.read(written.path, info).run.equals(run)


def test_labels_among_computed_positions_stay_labels(tmp_path):
    tracks = labels(("0",))
    source = tracks.source.copy()
    source[10] = Source.FLOW
    points, video = tracks.points, tracks.video
    mixed = Tracks(tracks.xy, tracks.confidence, tracks.visible, source, points, video)
    written = interchange.write(mixed, tmp_path / "a.mp4.usstrack.json")
    saved = project.load(written.path)
    assert np.flatnonzero(saved.annotations.source[:, 0]).tolist() == [0]
    assert saved.runs["imported"].equals(mixed)


def test_a_project_is_never_overwritten(tmp_path):
    path = tmp_path / "a.mp4.usstrack.json"
    interchange.write(labels(("0",)), path)
    with pytest.raises(UsstrackError, match="exist already"):
        interchange.write(labels(("1",)), path)


def test_folders(put, tmp_path):
    tracks = labels(("0",))
    for kind, name in {
        "dustrack": "trial1_annotations_me.json",
        "deeplabcut": "CollectedData_me.csv",
        "project": "trial1.mp4.usstrack.json",
    }.items():
        made = interchange.write(tracks, tmp_path, format=kind, scorer="me")
        assert made.path == tmp_path / name
        assert made.path.exists()
    for kind in ("csv", ""):
        with pytest.raises(UsstrackError, match="is a folder"):
            interchange.write(tracks, tmp_path, format=kind)
    with pytest.raises(UsstrackError, match="file name"):
        interchange.write(tracks, tmp_path, format="dustrack", scorer="../me")
    with pytest.raises(UsstrackError, match="does not fit --scorer you"):
        interchange.write(tracks, tmp_path / "CollectedData_me.csv", scorer="you")


def test_layer_and_scorer_are_remembered_through_a_project(put, tmp_path, stored, info):
    for name, kind in (("trial1_annotations_digits.json", "dustrack"), ("x", "deeplabcut")):
        source = stored / (name if kind == "dustrack" else "CollectedData_me.csv")
        folder = tmp_path / kind
        folder.mkdir()
        tracks = interchange.read(source, info).labels
        saved = interchange.write(tracks, folder / "trial1.mp4.usstrack.json").path
        convert(saved, folder, writes=kind)
        assert (folder / source.name).read_bytes() == source.read_bytes()


def test_a_run_beside_labels_is_left_out_and_told(tmp_path):
    tracks = labels(("0",))
    run = labels(("0",), source=Source.FLOW)
    path = tmp_path / "trial1.mp4.usstrack.json"
    project.save(project.Project(tracks, {"flow": run}), path)
    made = convert(path, tmp_path / "trial1_annotations_a.json")
    assert any("run too" in note for note in made.notes)
    assert (made.points, made.frames, made.cells) == (1, 2, 2)
