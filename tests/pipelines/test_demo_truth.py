"""The demo's second act: generated clips against their truth."""

import pytest

from napari_usstrack.core.tracker import finish
from napari_usstrack.pipelines.demo_truth import run_acts, told
from napari_usstrack.pipelines.evaluate import evaluate, read_pair
from napari_usstrack.pipelines.figures import find


@pytest.fixture(scope="module")
def acts(tmp_path_factory):
    return finish(run_acts(tmp_path_factory.mktemp("acts") / "new"))


def test_every_file_is_there(acts):
    assert [act.name for act in acts] == ["heart", "muscle"]
    for act in acts:
        for path in (act.clip, act.csv, act.truth, act.picture):
            assert path.stat().st_size > 100


def test_the_tables_give_the_same_figures_again(acts):
    for act in acts:
        again = evaluate(*read_pair(act.csv, act.truth), mode="first").figures
        ours, theirs = (find(f, "mean_error", "mm").value for f in (act.figures, again))
        assert theirs == pytest.approx(ours, rel=1e-3)


def test_tracking_beats_standing_still(acts):
    for act in acts:
        error, moved = (find(act.figures, m, "mm").value for m in ("mean_error", "excursion"))
        assert error < 0.6 * moved


def test_the_table_has_a_line_for_each(acts):
    head, *lines = told(acts)
    assert "error, mm" in head
    assert [line.split()[0] for line in lines] == ["heart", "muscle"]
    assert "wall strain" in lines[0]
    assert "fascicle length" in lines[1]
    assert not any("nan" in line for line in lines)
