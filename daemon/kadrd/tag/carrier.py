"""What all places that can carry tags have in common: what is remembered of one, and what came of writing there. Pure.

A carrier keeps a record of what we added beside the tags themselves, so it can be undone wherever the file goes; the
catalogue remembers the same (`Memory`), for what an editor's save wipes away.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from kadrd.values import Memory

__all__ = ["REASONS", "Carried", "Carrier", "Done", "Memory", "Refused"]


class Carried(NamedTuple):
    """What a carrier holds now."""

    tags: tuple[str, ...]
    """all of them, in order"""
    ours: tuple[str, ...]
    """those that our record beside them names"""


class Done(NamedTuple):
    """What a carrier holds after we were there."""

    tags: tuple[str, ...]
    memory: Memory | None
    """None: nothing of ours is left, and nothing has to be remembered"""
    changed: bool
    """whether anything was written, or in a trial would be"""


class Refused(NamedTuple):
    """Nothing was written, for a reason that concerns this file only."""

    reason: str
    """one of REASONS"""
    sentence: str


REASONS = {
    "unsupported": "the file system keeps none, or the format has no place for it",
    "full": "the file's room for attributes is used up: no sign of a full disk",
    "denied": "it may not be written",
    "shared": "it has several names (hard links), or is a link, and would become another file",
    "moving": "it changed meanwhile: ask again later",
    "foreign": "another program keeps its own work there",
    "damaged": "what is there cannot be read, so it is left alone",
    "gone": "there is no such file any more",
}


class Carrier(Protocol):
    """A place for tags. Raises OSError only for what concerns the disk (ENOSPC, EIO ...), never for one file."""

    name: str
    """xattr, sidecar, embedded"""

    def look(self, path: bytes) -> Carried | Refused:
        """What the picture *path* carries here."""

    def write(
        self, path: bytes, wanted: tuple[str, ...], memory: Memory | None, *, trial: bool = False
    ) -> Done | Refused:
        """Have it carry *wanted* beside everybody else's tags; a trial only says what would be, its memory included: that is
        kept before anything is written, so that a kill in between loses no bytes of before.
        """

    def remove(self, path: bytes, memory: Memory | None) -> Done | Refused:
        """Take away what is ours and put back the bytes of before where nobody changed them since."""
