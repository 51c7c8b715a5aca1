"""Points to follow on a heart, and strains and sizes derived from it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.curves import segment_lengths, spline_length, wall_cuts
from napari_usstrack.core.geometry import distance, polygon_area
from napari_usstrack.synth.heart.shapes import Curve
from napari_usstrack.synth.heart.walls import Wall
from napari_usstrack.synth.scene import Follow, Mark, Measures

Floats = NDArray[np.float64]
HEART = "heart"
CONTOUR_POINTS = 21
DENSE_POINTS = 81
LAYERS = {"endocardium": -0.5, "mid-wall": 0.0, "epicardium": 0.5}


def layer(wall: Wall, depth: float, count: int, inset_mm: float = 0.0) -> Floats:
    """Even points ``(count, 2)`` along a wall; depth -0.5 is its inside, 0.5 its outside."""
    curve: Curve = wall.curve
    share = np.arange(count) / (count if curve.closed else count - 1)
    known = np.arange(len(curve)) / (len(curve) if curve.closed else len(curve) - 1)
    thick = np.interp(share, known, wall.thickness, period=1.0 if curve.closed else None)
    return curve.at(share, depth * np.maximum(thick - 2.0 * inset_mm, 0.0))


def contours(wall: Wall, prefix: str = "", count: int = CONTOUR_POINTS) -> list[Mark]:
    """Ordered marks along the inside, the middle and the outside of a wall."""
    marks = []
    for group, depth in LAYERS.items():
        for number, (x, y) in enumerate(layer(wall, depth, count)):
            name = f"{prefix}{group} {number}"
            marks.append(Mark(name, HEART, float(x), float(y), f"{prefix}{group}", "contour"))
    return marks


def point(name: str, place: Floats, group: str) -> Mark:
    """One mark on the heart."""
    return Mark(name, HEART, float(place[0]), float(place[1]), group)


def percent(length: Floats, rest: Floats) -> Floats:
    """Lagrangian strain, percent."""
    return 100.0 * (length / rest - 1.0)


def apical_measures(wall: Wall, apex: int, walls: tuple[str, str]) -> Measures:
    """Strains, thicknesses and sizes of the left ventricle in an apical view.

    Parameters
    ----------
    wall : Wall
        Of the left ventricle.
    apex : int
        Index of the apex on its curve.
    walls : tuple of str
        Names of the left and the right wall.
    """
    shares = (apex / (len(wall.curve) - 1)) * (DENSE_POINTS - 1)
    names = [f"{part}_{walls[0]}" for part in ("basal", "mid", "apical")]
    names += [f"{part}_{walls[1]}" for part in ("apical", "mid", "basal")]
    rest = {group: layer(wall, depth, DENSE_POINTS) for group, depth in LAYERS.items()}
    cuts = wall_cuts(rest["mid-wall"], round(shares))

    def measures(follow: Follow) -> Mapping[str, Floats]:
        moved = {group: follow(HEART, places) for group, places in rest.items()}
        middle, inside = moved["mid-wall"], moved["endocardium"]
        found = {
            "gls_percent": _line_strain(middle, rest["mid-wall"]),
            "gls_endo_percent": _line_strain(inside, rest["endocardium"]),
            "gls_epi_percent": _line_strain(moved["epicardium"], rest["epicardium"]),
        }
        lengths, before = (segment_lengths(p, cuts) for p in (middle, rest["mid-wall"]))
        thick = distance(inside, moved["epicardium"])
        for number, name in enumerate(names):
            found[f"strain_{name}_percent"] = percent(lengths[:, number], before[number])
            found[f"thickness_{name}_mm"] = _part(thick, cuts[number], cuts[number + 1])
        found["lv_area_mm2"] = polygon_area(inside)
        base = 0.5 * (inside[:, 0] + inside[:, -1])
        found["lv_length_mm"] = distance(inside[:, round(shares)], base)
        return found

    return measures


def free_wall_measures(wall: Wall, apex: Floats) -> Measures:
    """Strain of the free wall of the right ventricle, and how far its ring moves.

    `wall` goes from the ring to the apex; `apex` is a material place that
    hardly moves.
    """
    rest = layer(wall, 0.0, 41)
    cuts = np.linspace(0.0, 40.0, 4)
    ring = np.stack([rest[0], apex])

    def measures(follow: Follow) -> Mapping[str, Floats]:
        moved = follow(HEART, rest)
        lengths, before = segment_lengths(moved, cuts), segment_lengths(rest, cuts)
        found = {"rv_free_wall_percent": _line_strain(moved, rest)}
        for number, part in enumerate(("basal", "mid", "apical")):
            found[f"rv_{part}_percent"] = percent(lengths[:, number], before[number])
        ends = follow(HEART, ring)
        found["tapse_mm"] = distance(*ring) - distance(ends[:, 0], ends[:, 1])
        return found

    return measures


def _line_strain(moved: Floats, rest: Floats, *, closed: bool = False) -> Floats:
    return percent(spline_length(moved, closed=closed), spline_length(rest, closed=closed))


def _part(values: Floats, start: float, end: float) -> Floats:
    """Mean of the columns between two fractional indices."""
    return np.asarray(values[:, int(np.ceil(start)) : int(np.floor(end)) + 1].mean(axis=1))


def together(*several: Measures) -> Measures:
    """All of several measures."""

    def measures(follow: Follow) -> Mapping[str, Floats]:
        return {name: values for each in several for name, values in each(follow).items()}

    return measures


def ring_measures(ring: Wall, names: tuple[str, ...]) -> Measures:
    """Strains, thickening and twist in the short axis.

    Circumferential strain inside and in the middle, thickening of the wall,
    and how much further its inside turns than its outside, counted from x
    towards y of the anatomy. `names` are those of six equal parts.
    """
    count = 6 * 12
    rest = {group: layer(ring, depth, count) for group, depth in LAYERS.items()}
    closed = np.concatenate([rest["mid-wall"], rest["mid-wall"][:1]])
    cuts = np.linspace(0.0, float(count), 7)
    before = segment_lengths(closed, cuts)
    thick_before = distance(rest["endocardium"], rest["epicardium"])

    def measures(follow: Follow) -> Mapping[str, Floats]:
        moved = {group: follow(HEART, places) for group, places in rest.items()}
        middle, inside, outside = (
            moved[group] for group in ("mid-wall", "endocardium", "epicardium")
        )
        thick = distance(inside, outside)
        found = {
            "circumferential_percent": _line_strain(middle, rest["mid-wall"], closed=True),
            "circumferential_endo_percent": _line_strain(inside, rest["endocardium"], closed=True),
            "radial_percent": percent(thick.mean(axis=1), thick_before.mean()),
            "lv_area_mm2": polygon_area(inside),
        }
        lengths = segment_lengths(np.concatenate([middle, middle[:, :1]], axis=1), cuts)
        for number, name in enumerate(names):
            found[f"strain_{name}_percent"] = percent(lengths[:, number], before[number])
            found[f"thickness_{name}_mm"] = _part(thick, cuts[number], cuts[number + 1] - 1.0)
        hand = _handedness(middle, rest["mid-wall"])
        turned = [_turn_deg(moved[g], rest[g], hand) for g in ("endocardium", "epicardium")]
        found["twist_deg"] = turned[0] - turned[1]
        return found

    return measures


def _handedness(moved: Floats, rest: Floats) -> float:
    """-1 where the view is mirrored, else 1."""
    signs = [
        float((p[:, 0] * np.roll(p[:, 1], -1) - p[:, 1] * np.roll(p[:, 0], -1)).sum())
        for p in (moved[0], rest)
    ]
    return 1.0 if signs[0] * signs[1] > 0 else -1.0


def _turn_deg(moved: Floats, rest: Floats, hand: float) -> Floats:
    """Turn of a closed line about its middle that fits best."""
    now = moved - moved.mean(axis=1, keepdims=True)
    now = now * [hand, 1.0]
    then = rest - rest.mean(axis=0)
    sine = (then[:, 0] * now[..., 1] - then[:, 1] * now[..., 0]).sum(axis=1)
    cosine = (then[:, 0] * now[..., 0] + then[:, 1] * now[..., 1]).sum(axis=1)
    return np.asarray(np.degrees(np.arctan2(sine, cosine)))
