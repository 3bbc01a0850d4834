"""The request `doctor`: every check in two tables, the daemon's own and each watched folder's. What is found is decided in doctor/.

No disk may hold it up: each folder is looked at on a thread of its own, for LOOK_SECONDS, and one that has not answered
an earlier look is not asked again. docs/doctor.md explains every check.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from kadr.protocol.errors import Busy
from kadrd.doctor import disks, home, indexers, systems, watches
from kadrd.doctor.check import Check, absent, ill, many, well
from kadrd.doctor.disks import Folder, Sight
from kadrd.doctor.indexers import Indexer
from kadrd.doctor.systems import Mount
from kadrd.serve.parts import Parts
from kadrd.store import disks as catalogued
from kadrd.values import Root

LOOK_SECONDS = 5.0
SAMPLE_FILES = 64
# Half of the threads for disks, so that others find one; and of paths no more than half a reply may take.
MAX_FOLDERS, MAX_PATH_BYTES = 32, 512 * 1024


class _Known(NamedTuple):
    """What is known before any watched folder is asked."""

    checks: dict[str, Check]
    roots: list[tuple[Root, int]]
    samples: dict[int, list[bytes]]
    mounts: list[Mount]
    indexers: list[Indexer]


async def examine(parts: Parts) -> list[dict[str, Any]]:
    """The outcome of every check, in the tables' order: the daemon's own, then those of each folder. Raises Busy."""
    known = await parts.aside.run(partial(_known, parts))
    looks = [_look(parts, root, known.samples[root.id]) for root, _ in known.roots]
    sights = await asyncio.gather(*looks)
    told = [_told(name, check) for name, check in known.checks.items()]
    for (root, files), sight in zip(known.roots, sights, strict=True):
        folder = Folder(
            root, files, sight, systems.mount_of(root.path, known.mounts), _unwatched(parts, root),
            parts.config, known.indexers,
        )  # fmt: skip
        told += [_told(name, check, root.path) for name, check in disks.checks(folder).items()]
    return told


def _told(name: str, check: Check, root: bytes | None = None) -> dict[str, Any]:
    """On the wire."""
    return {"name": name, **check._asdict(), "root": root}


def _known(parts: Parts) -> _Known:
    found = indexers.found(os.environ)
    checks = {name: _tried(check, parts) for name, check in CHECKS.items()}
    checks |= {name: indexers.checked(indexer) for name, indexer in found.items()}
    roots = _shown(catalogued.roots(parts.reader))
    samples = catalogued.sample(parts.reader, [root.id for root, _ in roots], SAMPLE_FILES)
    return _Known(checks, roots, samples, systems.mounts(), [one for one in found.values() if one])


def _tried(check: Callable[[Parts], Check], parts: Parts) -> Check:
    """One thing that cannot be looked at leaves the others."""
    try:
        return check(parts)
    except OSError as error:
        return ill(f"cannot be looked at: {error}", "See to that file or folder, or its disk.")


def _shown(roots: list[tuple[Root, int]]) -> list[tuple[Root, int]]:
    """As many as are looked at; those that are offline first, since they are not asked."""
    room, shown = MAX_PATH_BYTES, []
    for root, files in sorted(roots, key=lambda row: row[0].online)[:MAX_FOLDERS]:
        room -= len(root.path) * (len(disks.ALWAYS) + len(disks.ANSWERED))
        if room >= 0:
            shown.append((root, files))
    return shown


async def _look(parts: Parts, root: Root, sample: list[bytes]) -> Sight | None:
    """What a look at the folder finds; None for one that is offline, or does not answer."""
    if not root.online:
        return None
    looking = parts.looks.get(root.path)
    if looking is None:
        look = partial(disks.look, root.path, sample)
        looking = parts.looks[root.path] = asyncio.ensure_future(parts.disks.run(look))
        looking.add_done_callback(lambda done: _over(parts, root, done))
    patience = min(LOOK_SECONDS, parts.config.scan.hang_seconds)
    done, _ = await asyncio.wait({looking}, timeout=patience)
    try:
        return looking.result() if done else None
    except Busy:  # so many disks hang that there is no thread left to look
        return None


def _over(parts: Parts, root: Root, done: asyncio.Future[Sight]) -> None:
    del parts.looks[root.path]
    if not done.cancelled():
        done.exception()  # seen: nobody may be there to read it


def _unwatched(parts: Parts, root: Root) -> int:
    below = root.path.rstrip(b"/") + b"/"
    return sum(path == root.path or path.startswith(below) for path in tuple(parts.watcher.unwatched))


# The daemon's own


def _watching(parts: Parts) -> Check:
    unwatched = len(parts.watcher.unwatched)
    if not unwatched:
        return well("every folder is watched")
    limit = "max_user_watches" if parts.watcher.alive else "max_user_instances"
    return ill(f"{many(unwatched, 'folder')} not watched, looked at by the clock", watches.more(limit))


def _watcher(parts: Parts) -> Check:
    if parts.watcher.alive:
        return well("it is alive")
    return ill(
        "it is dead",
        "Nothing at once: kadr starts another one every 30 s. If it stays dead, look at the log.",
    )


def _permissions(parts: Parts) -> Check:
    unreadable = sorted(parts.ingest.scanner.unreadable)
    if not unreadable:
        return well("every folder can be read")
    return ill(
        f"{many(len(unreadable), 'folder')} cannot be read, first {os.fsdecode(unreadable[0])}",
        "Give yourself the right to read them (chmod u+rx), or check the disk.",
    )


def _catalogue(parts: Parts) -> Check:
    if damage := parts.reader.damage():
        return ill(damage, "Run `kadr verify`: it has the catalogue made anew.")
    salvaged = f". {parts.salvaged.sentence}" if parts.salvaged else ""
    return well(f"whole{salvaged}")


def _shards(parts: Parts) -> Check:
    index = parts.serving.index
    if not index.damaged:
        return well(f"{index.shards} sealed")
    return ill(
        f"{many(index.damaged, 'shard')} being built again",
        "Wait: it comes from the catalogue, and nothing is encoded again.",
    )


def _roots(parts: Parts) -> Check:
    roots, offline = parts.reader.roots(), parts.reader.offline_roots()
    if not roots:
        return absent("no folder is watched yet")
    if not offline:
        return well("all online")
    return ill(f"offline: {', '.join(map(os.fsdecode, offline[:MAX_FOLDERS]))}", disks.CONNECT)


def _worker(parts: Parts) -> Check:
    """What a decoder that was taken over could not do."""
    locked = parts.ingest.worker.locked
    if locked is None:
        return well("has not run yet")
    cannot = {"write files": locked.files, "open sockets or run programs": locked.calls}
    held = " or ".join(text for text, holds in cannot.items() if holds)
    return well(f"cannot {held}" if held else "as free as you are: this system offers no cage")


def _pictures(parts: Parts) -> Check:
    failures = parts.reader.counts().failures
    if not failures:
        return well("every file could be read")
    return well(f"{failures:,} files could not be read as a picture (`kadr status` lists them)")


def _written(parts: Parts) -> list[str]:
    return [os.path.join(parts.paths.state, name) for name in ("catalogue.sqlite", "lock")]


# In the order in which they are shown. Baloo and LocalSearch come behind, then each folder's (doctor/disks.py).
def _tagging(parts: Parts) -> Check:
    """Whether new pictures get tags, and how far that is."""
    tags, settings = parts.tags, parts.config.tags
    if tags.tagger.trouble:
        return ill(tags.tagger.trouble, "See to that disk, or its rights; kadr tries again every minute.")
    waiting, written = tags.reader.counts()
    many_written = f"{many(written, 'file')} with tags of kadr's"
    if not tags.automatic:
        rests = (
            "; automatic tags rest since `kadr untag --all`, `kadr tag` begins them again"
            if settings.write
            else ""
        )
        return well(f"only when asked; {many_written}{rests}")
    return well(f"new pictures, to {', '.join(settings.write)}; {many_written}, {waiting:,} waiting")


CHECKS: dict[str, Callable[[Parts], Check]] = {
    "watching": _watching,
    "watcher": _watcher,
    "watches": lambda parts: watches.checked(watches.counted(), parts.ingest.counts["overflows"]),
    "permissions": _permissions,
    "full disk access": lambda parts: home.full_disk_access(
        os.path.expanduser("~"), len(parts.ingest.scanner.unreadable)
    ),
    "space": lambda parts: home.space(parts.paths),
    "cache": lambda parts: home.cache(parts.paths),
    "catalogue": _catalogue,
    "shards": _shards,
    "left-overs": lambda parts: home.left_overs(parts.paths, time.time()),
    "settings": lambda parts: home.settings(parts.paths, parts.config),
    "model": lambda parts: home.model(parts.serving.model),
    "tagging": _tagging,
    "roots": _roots,
    "pictures": _pictures,
    "worker": _worker,
    "cage": lambda _: home.landlock(),
    "clock": lambda parts: home.clock(_written(parts), time.time()),
    "libraries": lambda _: home.libraries(),
}
