"""How the daemon feels, in words and numbers: freshness of an answer, status, doctor. Reads; changes nothing."""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import Any

from kadrd import __version__
from kadrd.serve.parts import Parts
from kadrd.store.schema import SQLITE_VERSION

# A path can take 4,096 bytes and a reply 1 MiB, so the list is bounded by both.
MAX_FAILURES = 1000
MAX_FAILURE_BYTES = 256 * 1024
LOW_SPACE = 512 << 20


def freshness(parts: Parts) -> dict[str, Any]:
    """How complete an answer is at this moment."""
    pending = parts.reader.pending()
    serving = parts.serving
    return {
        "complete": pending == 0 and parts.ingest.scanner.unseen == 0,
        "pending": pending,
        "offline_roots": parts.reader.offline_roots(),
        "warnings": warnings(parts),
        "clock": f"{parts.instance}:{serving.index.clock}",
        "model": serving.model.name,
    }


def warnings(parts: Parts) -> list[str]:
    """Sentences for people; empty when all is well."""
    ingest = parts.ingest
    troubles = (ingest.trouble, ingest.pipeline.trouble)
    found = [f"New pictures cannot be indexed at the moment: {trouble}." for trouble in troubles if trouble]
    if parts.salvaged and not parts.salvaged.roots:
        found.append(parts.salvaged.sentence)
    if count := len(parts.watcher.unwatched):
        found.append(
            f"{_many(count, 'folder')} cannot be watched, so changes there are noticed later (`kadr doctor` says why)."
        )
    if count := len(ingest.scanner.unreadable):
        found.append(
            f"{_many(count, 'folder')} cannot be read; what was known is kept (`kadr doctor` says which)."
        )
    return found


def status(parts: Parts) -> dict[str, Any]:
    """The object of `kadr status --json`."""
    reader, ingest, serving = parts.reader, parts.ingest, parts.serving
    counts = reader.counts()
    return {
        "version": __version__,
        "model": serving.model.name,
        "next_model": _next_model(parts, counts.pictures),
        "roots": [{"path": root.path, "online": root.online, "files": n} for root, n in reader.roots()],
        "files": counts.files,
        "pictures": counts.pictures,
        "pending": counts.pending,
        "scanning": ingest.scanner.unseen,
        "failures": _failures(parts),
        "failures_total": counts.failures,
        "encodes": ingest.pipeline.counts["encodes"],
        "decodes": ingest.pipeline.counts["decodes"],
        "overflows": ingest.counts["overflows"],
        "recoveries": ingest.counts["recoveries"],
        "full_scans": ingest.scanner.full_scans,
        "shards": serving.index.shards,
        "vectors": serving.index.count,
        "requests": parts.requests,
        "rss_bytes": _rss(),
        "uptime_s": round(time.monotonic() - parts.started, 1),
        "warnings": warnings(parts),
    }


def _failures(parts: Parts) -> list[dict[str, Any]]:
    """The first files that have no picture; as many as fit."""
    rows, size = [], 0
    for path, reason, sentence in parts.reader.failures(MAX_FAILURES):
        size += len(path) + len(sentence) + 64
        if size > MAX_FAILURE_BYTES:
            break
        rows.append({"path": path, "reason": reason, "sentence": sentence})
    return rows


def _next_model(parts: Parts, pictures: int) -> dict[str, Any] | None:
    target = parts.ingest.next
    return (
        None if target is None else {"name": target.model.name, "done": target.index.count, "total": pictures}
    )


def _rss() -> int:
    """Resident bytes of this process."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import resource  # not on Linux: the peak is what there is

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def doctor(parts: Parts) -> list[dict[str, Any]]:
    """What could be wrong around the daemon, each with its remedy."""
    return [*_about_watching(parts), *_about_disk(parts), *_about_pictures(parts)]


def _about_watching(parts: Parts) -> list[dict[str, Any]]:
    unwatched, alive = len(parts.watcher.unwatched), parts.watcher.alive
    unreadable = sorted(parts.ingest.scanner.unreadable)
    return [
        _check(
            "watching",
            not unwatched,
            f"{_many(unwatched, 'folder')} not watched, looked at by the clock"
            if unwatched
            else "every folder is watched",
            _more_watches(alive) if unwatched else "",
        ),
        _check(
            "watcher",
            alive,
            "it is alive" if alive else "it is dead",
            ""
            if alive
            else "Nothing at once: kadr starts another one every 30 s. If it stays dead, look at the log.",
        ),
        _check(
            "permissions",
            not unreadable,
            f"{_many(len(unreadable), 'folder')} cannot be read, first {os.fsdecode(unreadable[0])}"
            if unreadable
            else "every folder can be read",
            "Give yourself the right to read them (chmod u+rx), or check the disk." if unreadable else "",
        ),
    ]


def _more_watches(alive: bool) -> str:
    """Linux bounds the watches of a user, and the programs that may watch at all."""
    limit = "max_user_watches" if alive else "max_user_instances"
    now = _number(f"/proc/sys/fs/inotify/{limit}")
    return f"Raise the limit: sudo sysctl fs.inotify.{limit}={2 * now}" if now else "Watch fewer folders."


def _about_disk(parts: Parts) -> list[dict[str, Any]]:
    free = shutil.disk_usage(parts.paths.state).free
    damage, damaged = parts.reader.damage(), parts.serving.index.damaged
    return [
        _check("space", free > LOW_SPACE, f"{free >> 20:,} MB free for the catalogue", "Free some space." if free <= LOW_SPACE else ""),
        _check("catalogue", not damage, damage or f"whole, SQLite {SQLITE_VERSION}{_salvaged(parts)}", "Run `kadr verify`: it has the catalogue made anew." if damage else ""),
        _check("shards", not damaged, f"{_many(damaged, 'shard')} being built again" if damaged else f"{parts.serving.index.shards} sealed", "Wait: it comes from the catalogue, and nothing is encoded again." if damaged else ""),
    ]  # fmt: skip


def _salvaged(parts: Parts) -> str:
    return f". {parts.salvaged.sentence}" if parts.salvaged else ""


def _about_pictures(parts: Parts) -> list[dict[str, Any]]:
    counts = parts.reader.counts()
    offline = parts.reader.offline_roots()
    serving = parts.serving
    return [
        _check("model", True, f"{serving.model.name}, {serving.model.dimension} numbers, {', '.join(serving.model.languages) or 'languages unknown'}", ""),
        _check("roots", not offline, f"offline: {', '.join(map(os.fsdecode, offline))}" if offline else "all online", "Connect the disk; nothing is forgotten meanwhile. If what lies there now is meant: kadr add FOLDER" if offline else ""),
        _check("worker", True, _cage(parts), ""),
        _check("pictures", True, f"{counts.failures:,} files could not be read as a picture (`kadr status` lists them)" if counts.failures else "every file could be read", ""),
    ]  # fmt: skip


def _cage(parts: Parts) -> str:
    """What a decoder that was taken over could not do."""
    locked = parts.ingest.worker.locked
    if locked is None:
        return "has not run yet"
    held = [
        text
        for text, holds in (("write files", locked.files), ("open sockets or run programs", locked.calls))
        if holds
    ]
    return f"cannot {' or '.join(held)}" if held else "as free as you are: this system offers no cage"


def _check(name: str, ok: bool, says: str, act: str) -> dict[str, Any]:
    return {"name": name, "ok": ok, "says": says, "act": act}


def _many(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _number(path: str) -> int | None:
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None
