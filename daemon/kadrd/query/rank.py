"""Files as hits: what each tells of itself, in the order that was asked for, those that belong together side by side.

Pure: asks no index, reads no catalogue.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from kadr.protocol.messages import Hit
from kadrd.store.facts import Kind, camera
from kadrd.store.selection import Shown

Labels = Mapping[int, Sequence[tuple[Kind, str]]]
"""By file."""

NO_DAY, NO_PLACE = "no date", "no place"


class Ranked(NamedTuple):
    """A file and why it stands where it stands."""

    file: Shown
    score: float
    why: dict[str, Any]


# How files that were found are ordered; ties go by path, so that an answer never depends on chance.
SORTED: dict[str, Callable[[Ranked], Any]] = {
    "score": lambda ranked: (-ranked.score, ranked.file.path),
    "date": lambda ranked: (-ranked.file.date, ranked.file.path),
    "name": lambda ranked: ranked.file.path,
}


def hits(ranked: Iterable[Ranked], labels: Labels, groups: Mapping[int, str], *, explain: bool) -> list[Hit]:
    """What is sent, in the order given; *groups* names the group of a file by its id."""
    return [
        Hit(
            path=file.path,
            score=score,
            picture=file.picture,
            width=file.width,
            height=file.height,
            taken=moment(file.taken, file.taken_offset),
            place=", ".join(dict.fromkeys(filter(None, (file.city, file.region, file.country)))),
            camera=camera(file.make, file.model),
            tags=list(dict.fromkeys(label for kind, label in labels.get(file.file_id, ()) if kind != Kind.PERSON)),
            group=groups.get(file.file_id, ""),
            why=why if explain else {},
        )
        for file, score, why in ranked
    ]  # fmt: skip


def together(ranked: Sequence[Ranked], groups: Mapping[int, str]) -> list[Ranked]:
    """Groups in the order of their first file, and in each the order given."""
    order = {
        name: number for number, name in reversed(list(enumerate(groups[r.file.file_id] for r in ranked)))
    }
    return sorted(ranked, key=lambda one: order[groups[one.file.file_id]])


def days(files: Iterable[Shown]) -> dict[int, str]:
    """The day of each file, as its camera's clock showed it."""
    return {file.file_id: moment(file.taken, None)[:10] or NO_DAY for file in files}


def places(files: Iterable[Shown]) -> dict[int, str]:
    """City and country of each file."""
    return {file.file_id: ", ".join(filter(None, (file.city, file.country))) or NO_PLACE for file in files}


def moment(taken: int | None, offset: int | None) -> str:
    """A time as the camera showed it, in ISO 8601; empty without one.

    >>> moment(1717245000, 180), moment(1717245000, None)
    ('2024-06-01T12:30:00+03:00', '2024-06-01T12:30:00')
    """
    if taken is None:
        return ""
    shown = dt.datetime(1970, 1, 1) + dt.timedelta(seconds=taken)  # noqa: DTZ001 - the camera's own clock
    zone = None if offset is None else dt.timezone(dt.timedelta(minutes=offset))
    return shown.replace(tzinfo=zone).isoformat()
