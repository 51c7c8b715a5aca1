"""How a result came about: steps, digests, versions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePath
from types import MappingProxyType
from typing import Any

import numpy as np


def software_version() -> str:
    """Version of the installed package, or "unknown" when run from a bare tree."""
    try:
        return version("napari-usstrack")
    except PackageNotFoundError:
        return "unknown"


@dataclass(frozen=True)
class Step:
    """One whole-object operation.

    Attributes
    ----------
    name : str
        What was done ("track", "fill").
    method : str
        By which method ("lucas-kanade").
    method_version : int
        Raised whenever the method's numbers change.
    settings : mapping
        The settings in force, plain values.
    inputs : str
        Digest of all that was read.
    software : str
        Package version.
    """

    name: str
    method: str
    method_version: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict)
    inputs: str = ""
    software: str = field(default_factory=software_version)

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", MappingProxyType(dict(self.settings)))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {**self.__dict__, "settings": dict(self.settings)}

    def __reduce__(self) -> tuple[Any, ...]:
        return Step.from_dict, (self.to_dict(),)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Step:
        """The inverse of `to_dict`."""
        return cls(**values)


def digest(*parts: object) -> str:
    """Short stable fingerprint of plain values, arrays, mappings and dataclasses.

    The same in every process; any nested array counts in full.

    Raises
    ------
    TypeError
        For an object whose content cannot be told.
    """
    text = json.dumps([_plain(part) for part in parts], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _plain(part: object) -> object:
    if part is None or isinstance(part, str | int | float):
        return part
    if isinstance(part, np.generic):
        return part.item()
    if isinstance(part, np.ndarray) and part.dtype != object:
        return {"array": [part.dtype.str, part.shape, _sum(np.ascontiguousarray(part).tobytes())]}
    if isinstance(part, bytes):
        return {"bytes": _sum(part)}
    if isinstance(part, Mapping):
        return {"mapping": {str(key): _plain(value) for key, value in part.items()}}
    if isinstance(part, list | tuple):
        return [_plain(value) for value in part]
    if isinstance(part, set | frozenset):
        return {"set": sorted(json.dumps(_plain(value), sort_keys=True) for value in part)}
    if isinstance(part, PurePath):
        return {"path": part.as_posix()}
    if isinstance(part, range):
        return {"range": str(part)}
    if is_dataclass(part) and not isinstance(part, type):
        values = {item.name: _plain(getattr(part, item.name)) for item in fields(part)}
        return {type(part).__name__: values}
    raise TypeError(f"cannot make a digest of {type(part).__name__}")


def _sum(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
