"""Files as hits: what they tell, their order, and those that belong together."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from kadrd.query import rank
from kadrd.query.rank import NO_DAY, NO_PLACE, Ranked
from kadrd.store.facts import Kind
from kadrd.store.selection import Shown

NUMBERS = itertools.count(1)


def shown(path, **more):
    told = {
        "date": 0, "size": 9, "taken": None, "taken_offset": None, "make": "", "model": "", "city": "", "region": "", "country": "",
    } | more  # fmt: skip
    return Shown(next(NUMBERS), 1, path, "k", 4, 3, **told)


def paths(ranked):
    return [one.file.path for one in ranked]


def ordered(ranked, how):
    return sorted(ranked, key=rank.SORTED[how])


def test_best_first_ties_by_path():
    """Files come by score, those of equal score by path."""
    given_ = [Ranked(shown(path), score, {}) for path, score in ((b"b", 0.5), (b"z", 0.9), (b"a", 0.5))]
    assert paths(ordered(given_, "score")) == [b"z", b"a", b"b"]


def test_newest_first():
    """By date the newest comes first, by name the order is that of the alphabet."""
    given_ = [Ranked(shown(path, date=date), 0.5, {}) for path, date in ((b"b", 5), (b"c", 9), (b"a", 5))]
    assert paths(ordered(given_, "date")) == [b"c", b"a", b"b"]
    assert paths(ordered(given_, "name")) == [b"a", b"b", b"c"]


def test_a_hit_tells_what_is_known():
    """Date with its offset, place without doubles, the camera as people call it, and labels that are no persons."""
    file = shown(
        b"/a.jpg", taken=1_717_245_000, taken_offset=-90, make="NIKON CORPORATION", model="NIKON D70",
        city="Kyiv", region="Kyiv", country="Ukraine",
    )  # fmt: skip
    labels = {
        file.file_id: [
            (Kind.TAG, "sea"),
            (Kind.KEYWORD, "sea"),
            (Kind.KEYWORD, "Family"),
            (Kind.PERSON, "Олена"),
        ]
    }
    (hit,) = rank.hits([Ranked(file, 0.1235, {"words": 2})], labels, {file.file_id: "g"}, explain=True)
    assert hit.taken == "2024-06-01T12:30:00-01:30"
    assert (hit.place, hit.camera, hit.tags) == ("Kyiv, Ukraine", "NIKON D70", ["sea", "Family"])
    assert (hit.score, hit.group, hit.why) == (0.1235, "g", {"words": 2})
    (plain,) = rank.hits([Ranked(file, 0.5, {"words": 2})], {}, {}, explain=False)
    assert (plain.why, plain.tags, plain.group) == ({}, [], "")


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.floats(-1, 1)), max_size=40))
def test_groups_stand_together(given_):
    """Groups follow the order of their best file, and nothing in them changes its order."""
    ranked = [Ranked(shown(b"%d" % number), score, {}) for number, (_, score) in enumerate(given_)]
    groups = {one.file.file_id: name for one, (name, _) in zip(ranked, given_, strict=True)}
    found = rank.together(ranked, groups)
    names = [groups[one.file.file_id] for one in found]
    assert [name for name, _ in itertools.groupby(names)] == list(dict.fromkeys(groups.values()))
    for name in set(names):
        assert [one for one in found if groups[one.file.file_id] == name] == [
            one for one in ranked if groups[one.file.file_id] == name
        ]


def test_days_and_places():
    """A day is the camera's own; who says no date or no place stands in a group that says so."""
    evening = shown(b"a", taken=86_399, taken_offset=600, city="Lviv", country="Ukraine")
    silent = shown(b"b")
    assert rank.days([evening, silent]) == {evening.file_id: "1970-01-01", silent.file_id: NO_DAY}
    assert rank.places([evening, silent]) == {evening.file_id: "Lviv, Ukraine", silent.file_id: NO_PLACE}
