"""Panel: name points and place them by clicking."""

from __future__ import annotations

from magicgui.widgets import ComboBox, Container, LineEdit, PushButton, create_widget
from napari.layers import Points
from psygnal import Signal

from napari_usstrack.widgets.naming import following, free_name

NEW = "a new point"


class PointsPanel(Container):
    """Chooses the labels layer and what the next click places."""

    adding = Signal()
    adopting = Signal(object)
    expecting = Signal(str)

    def __init__(self) -> None:
        self.layer = create_widget(annotation=Points, name="layer", label="Labels")
        self.layer.tooltip = "A Points layer that is open already can be adopted as labels"
        self.adopt = PushButton(text="Use this layer", name="adopt")
        self.add = PushButton(text="Add points", name="add")
        self.add.tooltip = "Then click on the tissue; every click places the point named below"
        self.next = ComboBox(name="next", label="Click places", choices=[NEW])
        self.next.tooltip = "A new point, or one you have already: it moves, or gets a label here"
        self.new_name = LineEdit(name="new_name", label="New name", value="p1")
        buttons = Container(widgets=[self.add, self.adopt], layout="horizontal", labels=False)
        buttons.margins = (0, 0, 0, 0)
        super().__init__(widgets=[self.layer, buttons, self.next, self.new_name])
        self.margins = (0, 0, 0, 0)
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

    def _told(self) -> None:
        self.new_name.enabled = self.next.value == NEW
        self.expecting.emit(self.point_name)
