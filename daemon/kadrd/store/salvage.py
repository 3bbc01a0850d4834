"""A new catalogue out of a damaged one: what proves itself is kept, and what a scan finds again is not looked for.

Kept are roots (from their copy), and the pictures and vectors whose checksum fits, under their old numbers, so that
shards that are whole go on being right. Files and folders are left to the scan: a flipped bit there could show a wrong
picture, and a file that is read again is known by its content, so nothing whose vector survived is encoded again.

SQLite is never asked to open the damaged file. It is moved aside, not deleted.
"""

from __future__ import annotations

import contextlib
import glob
import itertools
import logging
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from kadrd.store import durable, roots_copy, schema
from kadrd.store.pages import Pages, Row
from kadrd.store.vectors import proof
from kadrd.values import Root

log = logging.getLogger(__name__)

KEEP_DAMAGED = 2
TELL_SECONDS = 3.0
KEY_BYTES = 33  # ingest/digest.py: a letter and a hash
# Numbers of rows that are lost are never given again: a shard may still speak of them.
NUMBERS_A_LIFE = 1 << 32
LARGEST_NUMBER = 1 << 56
# How many values a row has.
PICTURE, ROOT, MODEL, FAILURE, VECTOR = 6, 6, 3, 4, 5
_PARTS = ("", "-wal", "-shm")


class Salvaged(NamedTuple):
    """What came out of it."""

    vectors: int
    roots: int
    aside: str
    """Where the damaged file lies."""

    @property
    def sentence(self) -> str:
        kept = f"{self.vectors:,} vectors could be kept"
        roots = "" if self.roots else ", the watched folders could not: add them again"
        return f"The catalogue was damaged and has been made anew; {kept}{roots}. The damaged file is {self.aside}."


def salvage(path: str, models: Mapping[str, str], above: int) -> Salvaged:
    """Put a new catalogue in the place of the damaged one at *path*. Raises OSError or sqlite3.Error.

    *models* are the installed ones, fingerprint and name. No new row gets a number up to *above*, which shards may
    speak of. A kill on the way begins again, or goes on behind the point where the new one is complete. It takes
    most of a minute for a million files, in which the daemon hears nobody, SIGTERM neither; a line in the log says
    every few seconds how far it is.
    """
    fresh = f"{path}.new"
    _remove(fresh)
    try:
        vectors, roots = _build(path, fresh, models, above)
        durable.sync_file(fresh)
        durable.publish(fresh, f"{path}.salvaged")
    except BaseException:
        _remove(fresh)  # the disk may be full
        raise
    return Salvaged(vectors, roots, finish(path))


def marker(path: str) -> str:
    """The file that says that the catalogue at *path* is damaged and has to be made anew."""
    return os.path.join(os.path.dirname(path), "damaged")


def finish(path: str) -> str:
    """Give a complete new catalogue its place, if there is one. Gives where the damaged one lies now."""
    fresh, aside = f"{path}.salvaged", f"{path}.damaged-{time.strftime('%Y%m%d-%H%M%S')}"
    if not os.path.exists(fresh):
        return ""
    # The WAL first: beside the new file SQLite would take it for the new file's own.
    for part in reversed(_PARTS):
        with contextlib.suppress(FileNotFoundError):
            os.rename(path + part, aside + part)
    # Before the last step: a kill between them must not have the new file made anew.
    with contextlib.suppress(FileNotFoundError):
        os.unlink(marker(path))
    durable.publish(fresh, path)
    found = {
        name.removesuffix("-wal").removesuffix("-shm")
        for name in glob.glob(glob.escape(f"{path}.damaged-") + "*")
    }
    for old in sorted(found)[:-KEEP_DAMAGED]:
        _remove(old)
    return aside


def _remove(path: str) -> None:
    for part in _PARTS:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + part)


def _build(path: str, fresh: str, models: Mapping[str, str], above: int) -> tuple[int, int]:
    with (
        contextlib.closing(Pages(path)) as pages,
        contextlib.closing(schema.open_for_writing(fresh)) as connection,
    ):
        connection.execute("PRAGMA synchronous = OFF")  # it is synced as a whole
        connection.execute("BEGIN")
        finds = _Finds(connection, models)
        for row in _told("pictures", pages.rows({PICTURE, ROOT, MODEL}, {FAILURE})):
            finds.first_look(row)
        copy = roots_copy.read(path)
        finds.keep_roots(finds.roots if copy is None else copy.roots)
        for row in _told("vectors", pages.rows({VECTOR})):
            finds.second_look(row)
        finds.end(above)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
    return finds.vectors, finds.kept_roots


def _told(what: str, rows: Iterable[Row]) -> Iterator[Row]:
    """*rows*, and now and then a line for a person who waits."""
    said = time.monotonic()
    for number, row in enumerate(rows):
        if time.monotonic() > said + TELL_SECONDS:
            said = time.monotonic()
            log.info("making the catalogue anew: looking for %s, %s rows seen", what, f"{number:,}")
        yield row


class _Finds:
    """Rows that were found, told apart by their shape."""

    def __init__(self, connection: sqlite3.Connection, models: Mapping[str, str]) -> None:
        self._run = connection.execute
        self._run(
            "CREATE TEMP TABLE found (id INTEGER, essence_key BLOB, width INTEGER, height INTEGER, format TEXT, "
            "UNIQUE (id, essence_key, width, height, format))"
        )
        self._names = dict(models)
        self._guesses: dict[int, str] = {}
        self._numbers: dict[str, int] = {}
        self._counts: dict[str, int] = {}
        self._highest = 0
        self.vectors, self.kept_roots = 0, 0
        self.roots: list[Root] = []

    def first_look(self, row: Row) -> None:
        """Pictures, models, roots and failures."""
        match row.values:
            case (None, bytes(essence), int(width), int(height), str(form), None | int() | float()):
                if len(essence) == KEY_BYTES and _sane(row.key):
                    self._run("INSERT OR IGNORE INTO found VALUES (?, ?, ?, ?, ?)", (row.key, essence, width, height, form))  # fmt: skip
            case (None, bytes(path), int(system), int(inode), int(), None | int() as inside):
                # Of the newest image alone: older ones hold roots that were removed.
                if path.startswith(b"/") and b"\0" not in path and _sane(row.key) and row.newest:
                    self.roots.append(Root(row.key or 0, path, system, inode, True, inside))
            case (None, str(fingerprint), str(name)):
                if _sane(row.key):
                    self._guesses[row.key or 0] = fingerprint
                    self._names.setdefault(fingerprint, name)
            case (bytes(file_key), int(decoder), str(reason), str(sentence)):
                if len(file_key) == KEY_BYTES:
                    self._run("INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?)", (file_key, decoder, reason, sentence))  # fmt: skip

    def second_look(self, row: Row) -> None:
        """Vectors: one that fits its checksum proves its model and its picture as well."""
        match row.values:
            case (None, int(model_id), int(picture_id), bytes(blob), int(checksum)):
                if _sane(row.key) and _sane(picture_id):
                    self._vector(row.key or 0, model_id, picture_id, blob, checksum)

    def _vector(self, seq: int, model_id: int, picture_id: int, blob: bytes, checksum: int) -> None:
        pictures = self._run(
            "SELECT essence_key, width, height, format FROM found WHERE id = ?", (picture_id,)
        ).fetchall()
        names = sorted(self._names, key=lambda name: name != self._guesses.get(model_id))
        for picture, fingerprint in itertools.product(pictures, names):
            if proof(seq, picture_id, fingerprint, picture, blob) == checksum:
                self._proven(fingerprint, picture_id, picture, (seq, model_id, blob, checksum))
                return

    def _proven(
        self, fingerprint: str, picture_id: int, picture: tuple[Any, ...], vector: tuple[int, int, bytes, int]
    ) -> None:
        self._run(
            "INSERT OR IGNORE INTO pictures (id, essence_key, width, height, format) VALUES (?, ?, ?, ?, ?)",
            (picture_id, *picture),
        )
        # One content may have been met twice, when a damaged index hid that it was known: then one is enough.
        if not self._run("SELECT 1 FROM pictures WHERE id = ?", (picture_id,)).fetchone():
            return
        seq, model_id, blob, checksum = vector
        added = self._run(
            "INSERT OR IGNORE INTO vectors (seq, model_id, picture_id, vector, checksum) VALUES (?, ?, ?, ?, ?)",
            (seq, self._number(fingerprint, model_id), picture_id, blob, checksum),
        ).rowcount
        self._counts[fingerprint] = self._counts.get(fingerprint, 0) + added
        self.vectors += added
        self._highest = max(self._highest, seq, picture_id)

    def _number(self, fingerprint: str, wanted: int) -> int:
        """The model's number in the new catalogue: the old one, where that is free."""
        if fingerprint not in self._numbers:
            free = wanted not in self._numbers.values() and _sane(wanted)
            self._numbers[fingerprint] = wanted if free else max(self._numbers.values(), default=0) + 1
            self._run("INSERT INTO models VALUES (?, ?, ?)", (self._numbers[fingerprint], fingerprint, self._names[fingerprint]))  # fmt: skip
        return self._numbers[fingerprint]

    def keep_roots(self, roots: list[Root]) -> None:
        """What the user asked to watch, and disks inside."""
        known = {root.id for root in roots}
        for root in sorted(roots, key=lambda root: (root.inside is not None, root.id)):
            if root.inside is None or root.inside in known:
                self.kept_roots += self._run("INSERT OR IGNORE INTO roots (id, path, system, inode, inside) VALUES (?, ?, ?, ?, ?)",
                                             (root.id, root.path, root.system, root.inode, root.inside)).rowcount  # fmt: skip

    def end(self, above: int) -> None:
        """Which model answers, and where new numbers begin."""
        if self._counts:
            serving = max(self._counts, key=lambda fingerprint: self._counts[fingerprint])
            self._run("INSERT INTO settings VALUES ('serving', ?)", (serving,))
        begin = (max(self._highest, above) // NUMBERS_A_LIFE + 1) * NUMBERS_A_LIFE
        self._run("DELETE FROM sqlite_sequence")
        for table in ("pictures", "vectors"):
            self._run("INSERT INTO sqlite_sequence VALUES (?, ?)", (table, begin))
        self._run("INSERT INTO settings VALUES ('proven', '1')")
        self._run("DROP TABLE found")


def _sane(number: int | None) -> bool:
    return number is not None and 0 < number < LARGEST_NUMBER
