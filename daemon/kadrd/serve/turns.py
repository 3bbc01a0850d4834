"""Whose request is next when more is asked than can be answered. Pure: starts nothing, reads no clock.

Clients are many, processors few. A person asks, reads, and asks again; a program asks as soon as it has its
answer. So a request is due later, up to PATIENCE, the less its client rested before it: whoever comes new or comes
back from a pause goes first, those that hammer take turns among themselves, and nobody waits more than PATIENCE
longer than in a plain queue. Sharing the processor's time evenly was rejected: beside 64 programs a person who asks
twenty times a second has used more than an even share, and would wait behind them.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

PATIENCE = 1.0

_T = TypeVar("_T", bound=Hashable)


@dataclass(eq=False)
class Client:
    """What is remembered of one connection."""

    asked: float = 0.0
    answered: float | None = None
    """When it got its last answer; None before the first."""
    open: int = 0
    """Requests that wait or run."""
    running: bool = False

    def restless(self, now: float) -> float:
        """From 0, a newcomer, to 1, one that never pauses: the share of its time that it spent waiting for us."""
        if self.open:
            return 1.0
        if self.answered is None:
            return 0.0
        took, rested = self.answered - self.asked, now - self.answered
        return took / (took + rested) if took + rested > 0 else 1.0


@dataclass(order=True)
class _Place(Generic[_T]):
    due: float
    number: int
    client: Client = field(compare=False)
    what: _T = field(compare=False)


class Turns(Generic[_T]):
    """Lets at most *at_once* run, one of each client, while at most *room* wait."""

    def __init__(self, at_once: int, room: int) -> None:
        self._at_once, self._room = at_once, room
        self._running = 0
        self._waiting: dict[_T, _Place[_T]] = {}
        self._by_due: list[_Place[_T]] = []
        self._numbers = itertools.count()

    def ask(self, client: Client, what: _T, now: float) -> bool:
        """Queue *what* of *client*; False, and nothing is kept, when all places are taken."""
        if len(self._waiting) >= self._room:
            return False
        due = now + PATIENCE * client.restless(now)
        place = _Place(due, next(self._numbers), client, what)
        if not client.open:
            client.asked = now
        client.open += 1
        self._waiting[what] = place
        heapq.heappush(self._by_due, place)
        return True

    def next(self) -> _T | None:
        """What is to be started now, if anything; it runs until `done`."""
        if self._running >= self._at_once:
            return None
        passed_over = []
        found = None
        while self._by_due and found is None:
            place = heapq.heappop(self._by_due)
            if self._waiting.get(place.what) is not place:
                continue  # it was withdrawn
            if place.client.running:
                passed_over.append(place)
            else:
                found = place
        for place in passed_over:
            heapq.heappush(self._by_due, place)
        if found is None:
            return None
        del self._waiting[found.what]
        found.client.running = True
        self._running += 1
        return found.what

    def withdraw(self, client: Client, what: _T) -> bool:
        """Forget *what* if it still waits; False when it runs already."""
        if self._waiting.pop(what, None) is None:
            return False
        client.open -= 1
        return True

    def done(self, client: Client, now: float) -> None:
        """What ran for *client* has ended."""
        client.running = False
        client.open -= 1
        client.answered = now
        self._running -= 1

    @property
    def open(self) -> int:
        """How many wait or run."""
        return self._running + len(self._waiting)
