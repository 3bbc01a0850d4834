"""One line that shows how far long work is, on a terminal; nothing where stderr is something else.

`Meter` is pure (the clock is an argument), `ProgressLine` draws what it says.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator
from typing import Self

from kadr.protocol.messages import Progress, Reply

# The rate is that of the recent past: one slow disk at the start should not be felt for an hour.
WINDOW_SECONDS = 20.0
REDRAW_SECONDS = 0.1
_WORDS = {"scan": "looking", "index": "indexing", "files": "reading files", "vectors": "searching"}
_WIDEST_BAR, _NARROWEST_BAR = 30, 8


class Meter:
    """Turns progress into text: how many, how fast, how long still."""

    def __init__(self) -> None:
        self._stage = ""
        self._seen: deque[tuple[float, int]] = deque()

    def line(self, progress: Progress, now: float, width: int) -> str:
        """At most *width* characters."""
        if progress.stage != self._stage or (self._seen and progress.done < self._seen[-1][1]):
            self._stage = progress.stage
            self._seen.clear()
        self._seen.append((now, progress.done))
        while len(self._seen) > 2 and now - self._seen[1][0] > WINDOW_SECONDS:
            self._seen.popleft()
        return _fitted(_WORDS.get(progress.stage, progress.stage), progress, self._rate(), width)

    def _rate(self) -> float:
        (start, first), (end, last) = self._seen[0], self._seen[-1]
        return (last - first) / (end - start) if end - start >= 1 else 0.0


def _fitted(word: str, progress: Progress, rate: float, width: int) -> str:
    parts = [f"{progress.done:,} of {progress.total:,}" if progress.total else f"{progress.done:,}"]
    if rate:
        parts.append(f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s")
    if rate and progress.total > progress.done:
        parts.append(f"{span((progress.total - progress.done) / rate)} left")
    if progress.failures:
        parts.append(f"{progress.failures:,} failed")
    text = f"{word} " + "  ".join(parts)
    room = min(_WIDEST_BAR, width - len(text) - 3)
    if progress.total and room >= _NARROWEST_BAR:
        full = min(room, room * progress.done // progress.total)
        text = f"{word} [{'#' * full}{'-' * (room - full)}] " + "  ".join(parts)
    return text[:width]


def span(seconds: float) -> str:
    """A duration in the two units that matter: `40 s`, `3 min`, `2 h 5 min`, `4 d 3 h`."""
    whole = round(seconds)
    if whole < 90:
        return f"{whole} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"


def shown(replies: Iterator[Reply]) -> Iterator[Reply]:
    """*replies* without their progress, which is drawn instead."""
    with ProgressLine() as line:
        for reply in replies:
            if isinstance(reply, Progress):
                line.show(reply)
            else:
                line.wipe()
                yield reply


class ProgressLine:
    """Redraws one line of stderr. Use as a context, so that the line is wiped at the end."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._meter = Meter()
        self._drawn = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wipe()

    def show(self, progress: Progress) -> None:
        now = time.monotonic()
        if not self._terminal or now - self._drawn < REDRAW_SECONDS:
            return
        self._drawn = now
        sys.stderr.write("\r" + self._meter.line(progress, now, _columns() - 1) + "\x1b[K")
        sys.stderr.flush()

    def wipe(self) -> None:
        if self._drawn:
            self._drawn = 0.0
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _columns() -> int:
    from shutil import get_terminal_size  # late: only a terminal has columns

    return get_terminal_size().columns
