"""What scripts and notebooks call."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import napari_usstrack as usstrack
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracks import Source
from napari_usstrack.core.video import CallbackVideo, VideoInfo
from napari_usstrack.io.project import Project
from napari_usstrack.synth.motion import shift
from napari_usstrack.synth.speckle import speckle_clip

CLIP = speckle_clip(shift(1.0, -0.5), frames=8, width=90, height=70, per_px=0.2, margin_px=15.0)
START = np.array([[40.0, 40.0], [50.0, 35.0]])
ROWS = [(0, 40, 40), (0, 50, 35)]
TABLE = "frame,point,x,y\n0,a,40,40\n0,b,50,35\n"


@pytest.fixture(scope="module")
def expected():
    return usstrack.track(CLIP.frames, ROWS, method="lucas-kanade", window=21)


@pytest.fixture
def files(tmp_path) -> Path:
    np.save(tmp_path / "clip.npy", CLIP.frames)
    (tmp_path / "points.csv").write_text(TABLE)
    return tmp_path


def test_arrays_in_tracks_out(expected):
    assert expected.shape == (8, 2)
    assert expected.names == ("p1", "p2")
    assert np.linalg.norm(expected.xy - CLIP.truth(START), axis=-1).max() < 0.35
    assert expected.log[0].settings["window"] == 21


@pytest.mark.parametrize("kind", [str, Path])
def test_paths(files, expected, kind):
    tracks = usstrack.track(
        kind(files / "clip.npy"), kind(files / "points.csv"), method="lucas-kanade", window=21
    )
    np.testing.assert_array_equal(tracks.xy, expected.xy)
    assert tracks.names == ("a", "b")
    assert tracks.video.name == "clip.npy"


@pytest.mark.parametrize(
    "points",
    [
        {"a": (0, 40, 40), "b": (0, 50, 35)},
        {"a": np.array([0, 40.0, 40.0]), "b": [0, 50, 35]},
        np.array(ROWS),
        [list(row) for row in ROWS],
    ],
    ids=["mapping", "mapping of arrays", "array", "lists"],
)
def test_points_in_any_form(points, expected):
    np.testing.assert_array_equal(
        usstrack.track(CLIP.frames, points, method="lucas-kanade", window=21).xy, expected.xy
    )


def test_tracks_serve_as_points(expected):
    again = usstrack.track(CLIP.frames, expected, method="lucas-kanade", window=21)
    np.testing.assert_array_equal(again.xy, expected.xy)


def test_an_open_clip(expected):
    video = usstrack.open_video(CLIP.frames)
    np.testing.assert_array_equal(
        usstrack.track(video, ROWS, method="lucas-kanade", window=21).xy, expected.xy
    )


def test_dask_arrays_are_read_lazily(expected):
    da = pytest.importorskip("dask.array")
    lazy = da.from_array(CLIP.frames, chunks=(3, 70, 90))
    np.testing.assert_array_equal(
        usstrack.track(lazy, ROWS, method="lucas-kanade", window=21).xy, expected.xy
    )


def test_colour_clips_are_tracked_in_grey(expected):
    rgb = np.repeat(CLIP.frames[..., None], 3, axis=-1)
    np.testing.assert_allclose(
        usstrack.track(rgb, ROWS, method="lucas-kanade", window=21).xy, expected.xy, atol=1e-6
    )


def test_range_and_direction_are_handed_on():
    tracks = usstrack.track(CLIP.frames, [(4, 44, 38)], start=2, stop=6, direction="backward")
    assert np.flatnonzero(tracks.present[:, 0]).tolist() == [2, 3, 4]


def test_progress_is_reported():
    seen = []
    usstrack.track(CLIP.frames, ROWS, report=seen.append)
    assert seen[-1].done == seen[-1].total > 0


def test_scale_and_rate(expected):
    tracks = usstrack.track(
        CLIP.frames, ROWS, mm_per_px=0.1, fps=50, method="lucas-kanade", window=21
    )
    assert tracks.video.spacing_mm == (0.1, 0.1)
    assert tracks.video.fps == pytest.approx(50)
    np.testing.assert_array_equal(tracks.xy, expected.xy)


@pytest.mark.parametrize("wrap", [False, True], ids=["our clip", "any Video"])
def test_scale_and_rate_of_an_open_clip(wrap):
    video = usstrack.open_video(CLIP.frames, mm_per_px=(0.1, 0.2), fps=50)
    if wrap:
        video = CallbackVideo(video.info, video.frames)
    assert usstrack.open_video(video) is video
    scaled = usstrack.open_video(video, mm_per_px=0.3)
    assert scaled.info.spacing_mm == (0.3, 0.3)
    assert scaled.info.fps == pytest.approx(50)
    rated = usstrack.open_video(video, fps=20)
    assert rated.info.spacing_mm == (0.1, 0.2)
    assert rated.info.fps == pytest.approx(20)
    np.testing.assert_array_equal(rated.frames(range(2, 4)), CLIP.frames[2:4])
    assert video.info.fps == pytest.approx(50)


def test_fill_pins_both_ends():
    ends = CLIP.truth(START)[[0, 7], 0]
    table = {"a": (0, *ends[0])}
    labels = usstrack.track(CLIP.frames, table, start=0, stop=0)
    from napari_usstrack.core import edits

    labels = edits.put(labels, 7, "a", ends[1]).apply(labels)
    tracks = usstrack.fill(CLIP.frames, labels, method="lucas-kanade", window=21)
    np.testing.assert_array_equal(tracks.xy[[0, 7], 0], ends)
    assert tracks.present.all()
    assert (tracks.source[1:7] == Source.FLOW).all()
    assert np.linalg.norm(tracks.xy - CLIP.truth(START[:1]), axis=-1).max() < 0.35


def test_fill_can_extend():
    labels = {"a": (3, 43, 38.5)}
    assert usstrack.fill(CLIP.frames, labels).present.sum() == 1
    assert usstrack.fill(CLIP.frames, labels, extend=True).present.all()


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ({}, "No point is labelled"),
        (np.empty((0, 3)), "No point is labelled"),
        ([(0, 40)], "rows of frame, x, y; got shape"),
        ([0, 40, 40], "rows of frame, x, y; got shape"),
        ({"a": (0, 40)}, "given as"),
        ({"a": (0, 40, 40), "b": (0, 1)}, "given as"),
        ([(8, 40, 40)], "Point 'p1' is in frame 8; the clip has frames 0 to 7"),
        ([(-1, 40, 40)], "is in frame -1"),
        ([(0.5, 40, 40)], "is in frame 0.5"),
        ([(np.nan, 40, 40)], "is in frame nan"),
        ([(np.inf, 40, 40)], "is in frame inf"),
        ([(0, 90, 40)], r"'p1' at \(90, 40\) px lies outside the frame of 90 x 70 px"),
        ([(0, np.nan, 40)], "lies outside the frame"),
        ({"tip": (0, 3, -1)}, r"'tip' at \(3, -1\) px lies outside"),
        ("missing.csv", "missing.csv cannot be read"),
    ],
)
def test_points_that_cannot_be_used(points, message):
    with pytest.raises(UsstrackError, match=message):
        usstrack.track(CLIP.frames, points)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "magic"}, "no method 'magic'"),
        ({"windw": 3}, "no setting 'windw'"),
        ({"direction": "up"}, "Direction 'up' is unknown"),
        ({"start": 9}, "cannot be tracked"),
        ({"fps": 0}, "fps|rate"),
        ({"mm_per_px": -1}, "mm"),
    ],
)
def test_options_that_cannot_be_used(options, message):
    with pytest.raises(UsstrackError, match=message):
        usstrack.track(CLIP.frames, ROWS, **options)


def test_labels_of_another_size_are_refused(expected):
    with pytest.raises(UsstrackError, match="another size"):
        usstrack.track(CLIP.frames[:, :60], expected)


def test_csv_there_and_back(tmp_path, expected):
    path = usstrack.save(expected, tmp_path / "tracks.csv")
    again = usstrack.load(path, CLIP.frames)
    np.testing.assert_array_equal(again.xy, expected.xy)
    np.testing.assert_array_equal(again.source, expected.source)
    np.testing.assert_array_equal(again.visible, expected.visible)
    np.testing.assert_array_equal(again.confidence, expected.confidence)


def test_project_there_and_back(files, expected):
    clip = usstrack.open_video(files / "clip.npy", mm_per_px=0.1)
    labels = usstrack.load(files / "points.csv", clip)
    run = usstrack.track(clip, labels, method="lucas-kanade", window=21)
    target = files / "clip.npy.usstrack.json"
    usstrack.save(Project(labels, {"track": run}), target)
    for opened in (usstrack.load(target, clip), usstrack.load(target)):
        assert opened.annotations.equals(labels)
        assert opened.runs["track"].equals(run)
        assert opened.runs["track"].log == run.log
        assert opened.annotations.video.spacing_mm == (0.1, 0.1)


def test_load_refuses_what_it_cannot_place(files, expected):
    with pytest.raises(UsstrackError, match=r"holds points only; say which clip"):
        usstrack.load(files / "points.csv")
    with pytest.raises(UsstrackError, match=r"clip.npy is neither"):
        usstrack.load(files / "clip.npy", CLIP.frames)


def test_a_project_of_another_clip_is_refused(files):
    labels = usstrack.load(files / "points.csv", files / "clip.npy")
    target = files / "clip.npy.usstrack.json"
    usstrack.save(Project(labels, {}), target)
    np.save(files / "other.npy", CLIP.frames[::-1])
    with pytest.raises(UsstrackError, match="belongs to another clip"):
        usstrack.load(target, files / "other.npy")


def test_public_names():
    assert set(usstrack.__all__) <= set(dir(usstrack))
    assert isinstance(usstrack.open_video(CLIP.frames).info, VideoInfo)


def test_smooth_takes_tracks_or_a_table(files, expected):
    options = {"method": "savgol", "window_s": 0.1, "fps": 50.0}
    out = usstrack.smooth(CLIP.frames, expected, **options)
    assert out.shape == expected.shape
    assert [step.name for step in out.log] == ["track", "smooth"]
    assert (out.source == Source.SMOOTHED).any()
    usstrack.save(expected, files / "tracks.csv")
    seen = []
    again = usstrack.smooth(
        files / "clip.npy", files / "tracks.csv", points=["p1"], report=seen.append, **options
    )
    np.testing.assert_array_equal(again.xy[:, 0], out.xy[:, 0])
    np.testing.assert_array_equal(again.xy[:, 1], expected.xy[:, 1])
    assert seen[-1].done == seen[-1].total
    with pytest.raises(UsstrackError, match="--fps"):
        usstrack.smooth(CLIP.frames, expected)
