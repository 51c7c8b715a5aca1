"""GIF and Windows Media: every frame itself, true times, grey by BT.601."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from makers import number_in, numbered, write_video
from PIL import Image

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.io.clip import ClipVideo
from napari_usstrack.io.pyav_video import PyavReader
from napari_usstrack.io.registry import can_open, open_video


def write_gif(path: Path, count: int = 12, delays_ms: object = 40, **options) -> Path:
    """Frames that change in part, as programs write them: deltas over the frame before."""
    pictures = [Image.fromarray(numbered(i)) for i in range(count)]
    more = {"save_all": True, "append_images": pictures[1:], "duration": delays_ms}
    pictures[0].save(path, **(more | options))
    return path


def test_gif_frames_in_any_order(tmp_path) -> None:
    path = write_gif(tmp_path / "a.gif", 20)
    assert can_open(path)
    video = open_video(path)
    assert video.shape == (20, 96, 160)
    sparing = ClipVideo(video.info, PyavReader(path, video._frames.reader.index), budget=1)
    for number in (19, 0, 7, 6, 5, 18, 1, 12):
        for view in (video, sparing):
            np.testing.assert_array_equal(view[number], numbered(number))
    sparing.close()


def test_gif_delays_are_times(tmp_path) -> None:
    delays = [10, 50, 200, 30, 40, 20]
    info = open_video(write_gif(tmp_path / "a.gif", 6, delays)).info
    wanted = np.cumsum([0, *delays[:-1]]) / 1000
    np.testing.assert_allclose(info.calibration.times_s, wanted, atol=1e-12)
    assert info.calibration.time_source == "GIF frame delays"
    assert info.calibration.variable_rate
    assert info.warnings == ()


def test_gif_without_delays_has_no_times(tmp_path) -> None:
    path = write_gif(tmp_path / "a.gif", 6, 0)
    info = open_video(path).info
    assert info.calibration.times_s is None
    (warning,) = info.warnings
    assert "--fps" in warning
    assert open_video(path, fps=20).info.warnings == ()


def test_gif_palette_colours_are_weighed(tmp_path) -> None:
    colours = [(200, 60, 30), (30, 160, 90), (60, 70, 200)]
    pictures = [Image.new("RGB", (32, 24), colour) for colour in colours]
    pictures[0].save(
        tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=[50, 70, 90]
    )
    video = open_video(tmp_path / "a.gif")
    for number, colour in enumerate(colours):
        grey = np.dot(colour, [0.299, 0.587, 0.114])
        assert abs(int(video[number][9, 9]) - grey) <= 1
        np.testing.assert_array_equal(video.colour(range(number, number + 1))[0, 9, 9], colour)


def test_gif_from_ffmpeg(tmp_path) -> None:
    pts = [0, 3, 7, 20, 22]
    path = write_video(
        tmp_path / "a.gif", 5, codec="gif", pix_fmt="gray", pts=pts, time_base=Fraction(1, 100)
    )
    video = open_video(path)
    np.testing.assert_allclose(video.info.calibration.times_s, np.array(pts) / 100)
    assert [number_in(frame) for frame in video.frames(range(5))] == list(range(5))


@pytest.mark.parametrize("part", [0.02, 0.4, 0.9])
def test_gif_cut_short(tmp_path, part: float) -> None:
    path = write_gif(tmp_path / "cut.gif")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(UsstrackError, match=r"cut\.gif is cut short or damaged.*again\.$"):
        open_video(path)


def test_gif_of_one_picture_and_not_a_gif(tmp_path) -> None:
    with pytest.raises(UsstrackError, match="is a still image"):
        open_video(write_gif(tmp_path / "one.gif", 1))
    (tmp_path / "no.gif").write_text("hello there")
    with pytest.raises(UsstrackError, match=r"no\.gif is not a GIF"):
        open_video(tmp_path / "no.gif")


@pytest.mark.parametrize("name", ["a.wmv", "a.asf"])
@pytest.mark.parametrize("codec", ["wmv2", "msmpeg4"])
def test_windows_media(tmp_path, name: str, codec: str) -> None:
    path = write_video(tmp_path / name, 40, codec=codec, gop=12)
    video = open_video(path)
    assert len(video) == 40
    sparing = ClipVideo(video.info, PyavReader(path, video._frames.reader.index), budget=1)
    for number in (39, 0, 17, 16, 12, 11, 38, 3):
        assert number_in(sparing[number]) == number
    sparing.close()
    times = video.info.calibration.times_s
    np.testing.assert_allclose(times, np.arange(40) / 25, atol=6e-4)
    assert video.info.calibration.time_source == "container time stamps"


def test_windows_media_of_variable_rate(tmp_path) -> None:
    pts = np.cumsum([0, *np.random.default_rng(3).integers(9, 60, 29)]).tolist()
    path = write_video(tmp_path / "vfr.wmv", 30, codec="wmv2", pts=pts, time_base=Fraction(1, 1000))
    info = open_video(path).info
    np.testing.assert_allclose(info.calibration.times_s, np.array(pts) / 1000, atol=1.1e-3)
    assert info.calibration.variable_rate
