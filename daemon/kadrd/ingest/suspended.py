"""Whether the machine was suspended: it may wake with other disks, and with changes from elsewhere on a network disk."""

from __future__ import annotations

import time
from collections.abc import Callable

SLEEP_SECONDS = 30.0


def asleep() -> float:
    """How long the machine was suspended since it began: one clock goes on then, the other does not. 0 where only one
    clock is.
    """
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()


class Suspended:
    """Notices each time that the machine slept. *clock* is `asleep`, but for tests."""

    def __init__(self, clock: Callable[[], float] = asleep) -> None:
        self._clock, self._before = clock, clock()

    def was(self) -> bool:
        """Whether it was suspended since the last call."""
        now = self._clock()
        slept, self._before = now - self._before > SLEEP_SECONDS, now
        return slept
