"""Panel: which image layer is the clip, and what is known of it."""

from __future__ import annotations

from html import escape

from magicgui.widgets import ComboBox, Container, Label, create_widget
from napari.layers import Image
from qtpy.QtCore import Qt

from napari_usstrack.core.video import VideoInfo
from napari_usstrack.pipelines import describe
from napari_usstrack.widgets.layers import Placement

EMPTY = (
    "No clip yet. Drop an ultrasound video on the window, or try "
    "<i>File &gt; Open Sample &gt; USSTrack</i>."
)


class ClipPanel(Container):
    """Chooses the image layer and, where it has more than three axes, time."""

    def __init__(self) -> None:
        self.image = create_widget(annotation=Image, name="image", label="Clip")
        self.image.tooltip = "The image layer to track in"
        self.time_axis = ComboBox(name="time_axis", label="Time axis", choices=[0])
        self.time_axis.tooltip = "The axis of the layer along which frames follow each other"
        self.facts = Label(value=EMPTY)
        super().__init__(widgets=[self.image, self.time_axis, self.facts])
        self.margins = (0, 0, 0, 0)
        self.facts.native.setWordWrap(True)
        self.facts.native.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.time_axis.visible = False

    def offer_axes(self, image: Image | None) -> None:
        """Offer the axes of `image` that could be time."""
        axes = max(image.ndim - 2, 1) if image is not None else 1
        labels = image.axis_labels if image is not None else ()
        choices = [(_axis_name(axis, labels, image), axis) for axis in range(axes)]
        with self.time_axis.changed.blocked():
            self.time_axis.choices = choices
        self.time_axis.visible = axes > 1

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
            for label, text in describe.lines(info)
        )
        self.facts.value = f"<table>{rows}</table>"

    def say(self, text: str) -> None:
        """Show one sentence in place of the facts."""
        self.facts.value = escape(text)

    def clear(self) -> None:
        """Show what to do first."""
        self.facts.value = EMPTY


def _axis_name(axis: int, labels: tuple[str, ...], image: Image | None) -> str:
    if image is None:
        return "0"
    length = image.data[0].shape[axis] if image.multiscale else image.data.shape[axis]
    label = labels[axis] if not labels[axis].lstrip("-").isdigit() else str(axis)
    return f"{label} ({length})"
