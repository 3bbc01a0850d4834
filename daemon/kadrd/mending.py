"""A damaged catalogue: who notices, and that it is made anew once, not for ever. The making is store/salvage.py's.

Damage is noticed when the file is opened, by an error of any request or of the ingest thread, and by a check after a
life that was not ended well. Then the service stops and begins again in the same process, and salvages as it opens.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from kadrd.store import faults, generation, salvage, schema
from kadrd.store.catalogue import Catalogue

log = logging.getLogger(__name__)

# A disk that damages the new catalogue as well is beyond mending: then what still can be read is served.
SALVAGE_SECONDS = 3600.0
# An error that may have another reason has the whole file read; not for each one.
LOOK_SECONDS = 600.0
# A disk that hangs does not keep the daemon from ending.
CLOSE_SECONDS = 5.0
# What damaged values end in, when SQLite itself does not notice.
STRANGE = (
    schema.CatalogueError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError, AssertionError, MemoryError,
)  # fmt: skip


class Mending:
    """Watches over one catalogue through all that the service does with it. Asked from any thread."""

    def __init__(self, state: str, shards: str, models: Callable[[], Mapping[str, str]]) -> None:
        self.path = os.path.join(state, "catalogue.sqlite")
        self._shards, self._models = shards, models
        self._running, self._damaged = os.path.join(state, "running"), salvage.marker(self.path)
        self._salvaged_at = self._looked_at = float("-inf")
        self._ended_badly = self._salvaging = False
        self._lock = threading.Lock()
        self._tell: Callable[[], None] = lambda: None
        self.wanted = False
        """Whether the service has to begin anew."""
        self.salvaged: salvage.Salvaged | None = None
        """What became of the last damaged catalogue in this process."""

    # The service's life

    def opened(self) -> Catalogue:
        """The catalogue; a damaged one is made anew first. Raises what schema.open_for_writing raises, or OSError."""
        salvage.finish(self.path)
        if self.wanted or os.path.exists(self._damaged):
            self._salvage()
        catalogue = Catalogue(self.path)
        try:
            self._trim(catalogue.last_seq())
        except BaseException:
            catalogue.close()
            raise
        self._ended_badly = os.path.exists(self._running)
        with open(self._running, "wb"):
            pass
        return catalogue

    def begin(self, tell: Callable[[], None]) -> contextlib.ExitStack:
        """The service answers; *tell* is called when it has to begin anew. Closing what this gives ends that."""
        self._tell = tell
        closing = contextlib.ExitStack()
        if self._ended_badly:
            checking = _Checking(self.path, self.noticed)
            closing.callback(checking.close)
        return closing

    def ended_well(self) -> None:
        """The catalogue was closed: the next start needs no check."""
        with contextlib.suppress(OSError):
            os.unlink(self._running)

    # Noticing

    def heard(self, error: Exception) -> bool:
        """Whether *error* means that the catalogue is damaged and that the service begins anew. May read all of it."""
        if schema.certain(error):
            return self.noticed(str(error))
        if self._salvaging or schema.passing(error) or not isinstance(error, STRANGE):
            return False
        with self._lock:
            if self.wanted or time.monotonic() < self._looked_at + LOOK_SECONDS:
                return self.wanted
            why = _look(self.path, "integrity_check")
            self._looked_at = time.monotonic()
        return bool(why) and self.noticed(why)

    def noticed(self, why: str) -> bool:
        """The catalogue is damaged. False when it has just been made anew and that did not help."""
        if self.wanted:
            return True
        if time.monotonic() < self._salvaged_at + SALVAGE_SECONDS:
            log.warning("the catalogue is damaged again, look after the disk: %s", why)
            return False
        log.warning("the catalogue is damaged and will be made anew: %s", why)
        self.wanted = True
        with contextlib.suppress(OSError), open(self._damaged, "wb"):  # for a life after a kill
            pass
        self._tell()
        return True

    # Mending

    def _salvage(self) -> None:
        # First: what fails here ends the daemon, and the marker has its next life try again.
        self.wanted, self._salvaging, self._salvaged_at = False, True, time.monotonic()
        try:
            self.salvaged = salvage.salvage(self.path, self._models(), self._highest_sealed())
        except Exception as error:
            if schema.passing(error):
                raise
            why = f"the damaged catalogue could not be made anew: {error!r}"
            raise schema.CatalogueError(why) from error
        self._salvaging = False
        log.warning("%s", self.salvaged.sentence)

    def _highest_sealed(self) -> int:
        return max((r.upto for ranges in self._generations().values() for r in ranges), default=0)

    def _trim(self, last_seq: int) -> None:
        """Let go of shards that know rows which the catalogue does not: it lost its last transactions, as it may after
        a power cut, and will give their numbers to other pictures. Of all models: one may be taken up again later.
        """
        for folder, ranges in self._generations().items():
            kept = tuple(r for r in ranges if r.upto <= last_seq)
            if kept != ranges:
                log.warning(
                    "the catalogue is older than %d shards, which are built again", len(ranges) - len(kept)
                )
                generation.publish(folder, kept)

    def _generations(self) -> dict[str, tuple[generation.Range, ...]]:
        names = os.listdir(self._shards) if os.path.isdir(self._shards) else []
        folders = [os.path.join(self._shards, name) for name in names]
        return {folder: generation.read(folder) for folder in folders}


class _Checking(threading.Thread):
    """Reads the whole file beside everything else, after a life that was not ended well."""

    def __init__(self, path: str, noticed: Callable[[str], object]) -> None:
        super().__init__(name="check", daemon=True)
        self._path, self._noticed = path, noticed
        self._connection = schema.open_for_reading(path)
        self._stopping = threading.Event()
        self.start()

    def run(self) -> None:
        if why := _asked(self._connection, "quick_check", self._stopping.is_set):
            self._noticed(why)

    def close(self) -> None:
        """Break it off. Where the disk hangs it is left alone, and ends with the process."""
        self._stopping.set()
        until = time.monotonic() + CLOSE_SECONDS
        while self.is_alive() and time.monotonic() < until:
            self._connection.interrupt()  # again and again: between two statements it is not heard
            self.join(0.1)
        if not self.is_alive():
            self._connection.close()


def _look(path: str, check: str) -> str:
    """What is wrong with the file at *path*; empty when nothing is, or when that cannot be said now."""
    try:
        with contextlib.closing(schema.open_for_reading(path)) as connection:
            return _asked(connection, check)
    except schema.UNREADABLE as error:
        return "" if schema.passing(error) else str(error)


def _asked(connection: schema.Connection, check: str, stopped: Callable[[], bool] = lambda: False) -> str:
    connection.text_factory = bytes

    def ask(sql: str) -> list[Any]:
        if stopped():
            raise InterruptedError
        return connection.execute(sql).fetchall()

    try:
        return faults.found(ask, check)
    except (*schema.UNREADABLE, InterruptedError) as error:
        return "" if schema.passing(error) else str(error)
