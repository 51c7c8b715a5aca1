"""Looks drawn at random, as different scanners, settings and patients give them."""

from __future__ import annotations

import numpy as np

from napari_usstrack.synth.look import Look, Shadow
from napari_usstrack.synth.probe import Probe


def random_look(probe: Probe, random: np.random.Generator) -> Look:
    """Draw the settings of a scanner for a kind of probe.

    Ranges were chosen so that clips agree with real ones in the measures of
    ``python -m benchmarks.realism``.
    """
    return _cardiac(probe, random) if probe.fan else _linear(probe, random)


def _cardiac(probe: Probe, random: np.random.Generator) -> Look:
    draw = random.uniform
    near, far = draw(-4.0, 6.0), draw(-4.0, 6.0)
    return Look(
        dynamic_range_db=draw(42.0, 60.0),
        gain_db=draw(-6.0, 4.0),
        gain_steps_db=(near, draw(-3.0, 3.0), draw(-3.0, 3.0), far),
        gamma=draw(1.1, 1.9),
        noise_db=draw(-52.0, -36.0),
        noise_rise_db=draw(4.0, 16.0),
        clutter_db=draw(-28.0, -4.0),
        clutter_mm=draw(8.0, 30.0),
        haze_db=draw(-55.0, -34.0),
        shadows=_shadows(random, 0.4, probe.depth_mm, (8.0, 22.0)),
        dropout_db=draw(0.0, 24.0),
        persistence=draw(0.0, 0.4),
        smoothing_mm=draw(0.2, 1.3),
        smoothing_beams=draw(0.0, 1.5),
        block_quality=_blocks(random),
    )


def _linear(probe: Probe, random: np.random.Generator) -> Look:
    draw = random.uniform
    return Look(
        dynamic_range_db=draw(45.0, 66.0),
        gain_db=draw(-8.0, 2.0),
        gain_steps_db=(draw(-2.0, 4.0), draw(-3.0, 3.0), draw(-12.0, 0.0)),
        gamma=draw(1.1, 1.9),
        noise_db=draw(-56.0, -40.0),
        noise_rise_db=draw(4.0, 14.0),
        clutter_db=draw(-40.0, -16.0),
        clutter_mm=draw(2.0, 6.0),
        haze_db=draw(-60.0, -40.0),
        shadows=_shadows(random, 0.15, probe.depth_mm, (6.0, 16.0)),
        dropout_db=draw(0.0, 12.0),
        persistence=draw(0.0, 0.5),
        smoothing_mm=draw(0.1, 0.35),
        smoothing_beams=draw(0.5, 3.0),
        block_quality=_blocks(random),
    )


def _shadows(
    random: np.random.Generator, chance: float, depth_mm: float, loss_db: tuple[float, float]
) -> tuple[Shadow, ...]:
    count = int(random.random() < chance) + int(random.random() < 0.3 * chance)
    return tuple(
        Shadow(
            beam=float(np.clip(random.normal(random.choice([0.1, 0.9]), 0.15), 0.0, 1.0)),
            width=random.uniform(0.03, 0.15),
            from_mm=random.uniform(0.0, 0.35) * depth_mm,
            loss_db=random.uniform(*loss_db),
        )
        for _ in range(count)
    )


def _blocks(random: np.random.Generator) -> float:
    return random.uniform(4.0, 24.0) if random.random() < 0.5 else 0.0
