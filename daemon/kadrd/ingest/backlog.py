"""Folders that have to be looked at: filled by events and scans, emptied by the ingest thread.

Bounded by the number of folders, O(1) for an event, no I/O. Every entry has a number; a folder found inside
another one inherits its number, so `oldest` tells sync when everything marked before it has been looked at.
"""

from __future__ import annotations

import threading
from typing import NamedTuple


class Dirty(NamedTuple):
    """A folder to look at; deep: at everything below it too."""

    path: bytes
    deep: bool
    number: int


class Backlog:
    """The dirty folders. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._shallow: dict[bytes, int] = {}
        self._deep: dict[bytes, int] = {}
        self._last = 0
        self._woken = False

    def add(self, path: bytes, *, deep: bool = False, number: int | None = None) -> None:
        """Mark the folder *path*."""
        with self._changed:
            if number is None:
                self._last += 1
                number = self._last
            queue = self._deep if deep else self._shallow
            queue[path] = min(queue.get(path, number), number)
            self._changed.notify_all()

    def take(self) -> Dirty | None:
        """A folder to look at now: those with an event first, then the newest of a deep scan."""
        with self._changed:
            if self._shallow:
                path = next(iter(self._shallow))
                return Dirty(path, False, self._shallow.pop(path))
            if self._deep:
                path, number = self._deep.popitem()
                return Dirty(path, True, number)
            return None

    @property
    def last(self) -> int:
        """The number of the newest mark."""
        return self._last

    def oldest(self) -> int | None:
        """The smallest number still marked."""
        with self._changed:
            return min((*self._shallow.values(), *self._deep.values()), default=None)

    def __len__(self) -> int:
        return len(self._shallow) + len(self._deep)

    def wake(self) -> None:
        """End a `wait`, whether or not a folder is dirty."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def wait(self, seconds: float) -> None:
        """Sleep until a folder is dirty, `wake` is called or the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._woken or self._shallow or self._deep, seconds)
            self._woken = False


class Held:
    """Dirty folders that wait for a disk, by its root: as many as there are folders at most. Owned by the ingest thread;
    others may look.
    """

    def __init__(self) -> None:
        self._folders: dict[int, dict[tuple[bytes, bool], int]] = {}

    def add(self, root_id: int, dirty: Dirty) -> None:
        """Let *dirty* wait; a folder that waits already keeps its smallest number."""
        waiting = self._folders.setdefault(root_id, {})
        key = dirty.path, dirty.deep
        waiting[key] = min(waiting.get(key, dirty.number), dirty.number)

    def of(self, root_id: int) -> list[Dirty]:
        """What waits for the disk of this root."""
        waiting = list(self._folders.get(root_id, {}).items())
        return [Dirty(path, deep, number) for (path, deep), number in waiting]

    def take(self, root_id: int) -> list[Dirty]:
        """The same, and it waits no longer."""
        found = self.of(root_id)
        self._folders.pop(root_id, None)
        return found
