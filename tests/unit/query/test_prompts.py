"""Words are put to a model in sentences only where that helps it."""

import dataclasses

import pytest

from kadrd.embed.models import BUILTIN, read
from kadrd.query.prompts import TEMPLATES, ensemble, framed

MINI = read(BUILTIN / "mini")
ENGLISH = dataclasses.replace(
    MINI, name="english", source="open_clip:ViT-B-32-256/datacomp_s34b_b86k", languages=("en",)
)
MANY = dataclasses.replace(ENGLISH, name="multilingual", languages=("en", "ru", "uk", "mul"))


@pytest.mark.parametrize("text", ["dog", "собака", "a dog in the snow"])
def test_mini_is_asked_as_it_is(text):
    """The built-in model gets every text as it is: sentences do not help it."""
    assert ensemble(text, MINI) == [text]


def test_a_noun_is_put_to_clip_in_sentences():
    """A short English question to a published English model is asked in captions too, and as it is."""
    asked = ensemble("red car", ENGLISH)
    assert asked[0] == "red car"
    assert len(asked) == len(set(asked)) == len(TEMPLATES["en"])
    assert all("red car" in text for text in asked)


@pytest.mark.parametrize(
    ("text", "model"), [("a dog in the snow", ENGLISH), ("собака", ENGLISH), ("dog", MANY)]
)
def test_the_rest_is_asked_as_it_is(text, model):
    """Captions, other alphabets and models of many languages get the text as it is."""
    assert ensemble(text, model) == [text]


def test_braces_are_text():
    """What looks like a place to fill in stays what the user typed."""
    assert framed("{0}{}", "en")[0] == "{0}{}"
    assert framed("{name}", "uk") == ["{name}", "фото {name}", "на фото {name}"]
