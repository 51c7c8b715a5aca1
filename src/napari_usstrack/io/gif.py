"""Animated GIF: pictures through PyAV, times from the file's own frame delays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.io import pyav_video
from napari_usstrack.io.clip import ClipVideo

_EXTENSION, _IMAGE, _END = 0x21, 0x2C, 0x3B
_CONTROL = 0xF9
_TICK_S = 0.01


def open_clip(path: Path) -> ClipVideo:
    """Open an animated GIF.

    Each frame states for how long it is shown, in hundredths of a second;
    their sum is the time of a frame. FFmpeg would make a delay of 0 a tenth
    of a second, here it leaves the times unknown.
    """
    delays = list(_delays(path))
    video = pyav_video.open_clip(path)
    if len(delays) != len(video):
        video.close()
        raise _damaged(path)
    if min(delays[:-1]) > 0:
        seconds = _TICK_S * np.cumsum([0, *delays[:-1]])
        known = Calibration(times_s=seconds, time_source="GIF frame delays")
        return video.recalibrated(known)
    note = f"{path.name} has frames without a delay, so times are unknown; give the rate with --fps"
    info = replace(video.info, calibration=Calibration(), warnings=(f"{note}.",))
    return video.with_info(info)


def _delays(path: Path) -> Iterator[int]:
    """Delay after each picture, in 0.01 s; walks the blocks without decoding."""
    data = path.read_bytes()
    if data[:6] not in (b"GIF87a", b"GIF89a"):
        raise UsstrackError(f"{path.name} is not a GIF, whatever its name says; export it again.")
    try:
        at = 13 + _table_bytes(data[10])
        delay = 0
        while data[at] != _END:
            if data[at] == _EXTENSION:
                if data[at + 1] == _CONTROL:
                    delay = int.from_bytes(data[at + 4 : at + 6], "little")
                at = _after_blocks(data, at + 2)
            elif data[at] == _IMAGE:
                at = _after_blocks(data, at + 11 + _table_bytes(data[at + 9]))
                yield delay
                delay = 0
            else:
                raise _damaged(path)
    except IndexError as error:
        raise _damaged(path) from error


def _table_bytes(flags: int) -> int:
    """Size of a colour table, 0 where there is none."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _after_blocks(data: bytes, at: int) -> int:
    """Place after a chain of sub-blocks."""
    while data[at]:
        at += data[at] + 1
    return at + 1


def _damaged(path: Path) -> UsstrackError:
    return UsstrackError(f"{path.name} is cut short or damaged; copy or export it again.")
