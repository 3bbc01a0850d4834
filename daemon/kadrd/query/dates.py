"""The value of `taken:` and `changed:`: days, ranges of them, times that come back, and so long ago. Pure: now is an argument.

Times are seconds from 1970 to what a clock on the wall shows, read as if that were UTC, as values.Facts has them: people
remember that it was evening, not where on earth. Seasons are the months of the north, as weather services have them.
"""

from __future__ import annotations

import calendar
import re
from datetime import date, datetime
from typing import NamedTuple

from kadr.protocol import prefixes
from kadr.protocol.prefixes import Prefix
from kadrd.query import language
from kadrd.query.expression import Cycle, Span, Test
from kadrd.query.refusal import Refused
from kadrd.store.folding import folded

_DAY = 86400
_EPOCH = date(1970, 1, 1).toordinal()


class Period(NamedTuple):
    """A stretch of time, in seconds; the end does not belong to it. Without length it is a moment."""

    start: int
    end: int


def read(of: Prefix, value: str, now: datetime) -> tuple[Test, ...]:
    """What *value* asks of a time; all of it has to hold. Raises Refused."""
    text = folded(value)
    whole = _read_one(of, text, now)
    parts = [whole] if whole else [_read_one(of, part, now) for part in text.split()]
    if not parts or None in parts:
        lost = next((word for word, part in zip(text.split(), parts, strict=True) if part is None), "")
        near = language.like_value(of, lost)
        raise Refused(
            nearest=" ".join(near if word == lost else word for word in text.split()) if near else ""
        )
    return tuple(part for part in parts if part)


def _read_one(of: Prefix, text: str, now: datetime) -> Test | None:
    compared = re.fullmatch(r"(<=|>=|<|>|=)\s*(.+)", text)
    first, dots, last = text.partition("..")
    if compared or not dots:
        period = _period(of, compared[2] if compared else text, now)
        sign = compared[1] if compared else "="
        return _compared(of.name, sign, period, now) if period else None if compared else _cycle(of, text)
    return _cycle_between(of, first, last) or _between(of, first.strip(), last.strip(), now)


def _compared(field: str, sign: str, period: Period, now: datetime) -> Span:
    """Smaller is earlier."""
    if sign == "<":
        return Span(field, None, period.start, high_open=True)
    if sign == "<=":
        return Span(field, None, period.end, high_open=True)
    if sign == ">":
        return Span(field, period.end)
    if sign == ">=":
        return Span(field, period.start)
    end = _days(now.date(), now.date()).end if period.start == period.end else period.end
    return Span(field, period.start, end, high_open=True)


def _between(of: Prefix, first: str, last: str, now: datetime) -> Span | None:
    """From the start of one to the end of the other; one of them may be left out."""
    start, end = _period(of, first, now), _period(of, last, now)
    if (first and not start) or (last and not end) or not (first or last):
        return None
    if start and end and start.start >= end.end:
        raise Refused("the range ends before it begins", f"{last}..{first}")
    return Span(of.name, start and start.start, end and end.end, high_open=True)


# Days


def _period(of: Prefix, text: str, now: datetime) -> Period | None:
    return _calendar(text) or _ago(text, now) or _recent(language.value(of, text) or "", now.date())


_CALENDAR = (
    re.compile(r"(?P<year>\d{4})(?:-(?P<month>\d\d?)(?:-(?P<day>\d\d?))?)?"),
    re.compile(r"(?:(?P<day>\d\d?)\.)?(?P<month>\d\d?)\.(?P<year>\d{4})"),
)


def _calendar(text: str) -> Period | None:
    """2023, 2023-06, 2023-06-15, 06.2023 or 15.06.2023."""
    found = next((match for form in _CALENDAR if (match := form.fullmatch(text))), None)
    if not found:
        return None
    year, month, day = (int(found[part] or 0) for part in ("year", "month", "day"))
    try:
        first = date(year, month or 1, day or 1)
    except ValueError:
        raise Refused(f"there is no day {text}") from None
    if not found["month"]:
        return _days(first, date(year, 12, 31))
    return _days(first, first if found["day"] else first.replace(day=calendar.monthrange(year, month)[1]))


def _days(first: date, last: date) -> Period:
    return Period((first.toordinal() - _EPOCH) * _DAY, (last.toordinal() + 1 - _EPOCH) * _DAY)


_AGO = {
    folded(word): row.name
    for row in prefixes.AGO
    for word in (row.name, *row.also.split(), *row.ru.split(), *row.uk.split())
}


def _ago(text: str, now: datetime) -> Period | None:
    """2weeks: the moment that long ago, a period without length. Of days and longer the midnight; hours to the second."""
    found = re.fullmatch(r"(\d{1,4})\s*([^\W\d_]+)", text)
    unit = _AGO.get(found[2]) if found else None
    if not found or not unit:
        return None
    number, midnight = int(found[1]), _days(now.date(), now.date()).start
    if unit in ("month", "year"):
        day = _months_before(now.date(), number * (12 if unit == "year" else 1))
        moment = _days(day, day).start
    elif unit in ("day", "week"):
        moment = midnight - number * (7 if unit == "week" else 1) * _DAY
    else:
        clock = now.hour * 3600 + now.minute * 60 + now.second
        moment = midnight + clock - number * (3600 if unit == "hour" else 60)
    return Period(moment, moment)


def _months_before(day: date, months: int) -> date:
    """The same day so many months earlier, or the last one of that month; the first day of all at worst."""
    number = day.year * 12 + day.month - 1 - months
    year, month = number // 12, number % 12 + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1])) if year >= 1 else date.min


_YEARS_BACK = {"this-year": 0, "last-year": 1, "year-before-last": 2}


def _recent(name: str, today: date) -> Period | None:
    """Today, last-week, last-summer and the like; weeks begin on Monday."""
    which, _, unit = name.rpartition("-")
    back = 1 if which == "last" else 0
    if name in _YEARS_BACK:
        year = max(1, today.year - _YEARS_BACK[name])
        return _days(date(year, 1, 1), date(year, 12, 31))
    match unit if which in ("this", "last") else name:
        case "today":
            return _days(today, today)
        case "yesterday":
            return Period(*(second - _DAY for second in _days(today, today)))
        case "week":
            monday = _days(today, today).start - (today.weekday() + 7 * back) * _DAY
            return Period(monday, monday + 7 * _DAY)
        case "month":
            first = _months_before(today.replace(day=1), back)
            return _days(first, first.replace(day=calendar.monthrange(first.year, first.month)[1]))
    return _season(unit, today) if back and unit in _CYCLES else None


def _season(name: str, today: date) -> Period:
    """The latest one that is over, in three months that follow each other."""
    _, months = _CYCLES[name]
    first, last = months[0], months[-1]
    year = max(2, today.year - (today.month <= last))
    return _days(date(year - (first > last), first, 1), date(year, last, calendar.monthrange(year, last)[1]))


# Times that come back

_MONTHS, _WEEKDAYS = ([row.name for row in rows] for rows in (prefixes.MONTHS, prefixes.WEEKDAYS[:7]))
_CYCLES = {
    **{name: ("month", (number,)) for number, name in enumerate(_MONTHS, 1)},
    "spring": ("month", (3, 4, 5)), "summer": ("month", (6, 7, 8)), "autumn": ("month", (9, 10, 11)), "winter": ("month", (12, 1, 2)),
    **{name: ("weekday", (number % 7,)) for number, name in enumerate(_WEEKDAYS, 1)},
    "weekend": ("weekday", (6, 0)),
    # As people speak of them; a night is that of the evening before it, too.
    "morning": ("hour", tuple(range(5, 12))), "afternoon": ("hour", tuple(range(12, 17))),
    "evening": ("hour", tuple(range(17, 22))), "night": ("hour", (22, 23, 0, 1, 2, 3, 4)),
}  # fmt: skip
_LENGTH = {"month": 12, "weekday": 7, "hour": 24}


def _cycle(of: Prefix, text: str) -> Cycle | None:
    part, numbers = _CYCLES.get(language.value(of, text) or "", ("", ()))
    return Cycle(of.name, part, frozenset(numbers)) if part else None


def _cycle_between(of: Prefix, first: str, last: str) -> Cycle | None:
    """june..august, or november..february: round the turn of the year."""
    (part, start), (other, end) = (
        _CYCLES.get(language.value(of, text) or "", ("", ())) for text in (first, last)
    )
    if not part or part != other:
        return None
    base, length = 1 if part == "month" else 0, _LENGTH[part]
    numbers = {(start[0] - base + step) % length + base for step in range((end[-1] - start[0]) % length + 1)}
    return Cycle(of.name, part, frozenset(numbers))
