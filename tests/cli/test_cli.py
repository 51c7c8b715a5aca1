"""The command: what it writes, and one sentence for every problem."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from napari_usstrack import cli
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.io.sample import embedded_cine
from napari_usstrack.pipelines.scripting import load
from napari_usstrack.session import Session

COMMANDS = (
    *("info", "track", "fill", "smooth", "convert", "evaluate", "benchmark", "demo", "open"),
    *("pretrain", "finetune"),
)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def positions(path: Path, point: str) -> np.ndarray:
    return np.array([(r["x"], r["y"]) for r in rows(path) if r["point"] == point], dtype=float)


# --- help ------------------------------------------------------------------------------------


def test_there_are_these_commands():
    made = CliRunner().invoke(cli.app, ["--help"])
    assert made.exit_code == 0
    assert all(f"  {name} " in made.output for name in COMMANDS)
    assert {c.name or c.callback.__name__ for c in cli.app.registered_commands} == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command_has_an_example_and_explains_every_option(command):
    made = CliRunner().invoke(cli.app, [command, "--help"], env={"COLUMNS": "100"})
    assert made.exit_code == 0
    assert f"Example: usstrack {command}" in made.output
    group = cli.typer.main.get_command(cli.app)
    for option in group.commands[command].params:
        assert option.help, option.name


def test_examples_in_the_help_name_real_options():
    group = cli.typer.main.get_command(cli.app)
    for command in group.commands.values():
        known = {name for option in command.params for name in option.opts}
        words = command.epilog.replace("Example: ", "").split()
        assert {word for word in words if word.startswith("-")} <= known


def test_without_a_command_help_is_shown(usstrack):
    assert "Usage: usstrack" in "".join((lambda ran: (ran.out, ran.err))(usstrack()))


@pytest.mark.parametrize("words", [["nonsense"], ["info"], ["track", "x.mp4"]])
def test_wrong_usage_ends_with_2(usstrack, words):
    ran = usstrack(*words)
    assert ran.code == 2
    assert "Usage:" in ran.err


# --- info ------------------------------------------------------------------------------------


def test_info(usstrack, clip):
    ran = usstrack("info", clip, "--fps", "50", "--mm-per-px", "0.1,0.2")
    assert ran.code == 0
    assert ran.err == ""
    name, *lines = ran.out.splitlines()
    assert name == "clip.npy"
    assert lines[0].split(maxsplit=1) == ["frames", "8 of 90 x 70 px"]
    assert "0.14 s, 50 frames/s" in lines[1]
    assert "0.1 (x), 0.2 (y) mm per px (typed)" in lines[2]


def test_info_as_json(usstrack, clip):
    ran = usstrack("info", clip, "--json", "--fps", "50", "--mm-per-px", "0.1")
    facts = json.loads(ran.out)
    assert (facts["frames"], facts["width"], facts["height"]) == (8, 90, 70)
    assert facts["mm_per_px"] == [0.1, 0.1]
    assert facts["fps"] == pytest.approx(50)
    assert len(facts["digest"]) == 32


def test_info_names_what_is_unknown_and_the_remedy(usstrack, clip):
    ran = usstrack("info", clip)
    assert ran.code == 0
    assert "--fps" in ran.out
    assert "--mm-per-px" in ran.out
    assert json.loads(usstrack("info", clip, "--json").out)["fps"] is None


def test_info_of_the_embedded_cine(usstrack):
    facts = json.loads(usstrack("info", embedded_cine(), "--json").out)
    assert (facts["frames"], facts["width"], facts["height"]) == (30, 320, 240)


# --- track and fill --------------------------------------------------------------------------


def test_track(usstrack, clip, points, tmp_path, moving):
    output = tmp_path / "tracks.csv"
    ran = usstrack(
        *("track", clip, "-p", points, "-o", output, "--set", "reach_mm=1"),
        *("--mm-per-px", "0.1", "--fps", "50"),
    )
    assert ran.code == 0
    assert "Traceback" not in ran.err
    assert "16 rows, 8 frames x 2 points" in ran.out
    assert len(rows(output)) == 16
    truth = moving.truth(np.array([[40.0, 40.0]]))[:, 0]
    assert np.linalg.norm(positions(output, "tip") - truth, axis=-1).max() < 0.35
    last = rows(output)[-1]
    assert float(last["x_mm"]) == pytest.approx(0.1 * float(last["x"]))
    assert float(last["time_s"]) == pytest.approx(7 / 50)
    assert [r["source"] for r in rows(output) if r["point"] == "tip"] == ["manual", *["flow"] * 7]
    assert not list(tmp_path.glob("*.part"))


def test_track_tells_how_it_was_done_beside_the_table(usstrack, clip, points, tmp_path):
    usstrack("track", clip, "-p", points, "-o", tmp_path / "t.csv", "--set", "rounds=2")
    told = json.loads((tmp_path / "t.csv.json").read_text())
    assert told["steps"][0]["method"] == "hybrid"
    assert told["steps"][0]["settings"]["rounds"] == 2
    assert told["clip"]["name"] == "clip.npy"


@pytest.mark.parametrize(
    ("words", "frames"),
    [
        (["--direction", "forward"], range(0, 8)),
        (["--stop", "3"], range(0, 4)),
        (["--start", "0", "--stop", "0"], range(0, 1)),
        (["--direction", "backward"], range(0, 1)),
    ],
)
def test_track_range_and_direction(usstrack, clip, points, tmp_path, words, frames):
    output = tmp_path / "t.csv"
    assert usstrack("track", clip, "-p", points, "-o", output, *words).code == 0
    found = [int(r["frame"]) for r in rows(output) if r["point"] == "tip" and r["x"]]
    assert found == list(frames)


@pytest.mark.parametrize(
    ("words", "warned"),
    [
        (["-m", "tissue-flow"], True),
        (["-m", "tissue-flow", "--mm-per-px", "0.1"], False),
        (["-m", "lucas-kanade"], False),
        ([], True),
        (["--mm-per-px", "0.1"], False),
    ],
)
def test_a_method_that_goes_by_mm_asks_for_the_scale(
    usstrack, clip, points, tmp_path, words, warned
):
    ran = usstrack("track", clip, "-p", points, "-o", tmp_path / "t.csv", *words)
    assert ran.code == 0
    assert ("give it with --mm-per-px for better tracks" in ran.err) == warned


def test_track_names_points_that_were_lost(usstrack, tmp_path, moving, points):
    frames = moving.frames.copy()
    frames[4:] = 0
    np.save(tmp_path / "dark.npy", frames)
    ran = usstrack("track", tmp_path / "dark.npy", "-p", points, "-o", tmp_path / "t.csv")
    (line,) = (line for line in ran.out.splitlines() if "lost" in line)
    assert line.endswith("tip, base")


def test_fill(usstrack, clip, points, tmp_path):
    output = tmp_path / "f.csv"
    ran = usstrack("fill", clip, "-p", points, "-o", output, "--set", "rounds=0")
    assert ran.code == 0
    np.testing.assert_array_equal(positions(output, "base")[[0, 7]], [(50, 35), (57, 31.5)])
    assert sum(bool(r["x"]) for r in rows(output)) == 8 + 1
    usstrack("fill", clip, "-p", points, "-o", output, "--extend")
    assert all(r["x"] for r in rows(output))


def test_a_table_of_tracks_can_be_corrected_and_filled_again(usstrack, clip, points, tmp_path):
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    usstrack("fill", clip, "-p", points, "-o", first)
    lines = first.read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("3,,base"))
    lines[at] = "3,,base,55.0,35.0,,,,1,manual,,point"
    first.write_text("\n".join(lines) + "\n")
    usstrack("fill", clip, "-p", first, "-o", second)
    path = positions(second, "base")
    np.testing.assert_array_equal(path[[0, 3, 7]], [(50, 35), (55, 35), (57, 31.5)])
    assert np.linalg.norm(path[2] - (52, 34)) > 0.5


@pytest.mark.parametrize("command", ["track", "fill"])
def test_overlay_is_a_film_of_the_clip(usstrack, clip, points, tmp_path, command):
    film = tmp_path / "film.mp4"
    ran = usstrack(command, clip, "-p", points, "-o", tmp_path / "t.csv", "--overlay", film)
    assert ran.code == 0
    assert json.loads(usstrack("info", film, "--json").out)["frames"] == 8
    assert not list(tmp_path.glob("*.part"))


def test_overlay_of_another_kind_is_refused_before_the_work(usstrack, clip, points, tmp_path):
    output = tmp_path / "out.csv"
    ran = usstrack("track", clip, "-p", points, "-o", output, "--overlay", tmp_path / "out.gif")
    assert_one_sentence(ran, "out.gif", ".mp4")
    assert not list(tmp_path.glob("out*"))


def test_an_output_is_replaced(usstrack, clip, points, tmp_path):
    output = tmp_path / "t.csv"
    output.write_text("old")
    assert usstrack("track", clip, "-p", points, "-o", output).code == 0
    assert len(rows(output)) == 16


def test_demo(usstrack, tmp_path):
    folder = tmp_path / "demo"
    ran = usstrack("demo", "-o", folder)
    assert ran.code == 0
    for path in folder.iterdir():
        assert path.suffix != ".part"
    for line in ran.out.splitlines():
        what, _, path = line.strip().partition("  ")
        if what in ("points", "tracks", "project", "picture", "film"):
            assert Path(path.strip()).is_file()
    assert len(rows(folder / "tracks.csv")) == 30 * 7
    assert f"usstrack open {folder / embedded_cine().name}" in ran.out


# --- problems with the input -----------------------------------------------------------------


def assert_one_sentence(ran, *words: str) -> None:
    assert ran.code == 1
    complaints = [line for line in ran.err.splitlines() if not line.startswith("warning: ")]
    assert len(complaints) == 1, ran.err
    assert complaints[0].startswith("usstrack: ")
    assert "Traceback" not in ran.err + ran.out
    for word in words:
        assert word in complaints[0]


def truncated_mp4(folder: Path) -> Path:
    import av

    path = folder / "cut.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(20):
            picture = np.random.default_rng(number).integers(0, 255, (64, 96), dtype=np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray")))
        file.mux(stream.encode())
    path.write_bytes(path.read_bytes()[:2000])
    return path


def text_named_mp4(folder: Path) -> Path:
    path = folder / "text.mp4"
    path.write_text("this is no video\n" * 20)
    return path


def dicom_without_pixels(folder: Path) -> Path:
    import pydicom

    path = folder / "bare.dcm"
    dataset = pydicom.dcmread(embedded_cine())
    del dataset.PixelData
    dataset.save_as(path)
    return path


def still_image(folder: Path) -> Path:
    path = folder / "still.npy"
    np.save(path, np.zeros((1, 30, 40), dtype=np.uint8))
    return path


def empty_file(folder: Path) -> Path:
    path = folder / "empty.mp4"
    path.touch()
    return path


def unknown_kind(folder: Path) -> Path:
    path = folder / "notes.docx"
    path.write_text("notes")
    return path


def missing(folder: Path) -> Path:
    return folder / "nowhere.mp4"


def a_folder(folder: Path) -> Path:
    (folder / "inside").mkdir()
    return folder / "inside"


BAD_CLIPS = [
    (missing, "does not exist"),
    (a_folder, "is a folder"),
    (empty_file, "is empty"),
    (unknown_kind, "cannot be read; known are"),
    (truncated_mp4, "cut.mp4"),
    (text_named_mp4, "text.mp4"),
    (dicom_without_pixels, "bare.dcm"),
    (still_image, "still image"),
]


@pytest.mark.parametrize(("make", "words"), BAD_CLIPS, ids=[make.__name__ for make, _ in BAD_CLIPS])
@pytest.mark.parametrize("command", ["info", "track", "fill", "open"])
def test_a_clip_that_cannot_be_used(usstrack, tmp_path, points, make, words, command, monkeypatch):
    monkeypatch.setattr(subprocess, "call", lambda _: pytest.fail("napari was started"))
    output = tmp_path / "out.csv"
    more = ["-p", points, "-o", output] if command in ("track", "fill") else []
    ran = usstrack(command, make(tmp_path), *more)
    assert_one_sentence(ran, words)
    assert not list(tmp_path.glob("out*"))
    assert not list(tmp_path.glob("*.part"))


BAD_POINTS = {
    "missing": (None, "cannot be read"),
    "empty": ("", "empty"),
    "no rows": ("frame,point,x,y\n", "no rows"),
    "no column": ("frame,point,x\n0,a,1\n", "no column y"),
    "nan": ("frame,point,x,y\n0,a,nan,1\n", "line 2: x is 'nan'"),
    "inf": ("frame,point,x,y\n0,a,1,inf\n", "line 2: y is 'inf'"),
    "-inf": ("frame,point,x,y\n0,a,1,-Infinity\n", "line 2: y is '-Infinity'"),
    "text": ("frame,point,x,y\n0,a,left,1\n", "line 2: x is 'left', not a number"),
    "outside the picture": ("frame,point,x,y\n0,a,1,1\n0,b,90,1\n", "line 3: (90.0, 1.0) is outs"),
    "outside the clip": ("frame,point,x,y\n8,a,1,1\n", "frame 8 is outside the clip of 8 frames"),
    "negative frame": ("frame,point,x,y\n-1,a,1,1\n", "frame -1 is outside"),
    "broken frame": ("frame,point,x,y\n0.5,a,1,1\n", "not a whole number"),
    "twice": ("frame,point,x,y\n0,a,1,1\n0,a,2,2\n", "frame 0 of 'a' is already on line 2"),
    "unlabelled": ("frame,point,x,y\n0,a,,\n", "no row has a position"),
    "by machine only": ("frame,point,x,y,source\n0,a,5,5,flow\n", "No point is labelled yet"),
}


@pytest.mark.parametrize(("text", "words"), BAD_POINTS.values(), ids=BAD_POINTS)
@pytest.mark.parametrize("command", ["track", "fill"])
def test_points_that_cannot_be_used(usstrack, tmp_path, clip, text, words, command):
    table = tmp_path / "bad.csv"
    if text is not None:
        table.write_text(text)
    ran = usstrack(command, clip, "-p", table, "-o", tmp_path / "out.csv")
    assert_one_sentence(ran, words)
    assert not list(tmp_path.glob("out*"))


BAD_WORDS = [
    (["--method", "magic"], "no method 'magic'"),
    (["--set", "windw=31"], "no setting 'windw'"),
    (["--set", "window"], "--set takes NAME=VALUE, as in rounds=2; got 'window'"),
    (["--set", "window="], "--set takes NAME=VALUE"),
    (["--set", "=31"], "--set takes NAME=VALUE"),
    (["--set", "rounds=many"], "Setting 'rounds'"),
    (["--set", "rounds=11"], "Setting 'rounds'"),
    (["--set", "within_mm=nan"], "Setting 'within_mm'"),
    (["--mm-per-px", "wide"], "--mm-per-px cannot be 'wide'"),
    (["--mm-per-px", "0.1,0"], "--mm-per-px cannot be '0.1,0'"),
    (["--mm-per-px", "nan"], "--mm-per-px cannot be 'nan'"),
    *((["--fps", rate], "--fps needs a positive number") for rate in ("0", "-5", "nan", "inf")),
]


@pytest.mark.parametrize(("words", "said"), BAD_WORDS, ids=lambda v: " ".join(v)[:24])
@pytest.mark.parametrize("command", ["track", "fill"])
def test_options_that_cannot_be_used(usstrack, tmp_path, clip, points, words, said, command):
    ran = usstrack(command, clip, "-p", points, "-o", tmp_path / "out.csv", *words)
    assert_one_sentence(ran, said)
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--start", "8"], "frames 8 to 7 cannot be tracked"),
        (["--stop", "8"], "frames 0 to 8 cannot be tracked"),
        (["--start", "-1"], "frames -1 to 7"),
        (["--start", "1"], "Point 'tip' is first labelled in frame 0"),
    ],
)
def test_a_range_that_cannot_be_tracked(usstrack, tmp_path, clip, points, words, said):
    ran = usstrack("track", clip, "-p", points, "-o", tmp_path / "out.csv", *words)
    assert_one_sentence(ran, said)
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize("command", ["track", "fill"])
def test_output_that_cannot_be_written(usstrack, tmp_path, clip, points, command):
    folder = tmp_path / "taken.csv"
    folder.mkdir()
    for output in (folder, tmp_path / "no" / "such" / "out.csv"):
        ran = usstrack(command, clip, "-p", points, "-o", output)
        assert_one_sentence(ran, "cannot be written")
    assert not (tmp_path / "no").exists()
    assert not list(folder.iterdir())
    assert not list(tmp_path.glob("*.part"))


def test_output_is_checked_before_the_long_work(usstrack, tmp_path, clip, points, monkeypatch):
    from napari_usstrack.pipelines.hybrid import Hybrid

    monkeypatch.setattr(Hybrid, "track", lambda *_: pytest.fail("tracked for nothing"))
    for command in ("track", "fill"):
        assert_one_sentence(usstrack(command, clip, "-p", points, "-o", tmp_path), "cannot be")


@pytest.mark.parametrize("which", ["clip", "points"])
def test_an_input_is_never_overwritten(usstrack, clip, points, which, monkeypatch):
    path = {"clip": clip, "points": points}[which]
    before = path.read_bytes()
    monkeypatch.chdir(path.parent)
    for name in (path, Path(path.name), Path("..") / path.parent.name / path.name):
        ran = usstrack("track", clip, "-p", points, "-o", name)
        assert_one_sentence(ran, "is an input")
    assert path.read_bytes() == before


def test_demo_in_a_place_that_is_taken(usstrack, tmp_path):
    (tmp_path / "taken").write_text("a file")
    ran = usstrack("demo", "-o", tmp_path / "taken")
    assert_one_sentence(ran, "taken cannot be written", "--output")


def test_a_failure_halfway_leaves_no_part_behind(usstrack, tmp_path, clip, points, monkeypatch):
    from napari_usstrack.flow.guided import Guide

    def fail(*_):
        raise UsstrackError("The disk was unplugged.")

    monkeypatch.setattr(Guide, "step", fail)
    ran = usstrack("track", clip, "-p", points, "-o", tmp_path / "out.csv")
    assert_one_sentence(ran, "The disk was unplugged.")
    assert not list(tmp_path.glob("out*"))


def test_a_project_of_another_clip_says_so(clip, moving):
    with Session.open(clip) as session:
        session.place("tip", 0, (40, 40))
        session.save()
    np.save(clip, moving.frames[:, :60])
    with pytest.raises(UsstrackError, match="belongs to another clip") as caught:
        Session.open(clip)
    assert "\n" not in str(caught.value)


# --- convert ---------------------------------------------------------------------------------

LABELS = '{"0": {"0": [40.5, 40.0], "7": [44.0, 38.125]}, "1": {}}'


@pytest.fixture
def annotations(tmp_path) -> Path:
    path = tmp_path / "clip_annotations_me.json"
    path.write_text(json.dumps(json.loads(LABELS), indent=4))
    return path


def test_convert_to_a_table_and_back(usstrack, tmp_path, clip, annotations):
    ran = usstrack("convert", annotations, tmp_path / "labels.csv", "--clip", clip)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.strip() == f"{tmp_path / 'labels.csv'}: 2 points, 2 frames, 2 cells"
    (tmp_path / "out").mkdir()
    ran = usstrack(
        *("convert", tmp_path / "labels.csv", tmp_path / "out", "--clip", clip),
        *("--to", "dustrack", "--scorer", "me"),
    )
    assert (ran.code, ran.err) == (0, "")
    written = tmp_path / "out" / annotations.name
    assert written.read_bytes() == annotations.read_bytes()


def test_convert_to_a_project_that_opens(usstrack, tmp_path, clip, annotations):
    ran = usstrack("convert", annotations, tmp_path, "--clip", clip, "--to", "project")
    assert ran.code == 0, ran.err
    with Session.open(clip) as session:
        assert session.annotations.xy[7, 0].tolist() == [44.0, 38.125]


def test_convert_prints_every_note(usstrack, tmp_path, annotations):
    target = tmp_path / "CollectedData_me.csv"
    ran = usstrack("convert", annotations, target)
    assert ran.code == 0
    assert "Without a clip, 8 frames" in ran.out
    assert "point0" in ran.out
    assert all(line.startswith("  note ") for line in ran.out.splitlines()[1:])
    assert target.read_text().splitlines()[3] == "labeled-data,clip,img0.png,40.5,40.0,,"


def test_convert_merges_what_several_people_labelled(usstrack, tmp_path, clip, annotations):
    other = tmp_path / "clip_annotations_you.json"
    other.write_text('{"0": {"7": [47.0, 42.125], "5": [1, 2]}, "2": {"0": [3, 4]}}')
    target = tmp_path / "both.csv"
    ran = usstrack("convert", annotations, other, target, "--clip", clip)
    assert (ran.code, ran.err) == (0, "")
    assert "3 points, 3 frames, 4 cells" in ran.out
    assert "1 of 1 positions that were there already differ in clip_annotations_you.json" in ran.out
    both = load(target, clip)
    assert "by up to 5.0 px" in ran.out
    assert both.names == ("0", "1", "2")
    assert both.xy[[0, 5, 7], 0].tolist() == [[40.5, 40.0], [1.0, 2.0], [47.0, 42.125]]
    ran = usstrack("convert", other, annotations, target, "--clip", clip)
    assert load(target, clip).xy[7, 0].tolist() == [44.0, 38.125]
    assert_one_sentence(usstrack("convert", annotations, other, target), "name the video")
    assert_one_sentence(
        usstrack("convert", annotations, other, annotations, "--clip", clip), "is an input"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere.json", "a.csv"], "nowhere.json cannot be read"),
        (["clip_annotations_me.json", "a.txt"], "no kind that can be told"),
        (["clip_annotations_me.json", "."], "is a folder"),
        (["clip_annotations_me.json", ".", "--to", "csv"], "is a folder"),
        (["clip_annotations_me.json", "clip_annotations_me.json"], "is an input"),
        (["clip_annotations_me.json", "clip.npy", "--to", "csv", "--clip", "clip.npy"], "is an in"),
        (["clip_annotations_me.json", "c.usstrack.json"], "name the video with --clip"),
        (["clip_annotations_me.json", "no/a.csv"], "cannot be written"),
        (["clip_annotations_me.json", "a.csv", "--from", "csv"], "no column frame"),
        (["clip_annotations_me.json", "CollectedData.csv", "--to", "deeplabcut"], "CollectedData_"),
        (["clip.npy", "a.csv"], "no kind that can be told"),
    ],
    ids=lambda v: " ".join(v)[:40],
)
def test_convert_that_cannot_be_done(
    usstrack, tmp_path, clip, annotations, words, said, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    before = sorted((path.name, path.read_bytes()) for path in tmp_path.iterdir())
    assert_one_sentence(usstrack("convert", *words), said)
    assert sorted((path.name, path.read_bytes()) for path in tmp_path.iterdir()) == before


def test_convert_labels_of_a_longer_clip(usstrack, tmp_path, clip, annotations):
    annotations.write_text('{"0": {"8": [1, 2]}}')
    ran = usstrack("convert", annotations, tmp_path / "a.csv", "--clip", clip)
    assert_one_sentence(ran, "labels frame 8", "frames 0 to 7")


# --- open ------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can lack a display")
def test_open_without_a_display(usstrack, clip, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == "PyQt6" or None)
    ran = usstrack("open", clip)
    assert ran.code == 1
    assert "no display" in ran.err


def test_open_starts_napari_with_the_clip(usstrack, clip, monkeypatch):
    started = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(subprocess, "call", lambda command: started.append(command) or 7)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == "PyQt6" or None)
    assert usstrack("open", clip).code == 7
    (command,) = started
    assert command[:4] == [sys.executable, "-m", "napari", str(clip)]
    assert "napari-usstrack" in command
    assert usstrack("open").code == 7
    assert str(clip) not in started[1]


def test_open_takes_several_clips_and_projects(usstrack, tmp_path, clip, monkeypatch):
    started = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(subprocess, "call", lambda command: started.append(command) or 0)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == "PyQt6" or None)
    other = tmp_path / "other.npy"
    other.write_bytes(clip.read_bytes())
    with Session.open(other) as session:
        session.place("tip", 0, (5, 5))
        saved = session.save()
    assert usstrack("open", clip, saved).code == 0
    assert started[0][3:7] == [str(clip), str(other), "--plugin", "napari-usstrack"]
    other.unlink()
    assert_one_sentence(usstrack("open", clip, saved), "other.npy")
    assert len(started) == 1


def test_open_without_a_qt_binding_tells_what_to_install(usstrack, clip, monkeypatch):
    monkeypatch.setattr(subprocess, "call", lambda _: pytest.fail("napari was started"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert_one_sentence(usstrack("open", clip), "Qt", 'pip install "napari-usstrack[all]"')


# --- as a program of its own -----------------------------------------------------------------


def alone(*words: object, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "napari_usstrack.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_program_success_and_failure(clip, points, tmp_path):
    words = ("-o", tmp_path / "t.csv", "--mm-per-px", "0.1")
    ran = alone("track", clip, "-p", points, *words, cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert len(rows(tmp_path / "t.csv")) == 16
    ran = alone("info", tmp_path / "nowhere.mp4", env={**os.environ, "COLUMNS": "40"})
    assert ran.returncode == 1
    assert len(ran.stderr.splitlines()) == 1
    assert ran.stderr.startswith("usstrack: ")
    assert ran.stdout == ""


def test_program_accepts_file_names_with_spaces_and_accents(clip, points, tmp_path):
    folder = tmp_path / "übung 1"
    folder.mkdir()
    moved = clip.rename(folder / "clip é.npy")
    ran = alone("track", moved, "-p", points, "-o", folder / "spur ß.csv")
    assert ran.returncode == 0, ran.stderr
    assert len(rows(folder / "spur ß.csv")) == 16
