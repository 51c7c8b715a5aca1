"""Which frames are asked of a method."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import COUNT, Walker, labels

from napari_usstrack.core.tracks import PointInfo, Source
from napari_usstrack.pipelines.fill import fill_ticket
from napari_usstrack.pipelines.queries import (
    Stretch,
    first_queries,
    free_span,
    open_ends,
    queries_from,
    stretches,
)
from napari_usstrack.pipelines.track import track_ticket

P = (1.0, 2.0)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({}, []),
        ({4: P}, []),
        ({4: P, 5: P}, []),
        ({4: P, 6: P}, [(4, 6)]),
        ({0: P, 7: P, 20: P}, [(0, 7), (7, 20)]),
        ({0: P, 3: None, 7: P, 20: P}, [(7, 20)]),
        ({0: P, 1: None, 7: P}, []),
        ({0: None, 2: P, 7: P, 9: None}, [(2, 7)]),
        ({0: None, 7: None}, []),
    ],
)
def test_stretches_lie_between_neighbouring_anchors(cells, expected):
    found = stretches(labels({"a": cells}))
    assert found == tuple(Stretch("a", *span) for span in expected)


def test_stretches_of_some_points_only():
    annotations = labels({"a": {0: P, 9: P}, "b": {0: P, 9: P}})
    assert [s.point for s in stretches(annotations)] == ["a", "b"]
    assert stretches(annotations, ["b"]) == (Stretch("b", 0, 9),)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({}, []),
        ({4: P}, [(0, 4), (4, 20)]),
        ({0: P, 20: P}, []),
        ({0: P}, [(0, 20)]),
        ({20: P}, [(0, 20)]),
        ({4: P, 9: P}, [(0, 4), (9, 20)]),
        ({1: None, 4: P, 9: P, 15: None}, [(2, 4), (9, 14)]),
        ({3: None, 4: P, 5: None}, []),
        ({4: P, 6: None, 9: P}, [(0, 4), (9, 20)]),
    ],
)
def test_open_ends_reach_from_the_outer_anchors(cells, expected):
    ends = open_ends(labels({"a": cells}))
    assert [(end.first, end.last) for end in ends] == expected


@pytest.mark.parametrize(
    ("absent", "expected"),
    [
        ([], (2, 18)),
        ([5], (6, 18)),
        ([15], (2, 14)),
        ([5, 7, 15, 17], (8, 14)),
        ([9, 11], (10, 10)),
        ([0, 1, 20], (2, 18)),
    ],
)
def test_free_span_ends_beside_absent_labels(absent, expected):
    source = np.zeros(COUNT, dtype=np.uint8)
    source[absent] = Source.ABSENT
    assert free_span(source, 10, range(2, 19)) == expected


def test_first_queries_carry_place_and_limits():
    annotations = labels({"a": {3: (5, 6), 9: P}, "b": {}, "c": {8: (7, 8), 12: None}})
    queries = first_queries(annotations, range(2, 18))
    assert queries.name == ("a", "c")
    assert queries.frame.tolist() == [3, 8]
    assert queries.xy.tolist() == [[5, 6], [7, 8]]
    assert (queries.first.tolist(), queries.last.tolist()) == ([2, 2], [17, 11])


@pytest.mark.parametrize(
    ("direction", "limits"), [("forward", (3, 17)), ("backward", (2, 3)), ("both", (2, 17))]
)
def test_direction_limits_a_query(direction, limits):
    queries = first_queries(labels({"a": {3: (5, 6)}}), range(2, 18), direction)
    assert (queries.first[0], queries.last[0]) == limits


def test_no_rows_make_no_queries():
    none = queries_from([])
    assert len(none) == 0
    assert none.asked(range(4)).shape == (4, 0)


def test_queries_carry_the_group_and_kind_of_their_points():
    annotations = labels({"a": {0: P, 9: P}, "b": {2: P}})
    line = PointInfo("a", group="deep", kind="line")
    annotations = annotations.revised({"a": line})
    asked = first_queries(annotations, range(COUNT))
    assert (asked.group, asked.kind) == (("deep", ""), ("line", "point"))
    nameless = queries_from([(0, np.array(P), "a", 0, 9)])
    assert (nameless.group, nameless.kind) == (("",), ("point",))


def test_a_ticket_counts_lines_and_contours_but_no_grouped_points():
    annotations = labels({"a": {0: P, 9: P}})

    def tickets(**told):
        said = annotations.revised({"a": PointInfo("a", **told)})
        return track_ticket(said, Walker(), range(COUNT)), fill_ticket(said, Walker())

    base = tickets()
    assert tickets(kind="line")[0] != base[0]
    assert tickets(kind="line")[1] != base[1]
    assert tickets(group="deep")[1] == base[1]
