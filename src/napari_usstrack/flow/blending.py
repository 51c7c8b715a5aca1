"""A forward and a backward pass joined between two anchors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_usstrack.core.tracks import Cells

EPSILON = 0.01
AGREE_PX = 2.0


def forward_weight(length: int) -> NDArray[np.float64]:
    """Weight of the forward pass at each frame of a stretch.

    A reversed sigmoid that is exactly 1 at the first anchor and 0 at the last.

    Parameters
    ----------
    length : int
        Frame steps between the two anchors, at least 1.

    Returns
    -------
    ndarray, shape (length + 1,)

    Notes
    -----
    Reverse sigmoid tracking correction (Magana-Salgado et al., 2023): steepness
    2 ln(1/e - 1) / length with e = 0.01, rescaled to reach 1 and 0.
    """
    steepness = 2.0 * np.log(1.0 / EPSILON - 1.0) / length
    frames = np.arange(length + 1)
    sigmoid = 1.0 / (1.0 + np.exp(steepness * (frames - length / 2.0)))
    weight = (sigmoid - 0.5) / (1.0 - 2.0 * EPSILON) + 0.5
    weight[0], weight[-1] = 1.0, 0.0
    return weight


def blend(forward: Cells, backward: Cells) -> Cells:
    """Join passes that start at the first and at the last row of a stretch.

    Both ends stay where they are. Where one pass lost the point, the other
    alone counts; where both did, the point is not visible. Confidence is the
    weighted mean of both, lowered where they disagree (halved at 2 px).

    Parameters
    ----------
    forward, backward : Cells
        ``[frames, points]`` over the same stretch, every cell filled.
    """
    w = np.broadcast_to(forward_weight(forward.shape[0] - 1)[:, None], forward.shape)
    trust_f = np.where(backward.visible & ~forward.visible, 0.0, w)
    trust_b = np.where(forward.visible & ~backward.visible, 0.0, 1.0 - w)
    share = np.divide(trust_f, trust_f + trust_b, out=w.copy(), where=trust_f + trust_b > 0)
    xy = share[..., None] * forward.xy + (1.0 - share[..., None]) * backward.xy
    gap = np.linalg.norm(forward.xy - backward.xy, axis=-1)
    overlap = 4.0 * share * (1.0 - share)
    agreement = 1.0 / (1.0 + overlap * (gap / AGREE_PX) ** 2)
    confidence = (share * forward.confidence + (1.0 - share) * backward.confidence) * agreement
    xy[0], xy[-1] = forward.xy[0], backward.xy[-1]
    visible = forward.visible | backward.visible
    return Cells(
        xy=xy,
        confidence=np.where(visible, confidence, 0.0),
        visible=visible,
        source=forward.source,
    )
