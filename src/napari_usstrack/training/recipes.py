"""Recipes: which scenes are drawn and how they are changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from napari_usstrack.synth.catalogue import Orientation
from napari_usstrack.training.augment import IMPARTIAL, PLAIN, Changes
from napari_usstrack.training.clips import MIX

APICAL: Mapping[str, float] = {"heart-a4c": 1.0, "heart-a2c": 1.0, "heart-a3c": 1.0}


@dataclass(frozen=True)
class Recipe:
    """How training clips come about.

    Attributes
    ----------
    name : str
    mix : mapping
        Kinds of scenes and how often each is drawn.
    orientation : {"usual", "any"}
        As in `synth.catalogue.draw`.
    changes : Changes
    query : {"any", "first"}
        Points are asked for in the first frame; or in any (60 %), the first
        (20 %) or that at 0.72 of the clip (20 %).
    warped, still : float
        Share of clips made from one picture, moving and not.
    """

    name: str
    mix: Mapping[str, float]
    orientation: Orientation
    changes: Changes
    query: Literal["any", "first"]
    warped: float
    still: float


RECIPES: Mapping[str, Recipe] = {
    "impartial": Recipe("impartial", MIX, "any", IMPARTIAL, "any", 0.25, 0.04),
    "plain": Recipe("plain", APICAL, "usual", PLAIN, "first", 0.0, 0.0),
    "impartial-apical": Recipe("impartial-apical", APICAL, "any", IMPARTIAL, "any", 0.25, 0.04),
}
"""`impartial-apical` sees the same anatomy as `plain`: the two differ in motion alone."""
