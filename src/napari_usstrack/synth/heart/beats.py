"""The course of several heart beats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

COURSES = ("contraction", "late", "bulging", "twist", "opening", "outflow")
"""What the beats are known by; all are zero at end diastole but for `opening`."""


@dataclass(frozen=True, eq=False)
class Smooth:
    """Monotone piecewise cubic through knots, flat at both ends.

    Slopes as in Fritsch and Butland, SIAM J. Sci. Stat. Comput. 5 (1984).
    """

    at: Floats
    values: Floats
    slopes: Floats

    @classmethod
    def through(cls, knots: Sequence[tuple[float, float]]) -> Smooth:
        """Course through pairs of time and value."""
        at, values = (np.array(column) for column in zip(*knots, strict=True))
        step = np.diff(at)
        rise = np.diff(values) / step
        slopes = np.zeros(len(at))
        before, after = rise[:-1], rise[1:]
        same = before * after > 0
        share = (step[:-1] + 2.0 * step[1:]) / (3.0 * (step[:-1] + step[1:]))
        mean = np.where(same, share * after + (1.0 - share) * before, 1.0)
        slopes[1:-1] = np.where(same, before * after / mean, 0.0)
        return cls(at, values, slopes)

    def __call__(self, time: float) -> float:
        """Value at a time, constant beyond the ends."""
        time = min(max(time, float(self.at[0])), float(self.at[-1]))
        i = min(int(np.searchsorted(self.at, time, side="right")) - 1, len(self.at) - 2)
        step = self.at[i + 1] - self.at[i]
        t = (time - self.at[i]) / step
        u = 1.0 - t
        ends = (
            u * u * (1.0 + 2.0 * t) * self.values[i] + t * t * (3.0 - 2.0 * t) * self.values[i + 1]
        )
        return float(ends + step * t * u * (u * self.slopes[i] - t * self.slopes[i + 1]))


@dataclass(frozen=True, eq=False)
class Beat:
    """One beat from end diastole to end diastole.

    Attributes
    ----------
    start_s, length_s, systole_s : float
        Begin, duration, and time from begin to end systole.
    depth : float
        How strongly it contracts, about 1.
    courses : tuple of Smooth
        In the order of `COURSES`, by seconds after the begin.
    """

    start_s: float
    length_s: float
    systole_s: float
    depth: float
    courses: tuple[Smooth, ...]

    @classmethod
    def of(cls, start_s: float, length_s: float, depth: float, rest: float) -> Beat:
        """Beat of a given length; `rest` is what is left of contraction in diastasis.

        Systole shortens with rate as in Weissler, Harris and Schoenfeld,
        Circulation 37 (1968): 0.546 s less 2.1 ms per beat per minute.
        """
        systole = 0.546 - 0.0021 * 60.0 / length_s
        courses = _courses(systole, length_s, rest)
        return cls(start_s, length_s, systole, depth, courses)

    def __call__(self, course: str, seconds: float) -> float:
        """Value of a course at a time."""
        value = self.courses[COURSES.index(course)](seconds - self.start_s)
        return value if course in ("opening", "outflow") else self.depth * value


def _courses(es: float, end: float, rest: float) -> tuple[Smooth, ...]:
    diastole = end - es
    ivc, ejection = 0.05, es - 0.05
    ivr = es + min(0.075, 0.2 * diastole)
    early = ivr + min(0.19, 0.45 * diastole)
    kick = end - min(0.13, 0.28 * diastole)
    half = 0.5 * (ivr + early)
    contraction = [
        *((0.0, 0.0), (ivc, 0.06), (ivc + 0.35 * ejection, 0.52), (ivc + 0.7 * ejection, 0.88)),
        *((es, 1.0), (ivr, 0.95), (half, 0.6), (early, rest + 0.03), (kick, rest), (end, 0.0)),
    ]
    late = [
        *((0.0, 0.0), (0.3 * es, -0.3), (es, 0.35), (ivr, 1.0), (half, 0.8)),
        *((early, 0.25), (kick, 0.1), (end, 0.0)),
    ]
    bulging = [
        *((0.0, 0.0), (0.35 * es, 0.8), (es, 1.0), (ivr, 0.75), (early, 0.15)),
        *((kick, 0.05), (end, 0.0)),
    ]
    twist = [
        *((0.0, 0.0), (0.15 * es, -0.12), (es, 1.0), (ivr, 0.55), (early, 0.08)),
        *((kick, 0.03), (end, 0.0)),
    ]
    opening = [
        *((0.0, 0.0), (ivr, 0.0), (ivr + 0.3 * (early - ivr), 1.0), (half, 1.0), (early, 0.55)),
        *((kick, 0.45), (0.55 * kick + 0.45 * end, 0.85), (end, 0.0)),
    ]
    outflow = [
        *((0.0, 0.0), (ivc, 0.0), (ivc + 0.03, 1.0), (0.8 * es, 0.9), (es - 0.03, 0.6)),
        *((es, 0.0), (end, 0.0)),
    ]
    knots = (contraction, late, bulging, twist, opening, outflow)
    return tuple(Smooth.through(course) for course in knots)


@dataclass(frozen=True, eq=False)
class Beats:
    """Beats one after the other."""

    beats: tuple[Beat, ...]

    @classmethod
    def drawn(cls, random: np.random.Generator, seconds: float, *, equal: bool = False) -> Beats:
        """Beats that cover a clip, which starts at any phase of the first one.

        Parameters
        ----------
        random : numpy Generator
        seconds : float
            Length of the clip.
        equal : bool
            All beats alike.
        """
        length = 60.0 / random.uniform(50.0, 110.0)
        rest = random.uniform(0.12, 0.28)
        start = -random.uniform(0.0, 1.0) * length
        beats = []
        while start <= seconds:
            rate, depth = (0.0, 0.0) if equal else random.normal(0.0, 1.0, 2)
            here = length * float(np.clip(1.0 + 0.03 * rate, 0.92, 1.08))
            beats.append(Beat.of(start, here, float(np.clip(1.0 + 0.04 * depth, 0.9, 1.1)), rest))
            start += here
        return cls(tuple(beats))

    def at(self, seconds: float) -> Beat:
        """The beat of a time; the first or last one beyond them."""
        later = [beat for beat in self.beats if beat.start_s <= seconds]
        return later[-1] if later else self.beats[0]

    def __call__(self, course: str, seconds: float) -> float:
        """Value of a course at a time."""
        return self.at(seconds)(course, seconds)

    def facts(self, frame_count: int, fps: float) -> dict[str, float]:
        """Heart rate, and times and nearest frames of ED and ES within the clip."""
        lengths = [beat.length_s for beat in self.beats]
        found = {"heart_rate_bpm": 60.0 / float(np.mean(lengths))}
        events = {
            "ed": [beat.start_s for beat in self.beats],
            "es": [beat.start_s + beat.systole_s for beat in self.beats],
        }
        for name, times in events.items():
            inside = [time for time in times if 0.0 <= time <= (frame_count - 1) / fps]
            for number, time in enumerate(inside, 1):
                found[f"{name}_{number}_s"] = time
                found[f"{name}_{number}_frame"] = float(round(time * fps))
        return found
