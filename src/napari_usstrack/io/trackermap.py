"""``dlc_trackermap.txt``: readable names of the points of a DUSTrack project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.io.atomic import BACKUP, write_bytes

NAME = "dlc_trackermap.txt"
SEPARATOR = " - "
PREFIX = "point"


@dataclass(frozen=True)
class TrackerMap:
    """Readable names by internal name.

    Attributes
    ----------
    path : Path
        Where the file is, or would be written.
    names : mapping of str to str
        ``{"point0": "fascia"}``; empty where there is no file.
    notes : tuple of str
        Lines that could not be used, one sentence each.
    """

    path: Path
    names: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def readable(self, internal: Sequence[str]) -> tuple[str, ...]:
        """Readable names of internal ones, which stand in where the map is silent.

        Raises
        ------
        UsstrackError
            If two of them would get the same name.
        """
        found = tuple(self.names.get(name) or name for name in internal)
        for i, name in enumerate(found):
            if name in found[:i]:
                twins = internal[found.index(name)], internal[i]
                raise UsstrackError(
                    f"{self.path} gives {' and '.join(twins)} the name {name!r}; "
                    "give each its own name"
                )
        return found

    def internal(self, name: str) -> str | None:
        """Internal name of a readable one, or None."""
        return next((key for key, value in self.names.items() if value == name), None)


def find_map(folder: str | Path) -> TrackerMap:
    """The map of a folder or of the nearest parent that has one, else an empty one.

    Raises
    ------
    UsstrackError
        If it cannot be read.
    """
    start = Path(folder).resolve()
    for place in (start, *start.parents):
        if (place / NAME).is_file():
            return _read(place / NAME)
    return TrackerMap(Path(folder) / NAME)


def add_names(known: TrackerMap, names: Mapping[str, str]) -> None:
    """Append names that the map lacks, keeping its present lines and a ``.bak``.

    Parameters
    ----------
    known : TrackerMap
        The map as it is; its file is made where it is missing.
    names : mapping of str to str
        Readable names by internal name; see `check_name`.
    """
    lines = [f"{key}{SEPARATOR}{name}" for key, name in names.items() if key not in known.names]
    if not lines:
        return
    present = known.path.read_bytes() if known.path.exists() else b""
    if present and not present.endswith(b"\n"):
        present += b"\n"
    content = present + "".join(f"{line}\n" for line in lines).encode()
    write_bytes(known.path, content, backup=BACKUP)


def check_name(name: str) -> None:
    """Refuse a name that the map would cut or break.

    Raises
    ------
    UsstrackError
        If it holds " - " or a line break, or cannot be written as UTF-8.
    """
    line = f"{PREFIX}0{SEPARATOR}{name}"
    whole = line.splitlines() == [line] and line.split(SEPARATOR) == [f"{PREFIX}0", name]
    if not whole or any("\ud800" <= letter <= "\udfff" for letter in name):
        raise UsstrackError(
            f"{NAME} cannot hold the point name {name!r}; rename the point without "
            f"'{SEPARATOR}' and line breaks"
        )


def _read(path: Path) -> TrackerMap:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsstrackError(f"{path} is not UTF-8 text; save it as UTF-8") from error
    except OSError as error:
        reason = error.strerror or error
        raise UsstrackError(f"{path} cannot be read ({reason}); check the file") from error
    names, notes = {}, []
    for number, line in enumerate(text.splitlines(), 1):
        internal, *readable = line.split(SEPARATOR)
        if readable and readable[0].strip():
            names[internal] = readable[0]
        elif line:
            notes.append(f"{path}, line {number} is left out: it is not 'point0{SEPARATOR}name'.")
    return TrackerMap(path, names, tuple(notes))
