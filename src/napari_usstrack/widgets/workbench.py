"""One image layer's session and the layers that show it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Layer, Points, Tracks, Vectors
from numpy.typing import NDArray

from napari_usstrack.core.coords import Crop
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.io.clip import ClipVideo
from napari_usstrack.io.display import DisplayClip
from napari_usstrack.session import Runner
from napari_usstrack.widgets import build
from napari_usstrack.widgets.layers import (
    LABELS,
    RUN_POINTS,
    Placement,
    calibrated_axes,
    role,
)
from napari_usstrack.widgets.opening import open_session
from napari_usstrack.widgets.pointing import Pointing
from napari_usstrack.widgets.preferences import Preferences
from napari_usstrack.widgets.run_view import RunView
from napari_usstrack.widgets.sheets import names_in
from napari_usstrack.widgets.skeleton_view import SkeletonView
from napari_usstrack.widgets.sync import LabelSync
from napari_usstrack.widgets.view import View, mirror, window_translate

if TYPE_CHECKING:
    from napari.components import ViewerModel


def _ignore(_name: str) -> None:
    pass


class Workbench:
    """Shows one session in a viewer.

    Parameters
    ----------
    viewer : ViewerModel
        Where layers go.
    image : Image
        The clip's layer.
    placement : Placement
        Which of its axes is time.
    runner : Runner
        Where jobs run.
    next_name : callable
        Name that a newly clicked point gets.
    complain : callable
        Told sentences the user should read.
    pick : callable
        Told the name of a point that was clicked.

    Attributes
    ----------
    resting : bool
        Whether another clip is in view, so that its frames are not ours.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        image: Image,
        placement: Placement,
        *,
        runner: Runner,
        next_name: Callable[[], str],
        complain: Callable[[str], object],
        pick: Callable[[str], object] = _ignore,
    ) -> None:
        self.viewer = viewer
        self.image = image
        self.placement = placement
        self.session = open_session(image, placement, runner)
        self.view = View.from_dict(self.session.view)
        self.sync: LabelSync | None = None
        self._own = isinstance(image.data, (ClipVideo, DisplayClip))
        self._geometry = build.geometry_of(image)
        if self._own:
            self._geometry["translate"] = np.zeros(image.ndim)
        self._hidden: frozenset[str] = frozenset()
        self._preferred = Preferences()
        self._next_name = next_name
        self._complain = complain
        self._pick = pick
        self._runs: dict[str, RunView] = {}
        self.lines = SkeletonView(self)
        self.pointing: Pointing | None = None
        self._reference = ""
        self.resting = False
        self._followed = -1
        self._arranging = False
        self.session.curation.propagating = True
        self.session.run_changed.connect(self.show_run)
        self.session.frame_changed.connect(self._on_frame)
        viewer.dims.events.point.connect(self._on_step)
        image.events.set_data.connect(self._on_picture)
        viewer.layers.events.removed.connect(self._on_removed)
        self.session.calibrated.connect(self._arrange)
        self.session.calibrated.connect(self._tell_layers)
        self.look(self.view)
        if self._own:
            self.show_frame(0)
        if self.session.annotations.by_hand.any():
            self.label()
        for name in self.session.runs:
            self.show_run(name)
        if len(self.session.runs) == 1:
            self.session.curation.base = next(iter(self.session.runs))

    @property
    def labels(self) -> Points | None:
        """The layer in which points are placed, if there is one."""
        return None if self.sync is None else self.sync.layer

    @property
    def layers(self) -> list[Layer]:
        """All layers that show the clip."""
        return [self.image, *self._ours(), *self.lines.layers]

    @property
    def frame(self) -> int:
        """Frame of the clip that the viewer shows."""
        axis = self.viewer.dims.ndim - self.placement.ndim + self.placement.time_axis
        point = self.viewer.dims.point[axis]
        at = self.placement.time_axis
        index = round((point - self.image.translate[at]) / self.image.scale[at])
        return int(np.clip(index, 0, self.session.video.info.frame_count - 1))

    @property
    def can_change_view(self) -> bool:
        """Whether crop, mirror and contrast are ours to set."""
        return self._own

    def prefer(self, wanted: Preferences) -> None:
        """Take sizes, tail length and author from the preferences."""
        self._preferred = wanted
        if wanted.author:
            self.session.author = wanted.author
        size = wanted.marker_px(self.session.video.info)
        if self.labels is not None:
            build.resize(self.labels, size)
        for name, view in self._runs.items():
            vertices = view.most_vertices
            self._style(view)
            if view.most_vertices != vertices:
                self._write_run(name)

    def show_frame(self, frame: int) -> None:
        """Move the viewer to a frame of the clip."""
        at = self.placement.time_axis
        axis = self.viewer.dims.ndim - self.placement.ndim + at
        self.viewer.dims.set_point(axis, self.image.translate[at] + frame * self.image.scale[at])

    def look(self, view: View) -> None:
        """Show the clip cropped, mirrored or with more contrast."""
        self.view = view
        if not self._own:
            return
        self.session.view = view.to_dict()
        plain = view.crop is None and not view.contrast
        video = self.session.video
        shown = video if plain else DisplayClip(video, view.crop, view.contrast)
        if plain or not _same_display(self.image.data, view):
            self.image.data = shown
        self._arrange()

    @property
    def hidden(self) -> frozenset[str]:
        """Names of points that are not shown."""
        return self._hidden

    @hidden.setter
    def hidden(self, names: Iterable[str]) -> None:
        self._hidden = frozenset(names)
        self.lines.draw()
        if self.sync is not None:
            self.sync.hidden = self._hidden
            self.sync.write()
        for name in self._runs:
            self._write_run(name)

    def _arrange(self, _calibration: object = None) -> None:
        """Put all layers where calibration and view want them; the frame stays."""
        if not self._own:
            return
        frame, self._arranging = self.frame, True
        geometry = self._geometry | calibrated_axes(self.session.annotations.video)
        width = self.session.video.info.width
        unturned = np.eye(self.placement.ndim + 1)
        mirrored = self.view.mirrored
        geometry["affine"] = mirror(geometry, self.placement, width) if mirrored else unturned
        self._geometry = geometry
        shown = {**geometry, "translate": window_translate(geometry, self.view.crop)}
        build.place_over(self.image, shown)
        for layer in [*self._ours(), *self.lines.layers]:
            build.place_over(layer, geometry)
        self.viewer.canvas.overlays.scale_bar.visible = geometry["units"][-1] != "pixel"
        self._arranging = False
        self.show_frame(frame)

    def _ours(self) -> list[Points | Tracks]:
        shown: list[Points | Tracks] = [
            layer for view in self._runs.values() for layer in view.layers
        ]
        return shown if self.sync is None else [*shown, self.sync.layer]

    def label(self, layer: Points | None = None) -> Points:
        """Start labelling, in a new layer or in one that is open already."""
        if self.sync is not None and (layer is None or layer is self.sync.layer):
            return self.sync.layer
        self._leave_labels()
        if layer is not None and role(layer.metadata) != LABELS:
            self._adopt(layer)
        if layer is None or layer.ndim != self.placement.ndim:
            if layer is not None:
                layer.visible = False
            layer = build.labels_layer(
                self.image.name, self._geometry, self.placement, self.session.annotations
            )
            self.viewer.add_layer(layer)
        layer.metadata = {**layer.metadata, "usstrack": {"role": LABELS}}
        build.place_over(layer, self._geometry)
        build.resize(layer, self.marker_px)
        self.sync = LabelSync(self.session, layer, self.placement, self._next_name, self._complain)
        self.sync.hidden = self._hidden
        self.pointing = Pointing(self.sync, lambda: self.viewer.scene.camera.zoom, self._pick)
        return layer

    def _leave_labels(self) -> None:
        if self.pointing is not None:
            self.pointing.close()
        if self.sync is not None:
            self.sync.close()
        self.sync = self.pointing = None

    def show_run(self, name: str) -> None:
        """Show a run as tails and points, or take its layers away."""
        run = self.session.runs.get(name)
        if run is None:
            self._drop(name)
            return
        if name not in self._runs:
            view = RunView(self.image.name, name, self._geometry, self.placement, run)
            self._add_below(view.tails)
            self._runs[name] = view
            self._style(view)
            self._show_as_reference(view, name == self._reference)
        self._write_run(name)

    def close(self) -> None:
        """Stop listening and give the project back; layers stay."""
        self.viewer.dims.events.point.disconnect(self._on_step)
        self.image.events.set_data.disconnect(self._on_picture)
        self.viewer.layers.events.removed.disconnect(self._on_removed)
        self._leave_labels()
        self.lines.close()
        self.session.frame_changed.disconnect(self._on_frame)
        self.session.close()

    def _adopt(self, layer: Points) -> None:
        frames, xy, names = self._rows_of(layer)
        keys = list(zip(frames.tolist(), names, strict=True))
        if keys:
            self.session.place_all(f"adopt {layer.name}", dict(zip(keys, xy, strict=True)))

    def _rows_of(self, layer: Points) -> tuple[Any, Any, list[str]]:
        if role(layer.metadata) == RUN_POINTS:
            raise UsstrackError(
                f"Layer '{layer.name}' shows what was tracked; to correct a point, place it anew "
                "with Add points."
            )
        if layer.ndim not in (2, self.placement.ndim):
            raise UsstrackError(
                f"Layer '{layer.name}' has {layer.ndim} axes and the clip {self.placement.ndim}; "
                "choose a Points layer made over this clip."
            )
        frames, xy = self.placement.positions(self._in_frame(layer))
        names = names_in(layer.features, frames.tolist())
        if len(set(zip(frames.tolist(), names, strict=True))) < len(names):
            raise UsstrackError(
                f"Layer '{layer.name}' has a point twice in one frame; remove one of them."
            )
        return frames, xy, names

    def _style(self, view: RunView) -> None:
        view.most_vertices = self._preferred.most_vertices
        view.tails.tail_length = self._preferred.tail_frames
        view.resize(self.marker_px)

    def _in_frame(self, layer: Points) -> NDArray[np.float64]:
        """Coordinates of another layer's points on the px grid of the full frame."""
        here = np.zeros(self.placement.ndim)
        here[self.placement.time_axis] = self.frame
        rows = np.empty((len(layer.data), self.placement.ndim))
        crop = self.view.crop or Crop(0, 0, 0, 0)
        for row, at in enumerate(layer.data):
            world = np.array(self.image.data_to_world(here))
            world[-layer.ndim :] = layer.data_to_world(at)
            rows[row] = self.image.world_to_data(world)
        rows[:, -2:] += (crop.top, crop.left)
        return rows

    @property
    def marker_px(self) -> float:
        """Diameter of a marker, px."""
        return self._preferred.marker_px(self.session.video.info)

    def add_lines(self) -> Vectors:
        """Add the layer of lines to the viewer, below the labels."""
        layer = build.skeleton_layer(self.image.name, self._geometry, self.placement)
        self._add_below(layer)
        return layer

    def _add_below(self, layer: Layer) -> None:
        """Add a layer under the labels; what was active stays so."""
        layers = self.viewer.layers
        active = layers.selection.active
        self.viewer.add_layer(layer)
        if self.labels is not None and self.labels in layers:
            layers.move(layers.index(self.labels), len(layers))
        layers.selection.active = self.labels or active

    def _drop(self, name: str) -> None:
        view = self._runs.pop(name, None)
        for layer in view.layers if view else ():
            build.remove(self.viewer, layer)

    def _write_run(self, name: str) -> None:
        curation = self.session.curation
        shown = curation.shown if name == curation.base else self.session.runs[name]
        self._runs[name].show(shown, self._hidden, self.frame)

    def freshen(self) -> None:
        """Let the tails of the base run follow labels and proposals."""
        base = self.session.curation.base
        if base in self._runs:
            self._write_run(base)

    @property
    def reference(self) -> str:
        """Run that is shown translucent for comparison; empty for none."""
        return self._reference

    @reference.setter
    def reference(self, name: str) -> None:
        self._reference = name
        for run, view in self._runs.items():
            if view.reference != (run == name):
                self._show_as_reference(view, run == name)
                self._write_run(run)

    def _show_as_reference(self, view: RunView, wanted: bool) -> None:
        if wanted and view.points not in self.viewer.layers:
            self._add_below(view.points)
        view.reference = wanted

    def _tell_layers(self, _calibration: object) -> None:
        """Give the layers the new scale and times, for writers."""
        if self.sync is not None:
            self.sync.write()
        for name in self._runs:
            self._write_run(name)

    def _on_picture(self, _event: Any) -> None:
        """Write what another frame shows as soon as its picture is there.

        In a step the viewer comes to the layers above the picture after it, and
        draws there what was written; `_on_step` is told only after all of them.
        """
        if not (self._arranging or self.resting) and self.frame != self._followed:
            self._follow()

    def _on_step(self, _event: Any) -> None:
        if self.resting:
            return
        if self.frame != self._followed:
            self._follow()
        for writer in (self.sync, self.lines, *self._runs.values()):
            if writer is not None:
                writer.settle()

    def _follow(self) -> None:
        frame, moved = self.frame, False
        self._followed = frame
        self.session.frame = frame
        if self.sync is not None:
            self.sync.follow()
        self.lines.follow()
        for view in self._runs.values():
            moved |= view.follow(frame, may_wait=moved)

    def _on_frame(self, frame: int) -> None:
        if self.frame != frame:
            self.show_frame(frame)

    def _on_removed(self, event: Any) -> None:
        if self.sync is not None and event.value is self.sync.layer:
            self._leave_labels()
        self.lines.removed(event.value)
        for name, view in list(self._runs.items()):
            if event.value in view:
                del self._runs[name]


def _same_display(data: Any, view: View) -> bool:
    return (
        isinstance(data, DisplayClip)
        and data.crop == view.crop
        and data.clip_limit == view.contrast
    )
