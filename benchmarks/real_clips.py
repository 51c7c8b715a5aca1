"""The real and synthetic clips that `benchmarks.realism` compares, with the imaged part of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import napari_usstrack as uss
from napari_usstrack.metrics.imaged_area import (
    ImagedArea,
    changing_pixels,
    sector_apex,
    sector_mask,
)

LONGEST = 60
"""Frames used of a clip."""
REPEATED = 0.02
"""Mean change, grey levels, below which a frame is a copy of the one before."""
HEART_SCENES = ("heart", "lv", "rv", "short")
MUSCLE_SCENES = ("muscle", "two-muscle")

Box = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Clip:
    """A clip ready to be measured.

    Attributes
    ----------
    name, domain, kind : str
        `domain` is heart or muscle, `kind` is real, simulated or synthetic.
    frames : uint8 ndarray, shape (frames, height, width)
        Grey pictures cut to the imaged area, at most 60, repeated ones left out.
    area : ImagedArea
        Where tissue is.
    mm_per_px : tuple of float
        (x, y).
    fps : float
        Frames per second.
    """

    name: str
    domain: str
    kind: str
    frames: NDArray[np.uint8]
    area: ImagedArea
    mm_per_px: tuple[float, float]
    fps: float


@dataclass(frozen=True)
class Picture:
    """Imaged part of a real clip, read off its frames by eye; px and degrees.

    `box` is left, top, right, bottom, all inside; `blank` are boxes of
    burned-in marks. The picture is the sector cut by the box, or the box.
    """

    box: Box
    apex_xy: tuple[float, float] | None = None
    radii_px: tuple[float, float] = (0.0, 0.0)
    half_angle_deg: float = 0.0
    blank: tuple[Box, ...] = ()
    mm_per_px: float | None = None

    def area(self, shape: tuple[int, int]) -> ImagedArea:
        """Mask and apex on frames of a height and width."""
        mask = np.zeros(shape, dtype=bool)
        mask[_slices(self.box)] = True
        if self.apex_xy is not None:
            mask &= sector_mask(shape, self.apex_xy, self.radii_px, self.half_angle_deg)
        for box in self.blank:
            mask[_slices(box)] = False
        return ImagedArea(mask, self.apex_xy)


# Scales of the last two are read off the rulers beside the picture.
HEARTS = {
    "DIRW0007.dcm": Picture(
        (0, 52, 575, 391), (286.5, 29.5), (24, 360), 43.5, blank=((444, 178, 470, 210),)
    ),
    "apical.mp4": Picture(
        (0, 0, 629, 582),
        (317.3, -88.0),
        (88, 674),
        26.6,
        blank=((350, 545, 364, 583),),
        mm_per_px=0.2045,
    ),
    "examples_ybr_color.dcm": Picture(
        (0, 0, 319, 201), (170.0, 11.5), (18, 188), 42.0, mm_per_px=1.021
    ),
}
LINEAR = Picture((212, 44, 935, 610))
MUSCLES = (
    "p6_isokinetic030_01_push_01.mp4",
    "p6_isokinetic120_01_push_02.mp4",
    "p6_isokinetic500_01_push_01.mp4",
    "p6_isometric_max_01_push_02.mp4",
)


def real_clips(data: Path) -> Iterator[Clip]:
    """Real clips under a folder with ``heart`` and ``muscle``."""
    for name, picture in HEARTS.items():
        yield _real(data / "heart" / name, "heart", picture)
    for name in MUSCLES:
        yield _real(data / "muscle" / name, "muscle", LINEAR)


def _real(path: Path, domain: str, picture: Picture) -> Clip:
    video = uss.open_video(path, mm_per_px=picture.mm_per_px)
    info = video.info
    frames = video.frames(range(min(LONGEST, info.frame_count)))
    area = picture.area((info.height, info.width))
    return Clip(path.name, domain, "real", *_cut(frames, area), info.spacing_mm, info.fps)


def stored_clips(folder: Path, kind: str) -> Iterator[Clip]:
    """Clips from ``.npz`` files: ``frames``, ``mm_per_px``, ``fps`` and what there is of the rest.

    The rest: ``mask`` (imaged area), ``apex_xy`` (where the beams meet, px)
    and ``scene`` (its first word says heart or muscle). Without a mask, it is
    where pixels change; without an apex, it is looked for in the mask.
    """
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as stored:
            data = {key: stored[key] for key in stored.files}
        frames = data["frames"][:LONGEST]
        mask = data["mask"].astype(bool) if "mask" in data else changing_pixels(frames)
        apex = tuple(data["apex_xy"].tolist()) if "apex_xy" in data else sector_apex(mask)
        scene = str(data.get("scene", path.stem))
        spacing = tuple(np.broadcast_to(data["mm_per_px"], 2).astype(float).tolist())
        yield Clip(
            scene if scene == path.stem else f"{scene} ({path.stem})",
            domain_of(scene),
            kind,
            *_cut(frames, ImagedArea(mask, apex)),
            spacing,
            float(data["fps"]),
        )


def domain_of(scene: str) -> str:
    """Say which domain a scene belongs to by the start of its name."""
    if scene.startswith(HEART_SCENES):
        return "heart"
    if scene.startswith(MUSCLE_SCENES):
        return "muscle"
    raise SystemExit(f"The scene '{scene}' is neither a heart nor a muscle by its name.")


def _cut(frames: NDArray[np.uint8], area: ImagedArea) -> tuple[NDArray[np.uint8], ImagedArea]:
    """Cut frames and area to the imaged rows and columns, and drop repeated frames."""
    rows, columns = (np.flatnonzero(area.mask.any(axis=axis)) for axis in (1, 0))
    box = int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])
    apex = area.apex_xy and (area.apex_xy[0] - box[0], area.apex_xy[1] - box[1])
    cut = np.ascontiguousarray(frames[(slice(None), *_slices(box))])
    return _distinct(cut), ImagedArea(area.mask[_slices(box)], apex)


def _distinct(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    change = np.abs(np.diff(frames.astype(np.int16), axis=0)).mean(axis=(1, 2))
    return frames[np.concatenate([[True], change >= REPEATED])]


def _slices(box: Box) -> tuple[slice, slice]:
    left, top, right, bottom = box
    return slice(top, bottom + 1), slice(left, right + 1)
