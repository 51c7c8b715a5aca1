"""MATLAB files of version 5 and of version 7.3 (HDF5) as plain dictionaries."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_LARGE = 10**6
"""Values above which an array of a 7.3 file is not loaded, only named."""


class UnreadableError(ValueError):
    """A file that is not MATLAB's, or damaged."""


def is_hdf5(path: Path) -> bool:
    """Whether the file is HDF5, as MATLAB's version 7.3 is."""
    import h5py

    return bool(h5py.is_hdf5(str(path)))


def names(path: Path) -> set[str]:
    """Names of all variables.

    Raises
    ------
    UnreadableError
        If the file cannot be read.
    """
    if is_hdf5(path):
        import h5py

        try:
            with h5py.File(path, "r") as file:
                return {str(name) for name in file}
        except (OSError, RuntimeError) as error:
            raise UnreadableError(str(error)) from error
    from scipy.io import whosmat

    with _scipy_errors():
        return {str(name) for name, _, _ in whosmat(path)}


def load(path: Path, wanted: Iterable[str]) -> dict[str, Any]:
    """Some variables; a struct is a dictionary of its fields.

    Single values and rows are squeezed. A large array of a 7.3 file is given
    as None, to be read from the file piece by piece.

    Raises
    ------
    UnreadableError
        If the file cannot be read.
    """
    if is_hdf5(path):
        return _load_hdf5(path, wanted)
    from scipy.io import loadmat

    with _scipy_errors():
        values = loadmat(path, squeeze_me=True, struct_as_record=False, variable_names=list(wanted))
        return {name: _plain(values[name]) for name in wanted if name in values}


class _scipy_errors:  # noqa: N801
    """Turns what scipy raises on a foreign or damaged file into `UnreadableError`."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        from scipy.io.matlab import MatReadError

        expected = (
            OSError,
            ValueError,
            TypeError,
            KeyError,
            IndexError,
            NotImplementedError,
            MatReadError,
            zlib.error,
        )
        if isinstance(error, expected):
            raise UnreadableError(str(error)) from error


def _plain(value: Any) -> Any:
    if not hasattr(value, "_fieldnames"):
        return value
    return {field: getattr(value, field) for field in value._fieldnames}


def _load_hdf5(path: Path, wanted: Iterable[str]) -> dict[str, Any]:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return {name: _from_hdf5(file[name]) for name in wanted if name in file}
    except (OSError, RuntimeError, KeyError) as error:
        raise UnreadableError(str(error)) from error


def _from_hdf5(item: Any) -> Any:
    """A group as a dictionary of its numeric arrays, a small array transposed as MATLAB has it."""
    if hasattr(item, "keys"):
        return {str(name): _from_hdf5(item[name]) for name in item}
    numeric = item.dtype.kind in "biuf"
    return item[()].T.squeeze() if numeric and item.size <= _LARGE else None
