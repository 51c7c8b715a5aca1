"""The list of what to check next: known faults come out on top, with their reasons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_usstrack.core import edits
from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracks import Cells, Source, Tracks, arrays_of, named_points
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.pipelines.doubts import Limits
from napari_usstrack.pipelines.suggest import Flag, check_next

FRAMES = 200
INFO = VideoInfo(FRAMES, 400, 300)
NAMES = ["wall", "apex", "tip"]


def smooth(noise: float = 0.1, seed: int = 0, confidence: float = 0.9) -> dict:
    """A beating motion of up to 2 px per frame, as writable arrays."""
    rng = np.random.default_rng(seed)
    time = np.arange(FRAMES)[:, None] / 12.0 + np.arange(3)
    xy = np.stack([150 + 24 * np.sin(time), 120 + 15 * np.cos(0.7 * time)], axis=-1)
    xy += rng.normal(0, noise, xy.shape) if noise else 0.0
    return arrays_of(Cells.placed(xy, Source.FLOW, confidence=confidence))


def tracks(arrays: dict, info: VideoInfo = INFO) -> Tracks:
    return Tracks(**arrays, points=named_points(NAMES), video=info)


NONE = Tracks.blank(INFO, named_points(NAMES))


def flags(arrays: dict, labels: Tracks = NONE, **options) -> tuple[Flag, ...]:
    return check_next(labels, labels.over(tracks(arrays)), **options)


def labelled(*cells: tuple[int, str], source: Source = Source.MANUAL) -> Tracks:
    """Labels right on the noiseless motion."""
    true = smooth(0)["xy"]
    places = {(frame, name): true[frame, NAMES.index(name)] for frame, name in cells}
    return edits.scatter(NONE, "label", places, source).apply(NONE)


def jumping(frame: int = 80, by: float = 9.0, column: int = 1) -> dict:
    arrays = smooth()
    arrays["xy"][frame:, column, 0] += by
    return arrays


# --- known faults ----------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.5, 1.0])
def test_a_clean_clip_gives_nothing(noise):
    others = {"other": tracks(smooth(noise, seed=7))}
    assert flags(smooth(noise), others=others) == ()


def test_sudden_onset_and_rest_are_no_fault():
    arrays = smooth()
    arrays["xy"][:, 0, 0] = np.interp(
        np.arange(FRAMES), [0, 50, 70, 120, 140, 200], [50, 50, 130, 130, 50, 50]
    )
    assert flags(arrays) == ()


def test_a_jump():
    (flag,) = flags(jumping())
    assert (flag.frame, flag.point, flag.first, flag.last) == (80, "apex", 80, 80)
    (reason,) = flag.reasons
    assert reason.startswith("jump of ")
    assert float(reason.split()[2]) == pytest.approx(9, abs=2.1)
    assert reason.endswith(" px")
    assert 0.5 < flag.score < 1


@pytest.mark.parametrize("length", [1, 3, 5])
def test_a_blip_is_one_entry_on_its_own_frames(length):
    arrays = smooth()
    arrays["xy"][60 : 60 + length, 2, 1] += 12.0
    (flag,) = flags(arrays)
    assert (flag.point, flag.first, flag.last) == ("tip", 60, 59 + length)
    assert flag.first <= flag.frame <= flag.last
    assert flag.reasons[0].startswith("there and back 1")
    if length > 1:
        assert flag.reasons[-1] == f"frames 60 to {59 + length}"


def test_a_label_off_the_track_blames_the_frames_beside_it():
    places = {(60, "tip"): smooth()["xy"][60, 2] + (0, 15)}
    labels = edits.scatter(NONE, "label", places).apply(NONE)
    (flag,) = flags(smooth(), labels)
    assert (flag.first, flag.last) == (59, 61)
    assert flag.frame != 60
    assert flag.reasons[0].startswith("jump of 1")


def test_a_stretch_of_low_confidence():
    arrays = smooth()
    arrays["confidence"][40:53, 0] = 0.45
    arrays["confidence"][47, 0] = 0.31
    assert flags(arrays) == (
        Flag(
            47,
            "wall",
            pytest.approx(0.5 / 0.81, rel=1e-5),
            ("confidence 0.31", "frames 40 to 52"),
            40,
            52,
        ),
    )


def test_a_slow_drift_shows_as_disagreement_only():
    arrays = smooth()
    arrays["xy"][100:, 1, 1] += np.linspace(0, 8, 100)
    assert flags(arrays) == ()
    (flag,) = flags(arrays, others={"raft": tracks(smooth(seed=5))})
    assert flag.point == "apex"
    assert flag.frame >= 190
    assert flag.last == 199
    assert 115 < flag.first < 140
    assert flag.reasons[0].endswith(" px from run raft")
    assert 7.5 < float(flag.reasons[0].split()[0]) < 8.5


def test_an_unsure_run_has_no_vote():
    arrays = smooth()
    arrays["xy"][100:, 1, 1] += np.linspace(0, 8, 100)
    unsure = tracks(smooth(seed=5, confidence=0.2))
    hidden = smooth(seed=5)
    hidden["visible"][:] = False
    assert flags(arrays, others={"unsure": unsure, "hidden": tracks(hidden)}) == ()


def test_a_loss_is_told_where_it_begins():
    arrays = smooth()
    arrays["visible"][150:, 2] = False
    arrays["confidence"][150:, 2] = 0
    arrays["xy"][150:, 2] = arrays["xy"][149, 2]
    (flag,) = flags(arrays)
    assert (flag.frame, flag.point) == (150, "tip")
    assert flag.reasons == ("lost", "frames 150 to 199")
    backwards = {name: np.flip(values, axis=0).copy() for name, values in arrays.items()}
    assert flags(backwards)[0].frame == 49


def test_forward_and_backward():
    gap = np.full((FRAMES, 3), 0.3)
    gap[:5] = np.nan
    gap[70, 0] = 4.0
    (flag,) = flags(smooth(), gap_px=gap)
    assert (flag.frame, flag.point) == (70, "wall")
    assert flag.reasons == ("forward and backward 4.0 px apart",)


def test_the_worst_comes_first():
    arrays = jumping(80, 15.0)
    arrays["confidence"][40:50, 0] = 0.4
    arrays["visible"][150:160, 2] = False
    arrays["confidence"][150:160, 2] = 0
    found = flags(arrays)
    assert [flag.point for flag in found] == ["tip", "apex", "wall"]
    assert [flag.score for flag in found] == sorted((f.score for f in found), reverse=True)
    assert flags(arrays, most=1) == found[:1]


def test_several_reasons_make_it_worse():
    arrays = jumping()
    alone = flags(arrays)[0]
    arrays["confidence"][80, 1] = 0.4
    (both,) = flags(arrays)
    assert both.score > alone.score
    assert [reason.split()[0] for reason in both.reasons] == ["jump", "confidence"]


def test_reasons_say_where_if_it_is_elsewhere():
    arrays = jumping(80, 30.0)
    arrays["confidence"][82:85, 1] = (0.45, 0.4, 0.42)
    (flag,) = flags(arrays)
    assert (flag.frame, flag.first, flag.last) == (80, 80, 84)
    assert flag.reasons[1:] == ("confidence 0.40 in frame 83", "frames 80 to 84")


# --- labels ----------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [Source.MANUAL, Source.ACCEPTED])
def test_labels_are_never_flagged(source):
    arrays = smooth()
    arrays["xy"] += 20.0
    arrays["confidence"][:] = 0.1
    labels = labelled(*((f, name) for f in range(FRAMES) for name in NAMES), source=source)
    assert flags(arrays, labels, others={"run": tracks(arrays)}) == ()


def test_a_jump_into_a_label_is_blamed_on_the_frame_before():
    labels = labelled(*((frame, "wall") for frame in range(100, FRAMES)))
    arrays = smooth()
    arrays["xy"][:, 0, 0] += 10.0
    (flag,) = flags(arrays, labels)
    assert (flag.frame, flag.point) == (99, "wall")
    assert flag.reasons[0].startswith("jump of ")


def test_an_absent_label_is_not_flagged():
    labels = edits.mark_absent(NONE, range(60, FRAMES), ["apex"]).apply(NONE)
    assert flags(jumping(80), labels) == ()


def test_beside_a_label_a_doubt_counts_less():
    far = flags(jumping())[0].score
    scores = [flags(jumping(), labelled((at, "apex")))[0].score for at in (72, 76, 78)]
    assert scores[0] == pytest.approx(far, rel=0.02)
    assert far > scores[1] > scores[2] > 0.45 * far
    accepted = labelled((78, "apex"), source=Source.ACCEPTED)
    assert flags(jumping(), accepted)[0].score == pytest.approx(far, rel=0.02)


def test_further_doubts_of_a_stretch_rank_lower():
    arrays = jumping(60, 12.0)
    arrays["xy"][100:, 1, 0] += 12.0
    arrays["confidence"][40, 0] = 0.2
    first, second, third = flags(arrays)
    assert (first.point, second.point, third.point) == ("apex", "wall", "apex")
    assert third.score < 0.75 * first.score
    places = {(85, "apex"): arrays["xy"][85, 1]}
    split = flags(arrays, edits.scatter(NONE, "label", places).apply(NONE))
    assert [flag.point for flag in split] == ["apex", "apex", "wall"]


def test_an_entry_with_a_dismissed_frame_is_left_out():
    arrays = smooth()
    arrays["confidence"][40:53, 0] = 0.4
    arrays["confidence"][90, 1] = 0.4
    assert [flag.point for flag in flags(arrays, dismissed={(44, "wall")})] == ["apex"]
    assert len(flags(arrays, dismissed=[(44, "apex"), (20, "wall"), (44, "gone")])) == 2


# --- words and settings ----------------------------------------------------------------------


def test_lengths_are_told_in_mm_too():
    (flag,) = flags(jumping(by=40.0), spacing_mm=(0.1, 0.5))
    px, mm = flag.reasons[0].removeprefix("jump of ").removesuffix(" mm)").split(" px (")
    assert float(mm) == pytest.approx(0.1 * float(px), abs=0.6)


def test_limits_decide():
    arrays = smooth()
    arrays["confidence"][40:43, 0] = 0.4
    arrays["confidence"][47, 0] = 0.4
    assert flags(arrays, limits=Limits(confidence=0.3)) == ()
    assert len(flags(arrays)) == 1
    assert [f.last for f in flags(arrays, limits=Limits(gap_frames=2))] == [42, 47]
    assert len(flags(arrays, limits=Limits(gap_frames=0))) == 4
    assert flags(jumping(), limits=Limits(step_px=20)) == ()


def test_a_missed_frame_is_no_jump():
    arrays = smooth(0.02)
    kept = np.r_[0:80, 86:FRAMES]
    arrays = {name: values[kept] for name, values in arrays.items()}
    times = kept / 50.0
    info = replace(INFO, frame_count=len(kept), calibration=Calibration(times_s=times))
    shown = tracks(arrays, info)
    assert check_next(Tracks.blank(info, shown.points), shown) == ()
    plain = replace(info, calibration=Calibration())
    assert check_next(Tracks.blank(plain, shown.points), tracks(arrays, plain)) != ()


def test_same_input_same_list():
    rng = np.random.default_rng(3)
    arrays = smooth()
    arrays["confidence"][:] = rng.choice([0.2, 0.4, 0.9], (FRAMES, 3))
    arrays["xy"][rng.random((FRAMES, 3)) < 0.1] += 15
    arrays["xy"][120, 0] = np.nan
    arrays = arrays_of(Cells.placed(arrays["xy"], Source.MODEL, confidence=arrays["confidence"]))
    limits = Limits(gap_frames=0)
    found = flags(arrays, limits=limits)
    assert len(found) > 50
    assert found == flags(arrays, limits=limits)
    assert all(0 < flag.score < 1 for flag in found)


def test_points_are_matched_by_name():
    labels = Tracks.blank(INFO, named_points(["tip", "new"]))
    labels = edits.mark_absent(labels, range(FRAMES), ["tip"]).apply(labels)
    other = tracks(smooth(seed=4)).select(["tip", "apex"])
    found = check_next(labels, tracks(jumping(column=2)), others={"{x}": other})
    assert found == ()
    found = check_next(labels, tracks(jumping(by=30)), others={"{x}": other})
    assert any(reason.endswith("from run {x}") for reason in found[0].reasons)


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_tiny_clips(count):
    info = VideoInfo(count, 40, 30)
    cells = Cells.placed(np.ones((count, 3, 2)), Source.FLOW, confidence=0.2)
    shown = Tracks.blank(info, named_points(NAMES)).with_cells(cells)
    found = check_next(Tracks.blank(info), shown, others={"same": shown})
    assert len(found) == (3 if count else 0)
    assert check_next(Tracks.blank(info), Tracks.blank(info)) == ()


def test_tables_of_another_length_are_refused():
    short = Tracks.blank(VideoInfo(3, 40, 30), named_points(NAMES))
    with pytest.raises(UsstrackError, match="labels have 3 frames and the tracks 200"):
        check_next(short, tracks(smooth()))
    with pytest.raises(UsstrackError, match="Run short has 3 frames and this clip 200"):
        flags(smooth(), others={"short": short})
