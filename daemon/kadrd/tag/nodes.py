"""An XML document as nodes that know where they lie in its bytes, so that a part can be changed and no other byte is. Pure.

Never written back from the nodes: who changes something cuts the bytes (`spliced`). A document type, an entity, an encoding
other than UTF-8 and anything that is not well-formed is refused: it could not be cut safely.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from xml.parsers import expat

from kadrd.tag.carrier import Refused

# As ingest/xmp.py reads: what makes a packet large is a picture inside of it, and nodes take far more room than bytes.
MAX_BYTES, MAX_NODES, MAX_DEPTH = 4 << 20, 50_000, 200

WHITE = b" \t\r\n"
_TAG_NAME = re.compile(rb"</?([^\s/>]+)")
_ENCODING = re.compile(rb"(?:\xef\xbb\xbf)?<\?xml\s[^>]*encoding\s*=\s*[\"']([^\"']*)", re.IGNORECASE)
_WIDE = (b"\xff\xfe", b"\xfe\xff", b"\0", b"<\0")


class Unreadable(Exception):
    """These bytes are no XML that can be changed; *refused* says why."""

    def __init__(self, sentence: str, reason: str = "damaged") -> None:
        super().__init__(sentence)
        self.refused = Refused(reason, sentence)


class Edit(NamedTuple):
    """Bytes from *start* to *end* become *new*."""

    start: int
    end: int
    new: bytes = b""


class Node:
    """An element: its tag `<a>` from `start` to `inner`, what is in it up to `close`, and its end tag up to `end`."""

    def __init__(self, name: str, attributes: dict[str, str], start: int) -> None:
        self.name, self.attributes = name, attributes
        """as "namespace name"; without a space where there is no namespace"""
        self.start, self.inner, self.close, self.end = start, start, start, start
        self.children: list[Node] = []
        self.text = ""
        """its own, without that of its children"""

    @property
    def empty(self) -> bool:
        """Whether it is written as `<a/>`."""
        return self.close == self.end

    def named(self, name: str) -> Iterator[Node]:
        """Its children of that name."""
        return (child for child in self.children if child.name == name)

    def all(self) -> Iterator[Node]:
        """Itself and every node below."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))


class Document(NamedTuple):
    """Bytes, and the node that holds all others."""

    data: bytes
    root: Node

    def prefix(self, node: Node) -> bytes:
        """How its namespace is written there: `rdf:`, or nothing."""
        name = _TAG_NAME.match(self.data, node.start)
        head, colon, _ = name[1].partition(b":") if name else (b"", b"", b"")
        return head + colon if colon else b""

    def white_before(self, at: int) -> bytes:
        """The white space that ends at *at*."""
        start = at
        while start and self.data[start - 1] in WHITE:
            start -= 1
        return self.data[start:at]

    def without(self, node: Node) -> Edit:
        """The node goes, and the white space before it."""
        return Edit(node.start - len(self.white_before(node.start)), node.end)


def parsed(data: bytes, root: re.Pattern[bytes]) -> Document:
    """The nodes of *data* from the first tag that *root* matches to its last end tag; what lies around, such as a wrapper
    and its padding, is not looked at. Raises Unreadable.
    """
    if len(data) > MAX_BYTES or max(data.count(b"<"), data.count(b"=")) > MAX_NODES:
        raise Unreadable("Its XMP is larger than kadr reads.", "unsupported")
    start = root.search(data)
    _refuse_head(data, start.start() if start else 0)
    end = _last_end(data, start[0]) if start else -1
    if start is None or end < 0:
        raise Unreadable("It is no XMP, or it is cut off.")
    return Document(data, _Builder(data, start.start(), end).root)


def spliced(data: bytes, edits: Iterable[Edit]) -> bytes:
    """*data* with *edits* made; two at one place stand in the order in which they come."""
    parts, at = [], 0
    for edit in sorted(edits, key=lambda edit: edit.start):
        parts += [data[at : edit.start], edit.new]
        at = max(at, edit.end)
    return b"".join([*parts, data[at:]])


def _refuse_head(data: bytes, start: int) -> None:
    """What stands before the first tag can change how all the rest is read."""
    head = data[:start]
    if data.startswith(_WIDE):
        raise Unreadable(
            "Its XMP is in UTF-16 or UTF-32, which kadr reads and does not write.", "unsupported"
        )
    if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
        raise Unreadable("Its XMP declares a document type, which no XMP may.")
    encoding = _ENCODING.match(head)
    if encoding and encoding[1].lower() not in (b"utf-8", b"utf8"):
        raise Unreadable("Its XMP is in another encoding than UTF-8.", "unsupported")


def _last_end(data: bytes, tag: bytes) -> int:
    """Where the document ends that begins with *tag*, up to its name; -1 where it does not."""
    name = re.escape(tag[1:])
    ends = [match.end() for match in re.finditer(rb"</" + name + rb"\s*>", data)]
    return ends[-1] if ends else -1


class _Builder:
    """Nodes as expat comes across them. It tells where each event begins; a tag ends where the next event begins."""

    def __init__(self, data: bytes, start: int, end: int) -> None:
        self._data, self._base = data, start
        self._open: list[Node] = []
        self._tag: Node | None = None
        self._parser = expat.ParserCreate("utf-8", " ")
        self._parser.buffer_text = False  # a buffered text would be told too late
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.DefaultHandler = self._other
        try:
            self._parser.Parse(data[start:end], True)
        except expat.ExpatError as error:
            raise Unreadable(f"Its XMP is damaged ({error}).") from error

    def _here(self) -> int:
        """Where this event begins. Ends the start tag before it."""
        at = self._base + self._parser.CurrentByteIndex
        if self._tag:
            self._tag.inner = at
            self._tag = None
        return at

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) > MAX_DEPTH:
            raise Unreadable("Its XMP is nested too deeply.")
        node = Node(name, attributes, self._here())
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node
        self._tag = node
        self._open.append(node)

    def _end(self, _: str) -> None:
        at, node = self._here(), self._open.pop()
        node.close = at
        # Of `<a/>` expat says the place behind it.
        empty = node.inner == at and self._data[at - 2 : at] == b"/>"
        node.end = at if empty else self._data.index(b">", at) + 1

    def _text(self, text: str) -> None:
        self._here()
        self._open[-1].text += text

    def _other(self, _: str) -> None:
        self._here()
