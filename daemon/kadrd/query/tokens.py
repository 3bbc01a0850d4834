"""A query's text cut into what it is made of, each piece with its place. Pure; knows the words of the language, no values.

What is not certainly meant for us is a word: `Re:zero`, `12:30` and `http://x` have a colon, and :-) a parenthesis. A name
before a colon that is nearly one of ours is a mistake, and told.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from kadr.protocol.errors import QueryError
from kadr.protocol.prefixes import Prefix
from kadrd.query import language


class Token(NamedTuple):
    """One piece. `kind` is word, phrase, picture, filter, weight, plus, minus, open, close, OR, AND, NOT or end."""

    kind: str
    column: int
    length: int
    text: str = ""
    """the words, the picture's path or the filter's value; quotes are taken off"""
    negative: bool = False
    """a minus stands right before it"""
    prefix: Prefix | None = None
    weight: float = 1.0


class Mistake(NamedTuple):
    """Where the query went wrong, as the error shows it."""

    text: str
    column: int
    length: int

    def told(self, why: str, act: str = "") -> QueryError:
        return QueryError(why=why, act=act, text=self.text, column=self.column, length=self.length)


_BEHIND = r"(?=[\s()]|$)"
_OPERATORS = "|".join(sorted(map(re.escape, language.OPERATOR), key=len, reverse=True))
_OPEN = re.compile(r"(-?)\(")
_OPERATOR = re.compile(rf"\|\|?|(?:{_OPERATORS}){_BEHIND}")
_SIGN = re.compile(r"([+-])(?=\s|$)")
# rclip's, but 12:30 and 16:9 are no weights. Digits are few, so that the number is one that can be reckoned with.
_WEIGHT = re.compile(r"(\d{1,6}(?:\.\d{1,6})?|\.\d{1,6}|\d{1,6}\.):(?!\d)")
_FILTER = re.compile(r"(-?)([^\W\d_][\w'’ʼ-]*):(?!//)")
_NEGATIVE = re.compile(r"-(?=[^\W\d_])")
_FILE = re.compile(r"(?:\.{0,2}/|~/|file://)\S")
QUOTES = {'"': '"', "“": "”", "«": "»", "„": "“"}
_PART = re.compile(r'\\(["\\])|(.)', re.DOTALL)


def tokens(text: str) -> list[Token]:
    """The pieces of *text*; the last one is its end. Raises QueryError."""
    found: list[Token] = []
    at = groups = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        token = _next(text, at, groups)
        groups += (token.kind == "open") - (token.kind == "close")
        found.append(token)
        at = token.column + token.length
    return [*found, Token("end", len(text), 0)]


def _next(text: str, at: int, groups: int) -> Token:
    for rule in _RULES:
        if token := rule(text, at):
            return token
    if text[at] == ")":
        if groups:
            return Token("close", at, 1)
        if _run(text, at, groups=0) == at + 1:
            raise Mistake(text, at, 1).told(
                "This parenthesis closes nothing", "Leave it out, or put it in quotes."
            )
    return _word(text, at, groups)


# The rules, in the order they are tried: the first that knows what begins here says what it is.


def _opening(text: str, at: int) -> Token | None:
    found = _OPEN.match(text, at)
    return Token("open", at, len(found[0]), negative=bool(found[1])) if found else None


def _operator(text: str, at: int) -> Token | None:
    found = _OPERATOR.match(text, at)
    return Token(language.OPERATOR[found[0]], at, len(found[0]), found[0]) if found else None


def _sign(text: str, at: int) -> Token | None:
    found = _SIGN.match(text, at)
    return Token("plus" if found[1] == "+" else "minus", at, 1) if found else None


def _weight(text: str, at: int) -> Token | None:
    found = _WEIGHT.match(text, at)
    return Token("weight", at, len(found[0]), found[0], weight=float(found[1])) if found else None


def _phrase(text: str, at: int) -> Token | None:
    minus = text.startswith("-", at)
    if text[at + minus : at + minus + 1] not in QUOTES:
        return None
    content, end = _quoted(text, at + minus)
    kind = "picture" if _FILE.match(content) else "phrase"
    return Token(kind, at, end - at, content, negative=minus)


def _filter(text: str, at: int) -> Token | None:
    found = _FILTER.match(text, at)
    if not found:
        return None
    prefix = language.prefix(found[2])
    if not prefix:
        near = language.like_prefix(found[2])
        if near:
            act = f"Did you mean {near}:? Words with a colon can stand in quotes."
            raise Mistake(text, at, len(found[0])).told(f"{found[2]}: is no filter", act)
        return None
    value, end = _value(text, found.end())
    kind = "picture" if prefix.kind == "picture" else "filter"
    return Token(kind, at, end - at, value, bool(found[1]), prefix)


_RULES: tuple[Callable[[str, int], Token | None], ...] = (
    _opening,
    _operator,
    _sign,
    _weight,
    _phrase,
    _filter,
)


def _word(text: str, at: int, groups: int) -> Token:
    minus = bool(_NEGATIVE.match(text, at))
    end = _run(text, at, groups)
    word = text[at + minus : end]
    return Token("picture" if _FILE.match(word) else "word", at, end - at, word, negative=minus)


def _run(text: str, at: int, groups: int) -> int:
    """Where the word ends that begins here: at a blank, or at a parenthesis that closes a group around it."""
    depth = 0
    for index in range(at, len(text)):
        character = text[index]
        depth += (character == "(") - (character == ")")
        if character.isspace() or (depth < 0 and groups):
            return index
    return len(text)


def _value(text: str, at: int) -> tuple[str, int]:
    """A filter's value and its end: a blank, a | or a parenthesis that it did not open. Quotes keep any of them in."""
    value, depth = "", 0
    while at < len(text) and not (text[at].isspace() or text[at] == "|"):
        if text[at] in QUOTES:
            content, at = _quoted(text, at)
            value += content
            continue
        depth += (text[at] == "(") - (text[at] == ")")
        if depth < 0:
            break
        value, at = value + text[at], at + 1
    return value, at


def _quoted(text: str, at: int) -> tuple[str, int]:
    """What stands in the quotes that open here, and where they end. Before a quote or a backslash a backslash is left out."""
    content, close, index = [], QUOTES[text[at]], at + 1
    while index < len(text) and text[index] != close:
        found = _PART.match(text, index)
        assert found is not None
        content.append(found[1] or found[2])
        index = found.end()
    if index >= len(text):
        raise Mistake(text, at, 1).told("This quote is not closed", "Close it, or leave it out.")
    return "".join(content), index + 1
