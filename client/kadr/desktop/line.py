"""A connection to the daemon for an event loop: connect, hello, one search at a time, which may be cancelled.

The client's other connection (kadr/connection.py) waits, and a process that shells wait for must not. Starts nothing.
"""

from __future__ import annotations

import asyncio
from typing import Self

from kadr import __version__
from kadr.connection import check_owner, row_as
from kadr.protocol import messages
from kadr.protocol.frames import REPLY_LIMIT, FrameReader, encode
from kadr.protocol.messages import PROTOCOL, Cancel, End, Err, Hello, Hit, Item, Reply, Search

HELLO_SECONDS = 2.0
# More than any shell shows.
HITS = 12
# When nobody has cancelled it and it still is not answered, the daemon may give it up.
DEADLINE_MS = 5_000


class Line:
    """One greeted connection. Only one search is under way at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._frames = FrameReader(REPLY_LIMIT)
        self._last_id = 0
        self._under_way = 0

    @classmethod
    async def open(cls, socket: str) -> Self:
        """A line to the daemon at *socket*. Raises OSError, TimeoutError or a KadrError, and soon."""
        check_owner(socket)
        async with asyncio.timeout(HELLO_SECONDS):
            line = cls(*await asyncio.open_unix_connection(socket))
            try:
                line._send(messages.hello(Hello([PROTOCOL] * 2, f"kadr-desktop/{__version__}", ["search"])))
                await line._reply_to(0)
            except BaseException:
                line.close()
                raise
        return line

    @property
    def lost(self) -> bool:
        """Whether the daemon has closed it: it does so with who is silent for long."""
        return self._reader.at_eof() or self._writer.is_closing()

    async def ask(self, text: str) -> list[Hit]:
        """The best hits for *text*. Raises OSError or a KadrError, Cancelled among them."""
        self._last_id += 1
        self._under_way = id_ = self._last_id
        try:
            self._send(messages.request(id_, Search(text, HITS), DEADLINE_MS))
            hits: list[Hit] = []
            while not isinstance(reply := await self._reply_to(id_), End):
                if isinstance(reply, Item):
                    hits += [row_as(Hit, row) for row in reply.rows]
            return hits
        finally:
            self._under_way = 0

    def cancel(self) -> None:
        """End the search that is under way, once."""
        if self._under_way:
            self._last_id += 1
            self._send(messages.request(self._last_id, Cancel(self._under_way)))
            self._under_way = 0

    def close(self) -> None:
        self._writer.close()

    def _send(self, message: dict[str, object]) -> None:
        self._writer.write(encode(message))

    async def _reply_to(self, id_: int) -> Reply:
        while True:
            while (message := self._frames.next()) is None:
                data = await self._reader.read(64 * 1024)
                if not data:
                    raise ConnectionResetError
                self._frames.feed(data)
            given, reply = messages.read_reply(message)
            if isinstance(reply, Err) and given in {id_, 0}:  # 0: the daemon speaks of the whole connection
                raise reply.error
            if given == id_:
                return reply
