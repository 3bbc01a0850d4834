"""Times that are told by today: whichever day it is, last summer is a summer, and over."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kadrd.query.expression import World
from kadrd.query.parse import parse

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - clocks on walls have no zone
MONTHS = {"spring": (3, 5), "summer": (6, 8), "autumn": (9, 11), "winter": (12, 2)}
DAYS = st.datetimes(datetime(1971, 1, 1), datetime(2400, 1, 1))  # noqa: DTZ001


def span(text, now):
    """(first day, day after the last) of a query that is one time."""
    (test,) = parse(text, World(now)).filters.tests
    return EPOCH + timedelta(seconds=test.low), EPOCH + timedelta(seconds=test.high)


@given(DAYS, st.sampled_from(list(MONTHS)))
def test_the_last_season(now, season):
    """It has the season's three months, is over, and none that is over came after it."""
    first, end = span(f"taken:last-{season}", now)
    last = end - timedelta(days=1)
    assert ((first.month, last.month), first.day) == (MONTHS[season], 1)
    assert 89 <= (end - first).days <= 92
    assert end <= now < end.replace(year=end.year + 1)


@given(DAYS)
def test_years(now):
    """The year before last is the one before last year, whole."""
    assert span("taken:year-before-last", now)[1] == span("taken:last-year", now)[0]
    assert span("taken:last-year", now)[1] == span("taken:this-year", now)[0]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("last summer", "last-summer"), ("last fall", "last-autumn"), ("прошлым летом", "last-summer"), ("прошлой зимой", "last-winter"),
        ("минулого літа", "last-summer"), ("торік", "last-year"), ("за позапрошлый год", "year-before-last"), ("позаторік", "year-before-last"),
    ],
)  # fmt: skip
def test_as_people_say_it(text, name):
    """Each language has its own words for the same time."""
    now = datetime(2024, 6, 15)  # noqa: DTZ001
    assert span(f'taken:"{text}"', now) == span(f"taken:{name}", now)


def test_in_the_first_year():
    """Where there is no last summer yet, nobody is told of an error inside kadr."""
    assert parse("taken:last-winter taken:year-before-last", World(datetime(1, 1, 1))).filters  # noqa: DTZ001
