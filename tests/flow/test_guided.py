"""Points led by dense flow and held to their first picture, on textures whose motion we made."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from textures import Texture, grey8

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.tracker import Queries, finish
from napari_usstrack.core.tracks import Cells, Source
from napari_usstrack.core.video import CallbackVideo, VideoInfo
from napari_usstrack.flow import guided
from napari_usstrack.flow.chain import follow
from napari_usstrack.flow.guided import Guide, Trail, Views
from napari_usstrack.flow.support import Grid, Support

SIZE, COUNT, MM = (120, 100), 8, 0.3
POINTS = np.array([[60.0, 50.0], [48.25, 41.5], [70.0, 58.75]])
TISSUE = Texture(1)
INFO = VideoInfo(COUNT, *SIZE, Calibration(spacing_mm=(MM, MM)))


def ask(xy=POINTS, frame: int = 0) -> Queries:
    return Queries([frame] * len(xy), xy, tuple(f"p{i}" for i in range(len(xy))))


def guide(queries=None, memory=None, info=INFO, mm: float = MM) -> Guide:
    grid = Grid.of(info, mm)
    support = Support.reaching(2.1 / grid.mm, 0.9 / grid.mm)
    return Guide(grid, support, ask() if queries is None else queries, memory)


def moving(dx: float, dy: float, count: int = COUNT) -> np.ndarray:
    return np.stack([grey8(TISSUE.seen(SIZE, (dx * i, dy * i))) for i in range(count)])


def walked(frames: np.ndarray, queries: Queries, memory=None, ahead: bool = True) -> Cells:
    """The answer for a clip of these frames."""
    one = guide(queries, memory)
    video = CallbackVideo(INFO, lambda span: frames[span.start : span.stop])
    prepare = one.prepare if ahead else None
    span = range(len(frames))
    return finish(follow(one.step, video, queries, span, Source.FLOW, 0, one, prepare))


# --- the step --------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [(0.4, -0.3), (3.2, 0.0), (-2.1, 4.6), (0.0, -6.3)], ids=str)
def test_a_step_finds_a_shift(shift):
    here, there = grey8(TISSUE.seen(SIZE)), grey8(TISSUE.seen(SIZE, shift))
    landing = guide().step(here, there, POINTS)
    assert landing.found.all()
    np.testing.assert_allclose(landing.xy - POINTS, np.tile(shift, (3, 1)), atol=0.05)
    assert landing.confidence.min() > 0.95


def test_dense_flow_of_shrunken_pictures_leads_as_far():
    size = (2 * guided.LONGEST_PX, 120)
    wide = VideoInfo(2, *size, Calibration(spacing_mm=(MM, MM)))
    here, there = (grey8(Texture(1, (4.0, 4.0)).seen(size, at)) for at in ((0, 0), (11.0, -7.0)))
    xy = np.array([[300.0, 60.0], [100.5, 55.0]])
    landing = guide(ask(xy), info=wide).step(here, there, xy)
    np.testing.assert_allclose(landing.xy - xy, np.tile([11.0, -7.0], (2, 1)), atol=0.1)


def test_a_step_tells_how_tissue_stretches():
    stretch = np.array([[1.03, 0.02], [-0.01, 0.98]])
    there = grey8(TISSUE.seen(SIZE, (0.5, 0.2), stretch, POINTS[0]))
    landing = guide().step(grey8(TISSUE.seen(SIZE)), there, POINTS)
    np.testing.assert_allclose(
        landing.motion.gradient, np.tile(stretch - np.eye(2), (3, 1, 1)), atol=0.01
    )


def test_a_step_works_on_the_grid_and_answers_in_the_frame():
    spacing = (0.15, 0.3)
    wide = VideoInfo(2, 240, 100, Calibration(spacing_mm=spacing))
    tissue = Texture(1, (5.0, 2.5))
    frames = [grey8(tissue.seen((240, 100), at)) for at in ((0, 0), (5.0, -1.5))]
    xy = POINTS * [2.0, 1.0]
    landing = guide(info=wide).step(*frames, xy)
    np.testing.assert_allclose(landing.xy - xy, np.tile([5.0, -1.5], (3, 1)), atol=0.1)
    np.testing.assert_allclose(landing.motion.shift, np.tile([2.5, -1.5], (3, 1)), atol=0.06)


def test_a_point_whose_tissue_is_gone_is_lost():
    here, there = moving(1.0, 0.0, 2)
    there = there.copy()
    there[:, 62:] = np.random.default_rng(0).integers(0, 256, there[:, 62:].shape)
    far = np.array([[30.0, 50.0], [95.0, 50.0]])
    landing = guide(ask(far)).step(here, there, far)
    assert landing.found.tolist() == [True, False]
    assert landing.confidence[1] == 0.0


def test_tissue_is_hardly_ever_seen_in_noise():
    here, random = grey8(TISSUE.seen(SIZE)), np.random.default_rng(0)
    x, y = np.meshgrid(np.arange(30.0, 91.0, 12.0), np.arange(26.0, 75.0, 12.0))
    xy = np.stack([x.ravel(), y.ravel()], axis=-1)
    noise = random.integers(0, 256, (6, *here.shape), dtype=np.uint8)
    found = [guide(ask(xy)).step(here, there, xy).found.mean() for there in noise]
    assert np.mean(found) < 0.2


def test_a_point_that_leaves_the_picture_is_lost():
    here, there = moving(-6.0, 0.0, 2)
    edge = np.array([[3.0, 50.0], [60.0, 50.0]])
    assert guide(ask(edge)).step(here, there, edge).found.tolist() == [False, True]


def test_where_neighbours_do_not_compare_only_dense_flow_leads(monkeypatch):
    here, there = moving(2.0, 1.0, 2)
    sure = guide().step(here, there, POINTS)
    monkeypatch.setattr(guided, "LEAST_ALIKE", 2.0)
    led = guide().step(here, there, POINTS)
    np.testing.assert_allclose(led.xy - POINTS, np.tile([2.0, 1.0], (3, 1)), atol=0.5)
    np.testing.assert_array_equal(led.motion.gradient, 0.0)
    extra = led.motion.covariance - sure.motion.covariance
    assert (np.diagonal(extra, axis1=1, axis2=2) > 0.9 * (guided.ASTRAY_MM / MM) ** 2).all()


def test_noise_makes_the_covariance_of_a_step_larger():
    random = np.random.default_rng(0)
    plain = moving(1.0, 0.5, 2)
    rough = grey8(plain + random.normal(0.0, 25.0, plain.shape) - 128.0)
    calm, shaken = (guide().step(*pair, POINTS).motion.covariance for pair in (plain, rough))
    floor = (guided.STEP[1] / MM) ** 2
    assert np.trace(calm, axis1=1, axis2=2).min() >= 2.0 * floor
    assert (np.trace(shaken, axis1=1, axis2=2) > 2.0 * np.trace(calm, axis1=1, axis2=2)).all()


# --- dense flow ------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(12, 40), (40, 12), (15, 15), (3, 3)], ids=str)
def test_a_picture_too_small_for_dense_flow_has_none(size):
    info = VideoInfo(2, *size, Calibration(spacing_mm=(MM, MM)))
    one = guide(ask(np.array([[size[0] / 2, size[1] / 2]])), info=info)
    here, there = (grey8(TISSUE.seen(size, at)) for at in ((0, 0), (0.4, 0.2)))
    assert one.views.flow(here, there) is None
    landing = one.step(here, there, np.array([[size[0] / 2, size[1] / 2]]))
    assert np.isfinite(landing.xy).all()


def test_equal_pictures_have_no_flow():
    frame = moving(0, 0, 1)[0]
    views = Views(Grid.of(INFO, MM))
    assert views.flow(frame, frame.copy()) is None
    assert views.flow(frame, moving(2.0, 0, 2)[1]) is not None


def test_flow_is_remembered_for_a_few_pairs_and_their_pictures_only(monkeypatch):
    frames = moving(1.0, 0.0)
    held = [frames[i] for i in range(COUNT)]
    views, computed = Views(Grid.of(INFO, MM)), []
    found = Views._found
    monkeypatch.setattr(Views, "_found", lambda s, a, b: computed.append(1) or found(s, a, b))
    first = views.flow(held[0], held[1])
    assert views.flow(held[0], held[1]) is first
    assert len(computed) == 1
    for i in range(COUNT - 1):
        views.flow(held[i], held[i + 1])
    assert len(computed) == COUNT - 1
    views.flow(held[0], held[1])
    assert len(computed) == COUNT


def test_flow_computed_ahead_by_another_thread_changes_nothing():
    here, there = moving(2.3, -1.1, 2)
    plain, ahead = guide(), guide()
    worker = threading.Thread(target=ahead.prepare, args=(here, there))
    worker.start()
    worker.join()
    one, two = (each.step(here, there, POINTS) for each in (plain, ahead))
    np.testing.assert_array_equal(one.xy, two.xy)
    np.testing.assert_array_equal(one.motion.covariance, two.motion.covariance)


def test_walks_with_and_without_flow_computed_ahead_are_the_same():
    frames = moving(2.0, -1.0)
    assert walked(frames, ask(), ahead=True).equals(walked(frames, ask(), ahead=False))


# --- held to the first picture ---------------------------------------------------------------


def test_a_walk_does_not_drift():
    frames = moving(1.3, -0.7)
    cells = walked(frames, ask())
    truth = POINTS + np.arange(COUNT)[:, None, None] * [1.3, -0.7]
    assert cells.visible.all()
    assert np.abs(cells.xy - truth).max() < 0.06


def test_a_landing_that_is_a_little_off_is_pulled_to_the_first_picture():
    frames = moving(1.0, 0.0, 2)
    one = guide()
    landing = one.step(*frames, POINTS)
    shaken = guided.Landing(
        landing.xy + [0.4, -0.3], landing.confidence, landing.found, _unsure(landing.motion)
    )
    settled = one.settle(np.arange(3), 0, 1, tuple(frames), shaken)
    np.testing.assert_allclose(settled.xy, POINTS + [1.0, 0.0], atol=0.1)


def _unsure(motion: guided.Moved) -> guided.Moved:
    wide = np.full(len(motion.shift), 1.0)
    none = np.empty((len(wide), 0))
    return guided.Moved(motion.shift, motion.gradient, wide, none, motion.covariance)


def test_what_was_reached_tells_the_way_and_the_deformation():
    stretch = np.array([[1.02, 0.0], [0.0, 0.99]])
    frames = [
        grey8(TISSUE.seen(SIZE, (i, 0.0), np.linalg.matrix_power(stretch, i), POINTS[0]))
        for i in range(4)
    ]
    one = guide()
    xy = POINTS
    for i in range(3):
        landing = one.step(frames[i], frames[i + 1], xy)
        xy = one.settle(np.arange(3), i, i + 1, (frames[i], frames[i + 1]), landing).xy
    reached = one.reached[0, 2, 3]
    np.testing.assert_allclose(reached.step, [1.0, 0.0], atol=0.05)
    np.testing.assert_allclose(
        reached.deformed, np.linalg.matrix_power(stretch, 3), rtol=0, atol=0.01
    )
    assert (0, 3, 2) not in one.reached


# --- memory ----------------------------------------------------------------------------------


def resumed(xy: np.ndarray, memory: dict, there: np.ndarray) -> Cells:
    """One step from frame 4 on, with what is remembered."""
    queries = Queries([4], xy, ("p0",), first=[4], last=[5])
    one = guide(queries, memory)
    frames = np.concatenate([there[:1]] * 6)
    frames[4:6] = there
    video = CallbackVideo(INFO, lambda span: frames[span.start : span.stop])
    return finish(follow(one.step, video, queries, range(4, 6), Source.FLOW, 0, one))


def test_a_walk_goes_on_from_what_is_remembered():
    frames, memory = moving(1.0, 0.4), {}
    whole = walked(frames, ask(POINTS[:1]), memory)
    assert set(memory) == {("p0", frame) for frame in range(1, COUNT)}
    again = resumed(whole.xy[4], memory, frames[4:6])
    np.testing.assert_allclose(again.xy[1], whole.xy[5], atol=1e-6)
    np.testing.assert_allclose(again.confidence[1], whole.confidence[5], atol=1e-6)
    assert memory["p0", 5].template is memory["p0", 1].template


def test_what_is_remembered_of_another_place_is_not_used():
    frames, memory = moving(1.0, 0.4), {}
    whole = walked(frames, ask(POINTS[:1]), memory)
    before = memory["p0", 4]
    elsewhere = whole.xy[4] + [2.0, -1.0]
    given, alone = resumed(elsewhere, memory, frames[4:6]), resumed(elsewhere, {}, frames[4:6])
    assert given.equals(alone)
    assert memory["p0", 5].template is not before.template
    assert memory["p0", 4] is before


def test_a_trail_keeps_the_first_picture_and_how_sure_it_is():
    frames, memory = moving(1.0, 0.4), {}
    cells = walked(frames, ask(POINTS[:1]), memory)
    trail = memory["p0", COUNT - 1]
    assert isinstance(trail, Trail)
    np.testing.assert_array_equal(trail.xy, cells.xy[-1, 0])
    np.testing.assert_allclose(trail.deformed, np.eye(2), atol=0.01)
    sure = 1.0 / (1.0 + trail.variance * (MM / guided.HALF_SURE_MM) ** 2)
    assert cells.confidence[-1, 0] == pytest.approx(sure, rel=1e-6)
