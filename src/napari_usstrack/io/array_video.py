"""Arrays as clips: in memory, .npy, .npz and TIFF stacks."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io.clip import Bytes, ClipVideo, file_digest, still_image
from napari_usstrack.io.pixels import grey_of, scaling_note, to_bytes

Limits = tuple[float, float]
_SAMPLES = 9
_SCAN = 64


class ArrayReader:
    """Frames of anything that slices like ``[t, y, x]`` or ``[t, y, x, 3 or 4]``.

    Parameters
    ----------
    source : array-like
        Has `shape`, `dtype` and slicing over frames.
    limits : tuple of float, optional
        Values that become 0 and 255; None for uint8.
    close : callable, optional
        Called when the clip is closed.
    """

    def __init__(
        self,
        source: Any,
        limits: Limits | None = None,
        close: Callable[[], object] | None = None,
    ) -> None:
        self.source, self.limits, self._close = source, limits, close
        self.count, self.height, self.width = (int(n) for n in source.shape[:3])
        self._rgb = len(source.shape) == 4

    @property
    def whole(self) -> Bytes | None:
        """The array itself where it holds grey bytes in memory or mapped from a file."""
        plain = isinstance(self.source, np.ndarray) and not self._rgb and self.limits is None
        return self.source if plain else None

    @property
    def read_colour(self) -> Callable[[range], Iterator[tuple[int, Bytes]]] | None:
        """Reader of RGB frames; None for a grey source."""
        return self._colour if self._rgb else None

    def read_grey(self, span: range) -> Iterator[tuple[int, Bytes]]:
        """Grey frames of a span."""
        block = self._block(span)
        return enumerate(grey_of(block) if self._rgb else block, span.start)

    def _colour(self, span: range) -> Iterator[tuple[int, Bytes]]:
        return enumerate(self._block(span), span.start)

    def close(self) -> None:
        """Let go of the file, if there is one."""
        if self._close is not None:
            self._close()

    def _block(self, span: range) -> Bytes:
        block = np.array(self.source[span.start : span.stop])
        if self._rgb:
            block = np.ascontiguousarray(block[..., :3])
        return block if self.limits is None else to_bytes(block, self.limits)


def array_video(
    array: ArrayLike,
    *,
    spacing_mm: tuple[float, float] | None = None,
    fps: float | None = None,
    times_s: ArrayLike | None = None,
    name: str = "array",
    limits: Limits | None = None,
) -> ClipVideo:
    """Make a clip of an array.

    Parameters
    ----------
    array : array
        ``[t, y, x]`` grey or ``[t, y, x, 3 or 4]`` RGB(A); numpy, or an array
        read piece by piece such as dask. Values other than uint8 are scaled
        to 0..255 by one fixed range.
    spacing_mm : tuple of float, optional
        Millimetres per pixel as (x, y).
    fps : float, optional
        Frames per second.
    times_s : array, shape (t,), optional
        Time of every frame in seconds; takes the place of `fps`.
    name : str
        How messages call the clip.
    limits : tuple of float, optional
        Values that become 0 and 255. By default the lowest and highest of a
        numpy array, or of nine frames of a lazy one.

    Returns
    -------
    ClipVideo
        A lazy array is read as frames are asked for. The digest of a lazy
        array covers its shape and three of its frames.
    """
    source: Any = array if hasattr(array, "shape") else np.asarray(array)
    source = _checked(source, name)
    calibration = _calibration(source.shape[0], spacing_mm, fps, times_s, name, "given")
    return _clip(source, calibration, name=name, digest=_array_digest(source), limits=limits)


def open_npy(path: Path) -> ClipVideo:
    """Open an ``.npy`` file ``[t, y, x]`` or ``[t, y, x, 3 or 4]``, mapped, not loaded."""
    try:
        source = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise _not_numpy(path) from error
    return _file_clip(_checked(source, path.name), Calibration(), path)


def open_npz(path: Path) -> ClipVideo:
    """Open an ``.npz`` archive with ``frames`` and optionally mm_per_px, fps and times_s.

    Without ``frames`` the only 3-D array of bytes, integers or numbers is taken.
    ``mm_per_px`` is one number or the pair (x, y).
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise _not_numpy(path)
            key = _frames_key(archive, path.name)
            source = archive[key]
            extra = {
                name: archive[name] for name in ("mm_per_px", "fps", "times_s") if name in archive
            }
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise _not_numpy(path) from error
    source = _checked(source, path.name)
    spacing = np.asarray(extra["mm_per_px"]).ravel() if "mm_per_px" in extra else None
    pair = None if spacing is None else (float(spacing[0]), float(spacing[-1]))
    fps = float(extra["fps"]) if "fps" in extra else None
    times = extra.get("times_s")
    calibration = _calibration(len(source), pair, fps, times, path.name, path.name)
    return _file_clip(source, calibration, path)


def open_tiff(path: Path) -> ClipVideo:
    """Open a TIFF stack of grey or RGB pages."""
    from napari_usstrack.io.tiff_stack import open_stack

    source, calibration, close = open_stack(path)
    try:
        return _file_clip(_checked(source, path.name), calibration, path, close)
    except UsstrackError:
        close()
        raise


def stack_clip(
    source: Any,
    calibration: Calibration | None = None,
    *,
    name: str,
    path: str,
    digest: str,
    close: Callable[[], object] | None = None,
) -> ClipVideo:
    """Make a clip of what another format module has opened.

    Parameters
    ----------
    source : array-like
        ``[t, y, x]`` or ``[t, y, x, 3 or 4]``, sliced over frames as they are
        asked for. Values other than uint8 are scaled by their range over all
        frames.
    calibration : Calibration, optional
        Scale and times.
    name, path, digest : str
        What the clip is called, where it is, and its fingerprint.
    close : callable, optional
        Called when the clip is closed, or cannot be made.
    """
    with ExitStack() as undone:
        if close is not None:
            undone.callback(close)
        clip = _clip(
            _checked(source, name),
            calibration or Calibration(),
            name=name,
            digest=digest,
            path=path,
            close=close,
            scan=True,
        )
        undone.pop_all()
        return clip


def _file_clip(
    source: Any,
    calibration: Calibration,
    path: Path,
    close: Callable[[], object] | None = None,
) -> ClipVideo:
    return _clip(
        source,
        calibration,
        name=path.name,
        digest=file_digest(path),
        path=str(path),
        close=close,
        scan=True,
    )


def _clip(
    source: Any,
    calibration: Calibration,
    *,
    name: str,
    digest: str,
    path: str = "",
    limits: Limits | None = None,
    close: Callable[[], object] | None = None,
    scan: bool = False,
) -> ClipVideo:
    """Wrap a checked source; `scan` takes limits from all frames even of a lazy one."""
    warnings: tuple[str, ...] = ()
    dtype = np.dtype(source.dtype)
    if dtype == np.bool_:
        limits = (0.0, 1.0)
    elif dtype != np.uint8 and limits is None:
        whole = scan or isinstance(source, np.ndarray)
        limits = _limits(source, whole)
        of = "all frames" if whole else f"{_SAMPLES} frames spread over the clip"
        warnings = (scaling_note(name, dtype, limits, of),)
    reader = ArrayReader(source, limits, close)
    info = VideoInfo(
        frame_count=reader.count,
        width=reader.width,
        height=reader.height,
        calibration=calibration,
        digest=digest,
        name=name,
        path=path,
        warnings=warnings,
    )
    return ClipVideo(info, reader)


def _checked(source: Any, name: str) -> Any:
    """The source as 3-D grey or 4-D colour, or the reason why it is neither."""
    shape = tuple(int(n) for n in source.shape)
    if np.dtype(source.dtype).kind not in "buif":
        raise UsstrackError(f"{name} holds {source.dtype}, not grey levels; export it as uint8.")
    if len(shape) == 4 and shape[3] == 1:
        return source[..., 0]
    if len(shape) == 2 or (len(shape) == 3 and (shape[0] == 1 or shape[2] in (3, 4))):
        raise still_image(name)
    if len(shape) == 4 and shape[3] in (3, 4) and shape[0] == 1:
        raise still_image(name)
    if (len(shape) == 3 or (len(shape) == 4 and shape[3] in (3, 4))) and 0 not in shape:
        return source
    raise UsstrackError(
        f"{name} has the shape {shape}; a clip needs frames x height x width, or that x 3 colours."
    )


def _calibration(
    count: int,
    spacing_mm: tuple[float, float] | None,
    fps: float | None,
    times_s: ArrayLike | None,
    name: str,
    source: str,
) -> Calibration:
    calibration = Calibration()
    try:
        if spacing_mm is not None:
            calibration = calibration.with_spacing(spacing_mm, source)
        if times_s is not None:
            times = np.asarray(times_s, dtype=np.float64).ravel()
            if len(times) != count or (np.diff(times) <= 0).any():
                raise ValueError(f"{len(times)} rising time stamps are needed for {count} frames")
            calibration = Calibration(calibration.spacing_mm, times - times[0], source, source)
        elif fps is not None:
            if not (np.isfinite(fps) and fps > 0):
                raise ValueError(f"fps must be positive, got {fps}")
            calibration = calibration.with_rate(count, fps, source)
    except ValueError as error:
        raise UsstrackError(f"{name} has scale or times that cannot be used: {error}.") from error
    return calibration


def _limits(source: Any, whole: bool) -> Limits:
    """Lowest and highest finite value, of all frames or of some."""
    count = int(source.shape[0])
    starts = range(0, count, _SCAN)
    blocks = [(start, start + _SCAN) for start in starts]
    if not whole:
        picked = np.unique(np.linspace(0, count - 1, _SAMPLES).round().astype(int))
        blocks = [(int(i), int(i) + 1) for i in picked]
    low, high = np.inf, -np.inf
    for start, stop in blocks:
        values = np.asarray(source[start:stop])
        values = values[np.isfinite(values)]
        if values.size:
            low, high = min(low, float(values.min())), max(high, float(values.max()))
    return (low, high) if low <= high else (0.0, 1.0)


def _array_digest(source: Any) -> str:
    state = hashlib.blake2b(digest_size=16)
    state.update(f"{np.dtype(source.dtype).str}{tuple(source.shape)}".encode())
    if isinstance(source, np.ndarray):
        parts: list[NDArray] = [source]
    else:
        count = int(source.shape[0])
        parts = [np.asarray(source[i : i + 1]) for i in sorted({0, count // 2, count - 1})]
    for part in parts:
        state.update(np.ascontiguousarray(part).data)
    return state.hexdigest()


def _frames_key(archive: Any, name: str) -> str:
    if "frames" in archive:
        return "frames"
    stacks = [key for key in archive.files if archive[key].ndim == 3]
    if len(stacks) == 1:
        return str(stacks[0])
    raise UsstrackError(
        f"{name} has no array called frames and {len(stacks)} 3-D arrays to choose from; save the "
        "clip under the name frames."
    )


def _not_numpy(path: Path) -> UsstrackError:
    return UsstrackError(
        f"{path.name} is damaged or not a numpy file; save it again with numpy.save or numpy.savez."
    )
