"""What SQL is asked to do and SQLite cannot: compare folded text that the catalogue holds as it was given.

Pure. Each is called for few rows, once a folder and once a program's name: what every file is asked has a folded column.
"""

from __future__ import annotations

import fnmatch
import os
import sqlite3

from kadrd.store.folding import folded


def register(connection: sqlite3.Connection) -> None:
    """Make them known to *connection*; query/filters.py writes them into its conditions."""
    connection.create_function("folded", 1, _folded, deterministic=True)
    connection.create_function("has_folder", 2, has_folder, deterministic=True)


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
