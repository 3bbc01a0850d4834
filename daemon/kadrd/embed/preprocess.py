"""Pixels as a picture tower reads them.  numpy only; resizing and cropping happened in the decoder."""

import numpy as np
from numpy.typing import NDArray

Triple = tuple[float, float, float]


def normalised(pixels: NDArray[np.uint8], mean: Triple, std: Triple) -> NDArray[np.float32]:
    """(n, s, s, 3) sRGB bytes to contiguous (n, 3, s, s): value / 255, less the mean, over the deviation.

    `mean` and `std` are per channel on a scale of 0 to 1.
    """
    scale = 1.0 / (255.0 * np.asarray(std, dtype=np.float64))
    shift = np.asarray(mean, dtype=np.float64) / np.asarray(std, dtype=np.float64)
    planes = np.empty((len(pixels), 3, *pixels.shape[1:3]), dtype=np.float32)
    np.multiply(pixels.transpose(0, 3, 1, 2), _per_channel(scale), out=planes, casting="unsafe")
    planes -= _per_channel(shift)
    return planes


def _per_channel(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return values.astype(np.float32).reshape(1, 3, 1, 1)
