"""What the JSON file beside a table says of the clip it belongs to."""

from __future__ import annotations

import json
from pathlib import Path

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io.tables import sidecar_path


def clip_of_table(path: str | Path) -> VideoInfo | None:
    """Frame count, size, scale and rate of the clip a tidy CSV was made on.

    Parameters
    ----------
    path : str or Path
        The CSV file; read is `io.tables.sidecar_path` of it.

    Returns
    -------
    VideoInfo or None
        None where there is no such file. Times are even, from the mean rate.

    Raises
    ------
    UsstrackError
        If the file cannot be read or does not describe a clip.
    """
    path = sidecar_path(path)
    if not path.exists():
        return None
    try:
        raw = json.loads(path.read_bytes())
        clip, scale = raw["clip"], raw["calibration"]
        spacing = scale["spacing_mm"]
        calibration = Calibration(
            spacing_mm=None if spacing is None else (float(spacing[0]), float(spacing[1])),
            spacing_source=str(scale["spacing_source"]),
        )
        count = int(clip["frame_count"])
        if scale["fps"] is not None and count > 1:
            rate = float(scale["fps"])
            calibration = calibration.with_rate(count, rate, str(scale["time_source"]))
        size = int(clip["width"]), int(clip["height"])
        if min(count, *size) < 1:
            raise ValueError(f"{count} frames of {size[0]} x {size[1]} px")
    except OSError as error:
        reason = error.strerror or error
        raise UsstrackError(f"{path} cannot be read ({reason}); check the path") from error
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise UsstrackError(
            f"{path} does not describe a clip ({error}); remove it and name the clip with --clip"
        ) from error
    return VideoInfo(count, *size, calibration, str(clip["digest"]), str(clip["name"]))
