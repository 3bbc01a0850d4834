"""Two rankings as one: by meaning and by words. (First version: reciprocal ranks.)"""

from __future__ import annotations

from collections.abc import Sequence

K = 60


def fuse(
    meaning: Sequence[tuple[int, float]], words: Sequence[tuple[int, float]], by: str
) -> list[tuple[int, float]]:
    """(file, score) best first, of (file, score) by meaning and (file, how well) by words."""
    del by
    scores = dict(meaning)
    total: dict[int, float] = {}
    for ranking in (meaning, words):
        for rank, (id_, _) in enumerate(sorted(ranking, key=lambda one: -one[1])):
            total[id_] = total.get(id_, 0.0) + 1 / (K + rank)
    return [(id_, scores.get(id_, 0.0)) for id_ in sorted(total, key=lambda id_: (-total[id_], id_))]
