"""Pixels to what people look at: small pictures in a form that a terminal or a file takes, and contact sheets.

Runs in the worker, never in the daemon. Decodes nothing that is not its own: what it is given is already pixels, or
tiles that `picture` made a moment ago.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from kadrd.ingest import sixel
from kadrd.ingest.grid import MARGIN, TITLE, Grid, grid
from kadrd.ingest.letters import Letters, letters
from kadrd.values import Pixels, Skipped

PAPER, TILE = (252, 252, 251), (241, 240, 238)
INK, GREY = (38, 38, 38), (130, 128, 124)
JPEG_QUALITY = 85


def picture(pixels: Pixels, form: str) -> bytes:
    """*pixels* (height, width, 3) in one of messages.FORMS."""
    return _saved(Image.fromarray(pixels), form)


def _saved(image: Image.Image, form: str) -> bytes:
    if form == "sixel":
        # 50 ms for 256 pixels. An octree takes 1 and shows steps in every sky.
        few = image.quantize(sixel.MOST_COLOURS, Image.Quantize.MEDIANCUT)
        palette = np.array(few.getpalette("RGB"), np.uint8).reshape(-1, 3)
        return sixel.encoded(np.asarray(few), palette)
    out = io.BytesIO()
    if form == "png":
        # A photograph of 256 pixels: 4 ms and 75 kB, against 10 ms and 73 kB at Pillow's own level.
        image.save(out, "PNG", compress_level=1)
    else:
        image.save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()


def sheet(tiles: Sequence[bytes | Skipped], captions: Sequence[str], title: str, form: str) -> bytes:
    """A contact sheet of *tiles*: pictures as `picture` gives them in PNG, each with its line of *captions* below."""
    plan = grid(len(tiles), titled=bool(title.strip()))
    image = Image.new("RGB", plan.size, PAPER)
    canvas = ImageDraw.Draw(image)
    if plan.titled:
        large = letters(TITLE)
        large.write(canvas, (MARGIN, MARGIN + TITLE), large.shortened(title, plan.size[0] - 2 * MARGIN), INK)
    small = letters(plan.letters)
    for number, (tile, caption) in enumerate(zip(tiles, captions, strict=True)):
        left, top = plan.corner(number)
        canvas.rectangle((left, top, left + plan.side - 1, top + plan.side - 1), TILE)
        if isinstance(tile, Skipped):
            _say(canvas, plan, small, number, tile.sentence)
        else:
            _paste(image, plan, number, tile)
        baseline = top + plan.side + round(1.45 * plan.letters)
        small.write(canvas, (left, baseline), small.shortened(caption, plan.side), INK)
    return _saved(image, form)


def _paste(image: Image.Image, plan: Grid, number: int, tile: bytes) -> None:
    """The picture in the middle of its tile."""
    left, top = plan.corner(number)
    with Image.open(io.BytesIO(tile), formats=("PNG",)) as small:
        small.thumbnail((plan.side, plan.side))
        image.paste(small, (left + (plan.side - small.width) // 2, top + (plan.side - small.height) // 2))


def _say(canvas: ImageDraw.ImageDraw, plan: Grid, small: Letters, number: int, sentence: str) -> None:
    """*sentence* in the middle of a tile whose picture cannot be shown."""
    left, top = plan.corner(number)
    height = round(1.4 * plan.letters)
    lines = small.wrapped(sentence, 0.8 * plan.side, max(1, plan.side // height - 2))
    first = top + (plan.side - len(lines) * height) // 2 + plan.letters
    for place, line in enumerate(lines):
        middle = left + (plan.side - small.width(line)) / 2
        small.write(canvas, (middle, first + place * height), line, GREY)
