"""Whether indexing is paused, and until when. Kept in a file of its own, so a pause outlives the daemon, and is answered while the
ingest thread is in the middle of a batch. Stops nothing itself: the ingest loop asks.

History of FORMAT
  1  {"format": 1, "since": seconds since 1970, "seconds": how long, 0 until it is ended}
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from kadrd.store import durable

FORMAT = 1
_DAY = 86_400


class Pause(NamedTuple):
    """One pause. By the clock on the wall: "for two hours" goes on while the machine sleeps or no daemon runs."""

    since: float
    seconds: float
    """infinite: until it is ended"""

    def left(self, now: float) -> float:
        """Seconds that are left of it; below 0: it is over. Never more than it was to last, whatever happened to the clock."""
        return min(self.seconds, self.since + self.seconds - now)


class Pauses:
    """The pause that lasts, if there is one. Any thread may ask."""

    def __init__(self, path: str, clock: Callable[[], float] = time.time) -> None:
        self._path, self._clock, self._lock = path, clock, threading.Lock()
        self._pause = _read(path)

    @property
    def left(self) -> float:
        """Seconds for which indexing still rests: 0 when it does not, infinite until it is ended."""
        pause = self._pause
        return max(0.0, pause.left(self._clock())) if pause else 0.0

    def begin(self, seconds: float) -> None:
        """Rest for so long from now on (infinite: until `end`), instead of what was asked before. Raises OSError."""
        pause = Pause(self._clock(), seconds)
        text = json.dumps(
            {"format": FORMAT, "since": pause.since, "seconds": seconds if seconds < math.inf else 0}
        )
        with self._lock:
            durable.replace(self._path, text.encode())
            self._pause = pause

    def end(self) -> bool:
        """Rest no longer; whether there was a pause. Raises OSError: then the next daemon would rest again."""
        with self._lock:
            lasted = bool(self.left)
            self._forget()
        return lasted

    def ran_out(self) -> bool:
        """Whether a pause has ended by itself since somebody asked this. Raises OSError."""
        with self._lock:
            over = self._pause is not None and not self.left
            if over:
                self._forget()
        return over

    def _forget(self) -> None:
        self._pause = None  # before the clock is set back
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)

    @property
    def sentence(self) -> str:
        """That indexing is paused, and until when, for people; empty when it is not."""
        left = self.left
        if not left:
            return ""
        return f"Indexing is paused{_until(self._clock(), left)}"


def _until(now: float, left: float) -> str:
    """The end by the clock on the wall, with its date where that is not near."""
    if left == math.inf:
        return ""
    form = "%H:%M" if left < _DAY / 2 else "%Y-%m-%d %H:%M"
    return time.strftime(f" until {form}", time.localtime(now + left))


def _read(path: str) -> Pause | None:
    """What the file says; one that cannot be read says nothing: to index is what a daemon is for."""
    try:
        with open(path, "rb") as file:
            said = json.loads(file.read())
        return Pause(float(said["since"]), float(said["seconds"]) or math.inf)
    except (OSError, ValueError, LookupError, TypeError):
        return None
