"""Where boxed files (HEIC, AVIF, JPEG 2000, JPEG XL, Canon's CR3) keep their metadata. Pure: bytes in, blocks out.

A box is its length, four letters, and a body that may be boxes again. HEIC and AVIF list their items in one box and where
they lie in another. Lengths may lie: a box ends where the one around it does.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from typing import NamedTuple

_MAX_BOXES, _MAX_EXTENTS = 4_096, 1 << 16
_MAX_ITEMS, _MAX_ITEM = 8, 4 << 20

# Kinds of blocks by the id of a `uuid` box.
_BY_UUID = {
    bytes.fromhex("be7acfcb97a942e89c71999491e3afac"): "xmp",
    bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38"): "iptc",
    b"JpgTiffExif->JP2": "exif",
}
_CANON = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
# Canon splits what others write into one block: first directory, camera, (notes,) position.
_OF_CANON = {b"CMT1": "exif", b"CMT2": "exif", b"CMT4": "gps"}


class Block(NamedTuple):
    """A piece of metadata: its kind (exif, gps, xmp, iptc) and its bytes."""

    kind: str
    data: bytes


class _Box(NamedTuple):
    """Its letters, and where its body begins and ends."""

    kind: bytes
    start: int
    end: int


class _Item(NamedTuple):
    """Which bytes of the file, or of the box `idat`, make an item."""

    inside: bool
    extents: list[tuple[int, int]]


def found(data: bytes) -> Iterator[Block]:
    """The blocks of a boxed file."""
    for box in _boxes(data, 0, len(data)):
        if box.kind == b"meta":
            yield from _items(data, box)
        elif box.kind == b"moov":
            yield from _canon(data, box)
        elif box.kind == b"uuid":
            kind = _BY_UUID.get(data[box.start : box.start + 16])
            if kind:
                yield Block(kind, _body(data, box, 16))
        elif box.kind == b"Exif":
            yield Block("exif", _offset(_body(data, box)))
        elif box.kind == b"xml ":
            yield Block("xmp", _body(data, box))


def _boxes(data: bytes, at: int, end: int) -> Iterator[_Box]:
    for _ in range(_MAX_BOXES):
        if at + 8 > end:
            return
        size, kind = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if size == 1 and at + 16 <= end:
            (size,) = struct.unpack_from(">Q", data, start)
            start += 8
        elif size == 0:
            size = end - at
        if size < start - at:
            return
        yield _Box(kind, start, min(at + size, end))
        at += size


def _body(data: bytes, box: _Box, skip: int = 0) -> bytes:
    start = box.start + skip
    return data[start : min(box.end, start + _MAX_ITEM)]


def _offset(item: bytes) -> bytes:
    """An Exif item begins with how far behind its TIFF header lies."""
    return item[4 + int.from_bytes(item[:4], "big") :]


def _canon(data: bytes, moov: _Box) -> Iterator[Block]:
    for box in _boxes(data, moov.start, moov.end):
        if box.kind == b"uuid" and data[box.start : box.start + 16] == _CANON:
            for part in _boxes(data, box.start + 16, box.end):
                if part.kind in _OF_CANON:
                    yield Block(_OF_CANON[part.kind], _body(data, part))


def _items(data: bytes, meta: _Box) -> Iterator[Block]:
    """The Exif and XMP items of HEIC and AVIF. The body of `meta` begins with its version."""
    parts = {box.kind: box for box in _boxes(data, meta.start + 4, meta.end)}
    if not {b"iinf", b"iloc"} <= parts.keys():
        return
    kinds = dict(_kinds(data, parts[b"iinf"]))
    places = _places(_body(data, parts[b"iloc"]), set(kinds))
    base = parts[b"idat"].start if b"idat" in parts else 0
    for number, item in itertools.islice(places, _MAX_ITEMS):
        start = base if item.inside else 0
        body = b"".join(data[start + at : start + at + min(size, _MAX_ITEM)] for at, size in item.extents)
        yield Block(kinds[number], _offset(body) if kinds[number] == "exif" else body)


def _kinds(data: bytes, iinf: _Box) -> Iterator[tuple[int, str]]:
    """(number, kind of block) of each item that is one."""
    wide = data[iinf.start] > 0
    for box in _boxes(data, iinf.start + (8 if wide else 6), iinf.end):
        body = _body(data, box)
        if box.kind != b"infe" or body[:1] not in (b"\2", b"\3"):
            continue
        number, _, kind = struct.unpack_from(">HH4s" if body[0] == 2 else ">IH4s", body, 4)
        if kind == b"Exif":
            yield number, "exif"
        elif kind == b"mime" and b"application/rdf+xml" in body[:256]:
            yield number, "xmp"


def _places(body: bytes, wanted: set[int]) -> Iterator[tuple[int, _Item]]:
    """Where each *wanted* item lies, by the box `iloc`, whose fields have the widths that it begins with. Stops where
    it is cut off.
    """
    reader, left = _Fields(body), _MAX_EXTENTS
    version = reader.number(1)
    reader.number(3)
    widths = reader.number(2)
    of_offset, of_length, of_base, of_index = (widths >> shift & 15 for shift in (12, 8, 4, 0))
    for _ in range(reader.number(4 if version == 2 else 2)):
        number = reader.number(4 if version == 2 else 2)
        inside = version > 0 and reader.number(2) & 15 == 1
        reader.number(2)  # which file: this one
        base, extents, count = reader.number(of_base), [], reader.number(2)
        left -= 1 + count
        if reader.cut_off or left < 0:
            return
        for _ in range(count):
            reader.number(of_index if version > 0 else 0)
            at = base + reader.number(of_offset)
            extents.append((at, reader.number(of_length)))
        if number in wanted:
            yield number, _Item(inside, extents[:4])


class _Fields:
    """Numbers of changing width, one after the other."""

    def __init__(self, body: bytes) -> None:
        self._body, self._at = body, 0

    def number(self, width: int) -> int:
        self._at += width
        return int.from_bytes(self._body[self._at - width : self._at], "big")

    @property
    def cut_off(self) -> bool:
        return self._at > len(self._body)
