"""DeepLabCut tables, csv and fixed-format HDF5, as plain columns and rows."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.io.imported import read_file

LEVELS = ("scorer", "individuals", "bodyparts", "coords")
HDF_SUFFIXES = (".h5", ".hdf5", ".hdf")


@dataclass(frozen=True)
class Column:
    """Heading of one column; `individual` is empty in tables of one animal."""

    scorer: str
    individual: str
    bodypart: str
    coord: str


@dataclass(frozen=True, eq=False)
class Table:
    """A table as stored.

    Attributes
    ----------
    path : Path
        The file.
    columns : tuple of Column
        In stored order.
    index : tuple of tuple of str
        Cells before the numbers, one entry per row.
    values : float64 ndarray, shape (rows, columns)
        NaN where a cell is empty.
    """

    path: Path
    columns: tuple[Column, ...]
    index: tuple[tuple[str, ...], ...]
    values: NDArray[np.float64]

    def column(self, individual: str, bodypart: str, coord: str) -> NDArray[np.float64] | None:
        """Values of the first column of that heading, or None."""
        wanted = individual, bodypart, coord
        for i, held in enumerate(self.columns):
            if (held.individual, held.bodypart, held.coord) == wanted:
                return self.values[:, i]
        return None


def read_table(path: str | Path) -> Table:
    """Read a csv, or an h5 in the fixed format of pandas.

    Raises
    ------
    UsstrackError
        If the file is damaged or of another kind.
    """
    path = Path(path)
    return _read_h5(path) if path.suffix.lower() in HDF_SUFFIXES else _read_csv(path)


def is_table(path: Path) -> bool:
    """Whether a csv starts like a DeepLabCut table."""
    return read_file(path)[:16].removeprefix(b"\xef\xbb\xbf").split(b",")[0] == b"scorer"


def csv_text(headings: Sequence[Column], rows: Iterable[Sequence[str]], lead: int) -> str:
    """Text of a table whose rows start with `lead` index cells."""
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    for level in LEVELS:
        if level == "individuals" and not headings[0].individual:
            continue
        words = (getattr(heading, level.removesuffix("s")) for heading in headings)
        writer.writerow([level, *[""] * (lead - 1), *words])
    writer.writerows(rows)
    return made.getvalue()


def _read_csv(path: Path) -> Table:
    try:
        text = read_file(path).decode("utf-8-sig")
        lines = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if any(row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsstrackError(f"{path} is no plain csv ({error}); export it again") from error
    header: dict[str, list[str]] = {}
    for row in lines[:4]:
        if row[0] in LEVELS and row[0] not in header:
            header[row[0]] = row
    if not {"scorer", "bodyparts", "coords"} <= header.keys():
        _refuse(path, "its first lines are not scorer, bodyparts, coords")
    coords = header["coords"]
    lead = next((i for i, cell in enumerate(coords) if i and cell), len(coords))
    body = lines[len(header) :]
    for row in (*header.values(), *body):
        if len(row) != len(coords):
            _refuse(path, f"a line has {len(row)} cells where others have {len(coords)}")
    levels = [header[level][lead:] if level in header else [] for level in LEVELS]
    values = [[_number(path, cell) for cell in row[lead:]] for row in body]
    return _table(path, levels, [tuple(row[:lead]) for row in body], np.array(values, dtype=float))


def _number(path: Path, cell: str) -> float:
    text = cell.strip()
    if not text:
        return math.nan
    try:
        value = float(text.replace("_", "?"))
    except ValueError:
        _refuse(path, f"{cell!r} is not a number")
    if math.isinf(value):
        _refuse(path, f"{cell!r} is no position")
    return value


def _read_h5(path: Path) -> Table:
    import h5py

    read_file(path)
    try:
        with h5py.File(path, "r") as file:
            groups = [item for item in file.values() if isinstance(item, h5py.Group)]
            if len(groups) != 1 or "block0_values" not in groups[0]:
                raise _unreadable(path, "its layout is not the fixed one of pandas")
            return _from_group(path, groups[0])
    except (OSError, KeyError, IndexError, ValueError, TypeError) as error:
        raise _unreadable(path, str(error)) from error


def _from_group(path: Path, group: Any) -> Table:
    axis = _entries(group, "axis0")
    names = [_level_name(group, "axis0", i) for i in range(len(axis))]
    if not {"scorer", "bodyparts", "coords"} <= set(names):
        raise _unreadable(path, f"its columns are {', '.join(names)}")
    place = {entry: i for i, entry in enumerate(zip(*axis, strict=True))}
    index = list(zip(*_entries(group, "axis1"), strict=True))
    values = np.full((len(index), len(place)), np.nan)
    for block in range(int(group.attrs["nblocks"])):
        items = zip(*_entries(group, f"block{block}_items"), strict=True)
        held = np.asarray(group[f"block{block}_values"], dtype=np.float64)
        values[:, [place[item] for item in items]] = held.reshape(len(index), -1)
    levels = [axis[names.index(level)] if level in names else [] for level in LEVELS]
    return _table(path, levels, index, values)


def _entries(group: Any, axis: str) -> list[list[str]]:
    """Entries of an index of pandas, one list per level."""
    variety = _text(group.attrs[f"{axis}_variety"])
    if variety != "multi":
        return [_words(group[axis])]
    entries = []
    for level in range(int(group.attrs[f"{axis}_nlevels"])):
        words = _words(group[f"{axis}_level{level}"])
        codes = group[f"{axis}_label{level}"][...]
        if (codes < 0).any():
            raise ValueError(f"level {level} of {axis} has gaps")
        entries.append([words[i] for i in codes])
    return entries


def _words(data: Any) -> list[str]:
    if (kind := _text(data.attrs["kind"])) not in ("string", "integer"):
        raise ValueError(f"an index holds entries of kind {kind}")
    return [_text(value) for value in data[...]]


def _level_name(group: Any, axis: str, level: int) -> str:
    data = group.get(f"{axis}_level{level}")
    return "" if data is None else _text(data.attrs["name"])


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _table(
    path: Path,
    levels: Sequence[Sequence[str]],
    index: Sequence[tuple[str, ...]],
    values: NDArray[np.float64],
) -> Table:
    scorers, individuals, bodyparts, coords = levels
    whose = individuals or [""] * len(coords)
    columns = tuple(map(Column, scorers, whose, bodyparts, coords))
    if len(set(columns)) < len(columns):
        _refuse(path, "two columns have the same heading")
    if len({column.scorer for column in columns}) != 1:
        _refuse(path, f"it has the scorers {', '.join(sorted(set(scorers))) or 'none'}, not one")
    return Table(path, columns, tuple(index), values.reshape(len(index), len(columns)))


def _unreadable(path: Path, problem: str) -> UsstrackError:
    csv_file = path.with_suffix(".csv")
    remedy = (
        f"read {csv_file.name} beside it"
        if csv_file.exists()
        else "save it as csv in DeepLabCut or pandas"
    )
    return UsstrackError(f"{path} cannot be read without PyTables ({problem}); {remedy}")


def _refuse(path: Path, problem: str) -> NoReturn:
    raise UsstrackError(
        f"{path} is no table of DeepLabCut that can be read: {problem}; export it again"
    )
