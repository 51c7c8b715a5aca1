"""Container video through PyAV: frame-exact, with the true time of every frame."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io.clip import Bytes, ClipVideo, file_digest, still_image
from napari_usstrack.io.pixels import grey_of, looked_up

_TINY = 10
"""Packets of fewer bytes may hold no picture of their own."""
_DECODERS = 2
THREADS: Literal["NONE", "FRAME", "SLICE", "AUTO"] = "AUTO"
"""How FFmpeg shares the decoding among cores; AUTO was fastest, see benchmarks.seek."""
_NEAR = 8
"""Frames before a wanted one that are decoded with it, all of them."""
_BACK = 64
"""A request at most this far before the frames at hand is taken for going backward."""
_GREY = frozenset({"gray"})
_LUMA_FIRST = frozenset(
    f"yuv{kind}{layout}p" for kind in ("", "j") for layout in (410, 411, 420, 422, 440, 444)
) | {"nv12", "nv21", "nv16", "nv24"}
_BT709 = 1
_BT601 = frozenset({2, 5, 6})
"""Matrix codes whose luma is BT.601: unspecified, 470BG, SMPTE 170M."""
_FULL_RANGE = 2
_EXPAND = np.clip(np.rint((np.arange(256) - 16) * (255 / 219)), 0, 255).astype(np.uint8)
"""Limited-range luma (16 to 235) to 0..255."""


@dataclass(frozen=True, eq=False)
class FrameIndex:
    """Where frames are.

    Attributes
    ----------
    count : int
        Number of frames.
    stamps : tuple of int
        Time stamps in units of the time base, rising; empty where the file
        has none that tell frames apart.
    keys : tuple of int
        Time stamps of key frames, rising.
    """

    count: int
    stamps: tuple[int, ...]
    keys: tuple[int, ...]


def open_clip(path: Path) -> ClipVideo:
    """Open a video file.

    Times are the container's presentation time stamps, counted from the
    first frame; where there are none, the container's frame rate.
    """
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise UsstrackError(f"{path.name} holds no video; choose the clip's picture file.")
            stream = container.streams.video[0]
            seekable = container.format.name != "gif"
            rate, base = stream.average_rate or stream.guessed_rate, stream.time_base
            index = _index(path, container)
        if index.count == 1:
            raise still_image(path.name)
        reader = PyavReader(path, index if seekable else replace(index, keys=()))
    except av.FFmpegError as error:
        raise _unreadable(path) from error
    calibration = _calibration(index, base, rate)
    info = VideoInfo(
        frame_count=index.count,
        width=reader.width,
        height=reader.height,
        calibration=calibration,
        digest=file_digest(path),
        name=path.name,
        path=str(path),
    )
    return ClipVideo(info, reader)


def _calibration(index: FrameIndex, base: Fraction | None, rate: Fraction | None) -> Calibration:
    if index.stamps and base:
        ticks = np.array(index.stamps, dtype=np.float64) - index.stamps[0]
        times = ticks * base.numerator / base.denominator
        return Calibration(times_s=times, time_source="container time stamps")
    if rate:
        return Calibration().with_rate(index.count, float(rate), "container frame rate")
    return Calibration()


def _unreadable(path: Path) -> UsstrackError:
    with path.open("rb") as file:
        head = file.read(12)
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip"):
        return UsstrackError(
            f"{path.name} is cut short or damaged, its table of frames (the moov atom) cannot be "
            "read; copy or export it again."
        )
    return UsstrackError(
        f"{path.name} does not hold video that can be decoded, whatever its name says; "
        "export it again as mp4 or avi."
    )


def _index(path: Path, container: InputContainer) -> FrameIndex:
    """Index by demuxing packets, or by decoding once where packets do not tell."""
    stamps, keys, declared, telling = _packets(path, container)
    if declared > len(stamps):
        with av.open(str(path), options={"ignore_editlist": "1"}) as unedited:
            whole = _packets(path, unedited)
        if declared > len(whole[0]):
            raise UsstrackError(
                f"{path.name} is cut short, {len(stamps)} of {declared} frames are there; copy or "
                "export it again."
            )
    if telling and stamps:
        return FrameIndex(len(stamps), tuple(sorted(stamps)), tuple(sorted(keys)))
    return _index_by_decoding(path, keys)


def _packets(path: Path, container: InputContainer) -> tuple[list[int], list[int], int, bool]:
    """Stamps, key stamps, declared count of mov/mp4, and whether stamps tell frames apart."""
    shown: list[int | None] = []
    keys: list[int | None] = []
    tiny = False
    stream = container.streams.video[0]
    declared = stream.frames if "mov" in container.format.name else 0
    for packet in container.demux(stream):
        if packet.size == 0:
            continue
        if packet.is_corrupt:
            raise UsstrackError(
                f"{path.name} is cut short or damaged at frame {len(shown)}; copy or export "
                "it again."
            )
        if packet.is_keyframe:
            keys.append(packet.pts)
        if not packet.is_discard:
            shown.append(packet.pts)
            tiny |= packet.size < _TINY
    stamps = [pts for pts in shown if pts is not None]
    telling = not tiny and len(set(stamps)) == len(shown)
    if len(stamps) < len(shown):
        stamps = list(range(len(shown)))
    return stamps, [pts for pts in keys if pts is not None], declared, telling


def _index_by_decoding(path: Path, keys: list[int]) -> FrameIndex:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        stamps = [frame.pts for frame in container.decode(stream)]
    if not stamps:
        raise UsstrackError(f"{path.name} holds no frame that can be decoded; export it again.")
    known = [pts for pts in stamps if pts is not None]
    if len(known) < len(stamps) or any(a >= b for a, b in pairwise(known)):
        return FrameIndex(len(stamps), (), ())
    return FrameIndex(len(stamps), tuple(known), tuple(sorted(keys)))


class _Decoder:
    """One open container and the place it has reached."""

    def __init__(self, path: Path, index: FrameIndex) -> None:
        self.path, self.index = path, index
        self.numbers: dict[int | None, int] = {pts: i for i, pts in enumerate(index.stamps)}
        self._open()

    def _open(self) -> None:
        self.container = av.open(str(self.path))
        self.stream = self.container.streams.video[0]
        self.stream.thread_type = THREADS
        self._skipping = False
        self._skip_before: int | None = None
        self.next = 0
        self.frames = self._run(fresh=True)

    def reaches(self, wanted: int) -> bool:
        """Whether decoding on is the way to a frame, rather than seeking."""
        return self.next <= wanted and self.key_before(wanted) <= self.next

    def go_to(self, wanted: int, skip_before: int | None = None) -> None:
        """Make the next frames decoded those from a key frame at or before `wanted`."""
        self._skip_before = skip_before
        keys = self.index.keys if self.index.stamps else ()
        at = bisect_right(keys, self.index.stamps[wanted]) - 1 if keys else 0
        while at > 0:
            self.container.seek(keys[at], stream=self.stream)
            self.frames = self._run(fresh=False)
            first = next(self.frames, None)
            if first is not None and first[0] <= wanted:
                self.frames = _again(first, self.frames)
                self.next = first[0]
                return
            at -= 1
        self.container.close()
        self._open()
        self._skip_before = skip_before

    def read(self, span: range, needed: int) -> Iterator[tuple[int, VideoFrame]]:
        """Frames up to the end of a span, with their numbers.

        Frames before `needed` are left out; those that no other frame is
        decoded from are not even decoded, where the codec tells them apart.
        """
        skip_before = self.index.stamps[needed] if needed and self.index.stamps else None
        self._skip_before = skip_before
        if not self.reaches(span.start):
            self.go_to(span.start, skip_before)
        while self.next < span.stop:
            number, frame = next(self.frames, (self.index.count, None))
            if frame is None or number > max(self.next, span.start):
                if self._skip_before is not None:
                    self.go_to(max(self.next, span.start), None)
                    continue
                raise UsstrackError(
                    f"{self.path.name} is damaged, frame {self.next} cannot be decoded; copy or "
                    "export it again."
                )
            self.next = number + 1
            if number >= needed:
                yield number, frame

    def first(self) -> VideoFrame:
        """The first frame of the file, which is the next one still."""
        first = next(self.frames, None)
        if first is None or first[0] > 0:
            raise UsstrackError(
                f"{self.path.name} is damaged, frame 0 cannot be decoded; copy or export it again."
            )
        self.frames = _again(first, self.frames)
        return first[1]

    def close(self) -> None:
        """Let go of the file."""
        self.frames.close()
        self.container.close()

    def key_before(self, wanted: int) -> int:
        """The frame decoding has to start from to reach a frame."""
        if not self.index.keys or not self.index.stamps:
            return 0
        at = bisect_right(self.index.keys, self.index.stamps[wanted]) - 1
        return bisect_right(self.index.stamps, self.index.keys[at] - 1) if at > 0 else 0

    def _run(self, *, fresh: bool) -> Generator[tuple[int, VideoFrame], None, None]:
        """Decode on; after a seek, pictures shown before the key frame lack their references."""
        origin: int | None = None
        count = 0
        for packet in self.container.demux(self.stream):
            if origin is None and packet.size and packet.is_keyframe:
                origin = packet.pts
            self._skip(packet.pts)
            for frame in packet.decode():
                number = self.numbers.get(frame.pts) if self.index.stamps else count
                count += 1
                pts = frame.pts
                whole = fresh or (origin is not None and pts is not None and pts >= origin)
                if number is not None and whole:
                    yield number, frame

    def _skip(self, pts: int | None) -> None:
        """Have the decoder drop frames without dependants, or no longer."""
        before = self._skip_before
        skipping = before is not None and pts is not None and pts < before
        if skipping != self._skipping:
            self.stream.codec_context.skip_frame = "NONREF" if skipping else "DEFAULT"
            self._skipping = skipping


class PyavReader:
    """Frames of a video file by number.

    Two decoders are kept, so that a person stepping through a clip and a
    tracker running along it do not send one decoder back and forth.
    """

    whole = None

    def __init__(self, path: Path, index: FrameIndex) -> None:
        self.path, self.index = path, index
        self.count = index.count
        self._decoders = [_Decoder(path, index)]
        self._complete_from = 0
        first = self._decoders[0].first()
        self.width, self.height = first.width, first.height
        self._grey = first.format.name in _GREY

    @property
    def read_colour(self) -> Callable[[range], Iterator[tuple[int, Bytes]]] | None:
        """Reader of RGB frames; None for a grey source."""
        return None if self._grey else self._colour

    def read_grey(self, span: range) -> Iterator[tuple[int, Bytes]]:
        """Grey frames of a span and those decoded on the way."""
        out = np.empty((self.height, self.width), dtype=np.uint8)
        return ((number, grey(frame, out)) for number, frame in self._read(span))

    def _colour(self, span: range) -> Iterator[tuple[int, Bytes]]:
        return ((number, rgb(frame)) for number, frame in self._read(span))

    def close(self) -> None:
        """Let go of the file."""
        for decoder in self._decoders:
            decoder.close()

    def _read(self, span: range) -> Iterator[tuple[int, VideoFrame]]:
        try:
            decoder = self._decoder(span.start)
            for number, frame in decoder.read(span, self._needed(decoder, span.start)):
                if (frame.width, frame.height) != (self.width, self.height):
                    raise UsstrackError(
                        f"{self.path.name} changes its picture size at frame {number}; cut it "
                        "there into separate clips."
                    )
                yield number, frame
        except av.FFmpegError as error:
            raise UsstrackError(
                f"{self.path.name} cannot be decoded near frame {span.start}; copy or export it "
                "again."
            ) from error

    def _needed(self, decoder: _Decoder, wanted: int) -> int:
        """The first frame worth decoding on the way to a frame.

        A jump needs the frames next to its goal. Whoever goes backward will
        need all since the key frame; they are decoded once, then remembered.
        """
        if decoder.reaches(wanted) and wanted <= decoder.next + _NEAR:
            return 0
        backward = self._complete_from - _BACK <= wanted < self._complete_from
        needed = decoder.key_before(wanted) if backward else max(0, wanted - _NEAR)
        self._complete_from = needed
        return needed

    def _decoder(self, wanted: int) -> _Decoder:
        """The decoder nearest before a frame, moved to the front; else one sent there."""
        near = [d for d in self._decoders if d.reaches(wanted)]
        if near:
            chosen = max(near, key=lambda d: d.next)
        elif len(self._decoders) < _DECODERS:
            chosen = _Decoder(self.path, self.index)
            self._decoders.append(chosen)
        else:
            chosen = self._decoders[-1]
        self._decoders.remove(chosen)
        self._decoders.insert(0, chosen)
        return chosen


def grey(frame: VideoFrame, out: Bytes | None = None) -> Bytes:
    """BT.601 grey, 0 to 255, of a decoded frame; it may lie in the frame itself or in `out`.

    The luma of a BT.601 picture, expanded to full range, is that grey; other
    matrices and RGB sources are converted to RGB first.
    """
    name = frame.format.name
    if name in _GREY:
        return _first_plane(frame)
    if name in _LUMA_FIRST and frame.colorspace in _BT601:
        luma = _first_plane(frame)
        full = frame.color_range == _FULL_RANGE or name.startswith("yuvj")
        return luma if full else looked_up(luma, _EXPAND, out)
    return grey_of(rgb(frame))


def rgb(frame: VideoFrame) -> Bytes:
    """RGB ``[height, width, 3]``, 0 to 255, of a decoded frame."""
    if frame.format.name in _GREY:
        return np.repeat(_first_plane(frame)[..., None], 3, axis=-1)
    matrix = _BT709 if frame.colorspace == _BT709 else None
    return np.asarray(frame.to_ndarray(format="rgb24", src_colorspace=matrix), dtype=np.uint8)


def _first_plane(frame: VideoFrame) -> NDArray[np.uint8]:
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: frame.height, : frame.width]


def _again(
    first: tuple[int, VideoFrame], rest: Generator[tuple[int, VideoFrame], None, None]
) -> Generator[tuple[int, VideoFrame], None, None]:
    yield first
    yield from rest
