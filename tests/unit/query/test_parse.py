"""What the user typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kadr.protocol.errors import EmptyQuery
from kadrd.query.parse import Query, parse


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "...", "?!", "\u00a0"])
def test_nothing_to_look_for(text):
    """A query without a letter, digit or sign of its own is refused."""
    with pytest.raises(EmptyQuery):
        parse(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("red  bicycle\n", "red bicycle"),
        (" кошка ", "кошка"),
        ("e\u0301", "\u00e9"),
        ("猫", "猫"),
        ("🚲", "🚲"),
        ("7", "7"),
    ],
)
def test_words(text, words):
    """White space is one blank, and letters are composed."""
    assert parse(text) == Query(words)


@given(st.text(max_size=200))
def test_any_text(text):
    """Any text is a query or is refused; a query parses to itself."""
    try:
        query = parse(text)
    except EmptyQuery:
        return
    assert parse(query.words) == query
