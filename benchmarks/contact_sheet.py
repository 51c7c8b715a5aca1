"""Synthetic frames next to real ones on one sheet, for a person to look at and judge.

Run ``python -m benchmarks.contact_sheet DATA SYNTHETIC OUT.png``, with the
folders of `benchmarks.realism`. Every picture is the imaged area of a clip's
middle frame, all of one height, the real ones first.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.real_clips import Clip, real_clips, stored_clips

SYNTHETIC = 12
HEIGHT, GAP, CAPTION, WIDEST = 300, 8, 20, 1600
COLOURS = {"real": (120, 255, 120), "synthetic": (255, 200, 90)}


def chosen(clips: Sequence[Clip], count: int) -> list[Clip]:
    """Evenly spaced choice of clips, in their order."""
    at = np.unique(np.linspace(0, len(clips) - 1, min(count, len(clips))).round().astype(int))
    return [clips[i] for i in at]


def tile(clip: Clip) -> Image.Image:
    """Picture of a clip's middle frame with its name below."""
    frame = np.where(clip.area.mask, clip.frames[len(clip.frames) // 2], 0).astype(np.uint8)
    picture = Image.fromarray(frame)
    width = round(picture.width * HEIGHT / picture.height)
    card = Image.new("RGB", (width, HEIGHT + CAPTION))
    card.paste(picture.resize((width, HEIGHT), Image.Resampling.BICUBIC))
    text = f"{clip.kind}: {clip.name}"
    pen, font = ImageDraw.Draw(card), ImageFont.load_default(12)
    pen.text((2, HEIGHT + 3), text, fill=COLOURS[clip.kind], font=font)
    return card


def sheet(rows: Sequence[Sequence[Image.Image]]) -> Image.Image:
    """Cards in lines, a new line for each row and wherever one is full."""
    lines: list[list[Image.Image]] = []
    for row in rows:
        lines.append([])
        for card in row:
            if lines[-1] and sum(c.width + GAP for c in lines[-1]) + card.width > WIDEST:
                lines.append([])
            lines[-1].append(card)
    lines = [line for line in lines if line]
    width = max(sum(card.width + GAP for card in line) for line in lines) - GAP
    page = Image.new("RGB", (width, len(lines) * (HEIGHT + CAPTION + GAP)), (40, 40, 40))
    for number, line in enumerate(lines):
        x = 0
        for card in line:
            page.paste(card, (x, number * (HEIGHT + CAPTION + GAP)))
            x += card.width + GAP
    return page


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("synthetic", type=Path)
    parser.add_argument("out", type=Path)
    asked = parser.parse_args()
    real, made = list(real_clips(asked.data)), list(stored_clips(asked.synthetic, "synthetic"))
    domains = ("heart", "muscle")
    made_of = {domain: [clip for clip in made if clip.domain == domain] for domain in domains}
    share = SYNTHETIC // max(1, sum(bool(clips) for clips in made_of.values()))
    rows = []
    for domain in domains:
        if made_of[domain]:
            rows.append([tile(clip) for clip in real if clip.domain == domain])
            rows.append([tile(clip) for clip in chosen(made_of[domain], share)])
    if not rows:
        raise SystemExit(f"There are no .npz clips in {asked.synthetic}.")
    sheet(rows).save(asked.out)
    print(f"{asked.out}: {sum(map(len, rows))} pictures")


if __name__ == "__main__":
    main()
