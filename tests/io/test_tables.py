"""Tidy CSV: lossless both ways, and one sentence for each thing that can be wrong."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.provenance import Step
from napari_usstrack.core.tracks import PALETTE, Cells, PointInfo, Source, Tracks, blank_arrays
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io.tables import (
    COLUMNS,
    check_writable,
    read_points,
    sidecar_path,
    write_tracks,
)

INFO = VideoInfo(
    frame_count=4,
    width=64,
    height=48,
    calibration=Calibration((0.1, 0.2), np.array([0.0, 0.04, 0.08, 0.13]), "typed", "DICOM"),
    digest="abc",
    name="trial.mp4",
)


def tracks(frames: int = 4) -> Tracks:
    arrays = blank_arrays(frames, 2)
    arrays["xy"][0] = [[1 / 3, -0.0], [63.5, 47.25]]
    arrays["source"][0] = [Source.MANUAL, Source.FLOW]
    arrays["visible"][0] = [True, False]
    arrays["confidence"][0, 1] = 0.7
    arrays["source"][2, 0] = Source.ABSENT
    points = (PointInfo("tip, upper", "fascicle", "line"), PointInfo('the "end"'))
    return Tracks(**arrays, points=points, video=INFO, log=(Step("track", "flow"),))


def placed(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_round_trip_is_lossless(tmp_path):
    before = tracks()
    write_tracks(before, tmp_path / "t.csv")
    after = read_points(tmp_path / "t.csv", INFO)
    assert after.equals(before)
    assert [(p.name, p.group, p.kind) for p in after.points] == [
        (p.name, p.group, p.kind) for p in before.points
    ]


def test_columns_and_rows(tmp_path):
    write_tracks(tracks(), tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [(row["frame"], row["point"]) for row in rows[:3]] == [
        ("0", "tip, upper"),
        ("0", 'the "end"'),
        ("1", "tip, upper"),
    ]
    assert len(rows) == 8
    assert rows[0]["x"] == repr(1 / 3)
    assert rows[0]["x_mm"] == repr(1 / 3 * 0.1)
    assert rows[1]["confidence"] == "0.7"
    assert rows[1]["visible"] == "0"
    assert rows[4]["source"] == "absent"
    assert rows[6]["time_s"] == "0.13"
    assert rows[6]["x"] == rows[6]["x_mm"] == rows[6]["confidence"] == ""


def test_sidecar_tells_how_the_table_came_about(tmp_path):
    write_tracks(tracks(), tmp_path / "t.csv")
    told = json.loads(sidecar_path(tmp_path / "t.csv").read_text(encoding="utf-8"))
    assert told["clip"]["digest"] == "abc"
    assert told["calibration"]["spacing_mm"] == [0.1, 0.2]
    assert told["calibration"]["spacing_source"] == "typed"
    assert told["reference_frames"] == {"tip, upper": [0], 'the "end"': []}
    assert told["steps"][0]["method"] == "flow"
    assert told["software"].startswith("napari-usstrack")


def test_uncalibrated_columns_are_empty(tmp_path):
    bare = tracks().with_video(VideoInfo(4, 64, 48))
    write_tracks(bare, tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file))
    assert row["time_s"] == row["x_mm"] == row["y_mm"] == ""


def test_some_frames_only(tmp_path):
    write_tracks(tracks(), tmp_path / "t.csv", frames=range(2, 4))
    lines = (tmp_path / "t.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == ["2", "2", "3", "3"]
    with pytest.raises(UsstrackError, match="outside the clip of 4 frames"):
        write_tracks(tracks(), tmp_path / "t.csv", frames=range(2, 9))


def test_shortest_legal_input_any_order_and_bom(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("\ufeffframe,point,x,y\r\n3,b,1,2\r\n0,a,5,6.5\r\n0,b,,\r\n".encode())
    found = read_points(path, INFO)
    assert found.names == ("b", "a")
    assert [point.colour for point in found.points] == list(PALETTE[:2])
    assert found.source.tolist() == [[0, 2], [0, 0], [0, 0], [2, 0]]
    assert found.visible[3, 0]
    assert found.xy[0, 1].tolist() == [5.0, 6.5]
    assert np.isnan(found.confidence).all()


def test_optional_columns_are_honoured(tmp_path):
    text = (
        "layer,Frame, point,x,y,visible,source,confidence,group,kind\n"
        "l,0, p,1,2,false,flow,0.25,wall,contour\n"
        "\n"
        "l,1.0, p,,,,absent,,,\n"
        "l,2, p,1,2,TRUE,ACCEPTED,,,\n"
        ",,,,,,,,,\n"
    )
    found = read_points(placed(tmp_path / "a.csv", text), INFO)
    assert found.points == (PointInfo(" p", "wall", "contour", PALETTE[0]),)
    assert found.source[:, 0].tolist() == [Source.FLOW, Source.ABSENT, Source.ACCEPTED, 0]
    assert found.visible[:, 0].tolist() == [False, False, True, False]
    assert found.confidence[0, 0] == np.float32(0.25)


WRONG = {
    "frame,point,x,y\n0,a,nan,1\n": r"line 2: x is 'nan'; leave x and y empty",
    "frame,point,x,y\n0,a,1,-inf\n": r"line 2: y is '-inf'; leave",
    "frame,point,x,y\n0,a,1,2\n1,a,left,1\n": r"line 3: x is 'left', not a number; write",
    "frame,point,x,y\n0,a,1_0,1\n": r"line 2: x is '1_0', not a number",
    "frame,point,x,y\n0,a,64,1\n": r"line 2: \(64.0, 1.0\) is outside the frame of 64 x 48 px",
    "frame,point,x,y\n0,a,1,-0.6\n": r"line 2: \(1.0, -0.6\) is outside the frame",
    "frame,point,x,y\n0,a,1,\n": r"line 2: y is empty; fill in both",
    "frame,point,x,y\n4,a,1,1\n": r"line 2: frame 4 is outside the clip of 4 frames; count from 0",
    "frame,point,x,y\n-1,a,1,1\n": r"line 2: frame -1 is outside the clip",
    "frame,point,x,y\n1.5,a,1,1\n": r"line 2: frame 1.5 is not a whole number",
    "frame,point,x,y\n,a,1,1\n": r"line 2: frame is '', not a number",
    "frame,point,x,y\n1,a,1,1\n2,a,1,1\n1,a,2,2\n": r"line 4: frame 1 of 'a' is already on line 2",
    "frame,point,x\n1,a,1\n": r"line 1: no column y among frame, point, x; name the columns",
    "frame;point;x;y\n1;a;1;1\n": r"no column frame or point or x or y among frame;point;x;y",
    "frame,point,x,y,x\n1,a,1,1,1\n": r"column x is there twice",
    "frame,point,x,y\n": r"a.csv: there are no rows below the header; add",
    "": r"a.csv: the file is empty; start it with frame,point,x,y",
    "frame,point,x,y\n1,a,,\n": r"a.csv: no row has a position; fill in",
    "frame,point,x,y\n1, ,1,1\n": r"line 2: the point has no name; fill",
    "frame,point,x,y\n1,a,1,1,1\n": r"line 2: there are 5 fields under 4 column names",
    "frame,point,x,y,source\n1,a,1,1,guess\n": r"line 2: source 'guess' is unknown; write one of",
    "frame,point,x,y,source\n1,a,1,1,absent\n": r"source is absent although x and y are given",
    "frame,point,x,y,kind\n1,a,1,1,blob\n": r"kind 'blob' is unknown; write one of point, line",
    "frame,point,x,y,kind\n1,a,1,1,line\n2,a,1,1,point\n": r"line 3: kind of 'a' is 'point' after",
    "frame,point,x,y,group\n1,a,1,1,g\n2,a,1,1,h\n": r"line 3: group of 'a' is 'h' after 'g'; give",
    "frame,point,x,y,confidence\n1,a,1,1,1.5\n": r"confidence 1.5 is outside 0 to 1; write",
    "frame,point,x,y,confidence\n1,a,1,1,nan\n": r"confidence is 'nan'",
    "frame,point,x,y,visible\n1,a,1,1,maybe\n": r"visible is 'maybe'; write 1 or 0",
    "frame,point,x,y,visible\n1,a,1,1,1\n2,a,,,1\n": r"line 3: visible is 1 but x and y are empty",
    'frame,point,x,y\n1,"a"b,1,1\n': r"line 2: .*; save the table as plain CSV",
}


@pytest.mark.parametrize("text", WRONG)
def test_one_sentence_names_file_line_problem_and_remedy(tmp_path, text):
    with pytest.raises(UsstrackError, match=WRONG[text]) as caught:
        read_points(placed(tmp_path / "a.csv", text), INFO)
    said = str(caught.value)
    assert said.startswith(str(tmp_path / "a.csv"))
    assert "\n" not in said
    assert ";" in said


@pytest.mark.parametrize("content", [b"\xff\xfef\x00r\x00", b"\x89PNG\x00\x01", b"caf\xe9"])
def test_binary_is_refused(tmp_path, content):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(UsstrackError, match="not UTF-8 text; save the table as CSV UTF-8"):
        read_points(tmp_path / "a.csv", INFO)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(UsstrackError, match=r"gone.csv cannot be read \(No such file"):
        read_points(tmp_path / "gone.csv", INFO)
    with pytest.raises(UsstrackError, match=r"cannot be read \(it is a folder\); check the path"):
        read_points(tmp_path, INFO)


def test_check_writable(tmp_path):
    check_writable(tmp_path / "new.csv")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsstrackError, match=r"cannot be written \(it is a folder\); choose"):
        check_writable(tmp_path)
    with pytest.raises(UsstrackError, match=r"cannot be written \(its folder does not exist\)"):
        write_tracks(tracks(), tmp_path / "no" / "t.csv")
    with pytest.raises(UsstrackError, match="its folder does not exist"):
        check_writable(placed(tmp_path / "file", "") / "t.csv")


def test_failed_write_leaves_the_old_table(tmp_path, monkeypatch):
    path = placed(tmp_path / "t.csv", "old")

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_usstrack.io.atomic.os.fsync", full)
    with pytest.raises(UsstrackError, match=r"t.csv cannot be written \(No space left"):
        write_tracks(tracks(), path)
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


floats = st.floats(-0.5, 47.5, allow_nan=False)
names = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8
).filter(str.strip)
cell = st.tuples(
    st.sampled_from(Source),
    floats,
    floats,
    st.booleans(),
    st.none() | st.floats(0, 1, width=32),
)


@settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    name=st.lists(names, min_size=2, max_size=2, unique=True),
    group=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5),
    cells=st.lists(cell, min_size=6, max_size=6),
)
def test_any_tracks_survive(tmp_path, name, group, cells):
    arrays = blank_arrays(4, 2)
    arrays["xy"][0, 0], arrays["source"][0, 0] = (1.0, 2.0), Source.FLOW
    for i, (source, x, y, visible, confidence) in enumerate(cells):
        at = (1 + i // 2, i % 2)
        arrays["source"][at] = source
        if source != Source.MISSING and confidence is not None:
            arrays["confidence"][at] = confidence
        if source > Source.ABSENT:
            arrays["xy"][at], arrays["visible"][at] = (x, y), visible
    points = (PointInfo(name[0], group, "contour"), PointInfo(name[1], colour=PALETTE[1]))
    before = Tracks(**arrays, points=points, video=INFO)
    write_tracks(before, tmp_path / "t.csv")
    after = read_points(tmp_path / "t.csv", INFO)
    assert after.equals(before)
    assert after.points == points


def test_many_points_survive(tmp_path):
    info = VideoInfo(500, 640, 480)
    points = tuple(PointInfo(f"p{i}") for i in range(20))
    cells = Cells.placed(np.random.default_rng(0).uniform(0, 400, (500, 20, 2)), Source.FLOW)
    before = Tracks.blank(info, points).with_cells(cells)
    write_tracks(before, tmp_path / "t.csv")
    assert read_points(tmp_path / "t.csv", info).equals(before)
