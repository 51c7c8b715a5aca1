"""The frame cache: array-like access, byte budget, threads, closing, digests."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from makers import number_in, numbered, numbered_stack

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io import clip as clip_module
from napari_usstrack.io.array_video import array_video
from napari_usstrack.io.clip import CHUNK, ClipVideo, file_digest
from napari_usstrack.io.pixels import grey_of, to_bytes

FRAME = 160 * 96


class Counting:
    """A reader that counts what it decodes and adds the frame before each span."""

    whole = None
    read_colour = None

    def __init__(self, count: int = 40) -> None:
        self.count, self.width, self.height = count, 160, 96
        self.decoded: list[int] = []
        self.inside = 0
        self.closed = 0

    def read_grey(self, span: range):
        self.inside += 1
        assert self.inside == 1, "two threads inside one reader"
        for number in range(max(span.start - 1, 0), span.stop):
            self.decoded.append(number)
            yield number, numbered(number)
        self.inside -= 1

    def close(self) -> None:
        self.closed += 1


def counted(count: int = 40, **options) -> tuple[ClipVideo, Counting]:
    reader = Counting(count)
    info = VideoInfo(frame_count=count, width=160, height=96, name="made.mp4")
    return ClipVideo(info, reader, **options), reader


@pytest.mark.parametrize("budget", [10**9, 5 * FRAME])
@pytest.mark.parametrize(
    "key",
    [
        3,
        -1,
        np.int64(5),
        slice(None),
        slice(4, 20, 3),
        slice(20, 4, -3),
        slice(9, 9),
        (2, slice(5, 20), slice(None, None, 2)),
        (slice(1, 4), 7),
        (slice(1, 4), 7, 9),
        (slice(1, 4), slice(None), np.array([1, 5, 2])),
        ([0, 7, 8, 3], slice(2, 5)),
        np.array([4, 4, -2]),
        np.arange(40) % 9 == 0,
        (..., 4),
        (3, ..., slice(0, 2)),
        ...,
    ],
    ids=repr,
)
def test_indexes_like_an_array(key, budget) -> None:
    video, _ = counted(budget=budget)
    np.testing.assert_array_equal(video[key], numbered_stack(40)[key])


def test_is_array_like() -> None:
    video, _ = counted()
    assert (video.shape, video.ndim, video.dtype) == ((40, 96, 160), 3, np.uint8)
    assert (len(video), video.size, video.nbytes) == (40, 40 * FRAME, 40 * FRAME)
    assert np.asarray(video).shape == (40, 96, 160)
    assert np.asarray(video, dtype=np.float32).dtype == np.float32
    assert np.array(video, copy=True).flags.writeable
    assert "made.mp4" in repr(video)


@pytest.mark.parametrize("key", [40, -41, None, (0, 0, 0, 0), (..., 0, ...), ([0], [1])], ids=repr)
def test_refuses_what_is_no_index(key) -> None:
    with pytest.raises(IndexError):
        counted()[0][key]


@pytest.mark.parametrize("span", [range(0, 41), range(-1, 3), range(0, 8, 2)])
def test_refuses_spans_outside(span: range) -> None:
    with pytest.raises(IndexError, match=r"made\.mp4"):
        counted()[0].frames(span)


@pytest.mark.parametrize("budget", [10**9, 4 * FRAME])
def test_frames_are_read_only_and_right(budget: int) -> None:
    video, _ = counted(100, budget=budget)
    for span in (range(0), range(3, 4), range(2, 7), range(100)):
        block = video.frames(span)
        assert block.shape == (len(span), 96, 160)
        assert [number_in(frame) for frame in block] == list(span)
        assert not span or not block.flags.writeable


def test_decodes_each_frame_once_within_the_budget() -> None:
    video, reader = counted()
    for number in [*range(10), *range(9, -1, -1)]:
        video.frames(range(number, number + 1))
    assert sorted(set(reader.decoded)) == list(range(10))
    before = len(reader.decoded)
    video.frames(range(10))
    assert len(reader.decoded) == before


def test_keeps_frames_decoded_on_the_way() -> None:
    video, reader = counted(budget=6 * FRAME)
    video.frames(range(8, 9))
    reader.decoded.clear()
    assert number_in(video[7]) == 7
    assert reader.decoded == []


def test_forgets_the_frames_unused_for_longest() -> None:
    video, reader = counted(budget=5 * FRAME)
    video.frames(range(40))
    assert video.cached_bytes == 5 * FRAME
    video[36]
    video.frames(range(10, 13))
    reader.decoded.clear()
    video[36]
    assert reader.decoded == []
    video[37]
    assert 37 in reader.decoded


def test_whole_clip_is_handed_out_without_a_copy() -> None:
    video, _ = counted()
    assert np.shares_memory(video.frames(range(40)), video.frames(range(3, 5)))
    assert video.cached_bytes == 40 * FRAME


def test_refuses_one_array_over_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_module, "_LARGEST_ARRAY", 10 * FRAME)
    with pytest.raises(UsstrackError, match=r"made\.mp4 would take .* GB"):
        np.asarray(counted()[0])


def test_recalibrated_shares_the_cache() -> None:
    video, reader = counted()
    video.frames(range(5))
    reader.decoded.clear()
    other = video.recalibrated(Calibration((0.1, 0.2)))
    other.frames(range(5))
    assert reader.decoded == []
    assert other.info.spacing_mm == (0.1, 0.2)
    assert video.info.spacing_mm is None


def test_closing() -> None:
    video, reader = counted()
    held = video.frames(range(2))
    with video:
        pass
    video.close()
    assert reader.closed == 1
    assert number_in(held[1]) == 1
    with pytest.raises(UsstrackError, match=r"made\.mp4 is closed"):
        video.frames(range(2))


def test_a_forgotten_clip_closes_its_file() -> None:
    video, reader = counted()
    del video
    assert reader.closed == 1


@pytest.mark.parametrize("budget", [10**9, 7 * FRAME])
def test_two_threads_read_at_random(budget: int) -> None:
    video, _ = counted(60, budget=budget)
    wrong: list[object] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        try:
            for start in rng.integers(0, 57, 60):
                span = range(int(start), int(start) + 3)
                if [number_in(frame) for frame in video.frames(span)] != list(span):
                    wrong.append(span)
        except AssertionError as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_long_read_lets_others_in() -> None:
    count = 4 * CHUNK
    reader = Counting(count)
    started, order = threading.Event(), []
    plain = reader.read_grey

    def slow(span: range):
        started.set()
        order.append(span.start)
        for pair in plain(span):
            threading.Event().wait(0.001)
            yield pair

    reader.read_grey = slow
    info = VideoInfo(frame_count=count, width=160, height=96)
    video = ClipVideo(info, reader, budget=2 * FRAME)
    thread = threading.Thread(target=video.frames, args=(range(count),))
    thread.start()
    started.wait(5)
    video.frames(range(count - 1, count))
    thread.join()
    assert order.index(count - 1) < len(order) - 1


def test_colour_of_a_grey_clip() -> None:
    video = array_video(numbered_stack(3))
    colour = video.colour(range(1, 3))
    assert colour.shape == (2, 96, 160, 3)
    assert (colour == video.frames(range(1, 3))[..., None]).all()


def test_grey_is_bt601() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (2, 9, 7, 3), dtype=np.uint8)
    wanted = rgb @ [0.299, 0.587, 0.114]
    assert np.abs(grey_of(rgb) - wanted).max() <= 0.51


def test_scaling_to_bytes() -> None:
    values = np.array([-5.0, 0.0, 5.0, 10.0, 20.0, np.nan, np.inf, -np.inf])
    assert to_bytes(values, (0, 10)).tolist() == [0, 0, 128, 255, 255, 0, 255, 0]
    assert to_bytes(np.array([3.0, 3.0]), (3, 3)).tolist() == [0, 0]


def test_digest_sees_every_byte_of_an_ordinary_file(tmp_path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(1000))
    before = file_digest(path)
    path.write_bytes(bytes(999) + b"\1")
    assert len(before) == 32
    assert file_digest(path) != before


def test_digest_of_a_long_file_sees_size_and_ends(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(clip_module, "_WHOLE_FILE", 1000)
    monkeypatch.setattr(clip_module, "_END", 100)
    monkeypatch.setattr(clip_module, "_BLOCK", 10)
    path = tmp_path / "a"
    seen = set()
    for content in (
        bytes(5000),
        bytes(5001),
        b"\1" + bytes(4999),
        bytes(4999) + b"\1",
        bytes(100) + b"\1" + bytes(4899),
    ):
        path.write_bytes(content)
        seen.add(file_digest(path))
    assert len(seen) == 5
