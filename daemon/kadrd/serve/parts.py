"""What the commands may use of the daemon: its parts by name, a pool of threads, and a worker for pictures asked with. Decides nothing."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from kadr.protocol.paths import Paths
from kadrd.config import Config
from kadrd.embed.models import Model
from kadrd.ingest.loop import Ingest
from kadrd.ingest.watch import Watcher
from kadrd.ingest.workers import Worker, WorkerLost
from kadrd.query.answer import Serving
from kadrd.store.reader import Reader
from kadrd.values import Digest, Skipped, Vector

_T = TypeVar("_T")

# Two searches use both cores of a small machine; more only wait in another place.
POOL_THREADS = 4


class Parts:
    """Everything that answers requests. Built by the service."""

    def __init__(
        self, *, paths: Paths, config: Config, reader: Reader, ingest: Ingest, watcher: Watcher, serving: Serving,
        worker: Worker, stop: Callable[[], None],
    ) -> None:  # fmt: skip
        self.paths, self.config, self.reader, self.ingest, self.watcher = (
            paths,
            config,
            reader,
            ingest,
            watcher,
        )
        self.serving = serving
        self.stop = stop
        self.instance = str(uuid.uuid4())
        self.started = time.monotonic()
        self._pool = ThreadPoolExecutor(POOL_THREADS, thread_name_prefix="search")
        self._line = ThreadPoolExecutor(1, thread_name_prefix="similar")
        self._worker, self._one_at_a_time = worker, threading.Lock()

    async def in_pool(self, do: Callable[[], _T]) -> _T:
        """*do* on a thread that may wait for disk and processor."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, do)

    async def in_line(self, do: Callable[[], _T]) -> _T:
        """*do* on the one thread for pictures that are asked with: a slow one holds up no search in words."""
        return await asyncio.get_running_loop().run_in_executor(self._line, do)

    def close(self) -> None:
        self._worker.kill()
        for pool in (self._pool, self._line):
            pool.shutdown(cancel_futures=True)
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
