"""The run as a whole: rows are safe once a method is done with a case."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import dataclass

import numpy as np
import pytest
from fakes import Walker

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.pipelines.bench import plots
from napari_usstrack.pipelines.bench.cases import ALL, TIME
from napari_usstrack.pipelines.bench.methods import Method
from napari_usstrack.pipelines.bench.run import (
    COLUMNS,
    Results,
    Row,
    check_sets,
    run,
    write_settings,
)
from napari_usstrack.pipelines.bench.table import averaged, table_lines
from napari_usstrack.pipelines.figures import Figure, find

TOO_LONG = UsstrackError("This clip is too long.")


@dataclass(frozen=True)
class Failing(Walker):
    """Cannot do it, or is interrupted."""

    problem: BaseException = TOO_LONG

    def track(self, video, queries, span):
        if video.info.frame_count > 3:
            raise self.problem
        return super().track(video, queries, span)


@pytest.fixture
def folder(tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (9, 40, 60), dtype=np.uint8)
    path = np.array([20.0, 20.0]) + np.arange(9)[None, :, None] * [1.0, 0.0]
    tracks = path + np.array([[[0.0, 0.0]], [[4.0, 8.0]]])
    data = tmp_path / "data"
    data.mkdir()
    for name in ("a", "b"):
        np.savez(data / f"{name}.npz", frames=frames, tracks=tracks, mm_per_px=0.5, fps=20.0)
    return data


def walkers(*speeds: float) -> list[Method]:
    return [Method(f"walker:dx={speed}", Walker(dx=speed)) for speed in speeds]


def read(path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def timeless(path) -> list[dict[str, str]]:
    return [row for row in read(path) if row["metric"] != TIME]


def test_one_row_per_method_case_and_metric(folder, tmp_path):
    results = Results(tmp_path / "results.csv")
    lines = list(run(walkers(1.0, 0.5), ["clips"], [folder], results))
    assert lines == [
        f"clips {case}: walker:dx={speed}" for case in ("a", "b") for speed in (1.0, 0.5)
    ]
    rows = read(results.path)
    assert tuple(rows[0]) == COLUMNS
    keys = [(r["set"], r["case"], r["method"], r["metric"], r["unit"]) for r in rows]
    assert len(set(keys)) == len(keys)
    wanted = {"metric": "mean_error", "unit": "mm", "case": "a", "method": "walker:dx=0.5"}
    (row,) = (r for r in rows if wanted.items() <= r.items())
    assert float(row["value"]) == pytest.approx(0.5 * 0.5 * 4.5)
    assert float(row["low"]) <= float(row["value"]) <= float(row["high"])
    assert row["interval_over"] == "point"
    assert row["missing_percent"] == "0"


def test_the_same_twice(folder, tmp_path):
    for name in ("first.csv", "again.csv"):
        list(run(walkers(0.9), ["clips", "checks"], [folder], Results(tmp_path / name)))
    assert timeless(tmp_path / "first.csv") == timeless(tmp_path / "again.csv")


def test_an_interruption_keeps_what_was_finished(folder, tmp_path):
    results = Results(tmp_path / "results.csv")
    stopped = Method("stopped", Failing(problem=KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        list(run([*walkers(1.0), stopped], ["clips"], [folder], results))
    rows = read(results.path)
    assert {(row["case"], row["method"]) for row in rows} == {("a", "walker:dx=1.0")}
    assert not list(tmp_path.glob("*.part"))
    assert table_lines(results.rows)


def test_a_method_that_cannot_do_a_case_leaves_a_note(folder, tmp_path):
    results = Results(tmp_path / "results.csv")
    list(run([Method("failing", Failing()), *walkers(1.0)], ["clips"], [folder], results))
    notes = [row for row in read(results.path) if row["note"]]
    assert [(row["case"], row["method"]) for row in notes] == [("a", "failing"), ("b", "failing")]
    text = "\n".join(table_lines(results.rows))
    assert "failing on a, b: This clip is too long." in text


def test_a_method_is_not_run_on_sets_it_is_unsuited_for(folder, tmp_path):
    results = Results(tmp_path / "results.csv")
    method = Method("slow", Walker(), ("clips",), "not run here")
    list(run([method, *walkers(1.0)], ["clips"], [folder], results))
    assert {row["note"] for row in read(results.path) if row["method"] == "slow"} == {
        "not run here"
    }


def test_sets_without_data_are_rows_unless_nothing_runs(folder, tmp_path):
    results = Results(tmp_path / "results.csv")
    list(run(walkers(1.0), ["clips", "phantom"], [folder], results))
    (row,) = (r for r in read(results.path) if r["set"] == "phantom")
    assert "points.csv" in row["note"]
    assert not row["metric"]
    nothing = Results(tmp_path / "nothing.csv")
    with pytest.raises(UsstrackError, match=r"Nothing could be run: no .*points\.csv.*--data"):
        list(run(walkers(1.0), ["phantom"], [folder], nothing))


def test_at_most_so_many_clips_of_each_set(folder, tmp_path):
    results = Results(tmp_path / "results.csv")
    list(run(walkers(1.0), ["clips"], [folder], results, limit=1))
    assert {row["case"] for row in read(results.path)} == {"a"}


def test_set_names():
    assert check_sets("checks, clips") == ["clips", "checks"]
    with pytest.raises(UsstrackError, match="no set 'clip'"):
        check_sets("clip")
    with pytest.raises(UsstrackError, match="no set in --sets"):
        check_sets(",")


def test_settings_tell_versions_machine_and_methods(tmp_path):
    write_settings(tmp_path / "settings.json", walkers(0.5), sets=["clips"], limit=None)
    told = json.loads((tmp_path / "settings.json").read_text(encoding="utf-8"))
    assert told["methods"]["walker:dx=0.5"]["settings"] == {"dx": 0.5, "dy": 0.0}
    assert told["machine"]["cores"] >= 1
    assert {"python", "numpy", "torch", "napari-usstrack"} <= set(told["versions"])
    assert told["sets"] == ["clips"]
    assert told["command"][0] == "usstrack"


# --- table and plots -------------------------------------------------------------------------


def rows_of(values: dict[str, float], method="m", metric="delta_avg", unit="%") -> list[Row]:
    return [
        Row("clips", case, method, Figure(metric, value, unit)) for case, value in values.items()
    ]


def test_a_set_is_the_plain_mean_over_its_clips():
    figure = find(averaged(rows_of({"a": 80.0, "b": 100.0}))["m"], "delta_avg")
    assert figure.value == 90.0
    assert (figure.low, figure.high, figure.over) == (80.0, 100.0, "clip")


def test_a_pooled_case_stands_alone():
    figures = averaged(rows_of({"a": 80.0, "b": 100.0, ALL: 85.0}))["m"]
    assert [figure.value for figure in figures] == [85.0]
    assert math.isnan(figures[0].low)


def test_the_table_has_units_and_one_line_per_method():
    rows = [
        *rows_of({"a": 80.0, "b": 100.0}),
        *rows_of({"a": 70.0, "b": 90.0}, "other"),
        *rows_of({"a": 0.5, "b": 0.7}, "m", TIME, "ms/point-frame"),
        Row("phantom", "", "", note="no data."),
    ]
    lines = table_lines(rows)
    assert lines[0] == "clips: 2 clips"
    assert "delta_avg, %" in lines[1]
    assert "ms/point-frame" in lines[1]
    assert lines[2].split() == ["m", "90.0", "[80.0,", "100.0]", "0.600"]
    assert lines[3].split() == ["other", "80.0", "[70.0,", "90.0]", "-"]
    assert lines[-1] == "  note: no data."


def test_columns_are_as_wide_as_what_is_in_them_and_many_clips_are_counted():
    rows = rows_of({"a": 1e-6}, "m", "gap_up-down", "px") + rows_of(
        {"a": 1.0}, "m", "excursion", "px"
    )
    rows += rows_of({"a": 0.5}, "m", "closure", "px")
    rows = [Row("checks", row.case, row.method, row.figure) for row in rows]
    rows += [Row("checks", case, "slow", note="not run") for case in "abcde"]
    _, titles, line, note = table_lines(rows)
    assert titles.index("up-down") + len("up-down") == line.index("0.00000100") + len("0.00000100")
    assert note == "  note: slow on 5 clips: not run"


def test_one_plot_per_metric(tmp_path):
    rows = [*rows_of({"a": 80.0, "b": 100.0}), *rows_of({"a": 0.0, ALL: 0.0}, "m", "missing")]
    rows += rows_of({"a": 0.1, "b": 99.0}, "m", TIME, "ms/point-frame")
    rows += rows_of({"a": math.nan}, "m", "GLS_error", "percentage points")
    written = plots.draw(rows, tmp_path / "plots")
    names = ["delta-avg-percent.png", "missing-percent.png", "time-ms-point-frame.png"]
    assert [path.name for path in written] == names
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)
    first = written[0].read_bytes()
    plots.draw(rows, tmp_path / "plots")
    assert written[0].read_bytes() == first


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "plots").touch()
    with pytest.raises(UsstrackError, match="is a file; name a folder"):
        plots.draw([], tmp_path / "plots")
