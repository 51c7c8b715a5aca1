"""Adapting to labelled clips: what is learned from, what is held out, which network is kept."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from napari_usstrack.core.calibration import Calibration
from napari_usstrack.core.tracks import Cells, Source, Tracks, named_points
from napari_usstrack.core.video import CallbackVideo, VideoInfo
from napari_usstrack.models.specknet import SpeckNet, SpeckNetSettings
from napari_usstrack.synth.motion import shift
from napari_usstrack.synth.speckle import speckle_clip
from napari_usstrack.training import adapt, lab
from napari_usstrack.training.augment import Changes
from napari_usstrack.training.clips import TrainingClip
from napari_usstrack.training.steps import matched

FRAMES, SIDE, POINTS = 8, 96, 16
SMALL = SpeckNetSettings(fine=2, middle=3, coarse=3)


@pytest.fixture(scope="module")
def speckle():
    return speckle_clip(
        shift(1.5, -1.0),
        frames=FRAMES,
        width=SIDE,
        height=SIDE,
        per_px=0.1,
        psf_px=(3.2, 2.6),
        margin_px=15.0,
        noise=2.0,
    )


@pytest.fixture(scope="module")
def truth(speckle):
    return speckle.truth(np.random.default_rng(1).uniform(25, 70, (POINTS, 2)))


def labelled_clip(speckle, truth, points, frames, mm):
    info = VideoInfo(FRAMES, SIDE, SIDE, Calibration(spacing_mm=mm), name="speckle")
    video = CallbackVideo(info, lambda span: speckle.frames[span.start : span.stop])
    xy = np.full((FRAMES, points, 2), np.nan)
    xy[list(frames)] = truth[list(frames), :points]
    blank = Tracks.blank(info, named_points([f"p{i}" for i in range(points)]))
    tracks = blank.with_cells(Cells.placed(xy, Source.MANUAL))
    return video, tracks, tracks.by_hand


@pytest.fixture
def labelled(speckle, truth):
    """A video, its tracks, and which of them count."""

    def make(points=8, frames=range(FRAMES), mm=(0.8, 0.4)):
        return labelled_clip(speckle, truth, points, frames, mm)

    return make


def drained(work):
    reports = []
    while True:
        try:
            reports.append(next(work))
        except StopIteration as stop:
            return stop.value, reports


@pytest.fixture(scope="module")
def quick(speckle, truth):
    """Generated clips that cost nothing, a plain recipe, and a clock that counts calls."""

    def made(_seed, *, frames, **_):
        rows = np.arange(frames) % FRAMES
        return TrainingClip(
            torch.from_numpy(speckle.frames[rows].copy()),
            torch.from_numpy(truth[rows]).float(),
            torch.ones(frames, POINTS, dtype=torch.bool),
            0.2,
            "free",
        )

    plain = Changes(symmetries=False, turn_deg=0.0, zoom=(0.95, 1.05), look=False)
    ticks = count()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adapt, "drawn_clip", made)
        patch.setattr(adapt, "validation_clips", lambda _device: [made(0, frames=3)])
        patch.setattr(adapt, "RECIPE", replace(adapt.RECIPE, changes=plain, warped=0.0))
        patch.setattr(adapt, "time", SimpleNamespace(monotonic=lambda: 0.6 * next(ticks)))
        yield adapt.AdaptPlan(
            minutes=0.6,
            rate=1e-2,
            side=64,
            clips=2,
            frames=3,
            pool=1,
            trials=1000,
            trial_steps=10,
            patience=100,
        )


# --- what is learned from --------------------------------------------------------------------


def test_a_lab_clip_holds_labelled_frames_as_the_network_sees_them(labelled, truth):
    made, _ = drained(lab.lab_clip(*labelled(frames=(1, 4, 5)), side_px=192))
    assert made.frames.shape == (3, 192, 192)
    assert made.frames.dtype == torch.uint8
    np.testing.assert_allclose(made.factor, 2.0)
    np.testing.assert_allclose(made.xy, (truth[[1, 4, 5], :8] + 0.5) * 2 - 0.5)
    assert made.use.all()


def test_points_with_one_label_are_left_out(labelled):
    video, tracks, use = labelled()
    use = use.copy()
    use[1:, 2] = False
    made, _ = drained(lab.lab_clip(video, tracks, use))
    assert made.names == tuple(name for name in tracks.names if name != "p2")
    nothing, reports = drained(lab.lab_clip(video, tracks, use & (np.arange(FRAMES) == 0)[:, None]))
    assert nothing is None
    assert reports == []


def test_every_fourth_point_is_held_out_in_all_clips(labelled):
    made, _ = drained(lab.lab_clip(*labelled()))
    fewer, _ = drained(lab.lab_clip(*labelled(points=4)))
    held, rule = lab.held_out([made, fewer])
    assert "p3, p7" in rule
    assert held[0].any(axis=0).tolist() == [name in ("p3", "p7") for name in made.names]
    assert held[1].any(axis=0).tolist() == [False, False, False, True]
    assert lab.to_learn(made, held[0], "cpu").xy.shape[1] == 6


def test_with_few_points_the_last_quarter_is_held_out(labelled):
    made, _ = drained(lab.lab_clip(*labelled(points=3)))
    held, rule = lab.held_out([made])
    assert "last quarter" in rule
    assert held[0].any(axis=1).tolist() == [False] * 6 + [True] * 2
    assert len(lab.to_learn(made, held[0], "cpu").frames) == 6
    assert lab.Trial([made], held, "cpu").labels == 6


def test_nothing_is_said_where_nobody_looked(labelled, truth):
    """Cells without a label are neither a place nor a sign that the point is hidden."""
    video, tracks, use = labelled()
    use = use.copy()
    use[::2, 1] = False
    made, _ = drained(lab.lab_clip(video, tracks.with_cells(_without(tracks, use)), use))
    clip = lab.to_learn(made, np.zeros_like(made.use), "cpu")
    assert (clip.known == clip.seen).all()
    assert (~clip.seen[::2, 1]).all()
    torch.manual_seed(0)
    network = SpeckNet(SMALL)
    elsewhere = clip.xy.clone()
    elsewhere[::2, 1] += 20.0
    random = (np.random.default_rng(0) for _ in range(3))
    told, moved, blind = (
        matched(network, [each], lambda *_: 1, 64, next(random))
        for each in (clip, replace(clip, xy=elsewhere), replace(clip, known=None))
    )
    assert float(told.total.detach()) == float(moved.total.detach())
    assert float(told.seen.detach()) != float(blind.seen.detach())


def _without(tracks, use):
    return Cells.placed(np.where(use[..., None], tracks.xy, np.nan), Source.MANUAL)


def test_absent_is_known(labelled):
    video, tracks, _use = labelled()
    source, xy, visible = tracks.source.copy(), tracks.xy.copy(), tracks.visible.copy()
    source[2, 0], xy[2, 0], visible[2, 0] = Source.ABSENT, np.nan, False
    cells = Cells(xy, tracks.confidence, visible, source)
    tracks = tracks.with_cells(cells)
    made, _ = drained(lab.lab_clip(video, tracks, tracks.by_hand))
    clip = lab.to_learn(made, np.zeros_like(made.use), "cpu")
    assert (bool(clip.known[2, 0]), bool(clip.seen[2, 0])) == (True, False)


def test_parts_hold_labels_of_one_point_and_scattered_points_lie_on_tissue(labelled):
    made, _ = drained(lab.lab_clip(*labelled()))
    clip = lab.to_learn(made, np.zeros_like(made.use), "cpu")
    clip = replace(clip, seen=clip.seen.clone())
    clip.seen[:, 1:] = False
    clip.seen[3:, 0] = False
    random = np.random.default_rng(0)
    rows = adapt.labelled_frames(replace(clip, xy=clip.xy[:, :1], seen=clip.seen[:, :1]), 4, random)
    assert {0, 1, 2} <= set(rows.tolist())
    assert len(rows) == 4
    dark = clip.frames.clone()
    dark[:, :, :96] = 0
    plan = adapt.AdaptPlan()
    spread = adapt.scatter(replace(clip, frames=dark), plan, random)
    assert spread.xy.shape == (plan.frames, 2 * plan.points, 2)
    assert spread.known is None
    assert spread.xy[..., 0].min() > 80
    assert adapt.scatter(replace(clip, frames=torch.zeros_like(dark)), plan, random) is None


# --- the trial and the outcome ---------------------------------------------------------------


@pytest.fixture(scope="module")
def parts(speckle, truth):
    all_of_it = labelled_clip(speckle, truth, POINTS, range(FRAMES), None)
    made, _ = drained(lab.lab_clip(*all_of_it, side_px=SIDE))
    return [made], lab.held_out([made])[0]


@pytest.fixture(scope="module")
def adapted(quick, parts):
    """A network that knew nothing, what came of it, and all reports."""
    torch.manual_seed(1)
    network = SpeckNet(SMALL).eval()
    return network, *drained(adapt.adapt(network, *parts, quick))


def test_errors_are_told_in_px_and_mm_of_the_clip(labelled):
    made, _ = drained(lab.lab_clip(*labelled(), side_px=192))
    held, _ = lab.held_out([made])
    trial = lab.Trial([made], held, "cpu")
    (part,) = trial.parts

    class Off:
        def encode(self, frames):
            return frames

        def describe(self, _maps, xy):
            return [xy, xy, xy]

        def find(self, maps, _wanted):
            assert len(maps) == len(part.xy)
            return SimpleNamespace(xy=torch.from_numpy(part.xy + (6.0, 8.0)))

    found = trial.errors(Off())
    assert found.labels == 14
    assert found.mean_px == pytest.approx(5.0)
    assert found.median_mm == pytest.approx(np.hypot(3 * 0.8, 4 * 0.4))


def test_without_a_scale_there_are_no_mm(labelled):
    made, _ = drained(lab.lab_clip(*labelled(mm=None), side_px=SIDE))
    held, _ = lab.held_out([made])
    found = lab.Trial([made], held, "cpu").errors(SpeckNet(SMALL))
    assert (found.median_mm, found.mean_mm) == (None, None)
    assert np.isfinite(found.mean_px)


def test_held_out_points_are_found_better_after(adapted, parts):
    network, made, reports = adapted
    assert made.better
    assert made.after.mean_px < 0.5 * made.before.mean_px
    assert made.steps >= 40
    tried = [report.held.mean_px for report in reports if report.held is not None]
    assert tried[0] == made.before.mean_px
    assert min(tried[1:]) == made.after.mean_px
    trial = lab.Trial(*parts, "cpu")
    assert trial.errors(made.network).mean_px == pytest.approx(made.after.mean_px)
    torch.manual_seed(1)
    first = SpeckNet(SMALL).state_dict()
    assert all(torch.equal(value, first[key]) for key, value in network.state_dict().items())


def test_a_network_that_gets_worse_is_not_kept(adapted, quick, parts, monkeypatch):
    def spoil(network, _optimizer, _found):
        with torch.no_grad():
            for value in network.parameters():
                value.zero_()

    monkeypatch.setattr(adapt, "learn", spoil)
    network = adapted[1].network
    made, _ = drained(adapt.adapt(network, *parts, replace(quick, minutes=0.01)))
    assert not made.better
    assert made.network is network
    assert made.after.mean_px > made.before.mean_px


def test_it_ends_when_nothing_gets_better(quick, parts):
    network = SpeckNet(SMALL).eval()
    plan = replace(quick, rate=0.0, minutes=1e3, trials=10**6, trial_steps=1, patience=2)
    made, reports = drained(adapt.adapt(network, *parts, plan))
    tried = [report.held for report in reports if report.held is not None]
    assert len(tried) == 1 + 1 + 2  # before, the best so far, two that were not better
    assert not made.better
