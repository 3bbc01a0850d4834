"""Words and options of the command line as one line of the query language, so that the daemon's parser is the only one.

Pure. Loaded late: words without options are joined as they are. docs/query.md is the language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from kadr.protocol.prefixes import OPERATORS, PREFIXES, Prefix, Word
from kadr.table import OPTIONS

# Filters of which a picture has one value: given twice, either will do. All others are to hold together (--tag a --tag b).
EITHER = frozenset(
    "camera ext folder format in lens name near orientation place software taken".split()  # noqa: SIM905 - reads as a list
)
_SIGNS = ("+", "-")

_QUOTED = r'"(?:\\.|[^"\\])*"'
_ORS = next(row for row in OPERATORS if row.name == "OR")
_WORDS = "|".join(word for word in f"{_ORS.name} {_ORS.ru} {_ORS.uk}".split() if word.isalpha())
_OR = re.compile(rf"{_QUOTED}|\s*\|\|?|\s(?:{_WORDS})(?=[\s(])", re.DOTALL)
_FILTER = re.compile(r"(-?)([^\W\d_][\w'-]*):([^\"].*)", re.DOTALL)
_PICTURE = re.compile(r"((?:\d*\.?\d*:)?)((?:\.{0,2}/|~/|file://).*\s.*)", re.DOTALL)
# A colon, a quote, a parenthesis or a sign in a word would begin something else.
_PLAIN = re.compile(r"\w[\w.,/'’-]*")
_ALL_OPERATORS = {word for row in OPERATORS for word in f"{row.name} {row.ru} {row.uk}".split()}
# fd's dates begin with a year, its durations with another number: 2024-06-01, 2weeks.
_DATE = re.compile(r"\d{4}(?:-|$)")


def worded(words: Sequence[str], options: Sequence[tuple[str, str]], *, whole: bool) -> str:
    """The query that *words* and *options* (Asked.query) make; *whole*: the only word is a query, and means what it says.

    >>> worded(["beach", "camera:Canon EOS 5D"], [("add", "sun"), ("ext", "jpg"), ("ext", "png"), ("exclude", "*~*")], whole=False)
    'beach camera:"Canon EOS 5D" + sun (ext:"jpg" OR ext:"png") -name:"*~*"'
    """
    typed = " ".join(words if whole else map(together, words))
    said = [(_before(name), _as_ours(name, value)) for name, value in options]
    signed = [f"{sign} {together(text)}" for sign, text in said if sign in _SIGNS]
    filters = " ".join(_filters([(name, value) for name, value in said if name not in _SIGNS]))
    if filters:
        # They are meant for every alternative, and AND binds closer than OR. In parentheses and under a minus it is true as well.
        typed = _OR.sub(
            lambda found: found[0] if found[0][0] == '"' else f" {filters} {found[0].strip()}", typed
        )
    return " ".join(filter(None, [typed, *signed, filters]))


def together(word: str) -> str:
    """A *word* that holds blanks, and is one thing: the shell has eaten the quotes that kept it together."""
    if " " not in word:
        return word
    if picture := _PICTURE.fullmatch(word):
        return picture[1] + _quoted(picture[2])
    found = _FILTER.fullmatch(word)
    if found and found[2].casefold() in _rows():
        return f"{found[1]}{found[2]}:{_quoted(found[3])}"
    return word


def is_one_filter(word: str, exists: Callable[[str], bool]) -> bool:
    """Whether the only *word* of a query is one filter whose quotes the shell has eaten, and no query that begins with a filter.

    `kadr camera:"Canon EOS 5D"` and `kadr 'place:Ukraine mountains'` look alike when they arrive. So a value with blanks is one
    where that is plain: a path that *exists*, words that the filter knows, a name whose words all begin with capitals or digits.
    Rejected: always, which would take the words from every query that begins with a filter.

    >>> [is_one_filter(word, lambda path: False) for word in ("camera:Canon EOS 5D", "place:Ukraine mountains", "taken:last year")]
    [True, False, True]
    """
    found = _FILTER.fullmatch(word)
    row = found and _rows().get(found[2].casefold())
    if not found or not row:
        return False
    value = found[3]
    if row.kind in ("under", "picture"):
        return exists(value)
    words = value.casefold().split()
    if row.values:
        known = _named(row.values)
        dated = [word for word in words if not (row.kind == "date" and word[0].isdigit())]
        return "-".join(words) in known or (bool(dated) and known.issuperset(dated))
    behind = value.split()[1:]
    return row.kind != "number" and all(map(_is_name, behind))


def _is_name(word: str) -> bool:
    return (
        (word[0].isupper() or word[0].isdigit())
        and bool(_PLAIN.fullmatch(word))
        and word not in _ALL_OPERATORS
    )


def _rows() -> dict[str, Prefix]:
    return {name: row for row in PREFIXES for name in _said(row)}


def _named(rows: Iterable[Word]) -> set[str]:
    return {name for row in rows for name in _said(row)}


def _said(row: Prefix | Word) -> list[str]:
    return [row.name, *f"{row.ru} {row.uk} {row.also}".split()]


def _before(name: str) -> str:
    """What stands before the value of an option: a sign, or a filter with a minus before it to negate."""
    return (name in OPTIONS and OPTIONS[name].query) or name


def _filters(said: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Each as a filter; what is given twice stands where the first stood."""
    values: dict[str, list[str]] = {}
    for name, value in said:
        values.setdefault(name, []).append(f"{name}:{_quoted(value)}")
    for name, filters in values.items():
        if len(filters) > 1 and name in EITHER:
            yield f"({' OR '.join(filters)})"
        else:
            yield from filters


def _as_ours(name: str, value: str) -> str:
    """*value* of one of fd's options in our language."""
    if name == "extension":
        return value.removeprefix(".")
    if name.startswith("changed-") and _DATE.match(value):
        return f"{value}.."  # -changed:"2024-01-01.." is what was not changed since
    return value


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
