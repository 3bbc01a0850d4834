"""Nobody's tag is lost, and what was taken away stays away, whatever happens in whatever order."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kadrd.tag.merge import MOST_BYTES, MOST_TAGS, fit, key, merge, standing

# Few enough that they meet, in two cases and in two ways of composing й.
TAGS = st.sampled_from(["a", "A", "b", "B", "c", "d", "red car", "й", "и\u0306", "Й", "straße", "STRASSE"])
LISTS = st.lists(TAGS, max_size=6, unique=True)


def keys(tags):
    return [key(tag) for tag in tags]


def composed(tags):
    return [unicodedata.normalize("NFC", tag) for tag in tags]


@given(LISTS, LISTS, LISTS, LISTS)
def test_others_tags_stay(current, base, suppressed, wanted):
    """Every tag that is not ours stays, in its order and spelling, before ours; ours repeats none of them, nor itself."""
    merged = merge(current, base, suppressed, wanted)
    assert merged.theirs == tuple(tag for tag in current if not set(composed([tag])) & set(composed(base)))
    assert merged.tags == merged.theirs + merged.ours
    assert not set(keys(merged.ours)) & set(keys(merged.theirs))
    assert len(set(keys(merged.ours))) == len(merged.ours)


@given(LISTS, LISTS, LISTS, LISTS)
def test_a_second_merge_changes_nothing(current, base, suppressed, wanted):
    """What was merged once stays as it is."""
    once = merge(current, base, suppressed, wanted)
    assert merge(once.tags, once.ours, once.suppressed, wanted) == once


@given(LISTS, LISTS, LISTS)
def test_everything_wanted_is_there(current, suppressed, wanted):
    """What is wanted stands there afterwards, by us or by somebody else, unless it was taken away once."""
    merged = merge(current, (), suppressed, wanted)
    assert set(keys(wanted)) <= {*keys(merged.tags), *keys(suppressed)}


@given(LISTS, LISTS, LISTS, st.data())
def test_what_was_taken_away_never_comes_back(theirs, wanted, later, data):
    """A tag of ours that somebody took away is not written again, however often and in whatever spelling it is wanted."""
    merged = merge(theirs, (), (), wanted)
    gone = data.draw(st.sets(st.sampled_from(merged.ours))) if merged.ours else set()
    again = merge([tag for tag in merged.tags if tag not in gone], merged.ours, (), wanted)
    for _ in range(2):
        assert not set(keys(gone)) & set(keys(again.ours))
        again = merge(again.tags, again.ours, again.suppressed, [*later, *(tag.upper() for tag in wanted)])


@given(LISTS, LISTS)
def test_wanting_nothing_gives_back_what_was(theirs, wanted):
    """Taking ours away leaves others' tags as they were."""
    merged = merge(theirs, (), (), wanted)
    assert merge(merged.tags, merged.ours, (), ()).tags == tuple(theirs)


@given(
    st.lists(
        st.tuples(st.sampled_from(["add", "drop", "first"]), TAGS) | st.tuples(st.just("ours"), LISTS),
        max_size=20,
    )
)
def test_whoever_writes_in_between(steps):
    """Between our writes somebody adds, drops and sorts tags: theirs stand as they left them, and of ours none that they dropped."""
    there, ours, suppressed, dropped = [], (), (), set()
    for what, tags in steps:
        if what == "add" and tags not in there:
            there.append(tags)
        elif what == "drop" and tags in there:
            there.remove(tags)
        elif what == "first" and tags in there:
            there.sort(key=lambda tag, first=tags: tag != first)
        elif what == "ours":
            dropped |= {key(tag) for tag in ours if tag not in composed(there)}
            theirs = [tag for tag in there if composed([tag])[0] not in ours]
            merged = merge(there, ours, suppressed, tags)
            assert list(merged.theirs) == theirs
            assert not set(keys(merged.ours)) & dropped
            there, ours, suppressed = list(merged.tags), merged.ours, merged.suppressed


def test_a_write_that_was_broken_off_suppresses_nothing():
    """What is missing after a kill in the middle of our write was taken away by nobody, unless it stood there all the time."""
    merged = merge(["mine"], ["beach", "dog"], (), ["beach", "dog"], stood=["dog"])
    assert merged == (("mine",), ("beach",), ("dog",))


def test_a_tag_of_both_is_the_users():
    """We do not claim what somebody wrote already, in whatever case: untagging would take it from them."""
    assert merge(["Beach"], (), (), ["beach"]) == (("Beach",), (), ())


def test_who_spells_ours_anew_owns_it():
    """A tag of ours that somebody spelled in their own way is theirs from then on, and does not come back when they drop it."""
    merged = merge(["Beach"], ["beach"], (), ["beach"])
    assert merged == (("Beach",), (), ("beach",))
    assert merge([], merged.ours, merged.suppressed, ["beach"]).tags == ()


def test_standing_is_by_spelling():
    """Ours is what is spelled as we wrote it, however its letters are composed."""
    assert standing(["и\u0306", "Й", "sea"], ["й"]) == ("и\u0306",)


# What may be written


def localsearch(tags):
    """LocalSearch's keywords, by what is documented of it: joined, split at commas and semicolons, one space and one pair of double
    quotes stripped.
    """
    parts = (part.removeprefix(" ").removesuffix(" ") for part in re.split("[,;]", ", ".join(tags)))
    return [part[1:-1] if len(part) > 1 and part[0] == part[-1] == '"' else part for part in parts if part]


@given(st.lists(st.text(max_size=80) | st.text('a,;" \n\0\u202e', max_size=5), max_size=8))
def test_what_readers_would_split_is_not_written(tags):
    """Of any text only tags are left that every reader takes for one, and that look as they are."""
    kept = fit(tags)
    assert localsearch(kept) == list(kept)
    for tag in kept:
        assert tag == " ".join(tag.split())
        assert len(tag.encode()) <= MOST_BYTES
        assert not {unicodedata.bidirectional(mark) for mark in tag} & {
            "LRE",
            "RLE",
            "LRO",
            "RLO",
            "PDF",
            "LRI",
            "RLI",
            "FSI",
            "PDI",
        }
        assert not {unicodedata.category(mark) for mark in tag} & {"Cc", "Cs", "Zl", "Zp"}


@pytest.mark.parametrize(
    "tag", ["summer 2024", "дача", "auto/beach", "café", "👨\u200d👩\u200d👧", "C++", "l'été", "東京"]
)
def test_ordinary_words_are_written(tag):
    """Words of any script, paths, apostrophes and families of emoji are tags."""
    assert fit([tag]) == (tag,)


def test_no_more_than_anybody_has_room_for():
    """A vocabulary without a threshold does not fill a file; the surest words come first and stay."""
    assert fit(map(str, range(1000))) == tuple(map(str, range(MOST_TAGS)))
