"""A folder of numbered pictures as a clip."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io.array_video import stack_clip
from napari_usstrack.io.clip import ClipVideo, still_image

ENDINGS = {
    ".png": ".png",
    ".jpg": ".jpg",
    ".jpeg": ".jpg",
    ".tif": ".tif",
    ".tiff": ".tif",
    ".bmp": ".bmp",
}
"""Suffixes of pictures, each with the one it counts as."""

_GREY, _COLOUR = ("1", "L"), ("P", "PA", "LA", "La", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
_DEEP = {"I": "i4", "F": "f4"}
_DAMAGE = (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError)
_WHOLE = 64 * 2**20
_BLOCK = 2**20
_BLOCKS = 18


class FolderStack:
    """Pictures of a folder that slice like ``[t, y, x]`` or ``[t, y, x, 3]``.

    Parameters
    ----------
    paths : list of Path
        The pictures in order.
    shape : tuple of int
        Of the whole stack.
    dtype : dtype
        Of its values.
    """

    def __init__(self, paths: list[Path], shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.paths, self.shape, self.dtype = paths, shape, dtype

    def __getitem__(self, at: slice) -> NDArray:
        return np.stack([self._picture(path) for path in self.paths[at]])

    def _picture(self, path: Path) -> NDArray:
        mode = "RGB" if len(self.shape) == 4 else "L"
        try:
            with Image.open(path) as picture:
                values = picture.convert(mode) if self.dtype == np.uint8 else picture
                found = np.asarray(values, dtype=self.dtype)
        except _DAMAGE as error:
            raise _damaged(path) from error
        if found.shape != self.shape[1:]:
            raise UsstrackError(f"{path} changed its size while open; open its folder again.")
        return found


def holds_pictures(folder: Path) -> bool:
    """Whether a folder holds at least 2 pictures."""
    try:
        with os.scandir(folder) as entries:
            found = (entry for entry in entries if _is_picture(entry.name) and entry.is_file())
            return len(list(islice(found, 2))) == 2
    except OSError:
        return False


def open_folder(folder: Path) -> ClipVideo:
    """Open a folder of pictures, one per frame, in natural order of their names.

    Other files, hidden files and folders inside are passed over. Pictures
    state no rate, so times are unknown until one is typed.
    """
    folder = folder if folder.name else folder.resolve()
    paths = _pictures(folder)
    if not paths:
        raise UsstrackError(
            f"{folder} is a folder without pictures; name one clip inside it, or a folder of "
            "png, jpg, tif or bmp files."
        )
    if len(paths) == 1:
        raise still_image(paths[0].name)
    gaps = _gap_note(folder, paths)
    video = stack_clip(_stack(paths), name=folder.name, path=str(folder), digest=_digest(paths))
    rate = (
        f"{folder.name} is a folder of pictures without a frame rate, so times are unknown; give "
        "it with --fps."
    )
    info: VideoInfo = replace(video.info, warnings=(*video.info.warnings, *gaps, rate))
    return video.with_info(info)


def natural_key(name: str) -> tuple[Any, ...]:
    """Sorting key: digit runs by value, letters without case, ties by plain string."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return (*((0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts if p), (-1, 0, name))


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in ENDINGS


def _pictures(folder: Path) -> list[Path]:
    try:
        found = [path for path in folder.iterdir() if _is_picture(path.name) and path.is_file()]
    except OSError as error:
        raise UsstrackError(
            f"{folder} cannot be read ({error.strerror or error}); check its permissions."
        ) from error
    return sorted(found, key=lambda path: natural_key(path.name))


def _gap_note(folder: Path, paths: list[Path]) -> tuple[str, ...]:
    """Refuse several series in one folder; tell of numbers that are missing."""
    numbers = _running_numbers(folder, paths)
    steps = np.diff(numbers)
    if steps.size == 0:
        return ()
    usual = Counter(steps.tolist()).most_common(1)[0][0]
    wide = np.flatnonzero(steps > usual)
    if not wide.size:
        return ()
    first = int(wide[0])
    gaps = "1 gap" if wide.size == 1 else f"{wide.size} gaps"
    return (
        f"{folder.name} has {gaps} in its numbering, the first from {paths[first].name} to "
        f"{paths[first + 1].name}; frames follow each other without holes.",
    )


def _running_numbers(folder: Path, paths: list[Path]) -> list[int]:
    """The number that tells frames apart; empty where names hold none."""
    patterns: dict[str, Path] = {}
    for path in paths:
        stem = re.sub(r"[0-9]+", "#", path.stem.casefold())
        patterns.setdefault(stem + ENDINGS[path.suffix.lower()], path)
    runs = [[int(run) for run in re.findall(r"[0-9]+", path.stem)] for path in paths]
    if len(patterns) > 1 and any(runs):
        raise _several(folder, list(patterns.values()))
    if not any(runs):
        return []
    columns = [list(column) for column in zip(*runs, strict=True)]
    rising = [c for c in columns if all(a < b for a, b in pairwise(c))]
    if not rising:
        breaks = (i for i in range(1, len(runs)) if runs[i][-1] <= runs[i - 1][-1])
        raise _several(folder, [paths[0], paths[next(breaks, 1)]])
    return rising[-1]


def _several(folder: Path, examples: list[Path]) -> UsstrackError:
    names = " and ".join(path.name for path in examples[:2])
    return UsstrackError(
        f"{folder.name} holds several series of pictures ({names}); put each into a folder of its "
        "own."
    )


def _stack(paths: list[Path]) -> FolderStack:
    """Check every header: one size, kinds of values that go together."""
    sizes, kinds = zip(*(_header(path) for path in paths), strict=True)
    odd = next((i for i, size in enumerate(sizes) if size != sizes[0]), None)
    if odd is not None:
        raise UsstrackError(
            f"{paths[odd]} has {sizes[odd][0]} x {sizes[odd][1]} px but {paths[0].name} has "
            f"{sizes[0][0]} x {sizes[0][1]}; keep pictures of one size in the folder."
        )
    deep = {kind for kind in kinds if kind not in ("grey", "colour")}
    odd = next((i for i, kind in enumerate(kinds) if kind != kinds[0]), None)
    if deep and odd is not None:
        raise UsstrackError(
            f"{paths[odd]} holds other values than {paths[0].name}; save all with the same bit "
            "depth."
        )
    width, height = sizes[0]
    shape = (len(paths), height, width, *((3,) if "colour" in kinds else ()))
    return FolderStack(paths, shape, np.dtype(deep.pop() if deep else np.uint8))


def _header(path: Path) -> tuple[tuple[int, int], str]:
    """Size (width, height) in px, and "grey", "colour" or the type of deeper values."""
    try:
        with Image.open(path) as picture:
            size, mode = picture.size, picture.mode
            pages = getattr(picture, "n_frames", 1)
    except _DAMAGE as error:
        raise _damaged(path) from error
    if pages > 1:
        raise UsstrackError(
            f"{path} holds {pages} pages; open that file by itself, or save each page alone."
        )
    if mode in _GREY:
        return size, "grey"
    if mode in _COLOUR:
        return size, "colour"
    if mode.startswith("I;16"):
        return size, "u2"
    if mode in _DEEP:
        return size, _DEEP[mode]
    raise UsstrackError(f"{path} holds {mode} colours, which are not read; save it as RGB.")


def _damaged(path: Path) -> UsstrackError:
    return UsstrackError(
        f"{path} is damaged or not a picture; export it again or take it out of the folder."
    )


def _digest(paths: list[Path]) -> str:
    """Fingerprint of names, sizes and bytes; above 64 MB of 1 MB in each of 18 places."""
    state = hashlib.blake2b(digest_size=16)
    sizes = [path.stat().st_size for path in paths]
    for path, size in zip(paths, sizes, strict=True):
        state.update(f"{path.name}\0{size}\0".encode())
    for at, length in _places(sizes):
        with paths[at].open("rb") as file:
            state.update(file.read(length))
    return state.hexdigest()


def _places(sizes: list[int]) -> Iterator[tuple[int, int]]:
    """Which files to read, and how many bytes of each."""
    if sum(sizes) <= _WHOLE:
        yield from enumerate(sizes)
        return
    for at in np.unique(np.linspace(0, len(sizes) - 1, _BLOCKS).round().astype(int)):
        yield int(at), _BLOCK
