"""Compare disk, catalogue and index, with eyes of its own. The oracle of the tests and a command for users.

It walks the roots itself (not by scan.py), reads every byte and computes both keys again, checks every vector
and asks the index for every picture by its own. It changes nothing; `Ingest.mend` makes good what it found.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from typing import Any

from kadr.protocol.messages import Progress
from kadr.protocol.paths import Paths
from kadrd.config import Scan
from kadrd.ingest import digest, reading, scan, volume
from kadrd.store.reader import Indexed, Reader
from kadrd.store.shards import Index
from kadrd.values import Problem, State

MAX_PROBLEMS = 1000
SELF_SCORE = 0.995
LEFT_OVER_SECONDS = 60.0


class Verification:
    """One run of verify."""

    def __init__(
        self, *, paths: Paths, reader: Reader, index: Index, model_id: int, settings: Scan, tell: Callable[[Progress], None]
    ) -> None:  # fmt: skip
        self._paths, self._reader, self._settings, self._tell = paths, reader, settings, tell
        self._index, self._model_id = index, model_id
        self._files = 0
        self.problems: list[Problem] = []

    def run(self) -> dict[str, Any]:
        """The body of verify's reply."""
        started = time.monotonic()
        self._catalogue()
        for root, _ in self._reader.roots():
            if root.online:
                before, found = volume.at(root.path), len(self.problems)
                self._root(root.path, self._reader.files_under(root.id))
                # A disk that went or came meanwhile says nothing of its files.
                if volume.at(root.path) != before:
                    del self.problems[found:]
        vectors = self._vectors()
        self._left_over()
        return {
            "ok": not self.problems,
            "files": self._files,
            "pictures": self._reader.counts().pictures,
            "vectors": vectors,
            "problems": [
                {"kind": p.kind, "sentence": p.sentence} | ({"path": p.path} if p.path else {})
                for p in self.problems[:MAX_PROBLEMS]
            ],
            "problems_total": len(self.problems),
            "took_ms": round((time.monotonic() - started) * 1000),
        }

    def _found(self, kind: str, sentence: str, path: bytes = b"", picture_id: int = 0) -> None:
        self.problems.append(Problem(kind, sentence, path, picture_id))

    def _catalogue(self) -> None:
        if damage := self._reader.damage():
            self._found("catalogue-damaged", f"The catalogue is damaged: {damage}.")

    # Files

    def _root(self, top: bytes, known: dict[bytes, Indexed]) -> None:
        total = len(known)
        for path in self._walk(top):
            self._files += 1
            if self._files % 50 == 0:
                self._tell(Progress("files", self._files, max(total, self._files), len(self.problems)))
            file = known.pop(path, None)
            if file is None:
                self._found("not-in-catalogue", "The file is not in the catalogue.", path)
            else:
                self._file(path, file)
        for path in known:
            if (why := _missing(path)) is None:
                self._found("not-on-disk", "The catalogue has a file that is not there.", path)
            elif why:
                self._found("unreadable", f"The file cannot be looked at: {why}.", path)

    def _walk(self, top: bytes) -> Iterator[bytes]:
        away = set(self._reader.offline_roots())
        folders = [top]  # not os.walk: until Python 3.12 it calls itself once a level
        while folders:
            try:
                with os.scandir(folders.pop()) as entries:
                    found = sorted(entries, key=lambda entry: entry.name)
            except OSError:
                continue
            for entry in found:
                # What lies in the bare mount point of a disk that is away is not ours, and one that hangs must not be touched.
                if scan.ignored(entry.name, self._settings) or entry.path in away:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif scan.wanted(entry.name) and _regular(entry.path):
                    yield entry.path

    def _file(self, path: bytes, file: Indexed) -> None:
        if file.state is State.PENDING:
            self._found("not-indexed-yet", "The file still waits to be indexed.", path)
            return
        try:
            data, _, _ = reading.read(path)
        except OSError as error:
            if file.state is not State.FAILED:
                self._found("unreadable", f"The file cannot be read: {error.strerror}.", path)
            return
        if data is None:  # too large to be read, so there is no key to compare
            return
        file_key, essence_key = digest.keys(data)
        if file.state is State.FAILED:
            if file.file_key not in (None, file_key):
                self._found("other-content", "The file is not the one that failed.", path)
        elif file.file_key != file_key:
            self._found("other-content", "The file holds something else than the catalogue says.", path)
        elif file.essence_key != essence_key:
            self._found("other-picture", "The file shows another picture than the catalogue says.", path)

    # Vectors

    def _vectors(self) -> int:
        """Every picture has one vector, and is its own nearest neighbour. Gives the number of vectors."""
        for picture_id in self._reader.pictures_without_vector(self._model_id):
            self._found("no-vector", f"Picture {picture_id} has no vector.", picture_id=picture_id)
        for picture_id in self._reader.unproven_vectors():
            self._found(
                "vector-damaged",
                f"The vector of picture {picture_id} is not the one that was written.",
                picture_id=picture_id,
            )
        count, upto = 0, self._reader.last_seq(self._model_id)
        total = self._reader.count_vectors(self._model_id, 0, upto)
        for _, ids, rows in self._reader.vectors(self._model_id, 0, upto):
            for picture_id, row in zip(ids, rows, strict=True):
                best = self._index.search(row, 1)
                if not best or best[0].score < SELF_SCORE:
                    self._found(
                        "not-found-by-itself",
                        f"Picture {picture_id} is not found by its own vector.",
                        picture_id=picture_id,
                    )
            count += len(ids)
            self._tell(Progress("vectors", count, total, len(self.problems)))
        if self._index.count < total:
            self._found("index-short", f"The index holds {self._index.count} of {total} vectors.")
        return count

    # What nobody names

    def _left_over(self) -> None:
        """Temporary files that a crash left, and shards that no manifest names: the start should have swept them."""
        named = self._index.files
        for top in (self._paths.state, self._paths.cache):
            for folder, _, names in os.walk(top):
                for name in names:
                    path = os.path.join(folder, name)
                    unnamed = folder == self._index.folder and name not in named
                    if (unnamed or name.endswith(".tmp")) and _old(path):
                        self._found("left-over", "Nobody needs this file any more.", os.fsencode(path))


def _missing(path: bytes) -> str | None:
    """None when no file is at *path*; else why it cannot be looked at, empty when it can."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return os.strerror(error.errno or errno.EIO)
    return ""


def _old(path: str) -> bool:
    """Whether the file lies there for longer than anything takes to be written."""
    try:
        return time.time() - os.stat(path).st_mtime > LEFT_OVER_SECONDS
    except OSError:
        return False


def _regular(path: bytes) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False
