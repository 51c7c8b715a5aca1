"""Drop-down: open a clip again."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.io.recent import recent_clips, remember
from napari_usstrack.widgets.form import Form

TITLE = "Recent clips"


class RecentBox(Form):
    """Offers the clips opened last; empty, it takes no room.

    Notes
    -----
    Emits ``opening(str)`` with the path of the clip that is chosen.
    """

    opening = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.box = QComboBox()
        self.box.setPlaceholderText(TITLE)
        self.box.setToolTip("Open a clip again; the newest comes first")
        self.box.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.box.setMinimumContentsLength(12)
        self.box.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.wide(self.box)
        self.box.activated.connect(self._chosen)
        self.refresh()

    def refresh(self) -> None:
        """Offer what is remembered and still there."""
        clips = recent_clips()
        self.box.clear()
        for at, clip in enumerate(clips):
            self.box.addItem(clip.name, str(clip))
            self.box.setItemData(at, str(clip.parent), Qt.ItemDataRole.ToolTipRole)
        self.box.setCurrentIndex(-1)
        self.box.setHidden(not clips)

    def add(self, clip: str | Path) -> None:
        """Remember a clip that was opened; a list that cannot be written is no matter."""
        with suppress(UsstrackError):
            remember(clip)
        self.refresh()

    def _chosen(self, index: int) -> None:
        clip = self.box.itemData(index)
        self.box.setCurrentIndex(-1)
        if clip:
            self.opening.emit(clip)
