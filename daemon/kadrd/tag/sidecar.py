"""Tags in an XMP file beside the picture: in the one that is there, whatever its name, else in a new one.

`IMG.jpg.xmp` is one picture's; `IMG.xmp` (Adobe's name) may be shared by a RAW and its JPEG, and is left alone then, because
the two pictures' tags would take turns in it. A sidecar of darktable's is darktable's work and never written. One that was ours
alone is deleted when our tags go.
"""

from __future__ import annotations

import os
import stat
import struct
from typing import NamedTuple

from kadrd.ingest import facts
from kadrd.tag import packet, plan, swap
from kadrd.tag.carrier import Carried, Done, Memory, Refused
from kadrd.tag.nodes import MAX_BYTES, Unreadable
from kadrd.tag.swap import Seen

_DARKTABLE = b"http://darktable.sf.net/"
_READ_WRITE, _OWNERS = 0o666, 0o600
# `Memory.before` begins with when the sidecar was changed last, in ns: that is put back with its bytes.
_CHANGED = struct.Struct(">q")


class _Place(NamedTuple):
    """A sidecar, or where one would be."""

    path: bytes
    seen: Seen | None
    picture: os.stat_result

    @property
    def packet(self) -> bytes:
        return self.seen.data if self.seen else packet.EMPTY

    @property
    def data(self) -> bytes | None:
        return self.seen.data if self.seen else None


class SidecarCarrier:
    """Writes beside the picture. *style*: `full` makes IMG.jpg.xmp, `adobe` IMG.xmp where no other picture has that stem."""

    name = "sidecar"

    def __init__(self, style: str = "full") -> None:
        self._style = style

    def look(self, path: bytes) -> Carried | Refused:
        """What the picture *path* carries beside it. Raises OSError for what concerns the disk."""
        try:
            place = self._place(path)
            if isinstance(place, Refused):
                return place
            held = packet.read(place.packet)
        except Unreadable as error:
            return error.refused
        return Carried(held.tags, held.ours)

    def write(
        self, path: bytes, wanted: tuple[str, ...], memory: Memory | None, *, trial: bool = False
    ) -> Done | Refused:
        """See Carrier."""
        try:
            place = self._place(path)
            if isinstance(place, Refused):
                return place
            planned = plan.planned(place.packet, wanted, memory, place.picture.st_ino)
            before = _before(place, memory)
        except Unreadable as error:
            return error.refused
        new = None if planned.packet == packet.EMPTY else planned.packet
        if no := None if trial or new == place.data else _put(place, new):
            return no
        kept = planned.memory(before, new, place.picture.st_ino)
        return Done(planned.merged.tags, kept, changed=new != place.data)

    def remove(self, path: bytes, memory: Memory | None) -> Done | Refused:
        """See Carrier."""
        try:
            place = self._place(path)
            if isinstance(place, Refused):
                return place
            tags = packet.read(plan.without(place.packet, memory)).tags
            before = _before(place, memory)
        except Unreadable as error:
            return error.refused
        changed, new = _unpacked(before)
        if new == place.data:
            return Done(tags, None, changed=False)
        return _put(place, new, changed) or Done(tags, None, changed=True)

    def _place(self, path: bytes) -> _Place | Refused:
        try:
            picture = os.lstat(path)
        except OSError as error:
            return swap.refused(error)
        if not stat.S_ISREG(picture.st_mode):
            return Refused("shared", "It is no regular file.")
        folder, name = os.path.split(path)
        full, adobe = (os.path.join(folder, one) for one in facts.sidecar_names(name))
        shared = _shared(folder, name) if self._style == "adobe" or _there(adobe) else False
        for one in (full,) if shared else (full, adobe):
            for spelled in (one, one[:-4] + one[-4:].upper()):
                seen = swap.read(spelled, MAX_BYTES)
                if isinstance(seen, Seen):
                    foreign = Refused("foreign", "darktable keeps its work in the sidecar.")
                    return foreign if _DARKTABLE in seen.data else _Place(spelled, seen, picture)
                if seen.reason != "gone":
                    return seen
        return _Place(full if shared or self._style == "full" else adobe, None, picture)


def _there(path: bytes) -> bool:
    return any(os.path.lexists(one) for one in (path, path[:-4] + path[-4:].upper()))


def _shared(folder: bytes, name: bytes) -> bool:
    """Whether another file has the picture's name up to its ending; sidecars of any kind do not count."""
    stem = os.path.splitext(name)[0]
    others = (other for other in os.listdir(folder or b".") if other != name)
    return any(
        os.path.splitext(other)[0] == stem and os.path.splitext(other)[1].lower() not in (b".xmp", b"")
        for other in others
    )


def _before(place: _Place, memory: Memory | None) -> bytes | None:
    """The sidecar without what is ours, and when it was changed: the one of before, where it is as we left it."""
    if memory and memory.after == plan.digest(place.data):
        return memory.before
    bare = plan.without(place.packet, memory)
    if place.seen is None or (bare == packet.EMPTY and bare != place.data):
        return None
    return _CHANGED.pack(place.seen.stat.st_mtime_ns) + bare


def _unpacked(before: bytes | None) -> tuple[int | None, bytes | None]:
    if before is None:
        return None, None
    return _CHANGED.unpack_from(before)[0], before[_CHANGED.size :]


def _put(place: _Place, new: bytes | None, changed: int | None = None) -> Refused | None:
    """Have the sidecar be *new*, changed at *changed* (ns) or now; None: have none. None: done."""
    if place.seen is None:
        return swap.create(place.path, new or b"", place.picture.st_mode & _READ_WRITE | _OWNERS)
    if new is None:
        return swap.delete(place.path, place.seen)
    times = None if changed is None else (place.seen.stat.st_atime_ns, changed)
    done = swap.replace(place.path, place.seen, new, lambda lies: lies == new, times)
    return done if isinstance(done, Refused) else None
