"""Others' part of a value stays as it was written, whatever it is."""

import plistlib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kadrd.tag.listing import Commas, Damaged, Plist

OURS = st.lists(st.sampled_from(["beach", "sea", "red car", "дача"]), max_size=3, unique=True)
NAMES = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), max_size=4)


@given(st.none() | st.binary(min_size=1, max_size=60), OURS)
def test_any_words_stay(value, ours):
    """Whatever bytes stand there, ours go behind them and are cut off again."""
    assume(not set(ours) & set(Commas().split(value)))
    assert Commas().without(Commas().behind(value, ours), ours) == value


@given(st.text(max_size=60), OURS)
def test_ours_are_read_behind_others(text, ours):
    """The tags of a value with ours are those of before, and ours."""
    value = text.encode("utf-8", "replace") or None
    assert Commas().split(Commas().behind(value, ours)) == (*Commas().split(value), *ours)


def test_ours_are_found_wherever_others_put_them():
    """Another program may have sorted the tags, or written spaces between: only ours go."""
    assert Commas().without(b"beach, mine , sea,b", ["beach", "sea"]) == b" mine ,b"


@given(NAMES, OURS)
def test_colours_of_the_finder_stay(names, ours):
    """On macOS names keep the line with their colour, and ours are read behind them."""
    before = [
        f"{name}\n{number}"
        for number, name in enumerate(names)
        if name.partition("\n")[0].strip() not in ours
    ]
    value = plistlib.dumps(before, fmt=plistlib.FMT_BINARY) if before else None
    both = Plist().behind(value, ours)
    assert Plist().split(both) == (*Plist().split(value), *ours)
    left = Plist().without(both, ours)
    assert (plistlib.loads(left) if left else []) == before


def test_no_list_is_left():
    """Without any tag there is no attribute: an empty list would be one."""
    assert Plist().without(Plist().behind(None, ["sea"]), ["sea"]) is None


def test_a_list_as_xml_is_read():
    """People write property lists by hand, as XML."""
    value = plistlib.dumps(["sea", "Red\n6"], fmt=plistlib.FMT_XML)
    assert Plist().split(value) == ("sea", "Red")
    assert plistlib.loads(Plist().without(value, ["sea"])) == ["Red\n6"]


@pytest.mark.parametrize("found", ["sea", {"a": "sea"}, ["sea", 7], [["sea"]]])
def test_another_thing_is_said(found):
    """What is no list of names is not taken for an empty one, which would lose it."""
    value = plistlib.dumps(found, fmt=plistlib.FMT_BINARY)
    for asked in (Plist().split, lambda it: Plist().behind(it, ["a"]), lambda it: Plist().without(it, ["a"])):
        with pytest.raises(Damaged):
            asked(value)


def test_damage_is_said():
    """A list with any byte missing or changed is read, or said to be damaged: no other error."""
    value = plistlib.dumps(["Red\n6", "sea"], fmt=plistlib.FMT_BINARY)
    damaged = 0
    for at in range(len(value)):
        for bad in (value[:at], value[:at] + bytes((value[at] ^ 0xFF,)) + value[at + 1 :]):
            try:
                Plist().split(bad)
            except Damaged:
                damaged += 1
    assert damaged > len(value)


def test_no_bomb():
    """XML that grows when it is read is refused."""
    lines = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 9 if n else "lol"}">' for n in range(9))
    value = f'<?xml version="1.0"?><!DOCTYPE plist [{lines}]><plist version="1.0"><array><string>&a8;</string></array></plist>'
    with pytest.raises(Damaged):
        Plist().split(value.encode())
