"""Tags that we wrote on files, as the catalogue remembers them, and the files that wait to be looked at for theirs.

`TagsTable` is the writer's, of the ingest thread and inside its transaction; `TagsReader` asks from any thread. What is
written where, and what a memory means, is decided in tag/.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from kadrd.store.facts import Kind
from kadrd.store.folding import folded
from kadrd.store.reader import Reader
from kadrd.values import Memory, Stat, State

_AT_ONCE = 500
_MEMORY = "ours, suppressed, theirs, before, after, written.inode"
_FILE = (
    "SELECT files.id, folders.path || '/' || name, picture_id, root_id, files.ticket, state = 1, size, mtime_ns, ctime_ns, files.inode "
    "FROM files JOIN folders ON folders.id = folder_id JOIN roots ON roots.id = root_id "
)


class Taggable(NamedTuple):
    """A file that shows a picture, and what it was like when the catalogue last looked."""

    file_id: int
    path: bytes
    picture_id: int
    root_id: int
    ticket: int
    settled: bool
    """whether it shows what the catalogue says; else it waits to be read"""
    stat: Stat


class Now(NamedTuple):
    """What a file is like on the disk."""

    stat: Stat
    beside: int
    """the stamp of its sidecars (ingest/scan.py)"""


class TagsTable:
    """The writer's side of the tables written and untagged."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._run, self._run_many = connection.execute, connection.executemany
        self.every_file = False
        """Whether every file waits for tags when it was read; else those that carry some of ours already."""

    # Who waits

    def settled(self, file_id: int, file_key: bytes | None, inode: int) -> None:
        """The file was read: it is the one that it was before a rename, and may want its tags."""
        written = self._run("SELECT 1 FROM written LIMIT 1").fetchone() is not None
        if written:
            self._inherit(file_id, file_key, inode)
        elif not self.every_file:
            return  # the usual case: nobody asked for tags
        where = "" if self.every_file else " AND EXISTS (SELECT 1 FROM written WHERE file_id = files.id)"
        self._run(
            f"INSERT OR REPLACE INTO untagged SELECT id, ticket FROM files WHERE id = ?{where}", (file_id,)
        )

    def _inherit(self, file_id: int, file_key: bytes | None, inode: int) -> None:
        """A rename keeps inode and content; what else has both is a hard link. Found by the inode: of one content there may be
        thousands of copies.
        """
        self._run(
            f"INSERT OR IGNORE INTO written SELECT ?, carrier, {_MEMORY} FROM files JOIN written ON file_id = files.id "
            "WHERE +file_key = ? AND files.inode = ? AND files.id != ?",
            (file_id, file_key, inode, file_id),
        )

    def look_at_all(self) -> None:
        """Every file waits: other words, or other places, are wanted."""
        self._run("INSERT OR REPLACE INTO untagged SELECT id, ticket FROM files WHERE state = 1")

    def look_at_none(self) -> None:
        """Nobody waits but files that carry tags of ours: no others are wanted any more."""
        self._run("DELETE FROM untagged WHERE file_id NOT IN (SELECT file_id FROM written)")

    def looked_at(self, files: Iterable[Taggable]) -> None:
        """They wait no more, unless they changed meanwhile."""
        self._run_many(
            "DELETE FROM untagged WHERE file_id = ? AND ticket = ?", [(f.file_id, f.ticket) for f in files]
        )

    # What was written

    def remember(self, file_id: int, carrier: str, memory: Memory | None) -> None:
        """What there is of ours in one carrier of a file; None: nothing any more."""
        if memory is None:
            self._run("DELETE FROM written WHERE file_id = ? AND carrier = ?", (file_id, carrier))
            return
        self._run(
            "INSERT OR REPLACE INTO written SELECT ?, ?, ?, ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM files WHERE id = ?)",
            (file_id, carrier, *_row(memory), file_id),
        )

    def replaced(self, file_id: int, inode: int) -> None:
        """We gave the file another inode ourselves: nothing that it carries was wiped away by that."""
        self._run("UPDATE written SET inode = ? WHERE file_id = ?", (inode, file_id))

    def carries(
        self, file: Taggable, now: Now, kind: Kind, added: Sequence[str], removed: Sequence[str]
    ) -> None:
        """The settled *file* is as *now* since we wrote, with other labels of a kind. When the scan came first, and found just what we
        left, the file waits no more; what else changed is left for it to find.
        """
        stat = now.stat
        cursor = self._run(
            "UPDATE files SET ctime_ns = ?, beside = ?, state = ? WHERE id = ? AND file_key IS NOT NULL AND picture_id = ? "
            "AND size = ? AND mtime_ns = ? AND inode = ? AND (state = 1 AND ticket = ? OR state = 0 AND ctime_ns = ? AND beside = ?)",
            (
                stat.ctime_ns, now.beside, State.INDEXED, file.file_id, file.picture_id,
                stat.size, stat.mtime_ns, stat.inode, file.ticket, stat.ctime_ns, now.beside,
            ),
        )  # fmt: skip
        if cursor.rowcount:
            gone = [(file.file_id, kind, label) for label in removed]
            new = [(file.file_id, kind, label, folded(label)) for label in added]
            self._run_many("DELETE FROM labels WHERE file_id = ? AND kind = ? AND label = ?", gone)
            self._run_many("INSERT OR IGNORE INTO labels VALUES (?, ?, ?, ?)", new)


class TagsReader:
    """Questions about tags, from any thread."""

    def __init__(self, reader: Reader) -> None:
        self._ask = reader.ask

    def roots_waiting(self) -> list[int]:
        """Roots that are online and have files which wait."""
        rows = self._ask(
            "SELECT roots.id FROM roots WHERE online AND EXISTS (SELECT 1 FROM untagged JOIN files ON files.id = file_id "
            "JOIN folders ON folders.id = folder_id WHERE root_id = roots.id AND state = 1)"
        )
        return [id_ for (id_,) in rows]

    def waiting(self, root_id: int, after: int, limit: int) -> list[Taggable]:
        """Files of the root that wait, from the one behind *after* on, by id."""
        rows = self._ask(
            f"{_FILE} JOIN untagged ON file_id = files.id AND untagged.ticket = files.ticket "
            "WHERE root_id = ? AND file_id > ? AND state = 1 AND picture_id IS NOT NULL ORDER BY file_id LIMIT ?",
            (root_id, after, limit),
        )
        return list(map(_taggable, rows))

    def counts(self) -> tuple[int, int]:
        """(files that wait, files that carry tags of ours)."""
        waiting = self._ask("SELECT count(*) FROM untagged")[0][0]
        written = self._ask("SELECT count(DISTINCT file_id) FROM written WHERE ours != '[]'")[0][0]
        return waiting, written

    def files(self, file_ids: Sequence[int]) -> list[Taggable]:
        """These files, as far as they show a picture and their disks are here, by path. One that waits to be read counts: whoever
        writes looks whether it is what is known.
        """
        found = [
            _taggable(row)
            for chunk in _chunks(file_ids)
            for row in self._ask(
                f"{_FILE} WHERE files.id IN ({_marks(chunk)}) AND state IN (0, 1) AND picture_id IS NOT NULL AND online",
                chunk,
            )
        ]
        return sorted(found, key=lambda file: file.path)

    def below(self, path: bytes) -> list[int]:
        """Files that show a picture in or below *path*, or that are it; every one for an empty path."""
        folder, _, name = path.rpartition(b"/")
        where = (
            "folders.path = ? OR (folders.path > ? AND folders.path < ?) OR (folders.path = ? AND name = ?)"
        )
        rows = self._ask(
            "SELECT files.id FROM files JOIN folders ON folders.id = folder_id WHERE picture_id IS NOT NULL AND state IN (0, 1) "
            f"AND ({where if path else '1'})",
            (path, path + b"/", path + b"0", folder, name) if path else (),
        )
        return [id_ for (id_,) in rows]

    def memories(self, file_ids: Sequence[int]) -> dict[int, dict[str, Memory]]:
        """What is remembered of each file, by carrier."""
        found: dict[int, dict[str, Memory]] = {}
        for chunk in _chunks(file_ids):
            sql = f"SELECT file_id, carrier, {_MEMORY} FROM written WHERE file_id IN ({_marks(chunk)})"
            for file_id, carrier, *row in self._ask(sql, chunk):
                found.setdefault(file_id, {})[carrier.decode()] = _memory(row)
        return found

    def with_keywords(self, file_ids: Sequence[int]) -> set[int]:
        """Those of the files that carry keywords, inside or in a sidecar."""
        return {
            id_
            for chunk in _chunks(file_ids)
            for (id_,) in self._ask(
                f"SELECT DISTINCT file_id FROM labels WHERE kind = {int(Kind.KEYWORD)} AND file_id IN ({_marks(chunk)})",
                chunk,
            )
        }


def _row(memory: Memory) -> tuple[Any, ...]:
    lists = (json.dumps(labels, ensure_ascii=False) for labels in memory[:3])
    return (*lists, memory.before, memory.after, memory.inode)


def _memory(row: Sequence[Any]) -> Memory:
    lists = (tuple(map(str, json.loads(text))) for text in row[:3])
    return Memory._make((*lists, *row[3:]))


def _taggable(row: Sequence[Any]) -> Taggable:
    return Taggable._make((*row[:5], bool(row[5]), Stat(*row[6:])))


def _chunks(items: Sequence[int]) -> Iterator[list[int]]:
    for first in range(0, len(items), _AT_ONCE):
        yield list(items[first : first + _AT_ONCE])


def _marks(chunk: Sequence[int]) -> str:
    return ",".join("?" * len(chunk))
