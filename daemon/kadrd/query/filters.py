"""The filters of a query as SQL over the aliases files, folders, pictures and facts (store/selection.py joins them).

Pure; every value is bound. A file that says nothing of what is asked does not match, and matches where that is negated: SQL's
third value (NULL) is kept out by NOT alone, as IS NOT TRUE. Under AND and OR it acts as false does, and bare comparisons
keep the indexes usable.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from kadrd.query.expression import (
    And,
    Choice,
    Circle,
    Contains,
    Cycle,
    Ending,
    Expression,
    Filter,
    InFolder,
    Labelled,
    Named,
    Not,
    Or,
    Span,
    Under,
    Within,
    Worded,
)
from kadrd.store.functions import EARTH_KM

# The clock on the wall, as `taken` has it: what the user means by a date is not known in UTC.
_CHANGED = "CAST(strftime('%s', files.mtime_ns / 1000000000, 'unixepoch', 'localtime') AS INTEGER)"
NUMBERS = {
    "taken": "facts.taken", "changed": _CHANGED, "iso": "facts.iso", "aperture": "facts.aperture",
    "exposure": "facts.exposure", "focal": "facts.focal", "altitude": "facts.altitude", "rating": "facts.rating",
    "size": "files.size", "width": "pictures.width", "height": "pictures.height",
    "megapixels": "pictures.width * pictures.height / 1e6",
}  # fmt: skip
_PARTS = {"month": "%m", "weekday": "%w", "hour": "%H"}
# Columns that are folded already. A program's name is not, and few programs are: each is folded once.
_CONTAINS = {
    "camera": "instr(facts.camera, ?)",
    "lens": "instr(facts.optics, ?)",
    "software": "facts.software IN (SELECT software FROM (SELECT DISTINCT software FROM facts LIMIT -1) WHERE instr(folded(software), ?))",
}
_CHOICES = {
    "orientation": {
        "portrait": "pictures.height > pictures.width",
        "landscape": "pictures.width > pictures.height",
        "square": "pictures.width = pictures.height",
    },
    # As decode.py names them. MPO is what cameras call a JPEG with a second one behind it; a DIB is a BMP without its header.
    "format": {
        "jpeg": "pictures.format IN ('JPEG', 'MPO')", "png": "pictures.format = 'PNG'", "webp": "pictures.format = 'WEBP'",
        "gif": "pictures.format = 'GIF'", "tiff": "pictures.format = 'TIFF'", "bmp": "pictures.format IN ('BMP', 'DIB')",
        "heif": "pictures.format = 'HEIF'", "avif": "pictures.format = 'AVIF'", "jpeg2000": "pictures.format = 'JPEG2000'",
        "raw": "pictures.format = 'RAW'",
    },
    "has": {
        "gps": "facts.latitude IS NOT NULL", "date": "facts.taken IS NOT NULL", "altitude": "facts.altitude IS NOT NULL",
        "tag": "files.id IN (SELECT file_id FROM labels WHERE kind IN (0, 1))",
        "person": "files.id IN (SELECT file_id FROM labels WHERE kind = 2)",
        "rating": "facts.rating != 0",  # 0 is how cameras write that nobody gave one
        "title": "facts.title != ''", "description": "facts.description != ''", "camera": "facts.camera != ''",
        "lens": "facts.lens != ''", "place": "facts.city || facts.region || facts.country != ''",
        "sidecar": "files.beside != 0",
    },
}  # fmt: skip


class Condition(NamedTuple):
    """SQL with a mark for each value; empty where everything matches."""

    sql: str
    values: tuple[Any, ...]


def condition(expression: Expression | None) -> Condition:
    """What a file has to fulfil. True where it matches, false or NULL where not."""
    match expression:
        case None:
            return Condition("", ())
        case Filter(_, _, tests):
            return _joined(" AND ", [_TESTS[type(test)](test) for test in tests])
        case Not(part):
            sql, values = condition(part)
            return Condition(f"({sql}) IS NOT TRUE", values)
        case And(parts):
            return _joined(" AND ", [condition(part) for part in parts])
        case Or(parts):
            return _joined(" OR ", [condition(part) for part in parts])


def _joined(between: str, parts: list[Condition]) -> Condition:
    if len(parts) == 1:
        return parts[0]
    return Condition(
        between.join(f"({part.sql})" for part in parts),
        tuple(value for part in parts for value in part.values),
    )


def _span(test: Span) -> Condition:
    column = NUMBERS[test.field]
    bounds = (
        (test.low, ">" if test.low_open else ">="),
        (test.high, "<" if test.high_open else "<="),
    )
    return _joined(
        " AND ", [Condition(f"{column} {sign} ?", (bound,)) for bound, sign in bounds if bound is not None]
    )


def _cycle(test: Cycle) -> Condition:
    numbers = ", ".join(map(str, sorted(test.numbers)))
    part = f"strftime('{_PARTS[test.part]}', {NUMBERS[test.field]}, 'unixepoch')"
    return Condition(f"CAST({part} AS INTEGER) IN ({numbers})", ())


def _within(test: Within) -> Condition:
    return _joined(" OR ", [_circle(circle) for circle in test.circles])


def _circle(circle: Circle) -> Condition:
    """A band of latitudes first, which has an index; then the box, and the distance for what lies in it."""
    south, north, spans = _box(circle)
    across = " OR ".join(["(facts.longitude >= ? AND facts.longitude <= ?)"] * len(spans))
    # Said again in a CASE, since SQLite asks in any order and the function takes nothing but positions.
    return Condition(
        "facts.latitude >= ? AND facts.latitude <= ? AND CASE WHEN facts.latitude >= ? AND facts.latitude <= ? "
        f"AND ({across}) THEN distance_km(facts.latitude, facts.longitude, ?, ?) <= ? END",
        (south, north, south, north, *(end for span in spans for end in span), *circle),
    )


# Rounding must not put a place just inside of the circle outside of the box: a metre, in degrees.
_SLACK = 1e-5


def _box(circle: Circle) -> tuple[float, float, list[tuple[float, float]]]:
    """(south, north, spans of longitude) that hold the circle; two spans where it lies across 180 degrees."""
    reach = math.degrees(circle.km / EARTH_KM) + _SLACK
    south, north = circle.latitude - reach, circle.latitude + reach
    if south <= -90 or north >= 90:  # a pole lies in it, and so every meridian
        return max(south, -90.0), min(north, 90.0), [(-180.0, 180.0)]
    ratio = math.sin(math.radians(reach)) / math.cos(math.radians(circle.latitude))
    wide = math.degrees(math.asin(min(1.0, ratio))) + _SLACK
    west, east = circle.longitude - wide, circle.longitude + wide
    if west < -180:
        return south, north, [(west + 360, 180.0), (-180.0, east)]
    if east > 180:
        return south, north, [(west, 180.0), (-180.0, east - 360)]
    return south, north, [(west, east)]


def _contains(test: Contains) -> Condition:
    return Condition(_CONTAINS[test.field], (test.part,))


def _worded(test: Worded) -> Condition:
    column = f"{{{test.column}}} : " if test.column else ""
    match = f"{column}({' OR '.join(test.any)})"
    return Condition("files.id IN (SELECT rowid FROM texts WHERE texts MATCH ?)", (match,))


def _labelled(test: Labelled) -> Condition:
    kinds, whole = ", ".join(map(str, test.kinds)), f"{test.between}{test.pattern}{test.between}"
    ended = "? || folded || ?", (test.between, test.between)
    if "*" in whole:
        matches = Condition(f"{ended[0]} GLOB ?", (*ended[1], f"*{_glob(whole, '*')}*"))
    else:  # the bare pattern first: of 100,000 labels most are done with that, 15 ms instead of 50
        matches = Condition(f"instr(folded, ?) AND instr({ended[0]}, ?)", (test.pattern, *ended[1], whole))
    return Condition(  # only numbers of our own are written into it
        f"files.id IN (SELECT file_id FROM labels WHERE kind IN ({kinds}) AND {matches.sql})",  # noqa: S608
        matches.values,
    )


def _under(test: Under) -> Condition:
    """Below means that the path goes on with a slash; 0 is the byte behind it."""
    below = test.path.rstrip(b"/")
    return Condition(
        "folders.path = ? OR (folders.path >= ? AND folders.path < ?)",
        (test.path, below + b"/", below + b"0"),
    )


def _in_folder(test: InFolder) -> Condition:
    return Condition("files.folder_id IN (SELECT id FROM folders WHERE has_folder(path, ?))", (test.pattern,))


def _named(test: Named) -> Condition:
    if any(mark in test.pattern for mark in "*?"):
        return Condition("facts.name GLOB ?", (_glob(test.pattern, "*?"),))
    return Condition("instr(facts.name, ?)", (test.pattern,))


def _glob(pattern: str, marks: str) -> str:
    """*pattern* with its other characters as they are."""
    return "".join(
        f"[{character}]" if character in "*?[" and character not in marks else character
        for character in pattern
    )


def _ending(test: Ending) -> Condition:
    return _joined(" OR ", [Condition("substr(facts.name, -?) = ?", (len(one), one)) for one in test.endings])


def _choice(test: Choice) -> Condition:
    return _joined(" OR ", [Condition(_CHOICES[test.field][name], ()) for name in test.names])


_TESTS: dict[type, Callable[[Any], Condition]] = {
    Span: _span,
    Cycle: _cycle,
    Within: _within,
    Contains: _contains,
    Worded: _worded,
    Labelled: _labelled,
    Under: _under,
    InFolder: _in_folder,
    Named: _named,
    Ending: _ending,
    Choice: _choice,
}
