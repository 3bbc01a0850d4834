"""What pictures show and what is written of them become one order, in which each can only help."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kadrd.query.fuse import fuse, strength

SCORES = st.dictionaries(st.integers(1, 20), st.floats(0, 1), max_size=20)
MATCHES = st.dictionaries(st.integers(1, 20), st.floats(0, 30), max_size=20)
SEEN = [(1, 0.9), (2, 0.5), (3, 0.1)]


def test_by_meaning_hears_no_words():
    """Asked by meaning, files come by what they show alone."""
    assert fuse(SEEN, [(3, 9.0), (4, 9.0)], "meaning") == SEEN


def test_by_words_sees_nothing():
    """Asked by words, only files whose words match come, the best match first."""
    assert [file for file, _ in fuse(SEEN, [(3, 2.0), (4, 5.0)], "words")] == [4, 3]


def test_without_a_match_nothing_changes():
    """Where no words match, both is by meaning, scores and all."""
    assert fuse(SEEN, [], "both") == SEEN


def test_a_name_goes_before_looks():
    """Whoever is tagged with the name that was asked comes before who only looks so."""
    tagged = [(3, 4.0), (7, 4.0)]  # bm25 of a tag on every fifth picture of a thousand
    assert [file for file, _ in fuse([(1, 0.7), (2, 0.5), (3, 0.1)], tagged, "both")][:2] == [3, 7]


def test_a_word_of_every_file_says_nothing():
    """A word that stands in most files (bm25 nearly 0) moves no file past another."""
    assert [file for file, _ in fuse(SEEN, [(3, 1e-6), (2, 2e-6)], "both", asked=5)] == [1, 2, 3]


def test_equal_files_by_their_words_then_as_they_came():
    """Of files that are worth the same, the one whose words match better comes first; equal ones keep their order."""
    assert [file for file, _ in fuse([], [(5, 1e-20), (4, 2e-20), (3, 1e-20)], "both")] == [4, 5, 3]


def test_one_word_of_many_weighs_less():
    """The same match says less, the more words were asked for."""
    assert strength(3.0, 1) > strength(3.0, 2) > strength(3.0, 8) > 0


@given(SCORES, MATCHES, st.sampled_from(["both", "meaning", "words"]), st.integers(0, 9))
def test_scores_and_order_agree(seen, matches, by, asked):
    """Every file comes once, scores are from 0 to 1 and fall, and words never make a file worth less than its looks."""
    found = fuse(list(seen.items()), list(matches.items()), by, asked)
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    wanted = {"both": seen.keys() | matches.keys(), "meaning": seen.keys(), "words": matches.keys()}
    assert sorted(file for file, _ in found) == sorted(wanted[by])
    if by == "both":
        assert all(score >= seen.get(file, 0) - 1e-9 for file, score in found)


@pytest.mark.parametrize("match", [-1.0, 0.0])
def test_a_match_of_nothing(match):
    """What does not match, or less than that, is no reason for anything."""
    assert strength(match, 1) == 0
