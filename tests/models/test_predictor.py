"""SpeckNet as a tracker, with random weights: what holds for any weights."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import threading
from itertools import pairwise

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracker import Queries, finish
from napari_usstrack.core.tracks import Cells, Source
from napari_usstrack.core.video import CallbackVideo, VideoInfo
from napari_usstrack.models.files import SPECKNET
from napari_usstrack.models.predictor import Matches, SpeckNetTracker, _cells, _fused
from napari_usstrack.models.search import Working
from napari_usstrack.models.specknet import SpeckNet, SpeckNetSettings
from napari_usstrack.models.symmetry import ORDER, moved, moved_xy

SIZE = HEIGHT, WIDTH = (96, 128)
FRAMES = 6
WHOLE = range(FRAMES)
SMALL = SpeckNetSettings(fine=2, middle=3, coarse=4, wide=4)
POINTS = np.array([[60.0, 40.0], [71.25, 48.5], [50.6, 61.0], [80.0, 33.3]])


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> str:
    """A file with random weights."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    facts = {"usstrack": json.dumps({"network": SMALL.plain()})}
    save_file(SpeckNet(SMALL).state_dict(), path, facts)
    return str(path)


@pytest.fixture(scope="module")
def tracker(weights) -> SpeckNetTracker:
    """Frames are not resized."""
    return SpeckNetTracker(side_px=128, weights=weights)


def texture(count: int, size: tuple[int, int] = SIZE, seed: int = 0) -> np.ndarray:
    """Speckled frames without relation."""
    noise = np.random.default_rng(seed).normal(size=(2, count, size[0] + 4, size[1] + 4))
    height, width = size
    smooth = sum(noise[..., i : i + height, j : j + width] for i in range(4) for j in range(4))
    bright = np.sqrt((smooth**2).sum(axis=0))
    return np.clip(80.0 * bright / bright.mean(), 0, 255).astype(np.uint8)


def sliding(step_x: int, step_y: int, count: int = FRAMES, seed: int = 0) -> np.ndarray:
    """Frames of a picture that moves by whole px."""
    span_x, span_y = abs(step_x) * (count - 1), abs(step_y) * (count - 1)
    whole = texture(1, (HEIGHT + span_y, WIDTH + span_x), seed)[0]
    left, top = max(step_x, 0) * (count - 1), max(step_y, 0) * (count - 1)
    corners = [(left - step_x * t, top - step_y * t) for t in range(count)]
    return np.stack([whole[y : y + HEIGHT, x : x + WIDTH] for x, y in corners])


def video(frames: np.ndarray, spacing_mm: float | None = None) -> CallbackVideo:
    """A clip of these frames, handed out read-only."""
    count, height, width = frames.shape

    def read(span: range) -> np.ndarray:
        block = frames[span.start : span.stop].view()
        block.flags.writeable = False
        return block

    scale = None if spacing_mm is None else (spacing_mm, spacing_mm)
    return CallbackVideo(VideoInfo(count, width, height, Calibration(spacing_mm=scale)), read)


def ask(frames, xy=POINTS, names=None, **limits) -> Queries:
    at = np.broadcast_to(frames, len(xy))
    return Queries(at, xy, names or tuple(f"p{i}" for i in range(len(xy))), **limits)


def run(tracker, frames, queries, span=None, spacing_mm=None) -> Cells:
    work = tracker.track(video(frames, spacing_mm), queries, span or range(len(frames)))
    return finish(work)


def matched(tracker, frames, queries, spacing_mm=None, expected=None) -> Matches:
    span = range(len(frames))
    return finish(tracker.matches(video(frames, spacing_mm), queries, span, expected))


# --- where points are found ------------------------------------------------------------------


def test_queries_come_back_exactly(tracker):
    at = [0, 2, 5, 3]
    cells = run(tracker, texture(FRAMES), ask(at))
    np.testing.assert_array_equal(cells.xy[at, range(4)], POINTS)
    assert (cells.confidence[at, range(4)] == 1).all()
    assert cells.visible[at, range(4)].all()
    assert cells.present.all()
    assert (cells.source == Source.MODEL).all()


@pytest.mark.parametrize("query", [0, 3])
@pytest.mark.parametrize("side_px", [64, 128, 256])
def test_one_frame_repeated_shows_no_motion(weights, query, side_px):
    tracker = SpeckNetTracker(side_px=side_px, weights=weights)
    frames = np.broadcast_to(texture(1), (FRAMES, *SIZE))
    xy = np.random.default_rng(1).uniform([3, 3], [WIDTH - 4, HEIGHT - 4], (60, 2))
    cells = run(tracker, frames, ask(query, xy))
    assert np.abs(cells.xy - xy).max() < 1e-3


@pytest.mark.parametrize(("step_x", "step_y"), [(8, 0), (-8, 0), (0, -8), (8, 8)])
def test_a_motion_of_whole_cells_is_found_both_ways(tracker, step_x, step_y):
    frames, middle = sliding(step_x, step_y, 5), 2
    cells = run(tracker, frames, ask(middle))
    passed = np.arange(5)[:, None, None] - middle
    truth = POINTS + passed * np.array([step_x, step_y])
    assert np.abs(cells.xy - truth).max() < 0.5
    assert cells.visible.all()


@pytest.mark.parametrize("element", range(1, ORDER))
def test_a_turned_clip_gets_the_turned_answer(weights, element):
    tracker = SpeckNetTracker(side_px=128, weights=weights)
    frames = sliding(3, -2)
    at = [0, 2, 5, 3]
    straight = run(tracker, frames, ask(at))
    turned = moved(torch.from_numpy(frames), element).numpy()
    xy = moved_xy(torch.from_numpy(POINTS), element, SIZE).numpy()
    cells = run(tracker, np.ascontiguousarray(turned), ask(at, xy))
    wanted = moved_xy(torch.from_numpy(straight.xy.copy()), element, SIZE).numpy()
    np.testing.assert_allclose(cells.xy, wanted, atol=2e-3)
    np.testing.assert_allclose(cells.confidence, straight.confidence, atol=1e-3)
    np.testing.assert_array_equal(cells.visible, straight.visible)


def test_a_reversed_clip_gets_the_reversed_answer(tracker):
    frames, at = sliding(3, -2), np.array([0, 2, 5, 3])
    straight = run(tracker, frames, ask(at))
    back = run(tracker, frames[::-1], ask(FRAMES - 1 - at))
    np.testing.assert_allclose(back.xy[::-1], straight.xy, atol=1e-3)
    np.testing.assert_allclose(back.confidence[::-1], straight.confidence, atol=1e-4)


@pytest.mark.parametrize("size", [(61, 97), (97, 61), (45, 301)])
def test_frames_with_odd_sides(tracker, size):
    height, width = size
    frames = np.broadcast_to(texture(1, size), (3, *size))
    xy = np.array([[width / 2, height / 2], [0.0, 0.0], [width - 1.0, 5.5]])
    cells = run(tracker, frames, ask(1, xy))
    np.testing.assert_array_equal(cells.xy[1], xy)
    assert np.abs(cells.xy[:, 0] - xy[0]).max() < 1e-3
    assert np.abs(cells.xy - xy).max() < 4.0


def test_the_nearer_of_two_places_that_look_alike(tracker):
    """Two tiles of the same picture: a point stays in its own."""
    frames = np.tile(texture(1, (96, 64)), (4, 1, 2))
    xy = np.array([[40.0, 50.0], [88.0, 50.0], [100.0, 30.0]])
    for spacing_mm in (None, 0.5):
        cells = run(tracker, frames, ask(0, xy), spacing_mm=spacing_mm)
        assert np.abs(cells.xy - xy).max() < 1.0


def test_the_search_is_as_wide_as_it_is_told(weights):
    """Tissue that jumps by 32 px is found if the search reaches that far."""
    frames = np.concatenate([sliding(32, 0, 2), sliding(32, 0, 2)[1:]])
    errors = []
    for search_mm in (0.5, 20.0):
        tracker = SpeckNetTracker(side_px=128, search_mm=search_mm, weights=weights)
        cells = run(tracker, frames, ask(0), spacing_mm=0.5)
        errors.append(np.abs(cells.xy[1:] - POINTS - np.array([32.0, 0.0])).max())
    assert errors[0] > 10
    assert errors[1] < 0.5


def test_the_search_goes_along_with_the_point(weights):
    """A point that goes 8 px in every frame is found, though 40 px at once would not be."""
    tracker = SpeckNetTracker(side_px=128, search_mm=2.5, weights=weights)
    for step in (8, -8):
        frames = sliding(step, 0)
        truth = POINTS + np.arange(FRAMES)[:, None, None] * np.array([step, 0.0])
        near = truth[-1, :, 0] < WIDTH - 16
        cells = run(tracker, frames, ask(0), spacing_mm=0.5)
        assert np.abs(cells.xy - truth)[:, near].max() < 0.5
        jump = run(tracker, frames[[0, -1]], ask(0), spacing_mm=0.5)
        assert np.linalg.norm(jump.xy[1] - truth[-1], axis=1)[near].min() > 10


def test_a_place_that_is_expected_is_searched_instead(weights):
    """A jump that the search does not reach is found where somebody expects it."""
    tracker = SpeckNetTracker(side_px=128, search_mm=0.5, weights=weights)
    frames, truth = sliding(32, 0, 2), POINTS + np.array([32.0, 0.0])
    expected = np.full((2, len(POINTS), 2), np.nan)
    expected[1, :2] = truth[:2] + 1.0
    found = matched(tracker, frames, ask(0), spacing_mm=0.5, expected=expected)
    off = np.linalg.norm(found.xy[1] - truth, axis=1)
    assert off[:2].max() < 0.5
    assert off[2:].min() > 10


# --- how sure it is --------------------------------------------------------------------------


def test_confidence_is_being_seen_and_near():
    """The sum of two distances of mean s is below r with probability 1 - (1 + r/s) e^(-r/s)."""
    spread, seen = np.array([0.4, 1.5, 6.0]), np.array([0.6, 0.9, 1.0])
    found = Matches(np.tile(POINTS[:3], (2, 1, 1)), np.tile(seen, (2, 1)), np.tile(spread, (2, 1)))
    info = VideoInfo(2, WIDTH, HEIGHT)
    cells = _cells(found, info, ask(0, POINTS[:3]), range(2), 3.0)
    draws = np.random.default_rng(0).exponential(spread, (2, 200_000, 3)).sum(axis=0)
    np.testing.assert_allclose(cells.confidence[1], (draws < 3.0).mean(axis=0) * seen, atol=3e-3)
    assert (cells.confidence[0] == 1).all()


def test_confidence_speaks_of_the_distance_that_is_asked_for(weights):
    """In mm where there is a scale; of each place what `matches` says."""
    frames, near = sliding(1, 0), []
    for within_mm in (0.01, 0.04):
        tracker = SpeckNetTracker(side_px=128, within_mm=within_mm, weights=weights)
        cells = run(tracker, frames, ask(0), spacing_mm=0.2)
        found = matched(tracker, frames, ask(0), spacing_mm=0.2)
        away = within_mm / 0.2 / found.spread_px[1:]
        wanted = found.seen[1:] * (1 - (1 + away) * np.exp(-away))
        np.testing.assert_allclose(cells.confidence[1:], wanted, atol=1e-6)
        near.append(cells.confidence[1:])
    assert (near[0] < near[1]).all()


def test_what_is_not_seen_is_held_without_confidence_until_it_is_seen_again(tracker):
    passed, hidden = [0, 1, 1, 1, 2, 3], [2, 3]
    frames = sliding(1, 0)[passed]
    frames[hidden] = 90
    cells = run(tracker, frames, ask(0))
    assert cells.present.all()
    assert not cells.visible[hidden].any()
    assert (cells.confidence[hidden] == 0).all()
    np.testing.assert_array_equal(cells.xy[hidden], cells.xy[[1, 1]])
    assert cells.visible[[0, 1, 4, 5]].all()
    truth = POINTS + np.array(passed)[:, None, None] * np.array([1.0, 0.0])
    off = np.abs(cells.xy - truth).max(axis=(1, 2))
    assert off[:4].max() < 0.5
    assert off[4] < 1.5
    assert off[5] < 0.5


def test_before_the_query_it_is_held_at_the_frame_after(tracker):
    frames = sliding(1, 0).copy()
    frames[:2] = 90
    cells = run(tracker, frames, ask(4))
    assert not cells.visible[:2].any()
    np.testing.assert_array_equal(cells.xy[:2], cells.xy[[2, 2]])


# --- what is asked ---------------------------------------------------------------------------


def test_no_query(tracker):
    assert run(tracker, texture(FRAMES), ask(0, np.empty((0, 2)))).shape == (FRAMES, 0)


def test_limits_are_kept(tracker):
    first, last = [2, 0, 3, 1], [4, 5, 3, 100]
    cells = run(tracker, sliding(1, 0), ask([3, 0, 3, 5], first=first, last=last))
    rows = np.arange(FRAMES)[:, None]
    np.testing.assert_array_equal(cells.present, (rows >= first) & (rows <= last))
    free = run(tracker, sliding(1, 0), ask([3, 0, 3, 5]))
    np.testing.assert_allclose(cells.xy[cells.present], free.xy[cells.present], atol=1e-4)


@pytest.mark.parametrize(("frame", "first", "last"), [(1, 3, 5), (5, 1, 3)])
def test_a_query_outside_its_own_limits_is_not_followed(tracker, frame, first, last):
    queries = ask([frame, 0], POINTS[:2], first=[first, 0], last=[last, 5])
    cells = run(tracker, sliding(1, 0), queries)
    assert not cells.present[:, 0].any()
    assert cells.present[:, 1].all()


@pytest.mark.parametrize("frame", [0, 5])
def test_a_query_outside_the_span_is_not_followed(tracker, frame):
    cells = run(tracker, sliding(1, 0), ask([frame, 2], POINTS[:2]), range(1, 5))
    assert cells.shape == (4, 2)
    assert not cells.present[:, 0].any()
    assert cells.present[:, 1].all()


def test_company_changes_nothing(tracker):
    frames, at = sliding(3, -2), [0, 2, 5, 3]
    together = run(tracker, frames, ask(at))
    for i in range(4):
        alone = run(tracker, frames, ask(at[i : i + 1], POINTS[i : i + 1]))
        np.testing.assert_allclose(alone.xy[:, 0], together.xy[:, i], atol=1e-3)


def test_only_frames_that_are_asked_for_are_read(tracker):
    frames, read = sliding(1, 0), []

    def reader(span):
        read.extend(span)
        return frames[span.start : span.stop]

    clip = CallbackVideo(VideoInfo(FRAMES, WIDTH, HEIGHT), reader)
    finish(tracker.track(clip, ask(2, first=[1] * 4, last=[3] * 4), WHOLE))
    assert sorted(read) == [1, 2, 3]


# --- several queries of one point ------------------------------------------------------------


def test_several_queries_of_one_point_become_one_answer(tracker):
    """Each frame's answer is the mean of the two alone, weighted by how sure each is."""
    frames = np.concatenate([sliding(3, -2), sliding(-1, 2, seed=4)])
    xy, at = np.array([[63.0, 38.0], [72.6, 32.2], [80.0, 33.0]]), [1, 4, 4]
    fused = matched(tracker, frames, ask(at, xy, ("a", "a", "b")))
    single = matched(tracker, frames, ask(at, xy))
    for one, other in zip(fused.__dict__.values(), single.__dict__.values(), strict=True):
        np.testing.assert_array_equal(one[:, 2], other[:, 2])
    np.testing.assert_array_equal(fused.xy[:, 0], fused.xy[:, 1])
    weight = single.seen[:, :2] / single.spread_px[:, :2] ** 2
    wanted = np.average(single.xy[:, :2], axis=1, weights=weight[..., None].repeat(2, -1))
    np.testing.assert_allclose(fused.xy[:, 0], wanted, atol=1e-6)
    np.testing.assert_array_equal(fused.seen[:, 0], single.seen[:, :2].max(axis=1))
    np.testing.assert_array_equal(fused.spread_px[:, 0], single.spread_px[:, :2].min(axis=1))
    part = weight[:, 0] / weight.sum(axis=1)
    assert ((part > 0.1) & (part < 0.9)).any()
    assert np.linalg.norm(np.diff(single.xy[:, :2], axis=1), axis=-1).min() > 0.1


@pytest.mark.parametrize("seen", [0.9, 1e-30, 0.0])
def test_equally_sure_answers_meet_in_the_middle(seen):
    xy = np.random.default_rng(0).uniform(20, 60, (3, 2, 2))
    middle = xy.mean(axis=1)
    found, _, _ = _fused(
        ask(0, POINTS[:2], ("a", "a")), xy, np.full((3, 2), seen), np.full((3, 2), 0.7)
    )
    np.testing.assert_allclose(found, middle[:, None].repeat(2, 1))


def test_a_query_is_certain_for_the_other_queries_of_its_point(tracker):
    xy, at = np.array([[60.0, 40.0], [64.0, 46.0]]), [0, 5]
    cells = run(tracker, sliding(3, -2), ask(at, xy, ("a", "a")))
    np.testing.assert_array_equal(cells.xy[at, [0, 1]], xy)
    np.testing.assert_allclose(cells.xy[at, [1, 0]], xy, atol=0.02)
    assert (cells.confidence[at] > 0.99).all()
    assert cells.visible[at].all()


def test_three_queries_of_one_point_two_of_them_in_one_frame(tracker):
    xy = np.array([[60.0, 40.0], [60.5, 40.0], [64.0, 46.0]])
    cells = run(tracker, sliding(3, -2), ask([2, 2, 4], xy, ("a", "a", "a")))
    np.testing.assert_array_equal(cells.xy[2, :2], xy[:2])
    np.testing.assert_allclose(cells.xy[2, 2], [60.25, 40.0], atol=0.01)
    np.testing.assert_allclose(cells.xy[4], xy[[2, 2, 2]], atol=0.02)


def test_limits_hold_for_each_query_of_a_point(tracker):
    xy, names = np.array([[60.0, 40.0], [64.0, 46.0]]), ("a", "a")
    queries = ask([0, 5], xy, names, first=[0, 3], last=[3, 5])
    cells = run(tracker, sliding(3, -2), queries)
    alone = run(tracker, sliding(3, -2), ask([0, 5], xy))
    np.testing.assert_array_equal(cells.present.T, [[1, 1, 1, 1, 0, 0], [0, 0, 0, 1, 1, 1]])
    np.testing.assert_array_equal(cells.xy[:3, 0], alone.xy[:3, 0])
    free = run(tracker, sliding(3, -2), ask([0, 5], xy, names))
    np.testing.assert_allclose(cells.xy[3], free.xy[3], atol=1e-6)
    assert np.abs(cells.xy[3] - alone.xy[3]).min() > 0.1


# --- being good work -------------------------------------------------------------------------


@pytest.mark.parametrize("span", [WHOLE, range(3, 4), range(0)], ids=str)
@pytest.mark.parametrize(
    "queries",
    [ask(0), ask([0, 2, 5, 3]), ask(3, first=[2] * 4, last=[3] * 4), ask(3, POINTS[:0])],
    ids=["first frame", "mixed", "limits", "none"],
)
def test_progress_never_falls_and_ends_at_its_total(tracker, queries, span):
    steps = list(tracker.track(video(sliding(1, 0)), queries, span))
    assert steps
    assert len({step.total for step in steps}) == 1
    assert all(b.done >= a.done for a, b in pairwise(steps))
    assert steps[-1].done == steps[-1].total


def state():
    """What a program shares with the rest of the process."""
    return (
        torch.get_num_threads(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.get_default_dtype(),
        torch.get_rng_state().tolist(),
        str(np.random.get_state()),
        random.getstate(),
    )


def test_closing_after_any_yield_leaves_nothing(tracker):
    clip, queries = video(sliding(3, -2)), ask([0, 2, 5, 3])
    before, threads = state(), set(threading.enumerate())
    total = len(list(tracker.track(clip, queries, WHOLE)))
    for yields in range(total + 1):
        work = tracker.track(clip, queries, WHOLE)
        for _ in range(yields):
            next(work)
            assert state() == before
        work.close()
        assert set(threading.enumerate()) <= threads
        assert state() == before
        with pytest.raises(StopIteration):
            next(work)


def test_nothing_of_the_process_changes(weights, tmp_path):
    """Not even when the weights are read for the first time."""
    fresh = shutil.copy(weights, tmp_path / "fresh.safetensors")
    tracker = SpeckNetTracker(side_px=128, weights=str(fresh))
    before = state()
    run(tracker, sliding(1, 0), ask(2))
    _ = tracker.settings
    assert state() == before


def test_two_questions_at_once_do_not_mix(tracker):
    clips = sliding(3, -2), sliding(-1, 2, seed=4)
    apart = [run(tracker, clip, ask(0)) for clip in clips]
    works = [tracker.track(video(clip), ask(0), WHOLE) for clip in clips]
    found = [None, None]
    while None in found:
        for i, work in enumerate(works):
            try:
                next(work)
            except StopIteration as stop:
                found[i] = stop.value
    assert all(one.equals(other) for one, other in zip(found, apart, strict=True))


def test_frames_and_queries_stay_as_they_were(tracker):
    frames, xy = sliding(3, -2), POINTS.copy()
    run(tracker, frames, ask(2, xy))
    np.testing.assert_array_equal(frames, sliding(3, -2))
    np.testing.assert_array_equal(xy, POINTS)


def test_settings_are_plain_and_have_the_fingerprint_of_the_weights(weights):
    settings = SpeckNetTracker(side_px=128, within_mm=0.3, weights=weights).settings
    with open(weights, "rb") as file:
        assert settings["sha256"] == hashlib.sha256(file.read()).hexdigest()
    assert settings["side_px"] == 128
    assert settings["within_mm"] == 0.3
    assert json.loads(json.dumps(settings)) == settings


def test_weights_that_do_not_exist_are_one_sentence(tmp_path):
    tracker = SpeckNetTracker(weights=str(tmp_path / "gone.safetensors"))
    with pytest.raises(UsstrackError, match="cannot be read"):
        run(tracker, texture(2), ask(0))
    with pytest.raises(UsstrackError, match="cannot be read"):
        _ = tracker.settings


def test_other_weights_than_those_of_the_fingerprint_are_refused(weights):
    frames = sliding(1, 0)
    digest = SpeckNetTracker(weights=weights).settings["sha256"]
    told = SpeckNetTracker(side_px=128, weights=weights, sha256=digest)
    plain = SpeckNetTracker(side_px=128, weights=weights)
    assert told.settings == plain.settings
    assert run(told, frames, ask(0)).equals(run(plain, frames, ask(0)))
    other = SpeckNetTracker(side_px=128, weights=weights, sha256="0" * 64)
    with pytest.raises(UsstrackError, match="other weights"):
        run(other, frames, ask(0))
    with pytest.raises(UsstrackError, match="other weights"):
        _ = other.settings


def test_without_a_file_the_weights_are_those_of_the_package():
    assert SpeckNetTracker().path == SPECKNET


# --- the pictures that are looked at ---------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "height", "wanted"),
    [
        (256, 192, (256, 192)),
        (1024, 512, (256, 128)),
        (100, 60, (192, 128)),
        (640, 481, (256, 192)),
        (900, 20, (256, 32)),
    ],
)
def test_the_longer_side_is_brought_to_what_is_asked(width, height, wanted):
    info = VideoInfo(1, width, height, Calibration(spacing_mm=(0.1, 0.1)))
    view = Working.of(info, 256)
    assert view.grid.size == wanted
    picture = view.pictures(np.full((1, height, width), 99, np.uint8), torch.device("cpu"))
    assert tuple(picture.shape) == (1, wanted[1], wanted[0])
    torch.testing.assert_close(picture, torch.full_like(picture, 99.0))
    if wanted[1] / wanted[0] == height / width:
        assert view.mm == pytest.approx(0.1 * width / wanted[0])


def test_a_resized_picture_and_its_positions_belong_together():
    """A bright spot is where the map says after frames are made smaller."""
    y, x = np.mgrid[:150, :400]
    spot = np.array([231.0, 64.0])
    frame = 250.0 * np.exp(-0.5 * ((x - spot[0]) ** 2 + (y - spot[1]) ** 2) / 5.0**2)
    view = Working.of(VideoInfo(1, 400, 150), 256)
    picture = view.pictures(frame.astype(np.uint8)[None], torch.device("cpu"))[0].numpy()
    rows, columns = np.indices(picture.shape)
    found = [(picture * axis).sum() / picture.sum() for axis in (columns, rows)]
    np.testing.assert_allclose(found, view.grid.forward(spot), atol=0.05)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is an accelerator here")
def test_a_device_that_is_not_there_is_one_sentence(weights):
    tracker = SpeckNetTracker(weights=weights, device="cuda")
    with pytest.raises(UsstrackError, match="'cuda' is not there"):
        run(tracker, texture(2), ask(0))
