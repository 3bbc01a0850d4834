"""What is said of pictures: names, shortened captions, word-by-word translations."""

import random
from pathlib import Path

import pytest

from kadrd.learn.corpus import LANGUAGES, Example
from kadrd.learn.texts import Words, lookup, pseudo, read_words, say, shorten

LEXICON = {
    "dog": {"en": ("dog",), "ru": ("собака", "пёс"), "uk": ("собака",)},
    "run": {"en": ("run",), "ru": ("бежит",), "uk": ("біжить",)},
    "hot dog": {"en": ("hot dog",), "ru": ("сосиска в тесте",), "uk": ("хот-дог",)},
    "hot": {"en": ("hot",), "ru": ("горячий",), "uk": ("гарячий",)},
}
ANT = {"en": ("ant", "insect"), "ru": ("муравей",), "uk": ("мураха",)}
WORDS = Words({"caltech:ant": ANT}, LEXICON, {"n01": "7"})


def test_a_caption_is_translated_word_by_word():
    """Known words come in their order in any of their forms; unknown ones and articles are left out."""
    for seed in range(20):
        said = pseudo("A dog runs zzz", LEXICON, "ru", random.Random(seed), keep=1)
        assert said in ("собака бежит", "пёс бежит")


def test_two_words_with_a_meaning_of_their_own_go_first():
    """A hot dog is not a warm animal."""
    assert pseudo("a hot dog", LEXICON, "uk", random.Random(1), keep=1) == "хот-дог"


def test_words_are_dropped_by_chance_and_repeatably():
    """The same seed says the same, and with nothing kept nothing is said."""
    said = [pseudo("dog dog dog dog dog", LEXICON, "ru", random.Random(3), keep=0.5) for _ in range(2)]
    assert said[0] == said[1]
    assert len(said[0].split()) < 5
    assert pseudo("a dog", LEXICON, "ru", random.Random(1), keep=0) == ""


@pytest.mark.parametrize("word", ["dogs", "run", "running", "runs"])
def test_forms_of_a_word_find_its_entry(word):
    """Plural and continuous forms are looked up by their plain form."""
    assert lookup(word, LEXICON)


def test_a_short_caption_keeps_only_words_that_can_be_seen():
    """Articles go; a caption is never shortened to nothing."""
    assert shorten("A dog is on the grass", random.Random(1), keep=0) == "dog on grass"
    assert set(shorten("A dog is on the grass", random.Random(1)).split()) <= {"dog", "on", "grass"}


def test_a_labelled_picture_is_called_by_a_name_of_its_label():
    """The name that was used comes back beside the text, so that negatives can spare it."""
    for seed in range(20):
        text, name = say(
            Example(Path("a"), "made", "caltech:ant"), "caltech:ant", WORDS, "en", random.Random(seed)
        )
        assert name in ANT["en"]
        assert name in text


def test_where_nothing_can_be_said_nothing_is_said():
    """A picture without captions and with an unknown label gives an empty text."""
    assert say(Example(Path("a"), "made", ""), "", WORDS, "ru", random.Random(1)) == ("", "")


def test_labels_become_concepts():
    """WordNet ids go by their ImageNet number; a label without a concept is empty."""
    assert WORDS.key("caltech:ant") == "caltech:ant"
    assert WORDS.key("wordnet:n01") == ""
    assert WORDS.key("wordnet:n99") == ""


def test_our_own_words_are_whole():
    """Every concept has a name in each language, and every WordNet id leads to a concept."""
    words = read_words()
    assert [key for key, names in words.names.items() if not all(names[lang] for lang in LANGUAGES)] == []
    assert [wnid for wnid in words.wordnet if not words.key(f"wordnet:{wnid}")] == []
