"""What an EXIF block claims. Pure: bytes in, claims out.

Of makers' notes only Canon's is read, and of it the lens: its cameras wrote no other before 2012. The rest are riddles with
tables of numbers, and newer cameras write the lens where EXIF wants it.

Written here rather than taken from a library: Pillow and ExifRead hand out a dictionary after 1.0 and 0.6 ms a file, and neither
finds XMP and IPTC in all of the files; reading thirty tags is shorter than checking what a library made of them.
"""

from __future__ import annotations

import math

from kadrd.ingest import claims, tiff
from kadrd.ingest.claims import Claims, Dates, Moment
from kadrd.values import Facts

_DESCRIPTION, _MAKE, _MODEL, _ORIENTATION, _SOFTWARE, _CHANGED = (
    0x010E,
    0x010F,
    0x0110,
    0x0112,
    0x0131,
    0x0132,
)
_RATING, _RATING_PERCENT = 0x4746, 0x4749
_EXPOSURE, _APERTURE, _CAMERA, _GPS, _ISO = 0x829A, 0x829D, 0x8769, 0x8825, 0x8827
# ISO as EXIF 2.3 writes it where 16 bits do not do: the recommended index, and the speed.
_ISO_INDEX, _ISO_SPEED, _ISO_UNKNOWN = 0x8832, 0x8833, 65_535
_ORIGINAL, _DIGITISED, _OFFSET_CHANGED, _OFFSET_ORIGINAL, _OFFSET_DIGITISED = (
    0x9003,
    0x9004,
    0x9010,
    0x9011,
    0x9012,
)
_SHUTTER_VALUE, _APERTURE_VALUE, _FOCAL, _COMMENT, _LENS = 0x9201, 0x9202, 0x920A, 0x9286, 0xA434
# Windows' own, in UTF-16.
_XP_TITLE, _XP_COMMENT, _XP_KEYWORDS = 0x9C9B, 0x9C9C, 0x9C9E
_LATITUDE_REF, _LATITUDE, _LONGITUDE_REF, _LONGITUDE, _ALTITUDE_REF, _ALTITUDE, _TIME, _DAY = (
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    29,
)
_NOTES, _CANON_LENS = 0x927C, 0x0095
_BELOW_THE_SEA = (1, 3)

_MAX_BYTES = 1 << 16


def read(block: bytes) -> Claims:
    """The claims of an EXIF block or a TIFF file."""
    main = tiff.first(block)
    if main is None:
        return Claims()
    camera = main.below(_CAMERA)
    places = _gps(main.below(_GPS))
    facts = _pictured(main, camera, _said(main, camera, places.facts))
    return Claims(facts, _dates(main, camera, facts)._replace(satellite=places.dates.satellite))


def gps(block: bytes) -> Claims:
    """The claims of a block whose first directory is that of the position, as Canon's CR3 has one."""
    directory = tiff.first(block)
    return Claims() if directory is None else _gps(directory)


def _pictured(main: tiff.Directory, camera: tiff.Directory, facts: Facts) -> Facts:
    """*facts* and what the camera measured. RAW files keep some of that in the first directory."""

    def number(tag: int) -> float | None:
        return (camera if tag in camera else main).number(tag)

    iso = number(_ISO)
    return facts._replace(
        make=claims.name(main.text(_MAKE)),
        model=claims.name(main.text(_MODEL)),
        lens=claims.name(camera.text(_LENS) or main.text(_LENS)) or _canon_lens(main, camera),
        software=claims.name(main.text(_SOFTWARE)),
        iso=claims.whole(
            "iso", None if iso == _ISO_UNKNOWN else iso, number(_ISO_INDEX), number(_ISO_SPEED), iso
        ),
        aperture=claims.number("aperture", number(_APERTURE), _power(number(_APERTURE_VALUE), 0.5)),
        exposure=claims.number("exposure", number(_EXPOSURE), _power(number(_SHUTTER_VALUE), -1)),
        focal=claims.number("focal", number(_FOCAL)),
        orientation=_orientation(main),
    )


def _canon_lens(main: tiff.Directory, camera: tiff.Directory) -> str:
    """Canon's notes are a directory like the others. A program that moved them left offsets that lead anywhere."""
    if not main.text(_MAKE).startswith("Canon"):
        return ""
    lens = claims.name(camera.inside(_NOTES).text(_CANON_LENS))
    return lens if lens.isascii() and "mm" in lens else ""


def _said(main: tiff.Directory, camera: tiff.Directory, facts: Facts) -> Facts:
    """*facts* and what people wrote."""
    comment = _comment(camera if _COMMENT in camera else main)
    texts = (main.text(_DESCRIPTION), comment, _utf_16(main, _XP_COMMENT))
    return facts._replace(
        rating=_first(claims.rating(main.number(_RATING)), claims.stars(main.number(_RATING_PERCENT))),
        title=claims.line(_utf_16(main, _XP_TITLE)),
        description=next(filter(None, map(claims.description, texts)), ""),
        keywords=claims.labels(_utf_16(main, _XP_KEYWORDS).split(";")),
    )


def _dates(main: tiff.Directory, camera: tiff.Directory, facts: Facts) -> Dates:
    """The three dates. The file's own is believed where a camera wrote it: programs set it to when they saved."""

    def read(tag: int, offset: int) -> Moment | None:
        return claims.moment(camera.text(tag) or main.text(tag), camera.text(offset) or main.text(offset))

    changed = read(_CHANGED, _OFFSET_CHANGED) if facts.make or facts.model else None
    return Dates(read(_ORIGINAL, _OFFSET_ORIGINAL), read(_DIGITISED, _OFFSET_DIGITISED), changed)


def _gps(directory: tiff.Directory) -> Claims:
    """Position, altitude and the satellites' time."""
    latitude, longitude = claims.position(
        _signed(directory, _LATITUDE, _LATITUDE_REF, "NS"),
        _signed(directory, _LONGITUDE, _LONGITUDE_REF, "EW"),
    )
    altitude = directory.number(_ALTITUDE)
    if altitude is not None and directory.number(_ALTITUDE_REF) in _BELOW_THE_SEA:
        altitude = -altitude
    clock = directory.numbers(_TIME)[:3]
    satellite = None
    if len(clock) == 3 and all(map(math.isfinite, clock)):
        hour, minute, second = map(int, clock)
        satellite = claims.moment(f"{directory.text(_DAY)} {hour}:{minute}:{second}Z")
    facts = Facts(latitude=latitude, longitude=longitude, altitude=claims.number("altitude", altitude))
    return Claims(facts, Dates(satellite=satellite))


def _signed(directory: tiff.Directory, tag: int, ref: int, sides: str) -> float | None:
    """Degrees north or east. Without its side a position may lie on another continent, and is none."""
    side = directory.text(ref).strip()[:1].upper()
    found = claims.degrees(directory.numbers(tag))
    if found is None or not side or side not in sides:
        return None
    return found if side == sides[0] else -found


def _orientation(main: tiff.Directory) -> int:
    value = main.number(_ORIENTATION)
    return int(value) if value is not None and value in range(1, 9) else 1


def _power(value: float | None, times: float) -> float | None:
    """APEX: 2 to the power of *times* the value."""
    return 2.0 ** (times * value) if value is not None and abs(value) < 64 else None


def _utf_16(directory: tiff.Directory, tag: int) -> str:
    return directory.raw(tag, _MAX_BYTES).decode("utf-16-le", "replace").partition("\0")[0]


def _comment(directory: tiff.Directory) -> str:
    """The user's comment: eight bytes say in which code. Nothing where it is no text in the end."""
    raw = directory.raw(_COMMENT, _MAX_BYTES)
    code, body = raw[:8].rstrip(b"\0 "), raw[8:]
    if code == b"UNICODE":
        text = body.decode(_utf_16_order(body, little=directory.little), "replace").partition("\0")[0]
    elif code == b"JIS":
        text = body.decode("iso2022_jp", "replace")
    else:
        text = (body if code in (b"", b"ASCII") else raw).partition(b"\0")[0].decode("utf-8", "replace")
    return "" if "\ufffd" in text else text


def _utf_16_order(body: bytes, *, little: bool) -> str:
    """By its mark; else the half of the bytes that changes less is the high one, since words keep to one alphabet; else as
    the block's numbers. Writers get it wrong.
    """
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    even, odd = len(set(body[::2])), len(set(body[1::2]))
    if even != odd:
        little = odd < even
    return "utf-16-le" if little else "utf-16-be"


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)
