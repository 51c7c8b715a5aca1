"""A tiny training: it stops and goes on without a trace, and leaves files that can be used."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from blobs import speckled
from safetensors import safe_open

from napari_usstrack.models.specknet import SpeckNetSettings
from napari_usstrack.models.weights import load
from napari_usstrack.training import __main__ as command
from napari_usstrack.training import loop, validation
from napari_usstrack.training import steps as steps_of
from napari_usstrack.training.checkpoints import BEST, LAST
from napari_usstrack.training.loop import Plan, train
from napari_usstrack.training.recipes import APICAL, RECIPES
from napari_usstrack.training.validation import Scores, errors, validate

STEP_MIN = 0.1
"""What the clock says of every step, in minutes."""
PLAN = Plan(
    replace(RECIPES["impartial"], warped=0.5, still=0.2),
    SpeckNetSettings(fine=1, middle=1, coarse=2, wide=1),
    minutes=0.95,
    side=96,
    clips=1,
    frames=3,
    points=8,
    pool=2,
    renew_every=2,
    validate_min=0.35,
)
STEPS = 10


class Clock:
    """Every look at it, a tenth of a minute has passed."""

    def __init__(self):
        self.looks = 0

    def monotonic(self):
        self.looks += 1
        return 60.0 * STEP_MIN * self.looks


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    """Still speckle in place of scenes, and a clock that goes by looks."""
    made = []

    def clip(seed, *, frames, mix, orientation, device):
        made.append((seed, frames, mix, orientation))
        return speckled(frames, 128, 40, seed=seed % 1000)

    monkeypatch.setattr(loop, "drawn_clip", clip)
    monkeypatch.setattr(loop, "validation_clips", lambda _: iter([speckled(3, 96, 20, seed=99)]))
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=Clock().monotonic))
    return made


def finished(plan, folder, **named):
    """All reports of a training that is run to its end, and its last state."""
    work, reports = train(plan, folder, **named), []
    while True:
        try:
            reports.append(next(work))
        except StopIteration as stop:
            return reports, stop.value


def stopped(plan, folder, steps):
    """Run so many steps, then close."""
    work = train(plan, folder)
    for report in work:
        if report.step >= steps and not report.preparing:
            break
    work.close()


def contents(path):
    """Tensors and facts of a file."""
    with safe_open(path, "pt") as kept:
        facts = json.loads(kept.metadata()["usstrack"])
        return {name: kept.get_tensor(name) for name in kept.keys()}, facts  # noqa: SIM118


# --- going on --------------------------------------------------------------------------------


@pytest.mark.parametrize("pieces", [(3,), (1, 4, 9)], ids=str)
def test_pieces_give_what_one_piece_gives(tmp_path, pieces):
    """Bit by bit: weights, moments of the optimizer, history, validations, best."""
    finished(PLAN, tmp_path / "whole")
    for steps in pieces:
        stopped(PLAN, tmp_path / "pieces", steps)
        assert contents(tmp_path / "pieces" / LAST)[1]["state"]["step"] == steps
    finished(PLAN, tmp_path / "pieces")
    for name in (LAST, BEST):
        one, other = (contents(tmp_path / folder / name) for folder in ("whole", "pieces"))
        assert one[0].keys() == other[0].keys()
        for key, value in one[0].items():
            assert torch.equal(value, other[0][key]), key
        assert one[1] == other[1]
    assert contents(tmp_path / "whole" / LAST)[1]["state"]["step"] == STEPS


def test_weights_change_and_depend_on_the_seed(tmp_path):
    for name, seed, steps in (("start", 0, 1), ("end", 0, 4), ("other", 1, 4)):
        stopped(replace(PLAN, seed=seed), tmp_path / name, steps)
    start, end, other = (contents(tmp_path / n / LAST)[0] for n in ("start", "end", "other"))
    weights = [name for name in start if name.startswith("network.")]
    assert all(not torch.equal(start[name], end[name]) for name in weights)
    assert any(not torch.equal(end[name], other[name]) for name in weights)


@pytest.mark.parametrize("yields", range(1, 6))
def test_closing_at_any_yield_saves(tmp_path, yields):
    work = train(PLAN, tmp_path)
    for _ in range(yields):
        report = next(work)
    work.close()
    assert contents(tmp_path / LAST)[1]["state"]["step"] == report.step


def test_a_training_that_is_over_is_not_gone_on_with(tmp_path):
    reports, state = finished(PLAN, tmp_path)
    assert state.step == STEPS
    assert state.minutes == pytest.approx(STEPS * STEP_MIN)
    before = contents(tmp_path / LAST)
    reports, again = finished(PLAN, tmp_path)
    assert all(report.preparing for report in reports)
    assert again == state
    after = contents(tmp_path / LAST)
    assert all(torch.equal(value, after[0][name]) for name, value in before[0].items())
    assert after[1] == before[1]


def test_a_piece_ends_when_its_time_has_passed(tmp_path):
    """The loop and each of its steps look at the clock three times together."""
    _, state = finished(PLAN, tmp_path, piece_min=0.95)
    assert state.step == 3
    _, state = finished(PLAN, tmp_path, piece_min=0.95)
    assert state.step == 6


# --- what is reported and kept ---------------------------------------------------------------


def test_reports_count_steps_and_minutes(tmp_path):
    reports, _ = finished(PLAN, tmp_path)
    first = [report.preparing for report in reports[:3]]
    assert first == ["training clip 0", "training clip 1", "validation on speckled"]
    steps = reports[3:]
    assert [report.step for report in steps] == list(range(1, STEPS + 1))
    minutes = [STEP_MIN * report.step for report in steps]
    assert [report.minutes for report in steps] == pytest.approx(minutes)
    assert all(math.isfinite(report.loss) for report in steps)


def test_validations_come_when_they_are_due_and_at_the_end(tmp_path):
    reports, state = finished(PLAN, tmp_path)
    at = [report.step for report in reports if report.scores is not None]
    assert at == [4, 8, 10]
    assert [row[0] for row in state.scores] == at


def test_a_training_in_short_pieces_is_validated_as_well(tmp_path):
    for steps in (2, 4, 6, 8):
        stopped(PLAN, tmp_path, steps)
    state = contents(tmp_path / LAST)[1]["state"]
    assert [row[0] for row in state["scores"]] == [4, 8]


def test_the_best_file_has_the_smallest_mean_error_and_can_be_loaded(tmp_path, monkeypatch):
    means = iter([4.0, 3.0, 5.0])
    monkeypatch.setattr(loop, "validate", lambda *_: Scores(1.0, next(means), 50.0))
    finished(PLAN, tmp_path)
    found = load(tmp_path / BEST)
    assert found.network.settings == PLAN.network
    assert found.facts["state"]["step"] == 8
    assert found.facts["recipe"] == "impartial"
    assert found.facts["planned_minutes"] == PLAN.minutes
    assert [row[3] for row in found.facts["state"]["scores"]] == [4.0, 3.0]


def test_the_rate_rises_and_falls_to_nothing(tmp_path):
    plan = replace(PLAN, minutes=1.95, validate_min=100.0)
    reports, _ = finished(plan, tmp_path)
    rates = np.array([report.rate for report in reports if not report.preparing])
    top = rates.argmax()
    assert 0 < top < 5
    assert 0.9 * plan.rate < rates[top] <= plan.rate
    assert (np.diff(rates[: top + 1]) > 0).all()
    assert (np.diff(rates[top:]) < 0).all()
    assert 0 < rates[-1] < 0.1 * plan.rate


def test_clips_are_renewed_and_only_the_latest_kept(tmp_path, cheap):
    finished(PLAN, tmp_path)
    newest = PLAN.pool - 1 + (STEPS - 1) // PLAN.renew_every
    assert [seed for seed, *_ in cheap] == [1_000_000 + n for n in range(newest + 1)]
    assert {frames for _, frames, *_ in cheap} == {2 * PLAN.frames}
    kept = sorted(path.name for path in (tmp_path / "clips").iterdir())
    assert kept == [f"clip-{n}.npz" for n in range(newest + 1 - PLAN.pool, newest + 1)]


def test_it_learns(tmp_path):
    """Speckle under other gains and noise is told apart better after a few steps."""
    plan = replace(PLAN, network=SpeckNetSettings(2, 3, 4, 4), minutes=2.95, validate_min=100.0)
    reports, _ = finished(plan, tmp_path)
    losses = [report.loss for report in reports if not report.preparing]
    assert np.mean(losses[-8:]) < 0.75 * np.mean(losses[:4])


@pytest.mark.parametrize(
    ("part", "wanted"),
    [(0.0, 0.01), (0.025, 0.5), (0.05, 1.0), (0.525, 0.5), (1.0, 0.01)],
)
def test_the_rate_rises_in_the_first_twentieth(part, wanted):
    optimizer = steps_of.optimizer_of(loop.SpeckNet(PLAN.network), 1.0)
    assert steps_of.set_rate(optimizer, 4e-3, part) == pytest.approx(4e-3 * wanted)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([4e-3 * wanted])


def test_clips_without_a_point_to_ask_for_are_passed_over():
    torch.manual_seed(0)
    network = loop.SpeckNet(PLAN.network)
    clips = [speckled(3, 96, 20), speckled(3, 96, 20, seed=1)]
    clips[0].seen[1] = False
    found = [
        steps_of.matched(network, some, lambda *_: 1, 8, np.random.default_rng(0))
        for some in (clips, clips[1:], clips[:1])
    ]
    assert len(found[0].error_px) == len(found[1].error_px) == 2 * 8
    assert found[0].total.item() == pytest.approx(found[1].total.item(), rel=1e-4)
    assert found[2] is None


# --- recipes ---------------------------------------------------------------------------------


def test_a_query_is_asked_in_any_frame_or_only_in_the_first(tmp_path):
    count, frames = 4000, 6
    for name in ("impartial", "plain"):
        run = loop._Run(replace(PLAN, recipe=RECIPES[name], frames=frames), tmp_path / name)
        random = np.random.default_rng(0)
        share = (
            np.bincount([run._query(None, random) for _ in range(count)], minlength=frames) / count
        )
        wanted = np.full(frames, 0.6 / frames)
        wanted[0] += 0.2
        wanted[int(0.72 * frames)] += 0.2
        if name == "plain":
            wanted = np.eye(frames)[0]
        np.testing.assert_allclose(share, wanted, atol=0.03)


def test_the_plain_recipe_never_turns_and_sees_the_start_of_a_clip(tmp_path, monkeypatch, cheap):
    """Frames that tell their number show which part of a clip was taken."""
    seen = []

    def clip(seed, **_):
        numbered = speckled(6, 128, 40)
        return replace(numbered, frames=torch.arange(6).view(6, 1, 1).expand(6, 128, 128).byte())

    def keep(clip, changes, side, random):
        seen.append(clip.frames[:, 0, 0].tolist())
        return replace(clip, frames=clip.frames.float())

    monkeypatch.setattr(loop, "drawn_clip", clip)
    monkeypatch.setattr(steps_of, "changed", keep)
    for name in ("plain", "impartial"):
        seen.clear()
        recipe = replace(RECIPES[name], warped=0.0, still=0.0)
        finished(replace(PLAN, recipe=recipe), tmp_path / name)
        assert all(numbers == list(range(numbers[0], numbers[0] + 3)) for numbers in seen)
        starts = {numbers[0] for numbers in seen}
        assert starts == {0} if name == "plain" else len(starts) > 1


def test_recipes_are_named_and_differ_as_they_say():
    assert all(recipe.name == name for name, recipe in RECIPES.items())
    plain, apical = RECIPES["plain"], RECIPES["impartial-apical"]
    assert plain.mix == apical.mix == APICAL
    assert not plain.changes.symmetries
    assert replace(RECIPES["impartial"], name=apical.name, mix=APICAL) == apical


# --- validation ------------------------------------------------------------------------------


def test_scores_pool_all_seen_points_but_those_of_the_query(monkeypatch):
    one = torch.tensor([[0.5, 3.0], [0.0, 0.0], [1.5, 100.0]])
    two = torch.tensor([[20.0, 5.0], [9.0, 2.5], [7.0, 0.2]])
    seen = torch.tensor([[True, True], [False, False], [True, False]])
    found = iter([(one, seen), (two, ~seen)])
    monkeypatch.setattr(validation, "errors", lambda *_: next(found))
    network = torch.nn.Identity()
    clips = [SimpleNamespace(frames=torch.zeros(3))] * 2
    scores = validate(network, clips)
    pooled = np.array([0.5, 3.0, 1.5, 9.0, 2.5, 0.2])
    assert network.training
    assert scores.mean_px == pytest.approx(pooled.mean())
    assert sorted(pooled)[2] == pytest.approx(scores.median_px)
    delta = 100 * np.mean([(pooled < limit).mean() for limit in (1, 2, 4, 8, 16)])
    assert scores.delta == pytest.approx(delta)


def test_errors_of_a_still_clip_are_small_and_the_query_does_not_count():
    torch.manual_seed(0)
    network = loop.SpeckNet(SpeckNetSettings(2, 3, 4, 4))
    clip = speckled(3, 96, 20)
    clip.seen[1, 4] = clip.seen[2, 0] = False
    error, seen = errors(network, clip, 1)
    assert error.shape == (3, 19)
    assert error.median() < 1.0
    torch.testing.assert_close(error[0], error[2])
    assert not seen[1].any()
    assert seen[0].all()
    assert seen[2].tolist() == [False] + [True] * 18
    moved = replace(clip, xy=clip.xy + torch.tensor([[[0.0, 0.0]], [[0.0, 0.0]], [[30.0, 0.0]]]))
    assert errors(network, moved, 1)[0][2].min() > 25


def test_validation_clips_are_one_of_each_kind_and_never_trained_on(monkeypatch):
    asked = []
    monkeypatch.setattr(validation, "drawn_clip", lambda seed, **named: asked.append((seed, named)))
    list(validation.validation_clips("cpu"))
    assert [named["mix"] for _, named in asked] == [{kind: 1.0} for kind in validation.KINDS]
    assert len({seed for seed, _ in asked}) == len(asked)
    assert min(seed for seed, _ in asked) > 1_000_000 * 800


# --- command ---------------------------------------------------------------------------------


def test_the_command_trains_and_says_so(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        command,
        "Plan",
        lambda recipe, network, **given: replace(
            PLAN, recipe=recipe, network=network, minutes=given["minutes"]
        ),
    )
    arguments = ["--output", str(tmp_path), "--minutes", "0.35", "--free", "--every", "0"]
    assert command.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "training clip 0" in lines[0]
    assert lines[3].startswith("step 1, 0.1 min: loss")
    assert "validation: median" in lines[-2]
    assert lines[-1] == "4 steps in 0.4 minutes of training"
    assert not load(tmp_path / BEST).network.settings.symmetric
