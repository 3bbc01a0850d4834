"""Pictures that can carry XMP inside, whatever their format: where it is, the same picture with another, and whether that is
still the same picture. Pure: bytes in, bytes out.

HEIC, AVIF and camera RAW are left to sidecars: their parts point at each other by their places in the file. So is TIFF: all of
it is its essence key (ingest/digest.py), and a tag would cost an encode.

IPTC's keywords are left as they are. Programs that follow the Metadata Working Group believe XMP before an IPTC block that
is as its digest says, or has none; most others read both. To write there as well would mean to say of a block that somebody
changed behind XMP's back that it is in order.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable
from typing import NamedTuple

from kadrd.ingest import blocks, digest
from kadrd.ingest.boxes import Block
from kadrd.tag import chunks, jpeg
from kadrd.tag.layout import Layout
from kadrd.tag.nodes import Unreadable


class _Format(NamedTuple):
    head: bytes
    kind: bytes
    """what stands eight bytes from the beginning, in a RIFF file"""
    layout: Callable[[bytes], Layout]
    segment: Callable[[bytes], bytes]
    counted: Callable[[bytes, Layout, int], bytes]


_FORMATS = (
    _Format(b"\xff\xd8\xff", b"", jpeg.layout, jpeg.segment, jpeg.counted),
    _Format(b"\x89PNG\r\n\x1a\n", b"", chunks.png_layout, chunks.png_chunk, chunks.png_counted),
    _Format(b"RIFF", b"WEBP", chunks.webp_layout, chunks.webp_chunk, chunks.webp_counted),
)


def layout(data: bytes) -> Layout:
    """Where *data* keeps its packet. Raises Unreadable."""
    return _format(data).layout(data)


def segment(data: bytes, packet: bytes) -> bytes:
    """*packet* in the form that *data* keeps it in. Raises Unreadable."""
    return _format(data).segment(packet)


def with_segment(data: bytes, new: bytes) -> bytes:
    """*data* with another segment, or none where *new* is empty. Raises Unreadable."""
    found = layout(data)
    counted = _format(data).counted(data, found, len(new) - (found.end - found.start))
    return counted[: found.start] + new + counted[found.end :]


def same(before: bytes, after: bytes) -> bool:
    """Whether two pictures differ in their XMP alone: by the bytes, by what is seen, and by what else they say."""
    try:
        rests = layout(before).rest(before), layout(after).rest(after)
    except Unreadable:
        return False
    return (
        rests[0] == rests[1]
        and digest.keys(before)[1] == digest.keys(after)[1]
        and _others(before) == _others(after)
    )


def _format(data: bytes) -> _Format:
    for one in _FORMATS:
        if data.startswith(one.head) and data.startswith(one.kind, 8):
            return one
    raise Unreadable("kadr writes tags into JPEG, PNG and WebP only.", "unsupported")


def _others(data: bytes) -> list[Block]:
    """EXIF, IPTC and the like, as the reader of facts finds them."""
    found = list[Block]()
    with contextlib.suppress(struct.error, ValueError, IndexError, ArithmeticError):
        found.extend(block for block in blocks.found(data) if block.kind != "xmp")
    return found
