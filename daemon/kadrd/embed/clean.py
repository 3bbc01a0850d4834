"""Text as the towers saw it in training: the cleaning that comes before the tokenizer.  Pure functions.

open_clip cleans with the library ftfy.  Everything ftfy does to ordinary text is done here by the standard
library; what is left out is its repair of text that was decoded with a wrong character set, because a
query comes from a keyboard.
"""

import html
import re
import string
import unicodedata
from collections.abc import Callable

_LIGATURES = "ĲĳŉǱǲǳǄǅǆǇǈǉǊǋǌﬀﬁﬂﬃﬄﬆ"
_LONG_ST = "\ufb05"
_SINGLE_QUOTES = "\u02bc\u2018\u2019\u201a\u201b"
_DOUBLE_QUOTES = "\u201c\u201d\u201e\u201f"
_WIDE = "".join(map(chr, (0x3000, *range(0xFF01, 0xFFEF))))
_CONTROLS = (
    *range(0x09),
    0x0B,
    *range(0x0E, 0x20),
    0x7F,
    *range(0x206A, 0x2070),
    0xFEFF,
    *range(0xFFF9, 0xFFFD),
)

_PLAIN: dict[int, str] = (
    {ord(character): unicodedata.normalize("NFKC", character) for character in _LIGATURES + _WIDE}
    # NFKC would also turn the long s of this one into a short s.
    | {ord(_LONG_ST): "\u017ft"}
    | dict.fromkeys(map(ord, _SINGLE_QUOTES), "'")
    | dict.fromkeys(map(ord, _DOUBLE_QUOTES), '"')
    | dict.fromkeys(_CONTROLS, "")
)
_TERMINAL_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_PUNCTUATION = str.maketrans("_", " ", string.punctuation.replace("_", ""))


def lower(text: str) -> str:
    """Plain characters, single spaces, lower case: what CLIP reads.

    >>> lower("  A “Red”  Bicycle &amp; a CAT ")
    'a "red" bicycle & a cat'
    """
    return whitespace(text).lower()


def whitespace(text: str) -> str:
    """Plain characters and single spaces, case kept: what most multilingual towers read."""
    return " ".join(_plain(text).split())


def canonicalize(text: str) -> str:
    """As `lower`, without ASCII punctuation: what SigLIP reads."""
    return " ".join(_plain(text).translate(_PUNCTUATION).lower().split())


CLEANERS: dict[str, Callable[[str], str]] = {
    "lower": lower,
    "whitespace": whitespace,
    "canonicalize": canonicalize,
}


def _plain(text: str) -> str:
    # A "<" means that the text may be markup, whose entities come last; ftfy draws the same line.
    text = text if "<" in text else html.unescape(text)
    text = _TERMINAL_COLOUR.sub("", text).translate(_PLAIN)
    return html.unescape(html.unescape(unicodedata.normalize("NFC", text)))
