"""Smoothing methods by name; a method's module is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.pipelines.options import validated, words_of

if TYPE_CHECKING:
    from napari_usstrack.pipelines.smoothers.base import Smoother

DEFAULT = "flow-window"
_HOMES = {
    "flow-window": ("flow_window", "FlowWindowSmoother"),
    "fusion": ("fusion", "FusionSmoother"),
    "savgol": ("over_time", "SavgolSmoother"),
    "butterworth": ("over_time", "ButterworthSmoother"),
    "median": ("over_time", "MedianSmoother"),
    "hampel": ("over_time", "HampelSmoother"),
    "spline": ("over_time", "SplineSmoother"),
}


def names() -> tuple[str, ...]:
    """All method names."""
    return tuple(_HOMES)


def make(name: str = DEFAULT, options: Mapping[str, Any] | None = None) -> Smoother:
    """Build a smoother from its name and settings.

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
    return validated(_class(name), name, options or {})


def choices(name: str) -> dict[str, tuple[str, ...]]:
    """List the values of those settings of a method that take one of a few words."""
    return words_of(_class(name))


def _class(name: str) -> type[Smoother]:
    if name not in _HOMES:
        raise UsstrackError(
            f"There is no smoothing method '{name}'; choose one of: {', '.join(_HOMES)}."
        )
    module, attribute = _HOMES[name]
    cls: type[Smoother] = getattr(import_module(f"{__name__}.{module}"), attribute)
    return cls
