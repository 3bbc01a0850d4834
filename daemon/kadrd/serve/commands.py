"""One short function for each request, in one table. What a request means is decided elsewhere; here it is asked.

Each gets the daemon's parts, the request and who asks (`caller.say` for replies on the way, `caller.turn` for a turn
on the threads for searches), and gives the body of the last reply. What may wait for a disk runs aside.
"""

from __future__ import annotations

import asyncio
import os
import stat
import threading
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar

from kadr.protocol import messages
from kadr.protocol.errors import (
    BadParameter,
    Cancelled,
    Degraded,
    KadrError,
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
from kadrd.ingest import volume
from kadrd.ingest.loop import Fence
from kadrd.query.answer import Serving, answer, similar
from kadrd.serve import report
from kadrd.serve.parts import Parts
from kadrd.serve.pool import Pool
from kadrd.serve.session import Closed, Perform, Say
from kadrd.serve.turns import Client
from kadrd.store.schema import Damaged, passing
from kadrd.values import Skipped, Vector
from kadrd.verify import Verification

PROGRESS_SECONDS = 0.2

_T = TypeVar("_T")


class Caller(NamedTuple):
    """Who asks."""

    say: Say
    client: Client
    pool: Pool
    unsent: asyncio.Lock
    """Held from a search until its rows are sent: who does not read makes us keep one answer, not sixteen."""

    async def turn(self, do: Callable[[], _T]) -> _T:
        """*do* on a thread for searches, in turn with the other clients'."""
        return await self.pool.run(self.client, do)


def performer(parts: Parts) -> Perform:
    """What one session calls for every request."""
    client, unsent = Client(), asyncio.Lock()

    async def perform(request: Any, say: Say) -> dict[str, Any]:
        parts.requests += 1
        try:
            return await COMMANDS[type(request)](parts, request, Caller(say, client, parts.pool, unsent))
        except (KadrError, Closed, ConnectionError):
            raise
        except Exception as error:
            if await parts.aside.run(partial(parts.suspect, error)):
                raise Degraded(why="the catalogue is damaged and is being made anew") from None
            if passing(error):  # a full disk, a disk that fails: for the user to mend, and no fault of ours
                raise Degraded(why=str(error)) from None
            raise
        finally:
            parts.requests -= 1

    return perform


async def ping(_parts: Parts, _request: Ping, _caller: Caller) -> dict[str, Any]:
    return {}


async def search(parts: Parts, request: Search, caller: Caller) -> dict[str, Any]:
    def find() -> list[Hit]:
        return answer(request.text, request.limit, request.min_score, parts.serving, parts.reader)

    return await _found(parts, request, caller, find)


async def similar_to(parts: Parts, request: Similar, caller: Caller) -> dict[str, Any]:
    serving = parts.serving  # once: it is replaced as one when the model changes
    _absolute(request.path)
    known = await caller.turn(lambda: parts.reader.vector_of_file(request.path, serving.model_id))
    if known is None:
        if not await _on_disk(parts, request.path, lambda: os.path.lexists(request.path)):
            raise NotFound(what=os.fsdecode(request.path))
        vector = await parts.aside.run(lambda: _vector_of(parts, serving, request.path))
    else:
        vector = known

    def find() -> list[Hit]:
        return similar(vector, request.limit, request.min_score, serving, parts.reader)

    return await _found(parts, request, caller, find)


async def _found(
    parts: Parts, request: Search | Similar, caller: Caller, find: Callable[[], list[Hit]]
) -> dict[str, Any]:
    """Send the hits that *find* gives, and how complete they are."""
    if not 0 < request.limit <= MAX_LIMIT:
        raise BadParameter(why=f"limit has to be from 1 to {MAX_LIMIT:,}")
    if request.sync:
        await sync(parts, Sync(), caller)
    started = time.monotonic()
    async with caller.unsent:
        hits, fresh = await caller.turn(lambda: (find(), report.freshness(parts)))
        for first in range(0, len(hits), ROWS_A_REPLY):
            await caller.say(Item([hit._asdict() for hit in hits[first : first + ROWS_A_REPLY]]))
    return {"count": len(hits), "took_ms": round((time.monotonic() - started) * 1000), **fresh}


def _vector_of(parts: Parts, serving: Serving, path: bytes) -> Vector:
    """The vector of the picture in *path*, made by the second worker."""
    made = parts.encode_one(path, serving.model)
    if isinstance(made, Skipped):
        raise NotAPicture(
            path=os.fsdecode(path), why=made.sentence[:1].lower() + made.sentence[1:].rstrip(".")
        )
    return made


async def roots(parts: Parts, _request: Roots, caller: Caller) -> dict[str, Any]:
    rows = await caller.turn(parts.reader.roots)
    return {"roots": [{"path": root.path, "online": root.online, "files": files} for root, files in rows]}


async def add(parts: Parts, request: Add, _caller: Caller) -> dict[str, Any]:
    path, here = await _on_disk(parts, request.path, lambda: _folder(request.path))
    new = await asyncio.wrap_future(parts.ingest.call(lambda: parts.ingest.scanner.add_root(path, here)))
    return {"path": path, "new": new, "warnings": report.warnings(parts)}


def _folder(given: bytes) -> tuple[bytes, volume.Volume]:
    """The canonical path of a folder that can be watched, and what lies there."""
    _absolute(given)
    shown = os.fsdecode(given)
    try:
        path = os.path.realpath(given, strict=True)
        if not stat.S_ISDIR(os.stat(path).st_mode):
            raise NotAFolder(path=shown)
        os.scandir(path).close()
        here = volume.at(path)
    except PermissionError:
        raise NotReadable(path=shown) from None
    except FileNotFoundError:
        raise NotFound(what=shown) from None
    except OSError as error:
        raise BadParameter(why=f"{shown} cannot be used: {error.strerror}") from None
    if here is None:
        raise NotFound(what=shown)
    return path, here


def _absolute(path: bytes) -> None:
    if not path.startswith(b"/") or b"\0" in path:
        raise BadParameter(why="The path has to be absolute")


async def _real(parts: Parts, path: bytes) -> bytes:
    """The canonical form of *path*; in a root whose disk cannot be asked it is taken at its word."""
    named = os.path.normpath(path)
    root = parts.ingest.scanner.root_of(named)
    if root is not None and (root.path == named or not root.online):
        return named
    try:
        return await _on_disk(parts, path, lambda: os.path.realpath(path))
    except BadParameter:
        if root is None:
            raise
        return named


async def _on_disk(parts: Parts, path: bytes, do: Callable[[], _T]) -> _T:
    """What *do* finds on the disk with *path*, unless that disk does not answer."""
    try:
        async with asyncio.timeout(parts.config.scan.hang_seconds):
            return await parts.disks.run(do)
    except TimeoutError:
        raise BadParameter(why=f"The disk with {os.fsdecode(path)} does not answer") from None


async def remove(parts: Parts, request: Remove, _caller: Caller) -> dict[str, Any]:
    _absolute(request.path)
    wanted = await _real(parts, request.path)

    def forget() -> tuple[bytes, int]:
        root = next((r for r in parts.ingest.scanner.roots if r.path == wanted), None)
        if root is None:
            raise NotARoot(path=os.fsdecode(request.path))
        return root.path, parts.ingest.scanner.remove_root(root)

    path, files = await asyncio.wrap_future(parts.ingest.call(forget))
    return {"path": path, "files": files}


async def rescan(parts: Parts, request: Rescan, _caller: Caller) -> dict[str, Any]:
    if request.path:
        _absolute(request.path)
    path = await _real(parts, request.path) if request.path else b""

    def look_again() -> int:
        if path and parts.ingest.scanner.root_of(path) is None:
            raise NotARoot(path=os.fsdecode(request.path))
        return parts.ingest.look_again(path)

    return {"folders": await asyncio.wrap_future(parts.ingest.call(look_again))}


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


async def verify(parts: Parts, _request: Verify, caller: Caller) -> dict[str, Any]:
    latest: list[Progress] = []
    gone = threading.Event()

    def tell(progress: Progress) -> None:
        if gone.is_set():
            raise Cancelled
        latest.append(progress)

    serving = parts.serving
    verification = Verification(
        paths=parts.paths, reader=parts.reader, index=serving.index, model_id=serving.model_id,
        settings=parts.config.scan, tell=tell,
    )  # fmt: skip
    working = asyncio.ensure_future(parts.verifying.run(verification.run))  # it may take hours
    try:
        while not (await asyncio.wait({working}, timeout=PROGRESS_SECONDS))[0]:
            if latest:
                await caller.say(latest[-1])
                latest.clear()
        body = await working
    finally:
        gone.set()  # the client went, or the daemon stops: nobody waits for the rest
        working.add_done_callback(lambda done: done.cancelled() or done.exception())
    damage = next((p for p in verification.problems if p.kind == "catalogue-damaged"), None)
    if damage and parts.suspect(Damaged(damage.sentence)):
        return body | {"mended": len(verification.problems)}  # all of it is made anew
    mend = parts.ingest.call(lambda: parts.ingest.mend(verification.problems))
    return body | {"mended": await asyncio.wrap_future(mend)}


async def status(parts: Parts, _request: Status, caller: Caller) -> dict[str, Any]:
    return await caller.turn(lambda: report.status(parts))


async def doctor(parts: Parts, _request: Doctor, _caller: Caller) -> dict[str, Any]:
    return {"checks": await parts.aside.run(lambda: report.doctor(parts))}


async def stop(parts: Parts, _request: Stop, _caller: Caller) -> dict[str, Any]:
    parts.stop()
    return {}


COMMANDS: dict[type[Any], Callable[[Parts, Any, Caller], Awaitable[dict[str, Any]]]] = {
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
