"""Tags inside of pictures: `dc:subject` of the XMP packet of JPEG, PNG and WebP. Off unless the user asked for just this.

The picture's file is never written to: a copy with another packet takes its place when it was read again and found to be the
same but for its XMP (containers.same), with all that the file was beside its bytes (swap, likeness). Its times stay, so that
nobody's order of pictures changes. Whatever could go wrong for this file alone is a Refused, and nothing was written.
"""

from __future__ import annotations

from typing import NamedTuple

from kadrd.tag import containers, packet, plan, swap
from kadrd.tag.carrier import Carried, Done, Memory, Refused
from kadrd.tag.layout import Layout
from kadrd.tag.nodes import Unreadable
from kadrd.tag.swap import Seen

# A picture and its copy are in memory; a JPEG of 600 megapixels has less.
_LARGEST = 512 << 20


class _Read(NamedTuple):
    seen: Seen
    layout: Layout

    @property
    def segment(self) -> bytes:
        return self.layout.segment(self.seen.data)

    @property
    def packet(self) -> bytes:
        return packet.EMPTY if self.layout.packet is None else self.layout.packet


class EmbeddedCarrier:
    """Writes into the picture's own file."""

    name = "embedded"

    def look(self, path: bytes) -> Carried | Refused:
        """What the picture *path* carries inside. Raises OSError for what concerns the disk."""
        try:
            found = _read(path)
            if isinstance(found, Refused):
                return found
            held = packet.read(found.packet)
        except Unreadable as error:
            return error.refused
        return Carried(held.tags, held.ours)

    def write(
        self, path: bytes, wanted: tuple[str, ...], memory: Memory | None, *, trial: bool = False
    ) -> Done | Refused:
        """See Carrier. `Memory.before` is the segment or chunk that held the packet."""
        try:
            found = _read(path)
            if isinstance(found, Refused):
                return found
            planned = plan.planned(found.packet, wanted, memory, found.seen.stat.st_ino)
            new = _with(found, planned.packet)
            segment = containers.layout(new).segment(new)
            before = _before(found, memory)
        except Unreadable as error:
            return error.refused
        inode: int | Refused = found.seen.stat.st_ino
        if new != found.seen.data and not trial:
            inode = _replace(path, found.seen, new)
        if isinstance(inode, Refused):
            return inode
        return Done(
            planned.merged.tags, planned.memory(before, segment, inode), changed=new != found.seen.data
        )

    def remove(self, path: bytes, memory: Memory | None) -> Done | Refused:
        """See Carrier."""
        try:
            found = _read(path)
            if isinstance(found, Refused):
                return found
            tags = packet.read(plan.without(found.packet, memory)).tags
            new = containers.with_segment(found.seen.data, _before(found, memory) or b"")
        except Unreadable as error:
            return error.refused
        if new == found.seen.data:
            return Done(tags, None, changed=False)
        inode = _replace(path, found.seen, new)
        return inode if isinstance(inode, Refused) else Done(tags, None, changed=True)


def _read(path: bytes) -> _Read | Refused:
    seen = swap.read(path, _LARGEST)
    return seen if isinstance(seen, Refused) else _Read(seen, containers.layout(seen.data))


def _with(found: _Read, new: bytes) -> bytes:
    """The picture with another packet; with none instead of one that says nothing."""
    if new == found.packet:
        return found.seen.data
    return containers.with_segment(
        found.seen.data, b"" if new == packet.EMPTY else containers.segment(found.seen.data, new)
    )


def _before(found: _Read, memory: Memory | None) -> bytes | None:
    """The segment without what is ours: the one of before, where it is as we left it."""
    if memory and memory.after == plan.digest(found.segment):
        return memory.before
    bare = plan.without(found.packet, memory)
    if bare == found.packet:
        return found.segment or None
    return None if bare == packet.EMPTY else containers.segment(found.seen.data, bare)


def _replace(path: bytes, seen: Seen, new: bytes) -> Refused | int:
    times = seen.stat.st_atime_ns, seen.stat.st_mtime_ns
    return swap.replace(path, seen, new, lambda lies: lies == new and containers.same(seen.data, lies), times)
