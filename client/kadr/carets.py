"""A query with carets under the place that is wrong. Pure but for the terminal's width, which may be given.

beach near:Kyvi,20km
      ^^^^^^^^^^^^^^
"""

from __future__ import annotations

from collections.abc import Mapping
from unicodedata import combining, east_asian_width

from kadr.output import visible

_INDENT = "  "
_NARROWEST = 20


def pointed(detail: Mapping[str, object], columns: int = 0) -> list[str]:
    """The `text` of *detail* and its carets, `length` characters from `column` on; none where these make no sense.

    *columns* is how wide a line may be (0: as the terminal is). A longer text is cut, with … where it goes on.
    """
    text, column, length = detail.get("text"), detail.get("column"), detail.get("length")
    if not isinstance(text, str) or not isinstance(column, int) or not isinstance(length, int):
        return []
    if not 0 <= column <= len(text):
        return []
    before, wrong = visible(text[:column]), visible(text[column : column + max(1, length)])
    after = visible(text[column + max(1, length) :])
    room = max(_NARROWEST, (columns or _columns()) - len(_INDENT) - 1)
    wrong = _head(wrong, room - 2)
    before = _head(before[::-1], max(1, room - width(wrong) - 1 - min(width(after), room // 4)))[::-1]
    after = _head(after, room - width(before) - width(wrong))
    carets = "^" * max(1, width(wrong))
    return [f"{_INDENT}{before}{wrong}{after}", f"{_INDENT}{' ' * width(before)}{carets}"]


def width(text: str) -> int:
    """How many columns *text* takes in a terminal: two for what is wide in East Asia, none for an accent that combines."""
    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


def _head(text: str, room: int) -> str:
    """The first *room* columns of *text*, an ellipsis the last of them when that is not all."""
    if width(text) <= room:
        return text
    kept = ""
    for char in text:
        if width(kept + char) > room - 1:
            break
        kept += char
    return f"{kept}…"


def _columns() -> int:
    from shutil import get_terminal_size  # late: only a terminal has columns

    return get_terminal_size().columns
