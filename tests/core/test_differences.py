"""Two states of labels, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from napari_usstrack.core.differences import Counts, differences
from napari_usstrack.core.tracks import Cells, Source, Tracks, named_points
from napari_usstrack.core.video import VideoInfo

FRAMES = 5


def labels(
    places: dict[str, dict[int, tuple[float, float] | None]], frames: int = FRAMES
) -> Tracks:
    """Labels by point and frame; None where the point was found absent."""
    blank = Tracks.blank(VideoInfo(frames, 80, 60), named_points(list(places)))
    xy, source = blank.xy.copy(), blank.source.copy()
    for column, cells in enumerate(places.values()):
        for frame, at in cells.items():
            source[frame, column] = Source.ABSENT if at is None else Source.MANUAL
            xy[frame, column] = (np.nan, np.nan) if at is None else at
    visible = source > Source.ABSENT
    return blank.with_cells(Cells(xy, np.full(source.shape, np.nan), visible, source))


def test_equal_labels_have_no_differences() -> None:
    one = labels({"a": {0: (1, 2), 3: None}})
    assert differences(one, one) == Counts()
    assert not differences(one, labels({"a": {0: (1, 2), 3: None}}))


def test_added_moved_and_removed_are_counted_apart() -> None:
    before = labels({"a": {0: (1, 2), 1: (3, 4), 2: (5, 6)}})
    after = labels({"a": {0: (1, 2), 1: (3, 4.5), 3: (7, 8), 4: (9, 9)}})
    assert differences(before, after) == Counts(added=2, moved=1, removed=1)
    assert differences(after, before) == Counts(added=1, moved=1, removed=2)


def test_found_absent_is_a_label_too() -> None:
    before = labels({"a": {0: (1, 2)}})
    after = labels({"a": {0: None, 1: None}})
    assert differences(before, after) == Counts(added=1, moved=1)


def test_points_are_matched_by_name_not_by_column() -> None:
    before = labels({"a": {0: (1, 2)}, "b": {0: (3, 4)}})
    after = labels({"b": {0: (3, 4)}, "a": {0: (1, 2)}})
    assert differences(before, after) == Counts()


def test_points_that_come_and_go_bring_their_labels() -> None:
    before = labels({"a": {0: (1, 2)}, "gone": {0: (3, 4), 1: (3, 4)}})
    after = labels({"a": {0: (1, 2)}, "new": {2: (3, 4)}, "empty": {}})
    assert differences(before, after) == Counts(
        added=1, removed=2, points_added=2, points_removed=1
    )


def test_states_of_different_clips_are_refused() -> None:
    with pytest.raises(ValueError, match="5 frames before and 6 after"):
        differences(labels({"a": {}}), labels({"a": {}}, frames=6))
