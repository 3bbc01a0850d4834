"""The requests that find pictures: search, similar, dups, and the searches that users saved.

What a query means is decided in query/; here it gets threads, vectors of pictures that are not in the index, and its rows
on the wire.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from kadr.protocol.errors import BadParameter, NotAPicture, NotFound
from kadr.protocol.messages import (
    BY,
    GROUPS,
    MAX_LIMIT,
    SORTS,
    Dups,
    Hit,
    Item,
    Progress,
    Save,
    Saved,
    Search,
    Similar,
    Sync,
    Unsave,
)
from kadrd.query import dups as doubles
from kadrd.query.answer import Answer, Wanting, answer
from kadrd.query.asking import Asked
from kadrd.query.keeping import kept
from kadrd.query.parse import condition_of
from kadrd.serve import report
from kadrd.serve.caller import Caller, absolute, on_disk
from kadrd.serve.parts import Parts
from kadrd.serve.rows import Row, full, replies, rows
from kadrd.serve.waiting import Tell, sync, worked
from kadrd.store.selection import Selection
from kadrd.values import Skipped, Vector

FOLLOW_SECONDS = 0.5
MAX_NAME = 100
NO_NAME = '":()'


async def search(parts: Parts, request: Search, caller: Caller) -> dict[str, Any]:
    asked = Asked(
        request.text, None, request.limit, request.min_score, request.by, request.sort, request.group,
        request.explain, request.cwd,
    )  # fmt: skip
    _check(asked)
    if request.sync:
        await sync(parts, Sync(), caller)
    if request.follow:
        return await _followed(parts, asked, caller)
    everything = Selection(parts.reader)
    return await _found(parts, asked, caller, partial(full, selection=everything) if request.facts else rows)


async def similar(parts: Parts, request: Similar, caller: Caller) -> dict[str, Any]:
    absolute(request.path)
    asked = Asked(
        request.text, request.path, request.limit, request.min_score, "meaning", request.sort, request.group,
        request.explain, request.cwd,
    )  # fmt: skip
    _check(asked)
    if request.sync:
        await sync(parts, Sync(), caller)
    return await _found(parts, asked, caller, rows)


def _check(asked: Asked) -> None:
    if not 0 <= asked.limit <= MAX_LIMIT:
        raise BadParameter(why=f"limit has to be from 0 to {MAX_LIMIT:,}")
    for name, value, known in (
        ("by", asked.by, BY),
        ("sort", asked.sort, SORTS),
        ("group", asked.group, ("", *GROUPS)),
    ):
        if value not in known:
            raise BadParameter(why=f"{name} has to be one of {', '.join(filter(None, known))}")
    if asked.cwd:
        absolute(asked.cwd)


async def _found(
    parts: Parts, asked: Asked, caller: Caller, told: Callable[[list[Hit]], list[Row]]
) -> dict[str, Any]:
    """Send the hits, each page as *told* gives it, and how complete they are."""
    started = time.monotonic()
    count = 0
    async with caller.unsent:
        found, first_hits, fresh = await answered(parts, asked, caller)
        hits: list[Hit] | None = first_hits
        while hits is not None:
            count += len(hits)
            told_of = await caller.turn(partial(told, hits)) if told is not rows else rows(hits)
            for reply in replies(told_of):
                await caller.say(Item(reply))
            hits = await caller.turn(partial(next, found.pages, None)) if found.several else None
    return {"count": count, "took_ms": _since(started), **found.about, **fresh}


async def answered(parts: Parts, asked: Asked, caller: Caller) -> tuple[Answer, list[Hit], dict[str, Any]]:
    """The answer and its first hits, once every picture that the question names has its vector, and how fresh it is."""
    vectors: dict[bytes, Vector] = {}

    def find() -> tuple[Answer | Wanting, list[Hit], dict[str, Any]]:
        found = answer(asked, vectors, parts.asks)
        return found, [] if isinstance(found, Wanting) else next(found.pages, []), report.freshness(parts)

    while True:
        found, hits, fresh = await caller.turn(find)
        if not isinstance(found, Wanting):
            return found, hits, fresh
        for path in found.pictures:
            vectors[path] = await _vector_of(parts, path)


async def _vector_of(parts: Parts, path: bytes) -> Vector:
    """The vector of a picture that is not in the index, made by the second worker."""
    if not await on_disk(parts, path, lambda: os.path.lexists(path)):
        raise NotFound(what=os.fsdecode(path))
    made = await parts.aside.run(lambda: parts.encode_one(path, parts.serving.model))
    if isinstance(made, Skipped):
        raise NotAPicture(
            path=os.fsdecode(path), why=made.sentence[:1].lower() + made.sentence[1:].rstrip(".")
        )
    return made


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


# A search that goes on


async def _followed(parts: Parts, asked: Asked, caller: Caller) -> dict[str, Any]:
    """The answer, and then what comes into it and goes out of it, until the client has had enough."""
    shown: dict[bytes, dict[str, Any]] = {}
    revision, told = -1, False
    while True:
        if revision != parts.ingest.revision:
            revision = parts.ingest.revision
            found, hits, _ = await answered(parts, asked, caller)
            more = await caller.turn(partial(every, found.pages))
            now = {hit.path: hit._asdict() for hit in (*hits, *more)}
            new = [row | {"event": "new"} for path, row in now.items() if path not in shown]
            gone = [row | {"event": "gone"} for path, row in shown.items() if path not in now]
            for reply in replies(gone + new):
                await caller.say(Item(reply))
            if not told:
                await caller.say(Progress("follow", len(now), len(now)))
            shown, told = now, True
        await asyncio.sleep(FOLLOW_SECONDS)


def every(pages: Iterator[list[Hit]]) -> list[Hit]:
    return [hit for page in pages for hit in page]


# The same twice


async def dups(parts: Parts, request: Dups, caller: Caller) -> dict[str, Any]:
    if not 0 <= request.near <= 1:
        raise BadParameter(why="near has to be a cosine, from 0 to 1")
    if request.sync:
        await sync(parts, Sync(), caller)
    groups, found = await worked(parts.verifying, caller, lambda tell: _doubles(parts, request, tell))
    for reply in replies(found):
        await caller.say(Item(reply))
    return {"groups": groups, "files": len(found)}


def _doubles(parts: Parts, request: Dups, tell: Tell) -> tuple[int, list[Row]]:
    """(how many groups, a row for each file of each group)."""
    selection = Selection(parts.reader, *condition_of(request.text, parts.asks.world(request.cwd)))
    groups = list(doubles.exact(selection.doubles()))
    if request.near:
        for members, score in doubles.near(
            selection, parts.serving.index, request.near, lambda *far: tell(Progress("compare", *far))
        ):
            files = selection.of_pictures(members)
            shown = doubles.representatives(
                {id_: [f.file_id for f in found] for id_, found in files.items()}, members
            )
            if len(shown) > 1:
                groups.append(doubles.Group("near", shown, score))
    found = [row for number, group in enumerate(groups, 1) for row in _rows(selection, number, group)]
    return len(groups), found


def _rows(selection: Selection, number: int, group: doubles.Group) -> Iterator[Row]:
    for file in selection.of_files(group.files):
        yield {
            "group": number, "kind": group.kind, "score": round(group.score, 4), "size": file.size, "path": file.path,
            "width": file.width, "height": file.height, "picture": file.picture,
        }  # fmt: skip


# Saved searches


async def save(parts: Parts, request: Save, caller: Caller) -> dict[str, Any]:
    name = " ".join(request.name.split())
    if not name or len(name) > MAX_NAME or any(mark in name for mark in NO_NAME):
        raise BadParameter(
            why=f"A saved search cannot be called {request.name!r}: 1 to {MAX_NAME} letters, none of {NO_NAME}"
        )
    if request.cwd:
        absolute(request.cwd)
    text = await caller.turn(lambda: kept(request.text, parts.asks.world(request.cwd)))
    await parts.aside.run(lambda: parts.searches.put(name, text))
    return {"name": name, "text": text}


async def saved(parts: Parts, _request: Saved, _caller: Caller) -> dict[str, Any]:
    searches = await parts.aside.run(parts.searches.all)
    return {"searches": [{"name": name, "text": text} for name, text in searches.items()]}


async def unsave(parts: Parts, request: Unsave, _caller: Caller) -> dict[str, Any]:
    searches = await parts.aside.run(parts.searches.all)
    if request.name not in searches:
        raise BadParameter(why=f"There is no saved search {request.name!r}")
    await parts.aside.run(lambda: parts.searches.remove(request.name))
    return {"name": request.name, "text": searches[request.name]}
