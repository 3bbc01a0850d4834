"""Where PNG and WebP keep their XMP packet, and the same picture with another one. Pure: bytes in, bytes out.

Both are rows of chunks. PNG counts nothing; WebP says how long it is, and in its first chunk whether a packet is there. A
WebP of the simple form, a single chunk, has no such place: making it an extended one would change what the essence key
(ingest/digest.py) calls the picture.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from kadrd.tag.layout import Layout
from kadrd.tag.nodes import MAX_BYTES, Unreadable

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_NAME = b"XML:com.adobe.xmp"
_PNG_SIGNED, _WEBP_SIGNED = b"caBX", b"C2PA"
# Not compressed, by method 0, in no language, under no other name.
_PNG_TEXT = _PNG_NAME + b"\0\0\0\0\0"
_WEBP_FLAGS, _WEBP_HAS_XMP = 20, 0x04
_MAX_CHUNKS = 1 << 16
_SIGNED = "It is signed (content credentials), and any change would break that."


class _Chunk(NamedTuple):
    kind: bytes
    start: int
    body: int
    body_end: int
    end: int


def png_layout(data: bytes) -> Layout:
    """Raises Unreadable for what is damaged or better left alone."""
    chunks = list(_png(data))
    if any(chunk.kind == _PNG_SIGNED for chunk in chunks):
        raise Unreadable(_SIGNED, "foreign")
    own = [
        chunk
        for chunk in chunks
        if chunk.kind == b"iTXt" and data.startswith(_PNG_NAME + b"\0", chunk.body, chunk.body_end)
    ]
    if len(own) > 1:
        raise Unreadable("It has two XMP packets.")
    if own:
        return Layout(_png_packet(data[own[0].body : own[0].body_end]), own[0].start, own[0].end)
    at = next(chunk.start for chunk in chunks if chunk.kind in (b"IDAT", b"IEND"))
    return Layout(None, at, at)


def png_chunk(packet: bytes) -> bytes:
    """The chunk that holds *packet*."""
    body = b"iTXt" + _PNG_TEXT + packet
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


def png_counted(data: bytes, found: Layout, more: int) -> bytes:
    """*data*: PNG counts nothing."""
    del found, more
    return data


def _png(data: bytes) -> Iterator[_Chunk]:
    """All up to the last. Raises Unreadable when that does not come."""
    at = len(_PNG)
    for _ in range(_MAX_CHUNKS):
        if at + 12 > len(data):
            break
        length, kind = struct.unpack_from(">I4s", data, at)
        chunk = _Chunk(kind, at, at + 8, at + 8 + length, at + 12 + length)
        if chunk.end > len(data) or (kind == b"IHDR") != (at == len(_PNG)):
            break
        yield chunk
        if kind == b"IEND":
            return
        at = chunk.end
    raise Unreadable("It is damaged: not a whole PNG.")


def _png_packet(body: bytes) -> bytes:
    """What an iTXt chunk says, which may be compressed."""
    packed, rest = body[len(_PNG_NAME) + 1 :][:1], body[len(_PNG_NAME) + 3 :]
    text = rest.split(b"\0", 2)[-1]
    if packed != b"\1":
        return text
    try:
        return zlib.decompressobj().decompress(text, MAX_BYTES + 1)
    except zlib.error as error:
        raise Unreadable("Its XMP is damaged.") from error


def webp_layout(data: bytes) -> Layout:
    """Raises Unreadable for what is damaged or better left alone."""
    chunks = list(_webp(data))
    if any(chunk.kind == _WEBP_SIGNED for chunk in chunks):
        raise Unreadable(_SIGNED, "foreign")
    if chunks[0].kind != b"VP8X":
        raise Unreadable("A WebP of the simple form has no place for XMP.", "unsupported")
    own = [chunk for chunk in chunks if chunk.kind == b"XMP "]
    if len(own) > 1:
        raise Unreadable("It has two XMP packets.")
    counters = ((4, 8), (_WEBP_FLAGS, _WEBP_FLAGS + 1))
    if own:
        return Layout(data[own[0].body : own[0].body_end], own[0].start, own[0].end, counters)
    return Layout(None, chunks[-1].end, chunks[-1].end, counters)


def webp_chunk(packet: bytes) -> bytes:
    """The chunk that holds *packet*."""
    return struct.pack("<4sI", b"XMP ", len(packet)) + packet + bytes(len(packet) % 2)


def webp_counted(data: bytes, found: Layout, more: int) -> bytes:
    """*data* as its sizes and flags have to be when its packet becomes *more* bytes longer. Raises Unreadable."""
    size = int.from_bytes(data[4:8], "little") + more
    if size >= 1 << 32:
        raise Unreadable("It would be longer than a WebP may be.", "full")
    there = _WEBP_HAS_XMP if found.end - found.start + more else 0
    flags = data[_WEBP_FLAGS] & ~_WEBP_HAS_XMP | there
    return (
        data[:4]
        + size.to_bytes(4, "little")
        + data[8:_WEBP_FLAGS]
        + bytes((flags,))
        + data[_WEBP_FLAGS + 1 :]
    )


def _webp(data: bytes) -> Iterator[_Chunk]:
    """All that the file says it has. Raises Unreadable when they do not fill it."""
    at, last = 12, 8 + int.from_bytes(data[4:8], "little")
    for _ in range(_MAX_CHUNKS):
        if at + 8 > min(last, len(data)):
            break
        kind, length = struct.unpack_from("<4sI", data, at)
        chunk = _Chunk(kind, at, at + 8, at + 8 + length, at + 8 + length + length % 2)
        yield chunk
        at = chunk.end
    if at != last or at > len(data) or at == 12:
        raise Unreadable("It is damaged: not a whole WebP.")
