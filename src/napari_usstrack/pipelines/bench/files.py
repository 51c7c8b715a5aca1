"""Finding and reading the files of a benchmark set."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from napari_usstrack.core.errors import UsstrackError


def files(folders: Iterable[Path], pattern: str) -> list[Path]:
    """Files of a pattern anywhere below the folders, each once, sorted within a folder."""
    found = [path for folder in folders for path in sorted(folder.rglob(pattern))]
    return list(dict.fromkeys(found))


def read_rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Rows of a CSV file that has these columns.

    Raises
    ------
    UsstrackError
        If it cannot be read or a column is missing.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except (OSError, UnicodeDecodeError) as error:
        raise UsstrackError(f"{path} cannot be read ({error}); check the file") from error
    missing = [name for name in columns if name not in (reader.fieldnames or ())]
    if missing:
        raise UsstrackError(f"{path} has no column {missing[0]}; it needs {', '.join(columns)}")
    return rows
