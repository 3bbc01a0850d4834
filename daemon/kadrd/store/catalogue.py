"""The writer of the truth: pictures, vectors, failures, settings. One instance, owned by the ingest thread.

Every change happens inside `with catalogue.transaction()`. Above that line everything can be lost and redone;
below it everything can be replayed. Readers use store/reader.py. It looks at no disk and answers no query.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from kadrd.store import durable, roots_copy, schema
from kadrd.store.facts import FactsTable
from kadrd.store.tags import TagsTable
from kadrd.store.tree import Tree
from kadrd.store.vectors import packed, proof, unpacked
from kadrd.values import Digest, Encoded, Skipped, Stat, State, VectorRow, Waiting

# A death that the daemon saw counts twice, one that took the daemon along once: somebody may just have killed it.
MAX_TRIES = 4
SECONDS_A_DAY = 86400
PROVED_AT_ONCE = 4096
LONGEST_AGE = 1000 * 365.25 * SECONDS_A_DAY  # more is damage

log = logging.getLogger(__name__)


class Known(NamedTuple):
    """A content that was seen before: its picture, or why it has none."""

    picture_id: int | None
    skipped: Skipped | None
    file_key: bytes | None = None
    """The content's key, when it was taken over from another file."""
    file_id: int | None = None
    """That other file: what it says of its picture is taken over too."""


def seconds_awake_and_asleep() -> float:
    """A clock that nobody sets: seconds since the machine started, those of sleep too where the system counts them."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class Catalogue:
    """catalogue.sqlite, open for writing."""

    def __init__(self, path: str, clock: Callable[[], float] = seconds_awake_and_asleep) -> None:
        self._path, self._clock = path, clock
        self.revision = 0
        """Grows with every change: who follows a search looks at it, from any thread."""
        self._connection = schema.open_for_writing(path)
        try:
            # Concatenated paths come back as TEXT that need not be UTF-8; real text is decoded where it is read.
            self._connection.text_factory = bytes
            self._run = self._connection.execute
            with schema.damage_told(path):
                self._age_at_start, self._started = self._age_kept(), clock()
                self.tree = Tree(self._connection, self.age)
                self.facts, self.tags = FactsTable(self._connection), TagsTable(self._connection)
                self._roots = roots_copy.Kept(path, self.tree, self.setting)
                self._roots.check(self.transaction)
                self._prove_vectors()
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Checkpoint and close. Not needed for correctness."""
        with contextlib.suppress(sqlite3.Error):
            with self.transaction():
                self.keep_age()
            self._run("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        before = self._connection.total_changes
        self._run("BEGIN IMMEDIATE")
        try:
            yield
            if self.tree.roots_changed:
                self.set("roots", self._roots.said_next())
            durable.point("commit-begin")
            self._run("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # else SQLite took it back itself, as on a full disk
                self._run("ROLLBACK")
            raise
        durable.point("commit-done")
        self.revision += self._connection.total_changes > before
        if self.tree.roots_changed or self._roots.due:
            self._roots.write()

    # Its age

    def age(self) -> float:
        """Seconds that a daemon has been running on this catalogue, over all its lives. A clock that is set wrong
        neither deletes nor keeps anything.
        """
        return self._age_at_start + self._clock() - self._started

    def keep_age(self) -> None:
        """Write the age down, inside a transaction. What is not written is lived again: things are kept longer."""
        self.set("age", repr(self.age()))

    def _age_kept(self) -> float:
        kept = self.setting("age")
        try:
            age = float(kept or 0)
        except ValueError:
            return 0.0
        return age if 0 <= age < LONGEST_AGE else 0.0

    # Settings and models

    def setting(self, name: str) -> str | None:
        row = self._run("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        # A number is the schema's, or damage.
        return (
            None
            if row is None
            else row[0].decode(errors="replace")
            if isinstance(row[0], bytes)
            else str(row[0])
        )

    def set(self, name: str, value: str) -> None:
        self._run(
            "INSERT INTO settings VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
            (name, value),
        )

    def model_id(self, fingerprint: str, name: str) -> int:
        """The number of the model in the table of vectors."""
        with self.transaction():
            self._run("INSERT OR IGNORE INTO models (fingerprint, name) VALUES (?, ?)", (fingerprint, name))
        row = self._run("SELECT id FROM models WHERE fingerprint = ?", (fingerprint,)).fetchone()
        number: int = row[0]
        return number

    # Triage

    def same_file(self, waiting: Waiting) -> Known | None:
        """What is known of a file that only moved: same root, inode, size and both times.

        A rename of a folder leaves all four alone, so its pictures are not even read. A rename of the file itself
        touches its ctime: then it is read, and known by its content.
        """
        row = self._run(
            "SELECT other.picture_id, other.reason, other.sentence, other.file_key, other.id FROM files AS other "
            "JOIN folders AS theirs ON theirs.id = other.folder_id, "
            "files AS mine JOIN folders AS ours ON ours.id = mine.folder_id "
            "WHERE mine.id = ? AND theirs.root_id = ours.root_id AND other.id != mine.id "
            "AND other.inode = ? AND other.ctime_ns = ? AND other.size = ? AND other.mtime_ns = ? "
            "AND other.file_key IS NOT NULL AND other.state IN (1, 2, 3) AND other.beside = mine.beside "
            "AND (other.picture_id IS NULL OR EXISTS (SELECT 1 FROM facts WHERE file_id = other.id)) LIMIT 1",
            (
                waiting.file_id,
                waiting.stat.inode,
                waiting.stat.ctime_ns,
                waiting.stat.size,
                waiting.stat.mtime_ns,
            ),
        ).fetchone()
        known = None if row is None else self._known(row[:3])
        return known and known._replace(file_key=row[3], file_id=row[4])

    def same_content(self, digest: Digest, decoder: int) -> Known | None:
        """What is known of a content: its picture, or the failure that this decoder version met."""
        for column, key in (
            ("files.file_key", digest.file_key),
            ("pictures.essence_key", digest.essence_key),
        ):
            row = self._run(
                f"SELECT pictures.id FROM pictures LEFT JOIN files ON files.picture_id = pictures.id "
                f"WHERE {column} = ? LIMIT 1",
                (key,),
            ).fetchone()
            if row is not None:
                return Known(row[0], None)
        row = self._run(
            "SELECT NULL, reason, sentence FROM failures WHERE file_key = ? AND decoder = ?",
            (digest.file_key, decoder),
        ).fetchone()
        return None if row is None else self._known(row)

    @staticmethod
    def _known(row: tuple[Any, ...]) -> Known | None:
        picture_id, reason, sentence = row
        if picture_id is not None:
            return Known(picture_id, None)
        return (
            None
            if reason is None
            else Known(None, Skipped(reason.decode(errors="replace"), sentence.decode(errors="replace")))
        )

    def lacks(self, picture_id: int, model_id: int) -> bool:
        """Whether the picture has no vector of the model."""
        row = self._run(
            "SELECT 1 FROM vectors WHERE model_id = ? AND picture_id = ?", (model_id, picture_id)
        ).fetchone()
        return row is None

    # Trials: counted before the try, so that a content which kills the machine is known after the restart

    def tries(self, file_key: bytes, decoder: int) -> int:
        """How often a worker has begun on this content and not come back."""
        row = self._run(
            "SELECT tries FROM trials WHERE file_key = ? AND decoder = ?", (file_key, decoder)
        ).fetchone()
        return row[0] if row else 0

    def begin_trials(self, file_keys: Sequence[bytes], decoder: int) -> None:
        with self.transaction():
            self._connection.executemany(
                "INSERT INTO trials VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET "
                "tries = CASE decoder WHEN excluded.decoder THEN tries + 1 ELSE 1 END, decoder = excluded.decoder",
                [(key, decoder) for key in file_keys],
            )

    def blame(self, file_keys: Sequence[bytes]) -> None:
        """A worker was seen to die with these contents in hand."""
        self._connection.executemany(
            "UPDATE trials SET tries = tries + 1 WHERE file_key = ?", [(key,) for key in file_keys]
        )

    def end_trials(self, file_keys: Sequence[bytes]) -> None:
        self._connection.executemany("DELETE FROM trials WHERE file_key = ?", [(key,) for key in file_keys])

    # Outcomes of one file, inside a transaction

    def indexed(self, file_id: int, stat: Stat, picture_id: int, file_key: bytes | None) -> None:
        """The file shows this picture. Without *file_key* the one it has stands."""
        self._run(
            "UPDATE files SET size = ?, mtime_ns = ?, ctime_ns = ?, inode = ?, state = ?, picture_id = ?, "
            "file_key = coalesce(?, file_key), reason = NULL, sentence = NULL, missing_since = NULL WHERE id = ?",
            (*stat, State.INDEXED, picture_id, file_key, file_id),
        )
        self._run(
            "UPDATE pictures SET orphaned_at = NULL WHERE id = ? AND orphaned_at IS NOT NULL", (picture_id,)
        )

    def failed(self, file_id: int, stat: Stat | None, skipped: Skipped, file_key: bytes | None) -> None:
        """The file has no picture, and why."""
        if stat is not None:
            self._run(
                "UPDATE files SET size = ?, mtime_ns = ?, ctime_ns = ?, inode = ? WHERE id = ?",
                (*stat, file_id),
            )
        self._run(
            "UPDATE files SET state = ?, picture_id = NULL, file_key = coalesce(?, file_key), reason = ?, sentence = ? "
            "WHERE id = ?",
            (State.FAILED, file_key, skipped.reason, skipped.sentence, file_id),
        )
        self.facts.forget([file_id])

    def remember_failure(self, file_key: bytes, decoder: int, skipped: Skipped) -> None:
        """This content failed with this decoder: no try again until one of them changes."""
        self._run("INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?)", (file_key, decoder, *skipped))

    def add_picture(self, essence_key: bytes, encoded: Encoded) -> int:
        """The picture with this essence, made known if it was not."""
        self._run(
            "INSERT INTO pictures (essence_key, width, height, format) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (essence_key, encoded.width, encoded.height, encoded.format),
        )
        row = self._run("SELECT id FROM pictures WHERE essence_key = ?", (essence_key,)).fetchone()
        number: int = row[0]
        return number

    def add_vector(
        self, model_id: int, picture_id: int, encoded: Encoded, fingerprint: str
    ) -> VectorRow | None:
        """The picture's vector of one model; None when it has one already."""
        blob = packed(encoded.vectors[fingerprint])
        essence_key, width, height, form = self._run(
            "SELECT essence_key, width, height, format FROM pictures WHERE id = ?", (picture_id,)
        ).fetchone()
        seq = self.last_seq() + 1
        checksum = proof(seq, picture_id, fingerprint, (essence_key, width, height, form.decode()), blob)
        cursor = self._run(
            "INSERT INTO vectors (seq, model_id, picture_id, vector, checksum) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (model_id, picture_id) DO NOTHING",
            (seq, model_id, picture_id, blob, checksum),
        )
        return VectorRow(seq, picture_id, unpacked(blob)) if cursor.rowcount == 1 else None

    def last_seq(self) -> int:
        """The highest sequence number ever given to a vector of any model."""
        sql = "SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'vectors'), 0), (SELECT coalesce(max(seq), 0) FROM vectors))"
        number: int = self._run(sql).fetchone()[0]
        return number

    def _prove_vectors(self) -> None:
        """Give vectors of version 1, once, the checksum without which they would not outlive a damaged catalogue."""
        if self.setting("proven") is not None:
            return
        try:
            done = 0
            while done < self.last_seq():
                done = self._proved_from(done)
            with self.transaction():
                self.set("proven", "1")
        except sqlite3.Error as error:
            if not schema.passing(error):
                raise
            log.warning("vectors of an older version have no checksum yet: %s", error)

    def _proved_from(self, after: int) -> int:
        """Prove some vectors with a number over *after*; gives the last one, or a higher one at the end."""
        rows = self._run(
            "SELECT seq, picture_id, fingerprint, essence_key, width, height, format, vector FROM vectors "
            "JOIN pictures ON pictures.id = picture_id JOIN models ON models.id = model_id "
            "WHERE seq > ? AND checksum IS NULL ORDER BY seq LIMIT ?",
            (after, PROVED_AT_ONCE),
        ).fetchall()
        proofs = [
            (proof(seq, id_, model.decode(errors="replace"), (key, width, height, form.decode(errors="replace")), blob), seq)
            for seq, id_, model, key, width, height, form, blob in rows
        ]  # fmt: skip
        with self.transaction():
            self._connection.executemany("UPDATE vectors SET checksum = ? WHERE seq = ?", proofs)
        return rows[-1][0] if rows else self.last_seq()

    # A change of the model

    def without_vector(self, model_id: int, after: int, limit: int) -> list[tuple[int, Waiting | None]]:
        """Pictures with a number over *after* that lack a vector of the model, each with a file to read it from, if one
        is there. The pictures come first: going through the files would take seconds with a million of them.
        """
        rows = self._run(
            "SELECT lacking.id, files.id, folders.path || '/' || name, size, mtime_ns, ctime_ns, files.inode, ticket FROM "
            "(SELECT id FROM pictures WHERE id > ? AND orphaned_at IS NULL "
            "AND NOT EXISTS (SELECT 1 FROM vectors WHERE model_id = ? AND picture_id = pictures.id) ORDER BY id LIMIT ?) AS lacking "
            "LEFT JOIN files ON files.id = (SELECT files.id FROM files JOIN folders ON folders.id = folder_id "
            "JOIN roots ON roots.id = root_id WHERE picture_id = lacking.id AND state = 1 AND online LIMIT 1) "
            "LEFT JOIN folders ON folders.id = folder_id ORDER BY lacking.id",
            (after, model_id, limit),
        )
        return [
            (row[0], None if row[1] is None else Waiting(row[1], row[2], Stat(*row[3:7]), row[7]))
            for row in rows
        ]

    def keep_models(self, fingerprints: Sequence[str]) -> None:
        """Forget the vectors of every model but these: the others are not installed any more."""
        marks = ",".join("?" * len(fingerprints))
        gone = f"SELECT id FROM models WHERE fingerprint NOT IN ({marks})"
        with self.transaction():
            self._run(f"DELETE FROM vectors WHERE model_id IN ({gone})", fingerprints)

    def vectors_of(self, picture_ids: Sequence[int]) -> list[int]:
        """The sequence numbers of the pictures' vectors, of all models."""
        sql = "SELECT seq FROM vectors WHERE picture_id = ?"
        return [seq for id_ in picture_ids for (seq,) in self._run(sql, (id_,))]

    def forget_vectors(self, picture_ids: Sequence[int]) -> None:
        """Forget these pictures, whose vector or own row is not what was written: the files that show them wait to be
        read, and make another picture of them.
        """
        for picture_id in picture_ids:
            files = self._run("SELECT id FROM files WHERE picture_id = ?", (picture_id,)).fetchall()
            self._connection.executemany(
                "UPDATE files SET state = CASE state WHEN 1 THEN 0 ELSE state END, ticket = ?, file_key = NULL, "
                "picture_id = NULL WHERE id = ?",
                [(self.tree.next_ticket(), file_id) for (file_id,) in files],
            )
            self._run("DELETE FROM vectors WHERE picture_id = ?", (picture_id,))
            self._run("DELETE FROM pictures WHERE id = ?", (picture_id,))

    # Housekeeping

    def sweep_pictures(self, keep_days: float) -> int:
        """Mark pictures whose last file went, and forget those marked long ago. Disks come back: vectors are dear."""
        now = self.age()
        self._run(
            "UPDATE pictures SET orphaned_at = ? WHERE orphaned_at IS NULL "
            "AND NOT EXISTS (SELECT 1 FROM files WHERE picture_id = pictures.id)",
            (now,),
        )
        old = "SELECT id FROM pictures WHERE orphaned_at < ?"
        limit = (now - keep_days * SECONDS_A_DAY,)
        self._run(f"DELETE FROM vectors WHERE picture_id IN ({old})", limit)
        return self._run("DELETE FROM pictures WHERE orphaned_at < ?", limit).rowcount
