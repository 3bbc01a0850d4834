"""The ingest thread: the only one that writes the catalogue and the index. Requests, scanning and encoding take turns.

Everything the rest of the daemon wants of it goes through `call` (run this on your thread) and `fence` (tell me
when everything that changed before now is indexed).
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

from kadrd.config import Config
from kadrd.ingest.backlog import Backlog
from kadrd.ingest.pausing import Pauses
from kadrd.ingest.pipeline import BATCH_FILES, Pipeline, Target
from kadrd.ingest.scanner import Scanner
from kadrd.ingest.settle import Settle
from kadrd.ingest.suspended import Suspended
from kadrd.ingest.watch import Watcher
from kadrd.ingest.workers import Worker
from kadrd.store.catalogue import Catalogue
from kadrd.values import Problem

log = logging.getLogger(__name__)

ROOTS_SECONDS = 10.0
SWEEP_SECONDS = 20.0
BEAT_SECONDS = 30.0
PICTURES_SECONDS = 3600.0
SEALING_SECONDS = 0.2
FENCE_SECONDS = 0.02
TROUBLE_SECONDS = 5.0
PAUSED_SECONDS = 10.0
# What verify says of a file that holds something else than the catalogue knows.
OTHERS = ("other-content", "other-picture")


class Fence:
    """Passed when every folder marked dirty before it was looked at and every file found so was dealt with."""

    def __init__(self, number: int, finished: int, failed: int) -> None:
        self.number = number
        self.ticket: int | None = None
        self.finished, self.failed = finished, failed
        """The pipeline's counts when the fence was made."""
        self.passed: Future[None] = Future()


class Ingest(threading.Thread):
    """Runs until `stop`."""

    def __init__(
        self, *, catalogue: Catalogue, config: Config, backlog: Backlog, watcher: Watcher, worker: Worker,
        settle: Settle, scanner: Scanner, pipeline: Pipeline, switch: Callable[[Target], None], pauses: Pauses,
    ) -> None:  # fmt: skip
        super().__init__(name="ingest", daemon=True)
        self._catalogue, self._config, self.backlog, self._watcher = catalogue, config, backlog, watcher
        self.worker, self._settle, self.scanner, self.pipeline = worker, settle, scanner, pipeline
        self._switch, self.pauses = switch, pauses
        self._calls: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._fences: list[Fence] = []
        self._stopping, self._asked = threading.Event(), threading.Event()
        self._overflowed = threading.Event()
        self._timers: dict[str, float] = {}
        self._begin_pass(before=0)
        self._suspended = Suspended()
        self.counts: Counter[str] = Counter()
        self.trouble = ""
        self.next: Target | None = None
        self.suspect: Callable[[Exception], bool] = lambda _: False
        """Told of errors; whether one means a damaged catalogue, for which the service begins anew."""

    # For other threads

    @property
    def revision(self) -> int:
        """Another number when the catalogue may say something else than before."""
        return self._catalogue.revision

    def call(self, do: Callable[[], Any]) -> Future[Any]:
        """Run *do* on the ingest thread, between two batches."""
        future: Future[Any] = Future()
        self._calls.append((do, future))
        self._asked.set()
        self.backlog.wake()
        return future

    def fence(self) -> Future[Fence]:
        """A fence behind everything that happened before this call."""
        ordered = self._watcher.fence()

        def make() -> Fence:
            if not ordered:  # the system cannot say what is on its way, so look everywhere
                self.scanner.scan_everything()
            self._take_overflow()
            self.scanner.ask_after()
            self.scanner.check_roots()  # no event tells of a mount
            self.pipeline.read_again(at_once=True)
            for folder in self._watcher.unwatched:
                self.backlog.add(folder)
            fence = Fence(self.backlog.last, self.pipeline.counts["finished"], self.pipeline.counts["failed"])
            self._fences.append(fence)
            return fence

        return self.call(make)

    def look_again(self, path: bytes) -> int:
        """Scan *path* (empty: everything) and try again what failed there; gives the number of folders marked.

        On the ingest thread only.
        """
        with self._catalogue.transaction():
            self._catalogue.tree.retry(path)
        if not path:
            self.scanner.scan_everything()
            return len(self.scanner.roots)
        self.backlog.add(path, deep=True)
        self.backlog.add(os.path.dirname(path))  # it may be a file
        return 1

    def mend(self, problems: Iterable[Problem]) -> int:
        """Make good what verify found: read files again that hold something else, look again at the folders of all others,
        make those vectors anew, build those shards again.

        On the ingest thread only. Gives the number of problems that something is done about.
        """
        found = [p for p in problems if p.kind != "left-over" and (p.path or p.picture_id)]
        if not found:
            return 0
        paths = [problem.path for problem in found if problem.path]
        doubtful = self._catalogue.vectors_of([problem.picture_id for problem in found if problem.picture_id])
        with self._catalogue.transaction():
            # No others: a disk that fails or goes while verify reads costs no file its picture.
            self._catalogue.tree.doubt([p.path for p in found if p.kind in OTHERS])
            self._catalogue.forget_vectors([p.picture_id for p in found if p.kind == "vector-damaged"])
        for path in paths:
            self.backlog.add(os.path.dirname(path))
        for target in self._targets():
            target.index.doubt(doubtful)
        self._begin_pass(before=0)
        return len(found)

    def resume(self) -> bool:
        """Go on with indexing; whether it was paused. From any thread. Raises OSError."""
        paused = self.pauses.end()
        self._asked.set()
        return paused

    def overflow(self) -> None:
        """The system lost events."""
        self._overflowed.set()
        self.backlog.wake()

    def stop(self) -> None:
        """End soon; a batch in flight is done again at the next start."""
        self._stopping.set()
        self._asked.set()
        self.backlog.wake()

    # The thread

    def run(self) -> None:
        self.call(self.scanner.scan_everything)  # in the loop, where a full disk does not end the thread
        while not self._stopping.is_set():
            try:
                self._turn()
                self.trouble = ""
            except Exception as error:  # the disk, the catalogue, or a fault of ours
                # Nothing is lost: what was not committed is found again. A thread that ended would be worse.
                if not self.suspect(error):
                    log.exception("indexing rests for a moment")
                self.trouble = f"indexing rests, {error}"
                # Not while somebody asks: the disk may have room again, and who asks wants to know now.
                self._asked.wait(TROUBLE_SECONDS)
        while self._calls:  # others may still add to them
            self._calls.popleft()[1].cancel()
        self.scanner.close()
        for target in self._targets():
            target.index.close()
        self.worker.close()

    def _turn(self) -> None:
        self._answer_calls()
        self._keep_watch()
        if self.pauses.left:
            self._rest()
            return
        if self.pauses.ran_out():
            log.info("the pause is over")
        scanned = self.scanner.step()
        self.pipeline.read_again(at_once=False)
        worked = self.pipeline.step()
        self._mark_dirty()
        if self.scanner.came_back:
            self.scanner.came_back = False
            self._begin_pass(before=0)
        self._pass_fences()
        filled = not worked and self._fill()
        for target in self._targets():
            target.index.checkpoint()
        if not (scanned or worked or filled):
            self.worker.rest()
            self.backlog.wait(FENCE_SECONDS if self._fences else self._leisure())

    def _rest(self) -> None:
        """A moment of a pause: nothing is listed, read, encoded or sealed. What changes is marked, and disks are missed as ever."""
        self._pass_fences()  # with nothing to do, who waits has waited enough
        self.worker.rest()
        self._asked.wait(min(self.pauses.left, FENCE_SECONDS if self._fences else PAUSED_SECONDS))

    def _answer_calls(self) -> None:
        self._asked.clear()
        while self._calls:
            do, future = self._calls.popleft()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(do())
            except Exception as error:  # noqa: BLE001 - the caller's to handle
                future.set_exception(error)

    def _keep_watch(self) -> None:
        self._take_overflow()
        if self._time_for("beat", BEAT_SECONDS) and not self._watcher.beat() and self._watcher.restart():
            log.warning("the folder watcher was dead or stuck; another one looks at everything")
            self.counts["recoveries"] += 1
            self.scanner.scan_everything()
        if self._suspended.was():
            self.scanner.scan_everything()
        hours = self._config.scan.rescan_hours
        if hours and self._time_for("rescan", hours * 3600):
            self.scanner.scan_everything()
        if self._time_for("roots", ROOTS_SECONDS):
            self.scanner.check_roots()
        if self._time_for("sweep", SWEEP_SECONDS):
            self.scanner.sweep(self._catalogue.age())
        if self._time_for("pictures", PICTURES_SECONDS):
            self._forget_pictures()

    def _forget_pictures(self) -> None:
        """Forget what no file shows for long, and find the shards that are mostly of such."""
        with self._catalogue.transaction():
            self._catalogue.keep_age()
            self._catalogue.sweep_pictures(self._config.index.keep_days)
        for target in self._targets():
            target.index.recount()

    def _take_overflow(self) -> None:
        if self._overflowed.is_set():
            self._overflowed.clear()
            self.counts["overflows"] += 1
            self.scanner.scan_everything()

    def _time_for(self, name: str, seconds: float) -> bool:
        """Whether the timer has run out; it starts anew then. The first time it only starts."""
        now = time.monotonic()
        due = self._timers.setdefault(name, now + seconds)
        if now < due:
            return False
        self._timers[name] = now + seconds
        return True

    def _mark_dirty(self) -> None:
        for folder in self.pipeline.dirty_folders:
            self.backlog.add(folder)
        self.pipeline.dirty_folders.clear()

    def _leisure(self) -> float:
        """How long nothing has to be done unless somebody calls."""
        now = time.monotonic()
        times = [due - now for due in self._timers.values()]
        moments = (self._settle.next_due(now), self.scanner.next_hang(), self.pipeline.next_again())
        times += [moment - now for moment in moments if moment is not None]
        if any(target.index.sealing for target in self._targets()):
            times.append(SEALING_SECONDS)
        return max(min(times, default=ROOTS_SECONDS), 0.02)

    # Sync

    def _pass_fences(self) -> None:
        if not self._fences:
            return
        oldest = self.scanner.oldest()
        first = self._catalogue.tree.waiting(1)
        for fence in list(self._fences):
            if fence.ticket is None and (oldest is None or oldest > fence.number):
                fence.ticket = self._catalogue.tree.ticket
                self._settle.hurry(fence.ticket)
            elif fence.passed.cancelled():  # nobody waits any more
                self._fences.remove(fence)
            elif fence.ticket is not None and not (first and first[0].ticket <= fence.ticket):
                self._fences.remove(fence)
                if fence.passed.set_running_or_notify_cancel():
                    fence.passed.set_result(None)

    # A change of the model

    def turn_over(self, target: Target | None) -> None:
        """Fill *target* beside what answers now, and let it answer when it is complete; None gives that up."""
        if self.next is not None:
            self.next.index.close()
        self.next = target
        self.pipeline.targets = (self.pipeline.targets[0], target) if target else self.pipeline.targets[:1]
        self._begin_pass(before=0)

    def _begin_pass(self, before: int) -> None:
        """Go through all pictures that lack a vector; *before* is how many the last pass met."""
        self._filling, self._met, self._met_before = 0, 0, before

    def _fill(self) -> bool:
        """One batch of pictures that are known and lack a vector: of the next model, or of the one that answers."""
        target = self.next or self.pipeline.targets[0]
        if self._filling < 0:
            return False
        todo = self._catalogue.without_vector(target.model_id, self._filling, BATCH_FILES)
        if todo:
            files = [file for _, file in todo if file is not None]
            if not self.pipeline.fill(target, files):
                return False  # the worker fails: these come again when it has rested
            self._filling = todo[-1][0]
            self._met += len(files)
        elif self._met and self._met != self._met_before:
            self._begin_pass(before=self._met)  # some may have been moving, or met a worker that died
            return True
        elif self.scanner.unseen == 0 and not self._catalogue.tree.waiting(1):
            if target is self.next:
                self._complete(target)
            self._filling = -1
        return bool(todo)

    def _complete(self, target: Target) -> None:
        old = self.pipeline.targets[0]
        if 2 * target.index.count < old.index.count:
            log.error(
                "model %s refused most pictures; %s goes on answering", target.model.name, old.model.name
            )
            self.turn_over(None)
            return
        self._switch(target)
        with self._catalogue.transaction():
            self._catalogue.set("serving", target.model.fingerprint)
        self.pipeline.targets, self.next = (target,), None
        old.index.close()

    def _targets(self) -> tuple[Target, ...]:
        return self.pipeline.targets
