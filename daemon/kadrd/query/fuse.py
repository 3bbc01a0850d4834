"""Two rankings as one: by meaning, and by the words that stand in the files. Pure.

Reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009): what a cosine and a bm25 are worth beside each other nobody
knows, but the first of each list is the first of each list. A file that holds every word of the question counts more than
one that looks like it: somebody wrote that there. bench/words.py has the figures.
"""

from __future__ import annotations

from collections.abc import Sequence

# The paper's. A smaller one lets the first of a list alone decide.
K = 60
# With 2 a file that holds every word stands before all that only look like them.
WORDS_WEIGHT = 2.0


def fuse(meaning: Sequence[tuple[int, float]], words: Sequence[tuple[int, float]]) -> list[int]:
    """The files of both lists, of (file, how well it fits), best first. Who fits as well as another keeps its place."""
    total: dict[int, float] = {}
    for weight, ranking in ((1.0, meaning), (WORDS_WEIGHT, words)):
        for rank, (id_, _) in enumerate(sorted(ranking, key=lambda one: -one[1]), start=1):
            total[id_] = total.get(id_, 0.0) + weight / (K + rank)
    return sorted(total, key=lambda id_: -total[id_])
