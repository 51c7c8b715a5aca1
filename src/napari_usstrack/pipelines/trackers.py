"""Method names to trackers; a method's module is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from importlib import import_module
from typing import Any, Literal, get_args, get_origin, get_type_hints

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracker import Tracker

DEFAULT = "lucas-kanade"
_HOMES = {
    "lucas-kanade": ("napari_usstrack.flow.lucas_kanade", "LucasKanade"),
    "tissue-flow": ("napari_usstrack.flow.tissue", "TissueFlow"),
    "dense-flow": ("napari_usstrack.flow.dense", "DenseFlow"),
    "block-matching": ("napari_usstrack.flow.block_matching", "BlockMatching"),
}


def names() -> tuple[str, ...]:
    """All method names."""
    return tuple(_HOMES)


def make(name: str = DEFAULT, options: Mapping[str, Any] | None = None) -> Tracker:
    """Build a tracker from its name and settings.

    Parameters
    ----------
    name : str
        One of `names`.
    options : mapping
        Settings by name; values may be text, as typed after ``--set``.

    Raises
    ------
    UsstrackError
        For an unknown method, an unknown setting or a value out of range.
    """
    if name not in _HOMES:
        raise UsstrackError(f"There is no method '{name}'; choose one of: {', '.join(_HOMES)}.")
    module, attribute = _HOMES[name]
    return _validated(getattr(import_module(module), attribute), name, dict(options or {}))


def choices(name: str) -> dict[str, tuple[str, ...]]:
    """List the values of those settings of a method that take one of a few words."""
    module, attribute = _HOMES[name]
    hints = get_type_hints(getattr(import_module(module), attribute))
    return {key: get_args(hint) for key, hint in hints.items() if get_origin(hint) is Literal}


def _validated(cls: type, method: str, options: dict[str, Any]) -> Tracker:
    from pydantic import TypeAdapter, ValidationError

    known = [field.name for field in fields(cls)]
    unknown = [key for key in options if key not in known]
    if unknown:
        raise UsstrackError(
            f"Method '{method}' has no setting '{unknown[0]}'; it has: {', '.join(known)}."
        )
    try:
        return TypeAdapter(cls).validate_python(options)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsstrackError(
            f"Setting '{first['loc'][0]}' of method '{method}' cannot be {first['input']!r}: "
            f"{first['msg'][0].lower()}{first['msg'][1:]}."
        ) from error
