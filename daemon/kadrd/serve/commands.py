"""Every request in one table, and a short function for those that tend folders and daemon (finding.py: those that find). What a request means is decided elsewhere; here it is asked.

Each gets the daemon's parts, the request and who asks (`caller.say` for replies on the way, `caller.turn` for a turn
on the threads for searches), and gives the body of the last reply. What may wait for a disk runs aside.
"""

from __future__ import annotations

import asyncio
import math
import os
import stat
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from kadr.protocol import messages
from kadr.protocol.errors import (
    BadParameter,
    Degraded,
    KadrError,
    NotAFolder,
    NotARoot,
    NotFound,
    NotReadable,
)
from kadr.protocol.messages import (
    Add,
    Doctor,
    Pause,
    Ping,
    Remove,
    Rescan,
    Resume,
    Roots,
    Status,
    Stop,
    Verify,
)
from kadrd.ingest import volume
from kadrd.serve import finding, pictures, report, tagging
from kadrd.serve.caller import Caller, absolute, on_disk
from kadrd.serve.doctor import examine
from kadrd.serve.parts import Parts
from kadrd.serve.session import Closed, Perform, Say
from kadrd.serve.turns import Client
from kadrd.serve.waiting import Tell, sync, worked
from kadrd.store.schema import Damaged, passing
from kadrd.values import Problem
from kadrd.verify import Verification

PROGRESS_SECONDS = 0.2
LONGEST_PAUSE = 366 * 86_400.0


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


async def roots(parts: Parts, _request: Roots, caller: Caller) -> dict[str, Any]:
    rows = await caller.turn(parts.reader.roots)
    return {"roots": [{"path": root.path, "online": root.online, "files": files} for root, files in rows]}


async def add(parts: Parts, request: Add, _caller: Caller) -> dict[str, Any]:
    path, here = await on_disk(parts, request.path, lambda: _folder(request.path))
    new = await asyncio.wrap_future(parts.ingest.call(lambda: parts.ingest.scanner.add_root(path, here)))
    return {"path": path, "new": new, "warnings": report.warnings(parts)}


def _folder(given: bytes) -> tuple[bytes, volume.Volume]:
    """The canonical path of a folder that can be watched, and what lies there."""
    absolute(given)
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


async def _real(parts: Parts, path: bytes) -> bytes:
    """The canonical form of *path*; in a root whose disk cannot be asked it is taken at its word."""
    named = os.path.normpath(path)
    root = parts.ingest.scanner.root_of(named)
    if root is not None and (root.path == named or not root.online):
        return named
    try:
        return await on_disk(parts, path, lambda: os.path.realpath(path))
    except BadParameter:
        if root is None:
            raise
        return named


async def remove(parts: Parts, request: Remove, _caller: Caller) -> dict[str, Any]:
    absolute(request.path)
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
        absolute(request.path)
    path = await _real(parts, request.path) if request.path else b""

    def look_again() -> int:
        if path and parts.ingest.scanner.root_of(path) is None:
            raise NotARoot(path=os.fsdecode(request.path))
        return parts.ingest.look_again(path)

    return {"folders": await asyncio.wrap_future(parts.ingest.call(look_again))}


async def verify(parts: Parts, _request: Verify, caller: Caller) -> dict[str, Any]:
    serving = parts.serving
    found: list[Problem] = []

    def run(tell: Tell) -> dict[str, Any]:
        verification = Verification(
            paths=parts.paths, reader=parts.reader, index=serving.index, model_id=serving.model_id,
            settings=parts.config.scan, tell=tell,
        )  # fmt: skip
        body = verification.run()
        found.extend(verification.problems)
        return body

    body = await worked(parts.verifying, caller, run)
    damage = next((p for p in found if p.kind == "catalogue-damaged"), None)
    if damage and parts.suspect(Damaged(damage.sentence)):
        return body | {"mended": len(found)}  # all of it is made anew
    mend = parts.ingest.call(lambda: parts.ingest.mend(found))
    return body | {"mended": await asyncio.wrap_future(mend)}


async def status(parts: Parts, _request: Status, caller: Caller) -> dict[str, Any]:
    return await caller.turn(lambda: report.status(parts))


async def doctor(parts: Parts, _request: Doctor, _caller: Caller) -> dict[str, Any]:
    return {"checks": await examine(parts)}


async def pause(parts: Parts, request: Pause, _caller: Caller) -> dict[str, Any]:
    if not 0 <= request.seconds <= LONGEST_PAUSE:
        raise BadParameter(why="A pause lasts from 0 seconds to a year")
    await parts.aside.run(partial(parts.ingest.pauses.begin, request.seconds or math.inf))
    return {"sentence": parts.ingest.pauses.sentence}


async def resume(parts: Parts, _request: Resume, _caller: Caller) -> dict[str, Any]:
    return {"paused": await parts.aside.run(parts.ingest.resume)}


async def stop(parts: Parts, _request: Stop, _caller: Caller) -> dict[str, Any]:
    parts.stop()
    return {}


COMMANDS: dict[type[Any], Callable[[Parts, Any, Caller], Awaitable[dict[str, Any]]]] = {
    Ping: ping,
    Status: status,
    messages.Search: finding.search,
    messages.Similar: finding.similar,
    messages.Dups: finding.dups,
    messages.Save: finding.save,
    messages.Saved: finding.saved,
    messages.Unsave: finding.unsave,
    messages.Tag: tagging.tag,
    messages.Untag: tagging.untag,
    messages.Tags: tagging.tags,
    messages.Thumbnails: pictures.thumbnails,
    messages.Sheet: pictures.sheet,
    Roots: roots,
    Add: add,
    Remove: remove,
    Rescan: rescan,
    messages.Sync: sync,
    Verify: verify,
    Doctor: doctor,
    Pause: pause,
    Resume: resume,
    Stop: stop,
}
# Cancel belongs to the session: it concerns the connection's own requests.
assert COMMANDS.keys() | {messages.Cancel} == set(messages.REQUESTS.values())
