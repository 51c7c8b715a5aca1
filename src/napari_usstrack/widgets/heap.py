"""Shorter pauses of the garbage collector while the dock is open."""

from __future__ import annotations

import gc


class QuietHeap:
    """Keeps full garbage collections from going through what was there before.

    Once in some thousand steps Python looks at every object there is, which with
    a viewer's libraries loaded stops the window for more than a tenth of a
    second. What exists when the dock or a clip opens is left out of that until the
    dock closes or a picture is removed, so that nothing large is kept for longer.
    """

    def __init__(self) -> None:
        self._kept = False

    def keep(self) -> None:
        """Leave out all that exists now."""
        gc.freeze()
        self._kept = True

    def release(self) -> None:
        """Look at everything again."""
        if self._kept:
            self._kept = False
            gc.unfreeze()
