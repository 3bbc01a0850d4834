"""Questions to disks, each root's from a thread of its own: a network disk that hangs holds up nobody else.

A system call on a dead disk cannot be interrupted, so it must not be made by a thread that others wait for. An answer
that comes in time is taken at once, one that is late when it comes. Knows neither catalogue nor folders.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import Any

# How long everybody waits for one disk.
PATIENCE_SECONDS = 1.0
ASK_AFTER_SECONDS = 0.1


@dataclass
class Question:
    """Something asked of a root's disk that was not answered in time."""

    root_id: int
    about: Any
    """Whatever the asker wants to know it by."""
    then: Callable[[Any], None]
    answer: Future[Any] = field(default_factory=Future)
    asked: float = field(default_factory=time.monotonic)
    heard: float = field(default_factory=time.monotonic)
    """When the disk gave its last sign of life."""
    hangs: bool = False

    def alive(self) -> None:
        """The disk gave something: however slow it is, it does not hang. Called by its thread."""
        self.heard = time.monotonic()


class Disks:
    """The disks of all roots, by the root's id. Owned by the ingest thread.

    *came* is called from the disk's thread; a disk that says nothing for *hang_seconds* hangs.
    """

    def __init__(self, came: Callable[[], None], hang_seconds: float) -> None:
        self._came, self._hang_seconds = came, hang_seconds
        self._disks: dict[int, _Disk] = {}
        self._slow: set[int] = set()
        self.late: dict[int, Question] = {}
        """What has not been answered yet; at most one question a root."""

    def ask(
        self, root_id: int, do: Callable[[Callable[[], None]], Any], then: Callable[[Any], None], about: Any = None,
    ) -> None:  # fmt: skip
        """Call *then* with what *do* gives: now, if the disk answers in time; else who takes `answered` does it. *do* gets
        a function to call whenever the disk gave something. Raises what *do* raises.
        """
        assert root_id not in self.late
        question = Question(root_id, about, then)
        self._disk(root_id).ask(partial(do, question.alive), question.answer)
        with contextlib.suppress(TimeoutError):
            # A disk that was late is not waited for: a thousand slow folders would be a thousand times the patience.
            question.answer.exception(
                0 if root_id in self._slow else min(PATIENCE_SECONDS, self._hang_seconds)
            )
        if question.answer.done():
            then(question.answer.result())
            return
        self._slow.add(root_id)
        self.late[root_id] = question
        question.answer.add_done_callback(lambda _: self._came())

    def tell(self, root_id: int, do: Callable[[], Any]) -> None:
        """Let the disk's thread *do* something that nobody waits for."""
        self._disk(root_id).ask(do, Future())

    def answered(self) -> list[Question]:
        """Late questions that have their answer now; they are forgotten here."""
        found = [question for question in self.late.values() if question.answer.done()]
        for question in found:
            del self.late[question.root_id]
            if time.monotonic() - question.asked < PATIENCE_SECONDS:
                self._slow.discard(question.root_id)
        return found

    def next_hang(self) -> float | None:
        """The earliest moment at which a question becomes too late."""
        return min((q.heard + self._hang_seconds for q in self.late.values() if not q.hangs), default=None)

    def hanging(self) -> list[Question]:
        """Questions that have just become too late: each is told once."""
        limit = time.monotonic() - self._hang_seconds
        found = [q for q in self.late.values() if not q.hangs and q.heard < limit and not q.answer.done()]
        for question in found:
            question.hangs = True
        return found

    def ask_after(self) -> None:
        """Give disks that hang one more moment, for somebody who knows that one of them is well again."""
        hanging = [question.answer for question in self.late.values() if question.hangs]
        wait(hanging, ASK_AFTER_SECONDS)

    def keep(self, root_ids: Collection[int]) -> None:
        """Forget all disks but these."""
        for root_id in self._disks.keys() - set(root_ids):
            self._disks.pop(root_id).close()
            self.late.pop(root_id, None)
            self._slow.discard(root_id)

    def _disk(self, root_id: int) -> _Disk:
        if root_id not in self._disks:
            self._disks[root_id] = _Disk(f"disk-{root_id}")
        return self._disks[root_id]


class _Disk:
    """Answers questions to one disk, one after the other."""

    def __init__(self, name: str) -> None:
        self._questions: SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = SimpleQueue()
        # A daemon thread: one that hangs for ever must not keep the process from ending.
        self.thread = threading.Thread(target=self._answer, name=name, daemon=True)
        self.thread.start()

    def ask(self, do: Callable[[], Any], answer: Future[Any]) -> None:
        self._questions.put((do, answer))

    def close(self) -> None:
        """End the thread when it has answered what it was asked."""
        self._questions.put(None)

    def _answer(self) -> None:
        while (question := self._questions.get()) is not None:
            do, answer = question
            try:
                answer.set_result(do())
            except BaseException as error:  # noqa: BLE001 - the asker's to handle
                answer.set_exception(error)
