"""Methods whose points are held to lines and contours, as pipelines run them."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import Walker

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.geometry import fit_line
from napari_usstrack.core.tracker import Queries, finish
from napari_usstrack.core.tracks import PointInfo, Source, Tracks, blank_arrays
from napari_usstrack.core.video import CallbackVideo, VideoInfo
from napari_usstrack.flow.lucas_kanade import LucasKanade
from napari_usstrack.flow.with_lines import WithLines
from napari_usstrack.pipelines import trackers
from napari_usstrack.pipelines.bench.methods import own
from napari_usstrack.pipelines.fill import fill, fill_ticket
from napari_usstrack.pipelines.track import track

COUNT, WIDTH, HEIGHT, MM = 13, 300, 160, 0.1
INFO = VideoInfo(COUNT, WIDTH, HEIGHT, digest="bands", calibration=Calibration((MM, MM)))
X = np.linspace(40.0, 260.0, 5)


def height(frame):
    """Of the band's middle at x = 150, px; and its slope."""
    return 60.0 + 2.0 * frame, 0.004 * frame


def band(frame):
    at, slope = height(frame)
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    away = y - at - slope * (x - 150.0)
    noise = np.random.default_rng(frame).normal(0.0, 8.0, away.shape)
    return np.clip(50.0 + 150.0 * np.exp(-0.5 * (away / 5.0) ** 2) + noise, 0, 255).astype(np.uint8)


STACK = np.stack([band(frame) for frame in range(COUNT)])
CLIP = CallbackVideo(INFO, lambda span: STACK[span.start : span.stop])


def labels(*frames, kind="line") -> Tracks:
    """Five points on the band's middle in each of these frames."""
    arrays = blank_arrays(COUNT, len(X))
    for frame in frames:
        at, slope = height(frame)
        arrays["xy"][frame] = np.stack([X, at + slope * (X - 150.0)], axis=-1)
        arrays["visible"][frame] = True
        arrays["source"][frame] = Source.MANUAL
    points = tuple(PointInfo(f"p{i}", group="sheet", kind=kind) for i in range(len(X)))
    return Tracks(**arrays, points=points, video=INFO)


def off_px(run: Tracks) -> float:
    """Largest distance of the fitted lines from the truth at x = 150."""
    line = fit_line(run.xy)
    y = line.at[:, 1] + line.along[:, 1] / line.along[:, 0] * (150.0 - line.at[:, 0])
    return float(np.abs(y - [height(i)[0] for i in range(COUNT)]).max())


def test_a_line_tracked_from_one_label():
    wrong = Walker(dx=0.5, dy=0.0)
    assert off_px(finish(track(CLIP, labels(5), wrong))) > 10.0
    run = finish(track(CLIP, labels(5), WithLines(wrong)))
    assert off_px(run) < 1.0
    np.testing.assert_array_equal(run.xy[5], labels(5).xy[5])
    assert run.log[0].settings["lines"] is True


def test_several_anchors_are_honoured_exactly():
    said = labels(0, 6, 12)
    xy = said.xy.copy()
    xy[6] += (3.0, 4.0)
    moved = Tracks(
        xy=xy,
        confidence=said.confidence,
        visible=said.visible,
        source=said.source,
        points=said.points,
        video=INFO,
    )
    run = finish(fill(CLIP, moved, WithLines(Walker(dx=0.0)), extend=True))
    for frame in (0, 6, 12):
        np.testing.assert_array_equal(run.xy[frame], xy[frame])
    assert off_px(finish(fill(CLIP, said, WithLines(Walker(dx=0.0))))) < 1.0
    away = run.xy[..., 1].mean(axis=1) - [height(i)[0] for i in range(COUNT)]
    assert (np.diff(away[:7]) > -0.5).all()
    assert (np.diff(away[6:]) < 0.5).all()


def test_without_lines_or_contours_the_method_is_asked_alone():
    walker = Walker()
    plain = finish(track(CLIP, labels(5, kind="point"), walker))
    assert finish(track(CLIP, labels(5, kind="point"), WithLines(walker))).equals(plain)


def test_points_of_a_contour_are_held_to_it():
    said = labels(5, kind="contour")
    run = finish(track(CLIP, said, WithLines(Walker(dx=1.0))))
    np.testing.assert_array_equal(run.xy[5], said.xy[5])
    np.testing.assert_allclose(run.xy[9, :, 0], X + 4.0, atol=1e-6)


@pytest.mark.parametrize("value", [True, "true", "yes", 1])
def test_every_method_takes_lines_as_a_setting(value):
    made = trackers.make("lucas-kanade", {"lines": value, "window": "31"})
    assert made == WithLines(LucasKanade(window=31))
    assert trackers.make("lucas-kanade", made.settings) == made
    assert made.traits.name == "lucas-kanade"
    assert fill_ticket(labels(0, 5), made) != fill_ticket(labels(0, 5), made.tracker)


def test_lines_may_be_refused():
    assert trackers.make("lucas-kanade", {"lines": "false"}) == LucasKanade()
    with pytest.raises(UsstrackError, match=r"'lines' of method 'lucas-kanade' cannot be 'often'"):
        trackers.make("lucas-kanade", {"lines": "often"})


def test_a_benchmark_runs_lines_with_a_method_and_alone():
    both = own("tissue-flow:lines=true,lines-only")
    assert [each.name for each in both] == ["tissue-flow:lines=true", "lines-only"]
    assert isinstance(both[0].tracker, WithLines)
    assert "simulated" in both[1].unsuited
    assert "observers" not in both[1].unsuited
    stay = Queries([2], [[30.0, 40.0]], ("a",))
    cells = finish(both[1].tracker.track(CLIP, stay, range(4)))
    np.testing.assert_array_equal(cells.xy[:, 0], [[30.0, 40.0]] * 4)
    assert not cells.visible.any()
