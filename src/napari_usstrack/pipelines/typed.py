"""Scale and rate as a user types them."""

from __future__ import annotations

from napari_usstrack.core.errors import UsstrackError


def spacing_mm(text: str, what: str = "The scale") -> tuple[float, float]:
    """Turn ``0.0883`` or ``0.08,0.1`` into mm per px, (x, y).

    Parameters
    ----------
    text : str
        One number, or two with a comma between.
    what : str
        Name of the field, for the message.
    """
    values = _numbers(text)
    if len(values) not in (1, 2) or not all(0 < value < 1e3 for value in values):
        raise UsstrackError(
            f"{what} cannot be '{text}'; give one or two positive numbers in mm per px, as in "
            "0.0883 or 0.08,0.1 (x,y)."
        )
    return values[0], values[-1]


def rate_fps(text: str, what: str = "The frame rate") -> float:
    """Turn text into frames per second."""
    values = _numbers(text)
    if len(values) != 1 or not 0 < values[0] < 1e6:
        raise UsstrackError(f"{what} cannot be '{text}'; give frames per second, as in 61.")
    return values[0]


def length_mm(text: str, what: str = "The length") -> float:
    """Turn text into millimetres."""
    values = _numbers(text)
    if len(values) != 1 or not 0 < values[0] < 1e4:
        raise UsstrackError(f"{what} cannot be '{text}'; give millimetres, as in 50.")
    return values[0]


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        return []
