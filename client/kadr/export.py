"""kadr export: all that is known of every match, for other programs: an object a line, or a table with commas."""

from __future__ import annotations

import csv
import io
from typing import Any

from kadr import output
from kadr.arguments import Asked
from kadr.asking import connect, here, query, seconds
from kadr.connection import row_as
from kadr.output import talk
from kadr.progress import shown
from kadr.protocol.errors import FOUND, NOTHING
from kadr.protocol.facts import Facts
from kadr.protocol.messages import MAX_LIMIT, Hit, Item, Search

# A query that every file matches.
EVERYTHING = 'name:"*"'
# What an answer says of itself, not of a picture.
_NOT_FACTS = {"group", "why", "event"}


def do_export(asked: Asked) -> int:
    how: dict[str, Any] = {
        name.replace("-", "_"): asked.options[name]
        for name in ("limit", "min-score", "sort", "by", "sync")
        if name in asked.options
    }
    text = query(asked, asked.operands) or EVERYTHING
    request = Search(text, cwd=here(), facts=True, **{"limit": MAX_LIMIT, **how})
    table = _Table()
    found = 0
    with connect(asked) as connection:
        for reply in shown(connection.ask(request, seconds(asked, default=0))):
            for row in reply.rows if isinstance(reply, Item) else ():
                facts = _facts(row)
                output.write(table.line(facts) if "csv" in asked.options else output.json_line(facts))
                found += 1
    if not found:
        talk("nothing to export")
    return FOUND if found else NOTHING


def _facts(row: dict[str, Any]) -> dict[str, Any]:
    """A row with every field that it should have, and whatever else a newer daemon knows."""
    hit = row_as(Hit, row)._asdict() | Facts()._asdict() | row
    hit["score"] = round(hit["score"], 6)
    return {name: value for name, value in hit.items() if name not in _NOT_FACTS}


class _Table:
    """Rows as CSV (RFC 4180, but lines end as everywhere here); its first line comes with the first row."""

    def __init__(self) -> None:
        self._text = io.StringIO()
        self._writer: csv.DictWriter[str] | None = None

    def line(self, facts: dict[str, Any]) -> bytes:
        if self._writer is None:
            self._writer = csv.DictWriter(self._text, list(facts), extrasaction="ignore", lineterminator="\n")
            self._writer.writeheader()
        self._writer.writerow({name: _cell(value) for name, value in facts.items()})
        written = self._text.getvalue()
        self._text.seek(0)
        self._text.truncate()
        return written.encode("utf-8", "surrogateescape")


def _cell(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, (list, tuple)):
        return "; ".join(map(str, value))
    return value
