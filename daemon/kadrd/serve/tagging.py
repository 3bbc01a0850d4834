"""The requests about tags: tag, untag, tags. What is written is decided in tag/; here it gets its files and a thread.

A request goes root by root, a batch at a time, and takes turns with the tagger: a disk that hangs holds up only who asks
for files on it.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any

from kadr.protocol.errors import BadParameter, Degraded, NotARoot, NotFound
from kadr.protocol.messages import CARRIERS, Item, Progress, Sync, Tag, Tags, Untag
from kadrd.query.asking import Asked
from kadrd.serve.caller import Caller, absolute, on_disk
from kadrd.serve.finding import answered, every
from kadrd.serve.parts import Parts
from kadrd.serve.waiting import sync
from kadrd.store.tags import Taggable
from kadrd.tag.carrier import Refused
from kadrd.tag.labelling import Wanted
from kadrd.tag.tagging import Outcome

BATCH = 64
WAIT_SECONDS = 30.0


async def tag(parts: Parts, request: Tag, caller: Caller) -> dict[str, Any]:
    if unknown := [name for name in request.write if name not in CARRIERS]:
        raise BadParameter(why=f"Tags are written to {', '.join(CARRIERS)}, not {unknown[0]}")
    if request.threshold > 1:
        raise BadParameter(why="threshold has to be from 0 to 1")
    if request.vocabulary:
        absolute(request.vocabulary)
    await sync(parts, Sync(), caller)  # a file that waits to be read may show something else by now
    file_ids = await _files(parts, request, caller)
    given = Wanted(
        tuple(request.write),
        os.fsdecode(request.vocabulary),
        None if request.threshold < 0 else request.threshold,
    )
    rules = await parts.aside.run(lambda: parts.tags.labelling.rules(given))
    if not rules.carriers:
        raise BadParameter(
            why="No place for tags is named: say --write xattr, sidecar or embedded, or set write under [tags] in kadr.toml"
        )
    tagging = parts.tags.tagging
    do = (
        (lambda files: tagging.trial(files, rules))
        if request.trial
        else (lambda files: tagging.tag(files, rules))
    )
    body = await _worked(parts, caller, file_ids, do)
    if not (request.trial or request.paths or request.text):
        await asyncio.wrap_future(parts.ingest.call(parts.tags.again))
    return body


async def untag(parts: Parts, request: Untag, caller: Caller) -> dict[str, Any]:
    if request.all == bool(request.paths or request.text):
        raise BadParameter(why="Name files, or say all")
    tagging = parts.tags.tagging
    if request.all and not request.trial:
        await asyncio.wrap_future(parts.ingest.call(parts.tags.no_more))
    file_ids = await _files(parts, request, caller)  # of nothing named: every one
    return await _worked(parts, caller, file_ids, lambda files: tagging.untag(files, trial=request.trial))


async def tags(parts: Parts, request: Tags, _caller: Caller) -> dict[str, Any]:
    absolute(request.path)
    known = await parts.aside.run(lambda: parts.tags.reader.files(parts.tags.reader.below(request.path)))
    return await on_disk(parts, request.path, lambda: _told(parts, request.path, known))


def _told(parts: Parts, path: bytes, known: Sequence[Taggable]) -> dict[str, Any]:
    """Whose word each tag of a file is, where it stands, and what kadr sees."""
    if not os.path.lexists(path):
        raise NotFound(what=os.fsdecode(path))
    rows: dict[str, dict[str, Any]] = {}
    for name, carrier in parts.tags.carriers.items():
        carried = carrier.look(path)
        for label in () if isinstance(carried, Refused) else carried.tags:
            row = rows.setdefault(label, {"tag": label, "whose": "yours", "in": []})
            row["in"].append(name)
            if not isinstance(carried, Refused) and label in carried.ours:
                row["whose"] = "kadr"
    memories = parts.tags.reader.memories([file.file_id for file in known])
    suppressed = sorted(
        {one for of in memories.values() for memory in of.values() for one in memory.suppressed}
    )
    labels = (
        parts.tags.labelling.rules(Wanted(threshold=0.0)).labels.of([file.picture_id for file in known])
        if known
        else {}
    )
    seen = [{"label": label, "score": round(score, 2)} for found in labels.values() for label, score in found]
    return {"path": path, "tags": list(rows.values()), "suppressed": suppressed, "seen": seen}


# Which files


async def _files(parts: Parts, request: Tag | Untag, caller: Caller) -> list[int]:
    """The files that are meant, by id. Raises NotFound, NotARoot and what a query raises."""
    for path in request.paths:
        absolute(path)
    if request.text:
        limit = request.limit if isinstance(request, Tag) else 0
        asked = Asked(request.text, None, limit, None, "both", "score", "", explain=False, cwd=request.cwd)
        found, hits, _ = await answered(parts, asked, caller)
        more = await caller.turn(lambda: every(found.pages))
        paths = [hit.path for hit in (*hits, *more)]
    else:
        paths = list(request.paths) or [b""]
    return await caller.turn(lambda: list(_below(parts, paths)))


def _below(parts: Parts, paths: Iterable[bytes]) -> Iterator[int]:
    for path in paths:
        found = parts.tags.reader.below(path)
        if not found and path:
            if parts.ingest.scanner.root_of(path) is None:
                raise NotARoot(path=os.fsdecode(path))
            if not os.path.lexists(path):
                raise NotFound(what=os.fsdecode(path))
        yield from found


# The work


async def _worked(
    parts: Parts, caller: Caller, file_ids: Sequence[int], do: Callable[[list[Taggable]], list[Outcome]]
) -> dict[str, Any]:
    """*do* with all files, and a row for each place that something was, or would be, written to or refused."""
    counts: Counter[str] = Counter()
    for first in range(0, len(file_ids), BATCH):
        await caller.say(Progress("tags", first, len(file_ids), counts["refused"]))
        chunk = file_ids[first : first + BATCH]
        files = await parts.verifying.run(partial(parts.tags.reader.files, chunk))
        counts["files"] += len(files)
        counts["away"] += len(chunk) - len(files)
        for root_id, group in groupby(sorted(files, key=_root), key=_root):
            outcomes = await parts.verifying.run(partial(_alone, parts, root_id, list(group), do))
            if rows := list(_rows(outcomes, counts)):
                await caller.say(Item(rows))
    return {key: counts[key] for key in ("files", "away", "written", "added", "removed", "refused")}


def _alone(
    parts: Parts, root_id: int, files: list[Taggable], do: Callable[[list[Taggable]], list[Outcome]]
) -> list[Outcome]:
    with parts.tags.tagger.alone(root_id, WAIT_SECONDS) as got:
        if not got:
            raise Degraded(why="somebody else writes tags there for a long time, or the disk does not answer")
        return do(files)


def _root(file: Taggable) -> int:
    return file.root_id


def _rows(outcomes: Iterable[Outcome], counts: Counter[str]) -> Iterator[dict[str, Any]]:
    for one in outcomes:
        row: dict[str, Any] = {"path": one.want.file.path, "carrier": one.want.carrier}
        if isinstance(one.result, Refused):
            counts["refused"] += 1
            yield row | {"refused": one.result.reason, "sentence": one.result.sentence}
        elif one.result.changed:
            counts["written"] += 1
            counts["added"] += len(one.added)
            counts["removed"] += len(one.removed)
            yield row | {
                "added": list(one.added),
                "removed": list(one.removed),
                "tags": list(one.result.tags),
            }
