"""TorchScript files as trackers: what they are given, and what becomes of their answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_usstrack.core.errors import UsstrackError
from napari_usstrack.core.tracker import Queries, finish
from napari_usstrack.io.array_video import array_video
from napari_usstrack.models.torchscript import TorchScriptTracker

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit")
FRAMES = np.arange(6 * 20 * 30, dtype=np.uint32).reshape(6, 20, 30).astype(np.uint8)


class Drifting(torch.nn.Module):
    """Moves every query by one px to the right per frame; loses it after two."""

    def forward(self, frames: torch.Tensor, queries: torch.Tensor):
        count = frames.shape[1]
        passed = torch.arange(count)[None, :, None] - queries[:, None, :, 0]
        step = torch.stack([passed, torch.zeros_like(passed)], dim=-1)
        return queries[:, None, :, 1:].expand(-1, count, -1, -1) + step, passed.abs() <= 2


class Peeking(torch.nn.Module):
    """Tells shape and range of what it was given as positions."""

    def forward(self, frames: torch.Tensor, queries: torch.Tensor):
        shape = torch.tensor([float(frames.shape[2]), float(frames.shape[3])])
        tracks = shape.expand(1, frames.shape[1], queries.shape[1], 2).clone()
        tracks[0, 1, 0, 0], tracks[0, 1, 0, 1] = frames.max(), frames[0, 0, 0, 1, 2]
        tracks[0, 2, 0] = queries[0, 0, 1:]
        tracks[0, 3] = float("nan")
        return tracks, torch.full((1, frames.shape[1], queries.shape[1]), 0.25)


class Wrong(torch.nn.Module):
    """Leaves out the batch axis."""

    def forward(self, frames: torch.Tensor, queries: torch.Tensor):
        return frames[0, :, 0, :, :2], frames[0, :, 0, :, 0]


class Fussy(torch.nn.Module):
    """Takes three channels only."""

    def forward(self, frames: torch.Tensor, queries: torch.Tensor):
        assert frames.shape[2] == 3
        tracks = queries[:, None, :, 1:].expand(-1, frames.shape[1], -1, -1)
        return tracks, torch.ones(tracks.shape[:3])


@pytest.fixture
def scripted(tmp_path):
    def save(module: torch.nn.Module) -> Path:
        path = tmp_path / f"{type(module).__name__.lower()}.pt"
        torch.jit.save(torch.jit.script(module), str(path))
        return path

    return save


def track(tracker: TorchScriptTracker, queries: Queries, span: range = range(6)):
    return finish(tracker.track(array_video(FRAMES), queries, span))


def test_queries_are_frame_x_y_of_the_span(scripted):
    tracker = TorchScriptTracker(scripted(Drifting()))
    queries = Queries(np.array([2, 3]), [[10.0, 5.0], [20.0, 7.5]], ("a", "b"))
    cells = track(tracker, queries, range(1, 6))
    np.testing.assert_allclose(cells.xy[:, 0, 0], [9, 10, 11, 12, 13])
    np.testing.assert_allclose(cells.xy[:, 1, 0], [18, 19, 20, 21, 22])
    np.testing.assert_allclose(cells.xy[:, :, 1], [[5, 7.5]] * 5)
    np.testing.assert_array_equal(cells.visible[:, 0], [True, True, True, True, False])


def test_limits_and_queries_outside_the_span(scripted):
    tracker = TorchScriptTracker(scripted(Drifting()))
    queries = Queries(
        np.array([2, 0]),
        [[10.0, 5.0], [20.0, 7.5]],
        ("a", "b"),
        first=np.array([2, 0]),
        last=np.array([4, 9]),
    )
    cells = track(tracker, queries, range(1, 6))
    np.testing.assert_array_equal(cells.present[:, 0], [False, True, True, True, False])
    assert not cells.present[:, 1].any()


def test_frames_are_0_to_255_and_bad_answers_missing(scripted):
    tracker = TorchScriptTracker(scripted(Peeking()))
    cells = track(tracker, Queries(np.array([0]), [[11.0, 6.0]], ("a",)))
    np.testing.assert_allclose(cells.xy[0, 0], [11, 6])
    np.testing.assert_allclose(cells.xy[1, 0], [FRAMES.max(), FRAMES[0, 1, 2]])
    np.testing.assert_allclose(cells.xy[2, 0], [11, 6])
    np.testing.assert_allclose(cells.xy[4, 0], [1, 20])
    assert not cells.present[3, 0]
    np.testing.assert_array_equal(cells.visible[:, 0], [True, *[False] * 5])
    assert cells.confidence[4, 0] == np.float32(0.25)


def test_three_channels_and_another_size(scripted):
    tracker = TorchScriptTracker(scripted(Peeking()), channels=3, size=(60, 40))
    cells = track(tracker, Queries(np.array([0]), [[11.0, 6.0]], ("a",)))
    # (3, 40) on a grid of twice the size is ((3 + 0.5) / 2 - 0.5, (40 + 0.5) / 2 - 0.5) here.
    np.testing.assert_allclose(cells.xy[4, 0], [1.25, 19.75])
    np.testing.assert_allclose(cells.xy[2, 0], [11, 6])


def test_no_query(scripted):
    tracker = TorchScriptTracker(scripted(Drifting()))
    assert track(tracker, Queries(np.empty(0, dtype=int), np.empty((0, 2)), ())).shape == (6, 0)


def test_settings_name_the_file_and_its_fingerprint(scripted):
    path = scripted(Drifting())
    settings = TorchScriptTracker(path, channels=3).settings
    assert settings["file"] == path.name
    assert len(settings["sha256"]) == 64
    assert settings["channels"] == 3


@pytest.mark.parametrize(
    ("module", "words"),
    [(Wrong(), ["wrong.pt", "[1, 6, 1, 2]"]), (Fussy(), ["fussy.pt", "[1, 6, 1, 20, 30]"])],
)
def test_a_module_of_another_kind_is_one_sentence(scripted, module, words):
    tracker = TorchScriptTracker(scripted(module))
    with pytest.raises(UsstrackError) as raised:
        track(tracker, Queries(np.array([0]), [[11.0, 6.0]], ("a",)))
    assert all(word in str(raised.value) for word in words)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(UsstrackError, match="does not exist"):
        _ = TorchScriptTracker(tmp_path / "gone.pt").module
    text = tmp_path / "text.pt"
    text.write_text("no network")
    with pytest.raises(UsstrackError, match="TorchScript"):
        _ = TorchScriptTracker(text).module
