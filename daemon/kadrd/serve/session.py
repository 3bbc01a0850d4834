"""One connection: hello, then requests and their replies, until the client goes. Knows no command by name.

A client can be slow, silent, greedy or hostile; it costs itself. Whatever it sends ends in a reply or in a closed
connection, never in an exception that leaves this module.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from kadr.protocol import messages
from kadr.protocol.errors import (
    BadParameter,
    Busy,
    Cancelled,
    DeadlinePassed,
    KadrError,
    MissingCapability,
    NotInitialized,
    ShuttingDown,
    TooLarge,
    UnsupportedProtocol,
)
from kadr.protocol.frames import HELLO_LIMIT, REQUEST_LIMIT, FrameReader, encode
from kadr.protocol.messages import Cancel, End, Err, Hello, Reply, Welcome

log = logging.getLogger(__name__)

HELLO_SECONDS = 2.0
FRAME_SECONDS = 5.0
IDLE_SECONDS = 600.0
STALL_SECONDS = 10.0
IN_FLIGHT = 16
BUSY_RETRY_MS = 500
FREE_MISTAKES, MISTAKE_SECONDS, LONGEST_PAUSE = 5, 0.001, 0.1

Say = Callable[[Reply], Awaitable[None]]
Perform = Callable[[Any, Say], Awaitable[dict[str, Any]]]
"""Answers one request: any number of replies through Say, then the body of the last one."""


class Patience(NamedTuple):
    """How many seconds a client may take."""

    hello: float = HELLO_SECONDS
    frame: float = FRAME_SECONDS
    idle: float = IDLE_SECONDS
    stall: float = STALL_SECONDS
    """to read what it is sent"""


class Closed(Exception):
    """The connection is over."""


def pause_after(mistakes: int) -> float:
    """How many seconds nothing is read from a client that made so many mistakes: who floods us with them gets slower."""
    return min(MISTAKE_SECONDS * max(0, mistakes - FREE_MISTAKES), LONGEST_PAUSE)


class Session:
    """Serves one client."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        welcome: Callable[[], Welcome],
        perform: Perform,
        patience: Patience = Patience(),  # noqa: B008 - frozen
    ) -> None:
        self._reader, self._writer = reader, writer
        self._welcome, self._perform, self._patience = welcome, perform, patience
        self._frames = FrameReader(HELLO_LIMIT)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._sending = asyncio.Lock()
        self._mistakes = 0

    async def run(self) -> None:
        """Serve until the client goes or breaks a rule."""
        try:
            await self._greet()
            self._frames.limit = REQUEST_LIMIT
            while not self._writer.is_closing():  # what a client that went has still asked is nobody's
                await self._take(await self._next(self._patience.idle))
                await asyncio.sleep(0)  # the others' turn: one read may hold a thousand frames
        except (Closed, ConnectionError, TimeoutError, asyncio.CancelledError):
            pass  # cancelled: the daemon is stopping, and asyncio would log a traceback
        except KadrError as error:
            with contextlib.suppress(Closed, ConnectionError):
                await self._send(0, Err(error))
        finally:
            await self._end()

    async def turn_away(self, error: KadrError) -> None:
        """Say why this client is not served, and close."""
        with contextlib.suppress(Closed, ConnectionError):
            await self._send(0, Err(error))
        await self._end()

    def stop(self) -> None:
        """End every request that is under way; the connection closes when they have said so."""
        for task in self._tasks.values():
            task.cancel("stopping")

    # Reading

    async def _greet(self) -> None:
        message = await self._next(self._patience.hello)
        if message.get("op") != "hello":
            raise NotInitialized
        hello = messages.fields(Hello, message)
        if messages.PROTOCOL not in range(min(hello.proto, default=0), max(hello.proto, default=0) + 1):
            raise UnsupportedProtocol(ours=messages.PROTOCOL, theirs=hello.proto)
        if missing := [name for name in hello.require if name not in messages.CAPABILITIES]:
            raise MissingCapability(missing=", ".join(missing)[:200])
        await self._send(0, End(self._welcome()._asdict()))

    async def _next(self, patience: float) -> dict[str, Any]:
        """The next map. Raises Closed at the end of the stream or of the patience, BadFrame or TooLarge."""
        begun = time.monotonic() if self._frames.partial else None
        while (frame := self._frames.next()) is None:
            if self._frames.partial and begun is None:
                begun = time.monotonic()
            wait = (
                patience if begun is None else begun + min(self._patience.frame, patience) - time.monotonic()
            )
            try:
                async with asyncio.timeout(wait):
                    data = await self._reader.read(65536)
            except TimeoutError:
                if begun is None and self._tasks:
                    continue  # somebody who waits for an answer is not idle
                raise Closed from None
            if not data:
                raise Closed
            self._frames.feed(data)
        return frame

    async def _take(self, message: dict[str, Any]) -> None:
        id_ = message.get("id")
        number = id_ if isinstance(id_, int) and not isinstance(id_, bool) and 0 < id_ < 2**63 else 0
        try:
            number, request, deadline_ms = messages.read_request(message)
            if number in self._tasks:
                raise BadParameter(why=f"The id {number} is still in use")
            if isinstance(request, Cancel):
                self._cancel(request)
                await self._send(number, End({}))
                return
            if len(self._tasks) >= IN_FLIGHT:
                raise Busy(retry_ms=BUSY_RETRY_MS)
        except KadrError as error:
            await self._send(number, Err(error))
            self._mistakes += not isinstance(error, Busy)
            await asyncio.sleep(pause_after(self._mistakes))
            return
        self._mistakes = max(0, self._mistakes - 1)
        # The loop lets it begin before the next frame: a task that is cancelled before would never answer.
        self._tasks[number] = asyncio.create_task(self._answer(number, request, deadline_ms))

    def _cancel(self, request: Cancel) -> None:
        if request.target in self._tasks:
            self._tasks[request.target].cancel("client")

    # Answering

    async def _answer(self, number: int, request: Any, deadline_ms: int) -> None:
        """Exactly one last reply, whatever happens."""
        last = await self._outcome(request, number, deadline_ms)
        del self._tasks[number]  # before the reply: whoever has read it may ask the next at once
        if last is not None:
            with contextlib.suppress(Closed, ConnectionError):
                await self._send(number, last)

    async def _outcome(self, request: Any, number: int, deadline_ms: int) -> Reply | None:
        """The last reply; None when nobody is there to read it."""
        try:
            async with asyncio.timeout(deadline_ms / 1000 if deadline_ms else None):
                body = await self._perform(request, lambda reply: self._send(number, reply))
            return End(body)
        except asyncio.CancelledError as error:
            return Err(ShuttingDown() if error.args == ("stopping",) else Cancelled())
        except TimeoutError:
            return Err(DeadlinePassed())
        except KadrError as error:
            return Err(error)
        except (Closed, ConnectionError):
            return None
        except Exception:
            reference = secrets.token_hex(4)
            log.exception("internal error %s while answering %s", reference, type(request).__name__)
            return Err(KadrError(why=f"internal error {reference}"))

    async def _send(self, number: int, reply: Reply) -> None:
        """Raises Closed when the client does not read."""
        try:
            frame = encode(messages.reply(number, reply))
        except TooLarge as error:
            frame = encode(messages.reply(number, Err(error)))
        async with self._sending:
            self._writer.write(frame)
            if not (self._writer.transport.get_write_buffer_size() or self._writer.is_closing()):
                return  # nearly always; a wait with a limit costs more than the rest
            try:
                async with asyncio.timeout(self._patience.stall):
                    await self._writer.drain()
            except TimeoutError:
                self._writer.transport.abort()
                raise Closed from None

    async def _end(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel("gone")
        await asyncio.gather(*tasks, return_exceptions=True)
        self._writer.close()
        with contextlib.suppress(ConnectionError, TimeoutError):
            await asyncio.wait_for(self._writer.wait_closed(), self._patience.stall)
