"""Where a JPEG keeps its XMP packet, and the same JPEG with another one. Pure: bytes in, bytes out.

Everything before the first scan is a row of segments; all from there on is copied blindly, the pictures, films and trailers
that follow the end included. Two things point across the packet, and are minded: the index of further pictures (MPF) counts
from itself, so a packet may grow before it and not behind it; and a camera's notes may count from the EXIF block to a
preview behind the picture, which then has to stay where it is.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from kadrd.ingest import tiff
from kadrd.tag.layout import Layout
from kadrd.tag.nodes import Unreadable

_APP0, _APP1, _APP2, _APP11, _SCAN, _END = 0xE0, 0xE1, 0xE2, 0xEB, 0xDA, 0xD9
_ALONE, _NEVER = (0x01, *range(0xD0, 0xD8)), (0x00, 0xD8, _END)
_XMP, _MORE = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
_EXIF, _MPF = b"Exif\0\0", b"MPF\0"
_LONGEST = 0xFFFF - 2 - len(_XMP)
_MAX_SEGMENTS = 4_096
# In the scans: a marker that is neither data nor a restart.
_MARKER = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])")
# CIPA DC-007: 16 bytes for each picture, the second four its size, the third where it begins.
_ENTRIES, _ENTRY = 0xB002, 16


class _Segment(NamedTuple):
    marker: int
    start: int
    """of the marker, with what fills the room before it"""
    body: int
    end: int


class _Index(NamedTuple):
    """The index of further pictures."""

    start: int
    size: int
    """where the size of the first picture stands"""
    order: str
    pictures: tuple[int, ...]
    """where the others begin"""


def layout(data: bytes) -> Layout:
    """Raises Unreadable for what is damaged or better left alone."""
    segments = list(_segments(data))
    own = [segment for segment in segments if _is(data, segment, _APP1, _XMP)]
    if len(own) > 1:
        raise Unreadable("It has two XMP packets.")
    if any(segment.marker == _APP11 and b"c2pa" in data[segment.body : segment.end] for segment in segments):
        raise Unreadable("It is signed (content credentials), and any change would break that.", "foreign")
    more = (data[segment.body : segment.end] for segment in segments if _is(data, segment, _APP1, _MORE))
    if b"subject" in b"".join(more):
        raise Unreadable("Its keywords lie in the second part of a long XMP packet.", "unsupported")
    index = _index(data, segments)
    counters = ((index.size, index.size + 4),) if index else ()
    if own:
        return Layout(data[own[0].body + len(_XMP) : own[0].end], own[0].start, own[0].end, counters)
    at = _place(data, segments)
    return Layout(None, at, at, counters)


def segment(packet: bytes) -> bytes:
    """The segment that holds *packet*. Raises Unreadable when it is too long for one."""
    if len(packet) > _LONGEST:
        raise Unreadable("Its XMP would be longer than a JPEG allows.", "full")
    return struct.pack(">BBH", 0xFF, _APP1, 2 + len(_XMP) + len(packet)) + _XMP + packet


def counted(data: bytes, found: Layout, more: int) -> bytes:
    """*data* as what counts its bytes has to be when its packet becomes *more* bytes longer. Raises Unreadable."""
    if not more:
        return data
    segments = list(_segments(data))
    index, behind = _index(data, segments), _behind(data, segments[-1].end)
    if index and index.start < found.start:
        raise Unreadable("An index of further pictures in it counts across its XMP.", "foreign")
    places = {*(index.pictures if index else ()), *([behind] if behind < len(data) else [])}
    if any(_points(data, segment, place) for segment in segments for place in places):
        raise Unreadable("Its camera's notes point at what lies behind the picture.", "foreign")
    if index is None:
        return data
    (size,) = struct.unpack_from(index.order + "I", data, index.size)
    new = struct.pack(index.order + "I", size + more if size else 0)
    return data[: index.size] + new + data[index.size + 4 :]


def _segments(data: bytes) -> Iterator[_Segment]:
    """All up to the first scan's, which is the last. Raises Unreadable when there is none."""
    at = 2
    for _ in range(_MAX_SEGMENTS):
        start = at
        while data[at : at + 1] == b"\xff":
            at += 1
        marker = data[at] if start < at < len(data) else 0
        if marker in _NEVER:
            break
        length = 0 if marker in _ALONE else int.from_bytes(data[at + 1 : at + 3], "big")
        body, end = at + (1 if marker in _ALONE else 3), at + 1 + length
        if end > len(data) or body > end:
            break
        yield _Segment(marker, start, body, end)
        if marker == _SCAN:
            return
        at = end
    raise Unreadable("It is damaged: not a whole JPEG.")


def _is(data: bytes, segment: _Segment, marker: int, head: bytes) -> bool:
    return segment.marker == marker and data.startswith(head, segment.body, segment.end)


def _place(data: bytes, segments: Sequence[_Segment]) -> int:
    """Behind JFIF's and EXIF's segments, which want to be first, and before any index."""
    for segment in segments:
        if segment.marker != _APP0 and not _is(data, segment, _APP1, _EXIF):
            return segment.start
    return segments[-1].start


def _behind(data: bytes, at: int) -> int:
    """Where the picture ends whose first scan's header ends at *at*: whatever lies there is no part of it."""
    if data.find(b"\xff\xd9", at) == len(data) - 2:  # as nearly always; a walk takes 10 ms for a megabyte
        return len(data)
    while found := _MARKER.search(data, at):
        if found[1][0] == _END:
            return found.end()
        at = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    return len(data)


def _index(data: bytes, segments: Sequence[_Segment]) -> _Index | None:
    segment = next((segment for segment in segments if _is(data, segment, _APP2, _MPF)), None)
    if segment is None:
        return None
    base = segment.body + len(_MPF)
    block = data[base : segment.end]
    directory = tiff.first(block)
    entries = directory.raw(_ENTRIES, len(block)) if directory else b""
    if directory is None or len(entries) < _ENTRY:
        raise Unreadable("Its index of further pictures is damaged.")
    order = "<" if directory.little else ">"
    offsets = [
        offset for _, _, offset, _ in struct.iter_unpack(order + "4sII4s", entries[: len(entries) // 16 * 16])
    ]
    return _Index(
        segment.start,
        base + block.find(entries) + 4,
        order,
        tuple(base + offset for offset in offsets[1:] if offset),
    )


def _points(data: bytes, segment: _Segment, place: int) -> bool:
    """Whether an EXIF block may hold the number of *place*, counted from its own beginning or from the file's."""
    if not _is(data, segment, _APP1, _EXIF):
        return False
    numbers = (place, place - segment.body - len(_EXIF))
    return any(
        data.find(struct.pack(order, number), segment.body, segment.end) >= 0
        for number in numbers
        for order in ("<I", ">I")
    )
