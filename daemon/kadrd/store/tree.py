"""The writer's folders and files: what the scanner compares the disk with, and how it says what changed.

Runs on the ingest thread, inside the catalogue's transaction. Looks at no disk and decides nothing: which
file is new, changed or gone is decided in ingest/scan.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from typing import NamedTuple

from kadrd.values import Root, Stat, State, Waiting

# A file that changed and went before it was read: the row has the new stat and the old key, which must not meet again.
_FORGET_IF_PENDING = "file_key = CASE state WHEN 0 THEN NULL ELSE file_key END"


class KnownFile(NamedTuple):
    """A file as the catalogue remembers it."""

    file_id: int
    stat: Stat
    state: State
    beside: int = 0
    """which sidecars lay beside it (ingest/scan.py); 0: none"""


class KnownFolder(NamedTuple):
    """A folder as the catalogue remembers it."""

    id: int
    root_id: int
    path: bytes
    parent_id: int | None
    present: bool
    files: dict[bytes, KnownFile]
    subfolders: frozenset[bytes]


class Tree:
    """Folders and files of all roots. Its owner is the ingest thread."""

    def __init__(self, connection: sqlite3.Connection, age: Callable[[], float]) -> None:
        self._run = connection.execute
        self._run_many = connection.executemany
        self._age = age
        self.roots_changed = False
        """Whether the copy of the list of roots has to be written again (store/roots_copy.py)."""
        self._ticket: int = self._run("SELECT coalesce(max(ticket), 0) FROM files").fetchone()[0]

    @property
    def ticket(self) -> int:
        """The last ticket given; a file that waits with a later one changed later."""
        return self._ticket

    def next_ticket(self) -> int:
        """A number that no earlier change has."""
        self._ticket += 1
        return self._ticket

    # Roots

    def roots(self) -> list[Root]:
        """Every root, the longest path first, so that the first one a path lies in is the one it belongs to."""
        rows = self._run(
            "SELECT id, path, system, inode, online, inside FROM roots ORDER BY length(path) DESC, path"
        )
        return [
            Root(id_, path, system, inode, bool(online), inside)
            for id_, path, system, inode, online, inside in rows
        ]

    def add_root(self, path: bytes, system: int, inode: int, inside: int | None = None) -> None:
        """A new root at *path*. Roots below it that lie on the same file system for certain become part of it: their files
        are kept, and not read again. The others go on as disks inside it, so that one that is away loses nothing.
        """
        below = (
            [root for root in self.roots() if root.path.startswith(path.rstrip(b"/") + b"/")]
            if inside is None
            else []
        )
        self.roots_changed = True
        cursor = self._run(
            "INSERT INTO roots (path, system, inode, inside) VALUES (?, ?, ?, ?)",
            (path, system, inode, inside),
        )
        for child in below:
            if child.online and child.system == system != 0:
                self._run("UPDATE folders SET root_id = ? WHERE root_id = ?", (cursor.lastrowid, child.id))
                self._run("UPDATE roots SET inside = ? WHERE inside = ?", (cursor.lastrowid, child.id))
                self._run("DELETE FROM roots WHERE id = ?", (child.id,))
            else:
                self._run("UPDATE roots SET inside = ? WHERE id = ?", (cursor.lastrowid, child.id))

    def remove_root(self, root_id: int) -> int:
        """Forget the root and its files; vectors stay for a while. Gives the number of files."""
        count: int = self._run(
            "SELECT count(*) FROM files JOIN folders ON folders.id = folder_id JOIN roots ON roots.id = root_id "
            "WHERE roots.id = ? OR inside = ?",
            (root_id, root_id),
        ).fetchone()[0]
        self.roots_changed = True
        # Folders fall with the one above them, once a level, and SQLite goes down a thousand levels only.
        ours = "SELECT id FROM roots WHERE id = ? OR inside = ?"
        self._run(f"UPDATE folders SET parent_id = NULL WHERE root_id IN ({ours})", (root_id, root_id))
        self._run("DELETE FROM roots WHERE id = ?", (root_id,))
        return count

    def set_online(self, root_id: int, online: bool) -> None:
        self._run("UPDATE roots SET online = ? WHERE id = ?", (online, root_id))

    def set_volume(self, root_id: int, system: int, inode: int) -> None:
        self.roots_changed = True
        self._run("UPDATE roots SET system = ?, inode = ? WHERE id = ?", (system, inode, root_id))

    def sample(self, root_id: int, size: int) -> list[tuple[bytes, int, int]]:
        """(path, size, mtime in ns) of some files of the root, from all over it; always the same ones."""
        return self._run(
            "SELECT folders.path || '/' || name, size, mtime_ns FROM files JOIN folders ON folders.id = folder_id "
            "WHERE root_id = ? ORDER BY (files.id * 2654435761) % 4294967296 LIMIT ?",
            (root_id, size),
        ).fetchall()

    # One folder

    def folder(self, path: bytes) -> KnownFolder | None:
        """The folder *path*, its files and the names of its subfolders."""
        row = self._run(
            "SELECT id, root_id, parent_id, present FROM folders WHERE path = ?", (path,)
        ).fetchone()
        if row is None:
            return None
        files = {
            name: KnownFile(id_, Stat(size, mtime, ctime, inode), State(state), beside)
            for id_, name, size, mtime, ctime, inode, state, beside in self._run(
                "SELECT id, name, size, mtime_ns, ctime_ns, inode, state, beside FROM files WHERE folder_id = ?",
                (row[0],),
            )
        }
        children = self._run("SELECT path FROM folders WHERE parent_id = ? AND present", (row[0],))
        names = frozenset(child.rpartition(b"/")[2] for (child,) in children)
        return KnownFolder(row[0], row[1], path, row[2], bool(row[3]), files, names)

    def add_folder(self, root_id: int, path: bytes) -> KnownFolder:
        """The folder *path*, made known or present again. Its parent may not be known: then it is a root's top."""
        above = path.rpartition(b"/")[0] or b"/"
        parent = self._run("SELECT id FROM folders WHERE path = ? AND path != ?", (above, path)).fetchone()
        self._run(
            "INSERT INTO folders (root_id, parent_id, path) VALUES (?, ?, ?) "
            "ON CONFLICT (path) DO UPDATE SET present = 1, root_id = excluded.root_id, parent_id = excluded.parent_id",
            (root_id, parent[0] if parent else None, path),
        )
        known = self.folder(path)
        assert known is not None
        return known

    def folder_gone(self, path: bytes, root_id: int) -> None:
        """Nothing is left of the root's folder *path*: every file in and below it is missing."""
        below, beyond = path + b"/", path + b"0"  # "0" follows "/": the range of all paths below
        where, values = (
            "root_id = ? AND (path = ? OR (path > ? AND path < ?))",
            (root_id, path, below, beyond),
        )
        self._run(f"UPDATE folders SET present = 0 WHERE {where}", values)
        self._run(
            f"UPDATE files SET {_FORGET_IF_PENDING}, state = ?, missing_since = ? WHERE state != ? AND folder_id IN "
            f"(SELECT id FROM folders WHERE {where})",
            (State.MISSING, self._age(), State.MISSING, *values),
        )

    # Files of one folder

    def add_files(self, folder_id: int, files: Iterable[tuple[bytes, Stat]]) -> list[int]:
        """New files, waiting to be looked into. Gives their ids."""
        ids = []
        for name, stat in files:
            cursor = self._run(
                "INSERT INTO files (folder_id, name, size, mtime_ns, ctime_ns, inode, state, ticket) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (folder_id, name, *stat, State.PENDING, self.next_ticket()),
            )
            assert cursor.lastrowid is not None
            ids.append(cursor.lastrowid)
        return ids

    def files_changed(self, files: Iterable[tuple[int, Stat]]) -> None:
        """Files to look into again. What is known of them still answers until then."""
        self._run_many(
            "UPDATE files SET size = ?, mtime_ns = ?, ctime_ns = ?, inode = ?, state = ?, ticket = ?, "
            "missing_since = NULL WHERE id = ?",
            [(*stat, State.PENDING, self.next_ticket(), file_id) for file_id, stat in files],
        )

    def files_beside(self, files: Iterable[tuple[int, int]]) -> None:
        """The sidecars beside these files are others than before; whether they wait is said elsewhere."""
        self._run_many("UPDATE files SET beside = ? WHERE id = ?", [(stamp, id_) for id_, stamp in files])

    def files_back(self, file_ids: Iterable[int]) -> None:
        """Missing files that are there again, unchanged. Those that had failed get another look."""
        self._run_many(
            "UPDATE files SET state = CASE WHEN picture_id IS NOT NULL AND file_key IS NOT NULL THEN ? ELSE ? END, "
            "ticket = ?, missing_since = NULL WHERE id = ?",
            [(State.INDEXED, State.PENDING, self.next_ticket(), file_id) for file_id in file_ids],
        )

    def files_gone(self, file_ids: Iterable[int]) -> None:
        """Files that a scan did not find; they answer no more, and are deleted when a later look agrees."""
        now = self._age()
        self._run_many(
            f"UPDATE files SET {_FORGET_IF_PENDING}, state = ?, missing_since = ? WHERE id = ? AND state != ?",
            [(State.MISSING, now, file_id, State.MISSING) for file_id in file_ids],
        )

    # Work and its end

    def waiting(self, limit: int, after: int = 0) -> list[Waiting]:
        """Files to look into with a ticket later than *after*, the longest waiting first; none of an offline root."""
        rows = self._run(
            "SELECT files.id, folders.path || '/' || name, size, mtime_ns, ctime_ns, files.inode, ticket "
            "FROM files JOIN folders ON folders.id = folder_id JOIN roots ON roots.id = root_id "
            "WHERE state = 0 AND online AND ticket > ? ORDER BY ticket LIMIT ?",
            (after, limit),
        )
        # `||` gives TEXT that need not be UTF-8, so it is read as bytes (catalogue.py sets text_factory).
        return [
            Waiting(id_, path, Stat(size, mtime, ctime, inode), t)
            for id_, path, size, mtime, ctime, inode, t in rows
        ]

    def retry(self, path: bytes) -> int:
        """Give every failed file in or below *path* (empty: everywhere) another try. Gives their number."""
        keys = "SELECT file_key FROM files JOIN folders ON folders.id = folder_id WHERE state = 2 AND file_key IS NOT NULL"
        where, values = _within(path)
        for table in ("failures", "trials"):
            self._run(f"DELETE FROM {table} WHERE file_key IN ({keys} AND {where})", values)
        failed = self._run(
            f"SELECT files.id FROM files JOIN folders ON folders.id = folder_id WHERE state = 2 AND {where}",
            values,
        ).fetchall()
        self._run_many(
            "UPDATE files SET state = 0, reason = NULL, sentence = NULL, ticket = ? WHERE id = ?",
            [(self.next_ticket(), id_) for (id_,) in failed],
        )
        return len(failed)

    def doubt(self, paths: Iterable[bytes]) -> int:
        """Read these files again: what the catalogue says of them is not what they hold. Gives their number.

        Until then they go on answering. One that waits already keeps its turn, for which somebody may wait; one that is
        missing is not there to be read.
        """
        rows = []
        for path in paths:
            folder, _, name = path.rpartition(b"/")
            rows.append((self.next_ticket(), folder or b"/", name))
        return self._run_many(
            "UPDATE files SET ticket = CASE state WHEN 0 THEN ticket ELSE ? END, state = 0, file_key = NULL "
            "WHERE folder_id = (SELECT id FROM folders WHERE path = ?) AND name = ? AND state != 3",
            rows,
        ).rowcount

    def read_all_again(self) -> None:
        """Every file that shows a picture waits to be read again: something else is wanted of it now."""
        self._run("UPDATE files SET state = 0, ticket = ticket + ? WHERE state = 1", (self._ticket,))
        self._ticket *= 2

    def retry_unreadable(self) -> None:
        """Give files that the system would not let us read another try: rights and disks change without a trace."""
        unreadable = self._run(
            "SELECT id FROM files WHERE state = 2 AND reason IN ('no-permission', 'unreadable')"
        )
        self._run_many(
            "UPDATE files SET state = 0, ticket = ? WHERE id = ?",
            [(self.next_ticket(), file_id) for (file_id,) in unreadable.fetchall()],
        )

    def long_missing(
        self, root_id: int, before: float, limit: int, after: int = 0
    ) -> list[tuple[int, bytes]]:
        """(file id, path) of files of the root that are missing since before *before*, by id and from the one behind
        *after*; none while it is offline.
        """
        return self._run(
            "SELECT files.id, folders.path || '/' || name FROM files JOIN folders ON folders.id = folder_id "
            "JOIN roots ON roots.id = root_id WHERE state = 3 AND online AND root_id = ? AND missing_since < ? "
            "AND files.id > ? ORDER BY files.id LIMIT ?",
            (root_id, before, after, limit),
        ).fetchall()

    def any_missing(self) -> bool:
        """Whether any file is missing."""
        return self._run("SELECT 1 FROM files WHERE state = 3 LIMIT 1").fetchone() is not None

    def share_missing(self, root_id: int) -> tuple[int, int]:
        """(missing, all) files of a root."""
        row: tuple[int, int] = self._run(
            "SELECT coalesce(sum(state = 3), 0), count(*) FROM files JOIN folders ON folders.id = folder_id "
            "WHERE root_id = ?",
            (root_id,),
        ).fetchone()
        return row

    def forget(self, file_ids: Iterable[int]) -> None:
        """Delete files that are gone for good, and folders that are gone and hold nothing."""
        self._run_many("DELETE FROM files WHERE id = ?", [(file_id,) for file_id in file_ids])
        self._run(
            "DELETE FROM folders WHERE NOT present AND NOT EXISTS (SELECT 1 FROM files WHERE folder_id = folders.id) "
            "AND NOT EXISTS (SELECT 1 FROM folders AS child WHERE child.parent_id = folders.id)"
        )


def _within(path: bytes) -> tuple[str, tuple[bytes, ...]]:
    """SQL that holds for files in the folder *path* or below it, or that are *path*; everything when empty."""
    if not path:
        return "1", ()
    sql = "(folders.path = ? OR (folders.path > ? AND folders.path < ?) OR (folders.path = ? AND name = ?))"
    folder, _, name = path.rpartition(b"/")
    return sql, (path, path + b"/", path + b"0", folder, name)
