"""DUSTrack annotation files: the traps, and files that DUSTrack itself wrote and reads."""

from __future__ import annotations

import json

import numpy as np
import pytest
import written_by_dustrack
from common import dustrack_says, labels, oracle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracks import PointInfo, Source
from napari_usstrack.io import dustrack
from napari_usstrack.io.trackermap import NAME, check_name, find_map

LAYERS = ("_plain", "_digits", "_nothing", "")


# --- what DUSTrack wrote -----------------------------------------------------------------------


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("known", [True, False], ids=["with clip", "without"])
def test_files_of_dustrack_come_back_byte_for_byte(stored, tmp_path, info, layer, known):
    name = f"trial1_annotations{layer}.json"
    read = dustrack.read(stored / name, info if known else None)
    assert read.run is None
    dustrack.write(read.labels, tmp_path / name)
    assert (tmp_path / name).read_bytes() == (stored / name).read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_values_are_those_that_were_set(stored, info):
    found = dustrack.read(stored / "trial1_annotations_digits.json", info).labels
    made = written_by_dustrack.made_up()["digits"]
    assert found.names == ("0", "1", "3")
    for label, places in made.items():
        assert found.frames_of(label).tolist() == sorted(places)
        for frame, xy in places.items():
            assert found.xy[frame, found.column(label)].tolist() == xy
    assert set(found.source.ravel()) == {Source.MISSING, Source.MANUAL}
    assert np.signbit(found.xy[9, 1, 0])
    assert found.log[-1].settings["layer"] == "digits"


def test_empty_labels_survive(stored, info):
    found = dustrack.read(stored / "trial1_annotations_nothing.json", info).labels
    assert found.names == ("0", "1")
    assert not found.source.any()


@oracle
def test_dustrack_reads_what_we_write(tmp_path):
    tracks = labels(("fascia", "1", "tip"))
    dustrack.write(tracks, tmp_path / "trial1_annotations_a.json")
    read = json.loads(dustrack_says("--read", tmp_path / "trial1_annotations_a.json"))
    assert list(read) == ["0", "1", "2"]
    for column, places in enumerate(read.values()):
        assert {int(f): xy for f, xy in places.items()} == {
            int(f): tracks.xy[f, column].tolist() for f in np.flatnonzero(tracks.present[:, column])
        }


@oracle
def test_the_stored_files_are_what_dustrack_writes_today(stored, tmp_path):
    dustrack_says("--folder", tmp_path)
    for path in stored.glob("*[!5]"):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


# --- reading -----------------------------------------------------------------------------------


def test_bare_nan_is_no_label(put):
    path = put("a_annotations_x.json", '{"0": {"3": [NaN, NaN], "1": [1, 2.5], "2": [NaN, 4]}}')
    found = dustrack.read(path)
    assert found.labels.frames_of("0").tolist() == [1]
    assert any("x or y alone" in note and "1." in note for note in found.notes)


def test_without_a_clip_its_size_follows_and_is_told(put):
    found = dustrack.read(put("a_annotations_x.json", '{"0": {"20": [80.5, 90.0]}}'))
    video = found.labels.video
    assert (video.frame_count, video.width, video.height, video.name) == (21, 81, 91, "a.mp4")
    assert any("21 frames of 81 x 91 px" in note for note in found.notes)


def test_labels_of_another_clip_and_outside_the_picture_are_told(put, info):
    found = dustrack.read(put("trial10_annotations_x.json", '{"0": {"2": [-3, 9]}}'), info)
    assert found.labels.xy[2, 0].tolist() == [-3, 9]
    assert any("named after trial10" in note for note in found.notes)
    assert any("outside the picture" in note for note in found.notes)


BAD = {
    "beyond the clip": ('{"0": {"100": [1, 2]}}', "labels frame 100.*frames 0 to 99"),
    "infinite": ('{"0": {"1": [1, Infinity]}}', "frame 1: .*is no position"),
    "text": ('{"0": {"1": ["1", 2]}}', "is no position"),
    "three numbers": ('{"0": {"1": [1, 2, 3]}}', "is no position"),
    "truth": ('{"0": {"1": [true, 2]}}', "is no position"),
    "half a frame": ('{"0": {"1.5": [1, 2]}}', "frame '1.5' is not a whole number"),
    "negative frame": ('{"0": {"-1": [1, 2]}}', "frame '-1' is not a whole number"),
    "frame twice": ('{"0": {"1": [1, 2], "01": [1, 2]}}', "frame 1 is there twice"),
    "label twice": ('{"0": {}, "0": {}}', "0 is there twice"),
    "name for a label": ('{"fascia": {}}', "label 'fascia' is not a number"),
    "list": ("[[1], {}]", "a list such as events"),
    "flat": ('{"0": 1}', "does not map labels"),
    "torn": ('{"0": {"1": [1,', "no annotation file"),
    "binary": ("\0\0", "no annotation file"),
}


@pytest.mark.parametrize(("text", "words"), BAD.values(), ids=BAD)
def test_a_file_that_cannot_be_used_gives_one_sentence(put, info, text, words):
    path = put("trial1_annotations_x.json", text)
    with pytest.raises(UsstrackError, match=words) as caught:
        dustrack.read(path, info)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_huge_frame_number_without_a_clip(put):
    with pytest.raises(UsstrackError, match="--clip"):
        dustrack.read(put("a_annotations_x.json", '{"0": {"99999999999": [1, 2]}}'))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a_annotations_x.dustrack-dropped-incomplete-20260101T101112", "recovery file"),
        ("a_annotations_x.dustrack-dropped-incomplete-20260101T101112.json", "recovery file"),
        ("a_events_interp_with_lk.json", "events"),
    ],
)
def test_recovery_and_event_files_are_told_apart(put, name, words):
    with pytest.raises(UsstrackError, match=words):
        dustrack.read(put(name, '{"3": {"0": [1, 2]}}'))


@pytest.mark.parametrize(
    ("layer", "source"),
    [
        ("me_lkmovavg_0.500", Source.SMOOTHED),
        ("dlccorr", Source.MODEL),
        ("dlc_iteration-0_best-270", Source.MODEL),
        ("buffer", Source.FLOW),
        ("me_blip_removed", Source.MODEL),
    ],
)
def test_computed_layers_are_a_run(put, layer, source):
    found = dustrack.read(put(f"a_annotations_{layer}.json", '{"0": {"1": [1, 2]}}'))
    assert found.labels is None
    assert found.run.source[1, 0] == source


def test_files_of_a_clip_are_found_by_exact_stem(put, tmp_path):
    ours = ["trial1_annotations.json", "trial1_annotations_me.json", "trial1_annotations_a_b.json"]
    others = [
        "trial10_annotations_me.json",
        "trial1_b_annotations_me.json",
        "trial1_annotationsme.json",
        "trial1_annotations_me_lkmovavg_0.500.json",
        "trial1_annotations_me_blip_corrections.json",
        "trial1_annotations_me_blip_removed.json",
        "trial1_annotations_buffer.json",
        "trial1_annotations_dlccorr.json",
        "trial1_annotations_iteration-2.json",
        "trial1_annotations_iteration-2_manual_corrections.json",
        "trial1_annotations_labeled_data.json",
        "trial1_annotations_me.dustrack-dropped-incomplete-20260101T101112",
        "trial1_annotations_me.json.bak",
    ]
    for name in ours + others:
        put(name, "{}")
    assert [path.name for path in dustrack.annotation_files(tmp_path / "trial1.mp4")] == sorted(
        ours
    )


# --- names -------------------------------------------------------------------------------------


def test_names_come_from_the_map_in_a_parent_folder(put):
    put(NAME, "\ufeffpoint0 - fascia\n\npoint2 - tip - upper\nbroken\n")
    path = put("videos/a_annotations_x.json", '{"0": {"1": [1, 2]}, "1": {}, "2": {}}')
    found = dustrack.read(path)
    assert found.labels.names == ("fascia", "1", "tip")
    assert any("line 4 is left out" in note for note in found.notes)
    written = dustrack.write(found.labels, path.with_name("a_annotations_y.json"))
    assert list(json.loads(written.path.read_text())) == ["0", "1", "2"]
    assert find_map(path.parent).path.read_text().endswith("broken\n")


def test_two_points_of_one_name_are_refused(put):
    put(NAME, "point0 - a\npoint1 - a\n")
    with pytest.raises(UsstrackError, match="point0 and point1 the name 'a'"):
        dustrack.read(put("a_annotations_x.json", '{"0": {}, "1": {}}'))


def test_new_names_are_written_and_merged(tmp_path):
    (tmp_path / NAME).write_text("point0 - fascia\npoint3 - old")
    written = dustrack.write(labels(("tip", "fascia", "point5")), tmp_path / "a_annotations_x.json")
    assert (tmp_path / NAME).read_text().splitlines() == [
        *("point0 - fascia", "point3 - old", "point1 - tip", "point5 - point5")
    ]
    assert (tmp_path / f"{NAME}.bak").read_text() == "point0 - fascia\npoint3 - old"
    assert any(NAME in note for note in written.notes)
    assert dustrack.read(written.path).labels.names == ("tip", "fascia", "point5")


def test_digits_need_no_map(tmp_path):
    dustrack.write(labels(("4", "0")), tmp_path / "a_annotations_x.json")
    assert list(json.loads((tmp_path / "a_annotations_x.json").read_text())) == ["4", "0"]
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize("name", ["a - b", "a\nb", "a\rb", "a\u2028b", "a\x85b", "\ud800"])
def test_names_the_map_would_break_are_refused_and_nothing_is_written(tmp_path, name):
    with pytest.raises(UsstrackError, match="rename the point"):
        dustrack.write(labels((name,)), tmp_path / "a_annotations_x.json")
    assert not list(tmp_path.iterdir())


def test_points_that_claim_one_label_are_refused(put, tmp_path):
    put(NAME, "point0 - fascia\n")
    with pytest.raises(UsstrackError, match="both label 0"):
        dustrack.write(labels(("fascia", "0")), tmp_path / "a_annotations_x.json")
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def refused(name: str) -> bool:
    try:
        check_name(name)
    except UsstrackError:
        return True
    return False


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    names=st.lists(st.text(min_size=1, max_size=6).filter(str.strip), unique=True, max_size=5),
)
def test_any_names_survive_or_are_refused(tmp_path_factory, names):
    path = tmp_path_factory.mktemp("m") / "a_annotations_x.json"
    tracks = labels(tuple(names))
    try:
        dustrack.write(tracks, path)
    except UsstrackError:
        assert any(map(refused, names))
        return
    after = dustrack.read(path, tracks.video).labels
    assert after.names == tracks.names
    assert after.equals(tracks)


# --- writing -----------------------------------------------------------------------------------


def test_what_is_lost_is_told(tmp_path):
    points = (PointInfo("0", group="wall", kind="contour"),)
    tracks = labels(("0",), points=points, source=Source.FLOW, confidence=0.5, visible=False)
    notes = " ".join(dustrack.write(tracks, tmp_path / "a.json").notes)
    for words in ("2 marks of hidden", "2 confidences", "1 groups", "of a method", "only finds"):
        assert words in notes


def test_the_file_before_stays_as_bak(put):
    path = put("a_annotations_x.json", '{"0": {}}')
    dustrack.write(labels(("0",)), path)
    assert path.with_name(path.name + ".bak").read_text() == '{"0": {}}'


def test_wrong_ending_and_missing_folder(tmp_path):
    for path in (tmp_path / "a.txt", tmp_path / "no" / "a.json"):
        with pytest.raises(UsstrackError):
            dustrack.write(labels(("tip",)), path)
    assert not list(tmp_path.iterdir())


def test_file_names():
    assert dustrack.file_name("trial1", "me") == "trial1_annotations_me.json"
    assert dustrack.file_name("trial1", "") == "trial1_annotations.json"
    assert dustrack.split_name("trial1_annotations_a_b.json") == ("trial1", "a_b")
    assert dustrack.split_name("trial1_annotations.json") == ("trial1", "")
    assert dustrack.folder_name(labels(("0",)), "me") == "trial1_annotations_me.json"
