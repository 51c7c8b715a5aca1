"""Panel: which image layer is the clip, and what is known of it."""

from __future__ import annotations

from html import escape

from magicgui.widgets import ComboBox, FloatSpinBox, LineEdit, PushButton, create_widget
from napari.layers import Image
from psygnal import Signal

from napari_usstrack.core.video import VideoInfo
from napari_usstrack.pipelines import describe
from napari_usstrack.widgets.form import Form, heading, sentence
from napari_usstrack.widgets.layers import Placement

EMPTY = (
    "No clip yet. Drop an ultrasound video on the window, or try "
    "<i>File &gt; Open Sample &gt; USSTrack</i>."
)


class ClipPanel(Form):
    """Chooses the image layer and, where it has more than three axes, time.

    `stating` takes the scale and the frame rate where the file does not say; it
    is a form of its own, so that it can be folded away.
    """

    scale_typed = Signal(str)
    rate_typed = Signal(str)
    depth_typed = Signal(str)
    ruler_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.image = create_widget(annotation=Image, name="image")
        self.image.tooltip = "The image layer to track in"
        self.time_axis = ComboBox(name="time_axis", choices=[("0", 0)])
        self.time_axis.tooltip = "The axis of the layer along which frames follow each other"
        self.facts = sentence(EMPTY)
        self.scale = _entry("mm per px, as in 0.0883 or 0.08,0.1", "Millimetres per pixel (x,y)")
        self.rate = _entry("frames per second", "Frames per second, when the file does not say")
        self.length = FloatSpinBox(
            value=10.0, min=0.1, max=1000.0, step=5.0, tooltip="Length between the two clicks, mm"
        )
        self.ruler = PushButton(text="Click twice on the ruler")
        self.ruler.tooltip = "Then click on two marks of the depth scale that lie this far apart"
        self.depth = _entry("image depth, mm", "Depth of the shown picture from top to bottom, mm")
        self.stating = Form()
        self.stating.row("Scale, mm/px", self.scale)
        self.stating.row("Length, mm", self.length)
        self.stating.wide(self.ruler)
        self.stating.row("Depth, mm", self.depth)
        self.stating.row("Frames/s", self.rate)
        self.wide(heading("Clip"))
        self.row("Image layer", self.image)
        self.row("Time axis", self.time_axis)
        self.wide(self.facts)
        self.show_row(self.time_axis, False)
        self.scale.native.editingFinished.connect(self._scale_done)
        self.rate.native.editingFinished.connect(self._rate_done)
        self.depth.native.editingFinished.connect(self._depth_done)
        self.ruler.clicked.connect(lambda: self.ruler_wanted.emit())

    def offer_axes(self, image: Image | None) -> None:
        """Offer the axes of `image` that could be time."""
        axes = max(image.ndim - 2, 1) if image is not None else 1
        with self.time_axis.changed.blocked():
            self.time_axis.choices = [(_axis_name(axis, image), axis) for axis in range(axes)]
        self.show_row(self.time_axis, axes > 1)

    def placement(self, image: Image, step: tuple[int, ...]) -> Placement:
        """Where the clip's axes lie; other axes stay at the viewer's current step."""
        axis = int(self.time_axis.value) if image.ndim > 3 else 0
        here = step[len(step) - image.ndim :]
        fixed = tuple(here[other] for other in range(image.ndim - 2) if other != axis)
        return Placement(image.ndim, axis, fixed)

    def tell(self, info: VideoInfo) -> None:
        """Show what is known of the clip."""
        rows = "".join(
            f"<tr><td style='padding-right:8px'>{label}</td><td>{escape(text)}</td></tr>"
            for label, text in describe.lines(info, flags=False)
        )
        self.facts.setText(f"<table>{rows}</table>")
        self.scale.value = self.rate.value = self.depth.value = ""

    def say(self, text: str) -> None:
        """Show one sentence in place of the facts."""
        self.facts.setText(escape(text))

    def empty(self) -> None:
        """Show what to do first."""
        self.facts.setText(EMPTY)

    def _scale_done(self) -> None:
        if self.scale.value:
            self.scale_typed.emit(self.scale.value)

    def _depth_done(self) -> None:
        if self.depth.value:
            self.depth_typed.emit(self.depth.value)

    def _rate_done(self) -> None:
        if self.rate.value:
            self.rate_typed.emit(self.rate.value)


def _entry(placeholder: str, tooltip: str) -> LineEdit:
    entry = LineEdit(tooltip=tooltip)
    entry.native.setPlaceholderText(placeholder)
    return entry


def _axis_name(axis: int, image: Image | None) -> str:
    if image is None:
        return "0"
    shape = image.data[0].shape if image.multiscale else image.data.shape
    label = image.axis_labels[axis]
    return f"{axis if label.lstrip('-').isdigit() else label} ({shape[axis]})"
