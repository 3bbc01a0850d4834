"""What the user typed, as a Query. Pure: knows no index and no model."""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

from kadr.protocol.errors import EmptyQuery


class Query(NamedTuple):
    """Words ranked by meaning."""

    words: str


def parse(text: str) -> Query:
    """The query in *text*. Raises EmptyQuery when it holds nothing that could be looked for."""
    words = " ".join(unicodedata.normalize("NFC", text).split())
    if not any(character.isalnum() or ord(character) > 0x2000 for character in words):
        raise EmptyQuery
    return Query(words)
