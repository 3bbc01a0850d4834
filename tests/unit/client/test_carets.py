"""Carets under a mistake, however wide the letters before it are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kadr.carets import pointed, width


def at(text, column, length, columns=80):
    return pointed({"text": text, "column": column, "length": length}, columns)


@pytest.mark.parametrize(
    ("text", "column", "length", "carets"),
    [
        ("beach near:Kyvi", 6, 9, "        ^^^^^^^^^"),
        ("пляж рядом:Киви", 5, 10, "       ^^^^^^^^^^"),
        ("海辺 near:x", 3, 6, "       ^^^^^^"),
        ("e\u0301te\u0301 near:x", 6, 6, "      ^^^^^^"),
        ("a\tb near:x", 4, 6, "       ^^^^^^"),
        ("near:", 5, 0, "       ^"),
        ("海", 0, 1, "  ^^"),
    ],
)
def test_carets_stand_below_the_mistake(text, column, length, carets):
    """Letters of two columns, of none, and those that are shown as escapes are counted as a terminal shows them."""
    assert at(text, column, length)[1] == carets


@pytest.mark.parametrize(
    "detail", [{}, {"text": "a", "column": 5, "length": 1}, {"text": 1, "column": 0, "length": 1}]
)
def test_numbers_that_make_no_sense(detail):
    """Without a place in the query there are no carets, and no failure."""
    assert pointed(detail, 80) == []


@given(st.text(alphabet="ab 海\u0301\n\x1bж", max_size=300), st.data(), st.integers(20, 100))
def test_any_query_fits(text, data, columns):
    """Both lines fit the terminal, hold no control character, and the carets lie within the text that is shown."""
    column = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, len(text) - column))
    shown, carets = at(text, column, length, columns)
    assert max(width(shown), width(carets)) <= max(columns, 24)
    assert not {"\n", "\x1b"} & set(shown)
    assert set(carets.strip()) == {"^"}
    if column < len(text):
        assert width(carets) <= width(shown) + 1


def test_a_long_query_is_cut_around_the_mistake():
    """Of a query that is wider than the terminal the part with the mistake is shown."""
    shown, carets = at("x" * 200 + " near:Kyvi " + "y" * 200, 201, 9, 60)
    start = carets.index("^")
    assert shown[start : start + 9] == "near:Kyvi"
    assert shown.startswith("  …x")
    assert shown.endswith("y…")
