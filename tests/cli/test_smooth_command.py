"""The command ``smooth``: what it writes, and one sentence for every problem."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from napari_usstrack.session import Session

QUICK = ("--set", "patch_px=21")


@pytest.fixture
def raw(tmp_path, clip, points, usstrack) -> Path:
    """Tracks of two points, with jitter added to the first."""
    path = tmp_path / "raw.csv"
    ran = usstrack("track", clip, "-p", points, "-o", path, "--fps", "50")
    assert ran.code == 0
    lines = path.read_text().splitlines()
    for at, line in enumerate(lines):
        cells = line.split(",")
        if cells[2] == "tip" and cells[0] != "0":
            cells[3] = repr(float(cells[3]) + 1.5 * (-1) ** int(cells[0]))
            lines[at] = ",".join(cells)
    path.write_text("\n".join(lines) + "\n")
    return path


def rows(path: Path, point: str) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["point"] == point]


def jitter(path: Path, point: str) -> float:
    xy = np.array([(row["x"], row["y"]) for row in rows(path, point)], dtype=float)
    return float(np.abs(np.diff(xy, n=2, axis=0)).mean())


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("flow-window", ["--set", "window_s=0.08", *QUICK]),
        ("savgol", ["--set", "window_s=0.1", "--set", "order=1"]),
        ("butterworth", ["--set", "cutoff_hz=8"]),
        ("median", ["--set", "window_s=0.1"]),
        ("spline", []),
    ],
)
def test_smooth(usstrack, clip, raw, tmp_path, method, words):
    output = tmp_path / "smooth.csv"
    before = raw.read_bytes()
    ran = usstrack("smooth", raw, "--clip", clip, "-m", method, "-o", output, "--fps", "50", *words)
    assert ran.code == 0, ran.err
    assert "16 rows, 8 frames x 2 points" in ran.out
    assert "positions" in ran.out
    assert raw.read_bytes() == before
    assert jitter(output, "tip") < 0.7 * jitter(raw, "tip")
    assert {"smoothed"} <= {row["source"] for row in rows(output, "tip")}
    told = json.loads((tmp_path / "smooth.csv.json").read_text())["steps"][-1]
    assert (told["name"], told["method"]) == ("smooth", method)
    assert told["settings"]["points"] == ["tip", "base"]
    assert not list(tmp_path.glob("*.part"))


def test_flow_window_tells_its_frames(usstrack, clip, raw, tmp_path):
    ran = usstrack(
        *("smooth", raw, "--clip", clip, "-o", tmp_path / "s.csv", "--fps", "50"),
        *("--set", "window_s=0.08", *QUICK),
    )
    assert "the window is 4 frames" in ran.out


def test_named_points_only(usstrack, clip, raw, tmp_path):
    output = tmp_path / "s.csv"
    ran = usstrack(
        *("smooth", raw, "--clip", clip, "-m", "median", "-o", output, "--fps", "50"),
        *("--set", "window_s=0.1", "--points", "tip"),
    )
    assert ran.code == 0
    assert [r["x"] for r in rows(output, "base")] == [r["x"] for r in rows(raw, "base")]
    assert [r["x"] for r in rows(output, "tip")] != [r["x"] for r in rows(raw, "tip")]


def test_fusion_keeps_hand_set_positions_and_writes_a_film(usstrack, clip, raw, tmp_path):
    output, film = tmp_path / "s.csv", tmp_path / "s.mp4"
    ran = usstrack(
        *("smooth", raw, "--clip", clip, "-m", "fusion", "-o", output, *QUICK),
        *("--overlay", film),
    )
    assert ran.code == 0, ran.err
    first = rows(output, "tip")[0]
    assert (first["x"], first["y"], first["source"]) == ("40.0", "40.0", "manual")
    assert film.is_file()


@pytest.fixture
def project(clip) -> Path:
    """A project with two runs beside the clip."""
    with Session.open(clip, fps=50.0) as session:
        session.place("tip", 0, (40, 40))
        session.track(method="lucas-kanade", options={"window": 21})
        session.track(run="again", method="lucas-kanade", options={"window": 25})
        return session.save()


def test_a_run_of_a_project(usstrack, project, tmp_path):
    output = tmp_path / "s.csv"
    words = ["--fps", "50", "-m", "median", "--set", "window_s=0.1"]
    ran = usstrack("smooth", project, "--run", "track", "-o", output, *words)
    assert ran.code == 0, ran.err
    assert len(rows(output, "tip")) == 8
    steps = json.loads((tmp_path / "s.csv.json").read_text())["steps"]
    assert [step["name"] for step in steps] == ["track", "smooth"]


def test_ctrl_c_leaves_nothing_behind(usstrack, clip, raw, tmp_path, monkeypatch):
    from napari_usstrack.smoothing import flow_window

    def interrupt(*_args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(flow_window.Sweep, "work", interrupt)
    output = tmp_path / "s.csv"
    ran = usstrack(
        "smooth", raw, "--clip", clip, "-o", output, "--fps", "50", "--set", "window_s=0.1"
    )
    assert ran.code != 0
    assert "Traceback" not in ran.err
    assert not list(tmp_path.glob("s.csv*"))


def complaint(ran) -> str:
    assert ran.code == 1
    (line,) = [line for line in ran.err.splitlines() if not line.startswith("warning: ")]
    assert line.startswith("usstrack: ")
    return line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "window_s=9", "--fps", "50"], ("450 frames", "clip.npy has 8", "0.16 or less")),
        (["--set", "window_s=0.01", "--fps", "50"], ("needs 2", "0.04 or more")),
        ([], ("frame rate of clip.npy is unknown", "--fps")),
        (["-m", "kalman"], ("no smoothing method 'kalman'", "fusion")),
        (["--set", "order=3"], ("no setting 'order'", "window_s")),
        (["--set", "window_s=long"], ("'window_s'", "'long'")),
        (["--set", "window_s"], ("NAME=VALUE",)),
        (["--fps", "50", "--set", "window_s=0.1", "--points", "heel"], ("no point 'heel'", "tip")),
        (["--run", "track", "--fps", "50", "--set", "window_s=0.1"], ("no project",)),
        (["-m", "butterworth", "--set", "cutoff_hz=30", "--fps", "50"], ("cutoff_hz below 25",)),
        (["--overlay", "film.gif", "--fps", "50"], ("film.gif", ".mp4")),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_writes_nothing(
    usstrack, clip, raw, tmp_path, words, said
):
    output = tmp_path / "s.csv"
    line = complaint(usstrack("smooth", raw, "--clip", clip, "-o", output, *words))
    assert all(word in line for word in said), line
    assert not list(tmp_path.glob("s.csv*"))


def test_bad_files_are_named(usstrack, clip, raw, tmp_path, project):
    output = tmp_path / "s.csv"
    words = ("-o", output, "--fps", "50", "-m", "spline")
    assert "raw.csv is an input" in complaint(
        usstrack("smooth", raw, "--clip", clip, "-o", raw, "--fps", "50")
    )
    assert "--clip" in complaint(usstrack("smooth", raw, *words))
    assert "nowhere.csv" in complaint(
        usstrack("smooth", tmp_path / "nowhere.csv", "--clip", clip, *words)
    )
    assert "nowhere.mp4" in complaint(
        usstrack("smooth", raw, "--clip", tmp_path / "nowhere.mp4", *words)
    )
    assert "--run" in complaint(usstrack("smooth", project, *words))
    assert "no run 'fill'" in complaint(usstrack("smooth", project, "--run", "fill", *words))
    assert not list(tmp_path.glob("s.csv*"))
