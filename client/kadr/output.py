"""What people and programs read: hits as lines on stdout, talk on stderr.

Decides nothing and asks nothing. Paths are bytes: exact where a program reads them, harmless where a
terminal shows them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from kadr.protocol.errors import FOUND, KadrError
from kadr.protocol.messages import Hit

if TYPE_CHECKING:
    from kadr.connection import Connection

# Not printable by Unicode's letter, yet harmless and common in names: joiners and wide or narrow spaces.
_HARMLESS = "\u00a0\u200c\u200d\u202f\u3000"


def talk(sentence: str) -> None:
    """Say *sentence* to a person. What nobody can hear is not an error."""
    _say([f"kadr: {visible(line)}" for line in sentence.splitlines()])


def complain(error: KadrError) -> None:
    """What happened, where in the query if it is about a place in it, and what to do next."""
    talk(error.sentence)
    if "column" in error.detail:
        from kadr.carets import pointed  # late: only a mistake needs it

        _say(pointed(error.detail))
    talk(error.act)


def _say(lines: list[str]) -> None:
    try:
        sys.stderr.write("".join(f"{line}\n" for line in lines))
        sys.stderr.flush()
    except OSError:
        pass


def write(line: bytes) -> None:
    """Data, byte for byte."""
    sys.stdout.buffer.write(line)


class Lines:
    """Each hit a line on stdout, as its reader wants it; the `Way` of a plain search."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        """*options* are those of table.py, by name."""
        self._json = "json" in options
        self._people = sys.stdout.isatty() and not self._json and "null" not in options
        self._explains = self._people and "explain" in options
        self._line = hit_writer(
            as_json=self._json, null="null" in options, scored=self._people and "filepath-only" not in options
        )
        self._group = ""

    def take(self, hits: list[Hit]) -> None:
        for hit in hits:
            if self._people and hit.group != self._group:
                write(f"{visible(hit.group)}\n".encode())
                self._group = hit.group
            write(self._line(hit))
            if self._explains and hit.why:
                from kadr.explaining import why  # late: only --explain asks for it

                write(f"      {visible(why(hit.why))}\n".encode())

    def event(self, kind: str, hit: Hit) -> None:
        """A pipe is told what comes, as if it were found; with --json what goes, too."""
        if self._json:
            write(json_line({"event": kind, **_rounded(hit)}))
        elif self._people:
            write(f"{'-' if kind == 'gone' else '+'} {visible(hit.path)}\n".encode())
        elif kind != "gone":
            write(self._line(hit))

    def finish(self, connection: Connection) -> int:  # noqa: ARG002 - other ways ask more
        return FOUND


def hit_writer(*, as_json: bool, null: bool, scored: bool) -> Callable[[Hit], bytes]:
    """How one hit is written. Names are exact but on a terminal; where nothing ranks there is no score."""
    if as_json:
        return lambda hit: json_line(_rounded(hit))
    if null:
        return lambda hit: hit.path + b"\0"
    if scored:
        return lambda hit: f"{hit.score:.2f}  {visible(hit.path)}\n".encode() if hit.score else _shown(hit)
    return _shown if sys.stdout.isatty() else lambda hit: hit.path + b"\n"


def _shown(hit: Hit) -> bytes:
    return f"{visible(hit.path)}\n".encode()


def _rounded(hit: Hit) -> dict[str, Any]:
    return hit._asdict() | {"score": round(hit.score, 6)}


def visible(name: str | bytes) -> str:
    r"""*name* for a terminal: control and direction characters, and bytes that are no UTF-8, as escapes.

    >>> print(visible(b"a\x1b[31m.jpg"))
    a\x1b[31m.jpg
    """
    text = name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in _HARMLESS else _escape(char) for char in text)


def _escape(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8, as surrogateescape keeps it
        return f"\\x{code - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")


def json_line(value: dict[str, Any]) -> bytes:
    """*value* as one line of JSON."""
    from json import dumps  # late: only --json needs it

    return dumps(_plain(value)).encode() + b"\n"


def _plain(value: object) -> object:
    """Without bytes: a path as text by surrogateescape and, when it is no UTF-8, in hexadecimal beside it."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    plain: dict[str, object] = {}
    for key, item in value.items():
        plain[key] = _plain(item)
        if isinstance(item, bytes) and not _is_utf8(item):
            plain[f"{key}_hex"] = item.hex()
    return plain


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def count(number: int, one: str, many: str = "") -> str:
    """`1 picture`, `2,020 pictures`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def nobody_reads() -> None:
    """stdout is closed: keep the interpreter from complaining when it flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
