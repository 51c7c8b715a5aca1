"""The clips opened last, remembered in the user's data folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

import platformdirs

from napari_usstrack.io.atomic import unwritable, write_bytes

DATA_DIR = "USSTRACK_DATA_DIR"
"""Environment variable that names another data folder."""
FILE = "recent clips.json"
MOST = 20


def data_folder() -> Path:
    """The folder for what is remembered between sessions; it may not exist yet."""
    named = os.environ.get(DATA_DIR)
    return Path(named) if named else platformdirs.user_data_path("napari-usstrack", appauthor=False)


def recent_clips() -> tuple[Path, ...]:
    """Clips opened last, newest first, without those that are missing now."""
    return tuple(path for path in _remembered() if _is_there(path))


def remember(clip: str | Path) -> None:
    """Put a clip first in the list; the oldest beyond 20 is forgotten.

    Raises
    ------
    UsstrackError
        When the list cannot be written.
    """
    clip = Path(clip).expanduser().absolute()
    others = [path for path in _remembered() if not _same(path, clip)]
    content = {"clips": [str(path) for path in [clip, *others][:MOST]]}
    target = data_folder() / FILE
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(target, error) from error
    write_bytes(target, json.dumps(content, indent=1, ensure_ascii=False).encode())


def _remembered() -> list[Path]:
    """All clips of the list; none when it is missing or damaged."""
    try:
        content = json.loads((data_folder() / FILE).read_bytes())
    except (OSError, ValueError):
        return []
    clips = content.get("clips") if isinstance(content, dict) else None
    if not isinstance(clips, list):
        return []
    return [Path(clip) for clip in clips if isinstance(clip, str) and clip][:MOST]


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _same(one: Path, other: Path) -> bool:
    return os.path.normcase(one) == os.path.normcase(other)
