"""The list of roots once more, in a small file beside the catalogue: what the user asked for is found nowhere else.

The catalogue writes it whenever a root changes. It is read by salvage, and by a catalogue that lost its last
transactions, as it may after a power cut.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from kadrd.store import durable
from kadrd.values import Root


def place(catalogue: str) -> str:
    return os.path.join(os.path.dirname(catalogue), "roots.json")


class Copy(NamedTuple):
    """The list of roots; `number` grows with every change."""

    number: int
    roots: list[Root]


def write(catalogue: str, copy: Copy) -> None:
    """Put *copy* beside the file *catalogue*. Raises OSError."""
    kept = {"number": copy.number, "checksum": checksum(copy), "roots": _rows(copy.roots)}
    data = json.dumps(kept, indent=1).encode()
    with contextlib.suppress(OSError), open(place(catalogue), "rb") as file:
        if file.read() == data:
            return
    durable.replace(place(catalogue), data)


def read(catalogue: str) -> Copy | None:
    """The roots as they were last written; None when the copy is gone or damaged itself."""
    try:
        with open(place(catalogue), "rb") as file:
            kept = json.loads(file.read())
        roots = [
            Root(id_, os.fsencode(path), system, inode, True, inside)
            for id_, path, system, inode, inside in kept["roots"]
        ]
        copy = Copy(int(kept["number"]), roots)
        return copy if kept["checksum"] == checksum(copy) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def checksum(copy: Copy) -> str:
    """Of all that is written of them."""
    return f"{zlib.crc32(json.dumps([copy.number, _rows(copy.roots)]).encode()):08x}"


def _rows(roots: Sequence[Root]) -> list[list[object]]:
    return [[r.id, os.fsdecode(r.path), r.system, r.inode, r.inside] for r in sorted(roots)]
