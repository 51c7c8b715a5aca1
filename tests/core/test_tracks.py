from __future__ import annotations

import pickle

import numpy as np
import pytest

from napari_usstrack.core.provenance import Step
from napari_usstrack.core.tracks import (
    CELL_ARRAYS,
    PALETTE,
    Cells,
    PointInfo,
    Source,
    Tracks,
    arrays_of,
    named_points,
)
from napari_usstrack.core.video import VideoInfo

VIDEO = VideoInfo(4, 32, 20)


def good() -> dict[str, np.ndarray]:
    """Arrays of two frames and three points: placed, hidden, absent and missing cells."""
    return {
        "xy": np.array(
            [[[1, 2], [3, 4], [np.nan] * 2], [[5, 6], [np.nan] * 2, [np.nan] * 2]], np.float64
        ),
        "confidence": np.array([[0.5, 0, np.nan], [1, np.nan, np.nan]], np.float32),
        "visible": np.array([[True, False, False], [True, False, False]]),
        "source": np.array([[4, 5, 1], [2, 0, 0]], np.uint8),
    }


def changed(name: str, at: tuple[int, ...], value: object) -> dict[str, np.ndarray]:
    arrays = good()
    arrays[name][at] = value
    return arrays


def tracks_of(names: str, sources: list[list[int]], **extra) -> Tracks:
    """Tracks whose cell in frame f and column p, where placed, lies at (10 f, p)."""
    source = np.array(sources)
    frames, points = np.indices(source.shape)
    xy = np.where((source > 1)[..., None], np.stack([10.0 * frames, points], -1), np.nan)
    cells = (xy, np.full(source.shape, np.nan), source > 1, source)
    return Tracks(*cells, points=named_points(list(names)), video=VIDEO, **extra)


def test_good_arrays_are_taken():
    cells = Cells(**good())
    assert cells.shape == (2, 3)
    assert cells.present.tolist() == [[True, True, False], [True, False, False]]
    assert cells.by_hand.tolist() == [[False, False, False], [True, False, False]]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (changed("xy", (0, 0), np.nan), "finite where source names"),
        (changed("xy", (0, 0, 1), np.nan), "finite where source names"),
        (changed("xy", (0, 0, 0), np.inf), "finite where source names"),
        (changed("xy", (0, 2), 5), "NaN elsewhere"),
        (changed("xy", (1, 2, 0), 5), "NaN elsewhere"),
        (changed("xy", (1, 2, 0), np.inf), "NaN elsewhere"),
        (changed("source", (0, 0), 0), "NaN elsewhere"),
        (changed("source", (1, 1), 4), "finite where source names"),
        (changed("source", (0, 0), 8), "unknown source 8"),
        (changed("visible", (0, 2), True), "cannot be visible"),
        (changed("visible", (1, 1), True), "cannot be visible"),
        (changed("confidence", (0, 0), 1.01), "0..1"),
        (changed("confidence", (0, 0), -0.01), "0..1"),
        (changed("confidence", (0, 0), np.inf), "0..1"),
        ({**good(), "xy": np.zeros((2, 3))}, r"xy must have shape \(2, 3, 2\)"),
        ({**good(), "visible": np.zeros((3, 2), bool)}, "visible must have shape"),
        ({**good(), "confidence": np.zeros(3)}, "confidence must have shape"),
        ({**good(), "source": np.zeros(6, np.uint8)}, "frames x points"),
    ],
)
def test_each_broken_invariant_is_named(arrays, message):
    with pytest.raises(ValueError, match=message):
        Cells(**arrays)


def test_nobody_looked_means_nothing_was_reported():
    cells = Cells(**changed("confidence", (1, 1), 0.3))
    assert np.isnan(cells.confidence[1, 1])
    assert cells.equals(Cells(**good()))
    with pytest.raises(ValueError, match="read-only"):
        cells.confidence[1, 1] = 0.5


@pytest.mark.parametrize("name", CELL_ARRAYS)
def test_arrays_are_own_copies_and_read_only(name):
    arrays = good()
    cells = Cells(**arrays)
    arrays[name][...] = 0
    assert cells.equals(Cells(**good()))
    made = [cells, cells.block([0], [1]), Cells.empty(2, 2), tracks_of("ab", [[2, 4]] * 4)]
    for each in made:
        with pytest.raises(ValueError, match="read-only"):
            getattr(each, name)[...] = 0


def test_types_are_fixed():
    arrays = {name: array.tolist() for name, array in good().items()}
    cells = Cells(**arrays)
    kinds = [getattr(cells, name).dtype for name in CELL_ARRAYS]
    assert kinds == [np.float64, np.float32, np.bool_, np.uint8]


def test_fields_cannot_be_replaced():
    with pytest.raises(AttributeError):
        Cells(**good()).xy = np.zeros((2, 3, 2))


def test_writable_copies():
    cells = Cells(**good())
    arrays = arrays_of(cells)
    arrays["xy"][0, 0] = 7
    assert cells.xy[0, 0].tolist() == [1, 2]


def test_block_picks_frames_and_columns():
    block = tracks_of("abc", [[2, 4, 0], [2, 1, 5], [0, 0, 0], [7, 7, 7]]).block([3, 1], [2, 0])
    assert block.source.tolist() == [[7, 7], [5, 2]]
    assert block.xy[0].tolist() == [[30, 2], [30, 0]]


def test_equals_sees_every_bit():
    cells = Cells(**good())
    assert cells.equals(Cells(**good()))
    assert not cells.equals(Cells(**changed("xy", (0, 0, 0), np.nextafter(1, 2))))
    assert not cells.equals(Cells(**changed("source", (0, 0), 5)))
    assert not cells.equals(Cells(**changed("visible", (0, 0), False)))
    assert not cells.equals(Cells.empty(3, 2))


def test_placed_turns_nan_into_missing():
    cells = Cells.placed(
        [[[1, 2], [np.nan, 3]]], Source.FLOW, confidence=[[0.25, 0.5]], visible=True
    )
    assert cells.source.tolist() == [[Source.FLOW, Source.MISSING]]
    assert cells.visible.tolist() == [[True, False]]
    assert np.isnan(cells.xy[0, 1]).all()
    assert cells.confidence[0, 0] == 0.25
    assert np.isnan(cells.confidence[0, 1])


@pytest.mark.parametrize("shape", [(0, 0), (4, 0), (0, 3)])
def test_empty_blocks_are_fine(shape):
    assert Cells.empty(*shape).shape == shape
    assert Cells(**arrays_of(Cells.empty(*shape))).equals(Cells.empty(*shape))


def test_tracks_want_a_row_per_frame_and_a_name_per_column():
    arrays = arrays_of(Cells.empty(3, 2))
    with pytest.raises(ValueError, match="3 rows for a video of 4 frames"):
        Tracks(**arrays, points=named_points("ab"), video=VIDEO)
    arrays = arrays_of(Cells.empty(4, 2))
    with pytest.raises(ValueError, match="2 columns for 3 points"):
        Tracks(**arrays, points=named_points("abc"), video=VIDEO)
    with pytest.raises(ValueError, match="unique"):
        Tracks(**arrays, points=named_points("aa"), video=VIDEO)


def test_tracks_keep_tuples():
    tracks = Tracks(
        **arrays_of(Cells.empty(4, 1)), points=list(named_points("a")), video=VIDEO, log=[]
    )
    assert tracks.points == named_points("a")
    assert tracks.log == ()


def test_names_columns_and_frames():
    tracks = tracks_of("ab", [[2, 0], [0, 4], [1, 1], [3, 0]])
    assert tracks.names == ("a", "b")
    assert tracks.column("b") == 1
    assert tracks.point("b").colour == PALETTE[1]
    assert tracks.frames_of("a").tolist() == [0, 3]
    with pytest.raises(ValueError, match="no point named 'c', only a, b"):
        tracks.column("c")


def test_blank_has_nothing():
    blank = Tracks.blank(VIDEO, named_points("ab"))
    assert blank.shape == (4, 2)
    assert not blank.source.any()
    assert Tracks.blank(VIDEO).names == ()


def test_select_orders_and_keeps_the_log():
    step = Step("track", "lucas-kanade")
    tracks = tracks_of("abc", [[2, 4, 5]] * 4, log=(step,))
    two = tracks.select(["c", "a"])
    assert two.names == ("c", "a")
    assert two.source[0].tolist() == [5, 2]
    assert two.points == (tracks.points[2], tracks.points[0])
    assert two.log == (step,)
    assert tracks.select([]).shape == (4, 0)


def test_over_prefers_what_a_person_said():
    mine = tracks_of("ab", [[2, 0], [1, 0], [0, 3], [0, 0]])
    theirs = tracks_of("cb", [[4, 4], [4, 4], [4, 4], [0, 5]])
    both = mine.over(theirs)
    assert both.names == ("a", "b", "c")
    assert both.source.tolist() == [[2, 4, 4], [1, 4, 4], [0, 3, 4], [0, 5, 0]]
    assert both.points[1] == mine.points[1]
    assert both.xy[3, 1].tolist() == [30, 1]
    assert both.xy[2, 2].tolist() == [20, 0]


def test_absent_hides_what_the_other_found():
    mine = tracks_of("a", [[1], [0], [0], [0]])
    theirs = tracks_of("a", [[5]] * 4)
    both = mine.over(theirs)
    assert both.source[:, 0].tolist() == [1, 5, 5, 5]
    assert np.isnan(both.xy[0, 0]).all()
    assert not both.visible[0, 0]


def test_over_nothing_and_nothing_over():
    tracks = tracks_of("ab", [[2, 4], [1, 0], [0, 5], [7, 6]])
    nothing = Tracks.blank(VIDEO)
    assert tracks.over(nothing).equals(tracks)
    assert nothing.over(tracks).equals(tracks)
    assert tracks.over(tracks).equals(tracks)


def test_over_another_length_is_refused():
    with pytest.raises(ValueError, match="4 frames over 1 frames"):
        tracks_of("a", [[2]] * 4).over(Tracks.blank(VideoInfo(1, 32, 20), named_points("a")))


def test_with_cells_appends_to_the_log():
    first, second = Step("track", "flow"), Step("smooth", "median")
    tracks = tracks_of("a", [[4]] * 4, log=(first,))
    other = tracks.with_cells(Cells.empty(4, 1), second)
    assert other.log == (first, second)
    assert not other.source.any()
    assert other.points == tracks.points
    with pytest.raises(ValueError, match="rows"):
        tracks.with_cells(Cells.empty(3, 1))


def test_with_video_checks_the_length():
    tracks = tracks_of("a", [[4]] * 4)
    assert tracks.with_video(VideoInfo(4, 64, 40)).video.width == 64
    with pytest.raises(ValueError, match="rows"):
        tracks.with_video(VideoInfo(5, 32, 20))


def test_tracks_travel_between_processes():
    tracks = tracks_of("ab", [[2, 4]] * 4, log=(Step("track", "flow", settings={"window": 21}),))
    copy = pickle.loads(pickle.dumps(tracks))
    assert copy.equals(tracks)
    assert (copy.points, copy.log) == (tracks.points, tracks.log)


def test_a_point_needs_a_name_and_a_known_kind():
    with pytest.raises(ValueError, match="needs a name"):
        PointInfo("  ")
    with pytest.raises(ValueError, match="kind of 'a'"):
        PointInfo("a", kind="blob")


def test_colours_come_round_again():
    points = named_points([str(i) for i in range(len(PALETTE) + 1)])
    assert points[-1].colour == points[0].colour
    assert len({point.colour for point in points}) == len(PALETTE)


def test_said_is_what_a_person_set_or_found_absent():
    sources = np.array([list(Source)], dtype=np.uint8)
    xy = np.where((sources > Source.ABSENT)[..., None], 1.0, np.nan) * np.ones(2)
    cells = Cells(xy, np.ones(sources.shape), sources > Source.ABSENT, sources)
    assert {Source(s) for s in sources[cells.said]} == {
        Source.ABSENT,
        Source.MANUAL,
        Source.ACCEPTED,
    }
    assert {Source(s) for s in sources[cells.by_hand]} == {Source.MANUAL, Source.ACCEPTED}
