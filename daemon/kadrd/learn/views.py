"""Fixed crops of pictures: the same crop is shown to the teacher (large) and to the pupil (small).

View 0 is what the daemon itself will see (shortest side, centre crop); the others are random resized crops drawn
from the picture's own name, so that a second run cuts the same ones. This module must not know of any model.
"""

from __future__ import annotations

import math
import random
from pathlib import Path

from PIL import Image

TEACHER_SIZE = 224


def cut(path: Path, views: int) -> list[Image.Image]:
    """``views`` square RGB pictures of the teacher's size."""
    with Image.open(path) as opened:
        opened.draft("RGB", (2 * TEACHER_SIZE, 2 * TEACHER_SIZE))
        picture = opened.convert("RGB")
    chance = random.Random(path.name)
    return [centre(picture) if view == 0 else crop(picture, chance) for view in range(views)]


def centre(picture: Image.Image, size: int = TEACHER_SIZE) -> Image.Image:
    """The middle square, as the runtime cuts it."""
    side = min(picture.size)
    left, top = (picture.width - side) / 2, (picture.height - side) / 2
    return picture.resize((size, size), Image.Resampling.BICUBIC, (left, top, left + side, top + side))


def crop(picture: Image.Image, chance: random.Random, size: int = TEACHER_SIZE) -> Image.Image:
    """A random part of 30 to 100 % of the area, sides between 3:4 and 4:3, squeezed into a square."""
    area = picture.width * picture.height * chance.uniform(0.3, 1.0)
    ratio = math.exp(chance.uniform(-math.log(4 / 3), math.log(4 / 3)))
    width = min(picture.width, math.sqrt(area * ratio))
    height = min(picture.height, math.sqrt(area / ratio))
    left, top = chance.uniform(0, picture.width - width), chance.uniform(0, picture.height - height)
    return picture.resize((size, size), Image.Resampling.BICUBIC, (left, top, left + width, top + height))
