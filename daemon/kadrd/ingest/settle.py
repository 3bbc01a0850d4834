"""When a file that changed is quiet enough to be read. Settle is pure: the clock is an argument (monotonic seconds).

A file is read when nothing happened to it for `quiet` seconds. One that changes while it is read waits longer
each time, 5 to 60 seconds. `hurry` (sync) makes everything that waits now due at once: the reader's two equal stats
still guard against half a file.
"""

from __future__ import annotations

import time

from kadrd.values import Stat

FIRST_PAUSE = 5.0
LONGEST_PAUSE = 60.0
# vfat's mtime.
TICK_SECONDS = 2.0


class Settle:
    """The files that have to wait; a file it does not know is due."""

    def __init__(self, quiet: float) -> None:
        self._quiet = quiet
        self._hurry = 0
        self._due: dict[int, float] = {}
        self._pause: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self._due)

    def changed(self, file_id: int, age: float, now: float) -> None:
        """The file was changed *age* seconds ago. An age below zero (a clock that was set back) counts as now."""
        wait = self._quiet - max(age, 0.0)
        if wait > 0:
            self._due[file_id] = now + wait

    def moving(self, file_id: int, now: float) -> None:
        """The file changed while it was read."""
        pause = min(2 * self._pause.get(file_id, FIRST_PAUSE / 2), LONGEST_PAUSE)
        self._pause[file_id] = pause
        self._due[file_id] = now + pause

    def due(self, file_id: int, now: float) -> bool:
        """Whether the file may be read now."""
        return self._due.get(file_id, now) <= now

    def done(self, file_id: int) -> None:
        """The file was read well."""
        self._due.pop(file_id, None)
        self._pause.pop(file_id, None)

    def hurry(self, ticket: int) -> None:
        """Everything that waits now is due; *ticket* is the last one given."""
        self._hurry = ticket
        self._due.clear()

    def quiet(self, ticket: int, age: float) -> bool:
        """Whether a file that stood still while it was read, and changed *age* seconds ago, may be taken as it is."""
        return age >= self._quiet or ticket <= self._hurry

    def next_due(self, now: float) -> float | None:
        """The earliest moment to come at which a waiting file becomes due. What is due is forgotten: an unknown file
        is due anyway, and one that was deleted meanwhile would be waited for for ever.
        """
        self._due = {file_id: due for file_id, due in self._due.items() if due > now}
        return min(self._due.values(), default=None)


def racy(stat: Stat) -> bool:
    """Whether the file may change again and look the same: vfat and its kin keep whole seconds, and it is this young."""
    whole = stat.mtime_ns % 10**9 == 0 and stat.ctime_ns % 10**9 == 0
    return whole and age(stat) < TICK_SECONDS


def age(stat: Stat) -> float:
    """Seconds since the file was last changed, by the wall clock that wrote its times."""
    return time.time() - max(stat.mtime_ns, stat.ctime_ns) / 1e9
