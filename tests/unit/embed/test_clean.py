"""Text is cleaned as in training, by the standard library alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kadrd.embed.clean import CLEANERS, canonicalize, lower, whitespace


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("  Red\t\nBicycle ", "red bicycle"),
        ("\u201cquoted\u201d and grandma\u2019s", '"quoted" and grandma\'s'),
        ("salt &amp; pepper, &amp;amp; more", "salt & pepper, & more"),
        ("<b>&lt;</b>", "<b><</b>"),
        ("\ufb01sh and co\ufb00ee", "fish and coffee"),
        ("\uff23\uff21\uff34\u3000\uff11", "cat 1"),
        ("e\u0301te\u0301", "\u00e9t\u00e9"),
        ("a\x00b\x1b[31mc\ufeff", "abc"),
        ("КРАСНЫЙ Велосипед", "красный велосипед"),
    ],
)
def test_lower_cleans_as_clip_does(text: str, cleaned: str) -> None:
    """Spaces, quotes, entities, ligatures, wide letters, accents and control characters."""
    assert lower(text) == cleaned


def test_canonicalize_drops_punctuation() -> None:
    """SigLIP reads words only."""
    assert canonicalize("A red_bicycle, isn't it?") == "a red bicycle isnt it"


def test_whitespace_keeps_the_case() -> None:
    """Multilingual towers know capital letters."""
    assert whitespace(" A  Red\u00a0Cat ") == "A Red Cat"


@pytest.mark.parametrize("name", CLEANERS)
@given(text=st.text())
def test_any_text_can_be_cleaned(name: str, text: str) -> None:
    """Cleaning never fails and leaves single spaces between words."""
    cleaned = CLEANERS[name](text)
    assert cleaned == cleaned.strip()
    assert "  " not in cleaned
