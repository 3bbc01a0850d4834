"""What an IPTC block (IIM) claims, and where Photoshop's resources keep one. Pure: bytes in, claims out."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from kadrd.ingest import claims
from kadrd.ingest.claims import Claims, Dates, Moment
from kadrd.values import Facts

_CODE, _TITLE, _KEYWORD, _DESCRIPTION = (1, 90), (2, 5), (2, 25), (2, 120)
_DAY, _TIME, _DIGITISED_DAY, _DIGITISED_TIME = (2, 55), (2, 60), (2, 62), (2, 63)
_UTF_8 = b"\x1b%G"
_MAX_BLOCK, _MAX_SETS = 1 << 20, 4_096
_RESOURCES = (b"8BIM", b"MeSa", b"AgHg", b"PHUT", b"DCSR")
_IPTC = 0x0404


def read(block: bytes) -> Claims:
    """The claims of *block*, which may lie in Photoshop's resources."""
    found: dict[tuple[int, int], list[bytes]] = {}
    for key, value in _sets(_unwrapped(block)[:_MAX_BLOCK]):
        found.setdefault(key, []).append(value)
    declared = _UTF_8 in found.get(_CODE, [])

    def texts(key: tuple[int, int]) -> list[str]:
        return [_decoded(value, declared=declared) for value in found.get(key, [])]

    def text(key: tuple[int, int]) -> str:
        return next(iter(texts(key)), "")

    facts = Facts(
        title=claims.line(text(_TITLE)),
        description=claims.description(text(_DESCRIPTION)),
        keywords=claims.labels(texts(_KEYWORD)),
    )
    original = _moment(text(_DAY), text(_TIME))
    return Claims(facts, Dates(original, _moment(text(_DIGITISED_DAY), text(_DIGITISED_TIME))))


def _unwrapped(block: bytes) -> bytes:
    """The IPTC block among Photoshop's resources: mark, number, name, size, body, both padded to even length."""
    at, found = 0, b""
    for _ in range(_MAX_SETS):
        if block[at : at + 4] not in _RESOURCES or at + 7 > len(block):
            break
        number, length = struct.unpack_from(">HB", block, at + 4)
        at += 6 + (1 + length + 1) // 2 * 2
        if at + 4 > len(block):
            break
        (size,) = struct.unpack_from(">I", block, at)
        if number == _IPTC:
            found += block[at + 4 : at + 4 + size]
        at += 4 + (size + 1) // 2 * 2
    return found if at else block


def _sets(block: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
    """((record, data set), value) up to the first that is none."""
    at = 0
    for _ in range(_MAX_SETS):
        if at + 5 > len(block) or block[at] != 0x1C:
            return
        record, number, size = struct.unpack_from(">BBH", block, at + 1)
        at += 5
        if size & 0x8000:  # the size of the size
            width = size & 0x7FFF
            size = int.from_bytes(block[at : at + min(width, 4)], "big")
            at += width
        yield (record, number), block[at : at + size]
        at += size


def _decoded(value: bytes, *, declared: bool) -> str:
    """Most write UTF-8 whether they say so or not; what cannot be that is Western European, IPTC's habit."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("utf-8" if declared else "cp1252", "replace")


def _moment(day: str, time: str) -> Moment | None:
    """20240630 and 180500+0300. A day with a damaged time is still that day."""
    if len(day) < 8 or not day[:8].isdecimal():
        return claims.moment(day)  # some write it as EXIF does
    date = f"{day[:4]}-{day[4:6]}-{day[6:8]}"
    clock = f"{date} {time[:2]}:{time[2:4]}:{time[4:6]}{time[6:]}"
    return claims.moment(clock) or claims.moment(date)
