"""What the commands may use of the daemon: its parts by name, threads, and a worker for pictures asked with. Decides nothing."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable, Sequence

from kadr.protocol.paths import Paths
from kadrd.config import Config
from kadrd.doctor.disks import Sight
from kadrd.embed.models import Model
from kadrd.ingest.loop import Ingest
from kadrd.ingest.watch import Watcher
from kadrd.ingest.workers import Worker, WorkerLost
from kadrd.places import Places
from kadrd.query.asking import Asks, Serving
from kadrd.serve.pool import Aside, Pool
from kadrd.serve.tag_parts import TagParts
from kadrd.store.reader import Reader
from kadrd.store.salvage import Salvaged
from kadrd.store.searches import Searches
from kadrd.values import Digest, Skipped, Vector

# Two searches use both cores of a small machine; more only wait in another place.
SEARCHES, WAITING = 2, 256
DISK_CALLS = 64
# Each reads every file; one whose disk died holds its place until that comes back.
VERIFICATIONS = 4
CLOSE_SECONDS = 2.0


class Parts:
    """Everything that answers requests. Built by the service."""

    def __init__(
        self, *, paths: Paths, config: Config, reader: Reader, ingest: Ingest, watcher: Watcher, serving: Serving,
        worker: Worker, places: Places, searches: Searches, tags: TagParts, stop: Callable[[], None],
    ) -> None:  # fmt: skip
        self.paths, self.config, self.reader, self.ingest, self.watcher = (
            paths,
            config,
            reader,
            ingest,
            watcher,
        )
        self.serving, self.places, self.searches, self.tags = serving, places, searches, tags
        self.stop = stop
        self.instance = str(uuid.uuid4())
        self.started = time.monotonic()
        self.salvaged: Salvaged | None = None
        """When the catalogue was damaged and has been made anew."""
        self.suspect: Callable[[Exception], bool] = lambda _: False
        """Told of every error that was not expected; a damaged catalogue is noticed that way."""
        self.requests = 0
        """How many are under way, of all clients together."""
        self.pool, self.aside = Pool(SEARCHES, WAITING), Aside(DISK_CALLS)
        self.verifying = Aside(VERIFICATIONS)
        self.disks = Aside(DISK_CALLS)
        """For paths that users name: were their disk dead, `aside` would soon be full."""
        self.looks: dict[bytes, asyncio.Future[Sight]] = {}
        """Looks of `doctor` at watched folders that have not come back, by path: one a folder."""
        self._worker, self._one_at_a_time = worker, threading.Lock()

    @property
    def asks(self) -> Asks:
        """Whom a query may ask, with the model that answers now."""
        return Asks(self.serving, self.reader, self.places, self.searches)

    def close(self) -> None:
        self._worker.kill()
        self.aside.close(CLOSE_SECONDS)
        self.disks.close(CLOSE_SECONDS)
        self.verifying.close(CLOSE_SECONDS)
        self.pool.close()
        self._worker.close()

    def rest(self) -> None:
        """Let the second worker go when nobody asked with a picture for a while; called by the clock."""
        if self._one_at_a_time.acquire(blocking=False):
            try:
                self._worker.rest()
            finally:
                self._one_at_a_time.release()

    def encode_one(self, path: bytes, model: Model) -> Vector | Skipped:
        """The vector of a picture that is not in the index, by a worker that never waits for indexing."""
        with self._one_at_a_time:
            try:
                (digest,) = self._worker.digest([path])
                if not isinstance(digest, Digest):
                    why = digest.sentence if isinstance(digest, Skipped) else "It is changing or gone."
                    return Skipped("unreadable", why)
                (made,) = self._worker.encode([0], [model])
            except WorkerLost as lost:
                return Skipped("kills-the-decoder", f"Decoding it failed: {lost}.")
        return made if isinstance(made, Skipped) else made.vectors[model.fingerprint]

    def thumbnails(self, paths: Sequence[bytes], side: int, form: str) -> list[bytes | Skipped]:
        """The pictures in files, in a root or not, by the same worker. Raises WorkerLost."""
        with self._one_at_a_time:
            return self._worker.thumbnails(paths, side, form)

    def sheet(
        self, tiles: Sequence[bytes | Skipped], captions: Sequence[str], title: str, form: str
    ) -> bytes:
        """A contact sheet of thumbnails. Raises WorkerLost."""
        with self._one_at_a_time:
            return self._worker.sheet(tiles, captions, title, form)
