"""Directories of tags, as TIFF and EXIF write them: bytes in, values out. Pure; knows no tag.

Every offset and count may lie: what is not inside the bytes reads as empty. Only the few values asked for are read, since a
directory of a camera RAW has a thousand.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

MAX_NUMBERS = 16
# TIFF's types: of one number, and of pairs that are divided.
_NUMBERS = {
    1: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I", 16: "Q", 17: "q", 18: "Q",
}  # fmt: skip
_FRACTIONS = {5: "I", 10: "i"}
_BYTES, _TEXT, _UNDEFINED, _UTF_8 = 1, 2, 7, 129
_MAX_ENTRIES = 4_096

_ORDERS = {b"II": "<", b"MM": ">"}
# The number behind the byte order: TIFF, Olympus (two), Panasonic; and BigTIFF.
_MAGICS, _BIG = (42, 0x4F52, 0x5352, 0x55), 43


class _Shape(NamedTuple):
    """How wide the fields of a file are: of a directory's length, of an entry, of an offset."""

    order: str
    length: str
    entry: struct.Struct
    pointer: str


class Directory:
    """The tags of one directory."""

    def __init__(self, data: bytes, shape: _Shape, at: int) -> None:
        self._data, self._shape, self._at = data, shape, at
        self._entries = self._read() if 0 < at < len(data) else {}

    @property
    def little(self) -> bool:
        """Whether numbers begin with their lowest byte."""
        return self._shape.order == "<"

    def __contains__(self, tag: int) -> bool:
        return tag in self._entries

    def below(self, tag: int) -> Directory:
        """The directory that *tag* points to; an empty one where there is none."""
        return Directory(self._data, self._shape, self._pointer(tag))

    def inside(self, tag: int) -> Directory:
        """The directory that the bytes of *tag* are."""
        kind, count, _ = self._entries.get(tag, (0, 0, b""))
        return Directory(
            self._data, self._shape, self._pointer(tag) if kind == _UNDEFINED and count > 8 else 0
        )

    def _pointer(self, tag: int) -> int:
        """The field of *tag* as an offset, as it is for pointers and long values."""
        field = self._entries[tag][2] if tag in self._entries else b""
        return int.from_bytes(field, "little" if self.little else "big")

    def numbers(self, tag: int) -> list[float]:
        """The numbers of *tag*, MAX_NUMBERS at most; NaN for what is divided by zero; nothing for text."""
        kind = self._entries.get(tag, (0, 0, b""))[0]
        letter = _NUMBERS.get(kind) or _FRACTIONS.get(kind)
        if letter is None:
            return []
        each = 2 if kind in _FRACTIONS else 1
        raw = self.raw(tag, MAX_NUMBERS * each * struct.calcsize(letter))
        whole = len(raw) // struct.calcsize(letter) // each * each
        values = struct.unpack_from(f"{self._shape.order}{whole}{letter}", raw)
        if each == 1:
            return list(values)
        pairs = zip(values[::2], values[1::2], strict=True)
        return [above / under if under else float("nan") for above, under in pairs]

    def number(self, tag: int) -> float | None:
        """The first number of *tag*."""
        return next(iter(self.numbers(tag)), None)

    def text(self, tag: int) -> str:
        """The text of *tag* up to its first zero byte. EXIF asks for ASCII, and everybody writes UTF-8."""
        kind = self._entries.get(tag, (0, 0, b""))[0]
        if kind not in (_TEXT, _BYTES, _UNDEFINED, _UTF_8):
            return ""
        return self.raw(tag, 1 << 16).partition(b"\0")[0].decode("utf-8", "replace")

    def raw(self, tag: int, limit: int) -> bytes:
        """The bytes of *tag*, *limit* at most."""
        kind, count, field = self._entries.get(tag, (0, 0, b""))
        letter = _NUMBERS.get(kind) or _FRACTIONS.get(kind, "B")
        size = count * struct.calcsize(letter) * (2 if kind in _FRACTIONS else 1)
        if size <= len(field):
            return field[: min(size, limit)]
        (at,) = struct.unpack(self._shape.order + self._shape.pointer, field)
        return self._data[at : at + min(size, limit)]

    def _read(self) -> dict[int, tuple[int, int, bytes]]:
        """Type, count and field by tag; of a tag that stands twice the first."""
        order, entry = self._shape.order, self._shape.entry
        start = self._at + struct.calcsize(self._shape.length)
        if start > len(self._data):
            return {}
        (count,) = struct.unpack_from(order + self._shape.length, self._data, self._at)
        there = (len(self._data) - start) // entry.size
        end = start + min(count, there, _MAX_ENTRIES) * entry.size
        found: dict[int, tuple[int, int, bytes]] = {}
        for tag, kind, number, field in entry.iter_unpack(self._data[start:end]):
            found.setdefault(tag, (kind, number, field))
        return found


def first(data: bytes) -> Directory | None:
    """The first directory of a TIFF file or EXIF block; None where *data* is none."""
    order = _ORDERS.get(data[:2])
    if order is None or len(data) < 16:
        return None
    (magic,) = struct.unpack_from(order + "H", data, 2)
    if magic in _MAGICS:
        shape, place = _Shape(order, "H", struct.Struct(order + "HHI4s"), "I"), 4
    elif magic == _BIG:
        shape, place = _Shape(order, "Q", struct.Struct(order + "HHQ8s"), "Q"), 8
    else:
        return None
    (at,) = struct.unpack_from(order + shape.pointer, data, place)
    return Directory(data, shape, at)
