"""What becomes of hits, as the rest of the client sees it. Imported for types alone where a plain search passes."""

from __future__ import annotations

from typing import Protocol

from kadr.connection import Connection
from kadr.protocol.messages import Hit


class Way(Protocol):
    """What becomes of hits; `Lines` of output.py is one."""

    def take(self, hits: list[Hit]) -> None:
        """Some hits of the answer; called until there are no more."""

    def event(self, kind: str, hit: Hit) -> None:
        """With --follow, and after `finish`: *hit* is `new` or `gone`."""

    def finish(self, connection: Connection) -> int:
        """The answer is complete, and *connection* free for other questions. The exit code."""


class Gathered:
    """The part of a way that waits for the last hit: a daemon does not wait for a client that runs commands meanwhile."""

    def __init__(self) -> None:
        self.hits: list[Hit] = []

    def take(self, hits: list[Hit]) -> None:
        self.hits += hits

    def event(self, kind: str, hit: Hit) -> None:
        """Nothing: table.APART keeps --follow and this way apart."""
