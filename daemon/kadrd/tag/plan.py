"""What an XMP packet becomes: from what it holds, what we remember and what is wanted. Pure; for every place that is a packet."""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

from kadrd.tag import packet
from kadrd.tag.carrier import Memory
from kadrd.tag.merge import Merged, merge, standing
from kadrd.tag.packet import Change, Held


class Planned(NamedTuple):
    """A packet as it shall be."""

    packet: bytes
    merged: Merged

    def memory(self, before: bytes | None, after: bytes | None, inode: int) -> Memory | None:
        """What is remembered of it; None when there is nothing of ours."""
        if not (self.merged.ours or self.merged.suppressed):
            return None
        return Memory(
            self.merged.ours, self.merged.suppressed, self.merged.theirs, before, digest(after), inode
        )


def planned(data: bytes, wanted: tuple[str, ...], memory: Memory | None, inode: int) -> Planned:
    """The packet *data* with *wanted* beside everybody else's tags; *inode* is the picture's now. Raises Unreadable."""
    held, known = packet.read(data), memory or Memory()
    recorded = bool(held.ours or held.suppressed)
    # A | is a step of a path in Lightroom's tree.
    words = [tag for tag in wanted if "|" not in tag]
    if memory and not recorded and not held.tags and inode != memory.inode:
        # A program saved the picture anew, and everything went with the old file.
        merged = merge(memory.theirs, (), memory.suppressed, words)
    else:
        base = held.ours if recorded else known.ours
        merged = merge(held.tags, base, (*held.suppressed, *known.suppressed), words)
    drop = tuple(tag for tag in held.tags if tag not in merged.tags)
    back = tuple(tag for tag in merged.theirs if tag not in held.tags)
    return Planned(packet.changed(data, Change(merged.ours, merged.suppressed, drop, back)), merged)


def without(data: bytes, memory: Memory | None) -> bytes:
    """The packet *data* without all that is ours. Raises Unreadable."""
    held = packet.read(data)
    return packet.changed(data, Change((), drop=_standing(held, memory)))


def digest(data: bytes | None) -> bytes:
    """What tells later that nobody changed *data*."""
    return blake2b(b"-" if data is None else b"+" + data, digest_size=16).digest()


def _standing(held: Held, memory: Memory | None) -> tuple[str, ...]:
    return standing(held.tags, (*held.ours, *(memory.ours if memory else ())))
