"""Which way to look for the nearest pictures of those that may be shown, so that none that matches is lost.

A graph cannot be asked for the pictures of 2019: it gives what lies nearest, and what does not match is left out after it.
That is quick where many match. Where few do, they are listed and each is looked at; and where the graph comes back short
too often, all that match are. Files whose disk is away are left out in the same way. Reads no clock, knows no SQL.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from kadrd.store.shards import Index
from kadrd.values import Near, Vector

# Pictures whose files are gone still sit in the index for a while, so a few more are asked for than wanted.
SPARE = 16
# Half as many again as the share that matched so far would need: nearer and farther pictures differ in it.
MARGIN = 1.5
LEAST_STEP, MOST_STEP = 4, 16
# Microseconds (bench/filtered.py) for a row that is looked at, and for a candidate that the graph gives and the catalogue
# is asked for. Where an exact search of so many costs as much as the graph for the same filter, lies the limit.
ROW, CANDIDATE = 30.0, 10.0
# So few are always looked at one by one.
ALWAYS_EXACT = 1000
# The graph is not asked for more of all pictures than this, nor a third time when two looks showed nothing that matches: far
# from the query it cost as much as a list of all matches and a look at each, and lost 6 of 160 hits where that loses none.
GRAPH_SHARE, BLIND = 1 / 8, 2
EVERYTHING = 2**31


class Filtered(Protocol):
    """The pictures that may be shown."""

    @property
    def narrows(self) -> bool:
        """Whether somebody asked for less than everything."""

    def some(self, limit: int) -> NDArray[np.int64]:
        """Up to *limit* pictures, by id; fewer are all that there are."""

    def among(self, picture_ids: Iterable[int]) -> set[int]:
        """Which of these pictures belong to it."""


class Plan(NamedTuple):
    """How pictures were found, for `--explain`."""

    way: str
    """"exact", "graph" or "exact after a short graph" """
    matches: int | None
    """pictures that match; None where the graph found enough before they were counted"""
    looked_at: int
    """pictures that were compared with the filter or the query"""
    rounds: int
    """times the graph was asked"""


class Found(NamedTuple):
    """The nearest pictures that may be shown, best first, and how they were found."""

    near: list[Near]
    plan: Plan


def find(vector: Vector, k: int, index: Index, filtered: Filtered) -> Found:
    """The *k* nearest pictures of *filtered*, all of them when there are fewer."""
    if filtered.narrows:
        limit = exact_limit(k, index.count)
        few = filtered.some(limit)
        if len(few) < limit:
            return Found(index.search_exactly(vector, k, few), Plan("exact", len(few), len(few), 0))
    return _by_graph(vector, k, index, filtered)


def exact_limit(k: int, count: int) -> int:
    """From how many matches on, of *count* pictures, the graph is asked first.

    >>> exact_limit(10, 10_000), exact_limit(10, 1_000_000), exact_limit(1000, 1_000_000)
    (1000, 3606, 22539)
    """
    return max(ALWAYS_EXACT, math.ceil(math.sqrt(MARGIN * (k + SPARE) * count * CANDIDATE / ROW)))


def _by_graph(vector: Vector, k: int, index: Index, filtered: Filtered) -> Found:
    """Ask the graph for more and more, until enough of it match or everything would cost less."""
    seen: set[int] = set()
    shown: set[int] = set()
    wanted, rounds = k + SPARE, 0
    while True:
        near = index.search(vector, wanted)
        new = [one.picture_id for one in near if one.picture_id not in seen]
        seen.update(new)
        shown |= filtered.among(new)
        rounds += 1
        if len(shown) >= k or len(near) < wanted:
            best = [one for one in near if one.picture_id in shown][:k]
            return Found(best, Plan("graph", None, len(seen), rounds))
        wanted = wider(wanted, len(shown), k)
        if wanted > GRAPH_SHARE * index.count or (rounds >= BLIND and not shown):
            every = filtered.some(EVERYTHING)
            plan = Plan("exact after a short graph", len(every), len(seen) + len(every), rounds)
            return Found(index.search_exactly(vector, k, every), plan)


def wider(wanted: int, shown: int, k: int) -> int:
    """How many to ask the graph for, when of *wanted* only *shown* match and *k* should.

    >>> wider(26, 6, 10), wider(26, 0, 10), wider(416, 2, 10)
    (104, 416, 2090)
    """
    needed = math.ceil(MARGIN * k * (wanted + 2) / (shown + 1))
    return min(max(needed, LEAST_STEP * wanted), MOST_STEP * wanted)
