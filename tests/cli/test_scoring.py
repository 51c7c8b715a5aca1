"""``usstrack evaluate`` and ``usstrack benchmark``: what they print, write and refuse."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from napari_usstrack.pipelines.bench import run as bench


@pytest.fixture
def tracks(usstrack, clip, points, tmp_path):
    path = tmp_path / "tracks.csv"
    assert usstrack("track", clip, "-p", points, "-o", path, "--mm-per-px", "0.1").code == 0
    return path


@pytest.fixture
def truth(tmp_path):
    path = tmp_path / "truth.csv"
    rows = ["frame,point,x,y"]
    rows += [f"{i},{name},{x + i},{y - 0.5 * i}" for i in range(8) for name, x, y in TRUE]
    path.write_text("\n".join(rows))
    return path


TRUE = (("tip", 40, 40), ("base", 50, 35))


# --- evaluate --------------------------------------------------------------------------------


def test_evaluate_prints_units_queries_and_every_point(usstrack, tracks, truth):
    ran = usstrack("evaluate", tracks, truth, "--fps", "50")
    assert ran.code == 0, ran.err
    assert ran.err == ""
    assert "2 points, 14 scored cells" in ran.out
    assert "frame 0: left out (hand-set cells" in ran.out
    for words in ("delta_avg", "px at 256", "mm/frame²", "50 frames/s", "95 % interval"):
        assert words in ran.out
    assert {line.split()[0] for line in ran.out.splitlines()[-2:]} == {"tip", "base"}


def test_evaluate_writes_csv_plots_and_json(usstrack, tracks, truth, tmp_path):
    table, plots = tmp_path / "scores.csv", tmp_path / "plots"
    ran = usstrack("evaluate", tracks, truth, "--csv", table, "--plots", plots, "--json")
    assert ran.code == 0, ran.err
    facts = json.loads(ran.out)
    assert facts["cells"] == 14
    assert facts["mm_per_px"] == [0.1, 0.1]
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["point"] for row in rows} == {"all points", "tip", "base"}
    (avg,) = (r for r in rows if r["point"] == "all points" and r["metric"] == "delta_avg")
    assert float(avg["value"]) == pytest.approx(facts["all_points"][0]["value"])
    assert sorted(path.name for path in plots.iterdir()) == [
        "accuracy.png",
        "error-over-time.png",
        "error-per-point.png",
    ]


def test_evaluate_with_stated_queries_and_a_cycle(usstrack, tracks, truth):
    words = ("--query-frame", "0", "--query-frame", "7", "--mode", "first", "--cycle", "0", "6")
    ran = usstrack("evaluate", tracks, truth, *words)
    assert ran.code == 0, ran.err
    assert "frame 0, 7: left out (stated)" in ran.out
    assert "first: later frames only" in ran.out
    assert "true_closure" in ran.out


def refused(ran, *words: str) -> None:
    assert ran.code == 1
    assert ran.out == ""
    assert len(ran.err.splitlines()) == 1
    assert ran.err.startswith("usstrack: ")
    assert all(word in ran.err for word in words), ran.err


def test_evaluate_refuses_in_one_sentence(usstrack, tracks, truth, clip, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("frame,point,x,y\n3,heel,40,40\n")
    refused(usstrack("evaluate", tracks, other), "heel", "share no point", "same names")
    other.write_text("")
    refused(usstrack("evaluate", tracks, other), "other.csv", "empty")
    other.write_text("name,value\na,1\n")
    refused(usstrack("evaluate", other, truth), "other.csv", "no column frame")
    refused(usstrack("evaluate", tmp_path / "gone.csv", truth), "gone.csv", "cannot be read")
    refused(usstrack("evaluate", clip, truth), "clip.npy", "not UTF-8 text")
    refused(usstrack("evaluate", truth, tracks, "--clip", tmp_path / "x.mp4"), "does not exist")
    longer = tmp_path / "longer.npy"
    np.save(longer, np.zeros((9, 70, 90), dtype=np.uint8))
    refused(usstrack("evaluate", tracks, truth, "--clip", longer), "9 frames", "8 frames")
    refused(usstrack("evaluate", tracks, truth, "--csv", tracks), "is an input")
    refused(usstrack("evaluate", tracks, truth, "--csv", tmp_path / "a.txt"), "wrong ending")
    refused(usstrack("evaluate", tracks, truth, "--plots", truth), "is a file")


# --- benchmark -------------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path, moving):
    folder = tmp_path / "data"
    folder.mkdir()
    start = np.array([[40.0, 40.0], [50.0, 35.0]])
    tracks = moving.truth(start).transpose(1, 0, 2)
    np.savez(folder / "moving.npz", frames=moving.frames, tracks=tracks, mm_per_px=0.1, fps=50.0)
    return folder


WORDS = ("benchmark", "--methods", "lucas-kanade:window=21", "--sets", "clips,phantom")


def test_benchmark_prints_a_table_and_writes_all_files(usstrack, data, tmp_path):
    output = tmp_path / "results"
    ran = usstrack(*WORDS, "--data", data, "--output", output)
    assert ran.code == 0, ran.err
    assert "clips moving: opencv-dis" in ran.err
    assert "clips: 1 clip" in ran.out
    assert "lucas-kanade:window=21" in ran.out
    assert "no phantom/points.csv" in ran.out
    names = {path.name for path in output.iterdir()}
    assert names == {"results.csv", "settings.json", "table.txt", "plots"}
    told = json.loads((output / "settings.json").read_text(encoding="utf-8"))
    assert told["finished"] is True
    assert told["methods"]["lucas-kanade:window=21"]["settings"]["window"] == 21
    assert (output / "plots" / "delta-avg-percent.png").is_file()


def test_benchmark_without_peers_and_with_a_torchscript_file(usstrack, data, tmp_path):
    torch = pytest.importorskip("torch")

    class Still(torch.nn.Module):
        def forward(self, frames: torch.Tensor, queries: torch.Tensor):
            tracks = queries[:, None, :, 1:].expand(-1, frames.shape[1], -1, -1)
            return tracks, torch.ones(tracks.shape[:3])

    with pytest.warns(DeprecationWarning, match="torch"):
        torch.jit.save(torch.jit.script(Still()), str(tmp_path / "still.pt"))
    output = tmp_path / "results"
    words = ("--no-peers", "--torchscript", f"{tmp_path / 'still.pt'}:channels=3")
    ran = usstrack(*WORDS, "--data", data, "--output", output, *words)
    assert ran.code == 0, ran.err
    assert "opencv" not in ran.out
    assert "torchscript:still.pt" in ran.out
    # Never moving is off by the excursion.
    with (output / "results.csv").open(newline="", encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if r["method"].startswith("torchscript")]
    found = {(r["metric"], r["unit"]): r["value"] for r in rows}
    assert float(found["mean_error", "px"]) == pytest.approx(float(found["excursion", "px"]))


def test_benchmark_interrupted_shows_and_keeps_what_was_finished(
    usstrack, data, tmp_path, monkeypatch
):
    whole = bench._case_rows

    def stopping(set_name, case, method):
        if method.name == "opencv-lk-21":
            raise KeyboardInterrupt
        return whole(set_name, case, method)

    monkeypatch.setattr(bench, "_case_rows", stopping)
    output = tmp_path / "results"
    ran = usstrack(*WORDS, "--data", data, "--output", output)
    assert ran.code == 130
    assert "Interrupted" in ran.err
    assert "opencv-lk-dustrack" in ran.out
    assert "opencv-lk-45" not in ran.out
    told = json.loads((output / "settings.json").read_text(encoding="utf-8"))
    assert told["finished"] is False
    with (output / "results.csv").open(newline="", encoding="utf-8") as file:
        kept = {row["method"] for row in csv.DictReader(file)}
    assert kept == {"lucas-kanade:window=21", "opencv-lk-dustrack"}


def test_benchmark_refuses_in_one_sentence(usstrack, data, tmp_path):
    given = ("--data", data, "--output", tmp_path / "results")
    refused(usstrack("benchmark", "--methods", "magic", *given), "no method 'magic'")
    refused(usstrack("benchmark", "--sets", "clip", *given), "no set 'clip'")
    refused(usstrack("benchmark", "--data", tmp_path / "gone"), "is no folder", "--data")
    refused(usstrack("benchmark", "--torchscript", tmp_path / "no.pt", *given), "does not exist")
    (tmp_path / "results").touch()
    refused(usstrack("benchmark", *given), "is a file")


def test_benchmark_that_could_run_nothing(usstrack, tmp_path):
    ran = usstrack("benchmark", "--sets", "clips", "--output", tmp_path / "results", "--no-peers")
    assert ran.code == 1
    assert "Nothing could be run" in ran.err
    assert "--data" in ran.err.splitlines()[-1]
