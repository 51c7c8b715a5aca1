"""Scenes of muscle by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from napari_usstrack.synth.muscle.junction import junction
from napari_usstrack.synth.muscle.pennate import bipennate, unipennate
from napari_usstrack.synth.muscle.two import two_muscles
from napari_usstrack.synth.scene import Scene

BUILDERS: Mapping[str, Callable[..., Scene]] = {
    "muscle-unipennate": unipennate,
    "muscle-bipennate": bipennate,
    "muscle-junction": junction,
    "two-muscles": two_muscles,
}
