"""Thumbnails and contact sheets, drawn by the second worker for whoever asks. Opens no picture itself.

Any file may be asked for, in a root or not, as with `similar`: only the user can ask. The worker is taken for a few
pictures at a time, so that others have their turn between them, and a picture that kills it costs only itself.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from kadr.protocol.errors import BadParameter, KadrError
from kadr.protocol.messages import FORMS, ROWS_A_REPLY, Item, Progress, Sheet, Thumbnails
from kadrd.ingest.grid import MOST_PICTURES, grid
from kadrd.ingest.workers import WorkerLost
from kadrd.serve.caller import Caller, absolute, on_disk
from kadrd.serve.parts import Parts
from kadrd.values import Skipped

Drawn = bytes | Skipped

LEAST_SIDE, MOST_SIDE = 16, 1024
# A reply holds 1 MiB; one picture may be more, and goes in pieces.
REPLY_BYTES = 700_000
# The worker is taken for so many pictures at a time: half a second, and a few MB.
BATCH_FILES, BATCH_PIXELS = 16, 4_000_000
# A worker is lost to a picture that kills it, or after 30 s to a disk that hangs.
MOST_LOST = 4

AWAY = Skipped("offline", "Its disk is away.")
HANGS = Skipped("unreadable", "Its disk does not answer.")
GIVEN_UP = Skipped("unreadable", "Too much went wrong before its turn came; ask for it alone.")


async def thumbnails(parts: Parts, request: Thumbnails, caller: Caller) -> dict[str, Any]:
    _check(request.paths, request.form)
    if not LEAST_SIDE <= request.side <= MOST_SIDE:
        raise BadParameter(why=f"side has to be from {LEAST_SIDE} to {MOST_SIDE}")
    started, failures = time.monotonic(), 0
    drawing = _Drawing(parts, await _away(parts, request.paths), request.side, request.form)
    for paths in _batches(request.paths, request.side):
        async with caller.unsent:
            made = await drawing.some(paths)
            for rows in _replies(paths, made):
                await caller.say(Item(rows))
        failures += _failures(made)
    return {"count": len(request.paths) - failures, "failures": failures, "took_ms": _since(started)}


async def sheet(parts: Parts, request: Sheet, caller: Caller) -> dict[str, Any]:
    _check(request.paths, request.form)
    if len(request.captions) != len(request.paths):
        raise BadParameter(why="Each picture needs a caption, if only an empty one")
    started, total = time.monotonic(), len(request.paths)
    tiles: list[Drawn] = []
    async with caller.unsent:
        side = grid(total, titled=False).side
        drawing = _Drawing(parts, await _away(parts, request.paths), side, "png")
        for paths in _batches(request.paths, side):
            await caller.say(Progress("pictures", len(tiles), total, _failures(tiles)))
            tiles += await drawing.some(paths)
        data = await _sheet(parts, request, tiles)
        for first in range(0, len(data), REPLY_BYTES):
            await caller.say(Item([{"data": data[first : first + REPLY_BYTES]}]))
    failures = _failures(tiles)
    return {"count": total - failures, "failures": failures, "took_ms": _since(started)}


def _check(paths: Sequence[bytes], form: str) -> None:
    if not 0 < len(paths) <= MOST_PICTURES:
        raise BadParameter(why=f"From 1 to {MOST_PICTURES} pictures can be asked for at once")
    if form not in FORMS:
        raise BadParameter(why=f"form has to be one of {', '.join(FORMS)}")
    for path in paths:
        absolute(path)


class _Drawing:
    """The pictures of one request. After a few lost workers it gives up the rest, so a dead disk costs minutes at most."""

    def __init__(self, parts: Parts, away: dict[bytes, Drawn], side: int, form: str) -> None:
        self._parts, self._away, self._side, self._form = parts, away, side, form
        self._lost = 0

    async def some(self, paths: Sequence[bytes]) -> list[Drawn]:
        """What became of each of *paths*."""
        made = await self._drawn(paths) | self._away
        return [made[path] for path in paths]

    async def _drawn(self, paths: Sequence[bytes]) -> dict[bytes, Drawn]:
        """What became of those of *paths* that are not away."""
        todo = [path for path in paths if path not in self._away]
        if not todo or self._lost >= MOST_LOST:
            return dict.fromkeys(todo, GIVEN_UP)
        try:
            made = await self._parts.aside.run(lambda: self._parts.thumbnails(todo, self._side, self._form))
        except WorkerLost as lost:
            self._lost += 1
            if len(todo) == 1:
                return {todo[0]: Skipped("kills-the-decoder", f"Decoding it failed: {lost}.")}
            return await self._again(todo, {path for n, path in enumerate(todo) if n in lost.in_hand})
        return dict(zip(todo, made, strict=True))

    async def _again(self, paths: Sequence[bytes], suspects: set[bytes]) -> dict[bytes, Drawn]:
        """The suspects last and each alone: what kills or hangs once more must not cost the others their turn."""
        # It may have been a disk that hangs, with all that is on it.
        self._away |= await _away(self._parts, paths)
        made = await self._drawn([path for path in paths if path not in suspects])
        for path in suspects:
            made |= await self._drawn([path])
        return made


def _batches(paths: Sequence[bytes], side: int) -> Iterator[Sequence[bytes]]:
    size = max(1, min(BATCH_FILES, BATCH_PIXELS // side**2))
    return (paths[first : first + size] for first in range(0, len(paths), size))


async def _away(parts: Parts, paths: Sequence[bytes]) -> dict[bytes, Drawn]:
    """The files that cannot be had. One of each root is looked at: were its disk dead, the worker would hang on them all."""
    away: dict[bytes, Drawn] = {}
    groups: dict[bytes, list[bytes]] = defaultdict(list)
    for path in paths:
        root = parts.ingest.scanner.root_of(path)
        if root is not None and not root.online:
            away[path] = AWAY
        else:
            groups[root.path if root else b""].append(path)
    answers = await asyncio.gather(*(_answers(parts, group[0]) for group in groups.values()))
    for group, here in zip(groups.values(), answers, strict=True):
        if not here:
            away |= dict.fromkeys(group, HANGS)
    return away


async def _answers(parts: Parts, path: bytes) -> bool:
    try:
        await on_disk(parts, path, lambda: os.path.lexists(path))
    except BadParameter:
        return False
    return True


async def _sheet(parts: Parts, request: Sheet, tiles: list[Drawn]) -> bytes:
    try:
        return await parts.aside.run(
            lambda: parts.sheet(tiles, request.captions, request.title, request.form)
        )
    except WorkerLost as lost:
        raise KadrError(why=f"the sheet could not be drawn: {lost}") from None


def _replies(paths: Sequence[bytes], made: Sequence[Drawn]) -> Iterator[list[dict[str, Any]]]:
    """The rows of each reply."""
    rows: list[dict[str, Any]] = []
    size = 0
    for row in (row for path, one in zip(paths, made, strict=True) for row in _rows(path, one)):
        more = len(row["path"]) + len(row.get("data", b""))
        if rows and (size + more > REPLY_BYTES or len(rows) == ROWS_A_REPLY):
            yield rows
            rows, size = [], 0
        rows.append(row)
        size += more
    if rows:
        yield rows


def _rows(path: bytes, made: Drawn) -> Iterator[dict[str, Any]]:
    """One row; of a large picture several, of which all but the last say that there is more."""
    if isinstance(made, Skipped):
        yield {"path": path, "reason": made.reason, "sentence": made.sentence}
        return
    for first in range(0, len(made), REPLY_BYTES):
        row = {"path": path, "data": made[first : first + REPLY_BYTES]}
        yield row | ({"more": True} if first + REPLY_BYTES < len(made) else {})


def _failures(made: Sequence[Drawn]) -> int:
    return sum(isinstance(one, Skipped) for one in made)


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
