"""Work that is part of longer work."""

from __future__ import annotations

import pytest

from napari_usstrack.core.parts import part
from napari_usstrack.core.tracker import Progress, finish


def counting(total: int, log: list[str]):
    try:
        for done in range(total + 1):
            yield Progress(done, total)
        return "result"
    finally:
        log.append("closed")


@pytest.mark.parametrize("total", [1, 3, 7, 1000])
def test_progress_is_scaled_to_its_share(total):
    steps = list(part(counting(total, []), 10, 5, 20))
    assert (steps[0].done, steps[-1].done) == (10, 15)
    assert all(step.total == 20 for step in steps)
    assert len(steps) == total + 1


def test_work_with_nothing_to_do_stays_in_its_place():
    assert [step.done for step in part(counting(0, []), 10, 5, 20)] == [10]


def test_the_result_comes_out():
    assert finish(part(counting(3, []), 0, 3, 3)) == "result"


def test_closing_closes_the_work_inside():
    log: list[str] = []
    inside = counting(3, log)
    outside = part(inside, 0, 3, 3)
    next(outside)
    outside.close()
    assert log == ["closed"]
    with pytest.raises(StopIteration):
        next(inside)
