"""The words that may become tags: ours, and those of files that users make."""

import re

import pytest

from kadrd.tag.vocabulary import (
    BREAKING,
    LANGUAGES,
    LONGEST,
    BadVocabulary,
    beside,
    builtin,
    parse,
    phrases,
    read,
)

ALPHABETS = {
    "en": r"[a-z -]+|children's [a-z]+",
    "ru": r"[а-яё-]+( [а-яё-]+)*|qr-код",
    "uk": r"[а-щьюяєіїґ'-]+( [а-щьюяєіїґ'-]+)*|qr-код",
}


def names(vocabulary):
    return [word.name for word in vocabulary.words]


def above(vocabulary, name):
    number = vocabulary.parents[names(vocabulary).index(name)]
    return vocabulary.words[number].name if number >= 0 else ""


def test_there_are_enough_words():
    """A thousand everyday words and more can be written."""
    assert builtin().count >= 1400


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_are_spelled_in_their_alphabet(language):
    """Every word is written in the letters of its language, and no two words are written alike."""
    spelled = [word.names([language])[0] for word in builtin().words]
    assert [text for text in spelled if not re.fullmatch(ALPHABETS[language], text)] == []
    assert len(set(spelled)) == len(spelled)


def test_no_word_breaks_a_tag():
    """No program that reads tags breaks one of our words, and all fit into IPTC."""
    for word in builtin().words:
        for text in (word.name, *word.spoken, *word.also):
            assert text == text.strip()
            assert not set(text) & set(BREAKING)
            assert len(text) <= LONGEST


@pytest.mark.parametrize(
    "hurtful",
    ["animal", "monkey", "gorilla", "wheelchair", "headscarf", "naked person", "kissing", "soldier"],
)
def test_what_may_hurt_is_never_written(hurtful):
    """Words that could hurt somebody are known, so that nothing else stands in their place, and not written."""
    assert names(builtin()).index(hurtful) >= builtin().count


def test_a_word_is_written_in_the_languages_asked_for():
    """A tag comes in each language asked for, and once where two spell it alike."""
    vocabulary = parse("en\tru\tuk\ndog\tсобака\tсобака\n".encode(), "words")
    assert vocabulary.words[0].names(["ru", "uk"]) == ("собака",)
    assert vocabulary.words[0].names(["uk", "en"]) == ("собака", "dog")


def test_a_list_may_have_one_word_a_line(tmp_path):
    """A file with a word a line is enough, in any language, with comments, empty lines, a byte order mark and any line ends."""
    file = tmp_path / "words.txt"
    file.write_bytes("\ufeff# mine\r\nмоя дача\r\n\r\nHolzhaus \n".encode())
    vocabulary = read(file)
    assert [word.names(["en", "ru"]) for word in vocabulary.words] == [("моя дача",), ("Holzhaus",)]


def test_columns_may_be_missing():
    """A table may end early, and a word without a translation is written in English."""
    vocabulary = parse("en\tru\tuk\tparent\ncat\t\tкішка\tpet\npet\n".encode(), "words")
    assert vocabulary.words[0].names(["ru", "uk"]) == ("cat", "кішка")
    assert above(vocabulary, "cat") == "pet"


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("dog\na, b", 2, "break the tag"),
        ("dog\nsemi;colon", 2, "break the tag"),
        ('dog\n"cat"', 2, "break the tag"),
        ("dog\nzero\u200bwidth", 2, "invisible"),
        ("dog\n\ndog", 3, "repeats 'dog' of line 1"),
        ("dog\tсобака", 1, "2 columns instead of 1"),
        (f"dog\n{'x' * 65}", 2, "65 characters"),
        ("en\tde\ndog\tHund", 1, "names other columns than en, ru"),
        ("en\tru\n\tсобака", 2, "no word"),
        ("en\tru\tuk\tparent\ndog\t\t\tpet", 2, "parent 'pet', which is no word"),
        ("en\tru\tuk\tparent\ndog\t\t\tpet\npet\t\t\tdog", 2, "a kind of itself"),
    ],
)
def test_a_bad_line_is_named(text, line, why):
    """What is wrong with a file is said with its line."""
    with pytest.raises(BadVocabulary, match=re.escape(f"line {line} of mine.tsv")) as refused:
        parse(text.encode(), "mine.tsv")
    assert why in str(refused.value)


def test_other_encodings_are_refused():
    """A file that is no UTF-8 is refused with the line, not read as garbage."""
    with pytest.raises(BadVocabulary, match="line 2 of mine is not UTF-8"):
        parse(b"dog\n" + "кот".encode("cp1251"), "mine")


@pytest.mark.parametrize("text", ["", "# nothing\n", "en\tru\n"])
def test_a_file_without_words_is_refused(text):
    """A file without words is no vocabulary."""
    with pytest.raises(BadVocabulary, match="has 0 words"):
        parse(text.encode(), "mine")


def test_a_missing_file_is_named(tmp_path):
    """A file that cannot be read is named with the reason."""
    with pytest.raises(BadVocabulary, match=r"no\.tsv cannot be read: No such file"):
        read(tmp_path / "no.tsv")


def test_the_digest_follows_the_words():
    """Other words, or the same beside others, are another vocabulary; the same words are the same one."""
    one, other = parse(b"dog", "x"), parse(b"cat", "x")
    assert parse(b"dog", "y").digest == one.digest
    assert (
        len({one.digest, other.digest, beside(one, builtin()).digest, beside(other, builtin()).digest}) == 4
    )


def test_our_words_stand_beside_a_users():
    """All of our words that a user's list lacks are rivals, and only the user's are written."""
    both = beside(parse(b"dog\nmy boat\n", "mine"), builtin())
    assert names(both)[: both.count] == ["dog", "my boat"]
    assert set(names(both)) == set(names(builtin())) | {"my boat"}
    assert len(both.words) == len(builtin().words) + 1


def test_a_known_word_borrows_translations():
    """A word that ours know in any language or by another name is asked in English too, and written as the user has it."""
    both = beside(parse("Собака\nautomobile\n".encode(), "mine"), builtin())
    assert phrases(both, ["en"])[:2] == ["a dog", "a car"]
    assert [word.names(["en", "uk"]) for word in both.words[:2]] == [("Собака",), ("automobile",)]
    assert "dog" not in names(both)


def test_a_known_word_keeps_its_place_in_the_tree():
    """What ours have below a word counts for the user's, so that a puppy is a собака too."""
    both = beside(parse("собака\n".encode(), "mine"), builtin())
    assert above(both, "puppy") == "собака"
    assert above(both, "собака") == "animal"


def test_a_users_own_tree_holds():
    """A user's table keeps its own parents and translations."""
    table = "en\tru\tuk\tparent\ndog\tпёсик\t\tfriend\nfriend\n"
    both = beside(parse(table.encode(), "mine"), builtin())
    assert above(both, "dog") == "friend"
    assert both.words[0].names(["ru"]) == ("пёсик",)
    assert above(both, "puppy") == "dog"


@pytest.mark.parametrize(
    ("languages", "asked"),
    [
        (("en",), ["a dog", "my boat"]),
        (("de",), ["a dog", "my boat"]),
        (("uk", "en"), ["a dog", "my boat", "собака", "my boat"]),
        (("mul",), ["a dog", "my boat", "собака", "my boat", "собака", "my boat"]),
    ],
)
def test_a_model_is_asked_in_its_languages(languages, asked):
    """Words are asked in all languages that a model and kadr speak, and in English else."""
    vocabulary = parse("en\tru\tuk\ndog\tсобака\tсобака\nmy boat\n".encode(), "words")
    said = phrases(vocabulary, languages)
    assert [text.removeprefix("a ") for text in said] == [text.removeprefix("a ") for text in asked]
