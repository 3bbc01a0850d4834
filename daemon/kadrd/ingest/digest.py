"""The two keys of a file: who it is, and what it shows. The only importer of blake3. Pure: bytes in, keys out.

The file key is the hash of all bytes. The essence key is the hash of the bytes that make the picture: writing a
tag, a rating or a date changes the first and not the second, so it never costs an encode.

  JPEG  all segments but APPn and COM; of those, EXIF's orientation, ICC profiles and Adobe's colour transform count
  PNG   the chunks that change pixels; of eXIf, its orientation
  WebP  all chunks but EXIF and XMP; of EXIF, its orientation
  else  the file key: what is not understood is never thought equal

A file that does not parse to its end falls back to the file key.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from blake3 import blake3

# The first byte names the algorithm, so that another one can be taken up without a flag day.
_FILE, _ESSENCE = b"\x01", b"\x02"

_PNG = b"\x89PNG\r\n\x1a\n"
# Chunks that change what is seen. Others (text, time, eXIf, private ones) are metadata.
_PNG_SHOWN = frozenset(
    (
        b"IHDR",
        b"PLTE",
        b"IDAT",
        b"IEND",
        b"tRNS",
        b"gAMA",
        b"cHRM",
        b"sRGB",
        b"iCCP",
        b"cICP",
        b"sBIT",
        b"acTL",
        b"fcTL",
        b"fdAT",
    )
)
_ORIENTATION = 0x0112
# TIFF's types of whole numbers: decoders take an orientation in any of them.
_WHOLE_NUMBERS = {3: "H", 4: "I", 8: "h", 9: "i"}


def keys(data: bytes) -> tuple[bytes, bytes]:
    """(file key, essence key) of *data*."""
    file_key = _FILE + blake3(data).digest()
    try:
        parts = _essence(data)
        hashed = blake3()
        for part in parts:
            hashed.update(part)
    except (ValueError, struct.error, IndexError):
        return file_key, file_key
    return file_key, _ESSENCE + hashed.digest()


def _essence(data: bytes) -> Iterator[bytes]:
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    if data.startswith(_PNG):
        return _png(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    raise ValueError("no format whose metadata can be told apart")


def _jpeg(data: bytes) -> Iterator[bytes]:
    """The parts of a JPEG that are seen. Raises ValueError when the structure ends early."""
    yield b"jpeg"
    orientation, at = 0, 2
    while True:
        marker, segment, at = _segment(data, at)
        if marker == 0xE1 and segment.startswith(b"Exif\0\0"):
            orientation = orientation or _orientation(segment[6:])  # the first block is what decoders go by
        elif marker == 0xDA:
            yield struct.pack(">BB", 0xDA, orientation or 1) + segment
            # Everything after the first scan header: entropy-coded data, further scans, the end.
            yield data[at:]
            return
        elif _seen(marker, segment):
            yield bytes((marker,)) + segment


def _segment(data: bytes, at: int) -> tuple[int, bytes, int]:
    """(marker, its bytes, where the next one begins)."""
    if data[at] != 0xFF:
        raise ValueError("not at a marker")
    while data[at] == 0xFF:  # fill bytes
        at += 1
    marker = data[at]
    at += 1
    if marker in (0x01, *range(0xD0, 0xD9)):  # markers that stand alone
        return marker, b"", at
    length = int.from_bytes(data[at : at + 2], "big")
    segment = data[at + 2 : at + length]
    if marker == 0xD9 or length < 2 or len(segment) != length - 2:
        raise ValueError("cut off")
    return marker, segment, at + length


def _seen(marker: int, segment: bytes) -> bool:
    """Whether a segment before the scan changes what is seen: tables and frames do; of APPn, colour profiles."""
    if marker == 0xE2:
        return segment.startswith(b"ICC_PROFILE\0")
    if marker == 0xEE:
        return segment.startswith(b"Adobe")
    return marker not in range(0xE0, 0xF0) and marker != 0xFE


def _png(data: bytes) -> Iterator[bytes]:
    yield b"png"
    orientation, kind, at = 1, b"", len(_PNG)
    while kind != b"IEND":
        (length,) = struct.unpack_from(">I", data, at)
        kind = data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + length]
        if len(body) != length or len(kind) != 4:
            raise ValueError("cut off")
        at += length + 12
        if kind == b"eXIf":
            orientation = _orientation(body)
        elif kind in _PNG_SHOWN:
            yield kind + struct.pack(">I", length)
            yield body
    yield struct.pack(">B", orientation)


def _webp(data: bytes) -> Iterator[bytes]:
    yield b"webp"
    orientation, at = 1, 12
    end = 8 + int.from_bytes(data[4:8], "little")
    if len(data) < end:
        raise ValueError("cut off")
    while at < end:
        kind = data[at : at + 4]
        (length,) = struct.unpack_from("<I", data, at + 4)
        body = data[at + 8 : at + 8 + length]
        if len(body) != length:
            raise ValueError("cut off")
        at += 8 + length + (length & 1)
        if kind == b"EXIF":
            orientation = _orientation(body.removeprefix(b"Exif\0\0"))
        elif kind == b"VP8X":
            # Its flags say whether EXIF and XMP follow: metadata about metadata.
            yield kind + bytes((body[0] & ~0x0C,)) + body[1:]
        elif kind != b"XMP ":
            yield kind + struct.pack("<I", length)
            yield body
    yield struct.pack(">B", orientation)


def _orientation(tiff: bytes) -> int:
    """The orientation, 1 to 8, in the first directory of an EXIF block; 1 when it says nothing that can be read."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None or len(tiff) < 10:
        return 1
    (first,) = struct.unpack_from(order + "I", tiff, 4)
    if first + 2 > len(tiff):
        return 1
    (count,) = struct.unpack_from(order + "H", tiff, first)
    for number in range(count):
        at = first + 2 + 12 * number
        if at + 12 > len(tiff):
            return 1
        tag, kind = struct.unpack_from(order + "HH", tiff, at)
        if tag == _ORIENTATION:
            (value,) = struct.unpack_from(order + _WHOLE_NUMBERS.get(kind, "x"), tiff, at + 8) or (1,)
            return value if 1 <= value <= 8 else 1
    return 1
