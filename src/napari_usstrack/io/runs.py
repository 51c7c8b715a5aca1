"""What a computer can compute again: one netCDF group per run.

Each group opens with ``xarray.open_dataset(path, group=...)`` and is laid out
like a movement poses dataset.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.provenance import Step, digest, software_version
from napari_usstrack.core.tracks import CELL_ARRAYS, PointInfo, Source, Tracks
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.io.atomic import BACKUP, damaged, newer, replacing
from napari_usstrack.io.labels import dump

SCHEMA = 1
INDIVIDUAL = "id_0"
_CELL = ("time", "keypoint", "individual")
_EXTRA_COORDINATES = "frame timestamp group kind colour"
_UNREADABLE = (OSError, LookupError, ValueError, TypeError, AttributeError, RuntimeError)


def group_names(runs: Iterable[str]) -> dict[str, str]:
    """Name of the netCDF group of each run: its own where netCDF allows it."""
    runs = list(runs)
    plain = {name for name in runs if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name)}
    numbered = (name for name in (f"run_{i}" for i in count()) if name not in plain)
    return {name: name if name in plain else next(numbered) for name in runs}


def write_runs(runs: Mapping[str, Tracks], path: str | Path) -> None:
    """Replace a run file, keeping the present one as ``.bak`` unless it is damaged.

    Raises
    ------
    UsstrackError
        If it cannot be written or does not read back.
    """
    path = Path(path)
    expected = fingerprint(runs)

    def verify(part: Path) -> None:
        if fingerprint(read_runs(part)) != expected:
            raise UsstrackError(f"{path} did not read back as written; save in another place")

    backup = BACKUP if saved_fingerprint(path) else None
    with replacing(path, verify=verify, backup=backup) as part:
        _write(runs, part, expected)


def read_runs(path: str | Path, info: VideoInfo | None = None) -> dict[str, Tracks]:
    """Read all runs, in the order they were saved.

    Parameters
    ----------
    path : str or Path
        The ``.nc`` file.
    info : VideoInfo, optional
        The clip to put them on; by default each as the file describes it.

    Raises
    ------
    UsstrackError
        If the file is missing, damaged, from a newer version, or from another
        clip than `info`.
    """
    import h5py

    path = Path(path)
    if not path.is_file():
        raise UsstrackError(f"{path} cannot be read (there is no such file); check the path")
    try:
        with h5py.File(path, "r") as file:
            schema = _whole(file, "usstrack_schema")
            if schema > SCHEMA:
                raise newer(path, schema, SCHEMA)
            groups = sorted(file.values(), key=lambda group: _whole(group, "order"))
            if len(groups) != _whole(file, "run_count"):
                raise ValueError(f"{len(groups)} of {_whole(file, 'run_count')} runs are there")
            return {_word(group, "run_name"): _read(group, path, info) for group in groups}
    except _UNREADABLE as error:
        raise damaged(path, str(error) or type(error).__name__) from error


def saved_fingerprint(path: str | Path) -> str:
    """The `fingerprint` of the runs in a file, without reading them; empty if unreadable."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return str(file.attrs["content"])
    except _UNREADABLE:
        return ""


def fingerprint(runs: Mapping[str, Tracks]) -> str:
    """Digest of all that is saved of the runs."""
    parts: list[object] = [SCHEMA]
    for name, run in runs.items():
        parts += [_utf8(name), _content(run), [dict(p.__dict__) for p in run.points]]
        parts += [dump([step.to_dict() for step in run.log]), _described(run.video)]
    return digest(*parts)


def _content(run: Tracks) -> str:
    """Checksum of the numbers; part of the file's layout, so it never changes within one."""
    state = hashlib.blake2b(digest_size=16)
    for name in CELL_ARRAYS:
        state.update(getattr(run, name).tobytes())
    return state.hexdigest()


def _described(info: VideoInfo) -> str:
    calibration = info.calibration
    times = "" if calibration.times_s is None else digest(calibration.times_s)
    return digest(*_attributes(info).values(), times)


def _write(runs: Mapping[str, Tracks], path: Path, content: str) -> None:
    import h5netcdf  # type: ignore[import-untyped]

    with h5netcdf.File(path, "w") as file:
        file.attrs["usstrack_schema"] = SCHEMA
        file.attrs["source_software"] = f"napari-usstrack {software_version()}"
        file.attrs["run_count"] = len(runs)
        file.attrs["content"] = content
        groups = group_names(runs)
        for order, (name, run) in enumerate(runs.items()):
            group = file.create_group(groups[name])
            group.attrs["run_name"] = _utf8(name)
            group.attrs["order"] = order
            _fill(group, run)


def _fill(group: Any, run: Tracks) -> None:
    frames, points = run.shape
    group.dimensions = {"time": frames, "space": 2, "keypoint": points, "individual": 1}
    for name, value in _attributes(run.video).items():
        group.attrs[name] = value
    group.attrs["ds_type"] = "poses"
    group.attrs["source_software"] = f"napari-usstrack {software_version()}"
    group.attrs["log"] = dump([step.to_dict() for step in run.log])
    group.attrs["content"] = _content(run)
    _fill_coordinates(group, run)
    position = np.moveaxis(run.xy, 1, 2)[..., None]
    _variable(group, "position", ("time", "space", "keypoint", "individual"), position)
    _variable(group, "confidence", _CELL, run.confidence[..., None])
    _variable(group, "visible", _CELL, run.visible[..., None].astype(np.int8)).attrs["dtype"] = (
        "bool"
    )
    source = _variable(group, "source", _CELL, run.source[..., None])
    source.attrs["flag_values"] = np.array([int(s) for s in Source], dtype=np.uint8)
    source.attrs["flag_meanings"] = " ".join(s.name for s in Source)


def _fill_coordinates(group: Any, run: Tracks) -> None:
    calibration = run.video.calibration
    frames = np.arange(run.video.frame_count, dtype=np.int64)
    _variable(group, "time", ("time",), frames / (calibration.fps or 1.0))
    _variable(group, "frame", ("time",), frames)
    present = ["frame", "group", "kind", "colour"]
    if calibration.times_s is not None:
        _variable(group, "timestamp", ("time",), calibration.times_s)
        present.append("timestamp")
    _strings(group, "space", "space", ["x", "y"])
    _strings(group, "keypoint", "keypoint", run.names)
    _strings(group, "individual", "individual", [INDIVIDUAL])
    for trait in ("group", "kind", "colour"):
        _strings(group, trait, "keypoint", [getattr(point, trait) for point in run.points])
    group.attrs["coordinates"] = " ".join(n for n in _EXTRA_COORDINATES.split() if n in present)


def _attributes(info: VideoInfo) -> dict[str, Any]:
    calibration = info.calibration
    attributes: dict[str, Any] = {
        "time_unit": "seconds" if calibration.fps else "frames",
        "source_file": _utf8(info.name),
        "digest": info.digest,
        "frame_width": info.width,
        "frame_height": info.height,
        "spacing_source": calibration.spacing_source,
        "time_source": calibration.time_source,
    }
    if calibration.fps:
        attributes["fps"] = calibration.fps
    if calibration.spacing_mm is not None:
        attributes["spacing_mm"] = np.array(calibration.spacing_mm)
    return attributes


def _variable(group: Any, name: str, dimensions: tuple[str, ...], values: NDArray) -> Any:
    return group.create_variable(name, dimensions, values.dtype, data=np.ascontiguousarray(values))


def _strings(group: Any, name: str, dimension: str, values: Iterable[str]) -> None:
    import h5py

    data = np.array([_utf8(value) for value in values], dtype=object)
    group.create_variable(name, (dimension,), h5py.string_dtype(), data=data)


def _read(group: Any, path: Path, info: VideoInfo | None) -> Tracks:
    own = _info(group)
    if info is not None and not alike(own, info):
        raise UsstrackError(
            f"{path} holds runs of another clip ({own.name or 'nameless'}) than "
            f"{info.name or 'the one open'}; open the clip they belong to or move the file away"
        )
    names, groups, kinds, colours = (
        _texts(group, name) for name in ("keypoint", "group", "kind", "colour")
    )
    points = tuple(
        PointInfo(name, group=g, kind=kind, colour=colour)  # type: ignore[arg-type]
        for name, g, kind, colour in zip(names, groups, kinds, colours, strict=True)
    )
    position = np.moveaxis(group["position"][...][..., 0], 1, 2)
    run = Tracks(
        xy=position,
        confidence=group["confidence"][...][..., 0],
        visible=group["visible"][...][..., 0] != 0,
        source=group["source"][...][..., 0],
        points=points,
        video=own if info is None else info,
        log=tuple(Step.from_dict(step) for step in json.loads(_word(group, "log"))),
    )
    if _content(run) != _word(group, "content"):
        raise ValueError(f"the numbers of run {_word(group, 'run_name')!r} changed since the save")
    return run


def alike(saved: VideoInfo, info: VideoInfo) -> bool:
    """Whether both can be the same clip: size, frame count, and digest where both have one."""
    sizes = [(i.frame_count, i.width, i.height) for i in (saved, info)]
    digests = {i.digest for i in (saved, info)} - {""}
    return sizes[0] == sizes[1] and len(digests) < 2


def _info(group: Any) -> VideoInfo:
    spacing = group.attrs.get("spacing_mm")
    calibration = Calibration(
        spacing_mm=None if spacing is None else (float(spacing[0]), float(spacing[1])),
        times_s=group["timestamp"][...] if "timestamp" in group else None,
        spacing_source=_word(group, "spacing_source"),
        time_source=_word(group, "time_source"),
    )
    return VideoInfo(
        frame_count=len(group["frame"]),
        width=_whole(group, "frame_width"),
        height=_whole(group, "frame_height"),
        calibration=calibration,
        digest=_word(group, "digest"),
        name=_word(group, "source_file"),
    )


def _whole(group: Any, name: str) -> int:
    return int(np.ravel(group.attrs[name])[0])


def _word(group: Any, name: str) -> str:
    value = group.attrs[name]
    return value if isinstance(value, str) else ""


def _texts(group: Any, name: str) -> list[str]:
    return [value.decode() for value in group[name][...]]


def _utf8(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
