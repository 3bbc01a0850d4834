"""What is in the file that answers: tables of SQLite, filled from the gazetteer. Opens and names no file.

A region's position and population are those of its largest city, a country's position too: "near Bavaria" then is near
Munich, and of Kyiv the city and Kyiv the region the city comes first.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterator

import numpy as np

from kadrd.places import spelling, table
from kadrd.places.nearest import Positions, positions

# Raised whenever what is below or what spelling gives changes: an older file is made anew.
FORMAT = 2
CITY, REGION, COUNTRY = 0, 1, 2
# How a name was found, best first.
SHOWN, ALSO, DECLINED = 0, 1, 2

_SCHEMA = """
CREATE TABLE places (
    id INTEGER PRIMARY KEY,                 -- GeoNames' id of a city or country; regions count down from -1
    kind INTEGER NOT NULL, parent INTEGER,  -- a city's region, a region's country
    latitude REAL NOT NULL, longitude REAL NOT NULL, population INTEGER NOT NULL,
    names TEXT NOT NULL);                   -- with | between them, the one that is shown first
CREATE TABLE spellings (                    -- place and how (SHOWN, ALSO, DECLINED) for each form of a name
    form TEXT, how INTEGER, place INTEGER, PRIMARY KEY (form, how, place)) WITHOUT ROWID;
CREATE TABLE positions (points BLOB NOT NULL, reach BLOB NOT NULL, regions BLOB NOT NULL, ids BLOB NOT NULL);
"""

_Place = tuple[int, int, int | None, float, float, int]
"""The columns of `places` before the names."""


def version(gazetteer: str) -> int:
    """What `PRAGMA user_version` is in a file made of the file *gazetteer* by this module. Raises OSError."""
    return (table.checksum(gazetteer) + FORMAT) & 0x7FFFFFFF


def fill(connection: sqlite3.Connection, gazetteer: str) -> None:
    """Make the tables in an empty database and fill them out of the file *gazetteer*. Raises sqlite3.Error and what is in table.UNREADABLE."""
    connection.executescript(_SCHEMA)
    filling = _Filling(connection)
    for entry in table.entries(gazetteer):
        filling.add(entry)
    filling.finish()
    connection.execute(f"PRAGMA user_version = {version(gazetteer)}")
    connection.commit()


class _Filling:
    """The country and the region that the gazetteer is at, and what waits to be written."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._places: list[tuple[*_Place, str]] = []
        self._spellings: list[tuple[str, int, int]] = []
        self._rows = array("d")  # five numbers for each place: a list of them would be 30 MB
        self._country = self._region = 0

    def add(self, entry: table.Country | table.Region | table.City) -> None:
        if isinstance(entry, table.City):
            self._rows.extend((entry.latitude, entry.longitude, entry.population, self._region, entry.id))
            where = (entry.latitude, entry.longitude, entry.population)
            self._add((entry.id, CITY, self._region, *where), entry.names, entry.also)
        elif isinstance(entry, table.Region):
            self._region -= 1
            self._add((self._region, REGION, self._country, 0, 0, 0), entry.names, entry.also)
        else:
            self._country = entry.id
            self._add((entry.id, COUNTRY, None, 0, 0, entry.population), entry.names, [])

    def _add(self, row: _Place, names: list[str], also: list[str]) -> None:
        self._places.append((*row, "|".join(names)))
        self._spellings += ((form, how, row[0]) for form, how in set(_forms(names, also)))
        if len(self._places) >= 4096:
            self._write()

    def _write(self) -> None:
        self._connection.executemany("INSERT INTO places VALUES (?, ?, ?, ?, ?, ?, ?)", self._places)
        self._connection.executemany("INSERT INTO spellings VALUES (?, ?, ?)", sorted(self._spellings))
        self._places.clear()
        self._spellings.clear()

    def finish(self) -> None:
        self._write()
        # SQLite takes the other columns of a group from the row that holds its max().
        for kind, population in ((REGION, "largest.population"), (COUNTRY, "places.population")):
            self._connection.execute(
                f"""UPDATE places SET latitude = largest.latitude, longitude = largest.longitude,
                    population = {population}
                FROM (SELECT parent, max(population) AS population, latitude, longitude
                      FROM places WHERE kind = ? GROUP BY parent) AS largest
                WHERE kind = ? AND id = largest.parent""",  # noqa: S608 - one of two constants
                (kind - 1, kind),
            )
        arrays = positions(np.frombuffer(self._rows).reshape(-1, 5))
        blobs = [array.tobytes() for array in arrays]
        self._connection.execute("INSERT INTO positions VALUES (?, ?, ?, ?)", blobs)


def _forms(names: list[str], also: list[str]) -> Iterator[tuple[str, int]]:
    for how, spelled in ((SHOWN, names), (ALSO, also)):
        for name in spelled:
            key = spelling.key(name)
            if key:
                yield key, how
                yield from ((form, DECLINED) for form in spelling.forms(key) - {key})


def load(connection: sqlite3.Connection) -> Positions:
    """The positions out of a filled database. Raises sqlite3.Error and ValueError."""
    points, reach, regions, ids = connection.execute("SELECT * FROM positions").fetchone()
    return Positions(
        np.frombuffer(points, np.float32).reshape(-1, 3),
        np.frombuffer(reach, np.float32),
        np.frombuffer(regions, np.int32),
        np.frombuffer(ids, np.int32),
    )
