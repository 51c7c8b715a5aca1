"""What the clip and view panels ask for, done on the open clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.io.display import moving_panel
from napari_usstrack.pipelines.typed import length_mm, rate_fps, spacing_mm
from napari_usstrack.widgets.clip_panel import ClipPanel
from napari_usstrack.widgets.player import Player
from napari_usstrack.widgets.ruler import TwoClicks
from napari_usstrack.widgets.view import View, spread_limits
from napari_usstrack.widgets.view_panel import ViewPanel
from napari_usstrack.widgets.workbench import Workbench


class ViewControl:
    """Scale, crop, mirror, contrast and play of the clip at hand.

    Parameters
    ----------
    clip, view : panels
        Where the user asks.
    bench : callable
        The open clip; raises `UsstrackError` when there is none.
    attempt : callable
        Runs an action and shows the sentence of an `UsstrackError`.
    say : callable
        Shows a sentence.
    """

    def __init__(
        self,
        clip: ClipPanel,
        view: ViewPanel,
        *,
        bench: Callable[[], Workbench],
        attempt: Callable[[Callable[[], object]], None],
        say: Callable[[str], object],
    ) -> None:
        self._clip = clip
        self._view = view
        self._bench = bench
        self._attempt = attempt
        self._say = say
        self._ruler: TwoClicks | None = None
        self.player = Player(lambda frame: bench().show_frame(frame))
        self.player.playing_changed.connect(view.playing)
        for signal, use in (
            (clip.scale_typed, self._type_scale),
            (clip.rate_typed, self._type_rate),
            (clip.depth_typed, self._type_depth),
            (view.looked, self.look),
        ):
            signal.connect(self._told(use))
        for asked, act in (
            (clip.ruler_wanted, self._measure),
            (view.panel_wanted, self._crop_to_panel),
            (view.auto_contrast, self._auto_contrast),
            (view.plain_contrast, self._plain_contrast),
            (view.play_pressed, self.play),
        ):
            asked.connect(self._asked(act))

    def play(self) -> None:
        """Play or pause."""
        if self.player.playing:
            self.player.stop()
            return
        bench = self._bench()
        info = bench.session.annotations.video
        self.player.play(info, bench.frame, self._view.speed_factor)

    def look(self, view: View) -> None:
        """Show the clip in another way."""
        bench = self._bench()
        whole = bench.view.crop != view.crop
        bench.look(view)
        if whole:
            bench.viewer.reset_view()
        self._view.offer(bench.view, bench.can_change_view)

    def stop(self) -> None:
        """Stop playing and measuring."""
        self.player.stop()
        if self._ruler is not None:
            self._ruler.stop()
            self._ruler = None

    def _told(self, use: Callable[[Any], object]) -> Callable[[Any], None]:
        def told(value: Any) -> None:
            self._attempt(partial(use, value))

        return told

    def _asked(self, act: Callable[[], object]) -> Callable[[], None]:
        def asked() -> None:
            self._attempt(act)

        return asked

    def _type_scale(self, text: str) -> None:
        self._set_scale(spacing_mm(text), "typed")

    def _type_depth(self, text: str) -> None:
        bench = self._bench()
        crop = bench.view.crop
        rows = bench.session.video.info.height if crop is None else crop.height
        size = length_mm(text, "The depth") / rows
        self._set_scale((size, size), f"depth over {rows} px")

    def _type_rate(self, text: str) -> None:
        session = self._bench().session
        info = session.annotations.video
        rated = info.calibration.with_rate(info.frame_count, rate_fps(text), "typed")
        session.calibrate(rated)

    def _set_scale(self, spacing: tuple[float, float], source: str) -> None:
        bench = self._bench()
        known = bench.session.annotations.video.calibration
        bench.session.calibrate(known.with_spacing(spacing, source))
        bench.viewer.reset_view()

    def _measure(self) -> None:
        bench = self._bench()
        self.stop()
        length = float(self._clip.length.value)
        bench.viewer.layers.selection.active = bench.image
        self._say(f"Click on the first of two marks that lie {length:g} mm apart.")
        self._ruler = TwoClicks(
            bench.image,
            lambda made: self._say("Now click on the second mark.") if made == 1 else None,
            lambda distance: self._attempt(partial(self._measured, length, distance)),
        )

    def _measured(self, length: float, distance_px: float) -> None:
        self._ruler = None
        if distance_px < 2:
            raise UsstrackError("Both clicks fell on one place; click on two different marks.")
        size = length / distance_px
        self._set_scale((size, size), f"{length:g} mm on the ruler")
        self._say(f"{distance_px:.1f} px are {length:g} mm, so {size:.5g} mm per px.")

    def _crop_to_panel(self) -> None:
        bench = self._bench()
        crop = moving_panel(bench.session.video)
        if crop is None:
            raise UsstrackError(
                "The picture changes all over the frame; there is nothing to cut off."
            )
        self.look(replace(bench.view, crop=crop))

    def _auto_contrast(self) -> None:
        bench = self._bench()
        if bench.can_change_view:
            bench.image.contrast_limits = spread_limits(np.asarray(bench.image.data[bench.frame]))
        else:
            bench.image.reset_contrast_limits()

    def _plain_contrast(self) -> None:
        bench = self._bench()
        bench.image.gamma = 1.0
        if bench.can_change_view:
            bench.image.contrast_limits = (0, 255)
            self.look(replace(bench.view, contrast=0.0))
        else:
            bench.image.reset_contrast_limits()
