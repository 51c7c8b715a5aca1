"""Direction of lines on pictures whose direction is known."""

from __future__ import annotations

import numpy as np
import pytest
from line_pictures import MM, SHAPE, grey, lines, speckle

from napari_usstrack.flow.ridges import fascicle_angle, line_energy

REGION = np.array([[20.0, 30.0], [400.0, 20.0], [400.0, 215.0], [20.0, 225.0]])


@pytest.mark.parametrize("angle", [-75.0, -44.3, -17.2, 3.1, 22.6, 50.0, 88.7])
def test_even_lines_have_their_angle(angle):
    found = fascicle_angle(grey(lines(angle)), REGION, spacing_mm=(MM, MM))
    assert found.angle_deg == pytest.approx(angle, abs=0.2)
    assert found.confidence > 0.8
    assert found.sd_deg < 1.0
    assert abs(found.bend_deg) < 0.5


@pytest.mark.parametrize("angle", [-30.0, 18.0])
def test_pixels_need_not_be_square(angle):
    spacing = (0.08, 0.13)
    picture = grey(lines(angle, spacing=spacing))
    found = fascicle_angle(picture, REGION, spacing_mm=spacing)
    assert found.angle_deg == pytest.approx(angle, abs=0.2)


@pytest.mark.parametrize("angle", [-25.0, 15.0, 42.0])
def test_speckle_on_lines(angle):
    found = fascicle_angle(grey(lines(angle) * speckle()), REGION, spacing_mm=(MM, MM))
    assert found.angle_deg == pytest.approx(angle, abs=1.0)


def test_without_lines_confidence_is_low():
    noise = np.random.default_rng(3).normal(120.0, 30.0, SHAPE)
    for picture in (grey(120.0 * speckle()), grey(noise)):
        found = fascicle_angle(picture, REGION, spacing_mm=(MM, MM))
        assert found.confidence < 0.3
    flat = fascicle_angle(np.full(SHAPE, 90, np.uint8), REGION, spacing_mm=(MM, MM))
    assert flat.confidence == 0.0
    assert np.isnan(flat.angle_deg)


def test_a_mirrored_picture_mirrors_the_answer():
    picture = grey(lines(27.0) * speckle())
    mirrored = REGION * [-1, 1] + [SHAPE[1] - 1, 0]
    here = fascicle_angle(picture, REGION, spacing_mm=(MM, MM))
    there = fascicle_angle(picture[:, ::-1], mirrored, spacing_mm=(MM, MM))
    assert there.angle_deg == pytest.approx(-here.angle_deg, abs=0.3)
    assert there.bend_deg == pytest.approx(-here.bend_deg, abs=1.0)


def test_a_turned_picture_turns_the_answer():
    picture = grey(lines(27.0) * speckle())
    turned = np.stack([REGION[:, 1], SHAPE[1] - 1 - REGION[:, 0]], axis=-1)
    here = fascicle_angle(picture, REGION, spacing_mm=(MM, MM))
    there = fascicle_angle(np.rot90(picture), turned, spacing_mm=(MM, MM))
    assert there.angle_deg == pytest.approx(here.angle_deg - 90.0, abs=0.3)


def test_brightness_and_contrast_do_not_matter():
    picture = lines(-33.0) * speckle()
    here = fascicle_angle(picture, REGION, spacing_mm=(MM, MM))
    ramp = np.linspace(0.3, 1.0, SHAPE[1])
    for other in (0.2 * picture + 40.0, picture * ramp):
        there = fascicle_angle(other, REGION, spacing_mm=(MM, MM))
        assert there.angle_deg == pytest.approx(here.angle_deg, abs=0.4)


def test_what_lies_outside_the_region_does_not_leak_in():
    picture = lines(30.0) * speckle()
    here = fascicle_angle(picture, REGION, spacing_mm=(MM, MM))
    picture[:20], picture[226:] = 255.0, 255.0
    there = fascicle_angle(picture, REGION, spacing_mm=(MM, MM))
    assert there.angle_deg == pytest.approx(here.angle_deg, abs=0.3)


def test_a_prediction_chooses_between_two_directions():
    picture = grey(0.6 * lines(40.0) + 0.4 * lines(-20.0))
    at = {"region": REGION, "spacing_mm": (MM, MM)}
    assert fascicle_angle(picture, **at).angle_deg == pytest.approx(40.0, abs=1.0)
    near = fascicle_angle(picture, **at, predicted_deg=-25.0, search_deg=12.0)
    assert near.angle_deg == pytest.approx(-20.0, abs=1.0)


def test_bent_lines_differ_between_the_halves():
    y = np.arange(SHAPE[0])[:, None]
    upper, lower = lines(38.0), lines(26.0)
    picture = np.where(y < SHAPE[0] / 2, upper, lower)
    found = fascicle_angle(grey(picture), REGION, spacing_mm=(MM, MM), length_mm=8.0)
    assert found.bend_deg == pytest.approx(12.0, abs=4.0)


def test_energy_peaks_at_the_direction_of_lines():
    angles = np.arange(-90.0, 90.0, 2.0)
    energy = line_energy(
        grey(lines(24.0)), REGION, angles, length_mm=10.0, width_mm=1.0, spacing_mm=(MM, MM)
    )
    assert angles[energy.argmax()] == 24.0
    assert energy.max() > 5.0 * np.median(energy)


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="region is corners x 2"):
        fascicle_angle(np.zeros(SHAPE), [[0, 0], [1, 1]], spacing_mm=(MM, MM))
    with pytest.raises(ValueError, match="grey frame"):
        fascicle_angle(np.zeros((3, *SHAPE)), REGION, spacing_mm=(MM, MM))
    with pytest.raises(ValueError, match="nothing is left"):
        fascicle_angle(np.zeros(SHAPE), REGION, spacing_mm=(MM, MM), margin_mm=30.0)
