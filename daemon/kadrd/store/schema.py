"""The catalogue's tables and how the file is opened. Append a migration; never change one that was released.

One connection writes and is the only one that checkpoints: SQLite before 3.51.3 can lose a WAL when two
connections checkpoint at the same instant (sqlite.org/wal.html#walresetbug). Readers open `mode=ro`.
Paths are BLOBs: POSIX names need not be UTF-8, and SQLite refuses surrogates.
"""

from __future__ import annotations

import os
import sqlite3

# The rest of the daemon speaks of the catalogue without importing sqlite3.
CatalogueError = sqlite3.Error
SQLITE_VERSION = sqlite3.sqlite_version

APPLICATION_ID = 0x6B616472  # "kadr"
PAGE_CACHE_KIB = 16 * 1024

MIGRATIONS = (
    # 1: first version
    """
    CREATE TABLE settings (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
    CREATE TABLE roots (
        id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE,
        system INTEGER NOT NULL, inode INTEGER NOT NULL,    -- ingest/volume.py
        online INTEGER NOT NULL DEFAULT 1,
        inside INTEGER REFERENCES roots ON DELETE CASCADE); -- a disk mounted in a root is a root in a root
    CREATE TABLE folders (
        id INTEGER PRIMARY KEY, root_id INTEGER NOT NULL REFERENCES roots ON DELETE CASCADE,
        parent_id INTEGER REFERENCES folders ON DELETE CASCADE,
        path BLOB NOT NULL UNIQUE, present INTEGER NOT NULL DEFAULT 1);
    CREATE INDEX folders_of_root ON folders (root_id);
    CREATE INDEX folders_of_parent ON folders (parent_id);
    CREATE TABLE pictures (
        id INTEGER PRIMARY KEY AUTOINCREMENT, essence_key BLOB NOT NULL UNIQUE,
        width INTEGER NOT NULL, height INTEGER NOT NULL, format TEXT NOT NULL,
        orphaned_at REAL);                  -- when its last file went; NULL while it has one
    CREATE INDEX pictures_orphaned ON pictures (orphaned_at) WHERE orphaned_at IS NOT NULL;
    CREATE TABLE files (
        id INTEGER PRIMARY KEY, folder_id INTEGER NOT NULL REFERENCES folders ON DELETE CASCADE,
        name BLOB NOT NULL,
        size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL, inode INTEGER NOT NULL,
        state INTEGER NOT NULL,             -- values.State
        ticket INTEGER NOT NULL,            -- grows with every change: the order of work, and sync's fence
        file_key BLOB, picture_id INTEGER REFERENCES pictures,
        reason TEXT, sentence TEXT,         -- why it failed
        missing_since REAL,
        UNIQUE (folder_id, name));
    CREATE INDEX files_pending ON files (ticket) WHERE state = 0;
    CREATE INDEX files_failed ON files (id) WHERE state = 2;
    CREATE INDEX files_missing ON files (missing_since) WHERE state = 3;
    CREATE INDEX files_of_picture ON files (picture_id);
    CREATE INDEX files_by_key ON files (file_key);
    CREATE INDEX files_by_inode ON files (inode, ctime_ns);
    CREATE TABLE models (id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE, name TEXT NOT NULL);
    CREATE TABLE vectors (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        model_id INTEGER NOT NULL REFERENCES models, picture_id INTEGER NOT NULL REFERENCES pictures,
        vector BLOB NOT NULL,               -- little-endian float16
        UNIQUE (model_id, picture_id));
    CREATE INDEX vectors_of_picture ON vectors (picture_id);
    CREATE TABLE trials (                   -- contents that a worker has begun on and not finished
        file_key BLOB PRIMARY KEY, decoder INTEGER NOT NULL, tries INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE failures (                 -- contents that have no vector, and the decoder that said so
        file_key BLOB PRIMARY KEY, decoder INTEGER NOT NULL, reason TEXT NOT NULL,
        sentence TEXT NOT NULL) WITHOUT ROWID;
    """,
)


class SchemaTooNew(Exception):
    """The catalogue was written by a newer kadr. Install that version again; nothing was changed."""


class NotACatalogue(Exception):
    """The file is another program's database, or damaged."""


def open_for_writing(path: str) -> sqlite3.Connection:
    """The one writing connection, migrated. Raises SchemaTooNew, NotACatalogue or sqlite3.Error."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        _refuse_what_is_not_ours(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA busy_timeout = 5000")
        connection.execute(f"PRAGMA cache_size = -{PAGE_CACHE_KIB}")
        _migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def open_for_reading(path: str) -> sqlite3.Connection:
    """A connection that cannot write, for one thread."""
    connection = sqlite3.connect(
        f"file:{_quoted(path)}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA busy_timeout = 5000")
    connection.execute("PRAGMA query_only = ON")
    return connection


def _quoted(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _refuse_what_is_not_ours(connection: sqlite3.Connection, path: str) -> None:
    try:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise NotACatalogue(f"{path} cannot be read: {error}") from None
    if tables and application != APPLICATION_ID:
        raise NotACatalogue(f"{path} is not a kadr catalogue")
    if version > len(MIGRATIONS):
        raise SchemaTooNew(f"{path} has version {version}, this kadr knows {len(MIGRATIONS)}")


def _migrate(connection: sqlite3.Connection) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        # executescript commits what is open first, so the transaction is part of the script.
        connection.executescript(
            f"BEGIN IMMEDIATE; {script}; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {number}; COMMIT;"
        )
