"""Threads for what requests do. `Pool`: few, in turns, for what asks catalogue and index. `Aside`: for what may hang.

Both are bounded, and refuse as busy what is too much. A request that is given up keeps its thread until that returns.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from kadr.protocol.errors import Busy
from kadrd.serve.session import BUSY_RETRY_MS
from kadrd.serve.turns import Client, Turns

_T = TypeVar("_T")


class Pool:
    """Threads that searches take in turns. Used from the event loop alone."""

    def __init__(self, threads: int, room: int) -> None:
        self._turns: Turns[asyncio.Future[None]] = Turns(threads, room)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="search")
        self._timer: asyncio.TimerHandle | None = None
        self._still = False
        self.stand_still: Callable[[bool], None] = lambda _: None
        """Told to let go of the processor while somebody who does not hammer is answered, and to go on."""

    @property
    def open(self) -> int:
        """How many requests wait or run."""
        return self._turns.open

    async def run(self, client: Client, do: Callable[[], _T]) -> _T:
        """What *do* gives, when the turn of *client* has come. Raises Busy."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        if not self._turns.ask(client, turn, time.monotonic()):
            raise Busy(retry_ms=BUSY_RETRY_MS)
        self._start()
        try:
            if not turn.done():
                await turn
        except asyncio.CancelledError:
            if not self._turns.withdraw(client, turn, time.monotonic()):
                self._end(client)  # it was called in the very moment in which it gave up
            raise
        spent = [0.0]

        def timed() -> _T:
            began = time.thread_time()
            try:
                return do()
            finally:
                spent[0] = time.thread_time() - began

        working = loop.run_in_executor(self._threads, timed)
        working.add_done_callback(lambda done: self._end(client, done, spent[0]))
        return await asyncio.shield(working)  # given up or not, the thread is taken until it returns

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = time.monotonic()
        while (turn := self._turns.next(now)) is not None:
            if not turn.done():  # else it was given up just now, and its request is about to say so
                turn.set_result(None)
        if self._turns.again_at is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._turns.again_at - now, self._start)
        self._attend(self._turns.attending > 0)

    def _attend(self, still: bool) -> None:
        if still is not self._still:
            self._still = still
            self.stand_still(still)

    def _end(self, client: Client, done: asyncio.Future[_T] | None = None, spent: float = 0.0) -> None:
        if done is not None and not done.cancelled():
            done.exception()  # seen: nobody may be there to read it
        self._turns.done(client, time.monotonic(), spent)
        self._start()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._attend(False)
        self._threads.shutdown(cancel_futures=True)


class Aside:
    """A thread of its own for each call that may wait for a disk: one that hangs stops neither others nor the end."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._threads: set[threading.Thread] = set()

    @property
    def open(self) -> int:
        """How many calls have not returned."""
        return len(self._threads)

    async def run(self, do: Callable[[], _T]) -> _T:
        """What *do* gives. Raises Busy."""
        if len(self._threads) >= self._at_once:
            raise Busy(retry_ms=BUSY_RETRY_MS)
        loop, future = asyncio.get_running_loop(), Future[_T]()

        def work() -> None:
            try:
                result = do()
            except BaseException as error:  # noqa: BLE001 - the caller's to handle
                future.set_exception(error)
            else:
                future.set_result(result)
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._threads.discard, thread)

        # Not of a ThreadPoolExecutor: the interpreter waits for its threads before it ends, for ever if need be.
        thread = threading.Thread(target=work, name="aside", daemon=True)
        future.set_running_or_notify_cancel()  # so that giving up the wait does not touch it
        thread.start()
        self._threads.add(thread)  # it is discarded on this loop, so not before
        return await asyncio.wrap_future(future)

    def close(self, seconds: float) -> None:
        """Wait that long for calls that are about to return."""
        until = time.monotonic() + seconds
        for thread in list(self._threads):
            thread.join(max(0.0, until - time.monotonic()))
