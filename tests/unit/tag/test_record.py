"""The note of what is ours, and what it says when it is damaged, broken off, or another version's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kadrd.tag.merge import fit
from kadrd.tag.record import Newer, Record, Unreadable, read, written

TAGS = st.lists(st.text(max_size=9), max_size=4).map(fit)


@given(TAGS, TAGS, st.none() | TAGS)
def test_comes_back(ours, suppressed, coming):
    """What was written is read."""
    assert read(written(Record(ours, suppressed, coming))) == Record(ours, suppressed, coming)


@given(st.binary(max_size=60) | st.binary(max_size=20).map(b"kadr 1\n".__add__))
def test_any_bytes(value):
    """Bytes of somebody else are said to be none of ours; what is read says all that stands there."""
    try:
        found = read(value)
    except Unreadable:
        return
    assert set(written(found).split(b"\n")) >= {line for line in value.split(b"\n") if len(line) > 1}


@pytest.mark.parametrize(
    "value", [b"", b"kadr", b"kadr \n+sea", b"kadr 1\n!sea", b"kadr 1\nsea", b"\xff", "kadr ١".encode()]
)
def test_damage_is_no_empty_record(value):
    """What cannot be read is not taken for a record of nothing, since it would be overwritten then."""
    with pytest.raises(Unreadable) as raised:
        read(value)
    assert raised.type is Unreadable


def test_a_newer_one_is_said():
    """A record of a later version is told from damage, so that nobody overwrites it."""
    with pytest.raises(Newer):
        read(b"kadr 2\nsomething")


def test_the_first_version_is_read_for_ever():
    """A record that kadr wrote on a file in 2026 means the same for ever."""
    assert read("kadr 1\n+beach\n+дача\n-dog\n~beach\n~sea".encode()) == Record(
        ("beach", "дача"), ("dog",), ("beach", "sea")
    )


def test_what_certainly_stood_there():
    """While a write is broken off, only what was there before it and should be after it is known to have stood there."""
    record = Record(("beach", "dog"), (), ("dog", "sea"))
    assert record.base == ("beach", "dog", "sea")
    assert record.stood == ("dog",)
    assert Record(("beach",)).stood == ("beach",)


def test_ten_tags_fit_in_a_kilobyte():
    """Ten ordinary tags and their record take less than 1 KiB together, so that a small disk has room for them."""
    tags = (
        "mountain",
        "snow",
        "winter sports",
        "red car",
        "birthday cake",
        "набережная",
        "дерево",
        "кошка",
        "sunset",
        "children",
    )
    assert len(",".join(tags).encode()) + len(written(Record(tags, ("dog", "поезд")))) < 1024
