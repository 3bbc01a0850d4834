"""How long each step of an answer took, for `--explain`. Reads the clock so that the steps need not."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator


class Stages:
    """Milliseconds by step, in order."""

    def __init__(self) -> None:
        self.ms: dict[str, float] = {}

    @contextlib.contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """The time of what is done inside counts for *name*."""
        started = time.perf_counter()
        try:
            yield
        finally:
            took = (time.perf_counter() - started) * 1000
            self.ms[name] = round(self.ms.get(name, 0.0) + took, 3)
