"""kadr dups: files that show the same, the three kinds apart, for people to look at. Deletes nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from kadr import output
from kadr.arguments import Asked
from kadr.asking import connect, here, query, seconds
from kadr.output import count, talk, visible
from kadr.progress import shown
from kadr.protocol.errors import FOUND, NOTHING
from kadr.protocol.messages import Dups, Item

KINDS = {
    "file": "the same bytes",
    "picture": "the same picture, other metadata",
    "near": "nearly the same",
}
_ORDER = {kind: place for place, kind in enumerate(KINDS)}


def do_dups(asked: Asked) -> int:
    near = asked.options.get("near", 0.0)
    request = Dups(
        query(asked, asked.operands),
        float(near) if isinstance(near, (int, float)) else 0.0,
        sync="sync" in asked.options,
        cwd=here(),
    )
    with connect(asked) as connection:
        # Every picture is compared: it may take longer than a search.
        replies = shown(connection.ask(request, seconds(asked, default=0)))
        rows = [row for reply in replies if isinstance(reply, Item) for row in reply.rows]
    rows.sort(key=lambda row: _ORDER.get(str(row.get("kind")), len(_ORDER)))
    for line in _lines(rows, as_json="json" in asked.options):
        output.write(line)
    sys.stdout.flush()
    for sentence in summed(rows):
        talk(sentence)
    return FOUND if rows else NOTHING


def _lines(rows: list[dict[str, Any]], *, as_json: bool) -> Iterator[bytes]:
    """A row a line; groups with their kind above on a terminal, with an empty line between them otherwise."""
    people, last = sys.stdout.isatty(), None
    for row in rows:
        if as_json:
            yield output.json_line(row)
            continue
        group = (row.get("kind"), row.get("group"))
        if last not in {None, group}:
            yield b"\n"
        if people and group != last:
            yield f"{KINDS.get(str(row.get('kind')), row.get('kind'))}\n".encode()
        last = group
        if people:
            score = f"{row.get('score', 0):.2f}  " if row.get("kind") == "near" else ""
            size = f"{row['size']:>13,}  " if "size" in row else ""
            yield f"  {score}{size}{visible(row.get('path', b''))}\n".encode()
        else:
            yield row.get("path", b"") + b"\n"


def summed(rows: list[dict[str, Any]]) -> list[str]:
    """What was found, a sentence a kind; of equal files also what all but one of each take on the disk."""
    if not rows:
        return ["no two files show the same"]
    sentences = []
    for kind, words in KINDS.items():
        groups: dict[Any, list[int]] = {}
        for row in rows:
            if row.get("kind") == kind:
                groups.setdefault(row.get("group"), []).append(int(row.get("size", 0)))
        if groups:
            files = count(sum(map(len, groups.values())), "file")
            spare = sum(sum(sizes) - max(sizes) for sizes in groups.values()) / 1e6
            extra = f"; all but one of each take {spare:,.1f} MB" if kind == "file" and spare >= 0.05 else ""
            sentences.append(f"{words}: {files} in {count(len(groups), 'group')}{extra}")
    return sentences
