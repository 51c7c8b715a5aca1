"""Scores as text a person reads, as plain values, and as rows of a table."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from napari_usstrack.pipelines.evaluate import Evaluation
from napari_usstrack.pipelines.figures import Figure, find

WORDS = {
    "delta_avg": "mean of the five shares below",
    "delta_1": "share closer than 1 px at 256",
    "delta_2": "share closer than 2 px at 256",
    "delta_4": "share closer than 4 px at 256",
    "delta_8": "share closer than 8 px at 256",
    "delta_16": "share closer than 16 px at 256",
    "MTE": "median over frames, mean over points",
    "mean_error": "mean error",
    "p95_error": "95 % of the errors are smaller",
    "AJ_own_visibility": "average Jaccard, the tracks' own visibility",
    "AJ_true_visibility": "average Jaccard, true visibility put in: position only",
    "OA": "visibility is right",
    "survival": "until first more than 50 px at 256 off",
    "jitter": "noise of the error from frame to frame",
    "final_error": "drift: error in the last scored frame",
    "closure": "tracks: gap over the cycle",
    "true_closure": "truth: gap over the cycle",
    "excursion": "how far the true points move",
    "missing": "share without a prediction",
}
COLUMNS = ("point", "metric", "value", "unit", "low", "high", "interval_over", "missing_percent")
POINT_COLUMNS = (
    ("delta_avg", "%", "delta_avg, %"),
    ("MTE", "px at 256", "MTE, px 256"),
    ("mean_error", "px", "mean, px"),
    ("mean_error", "mm", "mean, mm"),
    ("AJ_own_visibility", "%", "AJ own, %"),
    ("OA", "%", "OA, %"),
    ("survival", "%", "survival, %"),
    ("missing", "%", "missing, %"),
)
ALL = "all points"


def number(value: float) -> str:
    """Three significant digits or one decimal place, whichever tells more; '-' for NaN."""
    if math.isnan(value):
        return "-"
    if abs(value) >= 100 or value == 0:
        return f"{value:.1f}"
    return f"{value:.{max(1, 2 - math.floor(math.log10(abs(value))))}f}"


def interval(figure: Figure) -> str:
    """The interval in brackets, or nothing."""
    if math.isnan(figure.low):
        return ""
    return f"[{number(figure.low)}, {number(figure.high)}]"


def evaluation_lines(found: Evaluation) -> list[str]:
    """The table ``usstrack evaluate`` prints."""
    kind = "all other frames" if found.mode == "strided" else "later frames only"
    lines = [
        f"{len(found.points)} points, {found.cells} scored cells (a point in a frame)",
        f"  {'queries':<9}{_queries(found.queries)}: left out ({found.query_rule})",
        f"  {'mode':<9}{found.mode}: {kind}",
    ]
    fps = found.video.fps
    rate = "unknown, give it with --fps" if fps is None else f"{fps:.4g} frames/s"
    lines.append(f"  {'rate':<9}{rate}")
    if found.video.spacing_mm is None:
        lines.append(f"  {'scale':<9}unknown, no mm; give it with --mm-per-px")
    for label, names in (("only in tracks", found.only_tracks), ("in truth", found.only_truth)):
        if names:
            lines.append(f"  not scored, {label}: {', '.join(names)}")
    lines += ["", f"{'metric':<20}{'value':>9} {'unit':<12}{'95 % interval':<20}what it says"]
    lines += [
        f"{each.metric:<20}{number(each.value):>9} {each.unit:<12}{interval(each):<20}"
        f"{WORDS.get(each.metric, '')}"
        for each in found.figures
    ]
    notes = (
        "Intervals: bootstrap over points. A missing prediction is outside every threshold",
        "and lost for survival; errors and jitter are those of the predictions there are.",
    )
    return [*lines, *notes, "", *_point_lines(found.points)]


def _point_lines(points: Mapping[str, Sequence[Figure]]) -> list[str]:
    shown = [
        (metric, unit, title)
        for metric, unit, title in POINT_COLUMNS
        if any(find(figures, metric, unit) for figures in points.values())
    ]
    wide = max(len("point"), *(len(name) for name in points)) + 2
    lines = [f"{'point':<{wide}}" + "".join(f"{title:>{len(title) + 2}}" for *_, title in shown)]
    for name, figures in points.items():
        texts = []
        for metric, unit, title in shown:
            figure = find(figures, metric, unit)
            text = "-" if figure is None else number(figure.value)
            texts.append(f"{text:>{len(title) + 2}}")
        lines.append(f"{name:<{wide}}{''.join(texts)}")
    return lines


def _queries(queries: Mapping[str, tuple[int, ...]]) -> str:
    told = sorted(set(queries.values()))
    if len(told) == 1:
        return f"frame {', '.join(map(str, told[0]))}"
    return "; ".join(f"{name} {', '.join(map(str, rows))}" for name, rows in queries.items())


def evaluation_rows(found: Evaluation) -> list[tuple[str, ...]]:
    """Header and one row per metric, of all points together and of each."""
    groups = {ALL: found.figures, **found.points}
    return [COLUMNS, *((name, *cells(each)) for name, own in groups.items() for each in own)]


def cells(figure: Figure) -> tuple[str, ...]:
    """Metric, value, unit, low, high, what the interval is over, and missing share in %."""
    ends = (exact(figure.low), exact(figure.high))
    value = exact(figure.value)
    return (figure.metric, value, figure.unit, *ends, figure.over, exact(figure.missing))


def exact(value: float) -> str:
    """A number with nine significant digits; empty for NaN."""
    return "" if math.isnan(value) else f"{value:.9g}"


def csv_text(rows: Iterable[Sequence[str]]) -> str:
    """Rows as CSV with a line feed after each."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def evaluation_facts(found: Evaluation) -> dict[str, Any]:
    """Everything as plain values, ready for JSON; None where a number is not defined."""
    return {
        "mode": found.mode,
        "query_rule": found.query_rule,
        "query_frames": {name: list(rows) for name, rows in found.queries.items()},
        "cells": found.cells,
        "fps": found.video.fps,
        "mm_per_px": found.video.spacing_mm,
        "only_in_tracks": list(found.only_tracks),
        "only_in_truth": list(found.only_truth),
        "all_points": [_plain(figure) for figure in found.figures],
        "points": {name: [_plain(each) for each in own] for name, own in found.points.items()},
    }


def _plain(figure: Figure) -> dict[str, Any]:
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value
        for key, value in figure.__dict__.items()
    }
