"""The user's own pictures, as the worker would decode them, to measure a converted model with.

Must not run in the daemon: decoding belongs to the worker and to commands.
"""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kadrd.embed.errors import ModelError

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".heic", ".avif", ".tif", ".tiff", ".bmp", ".gif")


def pictures(folder: Path, size: int, resize: str, limit: int, least: int = 1) -> NDArray[np.uint8]:
    """Up to `limit` pictures spread over `folder`, as bytes (n, size, size, 3).

    Files that are no pictures are passed over.  Raises ModelError where fewer than `least` are found.
    """
    found = list(islice(_decoded(_spread(_files(folder)), size, resize), limit))
    if len(found) < least:
        raise ModelError(
            f"{folder} holds {len(found)} readable pictures, {least} are needed.", "Give a folder with more."
        )
    return np.stack(found)


def _files(folder: Path) -> list[Path]:
    return sorted(
        Path(parent, name)
        for parent, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(_SUFFIXES)
    )


def _spread(files: list[Path]) -> Iterator[Path]:
    """All files in an order whose every beginning is spread over the whole list, the same on each run."""
    order = np.random.default_rng(len(files)).permutation(len(files))
    return (files[index] for index in order)


def _decoded(files: Iterator[Path], size: int, resize: str) -> Iterator[NDArray[np.uint8]]:
    from kadrd.ingest.decode import Decoded, Fit, decode

    fit = Fit(size, resize)
    for path in files:
        try:
            picture = decode(path.read_bytes(), [fit])
        except OSError:
            continue
        if isinstance(picture, Decoded):
            yield picture.pixels[fit]
