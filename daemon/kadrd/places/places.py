"""The two questions: which place a position lies in, and where a name lies. Asks no disk before the first of them."""

from __future__ import annotations

import json
import sqlite3
import threading
from typing import Any, NamedTuple

from kadrd.places import build, cache, nearest, spelling, table
from kadrd.places.nearest import Positions
from kadrd.store.folding import folded
from kadrd.values import Place

_KINDS = {build.CITY: "city", build.REGION: "region", build.COUNTRY: "country"}
_UP = """
    WITH RECURSIVE above(step, id, kind, parent, names) AS (
        SELECT 0, id, kind, parent, names FROM places WHERE id = ?
        UNION ALL SELECT step + 1, places.id, places.kind, places.parent, places.names
        FROM above JOIN places ON places.id = above.parent)
    SELECT id, kind, names FROM above ORDER BY step"""
_NAMED = """
    SELECT min(how), places.id, kind, parent, latitude, longitude, population, names
    FROM spellings JOIN places ON places.id = place WHERE form IN (SELECT value FROM json_each(?))
    GROUP BY places.id ORDER BY population DESC, kind LIMIT 50"""

_WRITTEN_SO = """
    SELECT names FROM spellings JOIN places ON places.id = place
    WHERE form IN (SELECT value FROM json_each(?)) AND how = 0 ORDER BY population DESC LIMIT 1"""
# A city gives its region the name, and not the other way round, where the region's largest is not so many times larger.
_CAPITAL = 10
# What only other languages call so is meant where it has so many times the people of the largest that is really called so.
_ABROAD = 100
# A slip in a shorter word makes another one; nobody types a longer one, and its slips are too many.
_GUESSED = range(4, 65)


class Named(NamedTuple):
    """A place that has the name that was asked for."""

    name: str
    """what it is called in English"""
    country: str
    latitude: float
    longitude: float
    """degrees; of a region or a country those of its largest city"""
    population: int
    """of a region that of its largest city"""
    kind: str
    """city (which a village is too, and a part of a city), region or country"""


class _Row(NamedTuple):
    how: int
    id: int
    kind: int
    parent: int | None
    latitude: float
    longitude: float
    population: int
    names: str


class Places:
    """The places of the earth, kept in the cache folder *folder*. Any thread may ask; they take turns.

    `reason` says in a sentence why nothing is known of any place, where that is so; otherwise it is empty.
    """

    def __init__(self, folder: str, gazetteer: str = table.PATH) -> None:
        self.reason = ""
        self._gazetteer = gazetteer
        self._folder = folder
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._positions: Positions | None = None

    def at(self, latitude: float, longitude: float) -> Place | None:
        """The place that a position in degrees lies in. None at sea, in the wilderness and for what is no position.

        The city is the one whose houses reach there, else the nearest place within 50 km. Farther away, up to 100 km,
        only the country is told, and `city` and `region` are empty.
        """
        with self._lock:
            if not self._ready():
                return None
            assert self._positions is not None
            found = nearest.find(self._positions, latitude, longitude)
            if found is None:
                return None
            city, near = found.city, int(self._positions.ids[found.nearest])
            above = self._ask(_UP, near if city is None else int(self._positions.ids[city]))
            parts = self._ask(_UP, near)[:1] if city not in {None, found.nearest} else []
        return _place(above[-1:] if city is None else above, parts)

    def named(self, text: str) -> tuple[Named, ...]:
        """Places with the name *text*, in English, Russian or Ukrainian, in any case, with or without "in", "в", "біля".

        The largest first, at most 50. Left out are a region with a city of the same name, a region that is called so only
        without its kind (Lviv Oblast) and is no larger than the rest, and what only other languages call so, unless
        nothing of the name comes near it (Peking, of which there is another in Germany).
        """
        key = spelling.key(text)
        with self._lock:
            if not key or not self._ready():
                return ()
            rows = _meant(self._spelled(key))
            return tuple(self._named(row) for row in rows)

    def nearest(self, text: str) -> str:
        """The largest place whose name is one slip of the hand away from *text*, as that name is written, or nothing."""
        key = spelling.key(text)
        with self._lock:
            if len(key) not in _GUESSED or not self._ready():
                return ""
            near = spelling.near(key)
            rows = self._ask(_WRITTEN_SO, json.dumps(sorted(near)))
        return next(
            (name for (names,) in rows for name in names.split("|") if spelling.key(name) in near), ""
        )

    def close(self) -> None:
        """Let go of the file; the next question opens it again."""
        with self._lock:
            self._shut()

    def _spelled(self, key: str) -> list[_Row]:
        """The places for the first way to read *key* that any place has."""
        for forms in spelling.readings(key):
            if rows := self._ask(_NAMED, json.dumps(sorted(forms))):
                return [_Row(*row) for row in rows]
        return []

    def _named(self, row: _Row) -> Named:
        country = self._ask(_UP, row.id)[-1]
        return Named(
            _shown(row.names),
            _shown(country[2]),
            row.latitude,
            row.longitude,
            row.population,
            _KINDS[row.kind],
        )

    # Inside the lock.

    def _ready(self, anew: bool = False) -> bool:
        """Whether the tables are there, which takes seconds when they have to be made."""
        if self.reason or (self._connection and not anew):
            return not self.reason
        self._shut()
        try:
            self._connection = cache.opened(self._folder, self._gazetteer, anew)
            self._positions = build.load(self._connection)
        except (sqlite3.Error, *table.UNREADABLE) as error:
            self._shut()
            self.reason = f"The table of places cannot be read: {error}. Install kadr again."
        return not self.reason

    def _ask(self, sql: str, value: str | int) -> list[Any]:
        """The rows; a file that turns out to be damaged is made anew, once."""
        why = ""
        for anew in (False, True):
            if not self._ready(anew):
                return []
            assert self._connection is not None
            try:
                return self._connection.execute(sql, (value,)).fetchall()
            except sqlite3.Error as error:
                why = f"The table of places cannot be read: {error}."
        self.reason = why
        return []

    def _shut(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = self._positions = None


def _meant(rows: list[_Row]) -> list[_Row]:
    """*rows*, largest first, without those that hardly anybody means."""
    shown = [row for row in rows if row.how != build.ALSO]
    least = shown[0].population if shown else -1
    namesakes = {row.parent: row.population for row in reversed(shown) if row.kind == build.CITY}
    return [
        row
        for row in rows
        if not (row.kind == build.REGION and namesakes.get(row.id, -1) * _CAPITAL >= row.population)
        and (row.how != build.ALSO or row.population > least * (1 if row.kind == build.REGION else _ABROAD))
    ]


def _place(above: list[Any], parts: list[Any]) -> Place | None:
    """Out of rows of _UP for a city, and for the part of it that is nearest."""
    if not above:
        return None
    shown = {kind: _shown(names) for _, kind, names in above}
    names = {folded(name): name for _, _, joined in (*above, *parts) for name in joined.split("|") if name}
    return Place(
        above[0][0],
        shown.get(build.CITY, ""),
        shown.get(build.REGION, ""),
        shown.get(build.COUNTRY, ""),
        tuple(names.values()),
    )


def _shown(names: str) -> str:
    return names.partition("|")[0]
