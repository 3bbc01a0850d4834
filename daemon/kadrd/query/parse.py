"""What the user typed, as a Query. Pure: knows no index, no model and no clock; what it has to know comes as the World.

    query = (words | picture | sign | filters)...          words and pictures rank, wherever they stand
    filters = all (OR all)...     all = one...     one = [-]name:value | [-](filters) | NOT one

A sign (a + or - alone, or a weight) begins an operand of its own, which ends at the next sign or filter; all other words are
one operand together. Words take no part in AND and OR: they rank what the filters let through. So where words stand beside
OR or among filters in parentheses nothing could be meant by them, and that is told.
"""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

from kadr.protocol.errors import EmptyQuery, QueryError
from kadrd.query import filters, readings
from kadrd.query.expression import (
    Expression,
    Filter,
    Operand,
    Query,
    World,
    all_of,
    any_of,
    filters_of,
    negated,
)
from kadrd.query.refusal import Refused
from kadrd.query.tokens import Mistake, Token, tokens

# No text that a person writes; each name in it that is none of ours is compared with all that are (0.3 ms).
MAX_TEXT = 10_000
# Each operand runs a tower, each filter is a part of an SQL statement, whose parts SQLite nests at most 1,000 deep.
MAX_OPERANDS = 32
MAX_FILTERS = 100
MAX_DEPTH = 16
_WORDS = frozenset(("word", "phrase", "picture", "weight", "plus", "minus"))
_LESS = "Ask for less at once."
_MEND = "Save it anew: kadr save NAME QUERY"


def parse(text: str, world: World) -> Query:
    """The query in *text*. Raises EmptyQuery when it holds nothing that could be looked for, and QueryError for a mistake."""
    query = _Reading(text, world).query()
    if not query.operands and query.filters is None:
        raise EmptyQuery
    return query


def condition_of(text: str, world: World) -> filters.Condition:
    """The SQL of the filters in *text*, empty where there are none. Raises QueryError, for words too: nothing is ranked by it."""
    query = _Reading(text, world).query()
    if query.operands:
        ranks = next(token for token in _settled(tokens(text)) if token.kind in _WORDS or _is_saved(token))
        act = "Leave it out; text:WORD is a filter, for what is written in the file."
        raise Mistake(text, ranks.column, ranks.length).told(
            "Words rank, and only filters have a meaning here", act
        )
    return filters.condition(query.filters)


def _is_saved(token: Token) -> bool:
    return token.prefix is not None and token.prefix.kind == "saved"


class _Reading:
    """One text on its way to a Query. `within` are the saved searches that it stands in."""

    def __init__(self, text: str, world: World, within: tuple[str, ...] = ()) -> None:
        self._text, self._world, self._within = text, world, within
        if len(text) > MAX_TEXT:
            raise self._at(MAX_TEXT, len(text) - MAX_TEXT).told(
                f"A query has at most {MAX_TEXT:,} characters", _LESS
            )
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise self._at(error.start, 1).told("This is no character") from None
        self._tokens, self._index = _settled(tokens(text)), 0
        self._operands, self._filters = _Operands(text), 0

    def query(self) -> Query:
        expression = self._group(None, 0)
        self._operands.end()
        return Query(*self._operands.all(), expression)

    def _at(self, column: int, length: int) -> Mistake:
        return Mistake(self._text, column, length)

    def _wrong(self, token: Token, why: str, act: str = "") -> QueryError:
        return self._at(token.column, token.length).told(why, act)

    def _take(self) -> Token:
        token = self._tokens[self._index]
        self._index += 1
        return token

    def _group(self, opened: Token | None, depth: int) -> Expression | None:
        """The filters up to the end of the group that *opened*, or of the text. The words on the way go to the operands."""
        ways: list[list[Expression]] = [[]]
        while (token := self._take()).kind not in ("close", "end"):
            if token.kind == "OR":
                self._check_or(token)
                ways.append([])
            elif token.kind in _WORDS:
                if opened:
                    raise self._wrong(
                        token, "Words rank, they are no filters", "Put them outside of the parentheses."
                    )
                self._operands.take(token, self._path(token) if token.kind == "picture" else b"")
            else:
                ways[-1] += self._one(token, depth)
        if opened and token.kind == "end":
            raise self._wrong(opened, "This parenthesis is not closed", "Close it, or put it in quotes.")
        parts = [found for way in ways if (found := all_of(way))]
        return any_of(parts) if parts else None

    def _check_or(self, token: Token) -> None:
        before, after = self._tokens[self._index - 2] if self._index > 1 else None, self._tokens[self._index]
        if (before and before.kind in _WORDS) or after.kind in _WORDS:
            act = "Ask twice, or put the OR between filters. In small letters it is a word."
            raise self._wrong(token, "Words rank, they cannot be alternatives", act)
        if (
            not before
            or before.kind not in ("filter", "close")
            or after.kind not in ("filter", "open", "NOT")
        ):
            raise self._wrong(
                token, "OR has to stand between two filters", "In small letters, or in quotes, it is a word."
            )

    def _one(self, token: Token, depth: int) -> list[Expression]:
        """A filter, a group of them, or what is negated: the expressions that all have to hold."""
        negated_by_word = False
        while token.kind == "NOT":
            token, negated_by_word = self._take(), not negated_by_word
        token = token._replace(negative=token.negative != negated_by_word)
        self._operands.end_run()
        if token.kind == "open":
            found = self._inner(token, depth + 1)
        elif _is_saved(token):
            found = self._saved(token, depth)
        else:
            found = self._filter(token)
        whole = all_of(found)
        return [negated(whole)] if whole and token.negative else found

    def _inner(self, token: Token, depth: int) -> list[Expression]:
        if depth > MAX_DEPTH:
            raise self._wrong(token, f"Parentheses may stand at most {MAX_DEPTH} deep", _LESS)
        group = self._group(token, depth)
        if group is None:
            raise self._wrong(
                token, "Nothing stands in this parenthesis", "Put filters in it, or leave it out."
            )
        return [group]

    def _counted(self, token: Token, number: int) -> None:
        self._filters += number
        if self._filters > MAX_FILTERS:
            raise self._wrong(token, f"A query has at most {MAX_FILTERS} filters", _LESS)

    def _path(self, token: Token) -> bytes:
        try:
            return readings.path(token.text, self._world)
        except Refused as refused:
            raise self._wrong(token, f"A picture: {refused.why}") from None

    def _filter(self, token: Token) -> list[Expression]:
        assert token.prefix is not None
        try:
            tests = readings.read(token.prefix, token.text, self._world)
        except Refused as refused:
            raise self._refused(token, refused) from None
        self._counted(token, 1)
        return [Filter(token.prefix.name, token.text, tests)]

    def _refused(self, token: Token, refused: Refused) -> QueryError:
        assert token.prefix is not None
        name = token.prefix.name
        act = f"For instance: {token.prefix.example}"
        if refused.nearest:
            act = f"Did you mean {name}:{_quoted(refused.nearest)}?"
        elif not token.text and self._tokens[self._index].kind != "end":
            act = f"Leave no blank behind the colon. {act}"
        return self._wrong(token, f"{name}: {refused.why or f'wants {token.prefix.wants}'}", act)

    def _saved(self, token: Token, depth: int) -> list[Expression]:
        name = " ".join(token.text.split())
        query = self._kept(token, name)
        beside = self._tokens[max(0, self._index - 2)].kind, self._tokens[self._index].kind
        if query.operands and (depth or token.negative or "OR" in beside):
            why = f"The saved search {name} has words, and words rank: it can be no filter"
            raise self._wrong(token, why, "Write here what it filters by.")
        self._operands.add(token, query)
        self._counted(token, len(filters_of(query.filters)))
        return [query.filters] if query.filters else []

    def _kept(self, token: Token, name: str) -> Query:
        """The query that is kept as *name*. It holds something: so a few searches that name each other stay a short work."""
        text = self._world.saved(name)
        if text is None:
            raise self._wrong(
                token, f"There is no saved search {name or 'without a name'}", "`kadr saved` lists them."
            )
        if name in self._within or len(self._within) >= MAX_DEPTH:
            raise self._wrong(token, f"The saved search {name} leads back to itself, or too far", _MEND)
        try:
            query = _Reading(text, self._world, (*self._within, name)).query()
        except QueryError as error:
            raise self._wrong(
                token, f"In the saved search {name}: {error.sentence.rstrip('.')}", error.act
            ) from None
        if not query.operands and query.filters is None:
            raise self._wrong(token, f"The saved search {name} is empty", _MEND)
        return query


def _settled(found: list[Token]) -> list[Token]:
    """The tokens without what only looks like an operator: it is one beside a filter or a parenthesis around filters."""
    found = _without_idle_parentheses(found)
    settled: list[Token] = []  # from the end on, since NOT NOT is one where the second is
    for index in range(len(found) - 1, -1, -1):
        token = found[index]
        before_filter = bool(settled) and settled[-1].kind in ("filter", "open", "NOT")
        behind_filter = index > 0 and found[index - 1].kind in ("filter", "close")
        if (token.kind == "AND" and (before_filter or behind_filter)) or (
            token.kind == "plus" and before_filter
        ):
            continue
        if token.kind == "minus" and before_filter:
            settled.append(token._replace(kind="NOT"))
        elif token.kind == "AND" or (token.kind == "NOT" and not before_filter):
            settled.append(token._replace(kind="word"))
        else:
            settled.append(token)
    return settled[::-1]


def _without_idle_parentheses(found: list[Token]) -> list[Token]:
    """The tokens without parentheses around words alone, as people write them: a cat (black)."""
    idle: set[int] = set()
    around: list[
        tuple[int, bool]
    ] = []  # the groups that are open here: where each began, and whether filters are in it
    for index, token in enumerate(found):
        if token.kind == "open":
            around.append((index, token.negative or found[index + 1].kind == "close"))
        elif token.kind == "close":
            begun, filters_in_it = around.pop()
            if not filters_in_it:
                idle |= {begun, index}
            elif around:
                around[-1] = (around[-1][0], True)
        elif around and token.kind not in ("word", "phrase", "AND", "NOT"):
            around[-1] = (around[-1][0], True)
    return [token for index, token in enumerate(found) if index not in idle]


def _quoted(value: str) -> str:
    return f'"{value}"' if " " in value else value


class _Run(NamedTuple):
    """An operand under way, and what began it."""

    token: Token
    factor: float
    words: list[str]


class _Operands:
    """What ranks, gathered along the text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._plain: list[str] = []
        self._done: list[Operand] = []
        self._phrases: list[str] = []
        self._run: _Run | None = None

    def take(self, token: Token, picture: bytes) -> None:
        if token.kind in ("plus", "minus"):
            self.end()
            self._run = _Run(token, 1.0 if token.kind == "plus" else -1.0, [])
        elif token.kind == "weight":
            self._weigh(token)
        elif token.kind == "picture" or token.negative:
            self._alone(token, picture)
        else:
            (self._plain if self._run is None else self._run.words).append(token.text)
            if token.kind == "phrase" and (self._run is None or self._run.factor > 0) and _says(token.text):
                self._phrases.append(_clean(token.text))

    def _weigh(self, token: Token) -> None:
        if not token.weight:
            raise self._wrong(
                token, "A weight is more than 0", "A minus before the words takes their meaning away."
            )
        if self._run and not self._run.words:
            self._run = self._run._replace(token=token, factor=self._run.factor * token.weight)
        else:
            self.end()
            self._run = _Run(token, token.weight, [])

    def _alone(self, token: Token, picture: bytes) -> None:
        """A picture, or a word with a minus at it: it takes the sign before it, and does not go on as words do."""
        factor = -1.0 if token.negative else 1.0
        if self._run and not self._run.words:
            factor, self._run = factor * self._run.factor, None
        self.end_run()
        self._put(token, Operand(factor, picture=picture) if picture else Operand(factor, _clean(token.text)))

    def add(self, token: Token, query: Query) -> None:
        """What ranks in a saved search ranks here too."""
        for operand in query.operands:
            self._put(token, operand)
        self._phrases += query.phrases

    def end_run(self) -> None:
        """A filter ends an operand, unless only its sign was there: that waits for the words behind the filter."""
        if self._run and self._run.words:
            self.end()

    def end(self) -> None:
        run, self._run = self._run, None
        if run:
            self._put(run.token, Operand(run.factor, _clean(" ".join(run.words))))

    def _put(self, token: Token, operand: Operand) -> None:
        if operand.text is not None and not _says(operand.text):
            act = "Words or a picture file have to follow. In quotes it is a word itself."
            raise self._wrong(token, "Nothing stands behind it that has a meaning", act)
        if len(self._done) >= MAX_OPERANDS:
            raise self._wrong(token, f"A query has at most {MAX_OPERANDS} operands", _LESS)
        self._done.append(operand)

    def _wrong(self, token: Token, why: str, act: str = "") -> QueryError:
        return Mistake(self._text, token.column, token.length).told(why, act)

    def all(self) -> tuple[tuple[Operand, ...], tuple[str, ...]]:
        plain = _clean(" ".join(self._plain))
        first = (Operand(1.0, plain),) if _says(plain) else ()
        return (*first, *self._done), tuple(self._phrases)


def _clean(text: str) -> str:
    """White space is one blank, letters are composed."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def _says(text: str) -> bool:
    """Whether there is a letter, a digit or a sign of its own (an emoji), and not marks alone."""
    return any(character.isalnum() or ord(character) > 0x2000 for character in text)
