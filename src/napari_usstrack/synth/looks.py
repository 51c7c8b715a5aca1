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
    return Look(
        dynamic_range_db=draw(42.0, 54.0),
        gain_db=draw(-7.0, 1.0),
        gain_steps_db=tuple(draw(-5.0, 5.0, 4)),
        gamma=draw(1.1, 1.7),
        noise_db=draw(-58.0, -42.0),
        noise_rise_db=draw(4.0, 16.0),
        clutter_db=draw(-22.0, 0.0),
        clutter_mm=draw(6.0, 20.0),
        haze_db=draw(-52.0, -32.0),
        shadows=(*_flanks(random, 0.8, probe.depth_mm), *_ribs(random, 0.3, probe.depth_mm)),
        dropout_db=draw(0.0, 24.0),
        persistence=draw(0.0, 0.4),
        smoothing_mm=draw(0.1, 0.5),
        smoothing_beams=draw(0.0, 1.5),
        block_quality=_blocks(random),
    )


def _linear(probe: Probe, random: np.random.Generator) -> Look:
    draw = random.uniform
    return Look(
        dynamic_range_db=draw(40.0, 53.0),
        gain_db=draw(-7.0, 0.0),
        gain_steps_db=(draw(-5.0, 1.0), draw(-4.0, 1.0), draw(-13.0, -3.0)),
        gamma=draw(1.2, 1.8),
        noise_db=draw(-62.0, -46.0),
        noise_rise_db=draw(4.0, 14.0),
        clutter_db=draw(-40.0, -18.0),
        clutter_mm=draw(1.5, 4.0),
        haze_db=draw(-60.0, -42.0),
        shadows=tuple(_ribs(random, 0.15, probe.depth_mm)),
        dropout_db=draw(0.0, 10.0),
        persistence=draw(0.1, 0.5),
        smoothing_mm=draw(0.1, 0.3),
        smoothing_beams=draw(0.4, 1.9),
        block_quality=_blocks(random),
    )


def _flanks(random: np.random.Generator, chance: float, depth_mm: float) -> list[Shadow]:
    """Sides of a sector that meet lung, or have lost contact."""
    return [
        Shadow(
            beam=side,
            width=random.uniform(0.1, 0.5),
            from_mm=random.uniform(0.2, 0.5) * depth_mm,
            loss_db=random.uniform(12.0, 40.0),
            softness=random.uniform(0.06, 0.2),
        )
        for side in (0.0, 1.0)
        if random.random() < chance
    ]


def _ribs(random: np.random.Generator, chance: float, depth_mm: float) -> list[Shadow]:
    """Up to two wedges behind ribs or gas."""
    count = int(random.random() < chance) + int(random.random() < 0.3 * chance)
    return [
        Shadow(
            beam=float(np.clip(random.normal(random.choice([0.1, 0.9]), 0.15), 0.0, 1.0)),
            width=random.uniform(0.03, 0.15),
            from_mm=random.uniform(0.0, 0.35) * depth_mm,
            loss_db=random.uniform(6.0, 20.0),
            softness=random.uniform(0.02, 0.1),
        )
        for _ in range(count)
    ]


def _blocks(random: np.random.Generator) -> float:
    return random.uniform(4.0, 24.0) if random.random() < 0.5 else 0.0
