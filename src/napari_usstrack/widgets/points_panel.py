"""Panel: name points and place them by clicking."""

from __future__ import annotations

from magicgui.widgets import ComboBox, LineEdit, PushButton, create_widget
from napari.layers import Points
from psygnal import Signal

from napari_usstrack.widgets.form import Form, heading
from napari_usstrack.widgets.naming import following, free_name
from napari_usstrack.widgets.point_table import PointTable

NEW = "a new point"


class PointsPanel(Form):
    """Chooses what the next click places.

    `table` lists all points, and `taking_over` makes labels of a layer that is
    open; both are apart, so that they can be folded away.
    """

    adding = Signal()
    adopting = Signal(object)
    expecting = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.layer = create_widget(annotation=Points, name="layer")
        self.layer.tooltip = "A Points layer that is open already can serve as labels"
        self.adopt = PushButton(text="Use its points as labels")
        self.add = PushButton(
            text="Add points",
            tooltip="Then click on the tissue; every click places the point named above",
        )
        self.next = ComboBox(choices=[NEW], name="next")
        self.next.tooltip = "A new point, or one you have: it moves, or gets a label in this frame"
        self.new_name = LineEdit(value="p1", name="new_name", tooltip="Name of the next new point")
        self.wide(heading("Points"))
        self.row("Click places", self.next)
        self.row("New name", self.new_name)
        self.wide(self.add)
        self.table = PointTable()
        self.taking_over = Form()
        self.taking_over.row("Points layer", self.layer)
        self.taking_over.wide(self.adopt)
        self._taken: tuple[str, ...] = ()
        self.add.clicked.connect(lambda: self.adding.emit())
        self.adopt.clicked.connect(lambda: self.adopting.emit(self.layer.value))
        self.next.changed.connect(self._told)
        self.new_name.changed.connect(self._told)

    @property
    def point_name(self) -> str:
        """Name of the point that the next click places."""
        if self.next.value in (None, NEW):
            return free_name(self.new_name.value, self._taken)
        return str(self.next.value)

    def offer(self, names: tuple[str, ...]) -> None:
        """Offer the points there are; count the new name up when it was used."""
        if names == self._taken:
            return
        used = self.new_name.value in names and self.new_name.value not in self._taken
        self._taken = names
        with self.next.changed.blocked(), self.new_name.changed.blocked():
            kept = self.next.value
            self.next.choices = [NEW, *names]
            self.next.value = kept if kept in names else NEW
            if used:
                self.new_name.value = free_name(following(self.new_name.value), names)

    def choose(self, name: str) -> None:
        """Let the next click place a point there is."""
        if name in self._taken:
            self.next.value = name

    def step(self, by: int) -> None:
        """Let the next click place the next or the previous point."""
        choices = [NEW, *self._taken]
        at = choices.index(self.next.value) if self.next.value in choices else 0
        self.next.value = choices[(at + by) % len(choices)]

    def _told(self) -> None:
        self.new_name.enabled = self.next.value == NEW
        self.expecting.emit(self.point_name)
