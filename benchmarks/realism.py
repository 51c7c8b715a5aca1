"""How real synthetic clips look: the same measures on real, simulated and synthetic ones.

Run ``python -m benchmarks.realism DATA [--simulated FOLDER] [--synthetic FOLDER]``, where
DATA holds the real clips in ``heart`` and ``muscle`` and the other two hold
``.npz`` clips (see `benchmarks.real_clips`). Lengths are shares of the imaged
depth where they can be, so that clips of any size compare. Well-textured
places are tracked forward from frame 0 by ``tissue-flow``, in all clips alike.

The last column says whether the synthetic median lies between 0.8 times the
smallest and 1.25 times the largest real value. Rows of correlation are judged
by what they lack from 1; a factor on a number close to 1 would say nothing.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import napari_usstrack as uss
from benchmarks.real_clips import Clip, real_clips, stored_clips
from napari_usstrack.metrics.imaged_area import ImagedArea
from napari_usstrack.metrics.texture import (
    THIRDS,
    TextureWidths,
    grey_summary,
    patch_correlations,
    patch_grid,
    step_lengths,
    texture_widths,
    wholly_inside,
    without_local_mean,
)

POINTS, SEED, CANDIDATES = 60, 0, 50
SPECKLES = 3.5
"""Sides of a correlated patch, in fine widths of texture."""
LAGS_FRAMES = (1, 2, 5, 10)
LAGS_MS = (40, 80, 160)
FINE_SHARE = 0.04
"""Share of the depth above which structure does not count for the fine widths."""
BRIGHTER_THAN = {"heart": 70, "muscle": 40}
"""Percentile of local brightness above which a place is tracked; it leaves out most blood."""
RICHER_THAN = 50
"""The same for local contrast."""
LOW, HIGH = 0.8, 1.25
SLACK = {"%": 0.2, "grey": 2.0}
"""What the verdict forgives, by unit, where real values are close to 0."""
UNJUDGED = ("px", "count")


@dataclass(frozen=True)
class Measure:
    """One row of the table: a name and the unit of its values."""

    name: str
    unit: str


Values = dict[Measure, float]


def measured(clip: Clip) -> Values:
    """All measures of one clip."""
    few = clip.frames[:: max(1, len(clip.frames) // 6)]
    widths = texture_widths(few, clip.area)
    fine = texture_widths(few, clip.area, window_share=FINE_SHARE)
    paths = tracked(clip)
    half = tuple(
        max(2, round(SPECKLES * width / 2)) if np.isfinite(width) else 4
        for width in (fine.axial_px, fine.lateral_px)
    )
    values = {**_grey(clip), **_widths(clip, widths), **_fine_widths(clip, fine)}
    values |= _correlation(clip, paths, half)
    return values | _motion(clip, paths)


def textured_places(
    frame: np.ndarray, area: ImagedArea, domain: str, count: int = POINTS, seed: int = SEED
) -> np.ndarray:
    """Choose places of bright, well-textured tissue, ``[points, 2]`` in px, at random.

    They are at least a thirtieth of the imaged depth apart.
    """
    side = max(7, round(area.depth_px / 20))
    rest = without_local_mean(frame, area.mask, side)
    grey = np.where(area.mask, frame - rest, 0.0)
    contrast = np.where(area.mask, rest**2 - without_local_mean(rest**2, area.mask, side), 0.0)
    good = area.mask.copy()
    for quality, limit in ((grey, BRIGHTER_THAN[domain]), (contrast, RICHER_THAN)):
        good &= quality > np.percentile(quality[area.mask], limit)
    rows, columns = np.nonzero(good)
    order = np.random.default_rng(seed).permutation(len(rows))[: CANDIDATES * count]
    places = np.stack([columns[order], rows[order]], axis=-1).astype(float)
    clear = (side // 2, side // 2)
    places = places[wholly_inside(area.mask, patch_grid(places, area.beam(places), clear))]
    return _spread(places, area.depth_px / 30, count)


def _spread(places: np.ndarray, apart: float, count: int) -> np.ndarray:
    kept: list[np.ndarray] = []
    for place in places:
        if all(np.hypot(*(place - other)) >= apart for other in kept):
            kept.append(place)
        if len(kept) == count:
            break
    return np.array(kept).reshape(-1, 2)


def tracked(clip: Clip) -> np.ndarray:
    """Paths ``[frames, points, 2]`` of textured places, px; NaN from where they are lost."""
    places = textured_places(clip.frames[0], clip.area, clip.domain)
    rows = np.column_stack([np.zeros(len(places)), places])
    run = uss.track(clip.frames, rows, method="tissue-flow", mm_per_px=clip.mm_per_px, fps=clip.fps)
    return np.where(run.visible[..., None], run.xy, np.nan)


def _grey(clip: Clip) -> Values:
    whole = grey_summary(clip.frames, clip.area.mask)
    values = {
        Measure("black (< 8)", "%"): 100 * whole.black,
        Measure("saturated (> 250)", "%"): 100 * whole.saturated,
        Measure("mean", "grey"): whole.mean,
        Measure("SD", "grey"): whole.sd,
        Measure("10th percentile", "grey"): whole.p10,
        Measure("median", "grey"): whole.p50,
        Measure("90th percentile", "grey"): whole.p90,
    }
    rows, columns = np.indices(clip.area.mask.shape)
    depth = clip.area.depth_share(np.stack([columns, rows], axis=-1))
    for third in range(THIRDS):
        part = clip.area.mask & (depth >= third / THIRDS) & (depth <= (third + 1) / THIRDS)
        summary = grey_summary(clip.frames, part)
        values[Measure(f"mean, depth third {third + 1}", "grey")] = summary.mean
        values[Measure(f"90th percentile, depth third {third + 1}", "grey")] = summary.p90
    return values


def _widths(clip: Clip, widths: TextureWidths) -> Values:
    share = 100 / clip.area.depth_px
    values = {
        Measure("axial width", "px"): widths.axial_px,
        Measure("lateral width", "px"): widths.lateral_px,
        Measure("axial width", "% of depth"): widths.axial_px * share,
        Measure("lateral width", "% of depth"): widths.lateral_px * share,
        Measure("lateral / axial width", "ratio"): widths.lateral_px / widths.axial_px,
    }
    for third in range(THIRDS):
        for name, per_third in (
            ("axial", widths.axial_thirds_px),
            ("lateral", widths.lateral_thirds_px),
        ):
            row = Measure(f"{name} width, depth third {third + 1}", "% of depth")
            values[row] = per_third[third] * share
    values[Measure("SD of texture in a place", "grey")] = widths.contrast
    return values


def _fine_widths(clip: Clip, widths: TextureWidths) -> Values:
    share = 100 / clip.area.depth_px
    return {
        Measure("fine axial width", "% of depth"): widths.axial_px * share,
        Measure("fine lateral width", "% of depth"): widths.lateral_px * share,
        Measure("SD of fine texture in a place", "grey"): widths.contrast,
    }


def _correlation(clip: Clip, paths: np.ndarray, half_px: tuple[int, int]) -> Values:
    longest = max(max(LAGS_FRAMES), int(np.ceil(max(LAGS_MS) * clip.fps / 1000)))
    lags = range(1, longest + 1)
    side = round(clip.area.depth_px / 10)
    rests = (without_local_mean(grey, clip.area.mask, side) for grey in clip.frames)
    flat = np.stack([rest.astype(np.float32) for rest in rests])
    values = {}
    for name, frames in (("correlation", clip.frames), ("texture correlation", flat)):
        cells = patch_correlations(frames, paths, area=clip.area, half_px=half_px, lags=lags)
        by_lag = np.array([_percentile(cell, 50) for cell in cells])
        for lag in LAGS_FRAMES:
            values[Measure(f"{name}, lag {lag} frame{'s' * (lag > 1)}", "r")] = by_lag[lag - 1]
        for lag_ms in LAGS_MS:
            at = lag_ms * clip.fps / 1000
            r = float(np.interp(at, [0, *lags], [1.0, *by_lag]))
            values[Measure(f"{name}, lag {lag_ms} ms", "r")] = r
        if name == "correlation":
            for percentile in (10, 90):
                row = Measure(f"{name}, lag 1 frame, {percentile}th pct", "r")
                values[row] = _percentile(cells[0], percentile)
    return values


def _motion(clip: Clip, paths: np.ndarray) -> Values:
    lengths = {
        "% of depth / frame": step_lengths(paths, 100 / clip.area.depth_px),
        "mm / frame": step_lengths(paths, clip.mm_per_px),
        "mm / s": step_lengths(paths, clip.mm_per_px) * clip.fps,
    }
    values = {
        Measure(f"displacement, {percentile}th percentile", unit): _percentile(steps, percentile)
        for unit, steps in lengths.items()
        for percentile in (50, 90, 99)
    }
    values[Measure("points tracked", "count")] = float(paths.shape[1])
    lost = int(np.isnan(paths[-1, :, 0]).sum())
    values[Measure("lost at the end", "%")] = 100 * lost / max(1, paths.shape[1])
    return values


def _percentile(cells: np.ndarray, percentile: float) -> float:
    known = cells[~np.isnan(cells)]
    return float(np.percentile(known, percentile)) if len(known) else float("nan")


def verdict(real: Sequence[float], synthetic: float, unit: str) -> str:
    """Say on which side of the real values a synthetic one lies, or that it lies among them."""
    known = np.array(real)[~np.isnan(real)]
    if unit in UNJUDGED or not len(known) or np.isnan(synthetic):
        return "-"
    lacking = unit == "r"
    known, synthetic = (1 - known, 1 - synthetic) if lacking else (known, synthetic)
    slack = SLACK.get(unit, 0.0)
    if synthetic < LOW * known.min() - slack:
        return "too high" if lacking else "too low"
    if synthetic > HIGH * known.max() + slack:
        return "too low" if lacking else "too high"
    return "ok"


def table(domain: str, results: Sequence[tuple[Clip, Values]]) -> Iterable[str]:
    """Lines of the table of one domain."""
    groups = {
        kind: [(clip, values) for clip, values in results if clip.kind == kind]
        for kind in ("real", "simulated", "synthetic")
    }
    named = groups["real"] + groups["simulated"]
    if not named:
        return
    for number, (clip, _) in enumerate(named, 1):
        height, width = clip.area.mask.shape
        yield (
            f"  {number}: {clip.name}, {'array simulation' if clip.kind == 'simulated' else 'real'}"
            f", {len(clip.frames)} frames of {width} x {height} px at {clip.fps:.1f} frames/s,"
            f" depth {clip.area.depth_px:.0f} px"
        )
    count = len(groups["synthetic"])
    heading = "".join(f"{number:>9}" for number in range(1, len(named) + 1))
    title = f"synthetic ({count}): median [10-90 %]"
    yield f"{domain:<38}{'unit':<19}{heading}{title if count else '':>36}".rstrip()
    for row in named[0][1]:
        cells = "".join(f"{_number(values[row]):>9}" for _, values in named)
        line = f"{row.name:<38}{row.unit:<19}{cells}"
        if count:
            made = np.array([values[row] for _, values in groups["synthetic"]])
            low, middle, high = (_percentile(made, p) for p in (10, 50, 90))
            spread = f"{_number(middle)} [{_number(low)} to {_number(high)}]"
            real = [values[row] for _, values in groups["real"]]
            line += f"{spread:>36}  {verdict(real, middle, row.unit)}"
        yield line


def _number(value: float) -> str:
    if np.isnan(value):
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def write_csv(path: Path, results: Sequence[tuple[Clip, Values]]) -> None:
    """Write every value, one row per clip and measure."""
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["domain", "kind", "clip", "measure", "unit", "value"])
        for clip, values in results:
            for row, value in values.items():
                out.writerow([clip.domain, clip.kind, clip.name, row.name, row.unit, value])


def main() -> None:
    """Measure all clips and print a table per domain."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--synthetic", type=Path, help="folder of .npz clips to judge")
    parser.add_argument("--simulated", type=Path, help="folder of .npz array simulations")
    parser.add_argument("--csv", type=Path, help="file for all values")
    chosen = parser.parse_args()
    clips = list(real_clips(chosen.data))
    for kind in ("simulated", "synthetic"):
        folder = getattr(chosen, kind)
        clips += stored_clips(folder, kind) if folder else []
    results = []
    for clip in clips:
        print(f"measuring {clip.name}", file=sys.stderr)
        results.append((clip, measured(clip)))
    for domain in ("heart", "muscle"):
        print("\n".join(table(domain, [pair for pair in results if pair[0].domain == domain])))
        print()
    if chosen.csv:
        write_csv(chosen.csv, results)


if __name__ == "__main__":
    main()
