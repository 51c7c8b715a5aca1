from __future__ import annotations

from collections.abc import Iterator
from threading import Event

import pytest

from napari_usstrack.core.tracker import Progress, finish
from napari_usstrack.widgets.naming import following, free_name
from napari_usstrack.widgets.rate import RateMeter


@pytest.mark.parametrize(
    ("name", "after"), [("p1", "p2"), ("p09", "p10"), ("wall", "wall 2"), ("wall 2", "wall 3")]
)
def test_names_count_up(name: str, after: str) -> None:
    assert following(name) == after


def test_free_name_skips_those_taken() -> None:
    assert free_name("p1", {"p1", "p2"}) == "p3"
    assert free_name("  ", set()) == "p1"


def clock_of(times: list[float]) -> Iterator[float]:
    return iter(times)


def test_rate_meter_tells_rate_and_time_left() -> None:
    times = clock_of([100.0, 102.0])
    line = RateMeter(lambda: next(times)).line(Progress(20, 120))
    assert line == "20 of 120 steps, 10 per second, 10 s left"


def test_rate_meter_tells_minutes() -> None:
    times = clock_of([0.0, 1.0])
    assert "2 min 05 s left" in RateMeter(lambda: next(times)).line(Progress(1, 126))


def steps(count: int, log: list[str]) -> Iterator[Progress]:
    try:
        for done in range(count):
            yield Progress(done, count)
    finally:
        log.append("closed")
    return "result"


@pytest.fixture
def throttled():
    pytest.importorskip("napari")
    from napari_usstrack.widgets.workers import throttled

    return throttled


def test_throttled_passes_on_at_most_five_a_second(throttled) -> None:
    now = iter(float(i) * 0.01 for i in range(1000))
    passed = list(throttled(steps(100, []), Event(), lambda: next(now)))
    assert 5 <= len(passed) <= 6


def test_throttled_returns_the_result_of_the_work(throttled) -> None:
    work = throttled(steps(3, []), Event(), lambda: 0.0)
    assert finish(work) == "result"


def test_throttled_closes_the_work_when_cancelled(throttled) -> None:
    log: list[str] = []
    cancelled = Event()
    now = iter(range(1000))
    work = throttled(steps(100, log), cancelled, lambda: next(now))
    next(work)
    cancelled.set()
    assert list(work) == []
    assert log == ["closed"]


def test_what_is_opened_comes_into_view(qtbot) -> None:
    from qtpy.QtWidgets import QLabel

    from napari_usstrack.widgets.form import Fold, Form, scrolled

    content, tall = Form(), QLabel("rows")
    tall.setFixedHeight(150)
    for _ in range(20):
        content.wide(QLabel("above"))
    fold = Fold("Last", tall)
    content.wide(fold)
    area = scrolled(content)
    qtbot.addWidget(area)
    area.resize(300, 200)
    area.show()
    fold.button.setChecked(True)
    bar = area.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.value() > 0)
    bottom = fold.mapTo(area.viewport(), fold.rect().bottomLeft()).y()
    top = fold.mapTo(area.viewport(), fold.rect().topLeft()).y()
    assert 0 <= top < bottom <= area.viewport().height()
