"""Derived truth of muscle: lengths, angles, thickness and displacement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.curves import path_length
from napari_usstrack.core.fascicles import pennation
from napari_usstrack.core.geometry import Line, cross, fit_line, line_through
from napari_usstrack.synth.scene import Follow

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PennateTruth:
    """Measures of a muscle between two aponeuroses, from material points.

    Attributes
    ----------
    body : str
        Body that all points belong to.
    superficial, deep : ndarray, shape (n, 2)
        Material places on the aponeuroses, mm.
    fascicles : sequence of ndarray, shape (m, 2)
        Material places along fascicles, from one aponeurosis to the other.
    prefix : str
        Begin of the names.
    """

    body: str
    superficial: Floats
    deep: Floats
    fascicles: Sequence[Floats]
    prefix: str = ""

    def __call__(self, follow: Follow) -> Mapping[str, Floats]:
        """Compute all measures, one number per frame.

        Lengths are arc lengths, means over the fascicles. Pennation is the
        mean angle between the straight line from a fascicle's one end to the
        other and the deep aponeurosis. Thickness is the mean distance of the
        points of each aponeurosis from the line through the other. A
        displacement is that of the aponeurosis' points along its direction in
        the first frame, positive to the right, as the probe sees it.
        """
        upper, lower = follow(self.body, self.superficial), follow(self.body, self.deep)
        top, bottom = fit_line(upper), fit_line(lower)
        paths = [follow(self.body, fascicle) for fascicle in self.fascicles]
        lengths = [path_length(path) for path in paths]
        chords = [line_through(path[:, 0], path[:, -1]) for path in paths]
        angles = [pennation(c, superficial=top, deep=bottom).between_deep_deg for c in chords]
        thickness = 0.5 * (_gap(upper, bottom) + _gap(lower, top))
        found = {
            "fascicle_length_mm": np.mean(lengths, axis=0),
            "pennation_deg": np.mean(angles, axis=0),
            "thickness_mm": thickness,
            "superficial_displacement_mm": travel(upper),
            "deep_displacement_mm": travel(lower),
        }
        return {self.prefix + name: values for name, values in found.items()}


def _gap(points: Floats, line: Line) -> Floats:
    """Mean distance of points (frames, n, 2) from one line per frame."""
    apart = points - line.at[:, None]
    return np.asarray(np.abs(cross(line.along[:, None], apart)).mean(axis=1))


def travel(paths: Floats) -> Floats:
    """Mean displacement (frames,) along the direction of the first frame's line, mm."""
    along = fit_line(paths[0]).along
    return np.asarray((paths - paths[0]).mean(axis=1) @ along)


def stretch_percent(start: Floats, end: Floats) -> Floats:
    """Mean Lagrangian strain of line elements relative to the first frame, percent.

    Parameters
    ----------
    start, end : ndarray, shape (frames, n, 2)
        Ends of the elements.
    """
    length = np.hypot(*np.moveaxis(end - start, -1, 0))
    return np.asarray(100.0 * (length / length[0] - 1.0).mean(axis=1))
