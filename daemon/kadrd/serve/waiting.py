"""`sync`: an answer once every change made before it is indexed, told on the way how far that is."""

from __future__ import annotations

import asyncio
from typing import Any

from kadr.protocol.errors import Degraded
from kadr.protocol.messages import Progress, Sync
from kadrd.ingest.loop import Fence
from kadrd.serve.caller import Caller
from kadrd.serve.parts import Parts

PROGRESS_SECONDS = 0.2


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
        if trouble := parts.ingest.trouble or parts.ingest.pipeline.trouble:
            raise Degraded(why=trouble)  # it would wait for as long as that lasts
