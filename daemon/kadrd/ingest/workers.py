"""The daemon's end of a worker process: begin it when there is work, bound it by the clock, survive its death.

Not thread-safe: the pipeline has one worker, picture queries have another.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

import numpy as np

from kadr.protocol.errors import KadrError
from kadr.protocol.frames import FrameReader, encode
from kadrd.config import Worker as Settings
from kadrd.embed.models import Model
from kadrd.ingest.cage import Locked
from kadrd.values import Digest, Encoded, Facts, Moving, Skipped, Stat

log = logging.getLogger(__name__)

FRAME_LIMIT = 64 * 1024 * 1024
# A worker that has begun on nothing is reading a model: that may take a while, for ever it may not.
START_SECONDS = 300.0
# The worker runs when nobody else wants to, so a clock on the wall would blame a file for a busy machine. What counts is
# the processor time it took; only a file that takes none (a disk that hangs) is measured by the wall, and patiently.
WALL_FACTOR = 15
# A disk that gives no byte for so long, while the worker does nothing else either, hangs. Nobody is condemned by a
# mistake: the file is read again later.
READ_SECONDS = 30.0
READING = ("digest", "thumbnails")
LOOK_SECONDS = 1.0
# A killed process that waits for a dead network disk goes when that disk answers. Nobody waits for it longer than this,
# and no other worker is begun while there are so many: each holds what it had read.
REAP_SECONDS = 3.0
MAX_STUCK = 3

Gone = None
Answer = TypeVar("Answer")


class Unread(NamedTuple):
    """The worker died before it came to this file: its turn comes again."""


Digested = Digest | Moving | Skipped | Unread | None


class Begun(NamedTuple):
    """When a file was begun: on the wall, and by the worker's own processor time."""

    wall: float
    cpu: float


class Limits(NamedTuple):
    """How long a file may take: of processor time, and of time in which nothing happens."""

    cpu: float
    silence: float


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
        self._over = threading.Event()
        self._socket: socket.socket | None = None
        self._reader = FrameReader(FRAME_LIMIT)
        self._stuck: list[subprocess.Popen[bytes]] = []
        self._used, self._killed = 0.0, False
        self._seen = Begun(0.0, 0.0)
        self.locked: Locked | None = None
        """What the kernel forbids the process; None before the first one ran."""

    def digest(self, paths: Sequence[bytes]) -> list[Digested]:
        """Read every file once. None stands for one that is gone. Raises WorkerLost."""
        self._anew_if_ended()
        return self._ask({"do": "digest", "paths": list(paths)}, len(paths), _digested)

    def encode(self, which: Sequence[int], models: Sequence[Model]) -> list[Encoded | Skipped]:
        """Decode and encode some of the files of the last `digest`, by their number. Raises WorkerLost."""
        folders = [str(model.folder) for model in models]
        request = {"do": "encode", "which": list(which), "models": folders}
        return self._ask(request, len(which), lambda out: _encoded(out, models))

    def thumbnails(self, paths: Sequence[bytes], side: int, form: str) -> list[bytes | Skipped]:
        """The picture in each file within *side* x *side* pixels, in one of messages.FORMS. Raises WorkerLost."""
        self._anew_if_ended()
        request = {"do": "thumbnails", "paths": list(paths), "side": side, "form": form}
        return self._ask(request, len(paths), _drawn)

    def sheet(
        self, tiles: Sequence[bytes | Skipped], captions: Sequence[str], title: str, form: str
    ) -> bytes:
        """A contact sheet of *tiles*, thumbnails in PNG of the side that grid.py says. Raises WorkerLost."""
        self._anew_if_ended()
        given = [{"skip": tile} if isinstance(tile, Skipped) else tile for tile in tiles]
        request = {"do": "sheet", "tiles": given, "captions": list(captions), "title": title, "form": form}
        (made,) = self._ask(request, 1, bytes)
        return made

    def rest(self) -> None:
        """Let the process go when it was not used for a while; its memory goes with it."""
        if self._process is not None and time.monotonic() - self._used > self._settings.idle_seconds:
            self.close()

    def stand_still(self, still: bool) -> None:
        """Stop the process where it is, or let it go on; from any thread. One that is killed meanwhile dies all the same."""
        if self._process is not None:
            _signal(self._process, signal.SIGSTOP if still else signal.SIGCONT)

    def kill(self) -> None:
        """End the process from another thread, for good; whoever waits for it gets WorkerLost, and no file is blamed."""
        self._killed, process = True, self._process
        if process is not None:
            _kill(process)

    def close(self) -> None:
        """End the process; one in the middle of a file is killed. Back within a few seconds, even if it cannot die."""
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            _kill(self._process)
            try:
                self._process.wait(REAP_SECONDS)
            except subprocess.TimeoutExpired:
                log.warning("the worker %d cannot die: its disk does not answer", self._process.pid)
                self._stuck.append(self._process)
        self._process = self._socket = None
        self._over.set()

    def _ask(self, request: dict[str, Any], wanted: int, read: Callable[[Any], Answer]) -> list[Answer]:
        if self._killed:
            raise WorkerLost(frozenset(), "it was stopped")
        connection, limits = self._connected(), self._limits(request["do"])
        in_hand: dict[int, Begun] = {}
        try:
            connection.sendall(encode(request, FRAME_LIMIT))
            while (reply := self._reply(connection, in_hand, limits)).keys() != {"out"}:
                self._take(reply, in_hand)
            answers = [read(out) for out, _ in zip(reply["out"], range(wanted), strict=True)]
        except (OSError, KadrError, ValueError, TypeError, LookupError) as error:
            # A decoder that was taken over may say anything: what makes no sense is as good as a death.
            lost = self._post_mortem(error)
            raise WorkerLost(frozenset() if self._killed else frozenset(in_hand), lost) from None
        self._used = time.monotonic()
        return answers

    def _take(self, reply: dict[str, Any], in_hand: dict[int, Begun]) -> None:
        if "locked" in reply:
            self.locked = Locked(*reply["locked"])
        elif "ended" in reply:
            in_hand.pop(reply["ended"], None)
        else:  # "begin" or, for a file that takes long to read, "alive"
            in_hand[next(iter(reply.values()))] = Begun(time.monotonic(), self._cpu_seconds())

    def _reply(self, connection: socket.socket, in_hand: dict[int, Begun], limits: Limits) -> dict[str, Any]:
        """The next frame. Raises OSError when the worker is gone or some file takes too long."""
        started = time.monotonic()
        ready = select.poll()  # not select, which knows the first thousand descriptors only
        ready.register(connection, select.POLLIN)
        while (frame := self._reader.next()) is None:
            if ready.poll(LOOK_SECONDS * 1000):
                data = connection.recv(1 << 20)
                if not data:
                    raise ConnectionError("it ended")
                self._reader.feed(data)
            self._check_time(in_hand, started, limits)
        return frame

    def _limits(self, doing: str) -> Limits:
        seconds, threads = self._settings.file_seconds, self._settings.threads or os.cpu_count() or 1
        silence = seconds * WALL_FACTOR
        # Other threads' work counts too, so a file gets what all of them could have taken.
        return Limits(seconds * threads, min(silence, READ_SECONDS) if doing in READING else silence)

    def _check_time(self, in_hand: dict[int, Begun], started: float, limits: Limits) -> None:
        now = Begun(time.monotonic(), self._cpu_seconds())
        if now.cpu > self._seen.cpu:
            self._seen = now  # it works, however slowly
        if in_hand and overdue(min(in_hand.values()), now, self._seen.wall, limits):
            raise TimeoutError("a file took too long")
        still = now.wall - max(started, self._seen.wall)
        if not in_hand and still > max(START_SECONDS, self._settings.file_seconds):
            raise TimeoutError(f"no sign of life for {still:.0f} s")

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
        self._stuck = [process for process in self._stuck if process.poll() is None]
        if len(self._stuck) >= MAX_STUCK:
            raise WorkerLost(frozenset(), f"{len(self._stuck)} of them hang on a disk that does not answer")
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
        self._over = threading.Event()
        self._process = _begun(words, theirs.fileno(), environment, self._over)
        theirs.close()
        self._socket, self._reader, self._seen = ours, FrameReader(FRAME_LIMIT), Begun(time.monotonic(), 0.0)
        return ours

    def _anew_if_ended(self) -> None:
        if self._ended():
            self._post_mortem(ConnectionError("it ended while it was idle"))  # no file's fault: begin another

    def _ended(self) -> bool:
        """Whether the process went while it had nothing to do: it speaks only when it is asked."""
        if self._socket is None:
            return False
        try:
            return not self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _post_mortem(self, error: Exception) -> str:
        process = self._process
        self.close()
        code = None if process is None else process.returncode
        log.warning("the worker was lost (%s%s)", error, "" if code is None else f", exit code {code}")
        return str(error)


def overdue(since: Begun, now: Begun, worked: float, limits: Limits) -> bool:
    """Whether a file is given up *now*. It was begun, or last told that its disk gives bytes, at *since*; the process
    last took processor time at *worked*, on the wall.

    >>> overdue(Begun(0, 0), Begun(31, 0), worked=0, limits=Limits(cpu=20, silence=30))
    True
    >>> overdue(Begun(5, 0), Begun(31, 0), worked=0, limits=Limits(cpu=20, silence=30))
    False
    """
    silent = now.wall - max(since.wall, worked)
    return now.cpu - since.cpu > limits.cpu or silent > limits.silence


def _begun(
    words: Sequence[str], descriptor: int, environment: dict[str, str], over: threading.Event
) -> subprocess.Popen[bytes]:
    """A process that keeps *descriptor*, begun by a thread that stays until *over*: the kernel ends a worker with the
    thread that began it (PR_SET_PDEATHSIG), and one that answers a request is gone before the next request comes.
    """
    begun = Future[subprocess.Popen[bytes]]()

    def keep() -> None:
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                pass_fds=(descriptor,),
                env=environment,
                start_new_session=True,
            )
        except BaseException as error:  # noqa: BLE001 - the caller's to handle
            begun.set_exception(error)
        else:
            begun.set_result(process)
            over.wait()

    threading.Thread(target=keep, name="keeper", daemon=True).start()
    return begun.result()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and whatever it began."""
    _signal(process, signal.SIGKILL)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Tell the process and whatever it began. It leads a group of its own; until it is reaped nobody else can."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)


def _digested(out: Any) -> Digested:
    if out is None:
        return Gone
    if isinstance(out, dict):
        return Skipped(*out["skip"]) if "skip" in out else Moving(Stat(*out["moving"]))
    file_key, essence_key, stat, said = out
    return Digest(file_key, essence_key, Stat(*stat), _facts(said))


def _facts(said: list[Any]) -> Facts:
    """Facts of the kinds that they have to be of. Raises ValueError for others: SQLite would keep anything."""
    given = (tuple(value) if isinstance(value, list) else value for value in said)
    facts = Facts._make(given)
    for name, value in facts._asdict().items():
        default = Facts._field_defaults[name]
        if isinstance(default, tuple):
            good = isinstance(value, tuple) and all(isinstance(part, str) for part in value)
        elif isinstance(default, str):
            good = isinstance(value, str)
        else:
            good = value is None or (isinstance(value, (int, float)) and math.isfinite(value))
        if not good:
            raise ValueError(f"{name} cannot be {value!r:.40}")
    return facts


def _drawn(out: Any) -> bytes | Skipped:
    return Skipped(*out["skip"]) if isinstance(out, dict) else bytes(out)


def _encoded(out: Any, models: Sequence[Model]) -> Encoded | Skipped:
    if isinstance(out, dict):
        return Skipped(*out["skip"])
    width, height, format_, vectors = out
    rows = {m.fingerprint: np.frombuffer(v, "<f4") for m, v in zip(models, vectors, strict=True)}
    return Encoded(width, height, format_, rows)
