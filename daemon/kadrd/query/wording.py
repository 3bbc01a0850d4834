"""Files whose own words match: titles, descriptions, labels, places, names. Makes the full-text query; ranks nothing."""

from __future__ import annotations

from kadrd.query.expression import Query
from kadrd.store import folding

# What stands between the words that mean something. A file that shares only these says nothing of the question.
_ENGLISH = "a an and at by for from in is of on or the to with"
_RUSSIAN = "без в во до за и из к на над не о от по под при с со у"
_UKRAINIAN = "без від до з за зі і й між на над не о під по при та у"
BETWEEN = frozenset(f"{_ENGLISH} {_RUSSIAN} {_UKRAINIAN}".split())


def match(query: Query) -> str:
    """The FTS5 expression for files that hold some word of *query*, in any form; empty when it has none. A phrase in quotes
    has to stand in the file.

    >>> from kadrd.query.expression import Operand
    >>> match(Query((Operand(1.0, "the old dogs"),)))
    '(("old") OR ("dogs" OR "dog"))'
    """
    phrases, singles = _phrases(query), _singles(query)
    any_word = f"({' OR '.join([*phrases, *singles])})" if phrases or singles else ""
    return " AND ".join(filter(None, (*phrases, any_word)))


def count(query: Query) -> int:
    """How many words of *query* are looked for."""
    return len(_singles(query))


def _phrases(query: Query) -> list[str]:
    return [f'"{" ".join(stems)}"' for phrase in query.phrases if (stems := folding.stems(phrase))]


def _singles(query: Query) -> list[str]:
    words = dict.fromkeys(folding.words(query.words))
    return [folding.sought(word) for word in words if word not in BETWEEN]
