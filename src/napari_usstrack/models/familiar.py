"""Whether a clip looks like the scenes that a network was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from napari_usstrack.models.specknet import CONTRAST, levelled

Floats = NDArray[np.float64]
NAMES = (
    "share of the picture without texture",
    "contrast of texture",
    "width of speckle across",
    "width of speckle down",
    "skewness of grey levels",
    "change from frame to frame",
)
"""What is measured of a clip; widths are correlations one and a half px apart."""
LIMIT = 0.995
"""Share of training clips that count as familiar."""
RIDGE = 1e-3


class Looks(NamedTuple):
    """What training clips look like.

    Attributes
    ----------
    mean : float64 ndarray, shape (facts,)
    precision : float64 ndarray, shape (facts, facts)
        Inverse of the covariance.
    limit : float
        Distance (Mahalanobis) that few training clips exceed.
    """

    mean: Floats
    precision: Floats
    limit: float

    @classmethod
    def of(cls, rows: Sequence[Floats]) -> Looks:
        """Learn from the statistics of many clips."""
        table = np.stack(rows)
        mean = table.mean(axis=0)
        spread = np.cov(table.T) + RIDGE * np.diag(table.var(axis=0) + 1e-9)
        precision = np.asarray(np.linalg.inv(spread), dtype=np.float64)
        far = np.sqrt(np.einsum("ni,ij,nj->n", table - mean, precision, table - mean))
        return cls(mean, precision, float(np.quantile(far, LIMIT)))

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> Looks | None:
        """From what stands with the weights; None where nothing does."""
        kept = facts.get("looks")
        if kept is None:
            return None
        return cls(np.array(kept["mean"]), np.array(kept["precision"]), float(kept["limit"]))

    def plain(self) -> dict[str, Any]:
        """Plain values for `read`."""
        return {
            "mean": self.mean.tolist(),
            "precision": self.precision.tolist(),
            "limit": self.limit,
        }

    def distance(self, row: Floats) -> float:
        """How far a clip is from the training clips, 1 at the limit."""
        off = row - self.mean
        return float(np.sqrt(off @ self.precision @ off) / self.limit)

    def strangest(self, row: Floats) -> str:
        """What differs most, in standard deviations of the training clips."""
        deviation = np.sqrt(np.diag(np.linalg.inv(self.precision)))
        return NAMES[int(np.argmax(np.abs(row - self.mean) / deviation))]


@torch.inference_mode()
def statistics(pictures: torch.Tensor) -> Floats:
    """Measure the texture of a few neighbouring frames.

    Parameters
    ----------
    pictures : tensor, shape (frames, height, width)
        As the network sees them, 0 to 255.
    """
    flat = levelled(pictures.float()[:, None])[:, 0]
    grey = pictures.float()
    textured = flat.abs() > 0.2
    share = textured.float().mean().clamp(min=1e-3)
    inner = flat[:, 1:-1, 1:-1]
    power = inner.square().mean().clamp(min=1e-6)
    across = 0.5 * (flat[:, 1:-1, 2:] + flat[:, 1:-1, :-2])
    down = 0.5 * (flat[:, 2:, 1:-1] + flat[:, :-2, 1:-1])
    spread = grey.std().clamp(min=CONTRAST / 10)
    skew = (((grey - grey.mean()) / spread) ** 3).mean()
    change = (
        (flat[1:] - flat[:-1]).square().mean() / power if len(flat) > 1 else power.new_zeros(())
    )
    facts = [
        1.0 - share,
        power.sqrt(),
        (inner * across).mean() / power,
        (inner * down).mean() / power,
        torch.tanh(skew / 4.0),
        change.clamp(max=2.0),
    ]
    return np.array([float(fact) for fact in facts])
