"""The thread that keeps tags: it looks at files that wait, and writes what the settings want, or what was there before an editor's
save. A short-lived thread for each root, so a disk that hangs holds up its own files only. Decides nothing about tags.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator

from kadr.protocol.errors import KadrError
from kadrd.store.tags import TagsReader
from kadrd.tag import swap
from kadrd.tag.rules import Rules
from kadrd.tag.tagging import Tagging

log = logging.getLogger(__name__)

BATCH = 64
LOOK_SECONDS = 1.0
# A full disk, or one that fails, may be well again after this.
TROUBLE_SECONDS = 60.0


class Tagger(threading.Thread):
    """Runs until `stop`."""

    def __init__(
        self, tagging: Tagging, reader: TagsReader, rules: Callable[[], Rules | None], revision: Callable[[], int],
        resting: Callable[[], bool],
    ) -> None:  # fmt: skip
        super().__init__(name="tagger", daemon=True)
        self._tagging, self._reader = tagging, reader
        self._rules, self._revision, self._resting = rules, revision, resting
        self._stopping = threading.Event()
        self._locks: dict[int, threading.Lock] = defaultdict(threading.Lock)
        self._working: dict[int, threading.Thread] = {}
        self._rests_until: dict[int, float] = {}
        self.trouble = ""

    def stop(self) -> None:
        """End soon. A file in hand is finished; one whose disk hangs is not waited for."""
        self._stopping.set()

    def sweep(self, root_id: int, folder: bytes) -> None:
        """Remove what a kill in the middle of a write has left in *folder*, on a thread of its own, while nobody writes in its root."""
        threading.Thread(target=self._sweep, args=(root_id, folder), name="sweep", daemon=True).start()

    @contextlib.contextmanager
    def alone(self, root_id: int, seconds: float) -> Iterator[bool]:
        """Nobody else writes tags in this root meanwhile; False when that took too long."""
        got = self._locks[root_id].acquire(timeout=seconds)
        try:
            yield got
        finally:
            if got:
                self._locks[root_id].release()

    def run(self) -> None:
        seen = -1
        while not self._stopping.wait(LOOK_SECONDS):
            if self._resting():
                seen = -1  # after a pause files wait though nothing changes
                continue
            revision = self._revision()
            if revision == seen and not self._rests_until:
                continue
            seen = revision
            try:
                self._begin()
            except KadrError as error:  # words that cannot be used: for the user to mend
                self.trouble, seen = f"tags rest, {error.sentence.rstrip('.')}", -1
            except Exception:  # the catalogue is being made anew, or a fault of ours: the files wait
                log.exception("tags rest for a moment")

    def _begin(self) -> None:
        """A thread for each root that has files which wait and none that looks at them."""
        self._rules()  # other rules than before have every file wait
        now = time.monotonic()
        for root_id in [root_id for root_id, until in list(self._rests_until.items()) if until <= now]:
            del self._rests_until[root_id]
        for root_id in self._reader.roots_waiting():
            working = self._working.get(root_id)
            if (working and working.is_alive()) or root_id in self._rests_until:
                continue
            thread = threading.Thread(target=self._work, args=(root_id,), name=f"tag-{root_id}", daemon=True)
            self._working[root_id] = thread
            thread.start()

    def _work(self, root_id: int) -> None:
        try:
            self._look_through(root_id)
            self.trouble = ""
        except (OSError, KadrError) as error:
            self.trouble = f"tags rest, {error}"
            log.warning("%s", self.trouble)
            self._rests_until[root_id] = time.monotonic() + TROUBLE_SECONDS
        except Exception:
            log.exception("tags of a root rest for a while")
            self._rests_until[root_id] = time.monotonic() + TROUBLE_SECONDS

    def _look_through(self, root_id: int) -> None:
        after = 0
        while not (self._stopping.is_set() or self._resting()):
            with self.alone(root_id, LOOK_SECONDS) as got:
                if not got:
                    continue
                files = self._reader.waiting(root_id, after, BATCH)
                if not files:
                    return
                self._tagging.tag(files, self._rules())
                after = files[-1].file_id

    def _sweep(self, root_id: int, folder: bytes) -> None:
        while not self._stopping.is_set():
            with self.alone(root_id, LOOK_SECONDS) as got:
                if got:
                    with contextlib.suppress(OSError):  # the next look at the folder tells of it again
                        swap.sweep(folder)
                    return
