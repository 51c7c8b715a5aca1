"""How muscles are driven over time: contractions, joint turns, tremor."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

Course = Callable[[float], float]
"""Seconds to a number, about 0 at rest and 1 at the strongest."""

Manner = Literal["slow", "fast", "cycles", "still"]
MANNERS: tuple[Manner, ...] = ("slow", "fast", "cycles")
CHANCES = (0.1, 0.45, 0.45)


def eased(share: float) -> float:
    """Go from 0 to 1 without a jerk at either end.

    Notes
    -----
    Minimum-jerk course of Flash and Hogan, J. Neurosci. 5 (1985).
    """
    u = min(max(share, 0.0), 1.0)
    return u * u * u * (10.0 + u * (6.0 * u - 15.0))


@dataclass(frozen=True)
class Push:
    """One contraction: rises, holds, falls.

    Attributes
    ----------
    onset_s, rise_s, hold_s, fall_s : float
        When it starts, and how long its parts take.
    """

    onset_s: float
    rise_s: float
    hold_s: float
    fall_s: float

    def __call__(self, seconds: float) -> float:
        """Strength at a time."""
        rising = eased((seconds - self.onset_s) / self.rise_s)
        falling = eased((seconds - self.onset_s - self.rise_s - self.hold_s) / self.fall_s)
        return rising - falling


@dataclass(frozen=True)
class Cycles:
    """Repeated contractions.

    Attributes
    ----------
    period_s, phase : float
        Length of a cycle, and the share of one that has passed at 0 s.
    sharpness : float
        1 for a cosine; above, contractions are short and pauses long.
    unevenness : float
        How much contractions differ in strength.
    """

    period_s: float
    phase: float
    sharpness: float = 1.0
    unevenness: float = 0.0

    def __call__(self, seconds: float) -> float:
        """Strength at a time."""
        turns = seconds / self.period_s + self.phase
        wave = (0.5 - 0.5 * math.cos(2.0 * math.pi * turns)) ** self.sharpness
        strength = 1.0 - self.unevenness * (0.5 + 0.5 * math.sin(2.4 * turns))
        return wave * strength


@dataclass(frozen=True)
class Tremor:
    """Small oscillation about 0.

    Attributes
    ----------
    parts : tuple of (float, float, float)
        Amplitude, Hz, phase in radians.
    """

    parts: tuple[tuple[float, float, float], ...] = ()

    def __call__(self, seconds: float) -> float:
        """Value at a time."""
        return sum(
            size * math.sin(2.0 * math.pi * hertz * seconds + phase)
            for size, hertz, phase in self.parts
        )


@dataclass(frozen=True)
class Effort:
    """What the muscle does: a course with tremor that grows with it.

    Attributes
    ----------
    main : Course
        Push or cycles.
    tremor : Tremor
        Relative to the strength.
    """

    main: Course
    tremor: Tremor = Tremor()

    def __call__(self, seconds: float) -> float:
        """Strength at a time."""
        return self.main(seconds) * (1.0 + self.tremor(seconds)) + 0.1 * self.tremor(seconds)


def effort(random: np.random.Generator, duration_s: float, manner: Manner | None = None) -> Effort:
    """Draw a contraction that happens within a clip.

    Parameters
    ----------
    random : numpy Generator
    duration_s : float
        Length of the clip.
    manner : {"slow", "fast", "cycles", "still"}, optional
        Drawn when not given.
    """
    kind = manner or str(random.choice(MANNERS, p=CHANCES))
    shaky = random.random() < 0.4
    tremor = tremble(random, 0.05) if shaky else Tremor()
    if kind == "cycles":
        return Effort(cycles(random, duration_s), tremor)
    if kind == "still":
        return Effort(lambda _seconds: 0.0, tremble(random, 0.5))
    return Effort(push(random, duration_s, fast=kind == "fast"), tremor)


def push(random: np.random.Generator, duration_s: float, *, fast: bool) -> Push:
    """Draw one contraction, fast as in a sudden push or slow as in a ramp."""
    rise_s = float(random.uniform(0.1, 0.25) if fast else random.uniform(0.5, 2.0))
    fall_s = rise_s * float(random.uniform(0.8, 2.5))
    hold_s = float(random.uniform(0.1, 0.5)) * (1.0 if fast else 2.0)
    middle_s = float(random.uniform(0.2, 0.7)) * duration_s
    late = random.random() < 0.3
    onset_s = middle_s - 0.5 * rise_s - (rise_s + hold_s if late else 0.0)
    return Push(onset_s, rise_s, hold_s, fall_s)


def cycles(random: np.random.Generator, duration_s: float) -> Cycles:
    """Draw repeated contractions, about one to four in a clip."""
    period_s = duration_s / float(random.uniform(1.0, 4.0))
    return Cycles(
        period_s=float(np.clip(period_s, 0.4, 2.0)),
        phase=float(random.random()),
        sharpness=float(random.uniform(0.8, 2.0)),
        unevenness=float(random.uniform(0.0, 0.25)),
    )


def tremble(random: np.random.Generator, size: float) -> Tremor:
    """Draw a tremor of 5 to 12 Hz in two parts."""
    return Tremor(
        tuple(
            (
                size * float(random.uniform(0.2, 0.6)),
                float(random.uniform(5.0, 12.0)),
                float(random.uniform(0.0, 2.0 * math.pi)),
            )
            for _ in range(2)
        )
    )
