"""Where a picture's bytes keep EXIF, XMP and IPTC, container by container. Pure: bytes in, blocks out.

A file that is damaged gives the blocks before the damage: whoever asks takes them one by one, and what this raises
(struct.error, IndexError, ValueError) is the end.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

from kadrd.ingest import boxes, tiff
from kadrd.ingest.boxes import Block
from kadrd.ingest.xmp import MAX_PACKET

_PNG = b"\x89PNG\r\n\x1a\n"
_BOXED = (b"ftyp", b"jP  ", b"JXL ")
_EXIF = b"Exif\0"
# How JPEG's segments begin that hold metadata, by their markers.
_XMP, _XMP_MORE, _PHOTOSHOP = (
    b"http://ns.adobe.com/xap/1.0/\0",
    b"http://ns.adobe.com/xmp/extension/\0",
    b"Photoshop 3.0\0",
)
_APP1, _APP13, _SCAN = 0xE1, 0xED, 0xDA
_FILL = re.compile(b"\xff{1,4096}")  # a marker begins with one or more
_PIXELS = (_SCAN, 0x00, 0xFF)  # the scan begins, or one is being read
_ALONE = (0x01, *range(0xD0, 0xDA))  # markers without a body
_GUID = 32
# TIFF's tags that hold other blocks.
_XMP_TAG, _IPTC_TAG, _PHOTOSHOP_TAG = 700, 33723, 34377
# IPTC comes first among Photoshop's resources; thumbnails and paths follow.
_RESOURCES_LIMIT = 4 << 20
# ImageMagick's way to keep blocks in PNG's texts, as hexadecimal digits.
_PROFILES = {
    b"Raw profile type " + name: kind
    for name, kind in {b"exif": "exif", b"APP1": "exif", b"xmp": "xmp", b"iptc": "iptc"}.items()
}
_PNG_XMP = b"XML:com.adobe.xmp"
_GIF_XMP, _GIF_END = b"\x21\xff\x0bXMP DataXMP", b"\x01\xff\xfe\xfd"
# RAW: where the camera's JPEG begins, or which tag it is; it holds what the RAW itself leaves out.
_MINOLTA = b"\0MRM"
_FUJI, _FUJI_JPEG = b"FUJIFILMCCD-RAW", 84
_SIGMA, _JPEG_WITH_EXIF = b"FOVb", b"\xff\xd8\xff\xe1"
_PANASONIC, _PANASONIC_JPEG, _JPEG_HEAD = b"IIU\0", 0x2E, 1 << 18

# More than any real file has; a hostile one would have millions.
_MAX_PARTS, _MAX_SEGMENTS = 1 << 16, 4_096


def found(data: bytes) -> Iterator[Block]:
    """The blocks of *data*, EXIF before what lies behind it. Nothing where the format is not known."""
    if data.startswith(b"\xff\xd8"):
        yield from _jpeg(data, 0)
    elif data.startswith(_PNG):
        yield from _png(data)
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        yield from _webp(data)
    elif data[4:8] in _BOXED:
        yield from boxes.found(data)
    elif data.startswith(b"GIF8"):
        yield from _gif(data)
    elif data.startswith(_FUJI):
        (at,) = struct.unpack_from(">I", data, _FUJI_JPEG)
        yield from _jpeg(data, at)
    elif data.startswith(_SIGMA):
        yield from _jpeg(data, data.find(_JPEG_WITH_EXIF))
    elif data.startswith(_MINOLTA):
        yield from _minolta(data)
    else:
        yield from _tiff(data)


def _tiff(data: bytes) -> Iterator[Block]:
    """An EXIF block or a TIFF file: itself, and what its first directory holds."""
    yield Block("exif", data)
    directory = tiff.first(data)
    if directory is None:
        return
    for tag, kind, limit in (
        (_XMP_TAG, "xmp", MAX_PACKET + 1),
        (_IPTC_TAG, "iptc", _RESOURCES_LIMIT),
        (_PHOTOSHOP_TAG, "iptc", _RESOURCES_LIMIT),
    ):
        if tag in directory:
            yield Block(kind, directory.raw(tag, limit))
    if data.startswith(_PANASONIC):
        yield from _jpeg(directory.raw(_PANASONIC_JPEG, _JPEG_HEAD), 0)


def _jpeg(data: bytes, at: int) -> Iterator[Block]:
    """Segments up to the first scan of the JPEG that begins at *at*. Of several EXIF blocks the first counts, as it does
    for decoders.
    """
    exif, resources, more = False, list[bytes](), _Extension()
    for marker, segment in _segments(data, at) if at >= 0 else ():
        if marker == _APP1 and segment.startswith(_EXIF) and not exif:
            yield from _tiff(segment[6:])
            exif = True
        elif marker == _APP1 and segment.startswith(_XMP):
            packet = segment[len(_XMP) :]
            more.main = more.main or packet
            yield Block("xmp", packet)
        elif marker == _APP1 and segment.startswith(_XMP_MORE):
            more.add(segment[len(_XMP_MORE) :])
        elif marker == _APP13 and segment.startswith(_PHOTOSHOP):
            resources.append(segment[len(_PHOTOSHOP) :])
    if resources:
        yield Block("iptc", b"".join(resources)[:_RESOURCES_LIMIT])
    yield from more.packets()


class _Extension:
    """The rest of an XMP packet that is too long for one segment, in pieces that name it and say where they belong."""

    def __init__(self) -> None:
        self.main = b""
        self._pieces: dict[bytes, list[tuple[int, bytes]]] = {}

    def add(self, body: bytes) -> None:
        if len(body) > _GUID + 8:
            _, at = struct.unpack_from(">II", body, _GUID)
            self._pieces.setdefault(body[:_GUID], []).append((at, body[_GUID + 8 :]))

    def packets(self) -> Iterator[Block]:
        """What the main packet names, when it is whole."""
        for guid, pieces in self._pieces.items():
            packet = b"".join(piece for _, piece in sorted(pieces))
            if guid in self.main and len(packet) <= MAX_PACKET:
                yield Block("xmp", packet)


def _segments(data: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """(marker, body) of the segments that may hold metadata, up to the first scan or to where the file is cut off."""
    for _ in range(_MAX_SEGMENTS):
        fill = _FILL.match(data, data.find(b"\xff", at)) if at < len(data) else None
        at = fill.end() if fill else len(data)
        if at + 3 > len(data) or data[at] in _PIXELS:
            return
        marker, length = data[at], int.from_bytes(data[at + 1 : at + 3], "big")
        if marker in _ALONE:
            at += 1
            continue
        if marker in (_APP1, _APP13):
            yield marker, data[at + 3 : at + 1 + length]
        at += 1 + max(length, 2)


def _png(data: bytes) -> Iterator[Block]:
    at = len(_PNG)
    for _ in range(_MAX_PARTS):
        length, kind = struct.unpack_from(">I4s", data, at)
        body = slice(at + 8, at + 8 + length)
        if kind == b"eXIf":
            yield from _tiff(data[body].removeprefix(b"Exif\0\0"))
        elif kind in (b"iTXt", b"zTXt", b"tEXt"):
            yield from _png_text(kind, data[body])
        elif kind == b"IEND":
            return
        at += length + 12


def _png_text(kind: bytes, body: bytes) -> Iterator[Block]:
    """XMP, or a profile in ImageMagick's way."""
    name, _, rest = body.partition(b"\0")
    if kind == b"iTXt" and name == _PNG_XMP:
        packed, text = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
        yield Block("xmp", _unpacked(text) if packed else text)
    elif profile := _PROFILES.get(name):
        digits = (_unpacked(rest[1:]) if kind == b"zTXt" else rest).split()[2:]  # behind name and length
        block = bytes.fromhex(b"".join(digits).decode("ascii"))
        if block.startswith(_XMP):  # both of JPEG's APP1
            yield Block("xmp", block.removeprefix(_XMP))
        elif profile == "exif":
            yield from _tiff(block.removeprefix(b"Exif\0\0"))
        else:
            yield Block(profile, block)


def _unpacked(packed: bytes) -> bytes:
    """At most one packet: a few bytes can unpack into gigabytes."""
    return zlib.decompressobj().decompress(packed, MAX_PACKET + 1)


def _webp(data: bytes) -> Iterator[Block]:
    at = 12
    for _ in range(_MAX_PARTS):
        if at + 8 > len(data):
            return
        kind, length = struct.unpack_from("<4sI", data, at)
        if kind == b"EXIF":
            yield from _tiff(data[at + 8 : at + 8 + length].removeprefix(b"Exif\0\0"))
        elif kind == b"XMP ":
            yield Block("xmp", data[at + 8 : at + 8 + length])
        at += 8 + length + (length & 1)


def _gif(data: bytes) -> Iterator[Block]:
    """The packet lies bare behind its name, and ends with a trailer that lets old decoders skip it."""
    at = data.find(_GIF_XMP)
    if at >= 0:
        start = at + len(_GIF_XMP)
        yield Block("xmp", data[start : data.find(_GIF_END, start, start + MAX_PACKET)])


def _minolta(data: bytes) -> Iterator[Block]:
    """Minolta's RAW: blocks with a name and a length, one of which is a TIFF file."""
    (length,) = struct.unpack_from(">I", data, 4)
    at, end = 8, min(len(data), 8 + length)
    for _ in range(_MAX_PARTS):
        if at + 8 > end:
            return
        kind, size = struct.unpack_from(">4sI", data, at)
        if kind == b"\0TTW":
            yield from _tiff(data[at + 8 : at + 8 + size])
        at += 8 + size
