"""How the daemon feels, in words and numbers: freshness of an answer, status. Reads; changes nothing."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from kadrd import __version__
from kadrd.doctor.check import many
from kadrd.serve.parts import Parts

# A path can take 4,096 bytes and a reply 1 MiB, so the list is bounded by both.
MAX_FAILURES = 1000
MAX_FAILURE_BYTES = 256 * 1024


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
    if paused := ingest.pauses.sentence:
        found.insert(0, f"{paused}; `kadr resume` goes on with it.")
    if parts.tags.tagger.trouble:
        found.append(f"Tags cannot be written at the moment: {parts.tags.tagger.trouble}.")
    if parts.salvaged and not parts.salvaged.roots:
        found.append(parts.salvaged.sentence)
    if count := len(parts.watcher.unwatched):
        found.append(
            f"{many(count, 'folder')} cannot be watched, so changes there are noticed later (`kadr doctor` says why)."
        )
    if count := len(ingest.scanner.unreadable):
        found.append(
            f"{many(count, 'folder')} cannot be read; what was known is kept (`kadr doctor` says which)."
        )
    return found


def sentence(parts: Parts) -> str:
    """One line for the service manager: what is wrong, or that all is well."""
    return next(iter(warnings(parts)), f"answers with the model {parts.serving.model.name}")


def status(parts: Parts) -> dict[str, Any]:
    """The object of `kadr status --json`."""
    reader, ingest, serving = parts.reader, parts.ingest, parts.serving
    counts = reader.counts()
    untagged, tagged = parts.tags.reader.counts()
    return {
        "version": __version__,
        "model": serving.model.name,
        "next_model": _next_model(parts, counts.pictures),
        "roots": [{"path": root.path, "online": root.online, "files": n} for root, n in reader.roots()],
        "files": counts.files,
        "pictures": counts.pictures,
        "pending": counts.pending,
        "scanning": ingest.scanner.unseen,
        "paused": ingest.pauses.left > 0,
        "failures": _failures(parts),
        "failures_total": counts.failures,
        "encodes": ingest.pipeline.counts["encodes"],
        "decodes": ingest.pipeline.counts["decodes"],
        "overflows": ingest.counts["overflows"],
        "recoveries": ingest.counts["recoveries"],
        "full_scans": ingest.scanner.full_scans,
        "shards": serving.index.shards,
        "vectors": serving.index.count,
        "untagged": untagged,
        "tagged": tagged,
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
