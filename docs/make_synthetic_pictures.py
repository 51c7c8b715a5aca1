"""Make the pictures of synthetic clips: a sheet of scenes, and the demo's second act.

Run ``python docs/make_synthetic_pictures.py``; it needs no display.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from napari_usstrack.core.tracker import finish
from napari_usstrack.pipelines.demo_truth import run_acts
from napari_usstrack.synth.catalogue import draw
from napari_usstrack.synth.render import Renderer

IMAGES = Path(__file__).parent / "images"
SIDE, COLUMNS, FRAMES, FIRST_SEED = 280, 4, 12, 500
NAMES = (
    *("heart-a4c", "heart-a2c", "heart-a3c", "heart-sax", "heart-rv", "heart-a4c"),
    *("muscle-unipennate", "muscle-bipennate", "muscle-junction"),
    *("two-muscles", "vessel", "free"),
)


def tile(number: int, name: str) -> Image.Image:
    """Last of some frames of a random scene, with its name."""
    seed = FIRST_SEED + number
    scene = draw(name, seed, frames=FRAMES)
    renderer = Renderer(scene, seed=seed, size=(SIDE, SIDE))
    frame = list(renderer.pictures())[-1].numpy()
    rows = np.flatnonzero(renderer.display.mask.numpy().any(axis=1))
    frame = np.roll(frame, max(0, (SIDE - 16 - len(rows)) // 2 - rows[0]), axis=0)
    picture = Image.fromarray(frame)
    ImageDraw.Draw(picture).text((4, SIDE - 15), name, fill=170, font=ImageFont.load_default(12))
    return picture


def beside(pictures: list[Image.Image]) -> Image.Image:
    """Pictures of one height side by side."""
    height = min(picture.height for picture in pictures)
    small = [p.resize((round(p.width * height / p.height), height)) for p in pictures]
    page = Image.new("RGB", (sum(p.width for p in small), height))
    x = 0
    for picture in small:
        page.paste(picture, (x, 0))
        x += picture.width
    return page


def main() -> None:
    """Write both."""
    page = Image.new("L", (COLUMNS * SIDE, -(-len(NAMES) // COLUMNS) * SIDE))
    for number, name in enumerate(NAMES):
        page.paste(tile(number, name), (number % COLUMNS * SIDE, number // COLUMNS * SIDE))
    page.save(IMAGES / "synthetic.png", optimize=True)
    with TemporaryDirectory() as folder:
        acts = finish(run_acts(Path(folder)))
        both = beside([Image.open(act.picture) for act in acts])
    both.thumbnail((1200, 1200))
    both.save(IMAGES / "truth.png", optimize=True)


if __name__ == "__main__":
    main()
