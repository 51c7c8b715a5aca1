"""Residual jitter against lost amplitude of smoothers, on a sudden contraction.

Run ``python -m benchmarks.smoothing_frontier [--plot FILE]``. A point at rest
jumps up and back like a twitch, and is measured with white jitter, as by a
network, and gross outliers if asked for. Flow from frame to frame is known with a small
error of its own that grows with speed. Both figures are taken over many
repeats: jitter is the standard deviation at rest, in units of the raw one
without outliers; lost amplitude is how much lower the mean peak is than
the true one, the spread beside it that of single peaks. A smoother is good
where both are small.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.signal import butter, savgol_filter, sosfiltfilt

from napari_usstrack.smoothing.fusion import Measured, fuse

FPS = 50.0
FRAMES, REPEATS, PEAK = 240, 200, 120
REST = slice(20, 80)
COLOURS = {
    "raw": "black",
    "fusion": "tab:red",
    "Savitzky-Golay": "tab:blue",
    "Butterworth": "tab:green",
}


@dataclass(frozen=True)
class Twitch:
    """What is simulated.

    Attributes
    ----------
    height_px, width_s : float
        Height, and standard deviation in time, of the bell-shaped excursion.
    jitter_px, outliers : float
        Standard deviation per axis of measured places, and the share of them
        that is ten times as far off.
    flow_px, flow_share : float
        Error of one step of flow per axis: at rest, and as a share of its length.
    flow_gain : float
        How much of true motion flow sees, which the smoother is not told.
    """

    height_px: float = 12.0
    width_s: float = 0.05
    jitter_px: float = 1.0
    outliers: float = 0.0
    flow_px: float = 0.1
    flow_share: float = 0.1
    flow_gain: float = 1.0


def simulated(twitch: Twitch, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True places, measured places and increments, shape (frames, repeats, 2)."""
    rng = np.random.default_rng(seed)
    time = (np.arange(FRAMES) - PEAK) / FPS
    curve = twitch.height_px * np.exp(-0.5 * (time / twitch.width_s) ** 2)
    true = np.repeat(curve[:, None, None] * [0.8, 0.6], REPEATS, axis=1)
    off = rng.normal(0, twitch.jitter_px, true.shape)
    off[rng.random(true.shape[:2]) < twitch.outliers] *= 10
    step = np.diff(true, axis=0)
    slip = np.hypot(twitch.flow_px, twitch.flow_share * np.linalg.norm(step, axis=-1))
    return true, true + off, twitch.flow_gain * step + slip[..., None] * rng.normal(size=step.shape)


def smoothed(
    measured: np.ndarray, moved: np.ndarray, twitch: Twitch
) -> Iterator[tuple[str, str, np.ndarray]]:
    """Name, setting and answer of every smoother."""
    yield "raw", "", measured
    network = Measured.from_tracks(measured, twitch.jitter_px**2 * np.eye(2), "network")
    slip = np.hypot(twitch.flow_px, twitch.flow_share * np.linalg.norm(moved, axis=-1))
    steps = slip[..., None, None] ** 2 * np.eye(2)
    for factor in (0.3, 1.0, 3.0, 10.0, 30.0):
        answer = fuse(moved, factor**2 * steps, network, calibrate=False).xy
        yield "fusion", f"flow error x {factor:g}", answer
    yield "fusion", "calibrated", fuse(moved, steps, network).xy
    for order in (2, 4):
        for window in (5, 7, 9, 13, 19, 27, 39):
            answer = savgol_filter(measured, window, order, axis=0)
            yield "Savitzky-Golay", f"order {order}, {window} frames", answer
    for cutoff in (20.0, 15.0, 10.0, 7.0, 5.0, 3.0, 2.0, 1.0):
        answer = sosfiltfilt(butter(2, cutoff, fs=FPS, output="sos"), measured, axis=0)
        yield "Butterworth", f"{cutoff:g} Hz", answer


def figures(answer: np.ndarray, true: np.ndarray, twitch: Twitch) -> tuple[float, float, float]:
    """Jitter left, and mean and spread of lost amplitude, all as shares."""
    left = np.std((answer - true)[REST]) / twitch.jitter_px
    height = answer[PEAK] @ [0.8, 0.6] / twitch.height_px
    return float(left), float(1.0 - height.mean()), float(height.std())


def plot(rows: list[tuple[str, str, float, float, float]], path: Path) -> None:
    """Draw lost amplitude over residual jitter, one line for each smoother."""
    made = Figure(figsize=(6, 4.5), layout="constrained")
    FigureCanvasAgg(made)
    axes = made.add_subplot()
    for name, colour in COLOURS.items():
        points = sorted(
            (row[2], row[3]) for row in rows if row[0] == name and row[1] != "calibrated"
        )
        axes.plot(*np.array(points).T, "o-", color=colour, label=name, markersize=4)
    axes.set(xlabel="residual jitter / raw jitter", ylabel="lost amplitude / true amplitude")
    axes.legend(frameon=False)
    made.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--outliers", type=float, default=0.0, help="share, 0..1")
    parser.add_argument("--flow-gain", type=float, default=1.0, help="share of motion flow sees")
    parser.add_argument("--plot", type=Path, metavar="FILE")
    options = parser.parse_args()
    twitch = Twitch(outliers=options.outliers, flow_gain=options.flow_gain)
    true, measured, moved = simulated(twitch, options.seed)
    rows = [
        (name, setting, *figures(answer, true, twitch))
        for name, setting, answer in smoothed(measured, moved, twitch)
    ]
    print(f"{'smoother':16}{'setting':20}{'jitter':>8}{'lost':>8}{'+-':>8}")
    for name, setting, left, lost, spread in rows:
        print(f"{name:16}{setting:20}{left:8.3f}{lost:8.3f}{spread:8.3f}")
    if options.plot:
        plot(rows, options.plot)


if __name__ == "__main__":
    main()
