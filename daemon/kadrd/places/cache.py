"""The file that answers, in the daemon's cache folder: opened, or made anew where it is missing, old or damaged.

It may be deleted at any time. A child makes it (making.py), since that takes 5 s of processor time and leaves 30 MB
behind in a process that goes on. Where no file can be made (a full or read-only disk) the same tables are made in memory,
once for each life of the daemon.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from urllib.parse import quote

from kadrd.places import build

NAME = "places-1.sqlite"
PATIENCE = 120.0  # seconds; a child that takes longer hangs with its disk
_KEPT_PAGES = "PRAGMA cache_size = -1024"  # KiB, of 25 MB: the system keeps the file


def opened(folder: str, gazetteer: str, anew: bool = False) -> sqlite3.Connection:
    """The tables of build.py, ready to ask from any thread, one at a time. *anew*: what lies there is not believed.

    Raises what is in table.UNREADABLE, and sqlite3.Error where there is neither a disk nor memory for it.
    """
    path = os.path.join(folder, NAME)
    if not anew and (found := _sound(path, gazetteer)):
        return found
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        _make(path, gazetteer)
        if found := _sound(path, gazetteer):
            return found
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    build.fill(connection, gazetteer)
    return connection


def _sound(path: str, gazetteer: str) -> sqlite3.Connection | None:
    """The file, if it is whole and made of this gazetteer by this build. SQLite's own check costs 30 ms."""
    wanted, connection = build.version(gazetteer), None
    with contextlib.suppress(sqlite3.Error):
        address = f"file:{quote(os.path.abspath(path))}?mode=ro&immutable=1"
        connection = sqlite3.connect(address, uri=True, check_same_thread=False)
        connection.execute(_KEPT_PAGES)
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (health,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if (version, health) == (wanted, "ok"):
            return connection
    if connection:
        connection.close()
    return None


def _make(path: str, gazetteer: str) -> None:
    """Have a child make the file. Raises OSError and SubprocessError."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    command = [sys.executable, "-P", "-m", "kadrd.places.making", path, gazetteer]
    subprocess.run(command, stdin=subprocess.DEVNULL, timeout=PATIENCE, check=True)
