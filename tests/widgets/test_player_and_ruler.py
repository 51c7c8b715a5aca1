from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from napari.layers import Image

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.video import VideoInfo
from napari_usstrack.widgets.ruler import TwoClicks


def press(layer: Image, position: tuple[float, ...]) -> None:
    event = SimpleNamespace(type="mouse_press", position=position)
    for callback in list(layer.mouse_drag_callbacks):
        steps = callback(layer, event)
        next(steps)
        event.type = "mouse_release"
        with pytest.raises(StopIteration):
            next(steps)
        event.type = "mouse_press"


def test_two_clicks_give_the_distance_in_full_frame_px() -> None:
    layer = Image(np.zeros((3, 40, 50)), scale=(1, 0.1, 0.1), translate=(0, 1, 1))
    before = len(layer.mouse_drag_callbacks)
    made, measured = [], []
    TwoClicks(layer, made.append, measured.append)
    press(layer, (0, 1.0, 1.0))
    press(layer, (0, 4.0, 5.0))
    assert made == [1, 2]
    assert measured == pytest.approx([50.0])
    assert len(layer.mouse_drag_callbacks) == before


def test_stopping_the_ruler_listens_no_more() -> None:
    layer = Image(np.zeros((3, 40, 50)))
    before = len(layer.mouse_drag_callbacks)
    TwoClicks(layer, print, print).stop()
    assert len(layer.mouse_drag_callbacks) == before


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def player(qapp):
    from napari_usstrack.widgets.player import Player

    shown: list[int] = []
    made = Player(shown.append, Clock())
    made.shown = shown
    yield made
    made.stop()


TIMES = np.array([0.0, 0.1, 0.4, 0.5])


def test_play_follows_true_time_stamps_and_starts_over(player) -> None:
    player.play(VideoInfo(4, 10, 10, Calibration(times_s=TIMES)), 0)
    for at in (0.05, 0.12, 0.39, 0.41, 0.55, 0.68):
        player._clock.now = 100.0 + at
        player.tick()
    assert player.shown == [1, 2, 3, 0]


def test_play_leaves_frames_out_where_drawing_is_slow(player) -> None:
    player.play(VideoInfo(100, 10, 10, Calibration(times_s=np.arange(100) / 50)), 10)
    player._clock.now += 0.5
    player.tick()
    assert player.shown == [35]


def test_play_at_half_speed_and_without_times(player) -> None:
    player.play(VideoInfo(100, 10, 10), 0, speed=0.5)
    player._clock.now += 1.0
    player.tick()
    assert player.shown == [12]


def test_play_tells_when_it_starts_and_stops(player) -> None:
    told: list[bool] = []
    player.playing_changed.connect(told.append)
    player.play(VideoInfo(5, 10, 10), 4)
    assert player.playing
    player.stop()
    player.stop()
    assert told == [True, False]
