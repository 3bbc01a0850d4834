"""A query as values: what ranks, and which files may be found. And the world that a text is read in.

Values only: parse.py makes them out of a text, filters.py SQL out of their filters. Nothing here reads, asks or decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol


class Spot(Protocol):
    """A place that a name means."""

    @property
    def name(self) -> str: ...
    @property
    def country(self) -> str: ...
    @property
    def latitude(self) -> float: ...
    @property
    def longitude(self) -> float: ...
    @property
    def kind(self) -> str: ...


class World(NamedTuple):
    """What the meaning of a text depends on beside the text."""

    now: datetime
    """what the clock on the wall shows, without a zone"""
    cwd: bytes = b""
    """what relative paths start from; empty: none is understood"""
    home: bytes = b""
    named: Callable[[str], Sequence[Spot]] = lambda _name: ()
    """the places that a name means, the most populous first"""
    nearest: Callable[[str], str] = lambda _name: ""
    """the name of a place that is written nearly so, or nothing"""
    saved: Callable[[str], str | None] = lambda _name: None
    """the text of a saved search"""


class Operand(NamedTuple):
    """Something with a meaning: words, or a picture file. Its vector counts `weight` times, below 0 against the others."""

    weight: float
    text: str | None = None
    picture: bytes | None = None


# What a filter asks of a file. Text is folded (store/folding.py).


class Span(NamedTuple):
    """A number of the file, from `low` to `high`; None is no bound. An open end does not belong to it."""

    field: str
    """a key of NUMBERS in filters.py"""
    low: float | None = None
    high: float | None = None
    low_open: bool = False
    high_open: bool = False


class Cycle(NamedTuple):
    """A time that comes back: `numbers` are months (1 to 12), weekdays (0 is Sunday) or hours (0 to 23)."""

    field: str
    part: str
    """month, weekday or hour"""
    numbers: frozenset[int]


class Circle(NamedTuple):
    latitude: float
    longitude: float
    km: float


class Within(NamedTuple):
    """Taken in one of the circles."""

    circles: tuple[Circle, ...]


class Contains(NamedTuple):
    """A text of the file has `part` in it."""

    field: str
    part: str


class Worded(NamedTuple):
    """One of these full-text expressions holds in a column of the words, or in any (empty)."""

    column: str
    any: tuple[str, ...]


class Labelled(NamedTuple):
    """A label of one of these kinds matches. Of tags `pattern` is a whole part of the path, of people a whole part of the name."""

    kinds: tuple[int, ...]
    between: str
    """what stands between the parts"""
    pattern: str


class Under(NamedTuple):
    """Lies in the folder or below it."""

    path: bytes


class InFolder(NamedTuple):
    """A folder above has this name."""

    pattern: str


class Named(NamedTuple):
    """The file's name matches: a part of it, or all of it where there is a * or ?."""

    pattern: str


class Ending(NamedTuple):
    """The file's name ends in one of these, each with its dot."""

    endings: tuple[str, ...]


class Choice(NamedTuple):
    """One or more of a filter's named values, any of which will do."""

    field: str
    names: tuple[str, ...]


Test = Span | Cycle | Within | Contains | Worded | Labelled | Under | InFolder | Named | Ending | Choice


class Filter(NamedTuple):
    """One filter as it was typed, and what it asks: all of its tests."""

    name: str
    value: str
    tests: tuple[Test, ...]


class Not(NamedTuple):
    part: Expression


class And(NamedTuple):
    """All of two or more."""

    parts: tuple[Expression, ...]


class Or(NamedTuple):
    """Any of two or more."""

    parts: tuple[Expression, ...]


Expression = Filter | Not | And | Or


class Query(NamedTuple):
    """What a text asks for. Without operands nothing ranks: every file that the filters let through is an answer."""

    operands: tuple[Operand, ...] = ()
    phrases: tuple[str, ...] = ()
    """what stood in quotes, among the words that are not taken away"""
    filters: Expression | None = None

    @property
    def words(self) -> str:
        """The words that are wanted, for the search by words."""
        return " ".join(o.text for o in self.operands if o.text is not None and o.weight > 0)


def negated(expression: Expression) -> Expression:
    return expression.part if isinstance(expression, Not) else Not(expression)


def all_of(parts: Sequence[Expression]) -> Expression | None:
    """One expression for one or more; nothing for none. What is all of something is taken apart."""
    flat = [one for part in parts for one in (part.parts if isinstance(part, And) else (part,))]
    return And(tuple(flat)) if len(flat) > 1 else flat[0] if flat else None


def any_of(parts: Sequence[Expression]) -> Expression:
    """One expression for one or more. What is any of something is taken apart."""
    flat = [one for part in parts for one in (part.parts if isinstance(part, Or) else (part,))]
    return Or(tuple(flat)) if len(flat) > 1 else flat[0]


def filters_of(expression: Expression | None) -> tuple[Filter, ...]:
    """Every filter in it, in order."""
    match expression:
        case None:
            return ()
        case Filter():
            return (expression,)
        case Not(part):
            return filters_of(part)
        case And(parts) | Or(parts):
            return tuple(one for part in parts for one in filters_of(part))


_PLAIN = re.compile(r"[\w.,/*?<>=~+-]+")


def written(expression: Expression) -> str:
    """A text that parses to *expression*, in the same world.

    >>> written(Not(Filter("camera", "EOS 5D", (Contains("camera", "eos 5d"),))))
    '-camera:"EOS 5D"'
    """
    match expression:
        case Filter(name, value):
            plain = _PLAIN.fullmatch(value)
            return f"{name}:" + (value if plain else '"' + re.sub(r'(["\\])', r"\\\1", value) + '"')
        case Not(Filter() as part):
            return f"-{written(part)}"
        case Not(part):
            return f"-({written(part)})"
        case And(parts):
            return " ".join(f"({written(part)})" if isinstance(part, Or) else written(part) for part in parts)
        case Or(parts):
            return " OR ".join(map(written, parts))
