"""Compare disk, catalogue and index, with eyes of its own. The oracle of the tests and a command for users.

It walks the roots itself (os.walk, not scan.py), reads every byte and computes both keys again, and asks the index
for every picture by its own vector. It changes nothing.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from typing import Any

from kadr.protocol.messages import Progress
from kadrd.config import Scan
from kadrd.ingest import digest, reading, scan
from kadrd.query.answer import Serving
from kadrd.store.reader import Indexed, Reader
from kadrd.values import Problem, State

MAX_PROBLEMS = 1000
SELF_SCORE = 0.995


class Verification:
    """One run of verify."""

    def __init__(
        self, reader: Reader, serving: Serving, settings: Scan, tell: Callable[[Progress], None]
    ) -> None:
        self._reader, self._serving, self._settings, self._tell = reader, serving, settings, tell
        self._problems: list[Problem] = []
        self._files = 0

    def run(self) -> dict[str, Any]:
        """The body of verify's reply."""
        started = time.monotonic()
        self._catalogue()
        for root, _ in self._reader.roots():
            if root.online:
                self._root(root.path, self._reader.files_under(root.id))
        vectors = self._vectors()
        return {
            "ok": not self._problems,
            "files": self._files,
            "pictures": self._reader.counts().pictures,
            "vectors": vectors,
            "problems": [
                {"kind": p.kind, "sentence": p.sentence} | ({"path": p.path} if p.path else {})
                for p in self._problems[:MAX_PROBLEMS]
            ],
            "took_ms": round((time.monotonic() - started) * 1000),
        }

    def _found(self, kind: str, sentence: str, path: bytes = b"") -> None:
        self._problems.append(Problem(kind, sentence, path))

    def _catalogue(self) -> None:
        if damage := self._reader.damage():
            self._found("catalogue-damaged", f"The catalogue is damaged: {damage}.")

    # Files

    def _root(self, top: bytes, known: dict[bytes, Indexed]) -> None:
        total = len(known)
        for path in self._walk(top):
            self._files += 1
            if self._files % 50 == 0:
                self._tell(Progress("files", self._files, max(total, self._files), len(self._problems)))
            file = known.pop(path, None)
            if file is None:
                self._found("not-in-catalogue", "The file is not in the catalogue.", path)
            else:
                self._file(path, file)
        for path in known:
            if not os.path.lexists(path):
                self._found("not-on-disk", "The catalogue has a file that is not there.", path)

    def _walk(self, top: bytes) -> Iterator[bytes]:
        away = set(self._reader.offline_roots())
        for folder, folders, names in os.walk(top):
            if folder in away:  # what lies in the bare mount point of a disk that is away is not ours
                folders[:] = []
                continue
            folders[:] = sorted(n for n in folders if not scan.ignored(n, self._settings))
            for name in sorted(names):
                path = os.path.join(folder, name)
                if scan.wanted(name) and not scan.ignored(name, self._settings) and _regular(path):
                    yield path

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
        for picture_id in self._reader.pictures_without_vector(self._serving.model_id):
            self._found("no-vector", f"Picture {picture_id} has no vector.")
        count, upto = 0, self._reader.last_seq(self._serving.model_id)
        total = self._reader.count_vectors(self._serving.model_id, 0, upto)
        for _, ids, rows in self._reader.vectors(self._serving.model_id, 0, upto):
            for picture_id, row in zip(ids, rows, strict=True):
                best = self._serving.index.search(row, 1)
                if not best or best[0].score < SELF_SCORE:
                    self._found(
                        "not-found-by-itself", f"Picture {picture_id} is not found by its own vector."
                    )
            count += len(ids)
            self._tell(Progress("vectors", count, total, len(self._problems)))
        if self._serving.index.count < total:
            self._found("index-short", f"The index holds {self._serving.index.count} of {total} vectors.")
        return count


def _regular(path: bytes) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False
