"""What is wrong with a catalogue's file as such. Reads all of it, which takes seconds for a million files; mends nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Ask = Callable[[str], list[Any]]

# (table, what no row of it is): values that nobody writes, and that would end in an error somewhere.
NONSENSE: tuple[tuple[str, str], ...] = (
    ("settings", "typeof(name) != 'text' OR typeof(value) NOT IN ('text', 'integer')"),
    (
        "roots",
        "typeof(path) != 'blob' OR substr(path, 1, 1) != x'2f' OR typeof(system) != 'integer' OR typeof(inode) != 'integer'",
    ),
    ("folders", "typeof(path) != 'blob' OR substr(path, 1, 1) != x'2f' OR present NOT IN (0, 1)"),
    ("models", "typeof(fingerprint) != 'text' OR typeof(name) != 'text'"),
    (
        "files",
        (
            "typeof(name) != 'blob' OR typeof(size) != 'integer' OR typeof(mtime_ns) != 'integer' OR typeof(ctime_ns) != 'integer' "
            "OR typeof(inode) != 'integer' OR typeof(ticket) != 'integer' OR state NOT IN (0, 1, 2, 3) "
            "OR typeof(file_key) NOT IN ('blob', 'null') OR (state = 1 AND (picture_id IS NULL OR file_key IS NULL)) "
            "OR (state = 2 AND (typeof(reason) != 'text' OR typeof(sentence) != 'text')) "
            "OR (state = 3 AND typeof(missing_since) NOT IN ('real', 'integer'))"
        ),
    ),
    (
        "pictures",
        (
            "typeof(essence_key) != 'blob' OR typeof(width) != 'integer' OR typeof(height) != 'integer' OR width < 1 OR height < 1 "
            "OR typeof(format) != 'text' OR typeof(orphaned_at) NOT IN ('null', 'real', 'integer')"
        ),
    ),
    ("vectors", "typeof(vector) != 'blob' OR typeof(checksum) NOT IN ('integer', 'null')"),
    ("(SELECT 1 FROM vectors GROUP BY model_id HAVING min(length(vector)) != max(length(vector)))", "1"),
    ("trials", "typeof(file_key) != 'blob' OR typeof(decoder) != 'integer' OR typeof(tries) != 'integer'"),
    ("failures", "typeof(file_key) != 'blob' OR typeof(reason) != 'text' OR typeof(sentence) != 'text'"),
    ("sqlite_sequence", "typeof(seq) != 'integer' OR seq > 1 << 60"),
)


def found(ask: Ask, check: str = "integrity_check") -> str:
    """What SQLite's own *check* says, and values that nobody writes; empty when all is well."""
    answer: str = ask(f"PRAGMA {check}(1)")[0][0].decode(errors="replace")
    if answer != "ok":
        return answer.splitlines()[0]
    if dangling := ask("PRAGMA foreign_key_check"):
        return f"a row of {dangling[0][0].decode()} speaks of one that is not there"
    for table, condition in NONSENSE:
        if ask(f"SELECT 1 FROM {table} WHERE {condition} LIMIT 1"):
            return f"{table} holds a value that nobody writes"
    return ""
