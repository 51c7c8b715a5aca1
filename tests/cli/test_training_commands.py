"""``usstrack pretrain`` and ``finetune``: what they write, how they go on, what they refuse."""

from __future__ import annotations

import csv
import hashlib
import json
import signal
from dataclasses import dataclass, field, replace
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest

from napari_usstrack.models import weights as kept
from napari_usstrack.models.specknet import SpeckNet, SpeckNetSettings
from napari_usstrack.pipelines import finetune as tuning
from napari_usstrack.session import Session
from napari_usstrack.synth.speckle import SpeckleClip
from napari_usstrack.training import adapt, checkpoints, lab, loop
from napari_usstrack.training.clips import TrainingClip

SMALL = SpeckNetSettings(fine=1, middle=2, coarse=2)
STEP_MIN = 1 / 128
"""Minutes that a step of training takes by the clock of these tests."""
POINTS = ("a", "b", "c", "d", "e")


@dataclass(frozen=True)
class TinyPlan(loop.Plan):
    network: SpeckNetSettings = field(default_factory=lambda: SMALL)
    side: int = 48
    clips: int = 1
    frames: int = 2
    pool: int = 2
    validate_min: float = 12 * STEP_MIN


@dataclass(frozen=True)
class TinyAdaptPlan(adapt.AdaptPlan):
    side: int = 48
    clips: int = 1
    frames: int = 2
    pool: int = 1
    trial_steps: int = 2


def texture(seed: int, *, frames: int, **_: object) -> TrainingClip:
    import torch

    random = np.random.default_rng([seed, frames])
    wide = random.integers(0, 255, (64, 64 + frames))
    shown = np.stack([wide[:, i : i + 64] for i in range(frames)]).astype(np.uint8)
    xy = random.uniform(15, 55, (1, 20, 2)) - np.arange(frames)[:, None, None] * (1.0, 0.0)
    seen = torch.ones(frames, 20, dtype=torch.bool)
    return TrainingClip(torch.from_numpy(shown), torch.from_numpy(xy).float(), seen, 0.2, "free")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Small plans, clips that cost nothing, and clocks that count calls."""
    for module in (loop, adapt):
        monkeypatch.setattr(module, "drawn_clip", texture)
        monkeypatch.setattr(module, "validation_clips", lambda _device: [texture(1, frames=3)])
        ticks = count()
        clock = SimpleNamespace(monotonic=lambda ticks=ticks: 60 * STEP_MIN * next(ticks))
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(loop, "Plan", TinyPlan)
    monkeypatch.setattr(adapt, "AdaptPlan", TinyAdaptPlan)


def complaint(ran) -> str:
    assert ran.code == 1, ran.err
    assert ran.out == ""
    (line,) = [line for line in ran.err.splitlines() if not line.startswith("warning: ")]
    assert line.startswith("usstrack: ")
    return line


# --- pretrain --------------------------------------------------------------------------------


def network_in(folder):
    network = SpeckNet(SMALL)
    checkpoints.Checkpoint.resumed(folder, network, loop.optimizer_of(network, 1e-3))
    return network.state_dict()


def test_pretrain_writes_what_it_says(usstrack, tmp_path):
    folder = tmp_path / "made" / "here"
    ran = usstrack(
        "pretrain", "--recipe", "plain", "--minutes", 25 * STEP_MIN, "--seed", 3, "-o", folder
    )
    assert ran.code == 0, ran.err
    assert "recipe plain, seed 3" in ran.out
    assert ran.err.count("delta") == 3, ran.err  # every 12 steps of 25, and the last
    for name in ("log.csv", "curves.png", "specknet.safetensors", "card.json"):
        assert name in ran.out
        assert (folder / name).is_file()
    assert not list(folder.glob("*.part"))
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    with (folder / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    trained = [row for row in rows if row["loss"]]
    judged = [row for row in rows if row["validation_median_px"]]
    assert [int(row["step"]) for row in trained] == [20]
    assert [int(row["step"]) for row in judged] == [12, 24, 25]
    assert float(judged[-1]["minutes"]) == pytest.approx(25 * STEP_MIN, abs=1e-3)
    card = json.loads((folder / "card.json").read_text())
    assert (card["recipe"], card["seed"], card["steps"]) == ("plain", 3, 25)
    assert card["minutes"] == pytest.approx(25 * STEP_MIN, abs=1e-3)
    best = min(float(row["validation_mean_px"]) for row in judged)
    assert card["scores"]["best"]["mean_px"] == best
    assert set(card["versions"]) == {"napari-usstrack", "python", "torch", "numpy"}
    assert card["hardware"]["processor"]
    content = (folder / card["file"]).read_bytes()
    assert card["sha256"] == hashlib.sha256(content).hexdigest()
    loaded = kept.load(folder / "specknet.safetensors")
    assert loaded.network.settings == SMALL
    assert loaded.facts["scores"] == card["scores"]


def test_pieces_come_to_the_same_as_one_go(usstrack, tmp_path):
    import torch

    whole, pieces = tmp_path / "whole", tmp_path / "pieces"
    assert usstrack("pretrain", "--minutes", 12 * STEP_MIN, "-o", whole).code == 0
    ran = usstrack(
        "pretrain", "--minutes", 12 * STEP_MIN, "--piece-minutes", 15 * STEP_MIN, "-o", pieces
    )
    assert ran.code == 0, ran.err
    assert f"go on with: usstrack pretrain --resume --output {pieces}" in ran.out
    assert (pieces / "log.csv").exists()
    assert not (pieces / "specknet.safetensors").exists()
    done = checkpoints.facts_in(pieces)["state"]["step"]
    assert 0 < done < 12
    ran = usstrack("pretrain", "--resume", "-o", pieces)
    assert ran.code == 0, ran.err
    assert (pieces / "specknet.safetensors").exists()
    assert checkpoints.facts_in(pieces)["state"]["step"] == 12
    one, two = network_in(whole), network_in(pieces)
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_resume_goes_on_longer_or_writes_the_results_again(usstrack, tmp_path):
    assert usstrack("pretrain", "--minutes", 5 * STEP_MIN, "--seed", 2, "-o", tmp_path).code == 0
    (tmp_path / "card.json").unlink()
    assert usstrack("pretrain", "--resume", "-o", tmp_path).code == 0
    assert json.loads((tmp_path / "card.json").read_text())["steps"] == 5
    ran = usstrack("pretrain", "--resume", "--minutes", 9 * STEP_MIN, "-o", tmp_path)
    assert ran.code == 0, ran.err
    card = json.loads((tmp_path / "card.json").read_text())
    assert (card["steps"], card["seed"], card["planned_minutes"]) == (9, 2, 9 * STEP_MIN)


@pytest.mark.parametrize("gentle", [True, False])
def test_ctrl_c_keeps_what_was_learned(usstrack, tmp_path, monkeypatch, gentle):
    learn, steps = loop.learn, []

    def interrupted(*given):
        steps.append(1)
        if len(steps) == 4:
            if not gentle:
                raise KeyboardInterrupt
            signal.raise_signal(signal.SIGINT)
        learn(*given)

    monkeypatch.setattr(loop, "learn", interrupted)
    before = signal.getsignal(signal.SIGINT)
    ran = usstrack("pretrain", "--minutes", 10 * STEP_MIN, "-o", tmp_path)
    assert ran.code == 130
    assert signal.getsignal(signal.SIGINT) is before
    assert f"Go on with: usstrack pretrain --resume --output {tmp_path}" in ran.err
    assert "Traceback" not in ran.err
    assert checkpoints.facts_in(tmp_path)["state"]["step"] == (4 if gentle else 3)
    assert (tmp_path / "curves.png").exists()
    assert usstrack("pretrain", "--resume", "-o", tmp_path).code == 0
    assert checkpoints.facts_in(tmp_path)["state"]["step"] == 10


def test_pretrain_refuses_what_cannot_be(usstrack, tmp_path):
    folder, empty = tmp_path / "full", tmp_path / "empty"
    assert usstrack("pretrain", "--minutes", STEP_MIN, "-o", folder).code == 0
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    said = complaint(usstrack("pretrain", "-o", folder))
    assert "full holds a training already" in said
    assert "--resume" in said
    said = complaint(usstrack("pretrain", "--resume", "-o", empty))
    assert "empty holds no training" in said
    for words, part in (
        (("--recipe", "plain"), "--recipe impartial, not plain"),
        (("--seed", "4"), "--seed 0, not 4"),
        (("--minutes", "0"), "--minutes cannot be 0"),
        (("--piece-minutes", "nan"), "--piece-minutes cannot be nan"),
    ):
        assert part in complaint(usstrack("pretrain", "--resume", "-o", folder, *words))
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    assert not empty.exists()
    (tmp_path / "file").write_text("")
    assert "is a file" in complaint(usstrack("pretrain", "-o", tmp_path / "file"))
    (folder / "checkpoint.safetensors").write_bytes(b"nonsense")
    assert "cannot be read as a checkpoint" in complaint(
        usstrack("pretrain", "--resume", "-o", folder)
    )


# --- finetune --------------------------------------------------------------------------------


@pytest.fixture
def base(tmp_path):
    path = tmp_path / "base.safetensors"
    checkpoints.write_weights(
        SpeckNet(SMALL), path, {"network": SMALL.plain(), "recipe": "impartial", "seed": 9}
    )
    return path


def table(path, clip: SpeckleClip, names=POINTS, frames=range(8)):
    start = np.array([(25 + 8 * i, 30 + 4 * i) for i in range(len(names))], dtype=float)
    xy = clip.truth(start)
    rows = [
        f"{t},{name},{xy[t, i, 0]},{xy[t, i, 1]}" for t in frames for i, name in enumerate(names)
    ]
    path.write_text("\n".join(["frame,point,x,y", *rows]))
    return path


@pytest.fixture
def tracks(tmp_path, moving):
    return table(tmp_path / "tracks.csv", moving)


def tried(monkeypatch, *means: float) -> None:
    """Let trials come out as told: before, and one after another."""
    each = iter(means)

    def errors(trial, _network):
        mean = next(each)
        return lab.Held(trial.labels, mean, mean, 0.1 * mean, 0.1 * mean)

    monkeypatch.setattr(lab.Trial, "errors", errors)


def test_finetune_writes_the_adapted_network(usstrack, clip, tracks, base, tmp_path, monkeypatch):
    tried(monkeypatch, 4.0, 3.0, 2.0, 3.5, *[3.0] * 50)
    output = tmp_path / "lab.safetensors"
    ran = usstrack(
        *("finetune", tracks, "--clip", clip, "--weights", base, "-o", output),
        *("--minutes", 0.4, "--mm-per-px", 0.1),
    )
    assert ran.code == 0, ran.err
    assert "32 labels of 4 points in 1 clips" in ran.out
    assert "every fourth point (d): 7 labels" in ran.out
    assert "before   median 4.00 px (0.400 mm), mean 4.00 px (0.400 mm)" in ran.out
    assert "adapted  median 2.00 px (0.200 mm), mean 2.00 px (0.200 mm)" in ran.out
    assert "kept     the adapted network" in ran.out
    assert "generated clips before" in ran.out
    card = json.loads((tmp_path / "lab.safetensors.json").read_text())
    assert card["sha256"] == hashlib.sha256(output.read_bytes()).hexdigest()
    loaded, first = kept.load(output), kept.load(base)
    (entry,) = loaded.facts["finetuned"]
    assert (entry["kept"], entry["from_sha256"]) == ("adapted", first.sha256)
    assert entry["held_out"]["adapted"]["mean_px"] == 2.0
    assert (loaded.facts["recipe"], loaded.facts["seed"]) == ("impartial", 9)
    assert "tracks" not in json.dumps(card)
    assert "clip.npy" not in json.dumps(card)
    assert differ(loaded, first)


def differ(one, two) -> bool:
    mine, theirs = (each.network.state_dict() for each in (one, two))
    return any((mine[name] != theirs[name]).any() for name in mine)


def test_finetune_says_that_it_kept_the_old_weights(
    usstrack, clip, tracks, base, tmp_path, monkeypatch
):
    tried(monkeypatch, 2.0, *[2.5] * 50)
    output = tmp_path / "lab.safetensors"
    ran = usstrack(
        *("finetune", tracks, "--clip", clip, "--weights", base, "-o", output, "--minutes", 0.3)
    )
    assert ran.code == 0, ran.err
    assert "kept     the network as it was" in ran.out
    assert "adapted  median 2.50 px" in ran.out
    loaded = kept.load(output)
    assert loaded.facts["finetuned"][0]["kept"] == "as it was"
    assert not differ(loaded, kept.load(base))


def test_finetune_really_tracks_and_learns(usstrack, clip, tracks, base, tmp_path):
    output = tmp_path / "lab.safetensors"
    ran = usstrack(
        *("finetune", tracks, "--clip", clip, "--weights", base, "-o", output),
        *("--minutes", 0.05, "--points", "a,b,c", "--seed", 5),
    )
    assert ran.code == 0, ran.err
    assert "18 labels of 3 points" in ran.out
    assert "the last quarter of the labelled frames: 6 labels" in ran.out
    (entry,) = kept.load(output).facts["finetuned"]
    assert entry["settings"]["seed"] == 5
    assert entry["held_out"]["before"]["median_mm"] is None


@pytest.fixture
def project(clip, moving, tracks):
    """Labels in two frames, and a run through all of them."""
    with Session.open(clip, fps=50.0) as session:
        for name, at in zip(POINTS[:4], ((25, 30), (33, 34), (41, 38), (49, 42)), strict=True):
            session.place(name, 0, at)
            session.place(name, 7, (at[0] + 7.0, at[1] - 3.5))
        session.track(method="lucas-kanade", options={"window": 21})
        return session.save()


def test_of_a_project_labels_count_and_a_run_that_is_named(
    usstrack, project, base, tmp_path, monkeypatch
):
    output = tmp_path / "lab.safetensors"
    words = ("--weights", base, "-o", output, "--minutes", 0.05)
    tried(monkeypatch, *[1.0] * 100)
    ran = usstrack("finetune", project, *words)
    assert ran.code == 0, ran.err
    assert "6 labels of 3 points" in ran.out
    ran = usstrack("finetune", project, "--run", "track", *words)
    assert ran.code == 0, ran.err
    assert "24 labels of 3 points" in ran.out
    assert "no run 'fill'" in complaint(usstrack("finetune", project, "--run", "fill", *words))


def test_one_clip_for_all_tables_or_one_for_each(
    usstrack, clip, moving, tracks, base, tmp_path, monkeypatch
):
    more = table(tmp_path / "more.csv", moving, names=("x", "y"))
    words = ("--weights", base, "-o", tmp_path / "lab.safetensors", "--minutes", 0.05)
    tried(monkeypatch, *[1.0] * 100)
    for clips in (("--clip", clip), ("--clip", clip, "--clip", clip)):
        ran = usstrack("finetune", tracks, more, *clips, *words)
        assert ran.code == 0, ran.err
        assert "in 2 clips" in ran.out
    thrice = ("--clip", clip) * 3
    assert "3 times for 2 files" in complaint(usstrack("finetune", tracks, more, *thrice, *words))


def test_finetune_refuses_in_one_sentence_and_writes_nothing(
    usstrack, clip, moving, tracks, base, tmp_path
):
    output = tmp_path / "lab.safetensors"
    once = table(tmp_path / "once.csv", moving, frames=(0,))
    short = table(tmp_path / "short.csv", moving, names=("a",), frames=(0, 1))
    flow = tmp_path / "flow.csv"
    flow.write_text("frame,point,x,y,source\n0,a,30,30,manual\n1,a,31,30,flow\n2,a,32,30,flow\n")
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"nonsense")
    full = ("--clip", clip, "--weights", base, "-o", output)
    for words, parts in (
        ((tracks, "--weights", base, "-o", output), ("tracks.csv", "--clip")),
        ((once, *full), ("once.csv", "in two frames", "label more")),
        ((flow, *full), ("flow.csv", "placed or accepted")),
        ((short, *full), ("short.csv", "too few labels", "four")),
        ((tmp_path / "none.csv", *full), ("none.csv",)),
        ((tracks, *full, "--points", "heel"), ("'heel'", "a, b, c")),
        ((tracks, *full, "--run", "track"), ("no project", "--run")),
        ((tracks, *full, "--minutes", "-1"), ("--minutes", "-1")),
        ((tracks, *full[:2], "--weights", bad, "-o", output), ("bad.safetensors",)),
        ((tracks, *full[:2], "--weights", tmp_path / "no.safetensors", "-o", output), ("no.saf",)),
        ((tracks, *full[:4], "-o", tmp_path / "lab.pt"), ("lab.pt", ".safetensors")),
        ((tracks, *full[:4], "-o", base), ("base.safetensors is an input",)),
        ((tracks, *full[:4], "-o", tmp_path / "no" / "lab.safetensors"), ("cannot be written",)),
    ):
        said = complaint(usstrack("finetune", *words))
        assert all(part in said for part in parts), said
    assert not list(tmp_path.glob("lab*"))


def test_without_any_weights_there_is_one_sentence(usstrack, clip, tracks, tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "SPECKNET", tmp_path / "nothing.safetensors")
    output = tmp_path / "lab.safetensors"
    said = complaint(usstrack("finetune", tracks, "--clip", clip, "-o", output))
    assert "--weights" in said
    assert "pretrain" in said


def test_shipped_weights_are_adapted_by_default(
    usstrack, clip, tracks, base, tmp_path, monkeypatch
):
    monkeypatch.setattr(kept, "SPECKNET", base)
    tried(monkeypatch, *[1.0] * 50)
    output = tmp_path / "lab.safetensors"
    ran = usstrack("finetune", tracks, "--clip", clip, "-o", output, "--minutes", 0.05)
    assert ran.code == 0, ran.err
    assert kept.load(output).facts["finetuned"][0]["from_sha256"] == kept.load(base).sha256


def test_ctrl_c_writes_nothing(usstrack, clip, tracks, base, tmp_path, monkeypatch):
    tried(monkeypatch, *[1.0] * 50)
    learn = adapt.learn

    def interrupted(*given):
        signal.raise_signal(signal.SIGINT)
        learn(*given)

    monkeypatch.setattr(adapt, "learn", interrupted)
    output = tmp_path / "lab.safetensors"
    ran = usstrack("finetune", tracks, "--clip", clip, "--weights", base, "-o", output)
    assert ran.code == 130
    assert "nothing was written" in ran.err
    assert not list(tmp_path.glob("lab*"))


def test_a_third_of_the_clips_is_generated(monkeypatch):
    plan = replace(tuning.plan_of(1.0, 0, "cpu"), pool=1)
    assert plan.generated == 0.3
    own = replace(texture(0, frames=4), scene="own")
    monkeypatch.setattr(adapt, "to_learn", lambda *_: own)
    run = adapt._Run(SpeckNet(SMALL), [None], [None], plan)
    for _ in run.prepare():
        pass
    random = np.random.default_rng(0)
    scenes = [run._clip(random).scene for _ in range(200)]
    assert 0.2 < scenes.count("free") / len(scenes) < 0.4
