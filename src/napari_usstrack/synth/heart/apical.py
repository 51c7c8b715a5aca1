"""Anatomies of the apical views, drawn at random within adult ranges.

Coordinates are mm, with the middle of the wall at the apex at the origin and
the long axis along y: the valve plane lies below.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.synth.heart.anatomy import Anatomy
from napari_usstrack.synth.heart.function import Function
from napari_usstrack.synth.heart.shapes import Curve, bezier, thinned
from napari_usstrack.synth.heart.valves import Leaflet
from napari_usstrack.synth.heart.walls import Strip

Floats = NDArray[np.float64]
APEX = 0.5
POINTS = 241


@dataclass(frozen=True)
class Size:
    """A left ventricle at end diastole, along the middle of its wall.

    Attributes
    ----------
    length_mm, half_mm : float
        From the apex to the valve plane, and half the largest width.
    wall_mm : float
        Thickness of the wall at the base.
    """

    length_mm: float
    half_mm: float
    wall_mm: float


def left_ventricle(
    random: np.random.Generator, function: Function, *, septum: float, size: Size | None = None
) -> Strip:
    """Wall from the base on the left over the apex to the base on the right.

    Parameters
    ----------
    random : numpy Generator
    function : Function
        How it contracts.
    septum : float
        Width of the left half relative to the right one.
    size : Size, optional
        Any adult one when left out.
    """
    if size is None:
        length, half = random.uniform(76.0, 98.0), random.uniform(25.0, 31.5)
    else:
        length, half = size.length_mm, size.half_mm
    curve = Curve.through(_bullet(random, length, half, septum), POINTS)
    share = np.linspace(0.0, 1.0, POINTS)
    apex = int(np.hypot(*(curve.points - [0.0, 0.0]).T).argmin())
    segment = 3.0 * np.where(
        np.arange(POINTS) < apex,
        np.arange(POINTS) / apex,
        1.0 + (np.arange(POINTS) - apex) / (POINTS - 1 - apex),
    )
    strain = function.along(segment, closed=False)
    rise = 1.0 + 0.06 * np.exp(-(((share - APEX) / 0.2) ** 2))
    rise /= rise.mean()
    around = _around(random, function.strain)
    base_x = 0.5 * (curve.points[0, 0] + curve.points[-1, 0])
    axis_x = base_x * curve.points[:, 1] / curve.points[:, 1].max()
    apart = curve.points[:, 0] - axis_x
    return Strip(
        curve,
        _thickness(random, share, size.wall_mm if size else None),
        {channel: values * rise for channel, values in strain.items()},
        around,
        np.abs(curve.normal[:, 0]) / (np.abs(apart) + 3.0),
        apex,
        narrowing=(1.0 + around * function.strain) / (1.0 + function.strain) - 1.0,
        rock_deg=float(random.normal(0.0, 2.0)),
        shift_mm=(float(random.normal(0.0, 0.6)), float(random.uniform(-0.5, 1.0))),
    )


def _around(random: np.random.Generator, strain: float) -> float:
    """Strain around the long axis relative to strain along it.

    It goes with a thickening of the wall of two to three times the strain.
    """
    thicker = float(np.clip(-strain * random.uniform(2.1, 2.9), 0.2, 0.52))
    return (1.0 / ((1.0 + thicker) * (1.0 + strain)) - 1.0) / strain


def _bullet(random: np.random.Generator, length: float, half: float, septum: float) -> Floats:
    """Half a superellipse that narrows a little towards the base."""
    widest = random.uniform(0.66, 0.76) * length
    power = random.uniform(2.05, 2.45)
    end = np.pi - np.arccos(((length - widest) / widest) ** (power / 2.0))
    angle = np.linspace(-end, end, 2001)
    cos, sin = np.cos(angle), np.sin(angle)
    x = half * np.sign(sin) * np.abs(sin) ** (2.0 / power)
    y = widest * (1.0 - np.sign(cos) * np.abs(cos) ** (2.0 / power))
    x = np.where(x < 0, septum * x, x)
    down = y / length
    x = x + random.normal(0.0, 2.0) * 4.0 * down * (1.0 - down)
    for wave in (2, 3, 5):
        x = x + random.normal(0.0, 0.7 / wave) * np.sin(wave * 1.5 * angle + random.uniform(0, 6))
    return np.stack([x, y + random.uniform(-0.1, 0.1) * x * down**2], axis=1)


def _thickness(random: np.random.Generator, share: Floats, base: float | None) -> Floats:
    base = random.uniform(8.0, 11.0) if base is None else base
    apex = random.uniform(0.5, 0.7)
    left, right = random.uniform(0.92, 1.08, 2)
    thin = 1.0 - (1.0 - apex) * np.exp(-(((share - APEX) / 0.13) ** 2))
    ends = np.minimum(share, 1.0 - share)
    taper = 1.0 - 0.3 * np.exp(-ends / 0.03)
    return np.asarray(base * thin * taper * np.where(share < APEX, left, right))


def inner(wall: Strip, count: int = 80) -> Floats:
    """Endocardium of a wall, from its first end to its last."""
    share = np.linspace(0.0, 1.0, count)
    return wall.curve.at(share, -0.5 * np.interp(share, _shares(wall), wall.thickness))


def outer(wall: Strip, start: float = 0.0, end: float = 1.0, count: int = 80) -> Floats:
    """Epicardium of a wall between two shares of its length."""
    share = np.linspace(start, end, count)
    return wall.curve.at(share, 0.5 * np.interp(share, _shares(wall), wall.thickness))


def _shares(wall: Strip) -> Floats:
    return np.linspace(0.0, 1.0, len(wall.thickness))


def atrium(
    left: Floats, right: Floats, depth_mm: float, bulge: tuple[float, float], lean_mm: float
) -> Floats:
    """Outline of an atrium below the ring between two hinges.

    `bulge` widens its left and its right half, as shares of the ring's width.
    """
    middle, half = 0.5 * (left + right), 0.5 * (right - left)
    down = np.array([-half[1], half[0]]) / np.hypot(*half)
    angle = np.linspace(0.0, np.pi, 60)[:, None]
    wide = np.sin(angle) ** 1.0
    more = 1.0 + 2.0 * np.where(angle < 0.5 * np.pi, bulge[0], bulge[1]) * wide
    flat = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** 0.8
    out = middle - half * flat * more + depth_mm * down * wide**0.8
    return np.asarray(out + lean_mm * np.array([1.0, 0.0]) * wide**2)


def orifice(left: Floats, right: Floats) -> Floats:
    """Outline that opens the ring between two hinges."""
    inset, up = 0.08 * (right - left), np.array([0.0, 3.0])
    return np.stack([left + inset - up, right - inset - up, right - inset + up, left + inset + up])


def papillary(random: np.random.Generator, wall: Strip, share: float) -> tuple[Floats, ...]:
    """A muscle that rises from a wall towards the base, in most hearts."""
    if random.random() < 0.35:
        return ()
    angle = np.linspace(0.0, 2.0 * np.pi, 40, endpoint=False)[:, None]
    at = np.array([share])
    place = wall.curve.at(at, -0.5 * np.interp(at, _shares(wall), wall.thickness))[0]
    index = int(share * (POINTS - 1))
    down = wall.curve.tangent[index] * np.sign(share - APEX)
    middle = place - random.uniform(2.5, 4.5) * wall.curve.normal[index] + 6.0 * down
    way = down - random.uniform(0.1, 0.3) * wall.curve.normal[index]
    long, wide = random.uniform(9.0, 13.0), random.uniform(2.5, 4.0)
    return (middle + long * np.cos(angle) * way + wide * np.sin(angle) * wall.curve.normal[index],)


def _band(random: np.random.Generator, free: Floats, septum: Floats) -> tuple[Floats, ...]:
    """Moderator band across the right ventricle, in some hearts."""
    if random.random() < 0.5:
        return ()
    start, end = septum[int(random.uniform(12, 22))], free[int(random.uniform(30, 40))]
    side = random.uniform(1.0, 1.8) * np.array([0.0, 1.0])
    return (np.stack([start - side, end - side, end + side, start + side]),)


def right_ventricle(
    random: np.random.Generator, lv: Strip, function: Function, *, width_mm: float
) -> tuple[Strip, Floats, Floats]:
    """Free wall of the right ventricle, its cavity, and the septal hinge.

    The wall goes from the lateral hinge of the tricuspid ring up to where it
    meets the left ventricle.
    """
    meet, ring = random.uniform(0.33, 0.4), random.uniform(0.035, 0.07)
    septal = outer(lv, ring, ring, 1)[0]
    top = lv.curve.at(np.array([meet]), np.interp(meet, _shares(lv), lv.thickness) * 0.5 + 0.5)[0]
    hinge = septal + [-width_mm, random.uniform(-2.0, 6.0)]
    tall = hinge[1] - top[1]
    path = bezier(
        [
            hinge,
            hinge + [-random.uniform(0.25, 0.4) * width_mm, -0.38 * tall],
            top + [-random.uniform(0.55, 0.75) * width_mm, 0.22 * tall],
            top,
        ],
        400,
    )
    curve = Curve.through(path, 161)
    thick = np.full(161, random.uniform(3.6, 5.0))
    share = np.linspace(0.0, 6.0, 161)
    wall = Strip(
        curve,
        thick,
        function.along(share, closed=False),
        random.uniform(0.3, 0.6),
        np.full(161, 1.0 / 40.0),
        160,
        rock_deg=float(random.uniform(-4.0, 1.0)),
        holder=(lv, meet * (POINTS - 1), 0.5 * float(np.interp(meet, _shares(lv), lv.thickness))),
    )
    free = inner(wall, 60)
    cavity = np.concatenate([free, outer(lv, meet, ring, 50)])
    return wall, cavity, septal


def mitral(
    random: np.random.Generator, left: Floats, right: Floats, joint: float
) -> tuple[Leaflet, Leaflet]:
    """Two leaflets between hinges that meet at a share of the ring's width."""
    return _pair(random, "mitral", left, right, joint, random.uniform(4.0, 8.0))


def tricuspid(random: np.random.Generator, left: Floats, right: Floats) -> tuple[Leaflet, Leaflet]:
    """Leaflets of the right heart."""
    return _pair(random, "tricuspid", left, right, random.uniform(0.5, 0.65), 5.0)


def _pair(
    random: np.random.Generator,
    name: str,
    left: Floats,
    right: Floats,
    joint: float,
    tent_mm: float,
) -> tuple[Leaflet, Leaflet]:
    over = 2.5 / np.hypot(*(right - left))
    tips = [left + (joint + over) * (right - left), left + (joint - over) * (right - left)]
    thick = random.uniform(0.45, 0.75)
    pair = []
    for side, hinge, tip, other, sign in (
        ("left", left, tips[0], right, -1.0),
        ("right", right, tips[1], left, 1.0),
    ):
        up = tip - [0.0, tent_mm]
        leaflet = Leaflet(
            f"{name} {side}",
            (float(hinge[0]), float(hinge[1])),
            (float(up[0]), float(up[1])),
            (float(other[0]), float(other[1])),
            sign * random.uniform(48.0, 68.0),
            sign * random.uniform(0.5, 2.5),
            thick,
        )
        pair.append(leaflet)
    return pair[0], pair[1]


def four_chambers(
    random: np.random.Generator,
    lv_function: Function,
    rv_function: Function,
    *,
    rv_mm: float,
    size: Size | None = None,
) -> Anatomy:
    """Both ventricles and atria; the right heart on the left."""
    lv = left_ventricle(random, lv_function, septum=random.uniform(0.82, 1.0), size=size)
    rv, rv_cavity, septal = right_ventricle(random, lv, rv_function, width_mm=rv_mm)
    lv_cavity, free = inner(lv), inner(rv, 60)
    septal_side = outer(lv, 0.33, 0.06, 60)
    left, right = lv_cavity[0], lv_cavity[-1]
    la = atrium(left, right, random.uniform(34, 48), (0.1, random.uniform(0.12, 0.25)), 1.0)
    ra = atrium(free[0], septal, random.uniform(34, 46), (random.uniform(0.05, 0.18), 0.08), -1.0)
    joint = random.uniform(0.58, 0.68)
    return Anatomy(
        {"lv": lv, "rv": rv},
        {
            **{"lv": lv_cavity, "la": la, "rv": rv_cavity, "ra": ra},
            **{"mitral": orifice(left, right), "tricuspid": orifice(free[0], septal)},
        },
        (
            (outer(lv, count=100), 0.0),
            (thinned(rv_cavity, 80), float(rv.thickness[0])),
            (la, random.uniform(1.5, 4.5)),
            (ra, random.uniform(1.5, 4.5)),
        ),
        muscles=(
            *papillary(random, lv, random.uniform(0.66, 0.74)),
            *_band(random, inner(rv, 60), septal_side),
        ),
        leaflets=(*mitral(random, left, right, joint), *tricuspid(random, free[0], septal)),
        hinges=(left, right, free[0], septal),
        base_mm=float(0.5 * (left[1] + right[1])),
        length_mm=float(lv.curve.points[:, 1].max()),
    )


def two_chambers(
    random: np.random.Generator, function: Function, size: Size | None = None
) -> Anatomy:
    """Left ventricle and atrium; the inferior wall on the left."""
    lv = left_ventricle(random, function, septum=random.uniform(0.92, 1.08), size=size)
    cavity = inner(lv)
    left, right = cavity[0], cavity[-1]
    bulge = (random.uniform(0.02, 0.15), random.uniform(0.02, 0.15))
    la = atrium(left, right, random.uniform(38, 56), bulge, random.uniform(-4, 4))
    return Anatomy(
        {"lv": lv},
        {"lv": cavity, "la": la, "mitral": orifice(left, right)},
        ((outer(lv, count=100), 0.0), (la, random.uniform(1.5, 4.5))),
        muscles=papillary(random, lv, random.uniform(0.26, 0.36)),
        hinges=(left, right),
        leaflets=mitral(random, left, right, random.uniform(0.4, 0.6)),
        base_mm=float(0.5 * (left[1] + right[1])),
        length_mm=float(lv.curve.points[:, 1].max()),
    )


def long_axis(random: np.random.Generator, function: Function, size: Size | None = None) -> Anatomy:
    """Left ventricle and atrium, outflow tract and aorta on the right."""
    lv = left_ventricle(random, function, septum=random.uniform(0.95, 1.1), size=size)
    cavity = inner(lv)
    left, right = cavity[0], cavity[-1]
    joint = left + random.uniform(0.52, 0.6) * (right - left)
    root = joint + 0.06 * (right - left)
    la = atrium(left, joint, random.uniform(36, 50), (random.uniform(0.1, 0.25), 0.0), -3.0)
    aorta = _aorta(random, root, right)
    mitral_pair = mitral(random, left, joint, random.uniform(0.3, 0.42))
    return Anatomy(
        {"lv": lv},
        {
            **{"lv": cavity, "la": la, "aorta": aorta},
            **{"mitral": orifice(left, joint), "outflow": orifice(root, right)},
        },
        ((outer(lv, count=100), 0.0), (la, random.uniform(1.5, 4.5)), (aorta, 2.0)),
        muscles=papillary(random, lv, random.uniform(0.26, 0.34)),
        hinges=(left, joint, right),
        leaflets=(*mitral_pair, *_aortic(random, root, right)),
        base_mm=float(0.5 * (left[1] + right[1])),
        length_mm=float(lv.curve.points[:, 1].max()),
    )


def _aorta(random: np.random.Generator, left: Floats, right: Floats) -> Floats:
    """Outline of the aortic root and a piece of the aorta below the ring."""
    way = np.radians(random.uniform(12.0, 30.0))
    along, across = np.array([np.sin(way), np.cos(way)]), np.array([np.cos(way), -np.sin(way)])
    middle = 0.5 * (left + right)
    half = 0.5 * float(np.hypot(*(right - left)))
    far = np.linspace(3.0, random.uniform(34.0, 46.0), 24)
    wide = half * (1.0 + 0.28 * np.exp(-(((far - 11.0) / 6.0) ** 2)))
    sides = [middle + far[:, None] * along + s * wide[:, None] * across for s in (1.0, -1.0)]
    return np.concatenate([[left, right], sides[0], sides[1][::-1]])


def _aortic(random: np.random.Generator, left: Floats, right: Floats) -> tuple[Leaflet, Leaflet]:
    """Two cusps that close in the middle and open into the aorta."""
    middle = 0.5 * (left + right) + [0.0, 4.0]
    thick = random.uniform(0.35, 0.5)
    ends = [(float(p[0]), float(p[1])) for p in (left, right, middle)]
    turn_deg = random.uniform(55.0, 70.0)
    return (
        Leaflet("aortic left", ends[0], ends[2], ends[1], turn_deg, 0.8, thick, "outflow"),
        Leaflet("aortic right", ends[1], ends[2], ends[0], -turn_deg, -0.8, thick, "outflow"),
    )
