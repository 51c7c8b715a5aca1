"""Tracks drawn into the picture: video and still."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core import environ
from napari_usstrack.core.coords import Resize
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracker import Progress, Work
from napari_usstrack.core.tracks import PLACED_BY_HAND, Tracks
from napari_usstrack.core.video import Video
from napari_usstrack.io.atomic import check_writable, replacing

DEFAULT_FPS = 25.0
LONGER_SIDE_PX = 720
DARK = (12, 12, 12)
LIGHT = (240, 240, 240)
_SHIFT = 4  # OpenCV takes positions as integers with this many binary places
_CHUNK = 32
_BAR_MM = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200)

Picture = NDArray[np.uint8]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class _Pen:
    """Line widths and sizes in px of the drawn picture."""

    tail: int
    dot: float
    text: int

    @classmethod
    def of(cls, width: int, height: int) -> _Pen:
        """A pen that suits a picture of this size."""
        unit = max(width, height) / LONGER_SIDE_PX
        return cls(tail=max(1, round(1.7 * unit)), dot=4.2 * unit, text=max(9, round(14 * unit)))


def display_scale(width: int, height: int) -> int:
    """Smallest whole factor that makes the longer side at least 720 px."""
    return max(1, -(-LONGER_SIDE_PX // max(width, height)))


def overlay_frame(
    grey: Picture,
    tracks: Tracks,
    frame: int,
    tail: int = 15,
    names: bool = True,
    scale: int = 1,
) -> Picture:
    """One frame with its points drawn in.

    A filled dot is a tracked point, a diamond one placed or accepted by hand,
    a hollow ring one that is out of sight. The scale bar appears where the
    scale is known, the frame number where the time is not.

    Parameters
    ----------
    grey : uint8 ndarray, shape (height, width)
        The frame.
    tracks : Tracks
        Points over the clip's frames.
    frame : int
        Number of the frame in the clip.
    tail : int, optional
        How many past frames each point's fading path covers.
    names : bool, optional
        Whether to write the point names.
    scale : int, optional
        Whole factor by which the picture is enlarged.

    Returns
    -------
    uint8 ndarray, shape (height * scale, width * scale, 3)
    """
    height, width = grey.shape
    grid = Resize((width, height), (width * scale, height * scale))
    base = _enlarged(grey, grid.size)
    pen = _Pen.of(*grid.size)
    first = max(0, frame - tail)
    path = grid.forward(tracks.xy[first : frame + 1])
    colours = [_rgb(point.colour) for point in tracks.points]
    picture = _with_tails(base, path, tracks.visible[first : frame + 1], colours, pen)
    here = [i for i in range(len(colours)) if tracks.present[frame, i]]
    for i in here:
        _mark(picture, path[-1, i], colours[i], pen, _look(tracks, frame, i))
    return _lettered(picture, tracks, frame, scale, pen, [(i, path[-1, i]) for i in here], names)


def write_overlay_video(
    video: Video,
    tracks: Tracks,
    path: str | Path,
    *,
    fps: float | None = None,
    tail: int = 15,
    names: bool = True,
    scale: int | None = None,
    frames: range | None = None,
) -> Work[Path]:
    """Write the clip with its points as an H.264 mp4 that any player shows.

    Parameters
    ----------
    video : Video
        The clip.
    tracks : Tracks
        Points over its frames; their calibration gives scale bar and times.
    path : str or Path
        The ``.mp4`` file.
    fps : float, optional
        Frames per second of the new video; the clip's mean rate by default,
        25 where that is unknown.
    tail, names, scale
        As in `overlay_frame`; the scale is `display_scale` by default.
    frames : range, optional
        Only these frames; all by default.

    Yields
    ------
    Progress
        After every frame.

    Raises
    ------
    UsstrackError
        If the file cannot be written or the tracks belong to another clip.
    """
    path = _target(path, ".mp4", video, tracks)
    span = range(video.info.frame_count) if frames is None else frames
    if not len(span):
        raise UsstrackError(f"{path} would hold no frames; choose at least one")
    factor = scale or display_scale(video.info.width, video.info.height)
    rate = Fraction(fps or tracks.video.fps or DEFAULT_FPS).limit_denominator(1000)
    with replacing(path) as part, closing(_Film(part, rate)) as film:
        for done, (frame, grey) in enumerate(_pictures(video, span), start=1):
            film.add(overlay_frame(grey, tracks, frame, tail, names, factor))
            yield Progress(done, len(span))
        film.finish()
    return path


def write_overlay_picture(
    video: Video,
    tracks: Tracks,
    path: str | Path,
    frame: int | None = None,
    *,
    tail: int = 15,
    names: bool = True,
    scale: int | None = None,
) -> Path:
    """Write one frame with its points as PNG.

    Parameters
    ----------
    video, tracks, tail, names, scale
        As in `write_overlay_video`.
    path : str or Path
        The ``.png`` file.
    frame : int, optional
        The frame; by default the first of those that show most points.

    Raises
    ------
    UsstrackError
        If the file cannot be written, the frame is not in the clip, or the
        tracks belong to another clip.
    """
    from PIL import Image

    path = _target(path, ".png", video, tracks)
    last = video.info.frame_count - 1
    if frame is None:
        frame = int(tracks.visible.sum(axis=1).argmax())
    if not 0 <= frame <= last:
        raise UsstrackError(f"frame {frame} is outside the clip; choose one from 0 to {last}")
    factor = scale or display_scale(video.info.width, video.info.height)
    grey = video.frames(range(frame, frame + 1))[0]
    picture = overlay_frame(grey, tracks, frame, tail, names, factor)
    with replacing(path) as part:
        Image.fromarray(picture).save(part, format="PNG")
    return path


class _Film:
    """An mp4 file that grows picture by picture."""

    def __init__(self, path: Path, rate: Fraction) -> None:
        import av

        self._file = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        self._rate = rate
        self._stream: Any = None

    def add(self, picture: Picture) -> None:
        """Append an RGB picture, padded to an even size."""
        import av

        height, width = picture.shape[:2]
        even = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        if self._stream is None:
            self._stream = self._file.add_stream("libx264", rate=self._rate)
            self._stream.width, self._stream.height = even.shape[1], even.shape[0]
            self._stream.pix_fmt = "yuv420p"
            self._stream.options = {"crf": "18", "preset": "fast"}
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
        self._file.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write out what the encoder still holds."""
        self._file.mux(self._stream.encode(None))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _pictures(video: Video, span: range) -> Iterator[tuple[int, Picture]]:
    for start in range(0, len(span), _CHUNK):
        part = span[start : start + _CHUNK]
        if part.step == 1:
            yield from zip(part, video.frames(part), strict=True)
        else:
            for frame in part:
                yield frame, video.frames(range(frame, frame + 1))[0]


def _target(path: str | Path, ending: str, video: Video, tracks: Tracks) -> Path:
    path = Path(path)
    if path.suffix.lower() != ending:
        raise UsstrackError(f"{path} has the wrong ending; choose a name that ends in {ending}")
    drawn, shown = tracks.video, video.info
    sizes = [(i.frame_count, i.width, i.height) for i in (drawn, shown)]
    if sizes[0] != sizes[1]:
        raise UsstrackError(
            f"tracks of {drawn.name or 'another clip'} do not fit {shown.name or 'this clip'} "
            "(frame count or size differs); open the clip they were made on"
        )
    check_writable(path)
    return path


def _enlarged(grey: Picture, size: tuple[int, int]) -> Picture:
    with environ.preserved(*environ.OPENCV_SETS):
        import cv2

    if size != grey.shape[::-1]:
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_CUBIC)
    return np.repeat(grey[..., None], 3, axis=2)


def _with_tails(
    base: Picture,
    path: NDArray[np.float64],
    visible: NDArray[np.bool_],
    colours: list[tuple[int, int, int]],
    pen: _Pen,
) -> Picture:
    """Paths blended in, older parts fainter, unseen parts fainter still."""
    with environ.preserved(*environ.OPENCV_SETS):
        import cv2

    paint = base.copy()
    cover = np.zeros(base.shape[:2], dtype=np.uint8)
    steps = len(path) - 1
    places = _fixed(np.nan_to_num(path))
    known = np.isfinite(path[..., 0])
    for k in range(steps):
        strength = (k + 1) / (steps + 1)
        for i, colour in enumerate(colours):
            if not (known[k, i] and known[k + 1, i]):
                continue
            seen = visible[k, i] and visible[k + 1, i]
            level = int((20 + 220 * strength) * (1.0 if seen else 0.4))
            ends = tuple(places[k, i].tolist()), tuple(places[k + 1, i].tolist())
            cv2.line(paint, *ends, colour, pen.tail + 2, cv2.LINE_8, _SHIFT)
            cv2.line(cover, *ends, level, pen.tail, cv2.LINE_AA, _SHIFT)
    weight = cover[..., None].astype(np.float32) / 255
    blended = base + (paint.astype(np.float32) - base) * weight
    return np.rint(blended).astype(np.uint8)


def _look(tracks: Tracks, frame: int, column: int) -> str:
    if not tracks.visible[frame, column]:
        return "ring"
    return "diamond" if tracks.source[frame, column] in PLACED_BY_HAND else "dot"


def _mark(
    picture: Picture, at: NDArray[np.float64], colour: tuple[int, int, int], pen: _Pen, look: str
) -> None:
    with environ.preserved(*environ.OPENCV_SETS):
        import cv2

    def disc(radius: float, shade: tuple[int, int, int], width: int) -> None:
        spot = tuple(_fixed(at).tolist())
        cv2.circle(picture, spot, int(radius * 2**_SHIFT), shade, width, cv2.LINE_AA, _SHIFT)

    def diamond(radius: float, shade: tuple[int, int, int]) -> None:
        corners = _fixed(at + radius * np.array([(0, -1), (1, 0), (0, 1), (-1, 0)]))
        cv2.fillConvexPoly(picture, corners, shade, cv2.LINE_AA, _SHIFT)

    if look == "ring":
        dim = _dimmed(colour)
        disc(pen.dot * 1.5, DARK, pen.tail + 2)
        disc(pen.dot * 1.5, dim, pen.tail)
    elif look == "dot":
        disc(pen.dot * 1.3, DARK, -1)
        disc(pen.dot, colour, -1)
    else:
        diamond(pen.dot * 2.2, DARK)
        diamond(pen.dot * 1.85, LIGHT)
        diamond(pen.dot * 1.25, colour)


def _fixed(xy: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.rint(np.clip(xy, -1e6, 1e6) * 2**_SHIFT).astype(np.int32)


def _dimmed(colour: tuple[int, int, int]) -> tuple[int, int, int]:
    red, green, blue = colour
    return int(0.75 * red), int(0.75 * green), int(0.75 * blue)


def _rgb(colour: str) -> tuple[int, int, int]:
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getrgb(colour)[:3]
    except ValueError:
        return LIGHT
    return red, green, blue


def _lettered(
    picture: Picture,
    tracks: Tracks,
    frame: int,
    scale: int,
    pen: _Pen,
    marked: list[tuple[int, NDArray[np.float64]]],
    names: bool,
) -> Picture:
    from PIL import Image, ImageDraw, ImageFont

    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(pen.text)
    taken = _caption(draw, font, image.size, tracks, frame, scale, pen)
    gap = 1.8 * pen.dot
    taken += [(x - gap, y - gap, x + gap, y + gap) for _, (x, y) in marked]
    for i, (x, y) in marked if names else ():
        point = tracks.points[i]
        box = _room(draw.textlength(point.name, font), pen, (float(x), float(y)), image.size, taken)
        taken.append(box)
        colour = _rgb(point.colour)
        shade = colour if tracks.visible[frame, i] else _dimmed(colour)
        _write(draw, font, box[:2], point.name, shade, pen)
    return np.array(image)


def _room(
    length: float, pen: _Pen, at: tuple[float, float], size: tuple[int, int], taken: list[Box]
) -> Box:
    """The first place around a point that is free and inside, else the first inside."""
    gap, tall = 2.6 * pen.dot, 1.2 * pen.text
    x, y = at
    lefts = (x + gap, x - gap - length)
    tops = (y - gap - tall * 0.6, y + gap - tall * 0.4, y - tall / 2, y - gap - tall * 2)
    boxes = [(left, top, left + length, top + tall) for left in lefts for top in tops]
    boxes = [b for b in boxes if min(b) >= 0 and b[2] <= size[0] and b[3] <= size[1]] or boxes[:1]
    return next((box for box in boxes if not any(_meet(box, other) for other in taken)), boxes[0])


def _meet(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _caption(
    draw: Any, font: Any, size: tuple[int, int], tracks: Tracks, frame: int, scale: int, pen: _Pen
) -> list[Box]:
    """Scale bar at the lower left, time at the lower right; the boxes they fill."""
    width, height = size
    margin = round(1.2 * pen.text)
    base = height - margin
    seconds = float(tracks.video.calibration.seconds([frame])[0])
    text = f"frame {frame}" if np.isnan(seconds) else f"{seconds:.{_places(tracks)}f} s"
    left = width - margin - draw.textlength(text, font)
    _write(draw, font, (left, base - pen.text), text, LIGHT, pen)
    boxes = [(left, base - 1.3 * pen.text, float(width), float(height))]
    if tracks.video.spacing_mm is None:
        return boxes
    per_mm = scale / tracks.video.spacing_mm[0]
    fitting = [mm for mm in _BAR_MM if mm * per_mm <= width / 4]
    if not fitting:
        return boxes
    bar, thick = fitting[-1] * per_mm, 1.5 * pen.tail
    draw.rectangle((margin - 1, base - thick - 1, margin + bar + 1, base + 1), fill=DARK)
    draw.rectangle((margin, base - thick, margin + bar, base), fill=LIGHT)
    label = f"{fitting[-1]:g} mm"
    middle = margin + (bar - draw.textlength(label, font)) / 2
    _write(draw, font, (max(middle, 2.0), base - thick - 1.5 * pen.text), label, LIGHT, pen)
    return [*boxes, (0.0, base - thick - 1.6 * pen.text, margin + bar, float(height))]


def _places(tracks: Tracks) -> int:
    return 3 if (tracks.video.fps or 0) > 90 else 2


def _write(
    draw: Any,
    font: Any,
    at: tuple[float, float],
    text: str,
    colour: tuple[int, int, int],
    pen: _Pen,
) -> None:
    draw.text(
        at, text, fill=colour, font=font, stroke_width=max(1, pen.text // 7), stroke_fill=DARK
    )
