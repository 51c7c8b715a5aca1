"""What can be undone: edits of labels, changes of runs and of events, and their stacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from napari_usstrack.core.edits import Edit
from napari_usstrack.core.tracks import Tracks


@dataclass(frozen=True, eq=False)
class RunChange:
    """A run added, replaced or removed; the history keeps both."""

    name: str
    run: str
    before: Tracks | None
    after: Tracks | None

    def inverse(self) -> RunChange:
        """The change that takes this one back."""
        return replace(self, before=self.after, after=self.before)


@dataclass(frozen=True, eq=False)
class EventChange:
    """What is noted about the clip as a whole, such as its marked frames.

    Attributes
    ----------
    name : str
        What the user sees in the undo menu.
    key : str
        Which entry of the events.
    before, after : plain value
        JSON values; None where the entry is not there.
    """

    name: str
    key: str
    before: Any
    after: Any

    def inverse(self) -> EventChange:
        """The change that takes this one back."""
        return replace(self, before=self.after, after=self.before)


SingleChange = Edit | RunChange | EventChange


@dataclass(frozen=True, eq=False)
class Together:
    """Several changes that are done and undone as one."""

    name: str
    parts: tuple[SingleChange, ...]

    def inverse(self) -> Together:
        """The changes taken back, last first."""
        return replace(self, parts=tuple(part.inverse() for part in reversed(self.parts)))


Change = Edit | RunChange | EventChange | Together


class History:
    """Two stacks of changes.

    Parameters
    ----------
    done, undone : sequence of Change
        What can be undone, and redone; the next one last.
    """

    def __init__(self, done: Sequence[Change] = (), undone: Sequence[Change] = ()) -> None:
        self._done = list(done)
        self._undone = list(undone)

    @property
    def done(self) -> tuple[Change, ...]:
        """What `undo` would take back, the next one last."""
        return tuple(self._done)

    @property
    def undone(self) -> tuple[Change, ...]:
        """What `redo` would do again, the next one last."""
        return tuple(self._undone)

    @property
    def undo_name(self) -> str | None:
        """Name of the change that `undo` would take back."""
        return self._done[-1].name if self._done else None

    @property
    def redo_name(self) -> str | None:
        """Name of the change that `redo` would do again."""
        return self._undone[-1].name if self._undone else None

    @property
    def last(self) -> Change | None:
        """The change that `undo` would take back."""
        return self._done[-1] if self._done else None

    def __len__(self) -> int:
        return len(self._done)

    def did(self, change: Change) -> None:
        """Remember a change that was applied; what was undone is forgotten."""
        self._done.append(change)
        self._undone.clear()

    def undo(self) -> Change | None:
        """The change to apply to take the last one back, or None."""
        if not self._done:
            return None
        change = self._done.pop()
        self._undone.append(change)
        return change.inverse()

    def redo(self) -> Change | None:
        """The change to apply to do the last undone one again, or None."""
        if not self._undone:
            return None
        change = self._undone.pop()
        self._done.append(change)
        return change
