"""Two rankings as one: what pictures show, and what is written of them. Pure.

A file is an answer if its picture shows what is asked, or if its words say so: with the chance that a picture is right (its score)
and the strength of a match taken as two independent reasons, its score is 1 - (1 - picture) * (1 - words). So the order and the
scores say the same, and a match that says little changes little.

bench/words.py measures it. Rejected there: reciprocal ranks, which let a match of `in the` weigh as much as one of a name, and find
the pictures with a tag no better than half the time; sums of scaled scores, which scale such a match up to the best there is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

# The well-matching of a word, in bm25, that makes it 63 % certain: a word of every tenth file, in a title, is enough.
_CERTAIN = 1.5
# Words are never as certain as looks can be: the same word may mean another thing.
_MOST = 0.9


def fuse(
    meaning: Sequence[tuple[int, float]], words: Sequence[tuple[int, float]], by: str, asked: int = 1
) -> list[tuple[int, float]]:
    """(file, score) best first, ranked *by* one of `messages.BY`; scores are from 0 to 1. Equal ones keep their order.

    *meaning* are (file, score), *words* (file, how well it matches: bm25, higher is better) for a question of *asked* words. With
    "both" it is well to give the meaning of files that words alone found, too.
    """
    scores = dict(meaning) if by != "words" else {}
    well = dict(words) if by != "meaning" else {}
    for file, match in well.items():
        scores[file] = 1 - (1 - scores.get(file, 0.0)) * (1 - strength(match, asked))
    # Where a word stands in most files, bm25 is nearly 0 for all that have it, and still tells which match better.
    return sorted(scores.items(), key=lambda one: (-one[1], -well.get(one[0], 0.0)))


def strength(match: float, asked: int) -> float:
    """How sure a match makes, from 0 to _MOST: bm25 grows with every word that matches, so it counts by the word asked."""
    return _MOST * (1 - math.exp(-max(match, 0.0) / (max(asked, 1) * _CERTAIN)))
