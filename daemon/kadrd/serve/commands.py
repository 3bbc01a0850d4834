"""One short function for each request, in one table. What a request means is decided elsewhere; here it is asked.

Each gets the daemon's parts, the request and `say` for replies on the way, and gives the body of the last reply.
"""

from __future__ import annotations

import asyncio
import os
import stat
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

from kadr.protocol import messages
from kadr.protocol.errors import (
    BadParameter,
    Cancelled,
    Degraded,
    NotAFolder,
    NotAPicture,
    NotARoot,
    NotFound,
    NotReadable,
)
from kadr.protocol.messages import (
    MAX_LIMIT,
    ROWS_A_REPLY,
    Add,
    Doctor,
    Hit,
    Item,
    Ping,
    Progress,
    Remove,
    Rescan,
    Roots,
    Search,
    Similar,
    Status,
    Stop,
    Sync,
    Verify,
)  # fmt: skip
from kadrd.query.answer import Serving, answer, similar
from kadrd.serve import report
from kadrd.serve.parts import Parts
from kadrd.serve.session import Perform, Say
from kadrd.values import Skipped, Vector
from kadrd.verify import Verification

PROGRESS_SECONDS = 0.2


def performer(parts: Parts) -> Perform:
    """What a session calls for every request."""

    async def perform(request: Any, say: Say) -> dict[str, Any]:
        return await COMMANDS[type(request)](parts, request, say)

    return perform


async def ping(_parts: Parts, _request: Ping, _say: Say) -> dict[str, Any]:
    return {}


async def search(parts: Parts, request: Search, say: Say) -> dict[str, Any]:
    def find() -> list[Hit]:
        return answer(request.text, request.limit, request.min_score, parts.serving, parts.reader)

    return await _found(parts, request, say, find)


async def similar_to(parts: Parts, request: Similar, say: Say) -> dict[str, Any]:
    serving = parts.serving  # once: it is replaced as one when the model changes
    vector = await parts.in_line(lambda: _vector_of(parts, serving, request.path))

    def find() -> list[Hit]:
        return similar(vector, request.limit, request.min_score, serving, parts.reader)

    return await _found(parts, request, say, find)


async def _found(
    parts: Parts, request: Search | Similar, say: Say, find: Callable[[], list[Hit]]
) -> dict[str, Any]:
    """Send the hits that *find* gives, and how complete they are."""
    if not 0 < request.limit <= MAX_LIMIT:
        raise BadParameter(why=f"limit has to be from 1 to {MAX_LIMIT:,}")
    if request.sync:
        await sync(parts, Sync(), say)
    started = time.monotonic()
    hits = await parts.in_pool(find)
    for first in range(0, len(hits), ROWS_A_REPLY):
        await say(Item([hit._asdict() for hit in hits[first : first + ROWS_A_REPLY]]))
    took = round((time.monotonic() - started) * 1000)
    return {"count": len(hits), "took_ms": took, **await parts.in_pool(lambda: report.freshness(parts))}


def _vector_of(parts: Parts, serving: Serving, path: bytes) -> Vector:
    """The vector of the picture in *path*, out of the catalogue or made by the second worker."""
    _absolute(path)
    known = parts.reader.vector_of_file(path, serving.model_id)
    if known is not None:
        return known
    if not os.path.lexists(path):
        raise NotFound(what=os.fsdecode(path))
    made = parts.encode_one(path, serving.model)
    if isinstance(made, Skipped):
        raise NotAPicture(
            path=os.fsdecode(path), why=made.sentence[:1].lower() + made.sentence[1:].rstrip(".")
        )
    return made


async def roots(parts: Parts, _request: Roots, _say: Say) -> dict[str, Any]:
    rows = await parts.in_pool(parts.reader.roots)
    return {"roots": [{"path": root.path, "online": root.online, "files": files} for root, files in rows]}


async def add(parts: Parts, request: Add, _say: Say) -> dict[str, Any]:
    path = await parts.in_pool(lambda: _folder(request.path))
    new = await asyncio.wrap_future(parts.ingest.call(lambda: parts.ingest.scanner.add_root(path)))
    return {"path": path, "new": new, "warnings": report.warnings(parts)}


def _folder(given: bytes) -> bytes:
    """The canonical path of a folder that can be watched."""
    _absolute(given)
    shown = os.fsdecode(given)
    try:
        path = os.path.realpath(given, strict=True)
        if not stat.S_ISDIR(os.stat(path).st_mode):
            raise NotAFolder(path=shown)
        os.scandir(path).close()
    except PermissionError:
        raise NotReadable(path=shown) from None
    except FileNotFoundError:
        raise NotFound(what=shown) from None
    except OSError as error:
        raise BadParameter(why=f"{shown} cannot be used: {error.strerror}") from None
    return path


def _absolute(path: bytes) -> None:
    if not path.startswith(b"/") or b"\0" in path:
        raise BadParameter(why="The path has to be absolute")


async def remove(parts: Parts, request: Remove, _say: Say) -> dict[str, Any]:
    _absolute(request.path)
    wanted = {os.path.normpath(request.path), os.path.realpath(request.path)}

    def forget() -> tuple[bytes, int]:
        root = next((r for r in parts.ingest.scanner.roots if r.path in wanted), None)
        if root is None:
            raise NotARoot(path=os.fsdecode(request.path))
        return root.path, parts.ingest.scanner.remove_root(root)

    path, files = await asyncio.wrap_future(parts.ingest.call(forget))
    return {"path": path, "files": files}


async def rescan(parts: Parts, request: Rescan, _say: Say) -> dict[str, Any]:
    if request.path:
        _absolute(request.path)
    path = os.path.realpath(request.path) if request.path else b""

    def look_again() -> int:
        if path and parts.ingest.scanner.root_of(path) is None:
            raise NotARoot(path=os.fsdecode(request.path))
        return parts.ingest.look_again(path)

    return {"folders": await asyncio.wrap_future(parts.ingest.call(look_again))}


async def sync(parts: Parts, _request: Sync, say: Say) -> dict[str, Any]:
    fence = await asyncio.wrap_future(await parts.in_pool(parts.ingest.fence))
    passed = asyncio.wrap_future(fence.passed)
    while not (await asyncio.wait({passed}, timeout=PROGRESS_SECONDS))[0]:
        counts = parts.ingest.pipeline.counts
        done, pending = counts["finished"] - fence.finished, await parts.in_pool(parts.reader.pending)
        stage = "scan" if fence.ticket is None else "index"
        await say(Progress(stage, done, done + pending, counts["failed"] - fence.failed))
        if trouble := parts.ingest.trouble or parts.ingest.pipeline.trouble:
            raise Degraded(why=trouble)  # it would wait for as long as that lasts
    reached = await parts.in_pool(parts.reader.counts)
    return reached._asdict()


async def verify(parts: Parts, _request: Verify, say: Say) -> dict[str, Any]:
    latest: list[Progress] = []
    gone = threading.Event()

    def tell(progress: Progress) -> None:
        if gone.is_set():
            raise Cancelled
        latest.append(progress)

    verification = Verification(parts.reader, parts.serving, parts.config.scan, tell)
    # Not in the pool of searches: it may take hours.
    working = asyncio.get_running_loop().run_in_executor(None, verification.run)
    try:
        while not (await asyncio.wait({working}, timeout=PROGRESS_SECONDS))[0]:
            if latest:
                await say(latest[-1])
                latest.clear()
        return await working
    finally:
        gone.set()  # the client went, or the daemon stops: nobody waits for the rest
        working.add_done_callback(lambda done: done.cancelled() or done.exception())


async def status(parts: Parts, _request: Status, _say: Say) -> dict[str, Any]:
    return await parts.in_pool(lambda: report.status(parts))


async def doctor(parts: Parts, _request: Doctor, _say: Say) -> dict[str, Any]:
    return {"checks": await parts.in_pool(lambda: report.doctor(parts))}


async def stop(parts: Parts, _request: Stop, _say: Say) -> dict[str, Any]:
    parts.stop()
    return {}


COMMANDS: dict[type[Any], Callable[[Parts, Any, Say], Awaitable[dict[str, Any]]]] = {
    Ping: ping,
    Status: status,
    Search: search,
    Similar: similar_to,
    Roots: roots,
    Add: add,
    Remove: remove,
    Rescan: rescan,
    Sync: sync,
    Verify: verify,
    Doctor: doctor,
    Stop: stop,
}
# Cancel belongs to the session: it concerns the connection's own requests.
assert COMMANDS.keys() | {messages.Cancel} == set(messages.REQUESTS.values())
