"""A DICOM clip inside a zip archive."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
import zlib
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.io import dicom
from napari_usstrack.io.clip import ClipVideo

_MAGIC_AT, _MAGIC = 128, b"DICM"
_NAMED = 5
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)


def open_clip(path: Path) -> ClipVideo:
    """Open a zip archive that holds exactly one multi-frame DICOM file.

    The file is unpacked to a temporary folder that goes when the clip is
    closed. Its digest is that of the file inside, so that results fit the
    unpacked file as well.
    """
    folder = tempfile.TemporaryDirectory(prefix="usstrack_", ignore_cleanup_errors=True)
    with ExitStack() as undone:
        undone.callback(folder.cleanup)
        try:
            video = dicom.open_clip(_unpacked(path, Path(folder.name)), after=folder.cleanup)
        except UsstrackError as error:
            if str(error).startswith(path.name):
                raise
            raise UsstrackError(f"{path.name}: {error}") from error
        undone.pop_all()
    return video.with_info(replace(video.info, name=path.name, path=str(path)))


def holds_clip(path: Path) -> bool:
    """Whether a zip archive holds a multi-frame DICOM file."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [item for item in archive.infolist() if not _passed_over(item)]
            return any(_frames(archive, item) > 1 for item in names)
    except _DAMAGE:
        return False


def _unpacked(path: Path, folder: Path) -> Path:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [item for item in archive.infolist() if not _passed_over(item)]
            clips = [item for item in names if _frames(archive, item) > 1]
            if len(clips) != 1:
                raise _not_one(path, names, clips)
            target = folder / f"{path.stem}.dcm"
            with archive.open(clips[0]) as packed, target.open("wb") as file:
                shutil.copyfileobj(packed, file)
            return target
    except _DAMAGE as error:
        raise UsstrackError(
            f"{path.name} is damaged, locked with a password or not a zip archive; unpack it and "
            "open the clip inside."
        ) from error


def _passed_over(item: zipfile.ZipInfo) -> bool:
    parts = item.filename.split("/")
    return item.is_dir() or any(part.startswith((".", "__MACOSX")) for part in parts)


def _frames(archive: zipfile.ZipFile, item: zipfile.ZipInfo) -> int:
    """Number of frames of a DICOM file in the archive; 0 for other files."""
    with archive.open(item) as file:
        if file.read(_MAGIC_AT + len(_MAGIC))[_MAGIC_AT:] != _MAGIC:
            return 0
    with archive.open(item) as file:
        return dicom.frames_stated(file)


def _not_one(
    path: Path, names: list[zipfile.ZipInfo], clips: list[zipfile.ZipInfo]
) -> UsstrackError:
    shown = [item.filename for item in (clips or names)[:_NAMED]]
    more = len(clips or names) - len(shown)
    held = ", ".join(shown) + (f" and {more} more" if more > 0 else "")
    kind = f"{len(clips)} DICOM clips" if clips else "no DICOM clip"
    tail = f" ({held})" if held else ""
    return UsstrackError(
        f"{path.name} holds {kind}{tail}; unpack it and open the clip you want by itself."
    )
