"""Anatomy of the short axis: a ring of muscle and the crescent beside it.

Coordinates are mm from the middle of the left ventricle, the right ventricle
on the left and the anterior wall up.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.synth.heart.anatomy import Anatomy
from napari_usstrack.synth.heart.function import Function
from napari_usstrack.synth.heart.shapes import Curve, bezier
from napari_usstrack.synth.heart.walls import Ring, Span

Floats = NDArray[np.float64]
POINTS = 240
START_DEG = -60.0
"""Where the first segment begins, from x towards y."""
SEGMENT_NAMES = (
    *("anterolateral", "inferolateral", "inferior"),
    *("inferoseptal", "anteroseptal", "anterior"),
)


def short_axis(random: np.random.Generator, function: Function) -> Anatomy:
    """Left ventricle as a ring, papillary muscles, right ventricle."""
    ring = _ring(random, function)
    inside, outside = _side(ring, -0.5), _side(ring, 0.5)
    ends = [_index(random.uniform(*range_deg)) for range_deg in ((112, 132), (228, 252))]
    free, cavity = _crescent(random, ring, ends)
    return Anatomy(
        {"lv": ring, "rv": free},
        {"lv": inside, "rv": cavity},
        ((outside, 0.0), (cavity, float(free.thickness[0]))),
        muscles=_papillaries(random, ring),
        length_mm=2.0 * float(np.hypot(*ring.curve.points.T).mean()),
    )


def _ring(random: np.random.Generator, function: Function) -> Ring:
    radius, flat = random.uniform(24.0, 31.0), random.uniform(0.92, 1.0)
    angle = np.radians(START_DEG) + np.linspace(0.0, 2.0 * np.pi, 2000, endpoint=False)
    wave = np.ones_like(angle)
    for number in (2, 3, 4):
        wave += random.normal(0.0, 0.03 / number) * np.cos(number * angle + random.uniform(0, 6))
    points = radius * wave[:, None] * np.stack([flat * np.cos(angle), np.sin(angle)], axis=1)
    curve = Curve.through(points, POINTS, closed=True)
    share = 2.0 * np.pi * np.arange(POINTS) / POINTS
    thickness = random.uniform(8.0, 11.0) * (
        1.0 + random.normal(0.0, 0.05) * np.cos(share + random.uniform(0.0, 6.0))
    )
    thicker = float(np.clip(-function.strain * random.uniform(2.0, 2.6), 0.2, 0.52))
    inside = float(random.choice([-1.0, 1.0, 1.0])) * random.uniform(3.0, 11.0)
    return Ring(
        curve,
        thickness,
        function.along(6.0 * np.arange(POINTS) / POINTS, closed=True),
        lengthwise=1.0 / ((1.0 + thicker) * (1.0 + function.strain)) - 1.0,
        centre=(0.0, 0.0),
        turn_deg=(inside, inside * random.uniform(0.3, 0.6)),
        shift_mm=(float(random.normal(0.0, 1.0)), float(random.normal(0.0, 1.0))),
    )


def _side(ring: Ring, depth: float) -> Floats:
    share = np.arange(0, POINTS, 2) / POINTS
    return ring.curve.at(share, depth * ring.thickness[::2])


def _index(angle_deg: float) -> int:
    return round((angle_deg - START_DEG) / 360.0 * POINTS) % POINTS


def _crescent(random: np.random.Generator, ring: Ring, ends: list[int]) -> tuple[Span, Floats]:
    """Free wall from the inferior to the anterior insertion, and the cavity inside it."""
    attached = [(float(i), 0.5 * float(ring.thickness[i])) for i in ends]
    low, high = (
        ring.curve.points[i] + (0.5 * ring.thickness[i] - 0.5) * ring.curve.normal[i] for i in ends
    )
    far = random.uniform(28.0, 46.0)
    away = [
        ring.curve.normal[ends[0]] * random.uniform(0.2, 0.5) + [-1.0, 0.0],
        ring.curve.normal[ends[1]] * random.uniform(0.1, 0.4) + [-1.0, 0.0],
    ]
    path = bezier([low, low + far * away[0], high + far * away[1], high], 400)
    curve = Curve.through(path, 121)
    wall = Span(
        curve,
        np.full(121, random.uniform(3.2, 4.5)),
        ring,
        (attached[0], attached[1]),
        inward_mm=random.uniform(3.0, 8.0),
        thicker=random.uniform(0.15, 0.35),
    )
    inside = curve.at(np.linspace(0.0, 1.0, 60), -0.5 * wall.thickness[0])
    septum = np.arange(ends[1], ends[0], -2)
    side = ring.curve.points[septum] + 0.5 * (ring.thickness * ring.curve.normal.T).T[septum]
    return wall, np.concatenate([inside, side])


def _papillaries(random: np.random.Generator, ring: Ring) -> tuple[Floats, ...]:
    """Two muscles that lean on the inside of the ring, unless cut above or below them."""
    if random.random() < 0.2:
        return ()
    angle = np.linspace(0.0, 2.0 * np.pi, 40, endpoint=False)
    found = []
    for low, high in ((20.0, 50.0), (112.0, 142.0)):
        index = _index(random.uniform(low, high))
        size = random.uniform(3.6, 5.5)
        inset = 0.5 * ring.thickness[index] + random.uniform(0.5, 0.9) * size
        middle = ring.curve.points[index] - inset * ring.curve.normal[index]
        wave = size * (1.0 + 0.12 * np.cos(2.0 * angle + random.uniform(0.0, 6.0)))
        found.append(middle + wave[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1))
    return tuple(found)
