"""Many labels at once."""

from __future__ import annotations

import numpy as np
import pytest

from napari_usstrack.core import edits, regions
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracks import Source, Tracks, arrays_of, named_points
from napari_usstrack.core.video import VideoInfo

FRAMES = 8
VIDEO = VideoInfo(FRAMES, 40, 30)
KINDS = {"m": Source.MANUAL, "a": Source.ACCEPTED, "x": Source.ABSENT, "f": Source.FLOW}


def table(offset: float = 0.0, **rows: str) -> Tracks:
    """One letter per frame and point: manual, accepted, x absent, flow, lost, - missing."""
    tracks = Tracks.blank(VIDEO, named_points(list(rows)))
    arrays = arrays_of(tracks)
    for column, letters in enumerate(rows.values()):
        for frame, letter in enumerate(letters):
            if letter == "-":
                continue
            arrays["source"][frame, column] = KINDS.get(letter, Source.FLOW)
            if letter != "x":
                arrays["xy"][frame, column] = (10 * column + offset, frame)
                arrays["visible"][frame, column] = letter != "l"
                arrays["confidence"][frame, column] = {"f": 0.75, "l": 0.0}.get(letter, np.nan)
    return Tracks(**arrays, points=tracks.points, video=VIDEO)


def said(tracks: Tracks, name: str) -> str:
    letters = {int(kind): letter for letter, kind in KINDS.items()} | {0: "-"}
    return "".join(letters[kind] for kind in tracks.source[:, tracks.column(name)].tolist())


def check_undo(edit, tracks: Tracks) -> Tracks:
    after = edit.apply(tracks)
    back = edit.inverse().apply(after)
    assert back.equals(tracks)
    assert back.points == tracks.points
    return after


# --- clear -----------------------------------------------------------------------------------


def test_clear_takes_labels_and_absences_only_where_asked():
    tracks = table(p="mmxam---", q="mmmm----")
    edit = regions.clear(tracks, range(1, 4), ["p"])
    after = check_undo(edit, tracks)
    assert said(after, "p") == "m---m---"
    assert said(after, "q") == said(tracks, "q")


def test_an_edit_names_only_the_cells_it_changes():
    edit = regions.clear(table(p="--m-----", q="--------"), range(FRAMES), ["p", "q"])
    assert edit.frames.tolist() == [2]
    assert edit.points == ("p",)


def test_frames_may_be_any():
    tracks = table(p="mmmmmmmm")
    assert said(regions.clear(tracks, {5, 1}, ["p"]).apply(tracks), "p") == "m-mmm-mm"
    assert said(regions.clear(tracks, [3, 3], ["p"]).apply(tracks), "p") == "mmm-mmmm"
    assert said(regions.clear(tracks, np.array([7]), ["p"]).apply(tracks), "p") == "mmmmmmm-"


@pytest.mark.parametrize(
    ("frames", "names", "message"),
    [
        ([6], ["p"], "Of point 'p' nothing is labelled in frame 6"),
        ([6, 5], ["p", "q"], "Of 2 points nothing is labelled in frames 5 to 6"),
        ([], ["p"], "in no frame"),
        ([0], [], "Of 0 points"),
        ([8], ["p"], "Frame 8 is outside the clip; choose frames 0 to 7"),
        ([-1, 3], ["p"], "Frame -1 is outside"),
    ],
)
def test_nothing_to_clear(frames, names, message):
    with pytest.raises(UsstrackError, match=message):
        regions.clear(table(p="mmm-----", q="mmm-----"), frames, names)


# --- copy ------------------------------------------------------------------------------------


def test_copy_keeps_what_a_person_set():
    tracks, other = table(p="m-x-a---"), table(0.5, p="ffffffff")
    edit = regions.copy_from(tracks, other, range(0, 6), ["p"], replace=False)
    after = check_undo(edit, tracks)
    assert said(after, "p") == "maxaaa--"
    assert after.xy[1, 0].tolist() == [0.5, 1]
    assert after.confidence[1, 0] == 0.75
    assert after.xy[0, 0].tolist() == [0, 0]
    assert edit.name == "copy 3 positions"


def test_copy_can_replace_inside_the_frames_only():
    tracks, other = table(p="mmx-m---"), table(0.5, p="f-fff---")
    after = regions.copy_from(tracks, other, range(0, 4), ["p"], replace=True).apply(tracks)
    assert said(after, "p") == "amaam---"
    assert after.xy[4, 0, 0] == 0


def test_lost_positions_are_not_copied_but_hidden_labels_are():
    tracks, other = table(p="--------"), table(p="flmxf---")
    arrays = arrays_of(other)
    arrays["visible"][2, 0] = False
    other = Tracks(**arrays, points=other.points, video=VIDEO)
    edit = regions.copy_from(tracks, other, range(8), ["p"], replace=False, source=Source.MANUAL)
    after = edit.apply(tracks)
    assert said(after, "p") == "m-m-m---"
    assert after.visible[:, 0].tolist() == [True, False, False, False, True, False, False, False]


def test_copy_adds_points_that_are_new_and_used():
    tracks, other = table(p="m-------"), table(p="ff------", q="-f------", r="--------")
    edit = regions.copy_from(tracks, other, range(8), ["p", "q", "r"], replace=False)
    after = check_undo(edit, tracks)
    assert after.names == ("p", "q")
    assert after.points[1] == other.points[1]
    assert said(after, "q") == "-a------"


@pytest.mark.parametrize(
    ("other", "replace", "message"),
    [
        (table(p="--------"), True, "no position to copy in frames 0 to 3"),
        (table(q="ffffffff"), True, "no position to copy"),
        (table(p="----ffff"), True, "no position to copy"),
        (table(p="f-------"), False, "All positions in frames 0 to 3 are set by hand"),
        (Tracks.blank(VideoInfo(3, 40, 30)), True, "has 3 frames and this clip 8"),
    ],
)
def test_nothing_to_copy(other, replace, message):
    with pytest.raises(UsstrackError, match=message):
        regions.copy_from(table(p="mmmm----"), other, range(4), ["p"], replace=replace)


# --- thinning --------------------------------------------------------------------------------


def test_keep_complete_drops_frames_that_lack_a_required_point():
    tracks = table(p="mmmm-a--", q="m-xm----", r="-m----m-")
    after = check_undo(regions.keep_complete(tracks, None, ["p", "q"]), tracks)
    assert [said(after, name) for name in "pqr"] == ["m-mm----", "m-xm----", "--------"]
    inside = regions.keep_complete(tracks, range(0, 5), ["p", "q"])
    assert inside.name == "drop 1 incomplete frame"
    assert said(inside.apply(tracks), "r") == "------m-"


def test_complete_already():
    with pytest.raises(UsstrackError, match="nothing to drop"):
        regions.keep_complete(table(p="mm------", q="mx------"), None, ["p", "q"])


def test_decimate_drops_incomplete_frames_then_every_second():
    tracks = table(p="mmmmmmmm", q="m-mmmm-m")
    after = check_undo(regions.decimate(tracks, range(0, 7), ["p", "q"]), tracks)
    assert said(after, "p") == "m--m-m-m"
    assert said(after, "q") == "m--m-m-m"
    third = regions.decimate(tracks, range(8), ["p"], every=3)
    assert said(third.apply(tracks), "p") == "m--m--m-"
    assert third.name == "drop 5 frames"


def test_decimate_that_cannot_be():
    with pytest.raises(UsstrackError, match="choose 1 or more"):
        regions.decimate(table(p="mm------"), range(8), ["p"], every=0)
    with pytest.raises(UsstrackError, match="no labelled frame to drop in frames 0 to 7"):
        regions.decimate(table(p="mm------"), range(8), ["p"], every=1)


# --- counts ----------------------------------------------------------------------------------


def test_tally():
    tracks = table(p="mmx-----", q="m-a-----")
    run = table(p="ffffff--", q="----f-f-")
    assert regions.frames_labelled(tracks).tolist() == [0, 1, 2]
    assert regions.frames_labelled(tracks, ["q"]).tolist() == [0, 2]
    assert regions.incomplete_frames(tracks, ["p", "q"]).tolist() == [1]
    assert regions.incomplete_frames(tracks, ["p", "q"], [0, 2]).tolist() == []
    assert regions.tally(tracks, tracks.over(run)) == regions.Tally(8, 3, 2, 4)
    assert regions.tally(tracks, tracks, ["p"]) == regions.Tally(8, 3, 3, 0)
    empty = edits.clear(tracks, range(8), ["p", "q"]).apply(tracks)
    assert regions.tally(empty, empty) == regions.Tally(8, 0, 0, 0)
