"""What people and programs read: hits as lines on stdout, talk on stderr.

Decides nothing and asks nothing. Paths are bytes: exact where a program reads them, harmless where a
terminal shows them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from kadr.protocol.errors import KadrError
from kadr.protocol.messages import Hit

# Not printable by Unicode's letter, yet harmless and common in names: joiners and wide or narrow spaces.
_HARMLESS = "\u00a0\u200c\u200d\u202f\u3000"


def talk(sentence: str) -> None:
    """Say *sentence* to a person. What nobody can hear is not an error."""
    try:
        for line in sentence.splitlines():
            sys.stderr.write(f"kadr: {visible(line)}\n")
        sys.stderr.flush()
    except OSError:
        pass


def complain(error: KadrError) -> None:
    """What happened, and what to do next."""
    talk(error.sentence)
    talk(error.act)


def write(line: bytes) -> None:
    """Data, byte for byte."""
    sys.stdout.buffer.write(line)


def hit_writer(*, as_json: bool, null: bool) -> Callable[[Hit], bytes]:
    """How one hit is written: what was asked for, else what fits the reader."""
    if as_json:
        return lambda hit: json_line(hit._asdict() | {"score": round(hit.score, 6)})
    if null:
        return lambda hit: hit.path + b"\0"
    if sys.stdout.isatty():
        return lambda hit: f"{hit.score:.3f}  {visible(hit.path)}\n".encode()
    return lambda hit: hit.path + b"\n"


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
