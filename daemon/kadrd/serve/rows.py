"""Hits as rows of replies: with all that their files say where that is asked for, and never more in a reply than it may hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from kadr.protocol import messages
from kadr.protocol.errors import TooLarge
from kadr.protocol.facts import Facts
from kadr.protocol.frames import encode
from kadr.protocol.messages import ROWS_A_REPLY, Hit, Item
from kadrd.store.selection import Said, Selection

Row = dict[str, Any]

_LONGEST_ID = 2**63 - 1

# A file may hold 500 tags of 2,000 letters (ingest/claims.py). Where a row alone is too much for a reply, what is over this many
# letters of each of its lists is left out: those are nobody's tags.
MOST_LETTERS = 50_000


def rows(hits: Sequence[Hit]) -> list[Row]:
    return [hit._asdict() for hit in hits]


def full(hits: Sequence[Hit], selection: Selection) -> list[Row]:
    """Rows with the fields of Facts. Asks the catalogue."""
    said = selection.said([hit.path for hit in hits])
    return [hit._asdict() | _facts(said.get(hit.path))._asdict() for hit in hits]


def _facts(said: Said | None) -> Facts:
    """*said* in the protocol's terms; None is a file that went since it was found."""
    if said is None:
        return Facts()
    facts = said.facts
    return Facts(
        said.size, said.format.lower(), facts.offset, facts.lens, facts.iso, facts.aperture, facts.exposure, facts.focal,
        facts.latitude, facts.longitude, facts.altitude, facts.rating, facts.title, facts.description, facts.software,
        list(facts.keywords), list(facts.people),
    )  # fmt: skip


def replies(found: Sequence[Row]) -> Iterator[list[Row]]:
    """*found* in as many rows at once as one reply may hold."""
    for first in range(0, len(found), ROWS_A_REPLY):
        yield from _fitting(list(found[first : first + ROWS_A_REPLY]))


def _fitting(some: list[Row]) -> Iterator[list[Row]]:
    if _fits(some):
        yield some
    elif len(some) == 1:
        yield [{name: _first(value) if isinstance(value, list) else value for name, value in some[0].items()}]
    else:
        middle = len(some) // 2
        yield from _fitting(some[:middle])
        yield from _fitting(some[middle:])


def _fits(some: list[Row]) -> bool:
    """Encoding them once more to know takes 1.5 microseconds a row; reckoning from the lengths of their texts took 6."""
    try:
        encode(messages.reply(_LONGEST_ID, Item(some)))
    except TooLarge:
        return False
    return True


def _first(labels: list[str]) -> list[str]:
    kept, room = [], MOST_LETTERS
    for label in labels:
        room -= len(label) + 2
        if room < 0:
            break
        kept.append(label)
    return kept
