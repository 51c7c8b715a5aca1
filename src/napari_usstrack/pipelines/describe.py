"""Clips and tracks told in words and tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_usstrack.core.tracks import Tracks
from napari_usstrack.core.video import VideoInfo


def facts(info: VideoInfo) -> dict[str, Any]:
    """What is known of a clip, as plain values; times in s, sizes in px."""
    calibration = info.calibration
    times = calibration.times_s
    return {
        "name": info.name,
        "frames": info.frame_count,
        "width": info.width,
        "height": info.height,
        "duration_s": None if times is None else float(times[-1] - times[0]),
        "fps": calibration.fps,
        "variable_rate": calibration.variable_rate,
        "time_source": calibration.time_source,
        "mm_per_px": calibration.spacing_mm,
        "scale_source": calibration.spacing_source,
        "digest": info.digest,
        "warnings": list(info.warnings),
    }


def lines(info: VideoInfo, *, flags: bool = True) -> list[tuple[str, str]]:
    """What is known of a clip, as labels and sentences with units.

    With `flags`, what is unknown comes with the option that states it.
    """
    calibration = info.calibration
    times, spacing = calibration.times_s, calibration.spacing_mm
    rows = [("frames", f"{info.frame_count} of {info.width} x {info.height} px")]
    if times is None or calibration.fps is None:
        rows.append(("time", "unknown; give the frame rate with --fps" if flags else "unknown"))
    else:
        rate = "mean, variable" if calibration.variable_rate else "constant"
        rows.append(
            (
                "time",
                f"first to last frame {times[-1] - times[0]:.4g} s, {calibration.fps:.4g} frames/s "
                f"({rate}; {calibration.time_source})",
            )
        )
    if spacing is None:
        rows.append(
            ("scale", f"unknown, positions stay in px{'; give it with --mm-per-px' * flags}")
        )
    else:
        across, down = (f"{value:.5g}" for value in spacing)
        each = across if across == down else f"{across} (x), {down} (y)"
        rows.append(("scale", f"{each} mm per px ({calibration.spacing_source})"))
    return [*rows, *(("warning", text) for text in info.warnings)]


def travel(tracks: Tracks) -> list[str]:
    """Table of how far each point went from its first position, in mm or px."""
    unit = "px" if tracks.video.spacing_mm is None else "mm"
    xy = tracks.xy if unit == "px" else tracks.video.calibration.mm(tracks.xy)
    rows = [f"{'point':<16}{f'farthest, {unit}':>14}{'in view, %':>12}{'confidence':>12}"]
    for column, name in enumerate(tracks.names):
        path = xy[tracks.present[:, column], column]
        if not len(path):
            continue
        far = np.linalg.norm(path - path[0], axis=-1).max()
        seen = 100.0 * tracks.visible[:, column].mean()
        told = tracks.confidence[:, column]
        sure = float(np.median(told[~np.isnan(told)])) if not np.isnan(told).all() else np.nan
        rows.append(f"{name:<16}{far:>14.1f}{seen:>12.0f}{sure:>12.2f}")
    return rows


def lost_points(tracks: Tracks) -> list[str]:
    """Names of points that were lost in some frame."""
    lost = tracks.present & ~tracks.visible
    return [name for column, name in enumerate(tracks.names) if bool(lost[:, column].any())]
