"""What the points panel does to the clip in view."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.layers import Points

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.widgets.points_panel import PointsPanel

if TYPE_CHECKING:
    from napari_usstrack.widgets.workbench import Workbench


class PointsControl:
    """Renames, describes, orders, hides and adopts points.

    Parameters
    ----------
    panel : PointsPanel
        Where a person asks for it.
    open_bench : callable
        The clip in view; raises where there is none.
    attempt : callable
        Runs an action and tells the user when it is refused.
    adopted : callable
        Told when another labels layer is in use.
    """

    def __init__(
        self,
        panel: PointsPanel,
        *,
        open_bench: Callable[[], Workbench],
        attempt: Callable[[Callable[[], object]], None],
        adopted: Callable[[], object],
    ) -> None:
        self._panel = panel
        self._open_bench = open_bench
        self._attempt = attempt
        self._adopted = adopted
        table = panel.table
        table.renamed.connect(self._rename)
        table.described.connect(self._describe)
        for signal, use in (
            (panel.adopting, self._adopt),
            (table.removed, lambda name: open_bench().session.remove_point(name)),
            (table.ordered, lambda names: open_bench().session.order_points(names)),
            (table.hidden, self._hide),
        ):
            signal.connect(partial(self._attempt_with, use))

    def refresh(self) -> None:
        """Show the points there are."""
        bench = self._open_bench()
        self._panel.table.offer(bench.session.annotations.points, bench.hidden)

    def _attempt_with(self, use: Callable[[Any], object], value: Any) -> None:
        self._attempt(partial(use, value))

    def _rename(self, old: str, new: str) -> None:
        self._attempt(lambda: self._open_bench().session.rename_point(old, new))
        self.refresh()

    def _describe(self, names: tuple[str, ...], details: dict[str, Any]) -> None:
        self._attempt(lambda: self._open_bench().session.describe_points(names, **details))

    def _hide(self, names: frozenset[str]) -> None:
        self._open_bench().hidden = names

    def _adopt(self, layer: Points | None) -> None:
        if layer is None:
            raise UsstrackError("There is no Points layer to use; press Add points.")
        self._open_bench().label(layer)
        self._adopted()
