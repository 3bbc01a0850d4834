"""When a file that changed is quiet enough to be read. Settle is pure: the clock is an argument (monotonic seconds).

A file is read when nothing happened to it for `quiet` seconds. One that changes while it is read waits longer
each time, 5 to 60 seconds. One that never comes to rest is read after ten minutes as it stands, and again when it
changes. `hurry` (sync) makes everything that waits now due at once: the reader's two equal stats still guard against
half a file.
"""

from __future__ import annotations

import time

from kadrd.values import Stat

FIRST_PAUSE = 5.0
LONGEST_PAUSE = 60.0
LONGEST_WAIT = 600.0
# vfat's mtime.
TICK_SECONDS = 2.0


class Settle:
    """The files that have to wait; a file it does not know is due."""

    def __init__(self, quiet: float) -> None:
        self._quiet = quiet
        self._hurry = 0
        self._due: dict[int, float] = {}
        self._since: dict[int, float] = {}
        """Since when each file has been restless."""
        self._pauses: dict[int, tuple[float, float]] = {}
        """How long each file that was moving had to wait the last time, and until when."""

    def __len__(self) -> int:
        return len(self._due)

    def changed(self, file_id: int, age: float, now: float) -> None:
        """The file was changed *age* seconds ago. An age below zero (a clock that was set back) counts as now."""
        wait = self._quiet - max(age, 0.0)
        if wait > 0:
            since = self._since.setdefault(file_id, now)
            self._due[file_id] = min(now + wait, since + LONGEST_WAIT)

    def moving(self, file_id: int, now: float) -> bool:
        """The file changed while it was read; whether for the first time."""
        before, _ = self._pauses.get(file_id, (0.0, 0.0))
        pause = min(max(2 * before, FIRST_PAUSE), LONGEST_PAUSE)
        self._pauses[file_id] = pause, now + pause
        self._due[file_id] = now + pause
        return not before

    def due(self, file_id: int, now: float) -> bool:
        """Whether the file may be read now."""
        return self._due.get(file_id, now) <= now

    def done(self, file_id: int) -> None:
        """The file was read well."""
        self._due.pop(file_id, None)
        self._since.pop(file_id, None)
        self._pauses.pop(file_id, None)

    def hurry(self, ticket: int) -> None:
        """Everything that waits now is due; *ticket* is the last one given."""
        self._hurry = ticket
        self._due.clear()

    def quiet(self, file_id: int, ticket: int, age: float, now: float) -> bool:
        """Whether a file that stood still while it was read, and changed *age* seconds ago, may be taken as it is."""
        waited = now - self._since.get(file_id, now)
        return age >= self._quiet or ticket <= self._hurry or waited >= LONGEST_WAIT

    def next_due(self, now: float) -> float | None:
        """The earliest moment to come at which a waiting file becomes due. What is due is forgotten: an unknown file
        is due anyway, and one that was deleted meanwhile would be waited for for ever.
        """
        self._pauses = {
            file_id: pause for file_id, pause in self._pauses.items() if pause[1] + LONGEST_PAUSE > now
        }
        self._due = {file_id: due for file_id, due in self._due.items() if due > now}
        restless = self._due.keys() | self._pauses.keys()
        self._since = {file_id: since for file_id, since in self._since.items() if file_id in restless}
        return min(self._due.values(), default=None)


def racy(stat: Stat) -> bool:
    """Whether the file may change again and look the same: vfat and its kin keep whole seconds, and it is this young.

    Times from far in the future say nothing: they would be young for years.
    """
    whole = stat.mtime_ns % 10**9 == 0 and stat.ctime_ns % 10**9 == 0
    return whole and abs(age(stat)) < TICK_SECONDS


def age(stat: Stat) -> float:
    """Seconds since the file was last changed, by the wall clock that wrote its times."""
    return time.time() - max(stat.mtime_ns, stat.ctime_ns) / 1e9
