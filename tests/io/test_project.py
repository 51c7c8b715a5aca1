"""Projects: bit-exact round trips, whole files or none, and one owner at a time."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_usstrack.core import edits
from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.provenance import Step
from napari_usstrack.core.tracks import (
    Cells,
    PointInfo,
    Source,
    Tracks,
    blank_arrays,
    named_points,
)
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io import atomic, project
from napari_usstrack.io.labels import Labels, read_labels, text_of
from napari_usstrack.io.locks import ProjectLock
from napari_usstrack.io.project import Project, load, project_path, runs_path, save
from napari_usstrack.io.runs import group_names, read_runs, write_runs

STAMPS = np.array([0.0, 0.04, 0.08, 0.15, 0.19])
INFO = VideoInfo(
    frame_count=5,
    width=64,
    height=48,
    calibration=Calibration((0.1, 0.2), STAMPS, "typed", "DICOM"),
    digest="abc",
    name="trial.mp4",
)
POINTS = (
    PointInfo("tip", "fascicle", "line", "#00c8ff"),
    PointInfo("Muskel ä/1", "", "point", "#ffd400"),
)


def annotations(info: VideoInfo = INFO) -> Tracks:
    arrays = blank_arrays(5, 2)
    arrays["xy"][0] = [[1 / 3, -0.0], [12.5, 0.1 + 0.2]]
    arrays["source"][0] = [Source.MANUAL, Source.ACCEPTED]
    arrays["visible"][0] = [True, False]
    arrays["confidence"][0, 1] = 0.7
    arrays["source"][3, 0] = Source.ABSENT
    return Tracks(**arrays, points=POINTS, video=info)


def a_run(info: VideoInfo = INFO, seed: int = 0) -> Tracks:
    rng = np.random.default_rng(seed)
    arrays = blank_arrays(5, 2)
    arrays["xy"][:4] = rng.uniform(0, 40, (4, 2, 2))
    arrays["xy"][1, 1] = -0.0
    arrays["source"][:4] = Source.FLOW
    arrays["visible"][:3] = True
    arrays["confidence"][:3] = rng.random((3, 2))
    steps = (Step("track", "lucas-kanade", 2, {"window": 21, "levels": (1, 2)}, "feed"),)
    return Tracks(**arrays, points=POINTS, video=info, log=steps)


def a_project(**changes: object) -> Project:
    whole = Project(annotations(), {"flow": a_run(), "net/1 best": a_run(seed=1)}, "AB", 7)
    return replace(whole, **changes)


@pytest.fixture
def path(tmp_path) -> Path:
    return project_path(tmp_path / "trial.mp4")


def test_names_beside_the_clip(tmp_path):
    found = project_path(tmp_path / "trial.mp4")
    assert found == tmp_path / "trial.mp4.usstrack.json"
    assert found != project_path(tmp_path / "trial.avi")
    assert runs_path(found).name == "trial.mp4.usstrack.nc"
    assert ProjectLock(found).path.name == "trial.mp4.usstrack.lock"
    with pytest.raises(UsstrackError, match=r"is no project; choose a name that ends in"):
        save(a_project(), tmp_path / "trial.mp4")


def test_round_trip_is_bit_exact(path):
    before = a_project(extra={"note": {"a": [1, None]}, "events": {"ED": [3]}})
    save(before, path)
    after = load(path, INFO)
    assert after.annotations.equals(before.annotations)
    assert after.annotations.points == POINTS
    assert list(after.runs) == ["flow", "net/1 best"]
    for name, run in before.runs.items():
        assert after.runs[name].equals(run)
        assert after.runs[name].points == POINTS
        assert after.runs[name].log[0].settings["window"] == 21
        assert after.runs[name].video is after.annotations.video
    assert (after.author, after.last_edit, after.extra) == ("AB", 7, before.extra)
    assert np.signbit(after.runs["flow"].xy[1, 1]).all()


def test_without_the_clip_the_file_describes_it(path):
    save(a_project(), path)
    info = load(path).annotations.video
    assert info.same_clip(INFO)
    assert info.spacing_mm == (0.1, 0.2)
    assert info.calibration.times_s.tobytes() == STAMPS.tobytes()
    run = read_runs(runs_path(path))["flow"]
    assert run.video.calibration.times_s.tobytes() == STAMPS.tobytes()
    assert run.video.same_clip(INFO)


def test_labels_are_text_with_one_line_per_cell(path):
    save(a_project(), path)
    lines = path.read_text(encoding="utf-8").splitlines()
    cell = '{"frame": 0, "x": 0.3333333333333333, "y": -0.0, "source": "manual", "author": "AB"}'
    assert f"      {cell}," in lines
    assert '      {"frame": 3, "source": "absent", "author": "AB"}' in lines
    assert any('"visible": false, "confidence": 0.7' in line for line in lines)
    assert any(line.strip().startswith('"Muskel ä/1": [') for line in lines)
    raw = json.loads(path.read_text(encoding="utf-8"))
    assert raw["schema"] == 1
    assert raw["clip"] == {
        "name": "trial.mp4",
        "digest": "abc",
        "frame_count": 5,
        "width": 64,
        "height": 48,
    }
    assert raw["events"] == {}


def test_a_steady_rate_is_stored_as_a_rate(path):
    for fps in (30.0, 29.97, 200 / 7, 1 / 3):
        info = INFO.calibrated(Calibration().with_rate(5, fps, "--fps"))
        save(Project(annotations(info), {}), path)
        assert "times_s" not in path.read_text(encoding="utf-8")
        times = load(path).annotations.video.calibration.times_s
        assert times.tobytes() == info.calibration.times_s.tobytes()


def test_each_cell_keeps_its_author_until_it_changes(path):
    save(a_project(), path)
    opened = load(path, INFO)
    moved = edits.put(opened.annotations, 0, "tip", (5, 6)).apply(opened.annotations)
    placed = edits.put(moved, 4, "tip", (7, 8)).apply(moved)
    save(replace(opened, annotations=placed, author="CD"), path)
    assert read_labels(path).authors == {
        ("tip", 0): "CD",
        ("tip", 3): "AB",
        ("tip", 4): "CD",
        ("Muskel ä/1", 0): "AB",
    }


def test_saved_scale_wins_unless_unknown(path):
    save(a_project(), path)
    file_says = INFO.calibrated(Calibration((0.5, 0.5), STAMPS + 1e-9, "DICOM region", "DICOM"))
    found = load(path, file_says).annotations.video.calibration
    assert (found.spacing_mm, found.spacing_source) == ((0.1, 0.2), "typed")
    assert found.times_s.tobytes() == file_says.calibration.times_s.tobytes()

    save(a_project(annotations=annotations(INFO.calibrated(Calibration()))), path)
    found = load(path, file_says).annotations.video.calibration
    assert (found.spacing_mm, found.time_source) == ((0.5, 0.5), "DICOM")


def test_typed_rate_wins_over_the_file(path):
    typed = INFO.calibrated(INFO.calibration.with_rate(5, 50.0, "--fps"))
    save(a_project(annotations=annotations(typed)), path)
    found = load(path, INFO).annotations.video.calibration
    assert (found.time_source, found.times_s[1]) == ("--fps", 0.02)


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"digest": "xyz"}, "the pictures differ"),
        ({"width": 65}, "size 64 x 48 instead of 65 x 48"),
    ],
)
def test_a_project_of_another_clip_is_refused(path, change, detail):
    save(a_project(), path)
    other = replace(INFO, name="other.mp4", **change)
    sentence = (
        rf"trial.mp4.usstrack.json belongs to another clip than other.mp4 \({detail}\); "
        "open trial.mp4 or move the project away"
    )
    with pytest.raises(UsstrackError, match=sentence):
        load(path, other)
    with pytest.raises(UsstrackError, match=sentence):
        save(Project(annotations(other), {}), path)


def test_frame_count_is_compared_and_an_unknown_digest_is_not(path):
    save(a_project(), path)
    times = Calibration()
    with pytest.raises(UsstrackError, match=r"\(frames 5 instead of 6\)"):
        load(path, replace(INFO, frame_count=6, calibration=times))
    assert load(path, replace(INFO, digest="")).annotations.equals(annotations())


def test_runs_of_another_clip_are_refused(path):
    save(a_project(), path)
    write_runs({"flow": a_run(replace(INFO, digest="xyz", name="b.mp4"))}, runs_path(path))
    sentence = r"nc holds runs of another clip \(b.mp4\) than trial.mp4; open the clip"
    with pytest.raises(UsstrackError, match=sentence):
        load(path, INFO)


def test_no_runs_no_file_and_emptied_runs_keep_a_backup(path):
    save(a_project(runs={}), path)
    assert not runs_path(path).exists()
    assert load(path, INFO).runs == {}
    save(a_project(), path)
    save(a_project(runs={}), path)
    assert load(path, INFO).runs == {}
    assert list(read_runs(atomic.beside(runs_path(path), ".bak"))) == ["flow", "net/1 best"]


def test_unchanged_runs_are_not_written_again(path, monkeypatch):
    save(a_project(), path)
    written = []
    monkeypatch.setattr(project, "write_runs", lambda runs, at: written.append(at))
    save(load(path, INFO), path)
    assert written == []
    save(a_project(runs={"flow": a_run(seed=5)}), path)
    assert written == [runs_path(path)]


def test_the_save_before_is_kept(path):
    save(a_project(last_edit=1), path)
    first = path.read_bytes()
    save(a_project(last_edit=2), path)
    assert atomic.beside(path, ".bak").read_bytes() == first
    assert load(path).last_edit == 2
    assert not list(path.parent.glob("*.part"))


@pytest.mark.parametrize("stage", ["fsync", "link", "replace"])
def test_an_interrupted_save_leaves_the_old_files(path, monkeypatch, stage):
    save(a_project(), path)
    old = {file.name: file.read_bytes() for file in path.parent.iterdir()}

    def broken(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr(atomic.os, stage, broken)
    with pytest.raises(KeyboardInterrupt):
        save(a_project(last_edit=99, runs={}), path)
    monkeypatch.undo()
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == old
    assert load(path, INFO).last_edit == 7


def test_a_file_that_does_not_read_back_is_not_put_in_place(path):
    save(a_project(), path)
    before = runs_path(path).read_bytes()

    def refuse(_part):
        raise UsstrackError("it did not read back")

    with pytest.raises(UsstrackError, match="read back"):
        atomic.write_bytes(path, b"{}", verify=refuse, backup=".bak")
    with pytest.raises(ZeroDivisionError), atomic.replacing(runs_path(path), backup=".bak") as part:
        part.write_text(f"half {1 / 0}")
    assert runs_path(path).read_bytes() == before
    assert len(list(path.parent.iterdir())) == 2


def test_saving_without_links_still_keeps_a_backup(path, monkeypatch):
    def no_links(*_args):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(atomic.os, "link", no_links)
    save(a_project(last_edit=1), path)
    save(a_project(last_edit=2), path)
    assert read_labels(atomic.beside(path, ".bak")).last_edit == 1


def test_a_full_disk_is_one_sentence(path, monkeypatch):
    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(UsstrackError, match=r"json cannot be written \(No space left on device\)"):
        save(a_project(), path)


def edited(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"schema": 1', '"schema": 1,,', "line 2"),
        ('"frame": 3', '"frame": 0', "labelled twice"),
        ('"frame": 3', '"frame": 30', "frame 30 of 'tip' lies outside the clip"),
        ('"frame": 3', '"frame": 3.5', "frame is 3.5 instead of a whole number"),
        ('"absent"', '"guessed"', "unknown source 'guessed'"),
        ('"tip": [', '"tap": [', "labels of 'tap', which is not among the points"),
        ('"Muskel ä/1": [', '"tip": [', "entry 'tip' is there twice"),
        ('"x": 12.5, ', "", "entry 'x' is missing"),
        ('"x": 12.5', '"x": NaN', "finite"),
        ('"clip"', '"klip"', "entry 'clip' is missing"),
    ],
)
def test_damaged_labels_name_the_backup(path, old, new, problem):
    save(a_project(), path)
    edited(path, old, new)
    with pytest.raises(UsstrackError, match=r"json is damaged \(.*; no trial.mp4.*bak lies"):
        load(path)
    atomic.beside(path, ".bak").write_bytes(b"")
    remedy = r"copy trial.mp4.usstrack.json.bak, the save before it, over it"
    with pytest.raises(UsstrackError, match=rf"{problem}.*; {remedy}"):
        load(path)
    with pytest.raises(UsstrackError, match="damaged"):
        save(a_project(), path)


def test_newer_layouts_are_refused(path):
    save(a_project(), path)
    with h5py.File(runs_path(path), "r+") as file:
        file.attrs["usstrack_schema"] = 2
    with pytest.raises(UsstrackError, match=r"nc was saved by a newer version \(layout 2, .*1\)"):
        load(path)
    edited(path, '"schema": 1', '"schema": 5')
    with pytest.raises(UsstrackError, match=r"json was saved by a newer .*; update napari-usstr"):
        load(path)


def test_a_missing_project_is_one_sentence(path):
    with pytest.raises(UsstrackError, match=r"json cannot be read \(No such file.*check the path"):
        load(path)
    with pytest.raises(UsstrackError, match=r"no such file"):
        read_runs(runs_path(path))


def flipped(content: bytes) -> bytes:
    needle = a_run().xy[2, 0].tobytes()[:8]
    assert needle in content
    return content.replace(needle, needle[:3] + bytes([needle[3] ^ 1]) + needle[4:])


@pytest.mark.parametrize(
    "harm",
    [
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: b"not a netCDF file at all" * 100,
        flipped,
    ],
)
def test_damaged_runs_name_the_backup(path, harm):
    save(a_project(), path)
    save(a_project(runs={"flow": a_run()}), path)
    stored = runs_path(path)
    stored.write_bytes(harm(stored.read_bytes()))
    remedy = r"copy trial.mp4.usstrack.nc.bak, the save before it, over it"
    with pytest.raises(UsstrackError, match=rf"nc is damaged \(.*\); {remedy}"):
        load(path, INFO)


def test_a_damaged_run_file_never_becomes_the_backup(path):
    save(a_project(), path)
    save(a_project(runs={"flow": a_run()}), path)
    runs_path(path).write_bytes(b"torn")
    save(a_project(runs={"flow": a_run(seed=4)}), path)
    assert list(load(path, INFO).runs) == ["flow"]
    assert list(read_runs(atomic.beside(runs_path(path), ".bak"))) == ["flow", "net/1 best"]


def test_runs_open_as_movement_poses(path):
    import xarray as xr

    before = a_run()
    write_runs({"flow": before}, runs_path(path))
    with xr.open_dataset(runs_path(path), group="flow", engine="h5netcdf") as data:
        assert data.position.dims == ("time", "space", "keypoint", "individual")
        assert data.position.dtype == np.float64
        assert data.confidence.dims == ("time", "keypoint", "individual")
        assert data.confidence.dtype == np.float32
        assert data.visible.dtype == bool
        assert data.source.dtype == np.uint8
        assert data.source.attrs["flag_meanings"].split()[:3] == ["MISSING", "ABSENT", "MANUAL"]
        assert data.source.attrs["flag_values"].tolist() == list(range(8))
        assert data.keypoint.values.tolist() == ["tip", "Muskel ä/1"]
        assert data.individual.values.tolist() == ["id_0"]
        assert data.space.values.tolist() == ["x", "y"]
        assert {"frame", "timestamp", "group", "kind", "colour"} <= set(data.coords)
        assert data.timestamp.values.tobytes() == STAMPS.tobytes()
        assert data.frame.values.tolist() == [0, 1, 2, 3, 4]
        assert data.time.values.tobytes() == (np.arange(5) / INFO.fps).tobytes()
        assert data.attrs["ds_type"] == "poses"
        assert data.attrs["time_unit"] == "seconds"
        assert data.attrs["fps"] == INFO.fps
        assert data.attrs["source_file"] == "trial.mp4"
        assert data.attrs["digest"] == "abc"
        assert data.attrs["spacing_mm"].tolist() == [0.1, 0.2]
        assert json.loads(data.attrs["log"])[0]["method"] == "lucas-kanade"
        tip = data.position.sel(keypoint="tip", individual="id_0").values
        assert tip.tobytes() == before.xy[:, 0].tobytes()
        assert np.array_equal(data.visible.values[..., 0], before.visible)


def test_unknown_time_counts_frames(path):
    import xarray as xr

    write_runs({"flow": a_run(INFO.calibrated(Calibration()))}, runs_path(path))
    with xr.open_dataset(runs_path(path), group="flow", engine="h5netcdf") as data:
        assert data.attrs["time_unit"] == "frames"
        assert data.time.values.tolist() == [0, 1, 2, 3, 4]
        assert "fps" not in data.attrs
        assert "timestamp" not in data.coords
    assert read_runs(runs_path(path))["flow"].video.spacing_mm is None


def test_odd_run_names_and_shapes(path):
    odd = {name: a_run(seed=i) for i, name in enumerate(["a/b", "run_0", ".", " ", "", "Größe"])}
    odd["none"] = Tracks.blank(INFO)
    write_runs(odd, path)
    found = read_runs(path, INFO)
    assert list(found) == list(odd)
    assert all(found[name].equals(run) for name, run in odd.items())
    groups = group_names(odd)
    assert groups["run_0"] == "run_0"
    assert len(set(groups.values())) == len(odd)


def test_a_long_log_fits(path):
    long = replace(a_run(), log=(Step("track", "net", settings={"text": "x" * 100_000}),))
    write_runs({"flow": long}, path)
    assert read_runs(path)["flow"].log == long.log


LOOKER = """
import sys
from napari_usstrack.io.locks import ProjectLock
lock = ProjectLock(sys.argv[1])
print(lock.acquire(), lock.reason, flush=True)
if sys.argv[2] == "hold":
    sys.stdin.read()
"""


def test_a_second_program_only_looks_on(path):
    command = [sys.executable, "-c", LOOKER, str(path)]
    with ProjectLock(path) as mine:
        assert mine.owned
        assert mine.reason == ""
        other = subprocess.run([*command, "go"], capture_output=True, text=True, check=True)
        assert other.stdout.startswith("False trial.mp4.usstrack.json is open in another window")
        twin = ProjectLock(path)
        assert not twin.acquire()
        assert "close the other one to save" in twin.reason
    assert not mine.owned
    other = subprocess.run([*command, "go"], capture_output=True, text=True, check=True)
    assert other.stdout.startswith("True")


def test_the_lock_of_a_crashed_program_is_free(path):
    command = [sys.executable, "-c", LOOKER, str(path), "hold"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline().startswith("True")
        lock = ProjectLock(path)
        assert not lock.acquire()
        other.kill()
        other.wait()
    assert lock.acquire()
    assert lock.reason == ""
    lock.release()


def test_an_unwritable_folder_is_read_only_with_a_reason(tmp_path):
    lock = ProjectLock(tmp_path / "gone" / "trial.mp4.usstrack.json")
    assert not lock.acquire()
    assert "folder cannot be written" in lock.reason
    assert not (tmp_path / "gone").exists()
    lock.release()


number = st.floats(allow_nan=False, allow_infinity=False)
cells = st.lists(
    st.tuples(
        st.sampled_from(Source),
        number,
        number,
        st.booleans(),
        st.none() | st.floats(0, 1, width=32),
    ),
    min_size=10,
    max_size=10,
)
names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=6)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cells=cells,
    names=st.lists(names.filter(str.strip), min_size=2, max_size=2, unique=True),
    author=st.text(st.characters(codec="utf-8"), max_size=5),
    run_name=names,
)
def test_any_cells_survive(tmp_path, cells, names, author, run_name):
    arrays = blank_arrays(5, 2)
    for i, (source, x, y, visible, confidence) in enumerate(cells):
        at = divmod(i, 2)
        arrays["source"][at] = source
        if source != Source.MISSING and confidence is not None:
            arrays["confidence"][at] = confidence
        if source > Source.ABSENT:
            arrays["xy"][at], arrays["visible"][at] = (x, y), visible
    made = Tracks(**arrays, points=named_points(names), video=INFO)
    (tmp_path / "labels.json").write_text(text_of(Labels(made, author)), encoding="utf-8")
    found = read_labels(tmp_path / "labels.json")
    assert found.annotations.equals(made)
    assert (found.annotations.names, found.author) == (tuple(names), author)
    write_runs({run_name: made}, tmp_path / "runs.nc")
    stored = read_runs(tmp_path / "runs.nc", INFO)
    assert list(stored) == [run_name]
    assert stored[run_name].equals(made)
    assert stored[run_name].names == tuple(names)


def test_large_runs_survive(path):
    info = VideoInfo(2000, 640, 480, digest="abc")
    rng = np.random.default_rng(0)
    points = named_points([f"p{i}" for i in range(20)])
    cells = Cells.placed(rng.uniform(0, 400, (2000, 20, 2)), Source.FLOW, confidence=0.5)
    runs = {f"run {i}": Tracks.blank(info, points).with_cells(cells) for i in range(3)}
    save(Project(Tracks.blank(info, points), runs), path)
    assert all(run.equals(cells) for run in load(path, info).runs.values())
