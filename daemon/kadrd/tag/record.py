"""The note that goes with the tags in an extended attribute: which of them are ours, and which of ours somebody took away. Pure.

A first line says the version; every other begins with a mark: `+` ours, `-` taken away, `~` about to be written. Two attributes
cannot be written in one step: while `~` stands there, a kill may have come before the tags were written, or after.

Versions: 1, since 2026.
"""

from __future__ import annotations

from typing import NamedTuple

_NAME, _VERSION = "kadr", "1"
_OURS, _SUPPRESSED, _COMING = "+-~"


class Unreadable(Exception):
    """Nobody can tell what it says: it is damaged, or something else."""


class Newer(Unreadable):
    """A later version of kadr wrote it, and it means what we cannot know."""


class Record(NamedTuple):
    """What is ours in a file's attributes."""

    ours: tuple[str, ...] = ()
    suppressed: tuple[str, ...] = ()
    coming: tuple[str, ...] | None = None
    """what we are about to write instead of `ours`; None: we are done"""

    @property
    def base(self) -> tuple[str, ...]:
        """What is ours if it stands there."""
        return tuple(dict.fromkeys((*self.ours, *(self.coming or ()))))

    @property
    def stood(self) -> tuple[str, ...]:
        """What certainly stood there: before our write, and after it."""
        return self.ours if self.coming is None else tuple(tag for tag in self.ours if tag in self.coming)

    @property
    def begun(self) -> bool:
        """Whether the first write of all was broken off."""
        return self.coming is not None and not self.ours


def written(record: Record) -> bytes:
    r"""The attribute's value.

    >>> written(Record(("beach",), ("dog",))), written(Record(coming=()))
    (b'kadr 1\n+beach\n-dog', b'kadr 1\n~')
    """
    coming = () if record.coming is None else record.coming or ("",)
    marked = ((_OURS, record.ours), (_SUPPRESSED, record.suppressed), (_COMING, coming))
    return "\n".join((f"{_NAME} {_VERSION}", *(mark + tag for mark, tags in marked for tag in tags))).encode()


def read(value: bytes) -> Record:
    r"""The record in *value*. Raises Unreadable, Newer.

    >>> read(b"kadr 1\n+beach\n-dog")
    Record(ours=('beach',), suppressed=('dog',), coming=None)
    """
    try:
        first, *lines = value.decode().split("\n")
    except UnicodeDecodeError as error:
        raise Unreadable from error
    name, _, version = first.partition(" ")
    if name != _NAME or not (version.isascii() and version.isdecimal()):
        raise Unreadable
    if version != _VERSION:
        raise Newer
    marked: dict[str, list[str]] = {_OURS: [], _SUPPRESSED: [], _COMING: []}
    for line in lines:
        if line[:1] not in marked:
            raise Unreadable
        marked[line[:1]].append(line[1:])
    ours, suppressed, coming = (tuple(filter(None, tags)) for tags in marked.values())
    return Record(ours, suppressed, coming if marked[_COMING] else None)
