"""Settings of a method from words and numbers, refused in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from napari_usstrack.core.errors import UsstrackError

T = TypeVar("T")


def validated(cls: type[T], method: str, options: Mapping[str, Any]) -> T:
    """Build a dataclass of settings.

    Parameters
    ----------
    cls : type
        A dataclass.
    method : str
        What the user calls it.
    options : mapping
        Settings by name; values may be text.

    Raises
    ------
    UsstrackError
        For an unknown setting or a value out of range.
    """
    from pydantic import TypeAdapter, ValidationError

    known = [field.name for field in fields(cls)]  # type: ignore[arg-type]
    unknown = [key for key in options if key not in known]
    if unknown:
        raise UsstrackError(
            f"Method '{method}' has no setting '{unknown[0]}'; it has: {', '.join(known)}."
        )
    try:
        return TypeAdapter(cls).validate_python(dict(options))
    except ValidationError as error:
        first = error.errors()[0]
        raise UsstrackError(
            f"Setting '{first['loc'][0]}' of method '{method}' cannot be {first['input']!r}: "
            f"{first['msg'][0].lower()}{first['msg'][1:]}."
        ) from error


def words_of(cls: type) -> dict[str, tuple[str, ...]]:
    """List the values of those settings that take one of a few words."""
    hints = get_type_hints(cls)
    return {key: get_args(hint) for key, hint in hints.items() if get_origin(hint) is Literal}
