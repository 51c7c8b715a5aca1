"""Reference arrays of DUSTrack 1.3.2 for tests/parity, computed by DUSTrack itself.

Run ``tox -e parity`` to compute them anew beside the stored ones and compare,
or in an environment that has DUSTrack (`pip install dustrack==1.3.2`, Python
3.11 to 3.13, NumPy 1; none of this package is needed there)::

    python -m benchmarks.parity            # compare
    python -m benchmarks.parity --write    # replace what is stored

The clips are made by integer arithmetic from two stored speckle pictures;
``--pictures`` renders those, in an environment that has this package. Only
numbers that DUSTrack computed are stored, none of its code.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "parity"))
import moving_pictures as clips

VERSION = "1.3.2"
LENGTHS = (1, 2, 5, clips.FRAMES - 1, 40)


def write_pictures() -> None:
    """Render one speckle picture per scene."""
    from napari_usstrack.synth.motion import still
    from napari_usstrack.synth.speckle import speckle_clip

    pictures = {}
    for seed, (name, (width, height)) in enumerate(clips.SCENES.items(), 11):
        size = {"width": width + 2 * clips.MARGIN, "height": height + 2 * clips.MARGIN}
        clip = speckle_clip(still, frames=1, seed=seed, per_px=0.2, margin_px=10.0, **size)
        pictures[name] = clip.frames[0]
    np.savez_compressed(clips.PICTURES, **pictures)


def reference() -> dict[str, np.ndarray]:
    """What DUSTrack answers on every scene, grey and colour, for one and several points."""
    from importlib.metadata import version

    import cv2
    from dustrack import lk_filter

    if version("dustrack") != VERSION:
        raise SystemExit(f"The reference is DUSTrack {VERSION}, not {version('dustrack')}.")
    out = {f"weights-{n}": np.stack(lk_filter.compute_sigmoid_weights(n + 1)) for n in LENGTHS}
    for name in clips.SCENES:
        first, last = clips.starts(name)
        colour = [cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) for f in clips.colour_clip(name)]
        for kind, frames in (("grey", list(clips.grey_clip(name))), ("colour", colour)):
            out[f"{name}-{kind}-digest"] = np.array(clips.digest(np.stack(frames)))
            for count in (1, len(first)):
                key, a, b = f"{name}-{kind}-{count}", first[:count], last[:count]
                out[f"{key}-forward"] = lk_filter.lucas_kanade_2(frames, a)
                out[f"{key}-backward"] = lk_filter.lucas_kanade_2(frames[::-1], b)
                out[f"{key}-joined"] = lk_filter.lucas_kanade_rstc_2(frames, a, b)
                for window in clips.WINDOWS:
                    places = clips.given(name)[:, :count]
                    out[f"{key}-window-{window}"] = flow_window(frames, places, window)
    return out


def flow_window(
    frames: Sequence[np.ndarray], xy: np.ndarray, window: int, *, parallel: bool = False
) -> np.ndarray:
    """Let DUSTrack's moving-average filter read from and write to memory.

    Parameters
    ----------
    frames : sequence of uint8 ndarray, shape (height, width)
    xy : ndarray, shape (frames, points, 2)
        Positions in px.
    window : int
        Frames of a window.
    parallel : bool
        Use its pool of threads.
    """
    from dustrack import lk_filter

    class Frames:
        fname = "clip"

        def __getitem__(self, index: int | slice) -> SimpleNamespace:
            return SimpleNamespace(
                asnumpy=lambda: frames[index] if isinstance(index, int) else np.array(frames[index])
            )

        def get_avg_fps(self) -> float:
            return 1.0

    class Annotation:
        written: dict[str, dict[int, np.ndarray]] = {}

        def __init__(self, fname: str, _video: str = "") -> None:
            self.fname, self.fstem, self.video = fname, "points", Frames()
            self.n_frames, self.data = len(frames), self.written

        @property
        def labels(self) -> list[str]:
            return list(self.data)

        def save(self) -> None:
            Annotation.written = self.data

    points = range(xy.shape[1])
    with tempfile.TemporaryDirectory() as folder:
        annotation = Annotation(str(Path(folder) / "points.json"))
        annotation.data = {str(p): dict(enumerate(xy[:, p].tolist())) for p in points}
        with patch.object(lk_filter, "VideoAnnotation", Annotation):
            lk_filter.lk_moving_average_filter(
                annotation, window_size=window, use_parallel=parallel, save_raw=False
            )
    return np.stack([np.stack(list(Annotation.written[str(p)].values())) for p in points], axis=1)


def compare(found: dict[str, np.ndarray]) -> float:
    """Largest difference in px from what is stored."""
    worst = 0.0
    with np.load(clips.REFERENCE) as stored:
        if set(stored.files) != set(found):
            raise SystemExit("The stored reference holds other arrays; run with --write.")
        for name, values in found.items():
            if values.dtype.kind == "U":
                if str(values) != str(stored[name]):
                    raise SystemExit(f"{name}: the pictures differ from those of the reference.")
            else:
                worst = max(worst, float(np.abs(values - stored[name]).max()))
    return worst


def main() -> None:
    """Compare, or write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="replace the stored reference")
    parser.add_argument("--pictures", action="store_true", help="render the pictures instead")
    given = parser.parse_args()
    if given.pictures:
        write_pictures()
    elif given.write:
        np.savez_compressed(clips.REFERENCE, **reference())
    else:
        worst = compare(reference())
        print(f"largest difference from the stored reference: {worst:.1e} px")
        sys.exit(worst > 1e-6)


if __name__ == "__main__":
    main()
