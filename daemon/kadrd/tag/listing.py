"""How the value of an attribute lists tags, and how ours are put behind others' without a change to theirs. Pure."""

from __future__ import annotations

import plistlib
from collections.abc import Sequence
from typing import Protocol


class Damaged(Exception):
    """The value is no list of tags."""


class Listing(Protocol):
    """A way to list tags. All raise Damaged; None is a file without the attribute, which is better than an empty value."""

    def split(self, value: bytes | None) -> tuple[str, ...]:
        """The tags in a value, without spaces around, empty ones and what is no part of their names."""

    def behind(self, value: bytes | None, tags: Sequence[str]) -> bytes | None:
        """The value with *tags* behind it."""

    def without(self, value: bytes | None, tags: Sequence[str]) -> bytes | None:
        """The value without *tags*, as `split` gives them; the rest as it was."""


class Commas:
    """Linux: UTF-8 with commas between. Some programs write a space behind them, none may: KDE and Caja do not trim."""

    def split(self, value: bytes | None) -> tuple[str, ...]:
        """
        >>> Commas().split(b"sea, summer 2024,,")
        ('sea', 'summer 2024')
        """
        return tuple(filter(None, map(_word, (value or b"").split(b","))))

    def behind(self, value: bytes | None, tags: Sequence[str]) -> bytes | None:
        """
        >>> Commas().behind(b" odd ,", ["sea"]), Commas().behind(None, ["sea", "beach"])
        (b' odd ,,sea', b'sea,beach')
        """
        return b",".join(filter(None, (value, ",".join(tags).encode()))) or value

    def without(self, value: bytes | None, tags: Sequence[str]) -> bytes | None:
        """
        >>> Commas().without(b" odd ,,sea", ["sea"]), Commas().without(b"sea,a , beach", ["sea", "beach"])
        (b' odd ,', b'a ')
        """
        if value is None or not tags:
            return value
        return b",".join(part for part in value.split(b",") if _word(part) not in tags) or None


def _word(part: bytes) -> str:
    return part.decode("utf-8", "replace").strip()


class Plist:
    """macOS: a property list of names; in the Finder's a line with the number of a colour may follow each."""

    def split(self, value: bytes | None) -> tuple[str, ...]:
        """Names without colours."""
        return tuple(filter(None, map(_name, _entries(value))))

    def behind(self, value: bytes | None, tags: Sequence[str]) -> bytes | None:
        """A binary one, which is what the system writes itself."""
        return _listed([*_entries(value), *tags]) if tags else value

    def without(self, value: bytes | None, tags: Sequence[str]) -> bytes | None:
        """Others keep their colours."""
        entries = _entries(value)
        left = [entry for entry in entries if _name(entry) not in tags]
        return value if left == entries else _listed(left)


def _entries(value: bytes | None) -> list[str]:
    """The list in *value*; others may have written it as XML."""
    if value is None:
        return []
    try:
        found = plistlib.loads(value)
    except Exception as error:  # the library raises whatever damage leads it to
        raise Damaged from error
    if not (isinstance(found, list) and all(isinstance(entry, str) for entry in found)):
        raise Damaged
    return found


def _name(entry: str) -> str:
    return entry.partition("\n")[0].strip()


def _listed(entries: list[str]) -> bytes | None:
    return plistlib.dumps(entries, fmt=plistlib.FMT_BINARY) if entries else None
