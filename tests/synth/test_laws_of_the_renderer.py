"""Laws a rendered clip must obey, whatever the scene."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from napari_usstrack.synth.blocks import compressed
from napari_usstrack.synth.cloud import PER_CELL, SLAB, clouds
from napari_usstrack.synth.look import Look, Shadow
from napari_usstrack.synth.looks import random_look
from napari_usstrack.synth.probe import FWHM, cardiac, curved, linear
from napari_usstrack.synth.render import Renderer, render
from napari_usstrack.synth.scene import Body, Mark, Pose, Scene, Still, everywhere

QUIET = Look(noise_db=-200.0)
PROBE = linear(depth_mm=16.0, width_mm=16.0, mhz=5.0)
SIZE = (96, 96)
MARKS = (Mark("left", "tissue", -5.0, 9.0), Mark("right", "tissue", 5.0, 9.0))


def still(look=QUIET, *, lifetime_s=1e9, echo=None, **changes):
    body = Body("tissue", echo or everywhere(-6.0), Still(), everywhere(lifetime_s), restless=0.0)
    body = replace(body, **changes)
    return Scene("still", PROBE, (body,), MARKS, 5, 25.0, look=look)


def frames_of(scene, seed=1, size=SIZE):
    return render(scene, seed=seed, size=size).frames


def power(scene, seed=1):
    renderer = Renderer(scene, seed=seed, size=SIZE)
    inner = renderer.grid.inner
    echoes = [cloud.amplitude for cloud in renderer.clouds]
    return renderer.field(echoes, 0)[inner].abs().square()


def test_same_seed_same_bytes_another_seed_other_bytes():
    scene = still(Look(haze_db=-30.0, clutter_db=-20.0, dropout_db=20.0), lifetime_s=0.2)
    one, two, other = (frames_of(scene, seed).tobytes() for seed in (4, 4, 5))
    assert one == two
    assert one != other


def test_the_number_of_threads_does_not_change_a_byte():
    scene = still(Look(haze_db=-30.0), lifetime_s=0.2)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = frames_of(scene)
        torch.set_num_threads(2)
        two = frames_of(scene)
    finally:
        torch.set_num_threads(threads)
    assert np.abs(one.astype(int) - two).max() <= 1
    assert (one == two).mean() > 0.999


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an accelerator")
def test_an_accelerator_agrees_to_one_grey_level():
    scene = still(Look(haze_db=-30.0, clutter_db=-20.0), lifetime_s=0.2)
    here = render(scene, seed=3, size=SIZE).frames.astype(int)
    there = render(scene, seed=3, size=SIZE, device="cuda").frames
    assert np.abs(here - there).max() <= 1


def test_global_random_state_is_neither_used_nor_changed():
    np.random.seed(1)
    torch.manual_seed(1)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    one = frames_of(still())
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])
    assert torch.equal(torch.get_rng_state(), before[1])
    torch.manual_seed(2)
    np.testing.assert_array_equal(frames_of(still()), one)


def test_still_tissue_without_noise_repeats_one_picture():
    frames = frames_of(still())
    assert (frames == frames[0]).all()
    assert frames[0].std() > 20


@pytest.mark.parametrize("probe", [PROBE, cardiac(depth_mm=60.0), curved(depth_mm=60.0)])
def test_mean_power_of_tissue_is_what_its_level_says_at_every_depth(probe):
    scene = replace(still(), probe=probe)
    thick = replace(scene.bodies[0], through_mm=everywhere(1.0))
    for case in (scene, replace(scene, bodies=(thick,))):
        values = power(case)
        thirds = [float(part.mean()) for part in values[values.shape[0] // 8 :].chunk(3)]
        assert 10 * np.log10(thirds) == pytest.approx([-6.0] * 3, abs=1.0)


def test_speckle_power_is_exponentially_distributed():
    values = np.concatenate([power(still(), seed).numpy().ravel() for seed in range(4)])
    assert values.std() / values.mean() == pytest.approx(1.0, abs=0.12)


@pytest.mark.parametrize("probe", [PROBE, cardiac(), curved()])
def test_there_are_ten_scatterers_in_every_resolution_cell(probe):
    scene = replace(still(), probe=probe)
    (cloud,) = clouds(scene, np.random.default_rng(0), torch.device("cpu"))
    beam, range_mm = probe.beam_and_range(*cloud.path(0.0))
    inside = (beam > 0) & (beam < probe.beams - 1) & (range_mm > 0) & (range_mm < probe.depth_mm)
    beam, range_mm = beam[inside], range_mm[inside]
    edges = torch.linspace(0.0, probe.depth_mm, 6)
    for low, high in pairwise(edges):
        band = (range_mm > low) & (range_mm <= high)
        depths = torch.linspace(float(low), float(high), 50)
        cells = probe.cells_per_beam_mm(depths).mean() * (probe.beams - 1) * (high - low)
        assert float(band.sum() / cells) == pytest.approx(PER_CELL, rel=0.05)


@pytest.mark.parametrize("lifetime_s", [0.1, 0.4])
def test_echoes_fade_as_their_lifetime_says(lifetime_s):
    scene = replace(still(lifetime_s=lifetime_s), frame_count=4)
    renderer = Renderer(scene, seed=2, size=SIZE)
    heard = []
    renderer.scanner.envelope = lambda field: heard.append(field) or field.abs()
    assert len(list(renderer.pictures())) == 4
    one, other = heard[0], heard[3]
    energy = (one.abs().square().mean() * other.abs().square().mean()).sqrt()
    same = (one * other.conj()).mean().abs() / energy
    assert float(same) == pytest.approx(math.exp(-3 / scene.fps / lifetime_s), abs=0.12)


def test_the_restless_share_is_new_in_every_frame():
    body = replace(still().bodies[0], restless=0.3)
    scene = replace(still(), bodies=(body,))
    renderer = Renderer(scene, seed=2, size=SIZE)
    heard = []
    renderer.scanner.envelope = lambda field: heard.append(field) or field.abs()
    assert len(list(renderer.pictures())) == 5
    for other in heard[1:]:
        energy = (heard[0].abs().square().mean() * other.abs().square().mean()).sqrt()
        same = (heard[0] * other.conj()).mean().abs() / energy
        assert float(same) == pytest.approx(0.7, abs=0.05)


def test_travel_through_the_plane_fades_speckle_and_coming_back_restores_it():
    body = replace(still().bodies[0], through_mm=everywhere(PROBE.elevation_mm))
    there_and_back = lambda seconds: {0: 0.0, 1: 0.5, 2: 1.0, 3: 0.5, 4: 0.0}[round(25 * seconds)]
    scene = replace(still(), bodies=(body,), through=there_and_back)
    clip = render(scene, seed=1, size=SIZE)
    inner = clip.frames[:, clip.mask].astype(float)
    same = [np.corrcoef(inner[0], other)[0, 1] for other in inner]
    assert same[1] < 0.6
    assert same[2] < 0.2
    assert same[4] == pytest.approx(1.0)


def test_what_lies_beside_the_plane_comes_into_view():
    body = replace(
        still().bodies[0],
        beside_db=(everywhere(-40.0),),
        through_mm=everywhere(0.5 * SLAB * PROBE.elevation_mm),
    )
    scene = replace(still(), bodies=(body,), through=lambda seconds: 12.5 * seconds)
    renderer = Renderer(scene, seed=1, size=SIZE)
    echoes = [cloud.amplitude for cloud in renderer.clouds]
    half, other = (float(renderer.field(echoes, f).abs().square().mean()) for f in (1, 3))
    assert half < 0.2 * other or other < 0.2 * half


def test_a_shadow_darkens_and_hides_the_points_in_it():
    shadow = Shadow(beam=0.8, width=0.3, from_mm=2.0, loss_db=40.0)
    clip = render(still(replace(QUIET, shadows=(shadow,))), seed=1, size=SIZE)
    assert clip.tracks.visible.tolist() == [[True, False]] * 5
    assert clip.tracks.present.all()
    assert clip.frames[0, 50:, 70:84].mean() < clip.frames[0, 50:, 10:30].mean() - 100


def test_what_lies_outside_the_view_is_black_and_not_visible():
    far = replace(still(), probe=cardiac(depth_mm=20.0), marks=(Mark("out", "tissue", 19.0, 3.0),))
    clip = render(far, seed=1, size=SIZE)
    assert not clip.tracks.visible.any()
    assert (clip.frames[:, ~clip.mask] == 0).all()
    assert (clip.frames[0, clip.mask] > 0).mean() > 0.9
    x, y = clip.apex_xy
    assert x == pytest.approx(47.5, abs=0.01)
    assert y < 10


def test_persistence_mixes_in_the_former_picture():
    fading = still(lifetime_s=0.02)
    one = frames_of(fading).astype(float)
    mixed = frames_of(replace(fading, look=replace(QUIET, persistence=0.4))).astype(float)
    np.testing.assert_array_equal(mixed[0], one[0])
    inner = one[1] > 0
    np.testing.assert_allclose(mixed[1][inner], (0.6 * one[1] + 0.4 * mixed[0])[inner], atol=1.0)


def test_grey_undone_gives_the_envelope_again():
    look = Look(dynamic_range_db=50.0, gamma=1.4, gain_db=3.0)
    renderer = Renderer(still(look), seed=1, size=SIZE)
    envelope = torch.full((renderer.grid.samples, renderer.grid.beams), 0.2)
    back = renderer.display.amplitude(renderer.display.picture(envelope).float())
    assert float(back[48, 48]) == pytest.approx(0.2, rel=0.02)


def test_compression_keeps_flat_pictures_and_loses_detail():
    flat = torch.full((19, 30), 100.0)
    assert float((compressed(flat, 20.0) - 100.0).abs().max()) < 3.0
    noise = torch.from_numpy(np.random.default_rng(0).normal(100, 20, (40, 40))).float()
    small, large = ((compressed(noise, q) - noise).square().mean() for q in (2.0, 40.0))
    assert 0 < small < 1.0
    assert large > 20 * small


@pytest.mark.parametrize("probe", [PROBE, cardiac(), curved()])
def test_beams_and_places_are_inverse(probe):
    random = np.random.default_rng(0)
    beam = torch.from_numpy(random.uniform(0, probe.beams, 50))
    range_mm = torch.from_numpy(random.uniform(1, probe.depth_mm, 50))
    again = probe.beam_and_range(*probe.place(beam, range_mm))
    torch.testing.assert_close(again[0], beam)
    torch.testing.assert_close(again[1], range_mm)
    sd_mm = probe.lateral_sd_beams(range_mm) * probe.beam_step
    assert bool((sd_mm * FWHM > 0).all())


def test_a_pose_and_its_inverse():
    pose = Pose(33.0, True, (4.0, -2.0), (10.0, 50.0))
    place = tuple(torch.tensor([1.0, 7.0]) + shift for shift in (0.0, 3.0))
    for ours, theirs in zip(pose.anatomy(pose.seen(place, 0.0)), place, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_looks_differ_and_repeat():
    one, two, other = (random_look(PROBE, np.random.default_rng(s)) for s in (1, 1, 2))
    assert one == two
    assert one != other
