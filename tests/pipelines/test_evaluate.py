"""Tracks against a truth: points by name, query frames, and tables that do not fit."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from fakes import CLIP, INFO, Walker, labels

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracker import finish
from napari_usstrack.core.tracks import Tracks
from napari_usstrack.io.tables import sidecar_path, write_tracks
from napari_usstrack.pipelines import track as tracking
from napari_usstrack.pipelines.evaluate import AUTO, FALLBACK, STATED, evaluate, read_pair
from napari_usstrack.pipelines.figures import find
from napari_usstrack.pipelines.score_text import evaluation_facts, evaluation_lines, number


def walked(start=(5.0, 10.0), frame=0, names=("a",)) -> Tracks:
    """Tracks that go one px to the right per frame."""
    made = labels({name: {frame: start} for name in names})
    return finish(tracking.track(CLIP, made, Walker()))


def true_walk(start=(5.0, 10.0), frames=range(INFO.frame_count), name="a", speed=1.0) -> Tracks:
    return labels({name: {f: (start[0] + speed * f, start[1]) for f in frames}})


def value(found, metric, unit=None):
    return find(found.figures, metric, unit).value


def test_perfect_tracks():
    found = evaluate(walked(), true_walk())
    assert value(found, "delta_avg") == 100.0
    assert value(found, "mean_error", "px") == 0.0
    assert found.cells == INFO.frame_count - 1
    assert found.queries == {"a": (0,)}
    assert found.query_rule == AUTO


def test_errors_by_hand_in_px_at_256():
    truth = true_walk(start=(5.0, 10.0), speed=1.1)
    found = evaluate(walked(), truth)
    frames = np.arange(1, INFO.frame_count)
    assert value(found, "mean_error", "px") == pytest.approx(0.1 * frames.mean())
    assert value(found, "mean_error", "px at 256") == pytest.approx(
        0.1 * frames.mean() * 256 / INFO.width
    )
    assert find(found.figures, "mean_error", "mm") is None


def test_all_hand_set_frames_are_left_out():
    tracks = walked().over(walked())
    anchors = labels({"a": {0: (5.0, 10.0), 8: (13.0, 10.0)}})
    found = evaluate(anchors.over(tracks), true_walk())
    assert found.queries == {"a": (0, 8)}
    assert found.cells == INFO.frame_count - 2


def test_tables_of_other_programs_are_queried_where_the_truth_begins():
    by_hand = true_walk()
    found = evaluate(by_hand, true_walk(frames=range(3, 15)))
    assert found.query_rule == FALLBACK
    assert found.queries == {"a": (3,)}
    assert found.cells == 11


def test_stated_query_frames_and_the_mode():
    found = evaluate(walked(frame=6), true_walk(), query_frames=[6])
    assert found.query_rule == STATED
    assert found.cells == INFO.frame_count - 1
    later = evaluate(walked(frame=6), true_walk(), query_frames=[6], mode="first")
    assert later.cells == INFO.frame_count - 7


def test_cells_nobody_looked_at_do_not_count_and_absent_ones_are_hidden():
    truth = labels({"a": {0: (5.0, 10.0), 4: (9.0, 10.0), 7: None}})
    found = evaluate(walked(), truth)
    assert found.cells == 1
    assert value(found, "OA") == 50.0


def test_missing_predictions_are_told():
    tracks = finish(tracking.track(CLIP, labels({"a": {0: (5.0, 10.0)}}), Walker(), stop=10))
    found = evaluate(tracks, true_walk())
    assert value(found, "missing") == pytest.approx(50.0)
    assert value(found, "delta_avg") == pytest.approx(50.0)
    assert value(found, "mean_error", "px") == 0.0


def test_points_are_matched_by_name():
    both = evaluate(walked(names=("b", "a")), true_walk())
    assert list(both.points) == ["a"]
    assert both.only_tracks == ("b",)
    other = labels({"a": {4: (9.0, 10.0)}, "z": {4: (9.0, 10.0)}})
    assert evaluate(walked(), other).only_truth == ("z",)


def test_no_shared_point():
    with pytest.raises(UsstrackError, match=r"\(a\) and truth \(z\) share no point"):
        evaluate(walked(), true_walk(name="z"))


def test_nothing_left_to_score():
    with pytest.raises(UsstrackError, match="No cell is left"):
        evaluate(walked(), true_walk(frames=[0]))


def test_a_frame_outside():
    with pytest.raises(UsstrackError, match="Frame 99 is outside"):
        evaluate(walked(), true_walk(), query_frames=[99])


def test_closure_of_a_cycle():
    found = evaluate(walked(), true_walk(speed=0.5), cycle=(0, 10))
    assert value(found, "closure", "px") == pytest.approx(10.0)
    assert value(found, "true_closure", "px") == pytest.approx(5.0)


def test_text_names_mode_queries_rate_and_units():
    lines = evaluation_lines(evaluate(walked(), true_walk(speed=1.1)))
    text = "\n".join(lines)
    for words in ("frame 0: left out", "strided", "give it with --fps", "--mm-per-px", "%"):
        assert words in text
    assert "mm " not in text.replace("no mm;", "")


def test_facts_have_no_nan():
    facts = evaluation_facts(evaluate(walked(), true_walk()))
    assert facts["points"]["a"][0]["low"] is None
    assert facts["query_frames"] == {"a": [0]}


@pytest.mark.parametrize(
    ("given", "text"),
    [(0.0, "0.0"), (0.01234, "0.0123"), (1.234, "1.23"), (98.76, "98.8"), (123.4, "123.4")],
)
def test_numbers_are_short(given, text):
    assert number(given) == text


# --- tables ----------------------------------------------------------------------------------


@pytest.fixture
def pair(tmp_path):
    tracks, truth = tmp_path / "tracks.csv", tmp_path / "truth.csv"
    write_tracks(walked(), tracks)
    write_tracks(true_walk(), truth)
    return tracks, truth


def test_the_json_beside_tells_the_clip(pair, tmp_path):
    info = dataclasses.replace(
        INFO, calibration=Calibration((0.1, 0.2), np.arange(INFO.frame_count) / 50.0)
    )
    write_tracks(walked().with_video(info), pair[0])
    sidecar_path(pair[1]).unlink()
    tracks, truth = read_pair(*pair)
    assert truth.video.spacing_mm == (0.1, 0.2)
    assert tracks.video.fps == pytest.approx(50.0)
    typed, _ = read_pair(*pair, spacing_mm=(0.3, 0.3), fps=25.0)
    assert typed.video.spacing_mm == (0.3, 0.3)
    assert typed.video.fps == pytest.approx(25.0)


def test_the_clip_tells_itself(pair, tmp_path):
    for path in pair:
        sidecar_path(path).unlink()
    with pytest.raises(UsstrackError, match=r"tracks\.csv has no tracks\.csv\.json.*--clip"):
        read_pair(*pair)
    clip = tmp_path / "clip.npy"
    np.save(clip, np.zeros((INFO.frame_count, INFO.height, INFO.width), dtype=np.uint8))
    assert read_pair(*pair, clip=clip)[0].shape == (INFO.frame_count, 1)


def test_clips_of_another_size_or_length(pair, tmp_path):
    write_tracks(labels({"a": {0: (1.0, 1.0)}}, dataclasses.replace(INFO, width=99)), pair[1])
    with pytest.raises(UsstrackError, match=r"truth\.csv.*21 frames of 99 x 40 px.*same clip"):
        read_pair(*pair)
    clip = tmp_path / "clip.npy"
    np.save(clip, np.zeros((7, INFO.height, INFO.width), dtype=np.uint8))
    with pytest.raises(UsstrackError, match=r"7 frames of 60 x 40 px"):
        read_pair(*pair, clip=clip)


@pytest.mark.parametrize("content", ["{", "[]", '{"clip": {}}', '{"clip": 3, "calibration": 4}'])
def test_a_json_that_tells_no_clip(pair, content):
    sidecar_path(pair[0]).write_text(content)
    with pytest.raises(UsstrackError, match=r"tracks\.csv\.json does not describe a clip"):
        read_pair(*pair)


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "frame,point,x,y\n"])
def test_files_that_are_no_table_of_tracks(pair, content):
    pair[1].write_text(content)
    with pytest.raises(UsstrackError, match=r"truth\.csv"):
        read_pair(*pair)


def test_a_rate_that_is_none(pair):
    with pytest.raises(UsstrackError, match="--fps"):
        read_pair(*pair, fps=-1.0)
