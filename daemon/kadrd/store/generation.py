"""Which shards queries see: one manifest per model, whose rename is the only commit point.

A shard that no manifest names does not count and is deleted at the next start. A manifest that cannot be read
means an empty generation: everything is rebuilt from the catalogue, nothing is encoded again.

History of FORMAT
  1  first version
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import NamedTuple

from kadrd.store import durable

FORMAT = 1
MANIFEST = "manifest.json"


class Range(NamedTuple):
    """A shard by its file name and the sequence numbers it covers: after < seq <= upto."""

    file: str
    after: int
    upto: int


def read(folder: str) -> tuple[Range, ...]:
    """The ranges of the published generation, in order and without gaps; empty when there is none that can be used."""
    try:
        with open(os.path.join(folder, MANIFEST), "rb") as file:
            manifest = json.loads(file.read())
        ranges = tuple(Range(str(r["file"]), int(r["after"]), int(r["upto"])) for r in manifest["shards"])
        usable = manifest["format"] == FORMAT and _seamless(ranges)
    except (OSError, ValueError, KeyError, TypeError):
        return ()
    return ranges if usable else ()


def publish(folder: str, ranges: tuple[Range, ...]) -> None:
    """Make *ranges* the generation that the next start sees. Raises OSError; the old one then stands."""
    manifest = {"format": FORMAT, "shards": [r._asdict() for r in ranges]}
    durable.replace(os.path.join(folder, MANIFEST), json.dumps(manifest, indent=1).encode())


def sweep(folder: str, ranges: tuple[Range, ...]) -> None:
    """Delete what no manifest names: shards of a crash, of an older generation, temporary files."""
    named = {MANIFEST, *(r.file for r in ranges), *(f"{r.file}.json" for r in ranges)}
    for name in os.listdir(folder):
        if name not in named:
            with contextlib.suppress(OSError):  # somebody's folder: it is in nobody's way
                os.unlink(os.path.join(folder, name))


def _seamless(ranges: tuple[Range, ...]) -> bool:
    starts = [0, *(r.upto for r in ranges[:-1])]
    return all(
        r.after == start < r.upto and os.path.basename(r.file) == r.file
        for r, start in zip(ranges, starts, strict=False)
    )
