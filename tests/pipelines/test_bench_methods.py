"""Which methods a benchmark runs, from what was typed."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracker import Queries, finish
from napari_usstrack.flow.peers import PEERS
from napari_usstrack.io.array_video import array_video
from napari_usstrack.pipelines import trackers
from napari_usstrack.pipelines.bench import dustrack, methods

FRAMES = np.zeros((4, 20, 30), dtype=np.uint8)


def test_by_default_all_of_ours():
    assert [method.name for method in methods.own()] == list(trackers.names())


def test_settings_follow_colons():
    first, second = methods.own("lucas-kanade:window=21:levels=4, tissue-flow")
    assert first.name == "lucas-kanade:window=21:levels=4"
    assert first.tracker.settings["window"] == 21
    assert first.tracker.settings["levels"] == 4
    assert second.tracker.traits.name == "tissue-flow"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("magic", "no method 'magic'"),
        ("lucas-kanade:width=3", "no setting 'width'"),
        ("lucas-kanade:window=two", "cannot be 'two'"),
        ("lucas-kanade:window", "window=21"),
        ("dense-flow,dense-flow", "twice"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(text, words):
    with pytest.raises(UsstrackError, match=words):
        methods.own(text)


def test_peers_are_in_the_same_run_and_dustrack_only_where_it_is(monkeypatch):
    monkeypatch.delenv(dustrack.VARIABLE, raising=False)
    chosen, notes = methods.chosen("lucas-kanade", [], True)
    assert [method.name for method in chosen] == [
        "lucas-kanade",
        *PEERS,
        "affine-region",
        "affine-region-kalman",
    ]
    assert chosen[-1].unsuited == ("checks",)
    assert dustrack.VARIABLE in notes[0]
    monkeypatch.setenv(dustrack.VARIABLE, "python-that-has-it")
    chosen, notes = methods.chosen("lucas-kanade", [], True)
    assert chosen[-1].name == "dustrack"
    assert not notes
    assert [m.name for m in methods.chosen("lucas-kanade", [], False)[0]] == ["lucas-kanade"]


@pytest.mark.parametrize("word", ["x.pt:channels=2", "x.pt:size=256", "x.pt:colour=1"])
def test_a_torchscript_setting_that_cannot_be_used(word):
    with pytest.raises(UsstrackError, match="--torchscript cannot read"):
        methods.torchscript(word)


def test_a_torchscript_file_that_is_missing():
    with pytest.raises(UsstrackError, match=r"gone\.pt does not exist"):
        methods.torchscript("gone.pt:channels=3:size=64x48")


# --- DUSTrack --------------------------------------------------------------------------------


def queries(frames=(0, 1)) -> Queries:
    xy = [[5.0, 6.0 + i] for i in range(len(frames))]
    return Queries(np.array(frames), xy, tuple(f"p{i}" for i in range(len(frames))))


def test_another_interpreter_answers_and_times_itself(monkeypatch):
    script = """
import json, numpy as np
frames, start = np.load("frames.npy"), np.load("start.npy")
np.save("found.npy", start + np.arange(len(frames))[:, None, None])
print("DONE", json.dumps([0.25, "1.2.3"]))
"""
    monkeypatch.setattr(dustrack, "SCRIPT", script)
    tracker = dustrack.Dustrack(sys.executable)
    cells = finish(tracker.track(array_video(FRAMES), queries(), range(4)))
    np.testing.assert_array_equal(cells.xy[:, 0], [[5, 6], [6, 7], [7, 8], [8, 9]])
    np.testing.assert_array_equal(cells.present[:, 1], [False, True, True, True])
    assert tracker.seconds == 0.5
    assert tracker.settings == {"version": "1.2.3"}


def test_an_interpreter_that_lacks_it(monkeypatch):
    monkeypatch.setattr(dustrack, "SCRIPT", "import a_module_that_is_not_there")
    work = dustrack.Dustrack(sys.executable).track(array_video(FRAMES), queries(), range(4))
    with pytest.raises(UsstrackError, match="a_module_that_is_not_there"):
        finish(work)


def test_an_interpreter_that_is_none():
    work = dustrack.Dustrack("no-such-python").track(array_video(FRAMES), queries(), range(4))
    with pytest.raises(UsstrackError, match=dustrack.VARIABLE):
        finish(work)
