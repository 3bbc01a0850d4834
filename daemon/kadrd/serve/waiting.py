"""Requests that take long, told on the way how far they are: `sync`, and work on a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from kadr.protocol.errors import Cancelled, Degraded, Paused
from kadr.protocol.messages import Progress, Sync
from kadrd.ingest.loop import Fence
from kadrd.serve.caller import Caller
from kadrd.serve.parts import Parts
from kadrd.serve.pool import Aside

PROGRESS_SECONDS = 0.2

Tell = Callable[[Progress], None]
"""Says how far the work is. Raises Cancelled when nobody waits for it any more."""

_T = TypeVar("_T")


async def sync(parts: Parts, _request: Sync, caller: Caller) -> dict[str, Any]:
    fence = await asyncio.wrap_future(await parts.aside.run(parts.ingest.fence))
    passed = asyncio.wrap_future(fence.passed)
    try:
        await _watch(parts, caller, fence, passed)
    finally:
        fence.passed.cancel()  # nobody waits any more, if it has not passed
    reached = await caller.turn(parts.reader.counts)
    return reached._asdict()


async def _watch(parts: Parts, caller: Caller, fence: Fence, passed: asyncio.Future[None]) -> None:
    """Tell how far it is until the fence has passed. Raises Degraded."""
    while not (await asyncio.wait({passed}, timeout=PROGRESS_SECONDS))[0]:
        counts = parts.ingest.pipeline.counts
        done, pending = counts["finished"] - fence.finished, await caller.turn(parts.reader.pending)
        stage = "scan" if fence.ticket is None else "index"
        await caller.say(Progress(stage, done, done + pending, counts["failed"] - fence.failed))
        if parts.ingest.pauses.left:
            raise Paused(why=parts.ingest.pauses.sentence)  # that too
        if trouble := parts.ingest.trouble or parts.ingest.pipeline.trouble:
            raise Degraded(why=trouble)  # it would wait for as long as that lasts


async def worked(threads: Aside, caller: Caller, do: Callable[[Tell], _T]) -> _T:
    """What *do* gives on one of *threads*; the newest of what it tells is passed on. It may take hours."""
    latest: list[Progress] = []
    gone = threading.Event()

    def tell(progress: Progress) -> None:
        if gone.is_set():
            raise Cancelled
        latest.append(progress)

    working = asyncio.ensure_future(threads.run(lambda: do(tell)))
    try:
        while not (await asyncio.wait({working}, timeout=PROGRESS_SECONDS))[0]:
            if latest:
                await caller.say(latest[-1])
                latest.clear()
        return await working
    finally:
        gone.set()  # the client went, or the daemon stops: nobody waits for the rest
        working.add_done_callback(lambda done: done.cancelled() or done.exception())
