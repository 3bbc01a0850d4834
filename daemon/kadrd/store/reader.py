"""Read-only questions to the catalogue, from any thread: what hits show, status, and rows to replay.

Every thread gets its own connection. Nothing here can write (`mode=ro` and query_only), and no answer holds a
transaction open: a long reader would keep the WAL from being reset.
"""

from __future__ import annotations

import errno
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from kadrd.store import faults, schema
from kadrd.store.vectors import proof, stacked, unpacked
from kadrd.values import Matrix, Root, Stat, State, Vector

ROWS_A_FETCH = 4096
CLOSE_SECONDS = 2.0
_FILES = "files JOIN folders ON folders.id = folder_id JOIN roots ON roots.id = root_id"


class Counts(NamedTuple):
    """How much there is."""

    files: int
    pictures: int
    pending: int
    failures: int


class Indexed(NamedTuple):
    """What the catalogue says of one file, for verify."""

    state: State
    stat: Stat
    file_key: bytes | None
    essence_key: bytes | None
    picture_id: int | None


class _Line(NamedTuple):
    """A thread's connection."""

    connection: sqlite3.Connection
    busy: threading.Lock

    def closed(self) -> bool:
        """Close it, unless a statement runs just now: that would lose its error."""
        if not self.busy.acquire(timeout=0.05):
            return False
        self.connection.close()
        self.busy.release()
        return True


class Reader:
    """Questions to the catalogue at *path*."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lines: dict[threading.Thread, _Line] = {}
        self._lock, self._closed = threading.Lock(), False

    def close(self) -> None:
        """Break off what other threads are asking. Waits a while for a disk that hangs, and not for ever."""
        with self._lock:
            self._closed = True
            lines = list(self._lines.values())
            self._lines.clear()
        until = time.monotonic() + CLOSE_SECONDS
        while lines and time.monotonic() < until:
            for line in lines:
                line.connection.interrupt()
            lines = [line for line in lines if not line.closed()]

    def ask(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """All rows at once, so that no transaction stays open. Text comes as bytes. Of store/ alone."""
        line = self._lines.get(threading.current_thread()) or self._opened()
        with line.busy:
            if self._closed:
                raise OSError(errno.ESHUTDOWN, "the catalogue is closed")
            rows: list[Any] = line.connection.execute(sql, values).fetchall()
        return rows

    def _opened(self) -> _Line:
        """A connection for this thread; those of threads that have ended are closed."""
        connection = schema.open_for_reading(self._path)
        connection.text_factory = bytes
        line = _Line(connection, threading.Lock())
        with self._lock:
            if self._closed:
                line.closed()
                return line
            for thread in [thread for thread in self._lines if not thread.is_alive()]:
                self._lines.pop(thread).closed()
            self._lines[threading.current_thread()] = line
        return line

    # The path of a query

    def vector_of_file(self, path: bytes, model_id: int) -> Vector | None:
        """The vector of the picture in the file *path*, when it is known."""
        folder, _, name = path.rpartition(b"/")
        rows = self.ask(
            "SELECT vector FROM files JOIN folders ON folders.id = folder_id "
            "JOIN vectors ON vectors.picture_id = files.picture_id "
            "WHERE folders.path = ? AND name = ? AND model_id = ? AND state = 1",
            (folder, name, model_id),
        )
        return unpacked(rows[0][0]) if rows else None

    # Settings and models

    def setting(self, name: str) -> str | None:
        rows = self.ask("SELECT value FROM settings WHERE name = ?", (name,))
        return rows[0][0].decode(errors="replace") if rows and isinstance(rows[0][0], bytes) else None

    def model_id(self, fingerprint: str) -> int:
        """The model's number; 0 when no vector of it was ever made."""
        rows = self.ask("SELECT id FROM models WHERE fingerprint = ?", (fingerprint,))
        return rows[0][0] if rows else 0

    # The index

    def last_seq(self, model_id: int) -> int:
        """The sequence number of the model's newest vector; 0 when there is none."""
        number: int = self.ask("SELECT coalesce(max(seq), 0) FROM vectors WHERE model_id = ?", (model_id,))[
            0
        ][0]
        return number

    def vectors(self, model_id: int, after: int, upto: int) -> Iterator[tuple[list[int], list[int], Matrix]]:
        """(seqs, picture ids, vectors) with after < seq <= upto, in order, some thousands at a time."""
        while True:
            rows = self.ask(
                "SELECT seq, picture_id, vector FROM vectors WHERE model_id = ? AND seq > ? AND seq <= ? "
                "ORDER BY seq LIMIT ?",
                (model_id, after, upto, ROWS_A_FETCH),
            )
            if not rows:
                return
            yield [row[0] for row in rows], [row[1] for row in rows], stacked([row[2] for row in rows])
            after = rows[-1][0]

    def count_vectors(self, model_id: int, after: int = 0, upto: int = 2**62) -> int:
        """How many vectors of the model have a sequence number in (after, upto]."""
        sql = "SELECT count(*) FROM vectors WHERE model_id = ? AND seq > ? AND seq <= ?"
        number: int = self.ask(sql, (model_id, after, upto))[0][0]
        return number

    # Status

    def counts(self) -> Counts:
        """Files that are there (missing ones left out), pictures they show, files that wait, files that failed."""
        files, pending, failures = self.ask(
            "SELECT count(*), coalesce(sum(state = 0), 0), coalesce(sum(state = 2), 0) FROM files WHERE state != 3"
        )[0]
        pictures = self.ask(
            "SELECT count(*) FROM pictures WHERE EXISTS (SELECT 1 FROM files WHERE picture_id = pictures.id AND state IN (0, 1))"
        )[0][0]
        return Counts(files, pictures, pending, failures)

    def pending(self) -> int:
        """Files that wait and could be read now: those of a disk that is away do not count."""
        if self.offline_roots():
            sql = f"SELECT count(*) FROM {_FILES} WHERE state = 0 AND online"
        else:
            sql = "SELECT count(*) FROM files WHERE state = 0"  # the index alone: asked with every search
        number: int = self.ask(sql)[0][0]
        return number

    def failures(self, limit: int) -> list[tuple[bytes, str, str]]:
        """(path, reason, sentence) of files that have no picture."""
        rows = self.ask(
            "SELECT folders.path || '/' || name, reason, sentence FROM files JOIN folders ON folders.id = folder_id "
            "WHERE state = 2 ORDER BY folders.path, name LIMIT ?",
            (limit,),
        )
        return [
            (path, reason.decode(errors="replace"), sentence.decode(errors="replace"))
            for path, reason, sentence in rows
        ]

    def roots(self) -> list[tuple[Root, int]]:
        """What the user asked to watch, each with the number of its files, those on disks inside it too."""
        rows = self.ask(
            "SELECT top.id, top.path, top.system, top.inode, top.online, count(files.id) FROM roots AS top "
            "JOIN roots ON roots.id = top.id OR roots.inside = top.id LEFT JOIN folders ON folders.root_id = roots.id "
            "LEFT JOIN files ON files.folder_id = folders.id AND state != 3 "
            "WHERE top.inside IS NULL GROUP BY top.id ORDER BY top.path"
        )
        return [
            (Root(id_, path, system, inode, bool(online), None), count)
            for id_, path, system, inode, online, count in rows
        ]

    def offline_roots(self) -> list[bytes]:
        return [path for (path,) in self.ask("SELECT path FROM roots WHERE NOT online ORDER BY path")]

    # Verify

    def files_under(self, root_id: int) -> dict[bytes, Indexed]:
        """Every file of the root that is not missing, those of disks inside it that are there too."""
        rows = self.ask(
            "SELECT folders.path || '/' || name, state, size, mtime_ns, ctime_ns, files.inode, file_key, essence_key, picture_id "
            f"FROM {_FILES} LEFT JOIN pictures ON pictures.id = picture_id "
            "WHERE (roots.id = ? OR inside = ?) AND online AND state != 3",
            (root_id, root_id),
        )
        return {row[0]: Indexed(State(row[1]), Stat(*row[2:6]), *row[6:]) for row in rows}

    def pictures_without_vector(self, model_id: int) -> list[int]:
        """Pictures shown by a file that lack a vector of the model."""
        rows = self.ask(
            "SELECT id FROM pictures WHERE EXISTS (SELECT 1 FROM files WHERE picture_id = pictures.id AND state = 1) "
            "AND NOT EXISTS (SELECT 1 FROM vectors WHERE model_id = ? AND picture_id = pictures.id)",
            (model_id,),
        )
        return [id_ for (id_,) in rows]

    def damage(self) -> str:
        """What is wrong with the file as such: SQLite's own check, and values that nobody writes. Empty when all is well."""
        return faults.found(self.ask)

    def unproven_vectors(self) -> Iterator[int]:
        """Pictures with a vector whose checksum does not fit: it, its numbers or its picture's row changed on the disk."""
        after = 0
        while rows := self.ask(
            "SELECT seq, picture_id, fingerprint, essence_key, width, height, format, vector, checksum FROM vectors "
            "JOIN pictures ON pictures.id = picture_id JOIN models ON models.id = model_id "
            "WHERE seq > ? AND checksum IS NOT NULL ORDER BY seq LIMIT ?",
            (after, ROWS_A_FETCH),
        ):
            for seq, picture_id, fingerprint, essence, width, height, form, blob, checksum in rows:
                picture = (essence, width, height, form.decode(errors="replace"))
                if proof(seq, picture_id, fingerprint.decode(errors="replace"), picture, blob) != checksum:
                    yield picture_id
            after = rows[-1][0]
