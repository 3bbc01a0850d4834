"""What one block of metadata claims, and which claims can be believed. Pure: no I/O, no clock.

EXIF, XMP and IPTC say the same things in their own ways; each reader turns its block into `Claims`, and `facts.py` decides
between them. What cannot be believed is left out here, so that it never outweighs what another block says well.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import NamedTuple

from kadrd.values import Facts

MAX_TEXT, MAX_DESCRIPTION = 2_000, 8_000
MAX_LABELS = 500

# The first photograph was taken in 1826. No clock is read, so the end is far; a date behind it comes from damage.
_FIRST_YEAR, _LAST_YEAR = 1826, 2099
# Where people live, clocks are 12 hours behind to 14 hours ahead of UTC.
WESTERNMOST, EASTERNMOST = -12 * 60, 14 * 60
_DATE = re.compile(
    r"\s*(\d{4})[:/.-](\d{1,2})[:/.-](\d{1,2})"
    r"(?:[T\s]+(\d{1,2}):(\d{1,2})(?::(\d{1,2}))?(?:[.,]\d*)?\s*(Z|[+-]\d\d:?\d\d)?)?",
    re.ASCII,
)
_OFFSET = re.compile(r"\s*([+-])(\d\d):?(\d\d)", re.ASCII)

# What is believed of a number, by the field of Facts: from, to. Zero is how cameras write "unknown", and the largest
# whole number is "infinite"; exposures go from an electronic shutter's to a night's, focal lengths to a telescope's.
_BELIEVED = {
    "iso": (1, 50_000_000),
    "aperture": (0.1, 1_000),
    "exposure": (1e-7, 100_000),
    "focal": (0.1, 100_000),
    "altitude": (-12_000, 100_000),
}

# Controls, and the marks that turn the direction of text around: names of files and people must read as they are.
_TURNS = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
_DROPPED = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), *_TURNS, 0xFEFF, 0xFFFE, 0xFFFF))
_OF_LINES = _DROPPED | dict.fromkeys((9, 10, 11, 12, 13), " ")
_OF_PARAGRAPHS = _DROPPED | {9: " ", 10: "\n"}

# What cameras and programs write where a description belongs, in lower case and without spaces.
_BOILERPLATE = re.compile(
    r"(?:olympus|sony|samsung|sanyo|konica|minolta|pentax|kodak|ricoh|casio|nikon|canon|fujifilm|panasonic|toshiba|hp)*"
    r"(?:dsc|digital(?:still)?camera)?"
    r"|mybeautifulpicture|exif_?jpeg(?:_?picture)?|<?(?:default|untitled)>?"
    r"|(?:leadtechnologies|acdsystems|createdwithgimp|createdwiththegimp).*"
    r"|dcim\\.*|(?:dsc|dscn|dscf|img|imag|p)_?\d+(?:\.jpe?g)?",
    re.ASCII,
)


class Moment(NamedTuple):
    """What a clock showed (seconds from 1970, as if it were UTC), and how many minutes east of UTC it was."""

    taken: int
    offset: int | None = None


class Dates(NamedTuple):
    """When the picture came to be, the best kind first."""

    original: Moment | None = None
    """the shutter's"""
    digitised: Moment | None = None
    """the scanner's; cameras write the same as above"""
    changed: Moment | None = None
    """a camera's only date, in old phones"""
    satellite: Moment | None = None
    """GPS time, always UTC"""


class Claims(NamedTuple):
    """What a block says. `facts` has no date of its own."""

    facts: Facts = Facts()
    dates: Dates = Dates()


def line(text: str, limit: int = MAX_TEXT) -> str:
    """*text* on one line, without controls, of at most *limit* characters."""
    return text[: 4 * limit].translate(_OF_LINES).strip()[:limit].strip()


def name(text: str) -> str:
    """The name of a thing somebody made (a camera, a lens, a program): "----" and the like are none."""
    found = line(text)
    return found if any(map(str.isalnum, found)) else ""


def description(text: str) -> str:
    """*text* with its line ends; nothing when a machine wrote it."""
    text = text[: 4 * MAX_DESCRIPTION].replace("\r\n", "\n").replace("\r", "\n")
    text = text.translate(_OF_PARAGRAPHS).strip()[:MAX_DESCRIPTION].strip()
    return "" if _BOILERPLATE.fullmatch("".join(text[:200].casefold().split())) else text


def labels(texts: list[str]) -> tuple[str, ...]:
    """*texts* without doubles and empty ones, in their order, MAX_LABELS at most."""
    return tuple(dict.fromkeys(found for text in texts[: 4 * MAX_LABELS] if (found := line(text))))[
        :MAX_LABELS
    ]


def moment(text: str, offset: str = "") -> Moment | None:
    """A date with its time, as EXIF or XMP writes it; *offset* where it is written apart.

    A day without a time is its midnight: XMP and IPTC allow that. A month or a year alone is no date: it would be sorted
    and shown as a day that nobody wrote.

    >>> moment("2024:06:30 18:05:00", "+03:00")
    Moment(taken=1719770700, offset=180)
    """
    found = _DATE.match(text[:64])
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        return None
    try:
        clock = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return Moment(int(clock.timestamp()), _minutes(found[7] or offset))


def _minutes(offset: str) -> int | None:
    """Minutes east of UTC."""
    if offset.strip() == "Z":
        return 0
    found = _OFFSET.match(offset)
    if found is None:
        return None
    minutes = int(found[1] + "1") * (60 * int(found[2]) + int(found[3]))
    return minutes if WESTERNMOST <= minutes <= EASTERNMOST else None


def number(field: str, *values: float | None) -> float | None:
    """The first of *values* that is believed for *field* of Facts."""
    low, high = _BELIEVED[field]
    return next((value for value in values if value is not None and low <= value <= high), None)


def whole(field: str, *values: float | None) -> int | None:
    """As `number`, rounded."""
    found = number(field, *values)
    return None if found is None else round(found)


def rating(value: float | None) -> int | None:
    """Stars, -1 to 5."""
    return round(value) if value is not None and -1 <= value <= 5 else None


def stars(percent: float | None) -> int | None:
    """Windows' percent as stars: it writes 1, 25, 50, 75 and 99 for one to five, and nothing of use for none."""
    return round(percent / 25) + 1 if percent is not None and 1 <= percent <= 100 else None


def position(latitude: float | None, longitude: float | None) -> tuple[float, float] | tuple[None, None]:
    """Degrees north and east, or neither. Zero and zero is what a receiver writes before it has found itself."""
    if latitude is None or longitude is None or (latitude == 0 and longitude == 0):
        return None, None
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):  # nor is NaN
        return None, None
    return latitude, longitude


def degrees(parts: list[float]) -> float | None:
    """Degrees, minutes and seconds as degrees. A missing minute or second is written 0/0 by some."""
    if not parts or not math.isfinite(parts[0]):
        return None
    return sum(part / 60.0**place for place, part in enumerate(parts[:3]) if math.isfinite(part))
