"""How often a person has to correct, on clips with exact motion.

Run ``python -m benchmarks.effort FOLDER``, where FOLDER holds ``.npz`` clips
with ``frames`` [t, y, x], ``tracks`` [point, t, (x, y)] and ``mm_per_px``. A
simulated user labels every point in frame 0 and steps on; a point that is
further off than the limit (1.0 mm in heart clips, 0.7 mm in muscle) is put
right. Compared are plain Lucas-Kanade of 21 px restarted from each correction,
stepping with proposals and filling in the background, once and again until
nothing is off, and labelling every k-th frame with filling between, where k is
the largest that leaves no larger mean error. Labels are all that were set,
those of frame 0 included.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from napari_usstrack.flow.opencv import opencv
from napari_usstrack.io.array_video import array_video
from napari_usstrack.session import Session

LIMIT_MM = {"lv": 1.0, "muscle": 0.7}
COUNT_AND_EPSILON = 3
SETTINGS = {"winSize": (21, 21), "maxLevel": 3, "criteria": (COUNT_AND_EPSILON, 30, 0.01)}


def restarted(frames: np.ndarray, truth: np.ndarray, limit_px: float) -> int:
    """Corrections with plain Lucas-Kanade."""
    cv2 = opencv()
    here, corrections = truth[0].astype(np.float32), 0
    for frame in range(1, len(frames)):
        moved, _, _ = cv2.calcOpticalFlowPyrLK(
            frames[frame - 1], frames[frame], here.reshape(-1, 1, 2), None, **SETTINGS
        )
        here = moved.reshape(-1, 2)
        off = np.linalg.norm(here - truth[frame], axis=-1) > limit_px
        corrections += int(off.sum())
        here[off] = truth[frame][off]
    return corrections


def labelled_session(frames: np.ndarray, truth: np.ndarray, spacing: float) -> Session:
    """A session whose points are labelled in frame 0."""
    session = Session(array_video(frames, spacing_mm=(spacing, spacing)))
    names = [f"p{i}" for i in range(truth.shape[1])]
    places = {(0, name): xy for name, xy in zip(names, truth[0], strict=True)}
    session.place_all("start", places)
    return session


def corrected(session: Session, truth: np.ndarray, limit_px: float) -> tuple[int, int]:
    """Corrections of a first sweep, and of further sweeps until nothing is off."""
    session.curation.propagating = True
    first = total = 0
    for _ in range(20):
        session.frame = 0
        fixed = 0
        for frame in range(1, len(truth)):
            session.curation.step(1)
            xy = session.curation.shown.xy[frame]
            off = ~(np.linalg.norm(xy - truth[frame], axis=-1) <= limit_px)
            if off.any():
                names = session.annotations.names
                places = {(frame, names[i]): truth[frame, i] for i in np.flatnonzero(off)}
                session.place_all("correct", places)
                fixed += int(off.sum())
        first, total = first or fixed, total + fixed
        if not fixed:
            break
    return first, total


def every_kth(frames: np.ndarray, truth: np.ndarray, spacing: float, k: int) -> tuple[int, float]:
    """Labels beside those of frame 0, and mean error in mm, of labelling every k-th frame."""
    session = labelled_session(frames, truth, spacing)
    names = session.annotations.names
    rows = sorted({*range(k, len(truth), k), len(truth) - 1})
    places = {(row, name): truth[row, i] for row in rows for i, name in enumerate(names)}
    session.place_all("every k-th", places)
    session.fill()
    error = np.linalg.norm(session.runs["fill"].xy - truth, axis=-1)
    return len(places), float(error.mean() * spacing)


def main() -> None:
    """Print one row per clip and the sums."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    print(
        f"{'per 1000 point-frames':<28}{'LK 21':>8}{'ours':>8}{'+ review':>9}{'labels':>8}"
        f"{'mean mm':>9}{'p95 mm':>8}{'k':>5}{'labels':>8}{'mean mm':>9}"
    )
    sums = np.zeros(3)
    for clip in sorted(parser.parse_args().folder.glob("*.npz")):
        with np.load(clip) as data:
            frames, truth = data["frames"], data["tracks"].transpose(1, 0, 2).astype(float)
            spacing = float(data["mm_per_px"])
        limit = LIMIT_MM[clip.stem.split("-")[0]] / spacing
        per = 1000 / truth[1:, :, 0].size
        first_labels = truth.shape[1] * per
        baseline = restarted(frames, truth, limit) * per
        session = labelled_session(frames, truth, spacing)
        first, total = corrected(session, truth, limit)
        error = np.linalg.norm(session.curation.shown.xy - truth, axis=-1) * spacing
        for k in (40, 36, 32, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 5, 4, 3, 2):
            labels, mean = every_kth(frames, truth, spacing, k)
            if mean <= error.mean():
                break
        sums += (baseline, first * per, total * per)
        print(
            f"{clip.stem:<28}{baseline:>8.1f}{first * per:>8.1f}{total * per:>9.1f}"
            f"{total * per + first_labels:>8.0f}{error.mean():>9.3f}"
            f"{np.quantile(error, 0.95):>8.2f}{k:>5}"
            f"{labels * per + first_labels:>8.0f}{mean:>9.3f}",
            flush=True,
        )
    print(f"{'sum':<28}{sums[0]:>8.1f}{sums[1]:>8.1f}{sums[2]:>9.1f}")


if __name__ == "__main__":
    main()
