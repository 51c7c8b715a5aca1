"""Method names to trackers; a method's module is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import import_module
from typing import Any

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracker import Tracker
from napari_usstrack.pipelines.options import validated, words_of

DEFAULT = "hybrid"
LINES = "lines"
FINGERPRINT = "sha256"
"""Setting that says which weights a network had; nobody chooses it."""
_HOMES = {
    "hybrid": ("napari_usstrack.pipelines.hybrid", "Hybrid"),
    "tissue-flow": ("napari_usstrack.flow.tissue", "TissueFlow"),
    "specknet": ("napari_usstrack.models.predictor", "SpeckNetTracker"),
    "lucas-kanade": ("napari_usstrack.flow.lucas_kanade", "LucasKanade"),
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
        Settings by name; values may be text, as typed after ``--set``. Every
        method also takes `lines`: whether points are held to the lines and
        contours that they belong to (`flow.with_lines`).

    Raises
    ------
    UsstrackError
        For an unknown method, an unknown setting or a value out of range.
    """
    if name not in _HOMES:
        raise UsstrackError(f"There is no method '{name}'; choose one of: {', '.join(_HOMES)}.")
    module, attribute = _HOMES[name]
    cls, given = getattr(import_module(module), attribute), dict(options or {})
    if LINES not in given or LINES in (field.name for field in fields(cls)):
        return validated(cls, name, given)
    wanted = validated(_Hold, name, {LINES: given.pop(LINES)}).lines
    tracker = validated(cls, name, given)
    return _with_lines(tracker) if wanted else tracker


def choices(name: str) -> dict[str, tuple[str, ...]]:
    """List the values of those settings of a method that take one of a few words."""
    module, attribute = _HOMES[name]
    return words_of(getattr(import_module(module), attribute))


@dataclass(frozen=True)
class _Hold:
    lines: bool


def _with_lines(tracker: Tracker) -> Tracker:
    from napari_usstrack.flow.with_lines import WithLines

    return WithLines(tracker)
