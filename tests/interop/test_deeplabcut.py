"""DeepLabCut tables: the traps, and a table that DUSTrack itself exported."""

from __future__ import annotations

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
import written_by_dustrack
from common import PREDICTED, TABLE, dustrack_says, labels, oracle

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracks import Cells, PointInfo, Source, Tracks
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io import deeplabcut
from napari_usstrack.io.trackermap import NAME

SEVERAL = """scorer,,,me,me,me,me,me,me
individuals,,,a,a,b,b,single,single
bodyparts,,,tip,tip,tip,tip,end,end
coords,,,x,y,x,y,x,y
labeled-data,clip,img003.png,1.5,2.0,,,7.0,8.25
"""
PLACE = "labeled-data/clip/CollectedData_me.csv"


# --- round trips -------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [TABLE, SEVERAL], ids=["one animal", "several"])
def test_a_table_comes_back_byte_for_byte(put, tmp_path, text):
    info = VideoInfo(100, 64, 48, name="clip.mp4")
    tracks = deeplabcut.read(put(f"a/{PLACE}", text), info).labels
    target = put(f"b/{PLACE}", "").parent
    (target / "CollectedData_me.csv").unlink()
    written = deeplabcut.write(tracks, target / deeplabcut.folder_name(tracks))
    assert written.path.read_text() == text


@pytest.mark.parametrize("suffix", ["csv", "h5"])
def test_the_table_of_dustrack_comes_back_byte_for_byte(stored, tmp_path, info, suffix):
    read = deeplabcut.read(stored / f"CollectedData_me.{suffix}", info)
    made = written_by_dustrack.made_up()["digits"]
    for label, places in made.items():
        found = read.labels.xy[:, read.labels.column(f"point{label}")]
        assert {int(f): found[f].tolist() for f in np.flatnonzero(~np.isnan(found[:, 0]))} == places
    deeplabcut.write(read.labels, tmp_path / "CollectedData_me.csv")
    assert (tmp_path / "CollectedData_me.csv").read_bytes() == (
        stored / "CollectedData_me.csv"
    ).read_bytes()


@oracle
def test_dustrack_reads_what_we_write(tmp_path):
    tracks = labels(("point0", "point1"))
    deeplabcut.write(tracks, tmp_path / "CollectedData_me.csv")
    read = json.loads(dustrack_says("--read", tmp_path / "CollectedData_me.csv"))
    for column, places in enumerate(read.values()):
        assert {int(f): xy for f, xy in places.items()} == {
            int(f): tracks.xy[f, column].tolist() for f in np.flatnonzero(tracks.present[:, column])
        }


# --- reading -----------------------------------------------------------------------------------


def test_rows_are_matched_by_number_and_sorted(put):
    head, *rows = TABLE.replace("img010", "img10").rsplit("labeled-data", 2)
    shuffled = head + "".join(f"labeled-data{row}" for row in reversed(rows))
    found = deeplabcut.read(put("c.csv", shuffled), VideoInfo(100, 64, 48)).labels
    assert found.xy[3].tolist() == [[1.5, 2.0], [7.0, 8.25]]
    assert found.xy[10, 0].tolist() == [4.0, 5.0]
    assert found.source[10].tolist() == [Source.MANUAL, Source.MISSING]


@pytest.mark.parametrize("cut", ["/", "\\"])
def test_one_index_column_of_older_files(put, cut):
    lines = [line.replace(",,,", ",", 1) for line in TABLE.splitlines()]
    text = "\n".join(
        line.replace("labeled-data,clip,", f"labeled-data{cut}clip{cut}") for line in lines
    )
    found = deeplabcut.read(put("c.csv", text)).labels
    assert found.xy[10, 0].tolist() == [4.0, 5.0]
    assert found.video.name == "clip.mp4"


def test_whole_numbers_become_floats(put):
    found = deeplabcut.read(put("c.csv", TABLE.replace("1.5,2.0", "1,2"))).labels
    assert found.xy.dtype == np.float64
    assert found.xy[3, 0].tolist() == [1.0, 2.0]


def test_several_animals(put):
    found = deeplabcut.read(put("c.csv", SEVERAL)).labels
    assert found.names == ("a/tip", "b/tip", "single/end")
    assert [point.group for point in found.points] == ["a", "b", "single"]


def test_stored_order_is_kept_and_another_alphabet_is_told(put):
    text = TABLE.replace("point0", "tip").replace("point1", "base")
    found = deeplabcut.read(put("c.csv", text))
    assert found.labels.names == ("tip", "base")
    assert found.labels.xy[3, 0].tolist() == [1.5, 2.0]
    assert any("stored as tip, base" in n and "(base, tip)" in n for n in found.notes)


def test_numbered_bodyparts_are_not_a_trap(put):
    text = TABLE.replace("point1", "point2").replace("point0", "point10")
    assert not any("stored as" in note for note in deeplabcut.read(put("c.csv", text)).notes)


def test_names_come_from_the_map_and_go_back(put, tmp_path):
    put(NAME, "point0 - fascia\n")
    tracks = deeplabcut.read(put(f"a/{PLACE}", TABLE)).labels
    assert tracks.names == ("fascia", "point1")
    put("b/x", "")
    written = deeplabcut.write(tracks, tmp_path / "b" / "CollectedData_me.csv")
    assert written.path.read_text().splitlines()[1] == "bodyparts,,,point0,point0,point1,point1"


def test_rows_without_a_label_are_told(put):
    found = deeplabcut.read(put("c.csv", TABLE.replace("4.0,5.0", ",")))
    assert any("frames 10" in note for note in found.notes)


def test_predictions_are_a_run_with_confidence(put):
    found = deeplabcut.read(put("clipDLC_Resnet50_pNov1shuffle1_snapshot_5.csv", PREDICTED))
    run = found.run
    assert found.labels is None
    assert run.names == ("tip", "base")
    assert run.source.tolist() == [[Source.MODEL] * 2, [Source.MODEL, Source.MISSING]]
    assert run.confidence[:, 0].tolist() == [0.5, 0.25]
    assert run.confidence[0, 1] == 1.0
    assert run.video.name == "clip.mp4"


def test_one_video_of_several(put):
    text = TABLE + "labeled-data,clip1,img003.png,9.0,9.0,,\n"
    path = put("c.csv", text)
    assert deeplabcut.read(path, VideoInfo(99, 64, 48, name="clip1.mp4")).labels.xy[
        3, 0
    ].tolist() == [9.0, 9.0]
    with pytest.raises(UsstrackError, match="videos clip, clip1"):
        deeplabcut.read(path)


BAD = {
    "beyond the clip": (TABLE.replace("img010", "img100"), "labels frame 100"),
    "no number": (TABLE.replace("img010", "picture"), "'picture.png' has no frame number"),
    "twice": (TABLE.replace("img010", "img03"), "frame 3 has two rows"),
    "text": (TABLE.replace("1.5", "left"), "'left' is not a number"),
    "infinite": (TABLE.replace("1.5", "inf"), "'inf' is no position"),
    "ragged": (TABLE.replace("1.5,", ""), "cells where others have"),
    "no coords": (TABLE.replace("coords,,,x,y,x,y\n", ""), "scorer, bodyparts, coords"),
    "no y": (TABLE.replace("x,y,x,y", "x,z,x,y"), "'point0' has no column y"),
    "same heading": (TABLE.replace("x,y,x,y", "x,x,x,y"), "the same heading"),
    "two scorers": (TABLE.replace("me,me,me,me", "me,me,me,you"), "scorers me, you"),
    "no name": (TABLE.replace("point0", ""), "no name"),
    "unsure": (PREDICTED.replace(",0.5,", ",1.5,"), "likelihood 1.5 is outside"),
}


@pytest.mark.parametrize(("text", "words"), BAD.values(), ids=BAD)
def test_a_table_that_cannot_be_used_gives_one_sentence(put, info, text, words):
    path = put("c.csv", text)
    with pytest.raises(UsstrackError, match=words) as caught:
        deeplabcut.read(path, info)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_an_h5_of_another_layout_names_the_csv(put, tmp_path):
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file.create_group("df_with_missing")["table"] = np.zeros(3)
    with pytest.raises(UsstrackError, match="save it as csv"):
        deeplabcut.read(tmp_path / "c.h5")
    put("c.csv", TABLE)
    with pytest.raises(UsstrackError, match=r"read c\.csv beside it"):
        deeplabcut.read(tmp_path / "c.h5")
    with pytest.raises(UsstrackError, match="cannot be read"):
        deeplabcut.read(put("d.h5", "no hdf"))


# --- writing -----------------------------------------------------------------------------------


def drawn(frames: int, *labelled: int) -> Tracks:
    xy = np.full((frames, 1, 2), np.nan)
    xy[list(labelled)] = 5.0
    cells = Cells.placed(xy, Source.MANUAL)
    video = VideoInfo(frames, 64, 48, name="trial.1.mp4")
    arrays = (cells.xy, cells.confidence, cells.visible, cells.source)
    return Tracks(*arrays, (PointInfo("tip"),), video)


def images(path) -> list[str]:
    return [line.split(",")[2] for line in path.read_text().splitlines()[3:]]


@pytest.mark.parametrize(
    ("frames", "name"), [(9, "img3"), (10, "img03"), (100, "img003"), (1000, "img0003")]
)
def test_image_names_are_padded_to_the_frame_count(tmp_path, frames, name):
    written = deeplabcut.write(drawn(frames, 3), tmp_path / "CollectedData_me.csv")
    assert images(written.path) == [f"{name}.png"]
    assert ",trial.1,img" in written.path.read_text()


def test_names_that_exist_on_disk_win(put, tmp_path):
    put("img03.png", "")
    put("plot4.png", "")
    put("CollectedData_me.csv", TABLE.replace("img010", "frame_10"))
    path = tmp_path / "CollectedData_me.csv"
    deeplabcut.write(drawn(100, 3, 4, 5), path)
    assert images(path) == ["img03.png", "img004.png", "img005.png", "frame_10.png"]
    assert path.read_text().splitlines()[-1] == "labeled-data,clip,frame_10.png,,"
    assert (tmp_path / "CollectedData_me.csv.bak").exists()


def test_pictures_of_any_name_count_in_a_labelled_folder(put):
    picture = put("labeled-data/clip/shot_0003.jpg", "")
    path = picture.with_name("CollectedData_me.csv")
    deeplabcut.write(drawn(100, 3), path)
    assert path.read_text().splitlines()[-1] == "labeled-data,clip,shot_0003.jpg,5.0,5.0"


def test_points_named_by_digits_are_named_as_dustrack_does(tmp_path):
    written = deeplabcut.write(labels(("0", "fascia")), tmp_path / "CollectedData_me.csv")
    assert written.path.read_text().splitlines()[1] == "bodyparts,,,point0,point0,fascia,fascia"
    assert any("point0" in note for note in written.notes)
    with pytest.raises(UsstrackError, match="'point0'; rename one of 0, point0"):
        deeplabcut.write(labels(("0", "point0")), tmp_path / "CollectedData_you.csv")
    assert not (tmp_path / "CollectedData_you.csv").exists()


@pytest.mark.parametrize("name", ["labels.csv", "CollectedData_me.h5", "CollectedData_.csv"])
def test_other_file_names_are_refused(tmp_path, name):
    with pytest.raises(UsstrackError, match="CollectedData_NAME"):
        deeplabcut.write(drawn(9, 3), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_no_points_and_several_videos(put, tmp_path):
    empty = Tracks.blank(VideoInfo(9, 64, 48))
    with pytest.raises(UsstrackError, match="no columns"):
        deeplabcut.write(empty, tmp_path / "CollectedData_me.csv")
    path = put("CollectedData_me.csv", TABLE + "labeled-data,clip1,img003.png,9.0,9.0,,\n")
    with pytest.raises(UsstrackError, match="several videos"):
        deeplabcut.write(drawn(9, 3), path)


def test_names_with_commas_and_quotes(tmp_path):
    tracks = replace(drawn(9, 3), points=(PointInfo('the "tip", upper'),))
    written = deeplabcut.write(tracks, tmp_path / "CollectedData_me.csv")
    assert deeplabcut.read(written.path, tracks.video).labels.equals(tracks)
    assert deeplabcut.read(written.path, tracks.video).labels.names == tracks.names
