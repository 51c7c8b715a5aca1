"""Smoothing of tracks: truth that is known, gaps, hand-set cells, previews, refusals."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracker import finish
from napari_usstrack.core.tracks import CELL_ARRAYS, Cells, Source, Tracks, named_points
from napari_usstrack.core.video import CallbackVideo, Video, VideoInfo
from napari_usstrack.flow.blending import forward_weight
from napari_usstrack.flow.lucas_kanade import LucasKanade
from napari_usstrack.io.array_video import array_video
from napari_usstrack.pipelines import smoothers
from napari_usstrack.pipelines.smooth import preview, preview_frames, smooth, smooth_ticket
from napari_usstrack.smoothing.flow_window import FlowWindow, smooth_with_flow
from napari_usstrack.synth.motion import shift
from napari_usstrack.synth.speckle import speckle_clip

FPS = 30.0
FRAMES = 40
VELOCITY = np.array([0.5, -0.25])
STARTS = np.array([[40.0, 45.0], [55.0, 40.0]])
FILTERS = ("savgol", "butterworth", "median", "hampel", "spline")
FLOW = {"patch_px": 21, "window_s": 8 / FPS}


def still(frames: int = FRAMES, fps: float | None = FPS) -> Video:
    """A clip of which nobody reads a picture."""
    calibration = Calibration()
    if fps is not None:
        calibration = calibration.with_rate(frames, fps, "typed")

    def refuse(_span: range) -> np.ndarray:
        raise AssertionError("a filter over time read pictures")

    return CallbackVideo(VideoInfo(frames, 96, 80, calibration, "still", "clip.npy"), refuse)


@cache
def moving() -> Video:
    """Speckle that moves at constant velocity."""
    clip = speckle_clip(shift(*VELOCITY), frames=FRAMES, width=96, height=80, seed=3)
    return array_video(clip.frames, fps=FPS, spacing_mm=(0.1, 0.1), name="moving")


def truth(frames: int = FRAMES) -> np.ndarray:
    return STARTS + np.arange(frames)[:, None, None] * VELOCITY


def noise(sd: float = 0.8) -> np.ndarray:
    return np.random.default_rng(5).normal(0, sd, (FRAMES, 2, 2))


def tracks_of(
    xy: np.ndarray, video: Video, source: Source | np.ndarray = Source.FLOW, **cells
) -> Tracks:
    made = Cells.placed(xy, Source.FLOW, **{"confidence": 0.7, **cells})
    arrays = {name: getattr(made, name).copy() for name in CELL_ARRAYS}
    arrays["source"] = np.where(made.present, np.asarray(source, np.uint8), 0).astype(np.uint8)
    return Tracks(**arrays, points=named_points(["a", "b"]), video=video.info)


def smoothed(video: Video, tracks: Tracks, method: str, options=None, **more) -> Tracks:
    return finish(smooth(video, tracks, smoothers.make(method, options), **more))


def rms(xy: np.ndarray, where: np.ndarray | slice = slice(None)) -> float:
    return float(np.sqrt(np.mean(np.square(xy[where] - truth()[where]))))


# --- against truth ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "gain"),
    [("savgol", 0.7), ("butterworth", 0.8), ("median", 0.8), ("hampel", 1.0), ("spline", 0.8)],
)
def test_a_filter_over_time_comes_nearer_to_constant_velocity(method, gain):
    raw = tracks_of(truth() + noise(), still())
    out = smoothed(still(), raw, method)
    assert rms(out.xy) < gain * rms(raw.xy)
    assert out.names == raw.names
    np.testing.assert_array_equal(out.visible, raw.visible)
    np.testing.assert_array_equal(out.confidence, raw.confidence)


def test_flow_windows_come_nearer_to_constant_velocity():
    raw = tracks_of(truth() + noise(), moving())
    out = smoothed(moving(), raw, "flow-window", FLOW)
    assert rms(out.xy, slice(8, -8)) < 0.5 * rms(raw.xy, slice(8, -8))


def test_fusion_comes_nearer_and_its_confidence_is_that_of_the_errors():
    raw = tracks_of(truth() + noise(), moving(), Source.MODEL)
    out = smoothed(moving(), raw, "fusion", {"place_px": 0.8, "within_mm": 0.02, "patch_px": 21})
    assert rms(out.xy) < 0.4 * rms(raw.xy)
    near = np.linalg.norm(out.xy - truth(), axis=-1) < 0.2
    assert out.confidence.mean() == pytest.approx(near.mean(), abs=0.3)
    assert (out.source == Source.SMOOTHED).all()


def test_the_exact_flow_window_equals_the_filter_called_directly():
    raw = tracks_of(truth() + noise(), moving())
    out = smoothed(moving(), raw, "flow-window", {"window_s": 8 / FPS})
    flow = LucasKanade(
        window=45, levels=3, iterations=10, epsilon_px=0.03, lost_px=1e9, check=False, predict=False
    )
    direct = finish(
        smooth_with_flow(
            moving(),
            raw.xy,
            lambda here, there, xy, _: flow.step(here, there, xy).xy,
            forward_weight,
            FlowWindow(8),
        )
    )
    np.testing.assert_array_equal(out.xy, direct.xy)


# --- what stays ------------------------------------------------------------------------------


def test_raw_tracks_stay_and_the_log_tells_all():
    raw = tracks_of(truth() + noise(), still())
    before = raw.xy.copy()
    smoother = smoothers.make("savgol", {"window_s": "0.25"})
    out = finish(smooth(still(), raw, smoother))
    np.testing.assert_array_equal(raw.xy, before)
    (step,) = out.log
    assert (step.name, step.method) == ("smooth", "savgol")
    assert step.settings["window_s"] == 0.25
    assert step.settings["window_frames"] == 7
    assert step.settings["points"] == ["a", "b"]
    assert step.inputs == smooth_ticket(still().info, raw, smoother)


@pytest.mark.parametrize("method", FILTERS)
def test_gaps_and_hidden_cells_stay_and_are_no_evidence(method):
    xy = truth() + noise(0.3)
    xy[15:18, 0] = np.nan
    visible = np.ones((FRAMES, 2), dtype=bool)
    xy[25:28, 1], visible[25:28, 1] = (5.0, 5.0), False
    raw = tracks_of(xy, still(), visible=visible)
    out = smoothed(still(), raw, method)
    assert np.isnan(out.xy[15:18, 0]).all()
    assert (out.source[15:18, 0] == Source.MISSING).all()
    np.testing.assert_array_equal(out.xy[25:28, 1], xy[25:28, 1])
    assert (out.source[25:28, 1] == Source.FLOW).all()
    assert not out.visible[25:28, 1].any()
    assert np.abs(out.xy - truth())[np.isfinite(xy[..., 0]) & visible].max() < 2.0


def test_cells_whose_position_did_not_change_keep_their_source():
    xy = truth()
    xy[20, 0] += 9.0
    out = smoothed(still(), tracks_of(xy, still()), "hampel")
    assert np.argwhere(out.source == Source.SMOOTHED).tolist() == [[20, 0]]


@pytest.mark.parametrize(
    ("method", "options"),
    [(name, {"keep_anchors": True}) for name in FILTERS]
    + [("flow-window", {**FLOW, "keep_anchors": True}), ("fusion", {"patch_px": 21})],
)
def test_hand_set_cells_stay_exactly(method, options):
    source = np.full((FRAMES, 2), Source.MODEL)
    source[[0, 11, 30]] = Source.MANUAL
    raw = tracks_of(truth() + noise(), moving(), source)
    out = smoothed(moving(), raw, method, options)
    np.testing.assert_array_equal(out.xy[raw.by_hand], raw.xy[raw.by_hand])
    np.testing.assert_array_equal(out.source[raw.by_hand], raw.source[raw.by_hand])
    np.testing.assert_array_equal(out.confidence[raw.by_hand], raw.confidence[raw.by_hand])


@pytest.mark.parametrize(
    ("method", "options"), [("savgol", {}), ("flow-window", FLOW), ("fusion", {"anchors": "soft"})]
)
def test_hand_set_cells_move_where_they_may(method, options):
    source = np.full((FRAMES, 2), Source.MODEL)
    source[11] = Source.MANUAL
    raw = tracks_of(truth() + noise(), moving(), source)
    out = smoothed(moving(), raw, method, options)
    assert (out.source[11] == Source.SMOOTHED).all()


def test_one_point_is_smoothed_and_others_are_copied():
    raw = tracks_of(truth() + noise(), still())
    out = smoothed(still(), raw, "savgol", names=["b"])
    np.testing.assert_array_equal(out.xy[:, 0], raw.xy[:, 0])
    assert (out.source[:, 0] == Source.FLOW).all()
    assert (out.source[:, 1] == Source.SMOOTHED).all()


def test_onto_a_former_result_the_other_points_stay():
    raw = tracks_of(truth() + noise(), still())
    first = smoothed(still(), raw, "median", names=["a"])
    both = smoothed(still(), raw, "savgol", names=["b"], onto=first)
    np.testing.assert_array_equal(both.xy[:, 0], first.xy[:, 0])
    assert [step.method for step in both.log] == ["median", "savgol"]


def test_positions_stay_in_the_picture():
    xy = truth()
    xy[:, 0, 0] = -0.5
    xy[10:20, 0, 0] = 4.0
    out = smoothed(still(), tracks_of(xy, still()), "savgol", {"order": 4})
    assert out.xy[..., 0].min() >= -0.5


# --- fusion: what counts as a place ----------------------------------------------------------


def test_positions_of_flow_alone_are_no_places():
    source = np.full((FRAMES, 2), Source.FLOW)
    source[0] = Source.MANUAL
    drifting = truth() + np.linspace(0, 3, FRAMES)[:, None, None]
    out = smoothed(moving(), tracks_of(drifting, moving(), source), "fusion", {"patch_px": 21})
    assert rms(out.xy) < 0.3
    assert (np.diff(out.confidence[1:], axis=0) <= 1e-6).all()
    counted = smoothed(
        *(moving(), tracks_of(drifting, moving(), source), "fusion"),
        {"patch_px": 21, "flow_places": "true"},
    )
    assert rms(counted.xy) > rms(out.xy)


@pytest.mark.parametrize(
    ("source", "words"),
    [(Source.FLOW, ("by hand or by a network", "flow_places")), (Source.MANUAL, ("soft",))],
)
def test_fusion_says_what_it_lacks(source, words):
    with pytest.raises(UsstrackError) as told:
        smoothed(moving(), tracks_of(truth(), moving(), source), "fusion")
    assert all(word in str(told.value) for word in words)


# --- previews --------------------------------------------------------------------------------


@pytest.mark.parametrize("frame", [0, 17, FRAMES - 1])
@pytest.mark.parametrize(
    ("method", "options"), [("savgol", {}), ("flow-window", FLOW), ("fusion", {"patch_px": 21})]
)
def test_a_preview_equals_the_result(monkeypatch, method, options, frame):
    from napari_usstrack.pipelines import smooth as module

    monkeypatch.setattr(module, "SHOWN_FRAMES", 5)
    source = np.full((FRAMES, 2), Source.MODEL)
    xy = truth() + noise()
    xy[21, 1] = np.nan
    raw = tracks_of(xy, moving(), source)
    smoother = smoothers.make(method, options)
    seen = finish(preview(moving(), raw, smoother, "b", frame))
    whole = finish(smooth(moving(), raw, smoother, names=["b"]))
    rows = slice(seen.frames.start, seen.frames.stop)
    assert frame in seen.frames
    assert seen.point == "b"
    np.testing.assert_array_equal(seen.tracks.xy[rows, 0], whole.xy[rows, 1])
    outside = np.setdiff1d(np.arange(FRAMES), seen.frames)
    assert not seen.tracks.present[outside].any()
    assert len(seen.frames) == FRAMES or method == "flow-window"


def test_long_clips_are_previewed_in_part():
    info = still(5000).info
    shown, read = preview_frames(info, smoothers.make("flow-window", {"window_s": 1.0}), 2000)
    assert (shown.start, shown.stop) == (1940, 2061)
    assert (read.start, read.stop) == (1911, 2090)
    assert preview_frames(info, smoothers.make("savgol"), 2000)[0] == range(5000)
    assert len(preview_frames(info, smoothers.make("fusion"), 2000)[0]) == 601


# --- progress and cancelling -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "least"),
    [("savgol", 2), ("flow-window", 2 * (FRAMES - 1)), ("fusion", FRAMES - 1 + 4)],
)
def test_work_yields_often_and_can_be_closed_at_every_step(method, least):
    raw = tracks_of(truth() + noise(), moving(), Source.MODEL)
    work = smooth(moving(), raw, smoothers.make(method))
    seen = list(work)
    assert len(seen) >= least
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    assert seen[-1].done == seen[-1].total
    for steps in (1, len(seen) // 2, len(seen) - 1):
        work = smooth(moving(), raw, smoothers.make(method))
        for _ in range(steps):
            next(work)
        work.close()
        with pytest.raises(StopIteration):
            next(work)


def test_the_ticket_knows_all_that_is_read():
    raw = tracks_of(truth() + noise(), still())
    info = still().info
    made = smoothers.make("savgol")
    tickets = [
        smooth_ticket(info, raw, made),
        smooth_ticket(info, raw, made, names=["a"]),
        smooth_ticket(info, raw, made, onto=raw),
        smooth_ticket(info, raw, smoothers.make("savgol", {"order": 3})),
        smooth_ticket(info, raw, smoothers.make("median", {"window_s": 0.3})),
        smooth_ticket(info, tracks_of(truth(), still()), made),
        smooth_ticket(still(fps=25.0).info, raw, made),
    ]
    assert len(set(tickets)) == len(tickets)


# --- refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "options", "words"),
    [
        ("nonsense", {}, ("no smoothing method 'nonsense'", "flow-window")),
        ("savgol", {"span": 3}, ("no setting 'span'", "window_s")),
        ("savgol", {"window_s": "-1"}, ("'window_s'", "greater than 0")),
        ("flow-window", {"ends": "open"}, ("'ends'", "'unsmoothed' or 'padded'")),
        ("flow-window", {"window_s": 9}, ("270 frames", "clip.npy has 40", "1.333 or less")),
        ("flow-window", {"window_s": 0.02}, ("1 frame at", "needs 2", "0.067 or more")),
        ("median", {"window_s": 0.02}, ("1 frame at", "needs 3", "0.1 or more")),
        ("savgol", {"window_s": 0.1, "order": 4}, ("3 frames", "needs 7")),
        ("savgol", {"window_s": 5}, ("151 frames", "has 40")),
        ("butterworth", {"cutoff_hz": 15}, ("15 Hz", "has 30", "below 15")),
    ],
)
def test_bad_settings_are_one_sentence_with_a_remedy(method, options, words):
    raw = tracks_of(truth(), still())
    with pytest.raises(UsstrackError) as told:
        smoothed(still(), raw, method, options)
    assert all(word in str(told.value) for word in words), str(told.value)
    assert str(told.value).count(". ") == 0


@pytest.mark.parametrize("method", [name for name in smoothers.names() if name != "fusion"])
def test_without_a_frame_rate_the_remedy_is_named(method):
    video = still(fps=None)
    with pytest.raises(UsstrackError, match=r"frame rate of clip.npy is unknown.*--fps"):
        smoothed(video, tracks_of(truth(), video), method)


def test_uneven_times_are_refused_by_filters_that_need_even_ones():
    times = np.arange(FRAMES) / FPS
    times[20:] += 0.2
    video = CallbackVideo(VideoInfo(FRAMES, 96, 80, Calibration(times_s=times)), still().frames)
    raw = tracks_of(truth(), video)
    with pytest.raises(UsstrackError, match="even frame rate"):
        smoothed(video, raw, "savgol")
    assert smoothed(video, raw, "median").present.all()


def test_nothing_to_smooth_is_said():
    empty = tracks_of(np.full((FRAMES, 2, 2), np.nan), still())
    with pytest.raises(UsstrackError, match="no position in view"):
        smoothed(still(), empty, "savgol")
    sparse = np.full((FRAMES, 2, 2), np.nan)
    sparse[::4] = truth()[::4]
    with pytest.raises(UsstrackError, match="long enough for method 'savgol'"):
        smoothed(still(), tracks_of(sparse, still()), "savgol")
    with pytest.raises(UsstrackError, match=r"no point 'c'.*a, b"):
        smoothed(still(), tracks_of(truth(), still()), "savgol", names=["c"])
