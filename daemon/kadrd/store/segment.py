"""Rows searched exactly: the newest ones, and stand-ins for a shard that is damaged or not built yet.

One thread appends; any number search at the same time. An array is never changed below the count that a
search has seen: growing makes a new one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kadrd.values import Matrix, Near, Vector, VectorRow


class Segment:
    """Vectors with after < seq <= upto, in memory."""

    def __init__(self, dimension: int, after: int) -> None:
        self.after = after
        self.upto = after
        self._state: tuple[Matrix, NDArray[np.int64], int] = (
            np.empty((0, dimension), np.float32),
            np.empty(0, np.int64),
            0,
        )

    @property
    def count(self) -> int:
        return self._state[2]

    def add(self, picture_ids: list[int], rows: Matrix, upto: int) -> None:
        """Append rows whose highest sequence number is *upto*."""
        vectors, ids, count = self._state
        needed = count + len(picture_ids)
        if needed > len(ids):
            room = max(needed, 2 * len(ids), 256)
            vectors, ids = _grown(vectors, room, count), _grown(ids, room, count)
        vectors[count:needed] = rows
        ids[count:needed] = picture_ids
        self._state = (vectors, ids, needed)  # one assignment: a search sees the old rows or all
        self.upto = upto

    def add_rows(self, rows: list[VectorRow]) -> None:
        """Append committed rows."""
        if rows:
            self.add([r.picture_id for r in rows], np.stack([r.vector for r in rows]), rows[-1].seq)

    def search(self, vector: Vector, k: int) -> list[Near]:
        """The *k* nearest, best first; all of them when there are fewer."""
        vectors, ids, count = self._state
        return nearest(vectors[:count], ids[:count], vector, k)


def nearest(vectors: Matrix, ids: NDArray[np.int64], vector: Vector, k: int) -> list[Near]:
    """Exact search: the *k* rows of *vectors* (n, d) with the highest cosine to *vector*, best first."""
    k = min(k, len(ids))
    if k == 0:
        return []
    scores = vectors @ vector
    best = np.argpartition(-scores, k - 1)[:k]
    best = best[np.argsort(-scores[best], kind="stable")]
    return [Near(int(ids[i]), float(scores[i])) for i in best]


def _grown(array: NDArray, room: int, count: int) -> NDArray:  # type: ignore[type-arg]
    new = np.empty((room, *array.shape[1:]), array.dtype)
    new[:count] = array[:count]
    return new
