"""Names for what no label names: an ImageNet classifier's guesses, so that the text tower meets a thousand classes.

Guesses become a source of their own for the text stage only, one row for each picture and guessed class; they are
never taken for labels. The classifier is a quantised TFLite file and never part of a model folder.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from kadrd.learn import teacher
from kadrd.learn.corpus import Example
from kadrd.learn.shelf import Source
from kadrd.learn.teacher import Bytes, Cache

CLASSES = 1001  # the first is "background"
MOST = 15_000  # pictures of one source; evenly spaced where there are more
LEAST_SHARE = 0.15  # a guess below this is no guess


def guessed(folder: Path, sources: Sequence[Source], namer: Path) -> Source:
    """The source ``guessed``, from the first view of pictures of every source."""
    examples: list[Example] = []
    features: list[Bytes] = []
    for source in sources:
        rows = first_views(source.cache)
        shares = classified(folder / source.name / "guesses.u8", source.cache.pixels, rows, namer)
        for at, name in zip(*np.nonzero(shares[:, 1:] >= LEAST_SHARE * 256), strict=True):
            one = source.examples[source.cache.example[rows[at]]]
            examples.append(Example(one.path, "guessed", f"imagenet:{name + 1}"))
            features.append(source.cache.features[rows[at]])
    nothing = np.zeros((len(examples), 0, 0, 3), np.uint8)
    keys = [one.label for one in examples]
    return Source("guessed", examples, keys, Cache(np.arange(len(examples)), nothing, np.stack(features)))


def first_views(cache: Cache) -> npt.NDArray[np.int64]:
    rows = np.flatnonzero(np.diff(cache.example, prepend=-1))
    return rows[:: -(-len(rows) // MOST)].astype(np.int64)


def classified(path: Path, pixels: Bytes, rows: npt.NDArray[np.int64], namer: Path) -> Bytes:
    """Shares of all classes in 256ths, kept in ``path``."""
    if not path.exists():
        context = multiprocessing.get_context("spawn")
        with context.Pool(teacher.PROCESSES, teacher.start, (str(namer),)) as pool:
            found = np.stack(list(pool.imap(classify, (pixels[row] for row in rows), chunksize=32)))
        found.tofile(path)
    return np.fromfile(path, np.uint8).reshape(len(rows), CLASSES)


def classify(pixels: Bytes) -> Bytes:
    size = teacher.TEACHER_SIZE
    picture = Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC)
    return next(teacher.said([picture]))
