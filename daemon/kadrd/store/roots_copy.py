"""The list of roots once more, in a small file beside the catalogue: what the user asked for is found nowhere else.

It is written whenever a root changes, and read by salvage, and by a catalogue that lost its last transactions, as it
may after a power cut. `Kept` sees to it that catalogue and copy say the same.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import zlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

from kadrd.store import durable
from kadrd.store.schema import Damaged
from kadrd.store.tree import Tree
from kadrd.values import Root

log = logging.getLogger(__name__)


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
            Root(id_, path.encode(*_NAMES), system, inode, True, inside)
            for id_, path, system, inode, inside in kept["roots"]
        ]
        copy = Copy(int(kept["number"]), roots)
        return copy if kept["checksum"] == checksum(copy) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def checksum(copy: Copy) -> str:
    """Of all that is written of them."""
    return f"{zlib.crc32(json.dumps([copy.number, _rows(copy.roots)]).encode()):08x}"


def _rows(roots: Sequence[Root]) -> list[list[object]]:
    return [[r.id, r.path.decode(*_NAMES), r.system, r.inode, r.inside] for r in sorted(roots)]


# Not os.fsdecode: that changes with the locale, and the checksum with it.
_NAMES = ("utf-8", "surrogateescape")


class Kept:
    """The list in the catalogue, with its number and checksum in the settings, and the copy. Of the ingest thread."""

    def __init__(self, catalogue: str, tree: Tree, setting: Callable[[str], str | None]) -> None:
        self._catalogue, self._tree, self._setting = catalogue, tree, setting
        self._found = 0  # the number of the copy that lay there at the start: the next one is higher
        self.due = False
        """Whether the copy could not be written, and has to be."""

    def check(self, transaction: Callable[[], AbstractContextManager[None]]) -> None:
        """Compare, and take over what a catalogue that is older than the copy has lost. Raises Damaged."""
        kept, copy = self._setting("roots"), read(self._catalogue)
        if kept is not None and kept != self._said(self._number()):
            raise Damaged(f"{self._catalogue} is damaged: the list of roots is not the one that was written")
        self._found = copy.number if copy else 0
        if kept is not None and self._found <= self._number():
            self.write()
            return
        with transaction():  # one: a copy without what it held must never be written
            self._tree.roots_changed = True
            # Without a number it is new, emptied, salvaged or of version 1: the last two have their roots.
            if copy and (kept is not None or (copy.roots and not self._tree.roots())):
                log.warning("the catalogue is older than the list of roots, which is taken over")
                self._take(copy)

    def said_next(self) -> str:
        """What the settings say when the roots have changed: how often they have, and their checksum."""
        return self._said(max(self._number(), self._found) + 1)

    def write(self) -> None:
        """Write the copy; what cannot be written now is tried again behind the next transaction."""
        self._tree.roots_changed = False
        try:
            write(self._catalogue, Copy(self._number(), self._tree.roots()))
        except OSError as error:
            if not self.due:
                log.warning("the copy of the list of roots could not be written: %s", error)
            self.due = True
        else:
            self.due = False

    def _said(self, number: int) -> str:
        return f"{number} {checksum(Copy(number, self._tree.roots()))}"

    def _number(self) -> int:
        number = (self._setting("roots") or "").partition(" ")[0]
        return int(number) if number.isdecimal() and len(number) < 19 else 0

    def _take(self, copy: Copy) -> None:
        wanted = {root.path for root in copy.roots}
        for root in self._tree.roots():
            if root.path not in wanted and root.inside is None:
                self._tree.remove_root(root.id)
        known = {root.path for root in self._tree.roots()}
        for root in copy.roots:
            if root.path not in known and root.inside is None:  # disks inside are found by the scan
                self._tree.add_root(root.path, root.system, root.inode)
