"""A clip whose frames are decoded on demand and remembered within a byte budget."""

from __future__ import annotations

import hashlib
import operator
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.video import VideoInfo

Bytes = NDArray[np.uint8]
Numbered = Iterable[tuple[int, Bytes]]

GREY_BUDGET = 512 * 2**20
"""Bytes of grey frames remembered per clip, so that napari and a long clip share 1.5 GB."""
COLOUR_BUDGET = 64 * 2**20
CHUNK = 32
"""Frames decoded before another thread gets its turn."""

_LARGEST_ARRAY = 10**9
"""Bytes up to which ``np.asarray(clip)`` is allowed."""
_WHOLE_FILE = 64 * 2**20
_END = 4 * 2**20
_BLOCK = 2**20
_BLOCKS = 16


class Reader(Protocol):
    """What a file format has to offer.

    `read_grey` yields (index, frame) for at least the frames of a span, in
    any order, and may add those it had to decode on the way; frames are
    uint8 ``[height, width]``, each valid until the next is asked for.
    `read_colour` does so with RGB ``[height, width, 3]``, or is None for a
    grey source.
    """

    count: int
    width: int
    height: int

    @property
    def whole(self) -> Bytes | None:
        """All grey frames ``[count, height, width]`` where they exist as one array."""
        ...

    @property
    def read_colour(self) -> Callable[[range], Numbered] | None:
        """Reader of RGB frames, or None."""
        ...

    def read_grey(self, span: range) -> Numbered:
        """Grey frames of a span, with their indices."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class _Whole:
    """Every frame in one array, filled as frames arrive."""

    def __init__(self, shape: tuple[int, ...], ready: Bytes | None) -> None:
        self.array = np.empty(shape, dtype=np.uint8) if ready is None else ready
        self.known = np.full(shape[0], ready is not None)
        self.view = self.array.view(np.ndarray)
        self.view.flags.writeable = False

    @property
    def used(self) -> int:
        """Bytes of remembered frames."""
        return int(self.known.sum()) * int(self.array[0].nbytes)

    def put(self, index: int, frame: Bytes) -> None:
        """Remember a frame."""
        if not self.known[index]:
            self.array[index] = frame
            self.known[index] = True

    def block(self, span: range) -> Bytes | None:
        """All frames of a span without a copy, if all are there."""
        at = slice(span.start, span.stop)
        return self.view[at] if self.known[at].all() else None


class _Recent:
    """The frames used last, as many as the budget in bytes holds.

    They lie in one array that is taken once: frames that come and go one by
    one, in several threads, leave holes that the system does not get back.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self._slots: Bytes | None = None
        self._at: OrderedDict[int, int] = OrderedDict()

    @property
    def used(self) -> int:
        """Bytes of remembered frames."""
        return 0 if self._slots is None else len(self._at) * int(self._slots[0].nbytes)

    def copy_to(self, out: Bytes, index: int) -> bool:
        """Copy a frame, if it is there."""
        slot = self._at.get(index)
        if slot is None or self._slots is None:
            return False
        self._at.move_to_end(index)
        out[...] = self._slots[slot]
        return True

    def put(self, index: int, frame: Bytes) -> None:
        """Remember a frame in place of the one unused for longest."""
        if index in self._at:
            return
        if self._slots is None:
            room = max(self.budget // frame.nbytes, 1)
            self._slots = np.empty((room, *frame.shape), dtype=np.uint8)
        full = len(self._at) == len(self._slots)
        slot = self._at.popitem(last=False)[1] if full else len(self._at)
        self._slots[slot] = frame
        self._at[index] = slot

    def block(self, span: range) -> Bytes | None:
        """Never: frames lie apart."""
        return None


class _Frames:
    """A reader, its lock and its stores; shared by all views of one clip."""

    def __init__(self, reader: Reader, budget: int, name: str) -> None:
        self.reader = reader
        self.name = name
        self.closed = False
        shape = (reader.count, reader.height, reader.width)
        fits = reader.whole is not None or int(np.prod(shape)) <= budget
        self.grey: _Whole | _Recent = _Whole(shape, reader.whole) if fits else _Recent(budget)
        self.colour = _Recent(min(budget, COLOUR_BUDGET))
        self._busy = threading.Lock()
        self._next = threading.Lock()
        self._release = weakref.finalize(self, reader.close)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Exclusive use of the reader, first come, first served."""
        with self._next:
            self._busy.acquire()
        try:
            if self.closed:
                raise UsstrackError(f"{self.name} is closed; open it again to read frames.")
            yield
        finally:
            self._busy.release()

    def close(self) -> None:
        """Close the reader and forget all frames."""
        with self._next, self._busy:
            if not self.closed:
                self.closed = True
                self._release()
                self.grey = self.colour = _Recent(0)

    def read(
        self, span: range, store: _Whole | _Recent, read: Callable[[range], Numbered]
    ) -> Bytes:
        """The frames of a span as one array, read-only."""
        ready = store.block(span)
        if ready is not None:
            return ready
        pieces = [
            self._piece(span[at : at + CHUNK], store, read) for at in range(0, len(span), CHUNK)
        ]
        block = store.block(span)
        if block is None:
            block = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
            block.flags.writeable = False
        return block

    def _piece(
        self, span: range, store: _Whole | _Recent, read: Callable[[range], Numbered]
    ) -> Bytes:
        with self.turn():
            if isinstance(store, _Whole):
                for run in _runs([i for i in span if not store.known[i]]):
                    for index, frame in read(run):
                        store.put(index, frame)
                return store.view[span.start : span.stop]
            return self._collect(span, store, read)

    def _collect(self, span: range, store: _Recent, read: Callable[[range], Numbered]) -> Bytes:
        """Frames of a span side by side, those remembered and those read now."""
        colour = (3,) if store is self.colour else ()
        out = np.empty((len(span), self.reader.height, self.reader.width, *colour), dtype=np.uint8)
        missing = [i for i in span if not store.copy_to(out[i - span.start], i)]
        for run in _runs(missing):
            for index, frame in read(run):
                store.put(index, frame)
                if index in run:
                    out[index - span.start] = frame
        return out


class ClipVideo:
    """A clip of grey frames that reads like an array ``[frame, y, x]``.

    Frames are decoded when asked for and remembered. A clip that fits the
    budget ends up whole in memory; of a longer one the frames used last are
    kept. Several threads may read at the same time. Arrays handed out are
    read-only.

    Parameters
    ----------
    info : VideoInfo
        Size, times, scale and digest.
    reader : Reader
        Where frames come from.
    budget : int
        Bytes of grey frames to remember.
    """

    dtype = np.dtype(np.uint8)
    ndim = 3

    def __init__(self, info: VideoInfo, reader: Reader, *, budget: int = GREY_BUDGET) -> None:
        self.info = info
        self._frames = _Frames(reader, budget, info.name or "the clip")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, height and width in px."""
        return self.info.frame_count, self.info.height, self.info.width

    @property
    def size(self) -> int:
        """Number of pixels over all frames."""
        return int(np.prod(self.shape))

    @property
    def nbytes(self) -> int:
        """Bytes of all grey frames together."""
        return self.size

    @property
    def cached_bytes(self) -> int:
        """Bytes of the grey frames remembered at the moment."""
        return self._frames.grey.used

    def __repr__(self) -> str:
        return f"ClipVideo({self.info.name!r}, shape={self.shape})"

    def __len__(self) -> int:
        return self.info.frame_count

    def frames(self, span: range) -> Bytes:
        """Grey frames ``[len(span), height, width]`` of a range of step 1."""
        self._check(span)
        if not span:
            return np.empty((0, *self.shape[1:]), dtype=np.uint8)
        return self._frames.read(span, self._frames.grey, self._frames.reader.read_grey)

    def colour(self, span: range) -> Bytes:
        """RGB frames ``[len(span), height, width, 3]``; a grey source is triplicated."""
        self._check(span)
        read = self._frames.reader.read_colour
        if read is None or not span:
            return np.repeat(self.frames(span)[..., None], 3, axis=-1)
        return self._frames.read(span, self._frames.colour, read)

    def with_info(self, info: VideoInfo) -> ClipVideo:
        """The same frames under another description; reader and cache are shared."""
        view = object.__new__(ClipVideo)
        view.info = info
        view._frames = self._frames
        return view

    def recalibrated(self, calibration: Calibration) -> ClipVideo:
        """The same frames with another scale and times; reader and cache are shared."""
        return self.with_info(self.info.calibrated(calibration))

    def close(self) -> None:
        """Close the file, for all views of this clip."""
        self._frames.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __getitem__(self, key: Any) -> NDArray[np.uint8]:
        first, *rest = _full_key(key)
        if isinstance(first, slice):
            block = self._gather(range(*first.indices(len(self))))
        elif np.ndim(first) == 0 and not isinstance(first, bool | np.bool_):
            index = range(len(self))[operator.index(first)]
            return self.frames(range(index, index + 1))[0][tuple(rest)]
        else:
            if any(np.ndim(part) for part in rest if not isinstance(part, slice)):
                raise IndexError("index arrays on the frame axis and on y or x do not combine")
            block = self._gather(np.arange(len(self))[first].tolist())
        return block[(slice(None), *rest)]

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> NDArray[np.generic]:
        if self.nbytes > _LARGEST_ARRAY:
            raise UsstrackError(
                f"{self.info.name or 'the clip'} would take {self.nbytes / 1e9:.1f} GB as one "
                "array; read a part of it with frames(range(start, stop))."
            )
        whole = self.frames(range(len(self)))
        return np.array(whole, dtype=dtype) if copy else whole.astype(dtype or "u1", copy=False)

    def _gather(self, indices: range | list[int]) -> Bytes:
        parts = [self.frames(run) for run in _runs(list(indices))]
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else self.frames(range(0))

    def _check(self, span: range) -> None:
        if span.step != 1 or span.start < 0 or span.stop > len(self):
            raise IndexError(
                f"{span} is not a range of step 1 within the {len(self)} frames of "
                f"{self.info.name or 'the clip'}"
            )


def _runs(indices: list[int]) -> Iterator[range]:
    """Stretches of consecutive indices, in the order given."""
    breaks = [at for at, (a, b) in enumerate(pairwise(indices), 1) if b != a + 1]
    for start, stop in pairwise([0, *breaks, len(indices)]):
        if stop > start:
            yield range(indices[start], indices[stop - 1] + 1)


def _full_key(key: Any) -> list[Any]:
    """An index expression as one entry per axis."""
    parts = list(key) if isinstance(key, tuple) else [key]
    dots = [at for at, part in enumerate(parts) if part is Ellipsis]
    missing = 3 - (len(parts) - len(dots))
    if len(dots) > 1 or missing < 0 or any(part is None for part in parts):
        raise IndexError("a clip has the axes frame, y and x, and takes one index for each")
    at = dots[0] if dots else len(parts)
    parts[at : at + len(dots)] = [slice(None)] * missing
    return parts


def still_image(name: str) -> UsstrackError:
    """The error for a file with a single picture."""
    return UsstrackError(f"{name} is a still image; tracking needs a clip of at least 2 frames.")


def file_digest(path: Path) -> str:
    """Fingerprint of a file's content, 32 hexadecimal digits.

    Up to 64 MB it is the blake2b of the whole file. Above that it covers the
    size, the first and the last 4 MB and 16 evenly spaced blocks of 1 MB, so
    that long recordings open at once.
    """
    state = hashlib.blake2b(digest_size=16)
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= _WHOLE_FILE:
            while data := file.read(_END):
                state.update(data)
            return state.hexdigest()
        state.update(str(size).encode())
        places = [(0, _END), (size - _END, _END)]
        places += [(round(at), _BLOCK) for at in np.linspace(_END, size - _END - _BLOCK, _BLOCKS)]
        for start, length in places:
            file.seek(start)
            state.update(file.read(length))
    return state.hexdigest()
