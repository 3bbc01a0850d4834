"""Crops: the first is the runtime's, all are square, and a second run cuts the same."""

import random

import numpy as np
from PIL import Image

from kadrd.learn.views import centre, crop, cut


def striped() -> Image.Image:
    """Red, green and blue thirds, three times as wide as high."""
    pixels = np.zeros((50, 150, 3), np.uint8)
    for third in range(3):
        pixels[:, third * 50 : third * 50 + 50, third] = 255
    return Image.fromarray(pixels)


def test_the_centre_is_the_middle_square():
    """Of three stripes only the middle one is left."""
    assert np.asarray(centre(striped(), 20))[2:-2, 2:-2].reshape(-1, 3).tolist() == [[0, 255, 0]] * 256


def test_a_crop_is_square_and_comes_from_chance():
    """The same seed cuts the same part."""
    one, same, other = (np.asarray(crop(striped(), random.Random(seed), 32)) for seed in (1, 1, 2))
    assert one.shape == (32, 32, 3)
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_file_is_cut_the_same_every_time(tmp_path):
    """Crops depend on the file's name and nothing else."""
    striped().save(tmp_path / "a.png")
    again = [[np.asarray(view) for view in cut(tmp_path / "a.png", 3)] for _ in range(2)]
    assert all(np.array_equal(one, two) for one, two in zip(*again, strict=True))
    assert len(again[0]) == 3
