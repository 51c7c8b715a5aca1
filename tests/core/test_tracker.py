from __future__ import annotations

import numpy as np
import pytest

from napari_usstrack.core.provenance import digest
from napari_usstrack.core.tracker import Progress, Queries, finish


def queries(**columns) -> Queries:
    return Queries(**{"frame": [4, 9], "xy": [[1, 2], [3, 4]], "name": ("a", "b"), **columns})


def counting(total: int, log: list[str]):
    """Work that notes how it ended."""
    try:
        for done in range(1, total + 1):
            yield Progress(done, total)
        log.append("end")
        return total
    finally:
        log.append("cleaned up")


def test_without_limits_a_query_is_followed_over_the_span():
    asked = queries().asked(range(3, 12))
    assert asked.shape == (9, 2)
    assert asked.all()
    first, last = queries().limits(range(3, 12))
    assert (first.tolist(), last.tolist()) == ([3, 3], [11, 11])


def test_limits_are_included_and_cut_to_the_span():
    limited = queries(first=[0, 8], last=[5, 100])
    asked = limited.asked(range(2, 11))
    assert np.flatnonzero(asked[:, 0]).tolist() == [0, 1, 2, 3]
    assert np.flatnonzero(asked[:, 1]).tolist() == [6, 7, 8]
    first, last = limited.limits(range(2, 11))
    assert (first.tolist(), last.tolist()) == ([2, 8], [5, 10])


def test_a_query_outside_the_span_asks_nothing():
    assert not queries(first=[0, 8], last=[1, 9]).asked(range(2, 8)).any()


def test_no_queries():
    none = Queries(frame=[], xy=[], name=())
    assert len(none) == 0
    assert none.xy.shape == (0, 2)
    assert none.asked(range(5)).shape == (5, 0)


def test_one_frame_span():
    assert queries().asked(range(4, 5)).tolist() == [[True, True]]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"frame": [1]}, r"frame must have shape \(2,\), got \(1,\)"),
        ({"first": [1]}, "first must have shape"),
        ({"last": [1, 2, 3]}, "last must have shape"),
        ({"xy": [[1, 2, 3, 4]]}, r"xy must have shape \(2, 2\), got \(1, 4\)"),
        ({"xy": [1, 2, 3, 4]}, "xy must have shape"),
        ({"name": ("a",)}, "shape"),
        ({"group": ("deep",)}, "group must name 2 queries, got 1"),
        ({"kind": ("line", "circle")}, "kind must be one of .* got 'circle'"),
    ],
)
def test_columns_must_agree(columns, message):
    with pytest.raises(ValueError, match=message):
        queries(**columns)


def test_digest_sees_every_column():
    base = digest(*queries().digest_parts())
    assert digest(*queries().digest_parts()) == base
    others = [
        {"frame": [4, 8]},
        {"xy": [[1, 2], [3, 4.001]]},
        {"name": ("a", "c")},
        {"first": [0, 0]},
        {"last": [99, 99]},
        {"group": ("deep", "")},
        {"kind": ("line", "line")},
    ]
    digests = {digest(*queries(**other).digest_parts()) for other in others}
    assert len(digests | {base}) == len(others) + 1


def test_queries_are_ungrouped_points_unless_told():
    assert (queries().group, queries().kind) == (("", ""), ("point", "point"))
    plain = queries(group=("", ""), kind=("point", "point"))
    assert digest(*plain.digest_parts()) == digest(*queries().digest_parts())


def test_selected_queries_keep_all_columns():
    kept = queries(first=[0, 8], last=[5, 9], group=("deep", "wall"), kind=("line", "contour"))
    one = kept.select([1])
    assert (one.frame.tolist(), one.xy.tolist(), one.name) == ([9], [[3, 4]], ("b",))
    assert (one.first.tolist(), one.last.tolist()) == ([8], [9])
    assert (one.group, one.kind) == (("wall",), ("contour",))


def test_finish_reports_each_step_and_returns_the_result():
    log, seen = [], []
    assert finish(counting(3, log), seen.append) == 3
    assert [progress.done for progress in seen] == [1, 2, 3]
    assert log == ["end", "cleaned up"]


def test_finish_without_a_listener():
    assert finish(counting(2, [])) == 2


def test_work_without_a_step():
    assert finish(counting(0, [])) == 0


def test_close_cancels_and_cleans_up():
    log: list[str] = []
    work = counting(3, log)
    next(work)
    work.close()
    assert log == ["cleaned up"]
    with pytest.raises(StopIteration):
        next(work)


def test_work_is_closed_when_the_listener_fails():
    log: list[str] = []
    work = counting(3, log)

    def fail(_progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finish(work, fail)
    assert log == ["cleaned up"]


def test_an_error_inside_the_work_comes_out():
    def failing():
        yield Progress(1, 2)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        finish(failing())
