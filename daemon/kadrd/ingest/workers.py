"""The daemon's end of a worker process: begin it when there is work, bound it by the clock, survive its death.

Not thread-safe: the pipeline has one worker, picture queries have another.
"""

from __future__ import annotations

import json
import logging
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from kadr.protocol.errors import KadrError
from kadr.protocol.frames import FrameReader, encode
from kadrd.config import Worker as Settings
from kadrd.embed.models import Model
from kadrd.ingest.cage import Locked
from kadrd.values import Digest, Encoded, Moving, Skipped, Stat

log = logging.getLogger(__name__)

FRAME_LIMIT = 64 * 1024 * 1024
# A worker that has begun on nothing is reading a model: that may take a while, for ever it may not.
START_SECONDS = 300.0
# The worker runs when nobody else wants to, so a clock on the wall would blame a file for a busy machine. What counts is
# the processor time it took; only a file that takes none (a disk that hangs) is measured by the wall, and patiently.
WALL_FACTOR = 15
LOOK_SECONDS = 1.0

Gone = None


class Unread(NamedTuple):
    """The worker died before it came to this file: its turn comes again."""


Digested = Digest | Moving | Skipped | Unread | None


class Begun(NamedTuple):
    """When a file was begun: on the wall, and by the worker's own processor time."""

    wall: float
    cpu: float


class WorkerLost(Exception):
    """The worker died; `in_hand` are the numbers of the files it had begun on and not ended."""

    def __init__(self, in_hand: frozenset[int], why: str) -> None:
        super().__init__(why)
        self.in_hand = in_hand


class Worker:
    """One worker process, or none while there is nothing to do."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._reader = FrameReader(FRAME_LIMIT)
        self._used, self._killed = 0.0, False
        self._seen = Begun(0.0, 0.0)
        self.locked: Locked | None = None
        """What the kernel forbids the process; None before the first one ran."""

    def digest(self, paths: Sequence[bytes]) -> list[Digested]:
        """Read every file once. None stands for one that is gone. Raises WorkerLost."""
        if self._process is not None and self._process.poll() is not None:
            self._post_mortem(ConnectionError("it ended while it was idle"))  # no file's fault: begin another
        return [_digested(out) for out in self._ask({"do": "digest", "paths": list(paths)})]

    def encode(self, which: Sequence[int], models: Sequence[Model]) -> list[Encoded | Skipped]:
        """Decode and encode some of the files of the last `digest`, by their number. Raises WorkerLost."""
        folders = [str(model.folder) for model in models]
        outs = self._ask({"do": "encode", "which": list(which), "models": folders})
        return [_encoded(out, models) for out in outs]

    def rest(self) -> None:
        """Let the process go when it was not used for a while; its memory goes with it."""
        if self._process is not None and time.monotonic() - self._used > self._settings.idle_seconds:
            self.close()

    def kill(self) -> None:
        """End the process from another thread, for good; whoever waits for it gets WorkerLost, and no file is blamed."""
        self._killed, process = True, self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """End the process; one in the middle of a file is killed."""
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = self._socket = None

    def _ask(self, request: dict[str, Any]) -> list[Any]:
        if self._killed:
            raise WorkerLost(frozenset(), "it was stopped")
        connection = self._connected()
        in_hand: dict[int, Begun] = {}
        try:
            connection.sendall(encode(request, FRAME_LIMIT))
            while (reply := self._reply(connection, in_hand)).keys() != {"out"}:
                if "locked" in reply:
                    self.locked = Locked(*reply["locked"])
                elif "begin" in reply:
                    in_hand[reply["begin"]] = Begun(time.monotonic(), self._cpu_seconds())
                else:
                    in_hand.pop(reply["ended"], None)
        except (OSError, KadrError) as error:
            lost = self._post_mortem(error)
            raise WorkerLost(frozenset() if self._killed else frozenset(in_hand), lost) from None
        self._used = time.monotonic()
        out: list[Any] = reply["out"]
        return out

    def _reply(self, connection: socket.socket, in_hand: dict[int, Begun]) -> dict[str, Any]:
        """The next frame. Raises OSError when the worker is gone or some file takes too long."""
        started = time.monotonic()
        while (frame := self._reader.next()) is None:
            if select.select([connection], [], [], LOOK_SECONDS)[0]:
                data = connection.recv(1 << 20)
                if not data:
                    raise ConnectionError("it ended")
                self._reader.feed(data)
            self._check_time(in_hand, started)
        return frame

    def _check_time(self, in_hand: dict[int, Begun], started: float) -> None:
        limit, now, cpu = self._settings.file_seconds, time.monotonic(), self._cpu_seconds()
        if cpu > self._seen.cpu:
            self._seen = Begun(now, cpu)  # it works, however slowly
        still = now - max(started, self._seen.wall)
        if not in_hand:
            if still > max(START_SECONDS, limit):
                raise TimeoutError(f"no sign of life for {still:.0f} s")
            return
        oldest = min(in_hand.values())
        threads = self._settings.threads or os.cpu_count() or 1
        # Other threads' work counts too, so a file gets what all of them could have taken.
        if cpu - oldest.cpu > limit * threads or min(still, now - oldest.wall) > limit * WALL_FACTOR:
            raise TimeoutError("a file took too long")

    def _cpu_seconds(self) -> float:
        """Processor time of the process so far; 0 where the system does not tell (macOS: then the wall decides)."""
        try:
            with open(f"/proc/{self._process.pid if self._process else 0}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _connected(self) -> socket.socket:
        if self._socket is not None:
            return self._socket
        ours, theirs = socket.socketpair()
        settings = {
            "priority": self._settings.priority,
            "threads": self._settings.threads,
            "memory_mb": self._settings.memory_mb,
        }
        # -P: a module that lies in the folder somebody started us in must not be loaded.
        words = (
            sys.executable,
            "-P",
            "-m",
            "kadrd.ingest.worker",
            str(theirs.fileno()),
            json.dumps(settings),
        )
        # A few numerical libraries start a thread for each core at import, each with its own heap.
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            env=environment,
            start_new_session=True,
        )
        theirs.close()
        self._socket, self._reader, self._seen = ours, FrameReader(FRAME_LIMIT), Begun(time.monotonic(), 0.0)
        return ours

    def _post_mortem(self, error: Exception) -> str:
        code = self._process.poll() if self._process else None
        self.close()
        log.warning("the worker was lost (%s%s)", error, "" if code is None else f", exit code {code}")
        return str(error)


def _digested(out: Any) -> Digested:
    if out is None:
        return Gone
    if isinstance(out, dict):
        return Skipped(*out["skip"]) if "skip" in out else Moving(Stat(*out["moving"]))
    file_key, essence_key, stat = out
    return Digest(file_key, essence_key, Stat(*stat))


def _encoded(out: Any, models: Sequence[Model]) -> Encoded | Skipped:
    if isinstance(out, dict):
        return Skipped(*out["skip"])
    width, height, format_, vectors = out
    rows = {m.fingerprint: np.frombuffer(v, "<f4") for m, v in zip(models, vectors, strict=True)}
    return Encoded(width, height, format_, rows)
