"""Rendered clips: their paths are those of the scene, and the seed decides everything."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from blobs import centroids

from napari_usstrack.synth.catalogue import SCENES, draw
from napari_usstrack.synth.cloud import single
from napari_usstrack.synth.look import Look
from napari_usstrack.synth.render import Renderer
from napari_usstrack.synth.scene import Scene
from napari_usstrack.training import clips
from napari_usstrack.training.clips import MIX, MOST_POINTS, SIZE, TrainingClip, drawn_clip

FRAMES = 3
CASES = [("free", 1), ("vessel", 1)]
QUIET = Look(noise_db=-200.0)


class Drawn(NamedTuple):
    """A clip, the frames of its scene, and the material places that were followed."""

    name: str
    seed: int
    clip: TrainingClip
    asked: int
    materials: list


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case[0])
def drawn(request) -> Drawn:
    name, seed = request.param
    asked, materials, paths = [], [], Scene.paths

    def spy(*given, **named):
        asked.append(named["frames"])
        return draw(*given, **named)

    def followed(scene, body, material):
        materials.append((body, material, paths(scene, body, material)))
        return materials[-1][-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clips, "draw", spy)
        patch.setattr(Scene, "paths", followed)
        clip = drawn_clip(seed, frames=FRAMES, mix={name: 1.0}, most_stride=4)
    return Drawn(name, seed, clip, asked[0], materials)


def test_shapes(drawn):
    clip = drawn.clip
    assert clip.scene == drawn.name
    assert clip.frames.shape == (FRAMES, SIZE, SIZE)
    assert clip.frames.dtype == torch.uint8
    assert clip.xy.shape[0] == FRAMES
    assert 50 < clip.xy.shape[1] <= MOST_POINTS
    assert clip.seen.shape == clip.xy.shape[:2]
    assert clip.mm_per_px > 0


def test_points_are_seen_inside_the_picture_and_at_least_once(drawn):
    clip = drawn.clip
    xy = clip.xy[clip.seen]
    assert ((xy >= 0) & (xy <= SIZE - 1)).all()
    assert clip.seen.any(dim=0).all()


def material_of(drawn: Drawn, renderer: Renderer, wanted: np.ndarray):
    """Body and material place that was asked for where the path begins."""
    for body, material, mm in drawn.materials:
        x, y = (torch.from_numpy(mm[0, :, axis].copy()) for axis in (0, 1))
        px = torch.stack(renderer.display.px(x, y), dim=-1).numpy()
        off = np.linalg.norm(px - wanted, axis=1)
        if off.min() < 1e-3:
            return body, material[off.argmin()].tolist()
    raise AssertionError("no material place begins there")


def test_a_lone_scatterer_is_drawn_where_the_path_says(drawn):
    """In the scene at its own frame rate, of which the clip shows every so many frames."""
    clip, stride, room = drawn.clip, drawn.asked // FRAMES, 25
    scene = draw(drawn.name, drawn.seed, frames=drawn.asked, orientation="any")
    scene = replace(scene, look=QUIET)
    empty = Renderer(scene, seed=0, size=(SIZE, SIZE), scatterers=[])
    border = ~empty.display.mask
    far = ((clip.xy > room) & (clip.xy < SIZE - 1 - room)).all(dim=-1).all(dim=0)
    cells = clip.xy.round().long().clamp(0, SIZE - 1)
    wide = torch.nn.functional.max_pool2d(border[None].float(), 2 * room + 1, 1, room)[0]
    far &= (wide[cells[..., 1], cells[..., 0]] == 0).all(dim=0) & clip.seen.all(dim=0)
    chosen = torch.nonzero(far)[:, 0][:: max(int(far.sum()) // 3, 1)][:3].tolist()
    assert len(chosen) == 3
    for point in chosen:
        path = clip.xy[:, point].double().numpy()
        body, place = material_of(drawn, empty, path[0])
        lone = single(scene, body, *place, torch.device("cpu"))
        renderer = Renderer(scene, seed=0, size=(SIZE, SIZE), scatterers=[lone])
        pictures = list(renderer.pictures())[::stride]
        grey = torch.stack([renderer.display.amplitude(p.double()) for p in pictures])
        assert np.abs(centroids(grey) - path).max() < 0.15


def test_the_same_seed_gives_the_same_clip():
    one, again, other = (drawn_clip(s, frames=2, mix={"free": 1.0}) for s in (1, 1, 2))
    assert torch.equal(one.frames, again.frames)
    assert torch.equal(one.xy, again.xy)
    assert torch.equal(one.seen, again.seen)
    assert not torch.equal(one.frames, other.frames)


# --- what is drawn ---------------------------------------------------------------------------


class EnoughError(Exception):
    """Ends a draw once the scene is asked for."""


@pytest.fixture
def ask(monkeypatch):
    """Kind, frames and orientation of the scene that a seed leads to; nothing is rendered."""
    found = {}

    def spy(name, seed, *, frames, orientation):
        found.update(name=name, seed=seed, frames=frames, orientation=orientation)
        raise EnoughError

    monkeypatch.setattr(clips, "draw", spy)

    def asked(seed, **named):
        with pytest.raises(EnoughError):
            drawn_clip(seed, **named)
        return dict(found)

    return asked


@pytest.mark.parametrize("most", [1, 2, 6])
def test_frames_are_at_most_so_many_frames_apart(ask, most):
    strides = [ask(seed, frames=5, most_stride=most)["frames"] / 5 for seed in range(120)]
    assert set(strides) == set(range(1, most + 1))


def test_scenes_are_drawn_as_often_as_the_mix_says(ask):
    mix = {"free": 3.0, "vessel": 1.0}
    count = 800
    names = [ask(seed, frames=2, mix=mix)["name"] for seed in range(count)]
    expected = 0.75 * count
    assert abs(names.count("free") - expected) < 5 * np.sqrt(expected * 0.25)
    assert names.count("free") + names.count("vessel") == count


def test_every_scene_of_the_mix_exists_and_orientation_is_handed_on(ask):
    assert set(MIX) <= set(SCENES)
    assert ask(0, frames=2)["orientation"] == "any"
    assert ask(3, frames=2, orientation="usual") == {**ask(3, frames=2), "orientation": "usual"}


# --- parts -----------------------------------------------------------------------------------


def test_a_part_of_a_clip_keeps_frames_and_truth_together():
    clip = drawn_clip(1, frames=3, mix={"free": 1.0})
    back = clip.part(torch.tensor([2, 0]))
    assert torch.equal(back.frames, clip.frames[[2, 0]])
    assert torch.equal(back.xy, clip.xy[[2, 0]])
    assert torch.equal(back.seen, clip.seen[[2, 0]])
    assert back.mm_per_px == clip.mm_per_px
    assert torch.equal(clip.part(slice(1, 3)).xy, clip.xy[1:3])
