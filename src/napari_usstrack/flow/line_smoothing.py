"""Series of measures of a line over time, joined with what flow says of its motion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_usstrack.core.geometry import Floats

GATE = 2.5
"""A measure this many standard deviations off begins to lose its weight."""
ROUNDS = 4
FREEDOM = 4.0
"""Degrees of freedom of the Student-t distribution by which jerks are compared."""
STEP = np.array([[1.0, 1.0], [0.0, 1.0]])
NOISE = np.array([[1.0 / 3.0, 0.5], [0.5, 1.0]])


def joined(
    measured: ArrayLike, sd: ArrayLike, flow: ArrayLike, linked: ArrayLike, jerks: Sequence[float]
) -> tuple[Floats, Floats]:
    """Join measures of single frames with the motion that flow has summed up.

    Parameters
    ----------
    measured, sd : array_like, shape (frames,)
        Measures and their standard deviations; NaN where there is none.
    flow : array_like, shape (frames,)
        The same quantity carried by flow from one frame, in the same unit.
    linked : array_like of bool, shape (frames - 1,)
        Whether flow is known over each step.
    jerks : sequence of float
        What `likely_jerk` chooses from; the last is used where flow is unknown.

    Returns
    -------
    value, value_sd : float64 ndarray, shape (frames,)
        The path of flow, and NaN, where nothing was measured.

    Notes
    -----
    What flow gathers as error is taken to change its speed slowly, as flow that
    misses a part of all motion does. So the difference of measures and flow is
    smoothed (`smoothed`), and flow is put back: what is fast comes from flow,
    what lasts from the measures. How slowly is for the clip to say.
    """
    carried = np.asarray(flow, dtype=np.float64)
    rest = np.asarray(measured, dtype=np.float64) - carried
    known = np.asarray(linked, dtype=bool)
    jerk = np.full(len(known), likely_jerk(rest, sd, jerks))
    if known.any():
        jerk[~known] = jerks[-1]
    smooth, smooth_sd = smoothed(rest, sd, jerk)
    return carried + np.nan_to_num(smooth), smooth_sd


def likely_jerk(values: ArrayLike, sd: ArrayLike, jerks: Sequence[float]) -> float:
    """Usual change of speed per step that makes a series the most likely.

    Parameters
    ----------
    values, sd : array_like, shape (n,)
        Measures and their standard deviations; NaN where there is none.
    jerks : sequence of float
        What to choose from.

    Notes
    -----
    Likelihood of the innovations of a Kalman filter, Student-t so that
    outliers do not decide.
    """
    measured, own = np.asarray(values, dtype=np.float64), np.asarray(sd, dtype=np.float64)
    known = np.flatnonzero(np.isfinite(measured) & np.isfinite(own))
    choices = np.asarray(jerks, dtype=np.float64)
    if len(known) < 3:
        return float(choices[-1])
    noise = np.square(choices)[:, None, None] * NOISE
    state = np.tile([measured[known[0]], 0.0], (len(choices), 1))
    spread = np.tile(np.diag([own[known[0]] ** 2, 1.0]), (len(choices), 1, 1))
    total = np.zeros(len(choices))
    seen = set(known[1:].tolist())
    for row in range(known[0] + 1, known[-1] + 1):
        state, spread = state @ STEP.T, STEP @ spread @ STEP.T + noise
        if row in seen:
            variance = spread[:, 0, 0] + own[row] ** 2
            off = measured[row] - state[:, 0]
            far = off * off / variance
            total -= 0.5 * np.log(variance) + 0.5 * (FREEDOM + 1.0) * np.log1p(far / FREEDOM)
            trust = np.minimum(1.0, (FREEDOM + 1.0) / (FREEDOM + far))
            gain = trust[:, None] * spread[:, :, 0] / variance[:, None]
            state = state + gain * off[:, None]
            spread = spread - gain[:, :, None] * spread[:, :1, :]
    return float(choices[total.argmax()])


def smoothed(values: ArrayLike, sd: ArrayLike, jerk: ArrayLike) -> tuple[Floats, Floats]:
    """Smooth a series whose speed changes little from step to step.

    Parameters
    ----------
    values, sd : array_like, shape (n,)
        Measures and their standard deviations; NaN where there is none.
    jerk : array_like, shape (n - 1,) or a number
        Usual change of the speed in each step.

    Returns
    -------
    smooth, smooth_sd : float64 ndarray, shape (n,)
        NaN where nothing at all was measured.

    Notes
    -----
    A Kalman filter of value and speed with the backward pass of the RTS smoother
    (Rauch, Tung and Striebel, 1965), repeated with Huber's weights.
    """
    measured, own = np.asarray(values, dtype=np.float64), np.asarray(sd, dtype=np.float64)
    known = np.isfinite(measured) & np.isfinite(own)
    if not known.any():
        return np.full(len(measured), np.nan), np.full(len(measured), np.nan)
    changes = np.broadcast_to(np.asarray(jerk, dtype=np.float64), (len(measured) - 1,))
    trust = np.where(known, 1.0, 0.0)
    for _ in range(ROUNDS):
        smooth, variance = _rts(measured, own, trust, changes)
        off = np.abs(measured - smooth) / np.where(known, own, np.inf)
        trust = np.where(known, np.minimum(1.0, GATE / np.maximum(off, 1e-12)), 0.0)
    return smooth, np.sqrt(variance)


def _rts(measured: Floats, sd: Floats, trust: Floats, jerk: Floats) -> tuple[Floats, Floats]:
    """Kalman filter of (value, speed), and its backward pass."""
    count, first = len(measured), int(np.argmax(trust > 0))
    state, spread = np.array([measured[first], 0.0]), np.diag([1e4, 1.0])
    states: list[NDArray] = []
    spreads: list[NDArray] = []
    ahead: list[tuple[NDArray, NDArray]] = []
    for frame in range(count):
        if frame:
            noise = jerk[frame - 1] ** 2 * NOISE
            state, spread = STEP @ state, STEP @ spread @ STEP.T + noise
        ahead.append((state, spread))
        if trust[frame] > 0:
            gain = spread[:, 0] / (spread[0, 0] + sd[frame] ** 2 / trust[frame])
            state = state + gain * (measured[frame] - state[0])
            spread = spread - np.outer(gain, spread[0])
        states.append(state)
        spreads.append(spread)
    for frame in range(count - 2, -1, -1):
        next_state, next_spread = ahead[frame + 1]
        gain = spreads[frame] @ STEP.T @ np.linalg.inv(next_spread)
        states[frame] = states[frame] + gain @ (states[frame + 1] - next_state)
        spreads[frame] = spreads[frame] + gain @ (spreads[frame + 1] - next_spread) @ gain.T
    return np.array(states)[:, 0], np.maximum(np.array(spreads)[:, 0, 0], 0.0)
