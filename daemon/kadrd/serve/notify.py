"""What a service manager is told of us, after sd_notify(3): ready, what we do, alive, stopping. Says nothing where nobody asked.

Decides nothing: whether anything works is the caller's to know.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, MutableMapping

# A start that makes a damaged catalogue anew reads all of it; no answer and no sign of life comes before its end.
LONG_SECONDS = 3600.0
STATUS_SECONDS = 10.0
_MICRO = 1_000_000


class Manager:
    """The service manager that started us, or nobody."""

    def __init__(self, environ: MutableMapping[str, str] = os.environ) -> None:
        """Takes what it said out of *environ*: a child that spoke for us could keep a dead daemon alive."""
        self._address = environ.pop("NOTIFY_SOCKET", "")
        usec, pid = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
        ours = pid in ("", str(os.getpid())) and usec.isdecimal()
        self.watchdog = int(usec) / _MICRO if ours else 0.0
        """Seconds without a sign of life after which we are killed; 0: nobody counts."""
        self._status = ""

    @property
    def listens(self) -> bool:
        """Whether somebody manages us."""
        return bool(self._address)

    def busy(self) -> None:
        """A start begins, which may take long. Also when the service begins anew, long after `ready`."""
        self.status("is starting")
        self._allow(LONG_SECONDS)

    async def keep_told(self, working: Callable[[], bool], sentence: Callable[[], str]) -> None:
        """Whoever asks is answered from now on; signs of life until cancelled: from the event loop, and only while *working*.

        *working* is to tell whether the ingest thread lives, not whether it gets on: a disk that hangs may hold it up, which a
        restart would not mend, and everybody reads of it in the warnings.
        """
        self._say("READY=1")
        self._allow(self.watchdog)
        while True:
            if self.watchdog and working():
                self._say("WATCHDOG=1")
            self.status(sentence())
            await asyncio.sleep(min(self.watchdog / 2 or STATUS_SECONDS, STATUS_SECONDS))

    def status(self, sentence: str) -> None:
        """One line for people, in `systemctl status`."""
        if sentence != self._status:
            self._status = sentence
            self._say("STATUS=" + sentence.replace("\n", " "))

    def stopping(self) -> None:
        self._say("STOPPING=1")

    def _allow(self, seconds: float) -> None:
        if self.watchdog:
            self._say(f"WATCHDOG_USEC={seconds * _MICRO:.0f}")

    def _say(self, line: str) -> None:
        if not self._address.startswith(("/", "@")):
            return
        address = self._address.encode("utf-8", "surrogateescape")
        if address.startswith(b"@"):  # Linux's abstract names begin with a zero byte
            address = b"\0" + address[1:]
        # A manager that does not listen is no reason to stop answering.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
            there.setblocking(False)
            there.sendto(line.encode("utf-8", "surrogateescape"), address)
