"""TIFF stacks as arrays, mapped or page by page, with their stated scale."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.errors import UsstrackError

_MM = {
    "mm": 1.0,
    "millimeter": 1.0,
    "cm": 10.0,
    "m": 1000.0,
    "um": 1e-3,
    "µm": 1e-3,
    "μm": 1e-3,
    "\\u00B5m": 1e-3,
    "micron": 1e-3,
    "nm": 1e-6,
}
_DAMAGE = (ValueError, RuntimeError, NotImplementedError, OSError, zlib.error)
_STEPS = "TQIZ"
_MOST_CHANNELS = 4
"""ImageJ files without named axes call their pages channels; more than these are frames."""


class PageStack:
    """Pages of a TIFF file, read when sliced."""

    def __init__(self, pages: Any, shape: tuple[int, ...], dtype: np.dtype, name: str) -> None:
        self.pages, self.shape, self.dtype, self.name = pages, shape, dtype, name

    def __getitem__(self, at: slice) -> NDArray:
        wanted = range(*at.indices(self.shape[0]))
        return np.stack([_picture(self.pages[i], self.name) for i in wanted])


def open_stack(path: Path) -> tuple[Any, Calibration, Callable[[], object]]:
    """Source ``[t, y, x]`` or ``[t, y, x, colour]``, its scale, and how to close it."""
    try:
        file = tifffile.TiffFile(path)
    except (tifffile.TiffFileError, ValueError, OSError) as error:
        raise UsstrackError(
            f"{path.name} is damaged or not a TIFF file; export it again."
        ) from error
    with ExitStack() as undone:
        undone.callback(file.close)
        source, calibration = _source(file, path), _calibration(file)
        undone.pop_all()
        return source, calibration, file.close


def _source(file: tifffile.TiffFile, path: Path) -> Any:
    if not file.series:
        raise UsstrackError(f"{path.name} holds no picture; export it again.")
    series = file.series[0]
    shape, axes = _squeezed(tuple(series.shape), series.axes)
    if len(file.series) > 1:
        raise UsstrackError(
            f"{path.name} holds {len(file.series)} separate series of pictures; save the clip as "
            "one stack of equal pages."
        )
    steps = axes.removesuffix("YXS").removesuffix("YX")
    frames_called_channels = steps == "C" and shape[0] > _MOST_CHANNELS
    if steps not in ("", *_STEPS) and not frames_called_channels:
        raise UsstrackError(
            f"{path.name} has the axes {axes}; save it as one stack of grey or RGB pages."
        )
    if not steps:
        return np.broadcast_to(np.uint8(0), shape[:2])
    plain = series.keyframe.photometric in (1, 2)
    if plain and series.dataoffset is not None and file.byteorder == "<":
        return tifffile.memmap(path, mode="r").reshape(shape)
    if len(series.pages) == shape[0]:
        first = _picture(series.pages[0], path.name)
        return PageStack(series.pages, (shape[0], *first.shape), first.dtype, path.name)
    try:
        return series.asarray().reshape(shape)
    except _DAMAGE as error:
        raise _codec(path.name) from error


def _squeezed(shape: tuple[int, ...], axes: str) -> tuple[tuple[int, ...], str]:
    kept = [(n, axis) for n, axis in zip(shape, axes, strict=True) if n > 1 or axis in "YX"]
    return tuple(n for n, _ in kept), "".join(axis for _, axis in kept)


def _picture(page: Any, name: str) -> NDArray:
    """One page, with its palette applied and white shown as high values."""
    try:
        picture = np.asarray(page.asarray()).squeeze()
    except _DAMAGE as error:
        raise _codec(name) from error
    key = page.keyframe
    if key.photometric == 3 and key.colormap is not None:
        return np.moveaxis((key.colormap >> 8).astype(np.uint8)[:, picture], 0, -1)
    if key.photometric == 0 and picture.dtype == np.uint8:
        return np.uint8(255) - picture
    return picture


def _codec(name: str) -> UsstrackError:
    return UsstrackError(
        f"{name} is damaged or uses a compression that needs more software; save it uncompressed "
        "or install imagecodecs."
    )


def _calibration(file: tifffile.TiffFile) -> Calibration:
    """Scale from ImageJ or OME metadata where unit and numbers are both stated."""
    try:
        spacing, source = _imagej(file), "ImageJ metadata"
        if spacing is None:
            spacing, source = _ome(file), "OME metadata"
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return Calibration()
    if spacing is None or not np.isfinite(spacing).all() or min(spacing) <= 0:
        return Calibration()
    return Calibration().with_spacing(spacing, source)


def _imagej(file: tifffile.TiffFile) -> tuple[float, float] | None:
    stated = file.imagej_metadata or {}
    factor = _MM.get(str(stated.get("unit", "")))
    tags = file.pages[0].tags
    if factor is None or "XResolution" not in tags or "YResolution" not in tags:
        return None
    x, y = (tags[name].value for name in ("XResolution", "YResolution"))
    return factor * x[1] / x[0], factor * y[1] / y[0]


def _ome(file: tifffile.TiffFile) -> tuple[float, float] | None:
    if not file.ome_metadata:
        return None
    image = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]
    pixels = (image[0] if isinstance(image, list) else image)["Pixels"]
    factors = [_MM.get(pixels.get(f"PhysicalSize{axis}Unit", "µm")) for axis in "XY"]
    if None in factors or "PhysicalSizeX" not in pixels or "PhysicalSizeY" not in pixels:
        return None
    x, y = (f * float(pixels[f"PhysicalSize{a}"]) for f, a in zip(factors, "XY", strict=True) if f)
    return x, y
