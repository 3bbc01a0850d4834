"""Files that show the same, three kinds of them kept apart: equal bytes, equal pictures, pictures that nearly look the same.

The first two are certain: they are the catalogue's keys. The third is a guess by vectors, and only made when asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from kadrd.store.selection import Double, Selection
from kadrd.store.shards import Index
from kadrd.values import Near, Vector

NEIGHBOURS = 16
PICTURES_AT_ONCE = 256
EVERYTHING = 2**31


class Group(NamedTuple):
    """Files that show the same."""

    kind: str
    """"file": equal bytes; "picture": equal pictures, other metadata; "near": nearly the same"""
    files: tuple[int, ...]
    score: float
    """the least cosine that holds it together; 1 for what is equal"""


def exact(doubles: list[Double]) -> Iterator[Group]:
    """Groups of equal bytes, and of equal pictures in files that differ."""
    by_picture: dict[int, dict[bytes, list[int]]] = {}
    for double in doubles:
        by_picture.setdefault(double.picture_id, {}).setdefault(double.file_key, []).append(double.file_id)
    for by_key in by_picture.values():
        yield from (Group("file", tuple(files), 1.0) for files in by_key.values() if len(files) > 1)
        if len(by_key) > 1:
            yield Group("picture", tuple(file for files in by_key.values() for file in files), 1.0)


def near(
    selection: Selection, index: Index, least: float, tell: Callable[[int, int], None]
) -> list[tuple[tuple[int, ...], float]]:
    """Groups of pictures that hang together by cosines of *least* or more, each with its least one; the closest first.

    A group may hold two pictures that are less alike, with others between them: a burst drifts. Tells (done, all).
    """
    pictures = selection.some(EVERYTHING)
    inside, bonds = set(pictures.tolist()), Bonds()
    for start in range(0, len(pictures), PICTURES_AT_ONCE):
        tell(start, len(pictures))
        ids, vectors = index.vectors_of(pictures[start : start + PICTURES_AT_ONCE])
        for id_, vector in zip(ids.tolist(), vectors, strict=True):
            for other in _neighbours(index, vector, least):
                if other.picture_id in inside and other.picture_id != id_:
                    bonds.tie(id_, other.picture_id, other.score)
    return sorted(bonds.groups(), key=lambda group: (-group[1], group[0]))


def _neighbours(index: Index, vector: Vector, least: float) -> list[Near]:
    """All that are so near: a long burst has more than the first look asks for."""
    k = NEIGHBOURS
    while True:
        found = index.search(vector, k)
        if len(found) < k or found[-1].score < least:
            return [one for one in found if one.score >= least]
        k *= 4


class Bonds:
    """Who hangs together with whom: a union-find with the weakest bond of each group."""

    def __init__(self) -> None:
        self._above: dict[int, int] = {}
        self._weakest: dict[int, float] = {}

    def tie(self, one: int, other: int, score: float) -> None:
        first, second = self._top(one), self._top(other)
        if first != second:
            weakest = min(score, self._weakest.pop(first, 1.0), self._weakest.pop(second, 1.0))
            self._above[second] = first
            self._weakest[first] = weakest

    def groups(self) -> Iterator[tuple[tuple[int, ...], float]]:
        """(members in order, the weakest bond) of each group."""
        members: dict[int, list[int]] = {}
        for one in self._above:
            members.setdefault(self._top(one), []).append(one)
        for top, found in members.items():
            yield tuple(sorted(found)), self._weakest[top]

    def _top(self, one: int) -> int:
        above = self._above.setdefault(one, one)
        while above != self._above[above]:
            self._above[above] = self._above[self._above[above]]
            above = self._above[above]
        self._above[one] = above
        return above


def representatives(groups: Mapping[int, list[int]], members: tuple[int, ...]) -> tuple[int, ...]:
    """One file for each picture of a near group: its copies are told of elsewhere."""
    return tuple(groups[picture][0] for picture in members if groups.get(picture))
