"""Files whose own words match: titles, descriptions, labels, places, names. Makes the full-text query; ranks by bm25."""

from __future__ import annotations

from kadrd.query.expression import Query
from kadrd.store import folding


def match(query: Query) -> str:
    """The FTS5 expression for the words of *query*; empty when it has none. A phrase in quotes has to stand in the file.

    >>> match(Query((Operand(1.0, "old dogs"),)))
    '(("old") OR ("dogs" OR "dog"))'
    """
    phrases = [f'"{" ".join(stems)}"' for phrase in query.phrases if (stems := folding.stems(phrase))]
    singles = [folding.sought(word) for word in dict.fromkeys(folding.words(query.words))]
    some = f"({' OR '.join([*phrases, *singles])})" if phrases or singles else ""
    return f"{' AND '.join(phrases)} AND {some}" if phrases else some
