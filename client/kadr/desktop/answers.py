"""Hits for a text that is still being typed: only the newest text is asked, and nobody waits for an older one.

Starts no daemon: a keystroke is no reason to. Holds a bounded number of answers, for a short time. Runs in one event loop;
knows neither D-Bus nor what becomes of hits.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import suppress
from typing import NamedTuple

from kadr.desktop.line import Line
from kadr.protocol.errors import Busy, Cancelled, DeadlinePassed, KadrError, QueryError, ShuttingDown
from kadr.protocol.messages import Hit

# How long the newest text waits for its answer. Shells ask without waiting and take an answer that comes later than the next
# keystroke all the same; one that never comes is no use to anybody. A daemon that has let one text wait so long lets no
# further one wait until it answers.
PATIENCE_SECONDS = 1.0
# Answers are kept for who deletes a letter, and not for long: pictures come and go.
KEPT, KEPT_SECONDS = 32, 20.0
# What says nothing of the question itself, so that it may be asked again.
_PASSING = (Busy, Cancelled, DeadlinePassed, ShuttingDown)


class _Kept(NamedTuple):
    hits: list[Hit]
    since: float


class Newest:
    """The answers to one person's typing."""

    def __init__(self, socket: str, patience: float = PATIENCE_SECONDS) -> None:
        self._socket, self._patience = socket, patience
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._line: Line | None = None
        self._text = ""
        self._asked = ""
        self._answer: asyncio.Future[list[Hit] | None] | None = None
        self._asking: asyncio.Task[None] | None = None
        self._slow = self._cancelled = False

    async def hits(self, text: str) -> list[Hit] | None:
        """What the daemon finds for *text*; None where it did not say: a newer text came, none runs, or it is slow."""
        self._supersede()
        kept = self._kept.get(text)
        if kept and self._now() - kept.since < KEPT_SECONDS:
            return kept.hits
        answer: asyncio.Future[list[Hit] | None] = asyncio.get_running_loop().create_future()
        self._text, self._answer = text, answer
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        elif self._line and self._asked != text:
            self._line.cancel()
            self._cancelled = True
        if self._slow:
            return None
        with suppress(TimeoutError):
            return await asyncio.wait_for(asyncio.shield(answer), self._patience)
        self._slow = True
        return None

    def found(self, path: bytes) -> Hit | None:
        """The hit of *path* in an answer that is still kept."""
        every = (hit for kept in reversed(self._kept.values()) for hit in kept.hits)
        return next((hit for hit in every if hit.path == path), None)

    def forget(self) -> None:
        """The typing is over."""
        self._supersede()
        self._kept.clear()

    def close(self) -> None:
        self._supersede()
        if self._asking:
            self._asking.cancel()
        self._hang_up()

    def _supersede(self) -> None:
        """Whoever waits for an older text waits no longer."""
        if self._answer and not self._answer.done():
            self._answer.set_result(None)
        self._text, self._answer = "", None

    async def _ask(self) -> None:
        """One question at a time, until the newest one is answered."""
        while self._text:
            asked = self._asked = self._text
            self._cancelled = False
            hits = await self._answered(asked)
            self._slow = False
            if hits is not None:
                self._keep(asked, hits)
            if self._text == asked and not self._cancelled:  # else somebody has typed on meanwhile
                self._text = ""
                if self._answer and not self._answer.done():
                    self._answer.set_result(hits)

    async def _answered(self, text: str) -> list[Hit] | None:
        try:
            if self._line and self._line.lost:
                self._hang_up()
            self._line = self._line or await Line.open(self._socket)
            return await self._line.ask(text)
        except QueryError:  # one that is not finished: `taken:`
            return []
        except _PASSING:
            return None
        except (KadrError, OSError):  # TimeoutError among them
            self._hang_up()
            return None

    def _hang_up(self) -> None:
        if self._line:
            self._line.close()
        self._line = None

    def _keep(self, text: str, hits: list[Hit]) -> None:
        self._kept.pop(text, None)
        self._kept[text] = _Kept(hits, self._now())
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
