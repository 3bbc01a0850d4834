"""The catalogue's tables and how the file is opened. Append a migration; never change one that was released.

One connection writes and is the only one that checkpoints: SQLite before 3.51.3 can lose a WAL when two
connections checkpoint at the same instant (sqlite.org/wal.html#walresetbug). Readers open `mode=ro`.
Paths are BLOBs: POSIX names need not be UTF-8, and SQLite refuses surrogates.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sqlite3
from collections.abc import Iterator

from kadrd.store import functions

# The rest of the daemon speaks of the catalogue without importing sqlite3.
CatalogueError = sqlite3.Error
# SQLite quotes damaged text in what it says, and Python cannot read that.
UNREADABLE = (sqlite3.Error, UnicodeDecodeError)
Connection = sqlite3.Connection
SQLITE_VERSION = sqlite3.sqlite_version

APPLICATION_ID = 0x6B616472  # "kadr"
PAGE_CACHE_KIB = 16 * 1024
PAGE_SIZE = 4096  # SQLite's default; written down because store/pages.py reads files whose header is damaged

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
    # 2: a vector says itself what it belongs to; times are the catalogue's own age, not the clock on the wall
    """
    ALTER TABLE vectors ADD COLUMN checksum INTEGER;  -- store/vectors.py; NULL in rows of version 1
    UPDATE files SET missing_since = 0 WHERE missing_since IS NOT NULL;
    UPDATE pictures SET orphaned_at = 0 WHERE orphaned_at IS NOT NULL;
    """,
    # 3: what files say of their pictures; the service has every file read again for it (ingest/formats.py, FACTS)
    """
    ALTER TABLE files ADD COLUMN beside INTEGER NOT NULL DEFAULT 0;  -- which sidecars lie beside it (ingest/scan.py)
    CREATE TABLE facts (                    -- values.Facts, of each file that shows a picture
        file_id INTEGER PRIMARY KEY REFERENCES files ON DELETE CASCADE,
        name TEXT NOT NULL,                 -- the file's name, folded (store/folding.py)
        taken INTEGER, taken_offset INTEGER,
        make TEXT NOT NULL, model TEXT NOT NULL, lens TEXT NOT NULL, software TEXT NOT NULL,
        camera TEXT NOT NULL,               -- make and model, folded
        optics TEXT NOT NULL,               -- lens, folded
        iso INTEGER, aperture REAL, exposure REAL, focal REAL,
        latitude REAL, longitude REAL, altitude REAL,
        place_id INTEGER, city TEXT NOT NULL, region TEXT NOT NULL, country TEXT NOT NULL,
        orientation INTEGER NOT NULL, rating INTEGER,
        title TEXT NOT NULL, description TEXT NOT NULL);
    CREATE INDEX facts_taken ON facts (taken) WHERE taken IS NOT NULL;
    CREATE INDEX facts_position ON facts (latitude, longitude) WHERE latitude IS NOT NULL;
    CREATE INDEX facts_camera ON facts (camera) WHERE camera != '';
    CREATE TABLE labels (                   -- words that somebody put on a file
        file_id INTEGER NOT NULL REFERENCES files ON DELETE CASCADE,
        kind INTEGER NOT NULL,              -- 0 tag (extended attribute), 1 keyword, 2 person
        label TEXT NOT NULL, folded TEXT NOT NULL,
        PRIMARY KEY (file_id, kind, label)) WITHOUT ROWID;
    CREATE INDEX labels_folded ON labels (folded, kind);
    CREATE VIRTUAL TABLE texts USING fts5 ( -- the words of each file (store/folding.py), rowid is its id
        name, title, description, labels, place, forms, tokenize = "unicode61 remove_diacritics 0");
    CREATE TRIGGER facts_forgotten AFTER DELETE ON facts BEGIN DELETE FROM texts WHERE rowid = old.file_id; END;
    """,
    # 4: tags that we wrote on files, and files that wait for theirs
    """
    CREATE TABLE written (                  -- tag/carrier.py, Memory: by what it can be undone
        file_id INTEGER NOT NULL REFERENCES files ON DELETE CASCADE, carrier TEXT NOT NULL,
        ours TEXT NOT NULL, suppressed TEXT NOT NULL, theirs TEXT NOT NULL,     -- lists, as JSON
        before BLOB, after BLOB NOT NULL, inode INTEGER NOT NULL,
        PRIMARY KEY (file_id, carrier)) WITHOUT ROWID;
    CREATE TABLE untagged (                 -- files to look at, and the ticket of the change that they wait for
        file_id INTEGER PRIMARY KEY REFERENCES files ON DELETE CASCADE, ticket INTEGER NOT NULL);
    """,
)

# What a try again may mend: a full disk, another connection, a disk that fails, missing rights.
_PASSING = frozenset(
    {
        sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_AUTH,
        sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_MISUSE,
    }
)  # fmt: skip
_CERTAIN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class Damaged(Exception):
    """The file is ours and its bytes are not what was written. store/salvage.py makes another one out of it."""


class SchemaTooNew(Exception):
    """The catalogue was written by a newer kadr. Install that version again; nothing was changed."""


class NotACatalogue(Exception):
    """The file is another program's database."""


def open_for_writing(path: str) -> sqlite3.Connection:
    """The one writing connection, migrated. Raises SchemaTooNew, NotACatalogue, Damaged or sqlite3.Error."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        with damage_told(path):
            _refuse_what_is_not_ours(connection, path)
        connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")  # of a new file
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA busy_timeout = 5000")
        connection.execute(f"PRAGMA cache_size = -{PAGE_CACHE_KIB}")
        with damage_told(path):
            _migrate(connection)
            _compare(connection, path)
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
    functions.register(connection)
    return connection


def version(path: str) -> int:
    """The version of the file at *path*, which is not changed. Raises as open_for_writing does."""
    with contextlib.closing(open_for_reading(path)) as connection, damage_told(path):
        _refuse_what_is_not_ours(connection, path)
        number: int = connection.execute("PRAGMA user_version").fetchone()[0]
        return number


def _quoted(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def certain(error: BaseException) -> bool:
    """Whether *error* means that the file is damaged, whatever was asked."""
    return isinstance(error, Damaged) or _code(error) in _CERTAIN


def passing(error: BaseException) -> bool:
    """Whether *error* comes from the machine and not from the bytes, so that a try again may mend it."""
    return isinstance(error, OSError) or _code(error) in _PASSING


def _code(error: BaseException) -> int | None:
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


@contextlib.contextmanager
def damage_told(path: str) -> Iterator[None]:
    """Opening asks nothing of SQLite that a whole catalogue refuses, so a refusal means damage."""
    try:
        yield
    except UNREADABLE as error:
        if passing(error):
            raise
        raise Damaged(f"{path} is damaged: {error}") from None


def _refuse_what_is_not_ours(connection: sqlite3.Connection, path: str) -> None:
    with open(path, "rb") as file:
        header = file.read(20)
    if header and not set(header[18:20]) <= {1, 2}:  # SQLite would take it for one that may only be read
        raise Damaged(f"{path} is damaged: its header is not the one that was written")
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if not tables and (application, version) == (0, 0):
        return  # new, or killed before the first table was made
    if application != APPLICATION_ID and not tables & {"roots", "folders", "files", "pictures", "vectors"}:
        raise NotACatalogue(f"{path} is not a kadr catalogue")
    written = _version_written(connection)
    if version > len(MIGRATIONS) and _newer(connection, written):
        raise SchemaTooNew(f"{path} has version {version}, this kadr knows {len(MIGRATIONS)}")
    if application != APPLICATION_ID or version != (written or 1):
        raise Damaged(f"{path} is damaged: its header is not the one that was written")


def _version_written(connection: sqlite3.Connection) -> int | None:
    """The schema's version as the settings say it: a second witness beside the header, since version 2."""
    try:
        row = connection.execute("SELECT value FROM settings WHERE name = 'schema'").fetchone()
    except sqlite3.OperationalError as error:
        if passing(error):
            raise
        return None
    return row[0] if row and isinstance(row[0], int) else None


def _newer(connection: sqlite3.Connection, written: int | None) -> bool:
    """Whether a version that is too high is true, and not a flipped bit."""
    return shape(connection) != _wanted() if written is None else written > len(MIGRATIONS)


def _migrate(connection: sqlite3.Connection) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        # executescript commits what is open first, so the transaction is part of the script.
        connection.executescript(
            f"BEGIN IMMEDIATE; {script}; INSERT OR REPLACE INTO settings VALUES ('schema', {number}); "
            f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {number}; COMMIT;"
        )


def _compare(connection: sqlite3.Connection, path: str) -> None:
    """Every table, column and index is there under its name."""
    if shape(connection) != _wanted():
        raise Damaged(f"{path} is damaged: its tables are not those that were made")


def shape(connection: sqlite3.Connection) -> list[tuple[object, ...]]:
    """Tables and indexes with their columns."""
    sql = (
        'SELECT m.type, m.name, tbl_name, c.name, c.type, c."notnull", c.pk FROM sqlite_master AS m, '
        "pragma_table_info(m.name) AS c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_stat%' UNION ALL "
        "SELECT m.type, m.name, tbl_name, c.name, c.cid, c.seqno, 0 FROM sqlite_master AS m, "
        "pragma_index_info(m.name) AS c WHERE m.type = 'index'"
    )
    return sorted(connection.execute(sql).fetchall(), key=repr)


@functools.cache
def _wanted() -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        _migrate(connection)
        return shape(connection)
