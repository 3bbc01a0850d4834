"""Whose request is next when more is asked than can be answered. Pure: starts nothing, reads no clock.

Clients are many, processors few. A person asks, reads, and asks again; a program asks as soon as it has its
answer: it hammers. So there are lines: who is known to pause goes before who is not known, and both before who
hammers; in a line everybody has a turn. Who has waited PATIENCE gets every second turn, whatever the line.
One place is kept free of those that hammer, and while somebody else is around the others rest after each of their
requests: whoever has a turn shares processor, caches and Python's lock with what runs, and a turn alone does not help.

Rejected: even shares of the processor's time, since beside 64 programs a person who asks twenty times a second has used
more than an even share; one line in which habit moves a request by a second at most, since a burst of newcomers
went before everybody who asked a little later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Generic, TypeVar

PATIENCE = 2.0
# A pause shorter than this is none: a program's own work between two requests takes milliseconds, a person's typing more.
PAUSE = 0.02
# Who lets us work for more of its time than the first hammers; for less than the second, is known to pause.
HAMMERS, PAUSES = 0.5, 0.35
# Nothing is known of somebody new.
NEWCOMER = 0.4
# How much the last pause counts beside those before: a program that stumbles once is none the less a program.
LEARNING = 0.3
# Of those that hammer, each gets every so many-th answer soon, to see what it does then: who asks at a pace that we
# do not keep asks at once as well, and would else be taken for a program as long as it has to wait like one.
TRIAL_EVERY = 4
# How long after its last request somebody is thought to be around.
AROUND = 2.0
# How long those that hammer rest after a request of theirs, in multiples of the time it ran. With 0 a person beside 64
# programs waited 2.2 to 2.8 times as long as alone, with 1 it was 1.1 to 1.6 times (three runs each in turn, new pictures
# coming), with 3 no less; the programs had 180, 100 and 45 answers a second (bench/abuse.py).
REST = 1.0

_T = TypeVar("_T", bound=Hashable)


class Line(IntEnum):
    """Who goes before whom. Who is doubtful goes before who is new, so that few are doubtful at a time."""

    PAUSES = 0
    DOUBTFUL = 1
    TRIAL = 2
    NEW = 3
    HAMMERS = 4

    @property
    def hammers(self) -> bool:
        """Whether who waits here is known to hammer."""
        return self in (Line.TRIAL, Line.HAMMERS)


@dataclass(eq=False)
class Client:
    """What is remembered of one connection."""

    habit: float = NEWCOMER
    """From 0 to 1, one that never pauses: the share of its time in which it has us work, of late."""
    asked: int = 0
    spent: float = 0.0
    """Processor time of its last request, in seconds."""
    waited: float = 0.0
    """How much longer it took than that: waiting for us, or for others, is not its fault."""
    answered: float | None = None
    """When it got its last answer; None before the first."""
    running: _Place | None = None
    waiting: deque[_Place] = field(default_factory=deque)

    @property
    def open(self) -> int:
        """Requests that wait or run."""
        return len(self.waiting) + (self.running is not None)

    def line(self, now: float) -> Line:
        """Where a request belongs that is asked *now*; learns from the pause before it."""
        self.asked += 1
        if self.asked == 1:
            return Line.NEW
        share = self._share(now)
        self.habit += self._learning(share) * (share - self.habit)
        if self.habit <= PAUSES:
            return Line.PAUSES
        if self.habit <= HAMMERS:
            return Line.DOUBTFUL
        return Line.TRIAL if share <= HAMMERS or self.asked % TRIAL_EVERY == 0 else Line.HAMMERS

    def _share(self, now: float) -> float:
        """What part its last request was of the time from its beginning until this one, had it not waited."""
        if self.open or self.answered is None:
            return 1.0
        worked = self.spent + PAUSE
        return worked / (worked + now - self.answered)

    def _learning(self, share: float) -> float:
        """Asking at once says little after an answer that came late: who asks at a pace does so too."""
        return LEARNING * PAUSE / (PAUSE + self.waited) if share > self.habit else LEARNING


@dataclass(eq=False)
class _Place:
    client: Client
    what: Hashable
    line: Line
    asked: float
    since: float = 0.0
    """When it came into its line, or began to run."""


class Turns(Generic[_T]):
    """Lets at most *at_once* run, one of each client, while at most *room* wait."""

    def __init__(self, at_once: int, room: int) -> None:
        self._at_once, self._room = at_once, room
        self._running = self._hammering = self._waiting = 0
        self.attending = 0
        """how many run for those that do not hammer"""
        # The first request of each client that has nothing running. Some were withdrawn since.
        self._lines: dict[Line, deque[_Place]] = {line: deque() for line in Line}
        # When those were here last who do not hammer, the longest ago first.
        self._around: dict[Client, float] = {}
        self._rested = float("-inf")
        self._was_late = False
        self.again_at: float | None = None
        """When `next`, which gave nothing, may give something though nothing ends before; None: not before."""

    def ask(self, client: Client, what: _T, now: float) -> bool:
        """Queue *what* of *client*; False, and nothing is kept, when all places are taken."""
        if self._waiting >= self._room:
            return False
        line = client.line(now)
        client.waiting.append(_Place(client, what, line, now))
        self._waiting += 1
        if client.open == 1:
            self._line_up(client, now)
        self._see(client, line, now)
        return True

    def _see(self, client: Client, line: Line, now: float) -> None:
        self._around.pop(client, None)  # a program that was new a moment ago was nobody to care for
        if not line.hammers:
            self._around[client] = now
        while self._around and now - next(iter(self._around.values())) > AROUND:
            del self._around[next(iter(self._around))]

    def next(self, now: float) -> _T | None:
        """What is to be started now, if anything; it runs until `done`."""
        self.again_at = None
        if self._running >= self._at_once:
            return None
        first = [place for line in Line if (place := self._first(line)) and self._may(line, now)]
        if not first:
            return None
        oldest = min(first, key=lambda place: place.since)
        self._was_late = not self._was_late and now - oldest.since > PATIENCE
        place = oldest if self._was_late else first[0]
        self._begin(place, now)
        what: _T = place.what  # type: ignore[assignment]
        return what

    def _first(self, line: Line) -> _Place | None:
        """The first of *line* that still waits."""
        queue = self._lines[line]
        while queue and (not (waiting := queue[0].client.waiting) or waiting[0] is not queue[0]):
            queue.popleft()  # it was withdrawn
        return queue[0] if queue else None

    def _may(self, line: Line, now: float) -> bool:
        """Whether one of *line* may run beside what does."""
        if not line.hammers:
            return True
        # Two programs at once have no more answers than one, 650 a second beside 700 (2,020 pictures): Python's lock.
        if self._hammering >= max(1, self._at_once - 1):
            return False
        if now < self._rested and self._around:
            self.again_at = self._rested
            return False
        return True

    def _begin(self, place: _Place, now: float) -> None:
        client = place.client
        self._lines[place.line].popleft()
        client.waiting.popleft()
        client.running, place.since = place, now
        self._waiting -= 1
        self._running += 1
        self._hammering += place.line.hammers
        self.attending += not place.line.hammers

    def withdraw(self, client: Client, what: _T, now: float) -> bool:
        """Forget *what* if it still waits; False when it runs already."""
        place = next((place for place in client.waiting if place.what == what), None)
        if place is None:
            return False
        first = client.waiting[0] is place
        client.waiting.remove(place)
        self._waiting -= 1
        if first and client.running is None:
            self._line_up(client, now)
        return True

    def done(self, client: Client, now: float, spent: float = 0.0) -> None:
        """What ran for *client* has ended, after *spent* seconds of processor time."""
        place, client.running = client.running, None
        assert place is not None
        client.answered, client.spent, client.waited = now, spent, max(0.0, now - place.asked - spent)
        self._running -= 1
        self.attending -= not place.line.hammers
        if place.line.hammers:
            self._hammering -= 1
            self._rested = now + REST * (now - place.since)
        self._line_up(client, now)

    @property
    def open(self) -> int:
        """How many wait or run."""
        return self._running + self._waiting

    def _line_up(self, client: Client, now: float) -> None:
        if client.waiting:
            place = client.waiting[0]
            place.since = now
            self._lines[place.line].append(place)
