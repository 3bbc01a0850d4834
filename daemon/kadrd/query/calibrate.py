"""Scores that mean the same for every question, model and library. Pure: asks no model and no index, reads no clock.

A cosine says little by itself: 0.25 is a good answer of one model and a bad one of another, and among more pictures chance alone
finds something nearer. So it is compared with a background: the cosines that everyday phrases have to a sample of the library's
pictures. A score is how far a cosine stands above those, less what chance gives among so many pictures, brought to 0 to 1. For one
question it only grows with the cosine, so it never changes an order.

bench/cutoff.py prints the figures that the constants were chosen by. Rejected there: the bare cosine, which means another thing in
each library and model; deviations of the question's own cosines, by which every sentence about a library of much the same is
unusual; softmax against the phrases; pictures' own averages taken off (hubness), which also changed the order, and for the worse.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kadrd.values import Matrix, Vector

Scores = NDArray[np.floating[Any]]

CLOSE, USUAL = 0.2, 0.8
"""Below CLOSE the best answer is not close. Of questions with a right answer among the first ten that loses none (class names and
captions, mini) to 4 in 100 (single words, mini; nouns, CLIP: 1). The best answer to an everyday question scores about USUAL."""

SAMPLE = 2048
"""pictures that a background wants: the time it takes grows with them, the scores hardly change"""

_LANGUAGES = ("en", "ru", "uk")
# What a question's own cosines are taken to be like where the sample is too small to say: so many pictures of the usual kind.
_PRIOR, _SPREAD, _LEAN = 64, 0.85, 0.25
# The most that the lean may say: pictures that fit very well are no reason to think better of the others.
_MOST_LEAN = 0.5
# The size of the libraries that SCALES was measured on.
_SIZE = 1000
# The mean of the highest of n normal numbers is this quantile's n-th root (within 0.02 from 1 to a million).
_MEAN_OF_HIGHEST = 0.5264


class Scale(NamedTuple):
    """What deviations from the background mean in one model."""

    close: float
    """these are CLOSE"""
    usual: float
    """these are USUAL"""
    lean: float
    """What the lean (skewness) of a question's cosines counts. What means something leans: few pictures are near, most are far. In
    models whose vectors lie in a narrow cone, like CLIP's, it tells blurred and random vectors, which the cosine does not. In
    others it would only favour nouns over sentences."""


SCALES = {"mini": Scale(close=2.4, usual=3.9, lean=0.0)}
# Measured on recorded vectors of CLIP ViT-B/32, of whose kind are all models that can be added.
CLIP = Scale(close=2.8, usual=4.9, lean=3.0)


@dataclass(frozen=True)
class Background:
    """What cosines are compared with. Made once for each generation of a library."""

    pictures: Matrix
    """(n, dimension), a sample of the library"""
    common: Vector
    """(n,), the mean cosine of each picture to the phrases"""
    mean: float
    deviation: float
    """of the cosines between phrases and pictures"""
    likeness: float
    """the mean cosine of two different pictures"""
    count: int
    """pictures in the library"""
    scale: Scale

    def score(self, cosines: Scores, question: Vector, *, composed: bool = False) -> Scores:
        """The scores, from 0 to 1, of pictures with these *cosines* to the unit vector *question*.

        *composed*: the question is a sum or difference of vectors. Those lie where no phrase does, so its own cosines to the
        sample are the background, and its best answer may score less than CLOSE and be right.
        """
        own = self.pictures @ question
        if composed:
            mean, deviation = _kept(own.mean, own, self.mean), _kept(own.std, own, self.deviation)
            return _from_0_to_1((cosines - mean) / deviation - luck(self.count), self.scale)
        spread = _kept(own.std, own, _SPREAD * self.deviation)
        above = (cosines - self.mean - luck(self.count) * spread) / self.deviation
        return _from_0_to_1(above + self.scale.lean * self._lean(own), self.scale)

    def alike(self, cosines: Scores) -> Scores:
        """The scores of pictures with these *cosines* to a picture: 1 is the same, 0 as unlike as two of the library mostly are."""
        alike: Scores = np.clip((cosines - self.likeness) / (1 - self.likeness), 0, 1)
        return alike

    def _lean(self, own: Scores) -> float:
        """The skewness of the question's cosines, less what each picture has for any phrase."""
        rest = own - self.common
        lean = _kept(lambda: _skewness(rest), rest, _LEAN) if self.scale.lean else 0.0
        return min(max(lean, -_MOST_LEAN), _MOST_LEAN)


def background(pictures: Matrix, phrases: Matrix, count: int, model: str) -> Background:
    """The background of a library of *count* pictures, of which *pictures* (n, dimension) are a sample of up to SAMPLE.

    *phrases* (m, dimension) are the vectors of `phrases()` in the model of this name. Works from no picture on.
    """
    cosines = pictures @ phrases.T
    n, total = len(pictures), float(np.square(pictures.sum(axis=0)).sum())
    return Background(
        pictures=pictures,
        common=cosines.mean(axis=1),
        mean=float(cosines.mean()) if n else 0.0,
        deviation=max(float(cosines.std()), 1e-6) if n else 1.0,
        likeness=min((total - n) / (n * (n - 1)), 0.99) if n > 1 else 0.0,
        count=count,
        scale=SCALES.get(model, CLIP),
    )


def phrases(languages: Sequence[str]) -> list[str]:
    """Everyday phrases in those of the model's *languages* that kadr speaks, in turn; English ones where it speaks none."""
    spoken = [one for one in _LANGUAGES if one in languages or "mul" in languages] or ["en"]
    with Path(__file__).with_name("phrases.tsv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [row[spoken[number % len(spoken)]] for number, row in enumerate(rows)]


def luck(count: int) -> float:
    """How many deviations chance's best of *count* pictures lies above its best of a thousand."""
    return _highest(max(count, 1)) - _highest(_SIZE)


def _highest(count: int) -> float:
    return NormalDist().inv_cdf(_MEAN_OF_HIGHEST ** (1 / count))


def _kept(measure: Any, own: Scores, usual: float) -> float:
    """What *measure* says of *own*, and where these are few, mostly what is *usual*."""
    said = float(measure()) if len(own) > 1 else usual
    return (len(own) * said + _PRIOR * usual) / (len(own) + _PRIOR)


def _skewness(numbers: Scores) -> float:
    apart = numbers - numbers.mean()
    deviation = float(np.sqrt(np.square(apart).mean()))
    return float((apart**3).mean()) / deviation**3 if deviation > 0 else 0.0


def _from_0_to_1(above: Scores, scale: Scale) -> Scores:
    """A logistic curve through CLOSE and USUAL."""
    steep = 2 * np.log(USUAL / CLOSE) / (scale.usual - scale.close)
    middle = (scale.usual + scale.close) / 2
    scores: Scores = 1 / (1 + np.exp(np.clip(-steep * (above - middle), -80, 80)))
    return scores
