"""Words and options as one query: what is sent, and that the daemon reads it as it was meant."""

from __future__ import annotations

import os
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kadr.arguments import parse
from kadr.asking import query
from kadr.protocol.errors import Usage
from kadr.wording import EITHER, worded


def said(*argv: str) -> str:
    asked = parse(argv)
    return query(asked, asked.operands)


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["red car"], "red car"),
        (["camera:Canon red car"], "camera:Canon red car"),
        (["beach", "camera:Canon EOS 5D"], 'beach camera:"Canon EOS 5D"'),
        (["пляж", "-камера:Canon EOS 5D"], 'пляж -камера:"Canon EOS 5D"'),
        (["beach", "Re: my trip"], "beach Re: my trip"),
        (["beach", 'tag:"a b" c'], 'beach tag:"a b" c'),
        (["beach", "--camera", "Canon EOS 5D"], 'beach camera:"Canon EOS 5D"'),
        (["--camera", 'a "b" \\'], 'camera:"a \\"b\\" \\\\"'),
        (["cat", "-e.jpg", "-e", "png"], 'cat (ext:"jpg" OR ext:"png")'),
        (["cat", "-E", "*~", "-E", "*.tmp"], 'cat -name:"*~" -name:"*.tmp"'),
        (["cat", "--exclude-dir", "old"], 'cat -folder:"old"'),
        (["--tag", "a", "--tag", "b"], 'tag:"a" tag:"b"'),
        (["-S", "+1M", "-S", "-5M"], 'size:"+1M" size:"-5M"'),
        (["--changed-within", "2weeks"], 'changed:"2weeks"'),
        (["--changed-before", "2weeks"], '-changed:"2weeks"'),
        (["--changed-within", "2024-06"], 'changed:"2024-06.."'),
        (["--changed-before", "2024"], '-changed:"2024.."'),
        (["--changed", "2024"], 'changed:"2024"'),
        (["beach", "-s", "people", "-a", "sun", "-e", "jpg"], 'beach - people + sun ext:"jpg"'),
        (["-a", "./my cat.jpg", "dog"], 'dog + "./my cat.jpg"'),
        (["dog", "2:/p/my cat.jpg"], 'dog 2:"/p/my cat.jpg"'),
        (["tag:a OR tag:b", "-e", "jpg"], 'tag:a ext:"jpg" OR tag:b ext:"jpg"'),
        (["tag:a|tag:b", "-e", "jpg"], 'tag:a ext:"jpg" |tag:b ext:"jpg"'),
        (["тег:лето", "ИЛИ", "тег:море", "-e", "jpg"], 'тег:лето ext:"jpg" ИЛИ тег:море ext:"jpg"'),
        (["tag:a", 'name:"this OR that"', "-e", "jpg"], 'tag:a name:"this OR that" ext:"jpg"'),
        (["more OR", "less"], "more OR less"),
    ],
)
def test_one_line(argv, text):
    """Words stay as they are, each option becomes what the query language has for it, values stay together."""
    assert said(*argv) == text


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("camera:Canon EOS 5D", 'camera:"Canon EOS 5D"'),
        ("-camera:Canon EOS 5D", '-camera:"Canon EOS 5D"'),
        ("камера:Зенит ЕТ", 'камера:"Зенит ЕТ"'),
        ("near:New York,20km", 'near:"New York,20km"'),
        ("person:Olena Kovalenko", 'person:"Olena Kovalenko"'),
        ("taken:last year", 'taken:"last year"'),
        ("снято:прошлая неделя", 'снято:"прошлая неделя"'),
        ("taken:summer weekend", 'taken:"summer weekend"'),
        ("taken:summer 2019", 'taken:"summer 2019"'),
        ("taken:2019 2020", "taken:2019 2020"),
        ("sunset camera:canon iso:>800", "sunset camera:canon iso:>800"),
        ("camera:canon iso:>800", "camera:canon iso:>800"),
        ("place:Ukraine mountains", "place:Ukraine mountains"),
        ("in:~/Pictures dog", "in:~/Pictures dog"),
        ("focal:>=200mm Bird", "focal:>=200mm Bird"),
        ("tag:a OR tag:b", "tag:a OR tag:b"),
        ("camera:Canon OR", "camera:Canon OR"),
        ("camera:Canon -Nikon", "camera:Canon -Nikon"),
        ("taken:2023 Beach", "taken:2023 Beach"),
        ("Re: Zero", "Re: Zero"),
    ],
)
def test_one_word_of_the_command_line(word, text):
    """A single word that is a filter with a name behind it is that filter; one that begins with a filter and goes on is a query."""
    assert said(word) == text


def test_a_folder_with_a_blank_in_its_name(tmp_path, monkeypatch):
    """A single word that is in: and a folder that exists is that folder, in whatever letters."""
    monkeypatch.chdir(tmp_path)
    assert said("in:my pictures") == "in:my pictures"
    (tmp_path / "my pictures").mkdir()
    assert said("in:my pictures") == 'in:"my pictures"'
    assert said(f"in:{tmp_path}/my pictures") == f'in:"{tmp_path}/my pictures"'


def test_a_file_with_a_blank_in_its_name(tmp_path, monkeypatch):
    """A single word that names a picture is the picture, and not two words."""
    monkeypatch.chdir(tmp_path)
    assert said("./my cat.jpg") == "./my cat.jpg"
    (tmp_path / "my cat.jpg").touch()
    assert said("./my cat.jpg") == '"./my cat.jpg"'


@given(st.text(min_size=1).filter(lambda text: text.isprintable() or "\n" in text))
def test_any_value_arrives(value):
    """Whatever stands in a value, quotes and backslashes too, the daemon's parser reads it as it was typed."""
    from kadrd.query.tokens import tokens

    try:
        value.encode()
    except UnicodeEncodeError:
        return
    first, end = tokens(worded([], [("camera", value)], whole=False))
    assert (first.kind, first.prefix.name, first.text, end.kind) == ("filter", "camera", value, "end")


def test_options_hold_for_every_alternative():
    """A filter among the options narrows all of a query with OR, in parentheses and under a minus as well."""
    from kadrd.query.expression import World
    from kadrd.query.parse import parse as read

    def holds(expression, facts):
        kind = type(expression).__name__
        if kind == "Not":
            return not holds(expression.part, facts)
        if kind in {"And", "Or"}:
            return (all if kind == "And" else any)(holds(part, facts) for part in expression.parts)
        return (expression.name, expression.value) in facts

    world = World(datetime(2026, 1, 1))  # noqa: DTZ001 - the clock on the wall
    known = [("tag", "a"), ("tag", "b"), ("ext", "jpg")]
    for typed, wanted in (
        ("tag:a OR tag:b", lambda a, b: a or b),
        ("(tag:a OR tag:b)", lambda a, b: a or b),
        ("-(tag:a OR tag:b)", lambda a, b: not (a or b)),
        ("-(tag:a OR -tag:b) | tag:a", lambda a, b: (not (a or not b)) or a),
    ):
        expression = read(said(typed, "-e", "jpg"), world).filters
        for bits in range(8):
            facts = {fact for number, fact in enumerate(known) if bits >> number & 1}
            a, b, jpg = (fact in facts for fact in known)
            assert holds(expression, facts) == (jpg and wanted(a, b)), (typed, facts)


def test_either_names_filters():
    """Every filter of which either value will do is one of the language."""
    from kadr.protocol.prefixes import PREFIXES

    assert {row.name for row in PREFIXES} >= EITHER


def test_broken_bytes_in_an_option():
    """A value that is no UTF-8 is the user's to put right."""
    with pytest.raises(Usage, match="not UTF-8"):
        said("cat", "--name", os.fsdecode(b"caf\xe9"))


def test_options_need_a_daemon_that_filters(answered, kadr):
    """A filter among the options asks for the capability, so that an older daemon does not take it for words."""
    daemon = answered("search", b"/a")
    kadr("cat", "--camera", "Canon")
    assert daemon.hellos[0]["require"] == ["filters", "search"]
    assert daemon.requests[0].text == 'cat camera:"Canon"'


def test_similar_with_filters(answered, kadr):
    """Options narrow similar pictures, too."""
    daemon = answered("similar", b"/a")
    assert kadr("similar", "/x.jpg", "--tag", "a", "--sort", "date").code == 0
    assert (daemon.requests[0].path, daemon.requests[0].text, daemon.requests[0].sort) == (
        b"/x.jpg",
        'tag:"a"',
        "date",
    )
