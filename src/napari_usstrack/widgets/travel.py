"""Where the keys go in the clip: steps, strides, labelled and marked frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from napari_usstrack.session import Session
    from napari_usstrack.widgets.workbench import Workbench

FAR = 10
STRIDE = 20
"""A stride is the clip divided by so many."""


class Travel:
    """Goes through the clip in view.

    Parameters
    ----------
    open_bench : callable
        The clip in view; raises where there is none.
    chosen : callable
        Names of the chosen points; raises where there is none.
    say : callable
        Shows one sentence.
    """

    def __init__(
        self,
        open_bench: Callable[[], Workbench],
        chosen: Callable[[], tuple[str, ...]],
        say: Callable[[str], object],
    ) -> None:
        self._open_bench = open_bench
        self._chosen = chosen
        self._say = say

    def actions(self) -> dict[str, Callable[[], object]]:
        """Actions of the key table that go somewhere."""
        return {
            "step_on": partial(self.step, 1),
            "step_back": partial(self.step, -1),
            "walk_on": partial(self.walk, 1),
            "walk_back": partial(self.walk, -1),
            "jump_on": partial(self.jump, FAR),
            "jump_back": partial(self.jump, -FAR),
            "stride_on": partial(self.stride, 1),
            "stride_back": partial(self.stride, -1),
            "first_frame": lambda: self._open_bench().show_frame(0),
            "last_frame": lambda: self._open_bench().show_frame(self._last_frame),
            "next_label": partial(self.to_label, 1),
            "previous_label": partial(self.to_label, -1),
            "next_own_label": partial(self.to_own_label, 1),
            "previous_own_label": partial(self.to_own_label, -1),
            "next_marked": partial(self.to_marked, 1),
            "previous_marked": partial(self.to_marked, -1),
        }

    def step(self, by: int) -> None:
        """Go one frame on or back, carrying the points along."""
        self._session.curation.step(by)

    def walk(self, by: int) -> None:
        """Step, but stay in a labelled frame."""
        session = self._session
        if session.annotations.by_hand[session.frame].any():
            self._say(f"Frame {session.frame} is labelled; the arrows go on.")
        else:
            self.step(by)

    def jump(self, by: int) -> None:
        """Go some frames on or back; nothing is carried."""
        bench = self._open_bench()
        bench.show_frame(int(np.clip(bench.frame + by, 0, self._last_frame)))

    def stride(self, direction: int) -> None:
        """Go a twentieth of the clip on or back, at least a jump."""
        self.jump(direction * max((self._last_frame + 1) // STRIDE, FAR))

    def to_label(self, direction: int) -> None:
        """Go to the next or the previous labelled frame."""
        labelled = self._session.annotations.by_hand.any(axis=1)
        self._go(np.flatnonzero(labelled), direction, "No labelled frame that way.")

    def to_own_label(self, direction: int) -> None:
        """Go to the next or the previous frame in which a chosen point is labelled."""
        names, labels = self._chosen(), self._session.annotations
        columns = [labels.column(name) for name in names]
        labelled = np.flatnonzero(labels.by_hand[:, columns].any(axis=1))
        self._go(labelled, direction, f"No label of {', '.join(names)} that way.")

    def to_marked(self, direction: int) -> None:
        """Go to the next or the previous marked frame."""
        marked = self._session.review.marked
        self._go(marked, direction, "No marked frame that way; M marks a frame.")

    @property
    def _session(self) -> Session:
        return self._open_bench().session

    @property
    def _last_frame(self) -> int:
        return self._session.video.info.frame_count - 1

    def _go(self, frames: Sequence[int] | ArrayLike, direction: int, otherwise: str) -> None:
        bench = self._open_bench()
        wanted = np.asarray(frames, dtype=np.intp)
        ahead = wanted[(wanted - bench.frame) * direction > 0]
        if ahead.size:
            bench.show_frame(int(ahead.min() if direction > 0 else ahead.max()))
        else:
            self._say(otherwise)
