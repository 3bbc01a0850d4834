"""What SQL is asked to do and SQLite cannot: measure distances, and compare folded text that the catalogue holds as it was given.

Pure. Each is called for few rows, in a box around a place, once a folder, once a program's name: what every file is asked has a column.
"""

from __future__ import annotations

import fnmatch
import math
import os
import sqlite3

from kadrd.store.folding import folded

EARTH_KM = 6371.0088  # mean radius, IUGG


def register(connection: sqlite3.Connection) -> None:
    """Make them known to *connection*; query/filters.py writes them into its conditions."""
    connection.create_function("distance_km", 4, distance_km, deterministic=True)
    connection.create_function("folded", 1, _folded, deterministic=True)
    connection.create_function("has_folder", 2, has_folder, deterministic=True)


def distance_km(latitude: float, longitude: float, to_latitude: float, to_longitude: float) -> float:
    """Kilometres over the ground between two positions in degrees, by the haversine formula on a sphere.

    >>> round(distance_km(50.4501, 30.5234, 49.8397, 24.0297))  # Kyiv to Lviv
    468
    """
    north, east = math.radians(to_latitude - latitude), math.radians(to_longitude - longitude)
    half = (
        math.sin(north / 2) ** 2
        + math.cos(math.radians(latitude)) * math.cos(math.radians(to_latitude)) * math.sin(east / 2) ** 2
    )
    return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(half)))


def _folded(text: str | bytes | None) -> str | None:
    return folded(text) if isinstance(text, str) else None


def has_folder(path: bytes, pattern: str) -> bool:
    """Whether a folder of *path*, itself included, is called like *pattern*, which is folded and may have a * in it.

    >>> has_folder(b"/home/me/Exports/2023", "exports"), has_folder(b"/home/me/exports-old", "exports")
    (True, False)
    """
    whole = f"/{folded(os.fsdecode(path))}/"
    if "*" not in pattern:
        return f"/{pattern}/" in whole
    escaped = pattern.replace("[", "[[]").replace("?", "[?]")
    return fnmatch.fnmatchcase(whole, f"*/{escaped}/*")
