"""Files that are replaced whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_usstrack.core.errors import UsstrackError

PART = ".part"
BACKUP = ".bak"


def beside(path: Path, ending: str) -> Path:
    """The file whose name is that of `path` plus an ending."""
    return path.with_name(path.name + ending)


@contextmanager
def replacing(
    path: str | Path,
    *,
    verify: Callable[[Path], object] | None = None,
    backup: str | None = None,
) -> Iterator[Path]:
    """Hand out a part file that becomes `path` when the block ends well.

    On an exception, or when a generator holding the block is closed, the part
    file is removed and the present file stays as it is.

    Parameters
    ----------
    path : str or Path
        The file to replace; a symbolic link keeps pointing at it.
    verify : callable, optional
        Reads the finished part file and raises if it is not what was meant.
    backup : str, optional
        Ending under which the present file is kept, such as ".bak".

    Raises
    ------
    UsstrackError
        If the file cannot be written.
    """
    path = Path(os.path.realpath(path))
    part = beside(path, PART)
    try:
        yield part
        _flush(part)
        if verify is not None:
            verify(part)
        if path.exists():
            shutil.copymode(path, part)
            if backup is not None:
                _keep(path, beside(path, backup))
        os.replace(part, path)
        _flush_folder(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        _drop(part)


def write_bytes(
    path: str | Path,
    content: bytes,
    *,
    verify: Callable[[Path], object] | None = None,
    backup: str | None = None,
) -> None:
    """Replace a file by `content`; see `replacing`."""
    with replacing(path, verify=verify, backup=backup) as part:
        part.write_bytes(content)


def check_writable(path: str | Path) -> None:
    """Refuse a path that could not be written, before long work starts.

    Raises
    ------
    UsstrackError
        If the path is a folder, its folder is missing, or either is protected.
    """
    path = Path(os.path.realpath(path))
    try:
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        if not path.parent.is_dir():
            raise NotADirectoryError(0, "its folder does not exist")
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(0, "the file is write-protected")
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> UsstrackError:
    """The sentence for a file that cannot be written."""
    reason = error.strerror or str(error) or type(error).__name__
    return UsstrackError(
        f"{path} cannot be written ({reason}); choose another place or free this one"
    )


def damaged(path: Path, problem: object) -> UsstrackError:
    """The sentence for a project file that cannot be read; it names the backup."""
    kept = beside(path, BACKUP)
    if kept.exists():
        remedy = f"copy {kept.name}, the save before it, over it"
    else:
        remedy = f"no {kept.name} lies beside it, so restore it from a copy or move it away"
    return UsstrackError(f"{path} is damaged ({problem}); {remedy}")


def newer(path: Path, found: object, known: int) -> UsstrackError:
    """The sentence for a file written by a later version."""
    return UsstrackError(
        f"{path} was saved by a newer version (layout {found}, this one reads up to {known}); "
        "update napari-usstrack to open it"
    )


def _keep(path: Path, kept: Path) -> None:
    spare = beside(kept, PART)
    _drop(spare)
    try:
        try:
            os.link(path, spare)
        except OSError:
            shutil.copy2(path, spare)
        os.replace(spare, kept)
    finally:
        _drop(spare)


def _drop(path: Path) -> None:
    if path.exists():
        path.unlink()


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
