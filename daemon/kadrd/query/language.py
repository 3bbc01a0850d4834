"""The words of the query language, looked up: client/kadr/protocol/prefixes.py by any word of it, and by what is nearly one."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

from kadr.protocol.prefixes import OPERATORS, PREFIXES, Prefix, Word
from kadrd.store.folding import folded

# A slip or two in a word of usual length. What is taken for a slip is refused, so names that are ordinary words must not be;
# a value is refused anyway, and more is a better hint: gsp is gps.
_NEARLY, _NEARLY_A_VALUE = 0.75, 0.6


def _by_word(rows: Iterable[Word | Prefix]) -> dict[str, str]:
    """The name of a row by each of its words, folded."""
    return {
        folded(word): row.name
        for row in rows
        for word in (row.name, *row.also.split(), *row.ru.split(), *row.uk.split())
    }


_ROWS = {row.name: row for row in PREFIXES}
_NAMES = _by_word(PREFIXES)
_VALUES = {row.name: _by_word(row.values) for row in PREFIXES if row.values}
# Capitals are what makes them operators, so these are not folded.
OPERATOR = {
    word: row.name
    for row in OPERATORS
    for word in (row.name, *row.also.split(), *row.ru.split(), *row.uk.split())
}


def prefix(word: str) -> Prefix | None:
    """The filter that *word* means."""
    name = _NAMES.get(folded(word))
    return _ROWS[name] if name else None


def like_prefix(word: str) -> str:
    """The word for a filter that is written nearly like *word*, or nothing."""
    return _like(word, _NAMES, _NEARLY)


def value(of: Prefix, word: str) -> str | None:
    """The name of the value of this filter that *word* means."""
    return _VALUES[of.name].get("-".join(folded(word).split()))


def like_value(of: Prefix, word: str) -> str:
    """The word for a value of this filter that is written nearly like *word*, or nothing."""
    return _like(word, _VALUES[of.name], _NEARLY_A_VALUE)


def _like(word: str, known: Collection[str], nearly: float) -> str:
    given = folded(word)[:40]
    for index in range(len(given) - 1):  # tga: in a short word a swap is too much for the ratio
        swapped = f"{given[:index]}{given[index + 1]}{given[index]}{given[index + 2 :]}"
        if swapped in known:
            return swapped
    near = difflib.get_close_matches(given, known, 1, nearly)
    return near[0] if near else ""
