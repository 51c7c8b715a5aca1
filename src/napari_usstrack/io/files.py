"""Copying files."""

from __future__ import annotations

import shutil
from pathlib import Path

from napari_usstrack.core.errors import UsstrackError


def copied(source: Path, folder: Path) -> Path:
    """Copy a file into a folder, which is made when it does not exist.

    Raises
    ------
    UsstrackError
        If the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copyfile(source, folder / source.name))
    except OSError as error:
        raise UsstrackError(
            f"{folder} cannot be written ({error.strerror}); choose another folder with --output."
        ) from error
