"""docs/query.md says what the language is: every filter, word, value, example and limit of it, and none that is not."""

from __future__ import annotations

import re
import shlex
from datetime import datetime
from pathlib import Path

import pytest

from kadr import manual
from kadr.protocol.errors import QueryError
from kadr.protocol.prefixes import AGO, FORMATS, HELD, OPERATORS, PREFIXES, SHAPES, WHEN
from kadrd.query import parse, readings
from kadrd.query.calibrate import CLOSE, USUAL
from kadrd.query.expression import World, filters_of

DOC = (Path(__file__).parent.parent / "docs" / "query.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### `([a-z]+):`\n(.*?)(?=^##)", DOC, re.MULTILINE | re.DOTALL))
EXAMPLES = re.findall(
    r"^kadr (.+)$", "".join(re.findall(r"^```sh\n(.*?)^```$", DOC, re.MULTILINE | re.DOTALL)), re.MULTILINE
)


class Somewhere:
    """A place of any name."""

    name, country, latitude, longitude, kind = "Somewhere", "Nowhere", 0.0, 0.0, "city"


WORLD = World(
    now=datetime(2024, 6, 15),  # noqa: DTZ001 - clocks on walls have no zone
    cwd=b"/home/me",
    home=b"/home/me",
    named=lambda name: () if name == "Kyvi" else (Somewhere,),
    nearest=lambda name: "Kyiv" if name == "Kyvi" else "",
    saved={"best": "rating:>=4"}.get,
)


def words(row, mark=":"):
    """The line of a filter's words."""
    said = [("also", row.also), ("по-русски", row.ru), ("українською", row.uk)]
    line = "; ".join(
        f"{how} " + ", ".join(f"`{word}{mark}`" for word in text.split()) for how, text in said if text
    )
    return f"{line[:1].upper()}{line[1:]}."


def value(row):
    """The line of a value in its table."""
    return (
        f"| `{row.name}` | "
        + " | ".join(", ".join(text.split()) for text in (row.also, row.ru, row.uk))
        + " |"
    )


def test_the_filters_of_the_document():
    """Every filter has its paragraph, in the order of the table, and no other is there."""
    assert list(SECTIONS) == [row.name for row in PREFIXES]


@pytest.mark.parametrize("row", PREFIXES, ids=lambda row: row.name)
def test_every_filter_is_documented(row):
    """The paragraph has every word of the filter, what it does, and its example, which uses it."""
    section = SECTIONS[row.name]
    assert section.split("\n")[1] == words(row)
    assert row.example in section
    shown = [shlex.split(line)[0] for line in re.findall(r"^kadr (.+)$", section, re.MULTILINE)]
    for query in shown:
        found = parse.parse(query, WORLD)
        names = {one.name for one in filters_of(found.filters)}
        assert row.name in names or row.kind in {"saved", "picture"}


@pytest.mark.parametrize("row", [*WHEN, *AGO, *SHAPES, *FORMATS, *HELD], ids=lambda row: row.name)
def test_every_value_is_documented(row):
    """The tables have every named value, with its words."""
    assert value(row) in DOC.split("\n")


def test_no_value_is_invented():
    """The tables have no value that the language does not know."""
    rows = re.findall(r"^\| `[a-z0-9-]+` \|[^|]*\|[^|]*\|[^|]*\|$", DOC, re.MULTILINE)
    assert set(rows) == {value(row) for row in (*WHEN, *AGO, *SHAPES, *FORMATS, *HELD)}


def test_the_operators_are_documented():
    """The table has every operator, in every spelling."""
    for row in OPERATORS:
        line = re.search(rf"^\| `{row.name}` \|.*$", DOC, re.MULTILINE)
        assert line
        for word in (*row.also.split(), *row.ru.split(), *row.uk.split()):
            assert f"`{word}`".replace("|", "\\|") in line[0]


@pytest.mark.parametrize("line", EXAMPLES)
def test_every_example_is_understood(line):
    """What the document shows can be typed, and is one word to the shell."""
    (query,) = shlex.split(line)
    assert parse.parse(query, WORLD)


@pytest.mark.parametrize(
    "query",
    [
        cell
        for line in DOC.split("## Every filter")[0].splitlines()
        for cell in line.split("`")[1::2]
        if ":" in cell
    ],
)
def test_what_stands_in_the_text_is_understood(query):
    """Every piece of a query in the running text is one."""
    assert parse.parse(query.replace("\\|", "|"), WORLD)


def test_the_mistake_is_shown_as_it_is():
    """The example of a mistake has the error's own sentence, caret and act."""
    query, sentence, shown, caret, act = re.search(
        r"^\$ kadr '(.+)'\nkadr: (.+)\n  (.+)\n  (.+)\nkadr: (.+)$", DOC, re.MULTILINE
    ).groups()
    with pytest.raises(QueryError) as caught:
        parse.parse(query, WORLD)
    error = caught.value
    assert (sentence, shown, act) == (error.sentence, query, error.act)
    assert caret == " " * error.detail["column"] + "^" * error.detail["length"]


def test_limits_and_figures():
    """Limits, distances and scores are those of the code."""
    limits = f"{parse.MAX_TEXT:,} characters, {parse.MAX_FILTERS} filters, {parse.MAX_OPERANDS} operands and {parse.MAX_DEPTH} parentheses"
    assert limits in DOC
    radius = readings.RADIUS_KM
    assert (
        f"a city has {radius['city']:.0f} km around it, a region {radius['region']:.0f}, a country {radius['country']:.0f}"
        in DOC
    )
    assert f"and a position {readings.POSITION_KM:.0f}" in DOC
    assert f"gets about {USUAL} for the best. Below {CLOSE} nothing is close" in DOC


def test_every_exit_code_is_documented():
    """The table has every exit code of kadr."""
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", DOC, re.MULTILINE)] == list(manual.EXIT_CODES)
