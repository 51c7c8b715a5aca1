"""Tracks drawn into pictures: right places, right colours, playable files."""

from __future__ import annotations

from dataclasses import replace

import av
import numpy as np
import pytest
from PIL import Image

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracker import finish
from napari_usstrack.core.tracks import PointInfo, Source, Tracks, blank_arrays
from napari_usstrack.core.video import CallbackVideo, VideoInfo
from napari_usstrack.io.overlay import (
    display_scale,
    overlay_frame,
    write_overlay_picture,
    write_overlay_video,
)

WIDTH, HEIGHT, FRAMES = 121, 81, 6
TIMED = Calibration((0.5, 0.5), np.arange(FRAMES) / 12.5)
RED, GREEN = (255, 0, 0), (0, 255, 0)


def tracks(calibration: Calibration = TIMED) -> Tracks:
    arrays = blank_arrays(FRAMES, 2)
    for frame in range(FRAMES):
        arrays["xy"][frame] = [(30 + 4 * frame, 20), (80, 50)]
    arrays["source"][:] = Source.FLOW
    arrays["visible"][:] = True
    points = (PointInfo("a", colour="#ff0000"), PointInfo("b", colour="#00ff00"))
    info = VideoInfo(FRAMES, WIDTH, HEIGHT, calibration, name="c.mp4")
    return Tracks(**arrays, points=points, video=info)


def clip(level: int = 0) -> CallbackVideo:
    def read(span: range) -> np.ndarray:
        return np.full((len(span), HEIGHT, WIDTH), level, dtype=np.uint8)

    return CallbackVideo(VideoInfo(FRAMES, WIDTH, HEIGHT, name="c.mp4"), read)


def drawn(frame: int = 5, made: Tracks | None = None, **options: object) -> np.ndarray:
    grey = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    return overlay_frame(grey, made or tracks(Calibration()), frame, **options)


def test_points_are_drawn_where_they_are():
    for scale in (1, 2, 6):
        picture = drawn(names=False, scale=scale)
        assert picture.shape == (HEIGHT * scale, WIDTH * scale, 3)
        assert picture.dtype == np.uint8
        for (x, y), colour in (((50, 20), RED), ((80, 50), GREEN)):
            shade = (picture == colour).all(axis=-1)
            rows, columns = np.nonzero(shade)
            centre = (columns.mean() + 0.5) / scale - 0.5, (rows.mean() + 0.5) / scale - 0.5
            assert centre == pytest.approx((x, y), abs=0.3)


def test_tails_fade_into_the_past():
    picture = drawn(names=False, scale=6)
    reds = [int(picture[round(20.5 * 6), round((x + 0.5) * 6), 0]) for x in (32, 36, 40, 44)]
    assert reds == sorted(reds)
    assert reds[0] > 0
    assert reds[-1] > reds[0]
    short = drawn(names=False, scale=6, tail=1)
    assert short[round(20.5 * 6), round(36.5 * 6), 0] == 0


def test_the_frame_behind_stays_as_it_is():
    grey = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH), dtype=np.uint8)
    picture = overlay_frame(grey, tracks(Calibration()), 0, names=False)
    assert np.array_equal(picture[:10, :, 1], grey[:10])
    assert np.array_equal(picture[60:, :60, 2], grey[60:, :60])


def changed(field: str, value: object, frame: int = 5, column: int = 1) -> Tracks:
    before = tracks(Calibration())
    array = getattr(before, field).copy()
    array[frame, column] = value
    return replace(before, **{field: array})


def test_each_kind_of_point_has_its_own_marker():
    at = (round(50.5 * 6), round(80.5 * 6))
    assert tuple(drawn(scale=6)[at]) == GREEN
    assert tuple(drawn(made=changed("visible", False), scale=6, tail=0)[at]) == (0, 0, 0)
    diamond = drawn(made=changed("source", Source.MANUAL), scale=6, names=False)
    around = diamond[at[0] - 20 : at[0] + 20, at[1] - 20 : at[1] + 20]
    assert (around == 240).all(axis=-1).any()
    assert tuple(diamond[at]) == GREEN


def test_missing_points_and_odd_colours_are_no_trouble():
    before = tracks(Calibration())
    blank = Tracks.blank(before.video, (PointInfo("c", colour="no colour"), *before.points))
    assert not (drawn(made=blank)[:40] > 0).any()
    arrays = {name: getattr(before, name).copy() for name in ("xy",)}
    arrays["xy"][5, 0] = 1e9, -1e9
    drawn(made=replace(before, xy=arrays["xy"]))
    drawn(made=Tracks.blank(before.video))


def test_names_are_written_and_can_be_left_out():
    assert (drawn(scale=6) != drawn(scale=6, names=False)).any(axis=-1).sum() > 50


def test_scale_bar_has_the_length_it_claims():
    def bright(calibration: Calibration) -> np.ndarray:
        picture = drawn(made=tracks(calibration), names=False, scale=6)
        return (picture[-60:, :300] == 240).all(axis=-1)

    longest = bright(TIMED).sum(axis=1).max()
    assert longest == pytest.approx(10 / 0.5 * 6, abs=2)
    assert not bright(Calibration()).any()


def test_small_clips_are_enlarged():
    assert display_scale(320, 240) == 3
    assert display_scale(720, 576) == 1
    assert display_scale(1280, 960) == 1
    assert display_scale(100, 240) == 3


def test_picture_file(tmp_path):
    path = write_overlay_picture(clip(90), tracks(), tmp_path / "o.png")
    with Image.open(path) as image:
        assert image.size == (WIDTH * 6, HEIGHT * 6)
        assert image.format == "PNG"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(UsstrackError, match="frame 6 is outside the clip; choose one from 0 to 5"):
        write_overlay_picture(clip(), tracks(), tmp_path / "o.png", frame=6)


def test_video_file_plays_anywhere(tmp_path):
    work = write_overlay_video(clip(90), tracks(), tmp_path / "o.mp4", scale=1)
    seen = []
    assert finish(work, seen.append) == tmp_path / "o.mp4"
    assert [(p.done, p.total) for p in seen] == [(i, FRAMES) for i in range(1, FRAMES + 1)]
    with av.open(str(tmp_path / "o.mp4")) as file:
        stream = file.streams.video[0]
        assert (stream.width, stream.height) == (122, 82)
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert float(stream.average_rate) == pytest.approx(12.5)
        pictures = [frame.to_ndarray(format="rgb24") for frame in file.decode(stream)]
    assert len(pictures) == FRAMES
    assert pictures[3][75, 100].astype(int) == pytest.approx([90, 90, 90], abs=8)
    red, green, _ = pictures[3][20, 42].astype(int)
    assert red - green > 40
    assert list(tmp_path.iterdir()) == [tmp_path / "o.mp4"]


@pytest.mark.parametrize(("fps", "expected"), [(None, 25.0), (8.0, 8.0)])
def test_rate_of_the_video(tmp_path, fps, expected):
    made = tracks(Calibration())
    work = write_overlay_video(
        clip(), made, tmp_path / "o.mp4", fps=fps, scale=1, frames=range(1, 6, 2)
    )
    finish(work)
    with av.open(str(tmp_path / "o.mp4")) as file:
        assert float(file.streams.video[0].average_rate) == pytest.approx(expected)
        assert file.streams.video[0].frames == 3


def test_cancelling_leaves_the_old_video_and_no_part(tmp_path):
    path = tmp_path / "o.mp4"
    path.write_bytes(b"old")
    work = write_overlay_video(clip(), tracks(), path, scale=1)
    next(work)
    work.close()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_unreadable_frame_leaves_the_old_video(tmp_path):
    path = tmp_path / "o.mp4"
    path.write_bytes(b"old")

    def read(_span: range) -> np.ndarray:
        raise UsstrackError("frame 0 of c.mp4 is damaged; export the clip again")

    with pytest.raises(UsstrackError, match="damaged"):
        finish(write_overlay_video(CallbackVideo(clip().info, read), tracks(), path))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_each_refusal_is_a_sentence(tmp_path):
    with pytest.raises(UsstrackError, match=r"wrong ending; choose a name that ends in .mp4"):
        finish(write_overlay_video(clip(), tracks(), tmp_path / "o.avi"))
    with pytest.raises(UsstrackError, match="its folder does not exist"):
        finish(write_overlay_video(clip(), tracks(), tmp_path / "no" / "o.mp4"))
    with pytest.raises(UsstrackError, match="would hold no frames"):
        finish(write_overlay_video(clip(), tracks(), tmp_path / "o.mp4", frames=range(0)))
    other = replace(clip().info, width=10, name="d.mp4")
    with pytest.raises(UsstrackError, match=r"tracks of c.mp4 do not fit d.mp4 \(frame count or"):
        write_overlay_picture(replace(clip(), info=other), tracks(), tmp_path / "o.png")
