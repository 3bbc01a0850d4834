"""Rows searched exactly: the newest ones, and stand-ins for a shard that is damaged or not built yet.

One thread appends; any number search at the same time. An array is never changed below the count that a
search has seen: growing makes a new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from kadrd.values import Matrix, Near, Vector, VectorRow

Ids = NDArray[np.int64]
"""(n,), picture ids."""

# Rows compared at once: 8 MB of 512 numbers, so that choosing some of them copies little.
ROWS_A_BLOCK = 4096


class Segment:
    """Vectors with after < seq <= upto, in memory."""

    def __init__(self, dimension: int, after: int) -> None:
        self.after = after
        self.upto = after
        self._state: tuple[Matrix, Ids, int] = (
            np.empty((0, dimension), np.float32),
            np.empty(0, np.int64),
            0,
        )

    @property
    def count(self) -> int:
        return self._state[2]

    @property
    def ids(self) -> Ids:
        """In the order in which they came."""
        _, ids, count = self._state
        return ids[:count]

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

    def vectors(self, allowed: Ids | None) -> Iterator[tuple[Ids, Matrix]]:
        """(ids, vectors) of the pictures in *allowed*, which is sorted; of all without it. Some thousands at a time."""
        vectors, ids, count = self._state
        return blocks(ids[:count], vectors[:count], allowed)


def nearest(vectors: Matrix, ids: Ids, vector: Vector, k: int) -> list[Near]:
    """Exact search: the *k* rows of *vectors* (n, d) with the highest cosine to *vector*, best first."""
    return exactly([(ids, vectors)], vector, k)


def exactly(rows: Iterable[tuple[Ids, Matrix]], vector: Vector, k: int) -> list[Near]:
    """The *k* nearest of all (ids, vectors) in *rows*, best first. Only the scores are kept of each."""
    looked_at = [(some, vectors @ vector) for some, vectors in rows]
    ids = np.concatenate([np.empty(0, np.int64), *(some for some, _ in looked_at)])
    scores = np.concatenate([np.empty(0, np.float32), *(some for _, some in looked_at)])
    k = min(k, len(ids))
    if k == 0:
        return []
    best = np.argpartition(-scores, k - 1)[:k]
    best = best[np.argsort(-scores[best], kind="stable")]
    return [Near(id_, score) for id_, score in zip(ids[best].tolist(), scores[best].tolist(), strict=True)]


def blocks(ids: Ids, vectors: Matrix, allowed: Ids | None) -> Iterator[tuple[Ids, Matrix]]:
    """(ids, vectors) of those in *allowed*, which is sorted; of all without it. Copies only what it chooses."""
    for start in range(0, len(ids), ROWS_A_BLOCK):
        some, rows = ids[start : start + ROWS_A_BLOCK], vectors[start : start + ROWS_A_BLOCK]
        if allowed is None:
            yield some, rows
        elif (chosen := inside(some, allowed)).any():
            yield some[chosen], rows[chosen]


def inside(ids: Ids, among: Ids) -> NDArray[np.bool_]:
    """Which of *ids* are in *among*, which is sorted."""
    if not len(among):
        return np.zeros(len(ids), np.bool_)
    at = np.minimum(np.searchsorted(among, ids), len(among) - 1)
    found: NDArray[np.bool_] = among[at] == ids
    return found


def _grown(array: NDArray, room: int, count: int) -> NDArray:  # type: ignore[type-arg]
    new = np.empty((room, *array.shape[1:]), array.dtype)
    new[:count] = array[:count]
    return new
