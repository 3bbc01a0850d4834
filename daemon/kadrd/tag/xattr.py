"""Tags in a file's extended attributes: words of Linux's desktops, a list of names on macOS. Not a byte of the file changes.

Others' part of the value stays as it is, byte for byte: ours is put behind it, and cut off again. Beside it stands our record
(record.py), written before the tags and again after them. Between looking and writing another program may write as well: that is
seen, and begun anew with what it wrote.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import NamedTuple, TypeVar

from kadrd import xattrs
from kadrd.ingest import attributes
from kadrd.tag.carrier import Carried, Done, Memory, Refused
from kadrd.tag.listing import Commas, Damaged, Listing, Plist
from kadrd.tag.merge import merge, standing
from kadrd.tag.record import Newer, Record, Unreadable, read, written

# How often somebody may write in the same moment before we leave the file alone.
TRIES = 4

_MOVING = Refused("moving", "It changes just now.")
# As KDE's KFileMetaData tells them apart. ext4 says ENOSPC when a file's one block for attributes is used up.
_REFUSED = {
    number: refused
    for numbers, refused in (
        (
            "ENOTSUP EOPNOTSUPP ENOSYS",
            Refused("unsupported", "Its file system keeps no extended attributes."),
        ),
        ("ENOSPC EDQUOT E2BIG ERANGE", Refused("full", "Its room for extended attributes is used up.")),
        ("EACCES EPERM EROFS", Refused("denied", "Its extended attributes may not be written.")),
        ("ENOENT ENOTDIR ENAMETOOLONG ESTALE", Refused("gone", "There is no such file any more.")),
        ("ELOOP", Refused("shared", "It is a link, or no regular file.")),
    )
    for number in (getattr(errno, name) for name in numbers.split())
}

_T = TypeVar("_T")


class Home(NamedTuple):
    """Where tags live: the attribute, our record's, and how a value lists them."""

    tags: str
    record: str
    listing: Listing


XDG = Home(attributes.XDG, "user.org.kadr.tags", Commas())
"""Linux: read by Dolphin, Baloo, Gwenview, Caja"""
KEYWORDS = Home(attributes.KEYWORDS, "org.kadr.keywords", Plist())
"""macOS: read by Spotlight, and nowhere in the way"""
FINDER = Home(attributes.FINDER, "org.kadr.tags", Plist())
"""macOS: read by Spotlight, and shown in the Finder's sidebar with the user's own"""


class _Seen(NamedTuple):
    """What stands in a file's attributes."""

    value: bytes | None
    tags: tuple[str, ...]
    said: bytes | None
    """our record's bytes"""
    inode: int


class _Aim(NamedTuple):
    """What shall stand there."""

    value: bytes | None
    said: bytes | None
    coming: Record
    """the record while the value is written"""

    def stands(self, seen: _Seen) -> bool:
        return (seen.value, seen.said) == (self.value, self.said)


class XattrCarrier:
    """`carrier.Carrier` for extended attributes; the system's own *home* unless another one is given."""

    name = "xattr"

    def __init__(self, home: Home | None = None) -> None:
        self._home = home or (KEYWORDS if sys.platform == "darwin" else XDG)

    def look(self, path: bytes) -> Carried | Refused:
        """What the file carries. Raises OSError for what concerns the disk."""
        return self._at(path, self._look)

    def write(
        self, path: bytes, wanted: tuple[str, ...], memory: Memory | None, *, trial: bool = False
    ) -> Done | Refused:
        """See Carrier."""
        return self._at(path, lambda file: self._write(file, wanted, memory, trial=trial))

    def remove(self, path: bytes, memory: Memory | None) -> Done | Refused:
        """See Carrier."""
        return self._at(path, lambda file: self._remove(file, memory))

    def _at(self, path: bytes, does: Callable[[int], _T]) -> _T | Refused:
        """One file from the first look to the last write, also when another one gets its name meanwhile."""
        try:
            file = _opened(path)
            try:
                return does(file)
            finally:
                os.close(file)
        except Newer:
            return Refused("foreign", f"A newer kadr wrote {self._home.record}.")
        except Unreadable:
            return Refused("damaged", f"What {self._home.record} says cannot be read.")
        except Damaged:
            return Refused("damaged", f"What {self._home.tags} says cannot be read.")
        except OSError as error:
            if error.errno not in _REFUSED:
                raise
            return _REFUSED[error.errno]

    def _look(self, file: int) -> Carried:
        seen = self._seen(file)
        return Carried(seen.tags, standing(seen.tags, _record(seen, Memory()).base))

    def _seen(self, file: int) -> _Seen:
        value, said = xattrs.get(file, self._home.tags), xattrs.get(file, self._home.record)
        return _Seen(value, self._home.listing.split(value), said, os.fstat(file).st_ino)

    # Writing

    def _write(
        self, file: int, wanted: Sequence[str], memory: Memory | None, *, trial: bool
    ) -> Done | Refused:
        for turn in range(TRIES):
            seen = self._seen(file)
            aim, done = self._aimed(seen, wanted, memory)
            if aim.stands(seen):
                return done._replace(changed=turn > 0)
            if trial or self._put(file, seen, aim):
                return done._replace(changed=True)
        return _MOVING

    def _aimed(self, seen: _Seen, wanted: Sequence[str], memory: Memory | None) -> tuple[_Aim, Done]:
        listing, known = self._home.listing, memory or Memory()
        record = _record(seen, memory)
        # A program saved the picture anew; we may have begun to mend that, and been killed.
        anew = memory is not None and seen.inode != memory.inode and (not seen.said or record.begun)
        if anew and not seen.tags:
            # Every attribute went with the old file: theirs come back, too.
            rest, record = known.before, Record()
            merged = merge(listing.split(rest), (), known.suppressed, wanted)
        else:
            rest = listing.without(seen.value, standing(seen.tags, record.base))
            never = (*record.suppressed, *known.suppressed)
            # Tags without a record: who knows which of them that program left out.
            merged = merge(seen.tags, record.base, never, wanted, () if anew else record.stood)
        value = listing.behind(rest, merged.ours)
        ours = bool(merged.ours or merged.suppressed)
        said = written(Record(merged.ours, merged.suppressed)) if ours else None
        before = known.before if known.after == _digest(seen.value) else rest
        kept = Memory(merged.ours, merged.suppressed, merged.theirs, before, _digest(value), seen.inode)
        coming = Record(record.base, merged.suppressed, merged.ours)
        return _Aim(value, said, coming), Done(merged.tags, kept if ours else None, changed=False)

    def _put(self, file: int, seen: _Seen, aim: _Aim) -> bool:
        """Write, and read back; False when somebody else wrote in the same moment."""
        coming = written(aim.coming)
        if aim.value != seen.value:
            xattrs.put(file, self._home.record, coming)
            swapped = False
            try:
                swapped = xattrs.swap(file, self._home.tags, seen.value, aim.value)
            finally:
                if not swapped:
                    # No room, or another value by now. The note must not claim what we never wrote.
                    with suppress(OSError):
                        xattrs.put(file, self._home.record, seen.said)
            if not swapped:
                return False
        xattrs.put(file, self._home.record, aim.said)
        if xattrs.get(file, self._home.tags) == aim.value:
            return True
        # Who wrote since may have looked before us, and took nothing of ours away.
        xattrs.put(file, self._home.record, coming)
        return False

    # Taking away

    def _remove(self, file: int, memory: Memory | None) -> Done | Refused:
        for turn in range(TRIES):
            seen = self._seen(file)
            base = _record(seen, memory).base
            value = self._home.listing.without(seen.value, standing(seen.tags, base))
            if memory and memory.after == _digest(seen.value):
                value = memory.before
            aim = _Aim(value, None, Record(base, (), ()))
            if aim.stands(seen) or self._put(file, seen, aim):
                return Done(self._home.listing.split(value), None, turn > 0 or not aim.stands(seen))
        return _MOVING


def _opened(path: bytes) -> int:
    """A descriptor of the regular file *path*. Raises OSError, ELOOP for what is none."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    # To open a device, or one end of a pipe, does something.
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise OSError(errno.ELOOP, "no regular file")
    return os.open(path, flags)


def _record(seen: _Seen, memory: Memory | None) -> Record:
    """What is ours: by the note that goes with the file, else by our memory. Raises Newer, and Unreadable where both say nothing:
    then nobody could tell ours from theirs any more, and we leave it alone.
    """
    known = Record(memory.ours, memory.suppressed) if memory else Record()
    if not seen.said:
        return known
    try:
        return read(seen.said)
    except Newer:
        raise
    except Unreadable:
        if memory is None:
            raise
        return known


def _digest(value: bytes | None) -> bytes:
    return blake2b(b"-" if value is None else b"+" + value, digest_size=16).digest()
