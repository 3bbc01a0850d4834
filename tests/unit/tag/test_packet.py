"""XMP packets of every shape: our tags go in and come out, and nothing of anybody else's is another byte."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kadrd.ingest import xmp
from kadrd.tag import packet
from kadrd.tag.merge import fit
from kadrd.tag.nodes import Unreadable
from kadrd.tag.packet import EMPTY, Change, Held

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
SUBJECT = "{http://purl.org/dc/elements/1.1/}subject"
KADR = f"{{{packet.NAMESPACE}}}"
TREES = (
    "{http://www.digikam.org/ns/1.0/}TagsList",
    "{http://ns.adobe.com/lightroom/1.0/}hierarchicalSubject",
)
NAMES = (
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
    'xmlns:digiKam="http://www.digikam.org/ns/1.0/" xmlns:lr="http://ns.adobe.com/lightroom/1.0/"'
)


def of(inner="", attributes="", padding="", head='<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'):
    return (
        f'{head}<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF[1:-1]}">'
        f'<rdf:Description rdf:about="" {NAMES} {attributes}>{inner}</rdf:Description>'
        f'</rdf:RDF></x:xmpmeta>{padding}<?xpacket end="w"?>'
    ).encode()


def bag(*words, name="dc:subject", kind="Bag"):
    items = "".join(f"<rdf:li>{word}</rdf:li>" for word in words)
    return f"<{name}><rdf:{kind}>{items}</rdf:{kind}></{name}>"


def without_ours(data, ours=()):
    """What ElementTree, which knows nothing of us, finds in a packet beside ours."""
    text = data.decode()
    root = ET.fromstring(text[text.index("<x:xmpmeta") : text.index("</x:xmpmeta>") + 12])
    found = []
    for description in root.iter(RDF + "Description"):
        found += [(name, value) for name, value in description.items() if name != RDF + "about"]
        for child in description:
            if child.tag.startswith(KADR):
                continue
            items = [item.text.replace("|", "/") for item in child.iter(RDF + "li")]
            if child.tag in (SUBJECT, *TREES):
                left = [item for item in items if item not in ours]
                found += [(child.tag, left)] if left else []
            else:
                found.append((child.tag, ET.tostring(child).strip()))
    return found


def test_tags_are_added_where_programs_look():
    """A picture that others know nothing of gets a list of keywords, and our record beside it."""
    written = packet.changed(EMPTY, Change(("sea", "night & day"), ("boat",)))
    assert packet.read(written) == Held(("sea", "night & day"), ("sea", "night & day"), ("boat",))
    assert xmp.read(written).facts.keywords == ("sea", "night & day")


def test_tags_join_those_of_others():
    """Our tags stand behind the user's own, in the same list and written in the same way."""
    before = of("<dc:subject>\n <rdf:Seq>\n  <rdf:li>mine</rdf:li>\n </rdf:Seq>\n</dc:subject>")
    after = packet.changed(before, Change(("sea",)))
    assert b"\n  <rdf:li>mine</rdf:li>\n  <rdf:li>sea</rdf:li>\n </rdf:Seq>" in after
    assert packet.read(after) == Held(("mine", "sea"), ("sea",), ())
    assert packet.changed(after, Change((), (), ("sea",))) == before


def test_trees_are_written_only_where_they_are():
    """digiKam and Lightroom look into their own trees of tags: where a picture has one our tags stand there too."""
    trees = bag("Places/Kyiv", name="digiKam:TagsList", kind="Seq") + bag(
        "Places|Kyiv", name="lr:hierarchicalSubject"
    )
    before = of(bag("Kyiv") + trees)
    after = packet.changed(before, Change(("auto/sea",)))
    assert b"<rdf:li>auto/sea</rdf:li></rdf:Seq></digiKam:TagsList>" in after
    assert b"<rdf:li>auto|sea</rdf:li></rdf:Bag></lr:hierarchicalSubject>" in after
    assert packet.read(after) == Held(("Kyiv", "auto/sea", "Places/Kyiv"), ("auto/sea",), ())
    assert packet.changed(after, Change((), (), ("auto/sea",))) == before
    assert b"TagsList" not in packet.changed(of(bag("Kyiv")), Change(("sea",)))


def test_same_wish_changes_nothing():
    """Writing what is there already is no change at all."""
    once = packet.changed(of(bag("mine")), Change(("sea", "sun"), ("boat",)))
    assert packet.changed(once, Change(("sea", "sun"), ("boat",))) == once


def test_other_words_take_the_place():
    """When other words are wanted ours alone go."""
    before = of(bag("mine"))
    once = packet.changed(before, Change(("sea", "sun")))
    twice = packet.changed(once, Change(("sun", "sand"), ("sea",), ("sea",)))
    assert packet.read(twice) == Held(("mine", "sun", "sand"), ("sun", "sand"), ("sea",))
    assert packet.changed(twice, Change((), (), ("sun", "sand"))) == before


@pytest.mark.parametrize(
    "inner",
    [
        "<dc:subject><rdf:Bag><rdf:li>sea, sun</rdf:li></rdf:Bag></dc:subject>",
        "<dc:subject>sea, sun</dc:subject>",
    ],
    ids=["an item", "a text"],
)
def test_keywords_joined_by_commas_are_read(inner):
    """A list that a program wrote as one text with commas is read as the tags that were meant."""
    assert packet.read(of(inner)).tags == ("sea", "sun")
    assert packet.read(of(attributes='dc:subject="sea,sun"')).tags == ("sea", "sun")


def test_tag_of_ours_leaves_a_joined_text():
    """Where a program joined our tag and the user's into one text ours can be taken out of it."""
    record = f'<k:auto xmlns:k="{packet.NAMESPACE}"><rdf:Bag><rdf:li>sea</rdf:li></rdf:Bag></k:auto>'
    after = packet.changed(of(bag("mine, sea, more") + record), Change((), (), ("sea",)))
    assert after == of(bag("mine, more"))


def test_users_tag_with_a_comma_is_never_cut():
    """Among several tags one with a comma is the user's own, whatever of ours it contains."""
    before = of(bag("Kyiv, Ukraine", "mine"))
    assert packet.changed(before, Change((), (), ("Ukraine",))) == before


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"no XML",
        of().replace(b"</rdf:Description>", b""),
        of("&undeclared;"),
        of("\0"),
        of(head='<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'),
        of(head='<?xml version="1.0" encoding="ISO-8859-1"?>'),
        of().decode().encode("utf-16"),
        of(bag("a") + bag("b")),
        of("<dc:subject>sea</dc:subject>"),
        of(attributes='dc:subject="sea"'),
        of('<dc:subject rdf:parseType="Resource"/>'),
        of("<dc:title>" * 300 + "</dc:title>" * 300),
        of("<dc:title/>" * 60_000),
        of("x" * (5 << 20)),
        of().replace(b"<x:xmpmeta", b'<x:xmpmeta xmlns:y="y"').replace(b"</x:xmpmeta>", of()[70:]),
    ],
    ids=range(16),
)
def test_what_cannot_be_changed_safely_is_refused(damage):
    """A packet that is damaged, hostile, in another encoding or with keywords of another form is refused in a sentence."""
    with pytest.raises(Unreadable, match=r"\.$") as refused:
        packet.changed(damage, Change(("sea",)))
    assert refused.value.refused.reason in ("damaged", "unsupported")


@pytest.mark.parametrize("white", [b" " * (3 << 20), b"<?xpacket" * 400_000, b"<?xml " * 600_000], ids=len)
def test_hostile_white_space_costs_no_time(white):
    """Megabytes made to keep a reader busy are refused or passed over at once."""
    for data in (of().replace(b"<?xpacket end", white + b"<?xpacket end"), white + of()):
        try:
            packet.changed(data, Change(("sea",)))
        except Unreadable:
            continue


@pytest.mark.parametrize(
    "padding", [" " * 4_000, "\n" + (" " * 100 + "\n") * 20, "\n" + " " * 2_000 + "\n"], ids=len
)
def test_padding_is_used_and_given_back(padding):
    """A packet with room for more keeps its length, and gets its room back when our tags go."""
    before = of(bag("mine"), padding=padding)
    after = packet.changed(before, Change(("sea",)))
    assert len(after) == len(before)
    assert packet.changed(after, Change((), (), ("sea",))) == before


# Packets of any shape


words = (
    st.text("abcжї&<>\"'|/ ", min_size=1, max_size=8).map(lambda text: " ".join(text.split())).filter(bool)
)
white = st.sampled_from(["", " ", "\n  ", "\r\n\t", "<!-- rdf:li -->", "<?note?>"])


def fitting(tags):
    return tuple(tag for tag in fit(tags) if "|" not in tag)


def escaped(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@st.composite
def lists(draw, name, prefix="rdf"):
    kind, space = draw(st.sampled_from(["Bag", "Seq", "Alt"])), draw(white)
    items = draw(st.lists(words, min_size=1, max_size=4, unique=True))
    as_cdata = draw(st.booleans())
    texts = [f"<![CDATA[{word}]]>" if as_cdata else escaped(word) for word in items]
    inner = "".join(f"{space}<{prefix}:li>{text}</{prefix}:li>" for text in texts)
    return f"{space}<{name}>{space}<{prefix}:{kind}>{inner}{space}</{prefix}:{kind}>{space}</{name}>"


@st.composite
def packets(draw):
    prefix, space = draw(st.sampled_from(["rdf", "r", "RDF"])), draw(white)
    names = ["dc:subject", "digiKam:TagsList", "lr:hierarchicalSubject"]
    wanted = draw(st.lists(st.sampled_from(names), unique=True))
    others = [
        "<xmp:Rating>3</xmp:Rating>",
        "<dc:title/>",
        f"<dc:rights {prefix}:parseType='Resource'><xmp:a/></dc:rights>",
    ]
    parts = [draw(lists(name, prefix)) for name in wanted] + draw(
        st.lists(st.sampled_from(others), unique=True)
    )
    descriptions = [
        f"{space}<{prefix}:Description {prefix}:about='uuid:1' {NAMES} xmp:Label{number}='\"&lt;'>{part}</{prefix}:Description>"
        for number, part in enumerate(draw(st.permutations(parts)))
    ]
    if draw(st.booleans()):
        descriptions.append(f"<{prefix}:Description xmlns:q='q' q:only='attribute' />")
    body = f"<{prefix}:RDF xmlns:{prefix}='{RDF[1:-1]}'>{''.join(descriptions)}{space}</{prefix}:RDF>"
    meta = f"<x:xmpmeta xmlns:x='adobe:ns:meta/' x:xmptk='>'>{space}{body}{space}</x:xmpmeta>"
    head = draw(st.sampled_from(["", "\ufeff", '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>\n']))
    tail = draw(
        st.sampled_from(["", "\n", '<?xpacket end="w"?>', f"\n{' ' * 5_000}<?xpacket end='w'?>", "\0\0"])
    )
    return (head + meta + tail).encode()


@given(packets(), st.lists(words, unique=True, max_size=4), st.lists(words, unique=True, max_size=2))
def test_everything_of_others_stays(before, wanted, suppressed):
    """Whatever shape a packet has, its other properties read the same afterwards, and our tags are there."""
    theirs = packet.read(before).tags
    ours = tuple(word for word in fitting(wanted) if not any(word in tag or tag in word for tag in theirs))
    after = packet.changed(before, Change(ours, fitting(suppressed)))
    assert without_ours(after, ours) == without_ours(before)
    assert packet.read(after) == Held(
        tuple(sorted((*theirs, *ours), key=packet.read(after).tags.index)), ours, fitting(suppressed)
    )


@given(packets(), st.lists(words, unique=True, min_size=1, max_size=4))
def test_written_and_removed_is_as_before(before, wanted):
    """Our tags in and out again leave the bytes of before."""
    theirs = packet.read(before).tags
    ours = tuple(word for word in fitting(wanted) if not any(word in tag or tag in word for tag in theirs))
    after = packet.changed(before, Change(ours, ("gone",)))
    assert packet.changed(after, Change((), (), ours)) == before
