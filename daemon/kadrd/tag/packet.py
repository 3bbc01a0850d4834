"""Our tags in an XMP packet: added, taken away, and told from everybody else's. Pure: bytes in, bytes out.

Tags stand in `dc:subject`, where every program looks, and in the trees of digiKam and Lightroom where a packet has one: those
two read nothing else then. Beside them a record in our own namespace names those that are ours. Nothing is serialised anew:
what others wrote stays as it is, byte for byte, because only the places that change are cut.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

from kadrd.tag.nodes import WHITE, Document, Edit, Node, Unreadable, parsed, spliced

NAMESPACE = "http://ns.kadr.org/1.0/"
EMPTY = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n </rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>'
).encode()
"""What a packet of ours is without our tags."""

_RDF_SPACE, _DC = "http://www.w3.org/1999/02/22-rdf-syntax-ns#", "http://purl.org/dc/elements/1.1/"
_RDF, _DESCRIPTION, _ABOUT, _ITEM, _VALUE = (
    f"{_RDF_SPACE} {name}" for name in ("RDF", "Description", "about", "li", "value")
)
_LISTS = tuple(f"{_RDF_SPACE} {name}" for name in ("Bag", "Seq", "Alt"))
_SUBJECT, _AUTO, _SUPPRESSED = f"{_DC} subject", f"{NAMESPACE} auto", f"{NAMESPACE} suppressed"
# Trees of tags, and what stands between the steps of a path.
_TREES = {
    "http://www.digikam.org/ns/1.0/ TagsList": "/",
    "http://ns.adobe.com/lightroom/1.0/ hierarchicalSubject": "|",
}
_WRITTEN_AS = {_SUBJECT: ("dc:subject", "dc", _DC), _AUTO: ("kadr:auto", "kadr", NAMESPACE),
               _SUPPRESSED: ("kadr:suppressed", "kadr", NAMESPACE)}  # fmt: skip
_ROOT = re.compile(rb"<(?:[\w.-]+:)?(?:xmpmeta|xapmeta|RDF)(?=[\s>])")
# How a packet ends behind the white space that its writer left for the next one. Less than this is no room but a habit.
_WRAPPER = re.compile(rb"<\?xpacket\s+end\s*=\s*[\"']w[\"']\s*\?>")
_LEAST_ROOM = 1_024


class Held(NamedTuple):
    """What a packet says of tags."""

    tags: tuple[str, ...]
    """everybody's, in their order; a step of a path is behind a /"""
    ours: tuple[str, ...]
    suppressed: tuple[str, ...]


class Change(NamedTuple):
    """What shall be another way."""

    ours: tuple[str, ...]
    """are there, and the record names them and no others"""
    suppressed: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    """are not there any more"""
    back: tuple[str, ...] = ()
    """of others, which a save wiped: are there again"""


class _List(NamedTuple):
    owner: Node
    """the property"""
    body: Node
    """the Bag, Seq or Alt in it"""


def read(packet: bytes) -> Held:
    """The tags of *packet*. Raises Unreadable."""
    return _held(parsed(packet, _ROOT))


def changed(packet: bytes, change: Change) -> bytes:
    """*packet* with the change made; as long as before where its own padding allows. Tags are such as merge.fit gives. Raises Unreadable."""
    document = parsed(packet, _ROOT)
    rdf = _rdf(document)
    lists = {name: _list(rdf, name) for name in (_SUBJECT, _AUTO, _SUPPRESSED)}
    held = _held(document)
    edits, emptied, missing = list[Edit](), list[Node](), list[bytes]()
    for name, add, drop in (
        (_SUBJECT, (*change.back, *change.ours), change.drop),
        (_AUTO, change.ours, _others(held.ours, change.ours)),
        (_SUPPRESSED, change.suppressed, _others(held.suppressed, change.suppressed)),
    ):
        found = lists[name]
        if found:
            edits += _become(document, found, add, drop, emptied)
        elif add:
            missing.append(_property(name, add))
    for tree in _trees(rdf):
        separator = _TREES[tree.owner.name]
        add, drop = (
            tuple(tag.replace("/", separator) for tag in tags) for tags in (change.ours, change.drop)
        )
        edits += _become(document, tree, add, drop, emptied)
    edits += _gone(document, rdf, emptied)
    if missing:
        edits.append(_block(document, rdf, missing))
    return _fitted(packet, spliced(packet, edits))


# Read


def _held(document: Document) -> Held:
    rdf = _rdf(document)
    paths = [word.replace(separator, "/") for name, separator in _TREES.items() for word in _words(rdf, name)]
    ours = tuple(_words(rdf, _AUTO))
    # What is ours stands in both; in a tree alone it is somebody's no more.
    tags = [*_words(rdf, _SUBJECT), *(path for path in paths if path not in ours)]
    return Held(tuple(dict.fromkeys(tags)), ours, tuple(_words(rdf, _SUPPRESSED)))


def _rdf(document: Document) -> Node:
    found = [node for node in document.root.all() if node.name == _RDF]
    if len(found) != 1:
        raise Unreadable("Its XMP has no RDF, or more than one.")
    return found[0]


def _properties(rdf: Node, name: str) -> Iterator[Node]:
    return (found for description in rdf.named(_DESCRIPTION) for found in description.named(name))


def _words(rdf: Node, name: str) -> list[str]:
    """All that a property lists. Some write a list as one text with commas between, or as one such item."""
    words = [
        word
        for description in rdf.named(_DESCRIPTION)
        for word in _parts(description.attributes.get(name, ""))
    ]
    for owner in _properties(rdf, name):
        bodies = [child for child in owner.children if child.name in _LISTS]
        texts = [_said(item) for body in bodies for item in body.named(_ITEM)] or [owner.text]
        words += [part for text in texts for part in _parts(text)]
    return words


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _said(item: Node) -> str:
    """The text of an item: its own, or that of its rdf:value when it has qualifiers."""
    return item.text.strip() or next((node.text.strip() for node in item.all() if node.name == _VALUE), "")


# Change


def _others(words: Sequence[str], wanted: Collection[str]) -> tuple[str, ...]:
    return tuple(word for word in words if word not in wanted)


def _list(rdf: Node, name: str) -> _List | None:
    """The one list of a property; None where there is no such property. Raises Unreadable where it has another form."""
    owners = list(_properties(rdf, name))
    written = any(name in description.attributes for description in rdf.named(_DESCRIPTION))
    if not owners and not written:
        return None
    bodies = [child for owner in owners for child in owner.children]
    if len(owners) != 1 or written or len(bodies) != 1 or bodies[0].name not in _LISTS:
        raise Unreadable("Its keywords are no list as XMP wants it, so none can be added.")
    return _List(owners[0], bodies[0])


def _trees(rdf: Node) -> Iterator[_List]:
    for name in _TREES:
        try:
            found = _list(rdf, name)
        except Unreadable:  # its owner may mend it; dc:subject counts
            continue
        if found:
            yield found


def _become(
    document: Document, found: _List, add: Iterable[str], drop: Collection[str], emptied: list[Node]
) -> Iterator[Edit]:
    """The list without *drop* and with *add*. A list that would be empty joins *emptied* instead."""
    items = list(found.body.named(_ITEM))
    texts = [_said(item) for item in items]
    # An item with a comma is several tags to some and one to others: it is cut only where it stands for the whole list.
    words = [_parts(text) if len(texts) == 1 else [text] for text in texts]
    there = {part for text in texts for part in _parts(text)}
    new = [word for word in add if word not in there]
    kept = [[word for word in some if word not in drop] for some in words]
    if kept != words and not any(kept) and not new:
        emptied.append(found.owner)
        return
    for item, before, after in zip(items, words, kept, strict=True):
        if before != after:
            text = escape(", ".join(after)).encode()
            yield Edit(item.inner, item.close, text) if after else document.without(item)
    if new:
        yield _inserted(document, found.body, items, new)


def _inserted(document: Document, body: Node, items: Sequence[Node], new: Sequence[str]) -> Edit:
    prefix = document.prefix(body)
    white = document.white_before(items[-1].start) if items else b""
    texts = (b"<%bli>%b</%bli>" % (prefix, escape(word).encode(), prefix) for word in new)
    return _within(document, body, items, b"".join(white + text for text in texts))


def _within(document: Document, outer: Node, children: Sequence[Node], new: bytes) -> Edit:
    """*new* behind the last child; `<a/>` becomes `<a>new</a>`."""
    if not outer.empty:
        at = children[-1].end if children else outer.inner
        return Edit(at, at, new)
    name = document.prefix(outer) + outer.name.rpartition(" ")[2].encode()
    return Edit(outer.end - 2, outer.end, b">" + new + b"</" + name + b">")


def _gone(document: Document, rdf: Node, emptied: Sequence[Node]) -> Iterator[Edit]:
    """Properties of which nothing is left go, and with the last one the description that held them."""
    for description in rdf.named(_DESCRIPTION):
        gone = [child for child in description.children if child in emptied]
        bare = not description.attributes.keys() - {_ABOUT}
        if gone and len(gone) == len(description.children) and bare:
            yield document.without(description)
        else:
            yield from map(document.without, gone)


def _block(document: Document, rdf: Node, properties: Sequence[bytes]) -> Edit:
    """A description of our own, so that it can be taken out whole. It says the same `about` as the others: they have to."""
    descriptions = list(rdf.named(_DESCRIPTION))
    attributes = descriptions[0].attributes if descriptions else {}
    about = quoteattr(attributes.get(_ABOUT, attributes.get("about", "")))
    white = document.white_before(descriptions[-1].start) if descriptions else b"\n  "
    start = f'<rdf:Description xmlns:rdf="{_RDF_SPACE}" rdf:about={about}>'.encode()
    new = white + start + b"".join(properties) + b"</rdf:Description>"
    return _within(document, rdf, descriptions, new)


def _property(name: str, words: Iterable[str]) -> bytes:
    tag, prefix, space = _WRITTEN_AS[name]
    items = "".join(f"<rdf:li>{escape(word)}</rdf:li>" for word in words)
    return f'<{tag} xmlns:{prefix}="{space}"><rdf:Bag>{items}</rdf:Bag></{tag}>'.encode()


def _fitted(before: bytes, after: bytes) -> bytes:
    """*after* in the length of *before*, if there is room. What is taken of the padding now is given back when we leave."""
    more, end = len(after) - len(before), after.rfind(b"<?xpacket")
    if not more or end < 0 or not _WRAPPER.match(after, end):
        return after
    start = len(after[:end].rstrip(WHITE)) + 1  # behind the end of the line
    room = after[start:end]
    if min(len(room), len(room) - more) < _LEAST_ROOM:
        return after
    return after[:start] + (room[more:] if more > 0 else _more(room, -more) + room) + after[end:]


def _more(room: bytes, size: int) -> bytes:
    """So much of the white space that was before *room*: writers make lines of one length."""
    first = room.find(b"\n")
    line = max(room.find(b"\n", first + 1) - first, 1)
    return (room[:line] * (size // line + 1))[-size:]
