"""Whose request is next when more is asked than can be answered. Pure: starts nothing, reads no clock.

Clients are many, processors few. A person asks, reads, and asks again; a program asks as soon as it has its
answer. So a request is due later, up to PATIENCE, the less its client rested before it: whoever comes back from a
pause goes first, then who comes new, those that hammer take turns among themselves, and nobody waits more than
PATIENCE longer than in a plain queue. One place is kept free of those that hammer, so that who comes back need not wait for one
of them to end. Sharing the processor's time evenly was rejected: beside 64 programs a person who asks twenty times a
second has used more than an even share, and would wait behind them.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

PATIENCE = 1.0
# A pause shorter than this is none: a program's own work between two requests takes milliseconds, a person's typing more.
PAUSE = 0.02
# Who lets us work for more than this share of its time hammers.
HAMMERS = 0.5
# Nothing is known of somebody new: behind those who are known to pause, before those that are known to hammer.
NEWCOMER = 0.45
# How much the last pause counts beside those before: a program that stumbles once is none the less a program.
LEARNING = 0.3

_T = TypeVar("_T", bound=Hashable)


@dataclass(eq=False)
class Client:
    """What is remembered of one connection."""

    spent: float = 0.0
    """Processor time of its last request; what it waited for us, or for others, is not its fault."""
    answered: float | None = None
    """When it got its last answer; None before the first."""
    running: bool = False
    hammers: bool = False
    """Whether the request that runs was asked without a pause."""
    habit: float = NEWCOMER
    waiting: deque[_Place] = field(default_factory=deque)

    @property
    def open(self) -> int:
        """Requests that wait or run."""
        return len(self.waiting) + self.running

    def restless(self, now: float) -> float:
        """From 0 to 1, one that never pauses: the share of its time in which it has us work, of late."""
        if self.open:
            share = 1.0
        elif self.answered is None:
            return self.habit
        else:
            worked = self.spent + PAUSE
            share = worked / (worked + now - self.answered)
        return self.habit + LEARNING * (share - self.habit)


@dataclass(order=True)
class _Place:
    due: float
    number: int
    client: Client = field(compare=False)
    what: Hashable = field(compare=False)
    hammers: bool = field(compare=False)


class Turns(Generic[_T]):
    """Lets at most *at_once* run, one of each client, while at most *room* wait."""

    def __init__(self, at_once: int, room: int) -> None:
        self._at_once, self._room = at_once, room
        self._running = self._hammering = self._waiting = 0
        # The first request of each client that has nothing running; by whether it hammers. Some were withdrawn since.
        self._first: dict[bool, list[_Place]] = {False: [], True: []}
        self._numbers = itertools.count()

    def ask(self, client: Client, what: _T, now: float) -> bool:
        """Queue *what* of *client*; False, and nothing is kept, when all places are taken."""
        if self._waiting >= self._room:
            return False
        restless = client.habit = client.restless(now)
        place = _Place(now + PATIENCE * restless, next(self._numbers), client, what, restless > HAMMERS)
        client.waiting.append(place)
        self._waiting += 1
        if client.open == 1:
            self._line_up(client)
        return True

    def next(self) -> _T | None:
        """What is to be started now, if anything; it runs until `done`."""
        if self._running >= self._at_once:
            return None
        full = self._hammering >= max(1, self._at_once - 1)
        queues = [
            queue for hammers in (False, True) if (queue := self._live(hammers)) and not (hammers and full)
        ]
        if not queues:
            return None
        place = heapq.heappop(min(queues, key=lambda queue: queue[0]))
        client = place.client
        client.waiting.popleft()
        client.running, client.hammers = True, place.hammers
        self._waiting -= 1
        self._running += 1
        self._hammering += place.hammers
        what: _T = place.what  # type: ignore[assignment]
        return what

    def withdraw(self, client: Client, what: _T) -> bool:
        """Forget *what* if it still waits; False when it runs already."""
        place = next((place for place in client.waiting if place.what == what), None)
        if place is None:
            return False
        first = client.waiting[0] is place
        client.waiting.remove(place)
        self._waiting -= 1
        if first and not client.running:
            self._line_up(client)
        return True

    def done(self, client: Client, now: float, spent: float = 0.0) -> None:
        """What ran for *client* has ended, after *spent* seconds of processor time."""
        client.running = False
        client.answered, client.spent = now, spent
        self._running -= 1
        self._hammering -= client.hammers
        self._line_up(client)

    @property
    def open(self) -> int:
        """How many wait or run."""
        return self._running + self._waiting

    def _line_up(self, client: Client) -> None:
        if client.waiting:
            heapq.heappush(self._first[client.waiting[0].hammers], client.waiting[0])

    def _live(self, hammers: bool) -> list[_Place]:
        """Their queue, with one that still waits at its head."""
        queue = self._first[hammers]
        while queue and (not (waiting := queue[0].client.waiting) or waiting[0] is not queue[0]):
            heapq.heappop(queue)  # it was withdrawn
        return queue
