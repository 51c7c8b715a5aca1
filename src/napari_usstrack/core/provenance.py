"""How a result came about: steps, digests, versions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from importlib.metadata import PackageNotFoundError, version
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

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Step:
        """The inverse of `to_dict`."""
        return cls(**values)


def digest(*parts: object) -> str:
    """Short stable fingerprint of arrays, strings, numbers, mappings and dataclasses."""
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, np.ndarray):
            state.update(f"{part.dtype.str}{part.shape}".encode())
            state.update(np.ascontiguousarray(part).tobytes())
        elif isinstance(part, bytes):
            state.update(part)
        else:
            state.update(json.dumps(_plain(part), sort_keys=True, default=str).encode())
        state.update(b"\0")
    return state.hexdigest()


def _plain(part: object) -> object:
    if is_dataclass(part) and not isinstance(part, type):
        return asdict(part)
    if isinstance(part, Mapping):
        return dict(part)
    return part
