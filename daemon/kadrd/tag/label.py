"""Which words fit a picture, and how sure that is. Pure numbers: asks no model and no catalogue, reads no clock.

Every word's worth for a picture is `sharp * likeness - plain * rarity`, and the words share a certainty of 1 by the exponentials of
their worths (softmax), together with a share for `nothing of these`. A word's confidence is its own share and those of all words
below it: who cannot tell a foal from a pony is still sure of a horse. So of two words for much the same none is written rather than
either, and of what is written mostly more is true than its confidence says.

- likeness: the cosine of picture and word, each less the middle of its kind: CLIP keeps pictures and words in two cones;
- rarity: how far a word lies from the middle of all words. Everyday words lie near it (dog, ball), and far out those that a model
  answers with when it knows nothing better (puncher, playpen).

A word for a picture follows from the picture, the model, the words and the calibration, not from the order of indexing. Of the
library a calibration knows the middle of a sample, and nothing else; so it is made once and kept. Any 32 pictures give much the same
precision, any 128 nine of ten of the same words (recorded CLIP, mini). There is no fixed middle that fits all models, and
without any CLIP writes one word of twenty.

bench/labels.py prints the figures that the constants were chosen by. Rejected there: the bare cosine, by which "diving board" is
among the five nearest of 1,203 nouns for one photograph in nine, and its deviation over the library, by which it is "dirt bike";
softmax without rarity, which misses the dogs among the breeds; whitened words, better for 365 nouns and worse for 1,203; a
regression on fifteen such numbers, whose gain of some points is not worth its constants; rarity as a number of its own beside the
softmax, by which only dogs were found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kadrd.values import Matrix, Vector

VERSION = 1
"""Rises with whatever changes the labels of a picture."""

THRESHOLD = 0.6
"""At this confidence 8 to 9 of 10 words are right with recorded CLIP, whichever list of words stands beside rivals, and with mini on plain
pictures of one thing; with mini on photographs of people doing something 3 of 4."""

AT_MOST = 5
"""words of a picture"""

SAMPLE = 2048
"""pictures that a calibration wants"""

# So many pictures of no kind are in the middle of a sample, so that a library's only picture is not its own middle.
_PRIOR = 1
# Pictures at once: the shares of 1,500 words for so many are 24 MB. A million pictures take 51 s of one core (512 numbers each).
_BATCH = 4096
# The size of the vocabularies that the scales were measured with. Of fewer words the missing ones count as `nothing`.
_FULL = 1200


class Scale(NamedTuple):
    """What likeness and rarity mean in one model."""

    sharp: float
    plain: float
    nothing: float
    """the worth of `nothing of these` beside _FULL words"""


SCALES = {"mini": Scale(sharp=22, plain=0, nothing=8.5)}
# Measured on recorded vectors of CLIP ViT-B/32, of whose kind are all models that can be added.
CLIP = Scale(sharp=35, plain=25, nothing=-3.8)


class Label(NamedTuple):
    """A word that fits a picture."""

    word: int
    """its number in the vocabulary"""
    confidence: float
    """from 0 to 1"""


@dataclass(frozen=True)
class Calibration:
    """What pictures are compared with. Made once for a model, a vocabulary and a library, and kept."""

    words: Matrix
    """(m, dimension), the directions of the words from their middle, rivals included, times `sharp`"""
    rarity: Vector
    """(m,), times `plain`"""
    middle: Vector
    """(dimension,), of the pictures; not of unit norm"""
    nothing: float
    below: tuple[tuple[int, NDArray[np.intp]], ...]
    """each word that has others below it, with all of those"""
    count: int
    """only the first so many words may be written"""


def together(rows: Matrix, words: int) -> Matrix:
    """(*words*, dimension): one row for each word, of the *rows* of `vocabulary.phrases`, where it has one in each language."""
    return _unit(rows.reshape(-1, words, rows.shape[1]).mean(axis=0))


def calibrate(
    words: Matrix, pictures: Matrix, model: str, *, parents: Sequence[int] = (), count: int | None = None
) -> Calibration:
    """The calibration for (m, dimension) *words* in the model of this name.

    *pictures* (n, dimension) are a sample of the library, up to SAMPLE; from no picture on. *parents* are the numbers of the words
    that are true whenever these are, -1 for none. Of the words only the first *count* may be written (all), the rest are rivals.
    """
    scale = SCALES.get(model, CLIP)
    apart = words - words.mean(axis=0)
    far = np.linalg.norm(apart, axis=1)
    return Calibration(
        words=(scale.sharp * _unit(apart)).astype(np.float32),
        rarity=(scale.plain * far).astype(np.float32),
        middle=(pictures.sum(axis=0) / (len(pictures) + _PRIOR)).astype(np.float32),
        nothing=scale.nothing + float(np.log(max(_FULL / len(words), 1))),
        below=_below(parents),
        count=len(words) if count is None else count,
    )


def label(
    pictures: Matrix, calibration: Calibration, *, threshold: float = THRESHOLD, at_most: int = AT_MOST
) -> list[list[Label]]:
    """For each of (n, dimension) *pictures* the words with a confidence of *threshold* or more, surest first, *at_most* of them."""
    found: list[list[Label]] = [[] for _ in range(len(pictures))]
    for first in range(0, len(pictures), _BATCH):
        sure = confidence(pictures[first : first + _BATCH], calibration)
        rows, words = np.nonzero(sure >= threshold)
        for row, word in zip(rows.tolist(), words.tolist(), strict=True):
            found[first + row].append(Label(word, float(sure[row, word])))
    return [sorted(own, key=lambda one: (-one.confidence, one.word))[:at_most] for own in found]


def confidence(pictures: Matrix, calibration: Calibration) -> NDArray[np.float32]:
    """(n, count): how sure it is that each word fits each of (n, dimension) *pictures*, from 0 to 1."""
    worth = _unit(pictures - calibration.middle) @ calibration.words.T
    worth -= calibration.rarity
    most = np.maximum(worth.max(axis=1, keepdims=True), calibration.nothing)
    shares = np.exp(worth - most)
    shares /= shares.sum(axis=1, keepdims=True) + np.exp(calibration.nothing - most)
    sure = shares[:, : calibration.count].astype(np.float32)
    for word, below in calibration.below:
        if word < calibration.count:
            sure[:, word] += shares[:, below].sum(axis=1)
    certain: NDArray[np.float32] = np.minimum(sure, 1)
    return certain


def _below(parents: Sequence[int]) -> tuple[tuple[int, NDArray[np.intp]], ...]:
    below: dict[int, list[int]] = {}
    for number, parent in enumerate(parents):
        above = parent
        while above >= 0:
            below.setdefault(above, []).append(number)
            above = parents[above]
    return tuple((word, np.array(numbers)) for word, numbers in sorted(below.items()))


def _unit(rows: NDArray[np.float32]) -> Matrix:
    unit: Matrix = (rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-9)).astype(np.float32)
    return unit
