"""The built-in model's tokenizer: three languages, one spelling, the end last."""

import pytest

from kadrd.learn import tokens

TEXTS = ["a dog runs", "собака бежит по траве", "собака біжить", "м'яч", "ель"] * 20


@pytest.fixture(scope="module")
def tokenizer():
    return tokens.learn(TEXTS, vocabulary=200, context=8)


def test_a_row_begins_with_start_and_ends_with_the_highest_id(tokenizer):
    """The text tower reads its vector where the id is greatest: that must be the end."""
    ids = tokenizer.encode("a dog").ids
    assert ids[0] == tokenizer.token_to_id(tokens.START)
    assert ids[-1] == tokenizer.get_vocab_size() - 1 == max(ids)


def test_a_long_text_is_cut_and_keeps_its_end(tokenizer):
    """However long the text, the row has the context's length at most and ends with the end."""
    ids = tokenizer.encode("собака " * 50).ids
    assert len(ids) == 8
    assert ids[-1] == tokenizer.get_vocab_size() - 1


@pytest.mark.parametrize(
    ("one", "other"),
    [("Ёль", "ель"), ("М\u2019яч", "м'яч"), ("A  DOG!", "a dog"), ("dog-a", "dog a")],
)
def test_what_people_type_in_several_ways_is_one_row(tokenizer, one, other):
    """Case, the letter ё, apostrophes, spaces and punctuation make no difference."""
    assert tokenizer.encode(one).ids == tokenizer.encode(other).ids


def test_the_file_gives_the_same_rows(tokenizer, tmp_path):
    """What is saved is what was learned, padding being id 0."""
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    again = tokens.load(tmp_path / "tokenizer.json")
    assert again.encode("собака біжить").ids == tokenizer.encode("собака біжить").ids
    assert again.token_to_id(tokens.PAD) == 0
