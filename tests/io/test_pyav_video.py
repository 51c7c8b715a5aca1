"""Container video: frame identity, true times, grey levels, damage."""

from __future__ import annotations

import threading
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from makers import number_in, numbered, write_video

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.io import pyav_video
from napari_usstrack.io.clip import ClipVideo
from napari_usstrack.io.pixels import grey_of
from napari_usstrack.io.pyav_video import PyavReader, open_clip

KINDS = {
    "h264_b_frames.mp4": {"b_frames": 3, "gop": 250},
    "h264_short_gop.mp4": {"b_frames": 2, "gop": 12, "count": 60},
    "h264_open_gop.mp4": {
        "b_frames": 3,
        "gop": 10,
        "count": 50,
        "options": {"x264-params": "open-gop=1:scenecut=0"},
    },
    "h264.mkv": {"b_frames": 2, "gop": 15},
    "h264_pyramid.mp4": {"b_frames": 7, "options": {"x264-params": "b-pyramid=2:b-adapt=0"}},
    "h265.mp4": {"codec": "libx265", "options": {"x265-params": "log-level=none:bframes=4"}},
    "vp9.mkv": {"codec": "libvpx-vp9", "options": {"auto-alt-ref": "1", "lag-in-frames": "16"}},
    "mpeg2_b_frames.mkv": {"codec": "mpeg2video", "b_frames": 2, "gop": 30},
    "mpeg4.avi": {"codec": "mpeg4", "gop": 9},
    "mpeg4_b_frames.avi": {"codec": "mpeg4", "b_frames": 2, "gop": 12},
    "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "lossless_grey.avi": {"codec": "ffv1", "pix_fmt": "gray"},
    "odd.mp4": {"size": (161, 97), "pix_fmt": "yuv444p", "gop": 8},
    "odd.avi": {"size": (163, 95), "codec": "mpeg4"},
    "odd.mkv": {"size": (165, 99), "codec": "ffv1", "pix_fmt": "gray"},
}


@pytest.fixture(scope="module", params=KINDS)
def clip_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    return write_video(folder / request.param, **({"count": 40} | KINDS[request.param]))


def sequential(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [pyav_video.grey(frame) for frame in container.decode(video=0)]


def test_every_frame_is_itself_in_any_order(clip_path: Path) -> None:
    wanted = sequential(clip_path)
    video = open_clip(clip_path)
    count = len(wanted)
    assert video.shape == (count, *wanted[0].shape)
    assert [number_in(frame) for frame in wanted] == list(range(count))
    sparing = ClipVideo(video.info, PyavReader(clip_path, video._frames.reader.index), budget=1)
    order = np.random.default_rng(1).permutation(count)
    for number in [*order, *range(count - 1, -1, -7), 0, count - 1]:
        for view in (video, sparing):
            np.testing.assert_array_equal(view[int(number)], wanted[number])
    sparing.close()


@pytest.mark.parametrize("kind", ["h264_b_frames.mp4", "mpeg4.avi"])
def test_reading_needs_no_program_and_leaves_nothing_beside_the_clip(
    tmp_path, monkeypatch, kind
) -> None:
    path = write_video(tmp_path / kind, **({"count": 40} | KINDS[kind]))
    monkeypatch.setenv("PATH", "")
    video = open_clip(path)
    assert number_in(video[30]) == 30
    assert number_in(video[3]) == 3
    video.close()
    assert [file.name for file in tmp_path.iterdir()] == [kind]


@pytest.mark.parametrize("fps", [Fraction(7393, 100), Fraction(30000, 1001)])
def test_a_rate_with_a_fraction_is_not_cut(tmp_path, fps: Fraction) -> None:
    video = open_clip(write_video(tmp_path / "a.mp4", count=40, rate=fps))
    assert video.info.calibration.fps == pytest.approx(float(fps), rel=1e-5)
    assert video.info.calibration.times_s[-1] == pytest.approx(39 / float(fps), abs=1e-4)


def test_constant_rate_times(clip_path: Path) -> None:
    calibration = open_clip(clip_path).info.calibration
    assert calibration.time_source == "container time stamps"
    np.testing.assert_allclose(
        calibration.times_s, np.arange(len(calibration.times_s)) / 25, atol=6e-4
    )


def test_forward_stepping_decodes_one_frame(tmp_path, monkeypatch) -> None:
    path = write_video(tmp_path / "a.mp4", 40, b_frames=2)
    video = open_clip(path)
    decoded: list[int] = []
    plain = pyav_video.grey
    monkeypatch.setattr(pyav_video, "grey", lambda f, *out: (decoded.append(1), plain(f, *out))[1])
    for number in range(20):
        before = len(decoded)
        video[number]
        assert len(decoded) == before + 1
    for number in range(19, -1, -1):
        video[number]
    assert len(decoded) == 20


@pytest.mark.parametrize("kind", ["h264_b_frames.mp4", "mpeg4_b_frames.avi", "h264.mkv"])
def test_a_jump_leaves_out_what_nobody_asked_for(tmp_path, monkeypatch, kind: str) -> None:
    path = write_video(tmp_path / kind, 60, **(KINDS[kind] | {"gop": 60, "b_frames": 2}))
    wanted = sequential(path)
    video = open_clip(path)
    decoded: list[int] = []
    plain = pyav_video.grey
    monkeypatch.setattr(pyav_video, "grey", lambda f, *out: (decoded.append(1), plain(f, *out))[1])
    np.testing.assert_array_equal(video[50], wanted[50])
    assert len(decoded) <= pyav_video._NEAR + 1
    for number in range(49, -1, -1):
        np.testing.assert_array_equal(video[number], wanted[number])
    assert len(decoded) <= 50 + 2 * pyav_video._NEAR


def test_a_span_after_a_jump_is_complete(tmp_path) -> None:
    path = write_video(tmp_path / "a.mp4", 80, b_frames=3, gop=80)
    video = open_clip(path)
    for span in (range(60, 75), range(20, 50), range(0, 80)):
        assert [number_in(frame) for frame in video.frames(span)] == list(span)


def test_variable_rate(tmp_path) -> None:
    pts = np.cumsum([0, *np.random.default_rng(3).integers(9, 60, 29)]).tolist()
    path = write_video(tmp_path / "vfr.mp4", 30, b_frames=2, pts=pts, time_base=Fraction(1, 1000))
    info = open_clip(path).info
    np.testing.assert_allclose(info.calibration.times_s, np.array(pts) / 1000, atol=1e-9)
    assert info.calibration.variable_rate


def test_times_count_from_the_first_frame(tmp_path) -> None:
    pts = [500 + 40 * i for i in range(10)]
    path = write_video(tmp_path / "late.mkv", 10, pts=pts, time_base=Fraction(1, 1000))
    times = open_clip(path).info.calibration.times_s
    np.testing.assert_allclose(times, np.arange(10) * 0.04, atol=1e-9)


def test_without_time_stamps_frames_are_counted_by_decoding(tmp_path) -> None:
    source = write_video(tmp_path / "a.mp4", 30, b_frames=2, gop=10)
    raw = tmp_path / "raw.h264"
    with av.open(str(source)) as reading, av.open(str(raw), "w", format="h264") as writing:
        stream = writing.add_stream_from_template(reading.streams.video[0])
        for packet in reading.demux(video=0):
            if packet.size:
                packet.stream = stream
                writing.mux(packet)
    path = raw.rename(tmp_path / "raw.mp4")
    video = open_clip(path)
    assert len(video) == 30
    for number in (25, 3, 29, 0):
        assert number_in(video[number]) == number


def test_grey_by_luma_and_by_rgb_agree(clip_path: Path) -> None:
    video = open_clip(clip_path)
    span = range(5, 15)
    by_rgb = grey_of(video.colour(span)).astype(int)
    difference = np.abs(video.frames(span) - by_rgb)
    assert difference.max() <= 2
    assert difference.mean() < 1


@pytest.mark.parametrize("full", [False, True])
def test_grey_of_colours(tmp_path, full: bool) -> None:
    colours = [(200, 60, 30), (30, 160, 90), (60, 70, 200), (128, 128, 128)]

    def picture(number: int, width: int, height: int) -> np.ndarray:
        return np.full((height, width, 3), colours[number], dtype=np.uint8)

    path = write_video(
        tmp_path / "c.avi" if full else tmp_path / "c.mp4",
        4,
        codec="mjpeg" if full else "libx264",
        pix_fmt="yuvj420p" if full else "yuv420p",
        picture=picture,
        options={"qmin": "1", "qmax": "1"} if full else {"crf": "1"},
    )
    video = open_clip(path)
    for number, colour in enumerate(colours):
        wanted = np.dot(colour, [0.299, 0.587, 0.114])
        assert abs(int(video[number][40, 40]) - wanted) <= 3
        assert np.abs(video.colour(range(number, number + 1))[0, 40, 40] - colour).max() <= 5


def test_bt709_and_rgb_sources_are_weighed_as_bt601(tmp_path) -> None:
    def red(number: int, width: int, height: int) -> np.ndarray:
        return np.full((height, width, 3), (200, 60, 30), dtype=np.uint8)

    lossless = {"crf": "0"}
    path = write_video(
        tmp_path / "rgb.mkv", 2, codec="libx264rgb", pix_fmt="rgb24", picture=red, options=lossless
    )
    assert abs(int(open_clip(path)[1][9, 9]) - 98.5) <= 1

    path = tmp_path / "hd.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = 1, 1
        for number in range(2):
            frame = av.VideoFrame.from_ndarray(red(number, 160, 96), format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace=1, dst_color_range=1)
            frame.colorspace, frame.pts = 1, number
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    assert abs(int(open_clip(path)[1][9, 9]) - 98.5) <= 2


def test_grey_source_colour_is_the_grey(tmp_path) -> None:
    path = write_video(tmp_path / "g.avi", 4, codec="ffv1", pix_fmt="gray")
    video = open_clip(path)
    np.testing.assert_array_equal(video[2], numbered(2))
    np.testing.assert_array_equal(video.colour(range(2, 3))[0, ..., 1], numbered(2))


def test_threads_share_a_clip(tmp_path) -> None:
    path = write_video(tmp_path / "t.mp4", 60, b_frames=2, gop=20)
    opened = open_clip(path)
    reader = PyavReader(path, opened._frames.reader.index)
    video = ClipVideo(opened.info, reader, budget=8 * 160 * 96)
    wrong: list[object] = []

    def work(seed: int) -> None:
        for number in np.random.default_rng(seed).integers(0, 60, 40).tolist():
            if number_in(video[number]) != number:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def cut(path: Path, part: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    return path


def test_without_its_index_an_mp4_is_cut_short(tmp_path) -> None:
    path = cut(write_video(tmp_path / "cut.mp4", 30), 0.6)
    with pytest.raises(UsstrackError, match=r"cut\.mp4 is cut short.*moov.*again\.$"):
        open_clip(path)


@pytest.mark.parametrize("part", [0.5, 0.8, 0.97])
def test_a_faststart_mp4_without_its_tail_is_cut_short(tmp_path, part: float) -> None:
    path = write_video(tmp_path / "tail.mp4", 60, container={"movflags": "faststart"})
    with pytest.raises(UsstrackError, match=r"tail\.mp4 is cut short.*again\.$"):
        open_clip(cut(path, part))


def test_text_named_mp4(tmp_path) -> None:
    path = tmp_path / "notes.mp4"
    path.write_text("frame,point,x,y\n" * 50)
    with pytest.raises(UsstrackError, match=r"notes\.mp4 does not hold video"):
        open_clip(path)


def test_sound_only(tmp_path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("aac", rate=44100)
        frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        frame.planes[0].update(bytes(4096))
        frame.rate = 44100
        file.mux(stream.encode(frame))
        file.mux(stream.encode())
    with pytest.raises(UsstrackError, match="holds no video"):
        open_clip(path)


def test_one_frame(tmp_path) -> None:
    with pytest.raises(UsstrackError, match="is a still image"):
        open_clip(write_video(tmp_path / "one.mp4", 1))


def test_real_muscle_clip(shared_data) -> None:
    path = shared_data / "muscle" / "p6_isokinetic030_01_push_01.mp4"
    video = open_clip(path)
    assert video.shape == (133, 624, 1148)
    assert video.info.fps == pytest.approx(61)
    wanted = sequential(path)
    for number in (132, 0, 77, 78, 76, 131, 5):
        np.testing.assert_array_equal(video[number], wanted[number])
    difference = np.abs(video[50].astype(int) - grey_of(video.colour(range(50, 51)))[0])
    assert difference.mean() < 1
    assert np.mean(difference > 2) < 1e-3
