"""The process that reads, hashes, decodes and encodes pictures. A poisonous picture kills this, never the daemon.

python -m kadrd.ingest.worker DESCRIPTOR SETTINGS

It speaks kadr's frames over a socket pair and knows neither catalogue nor folders:

  {"do": "digest", "paths": [...]}                       -> {"out": [...]}, and the bytes are kept
  {"do": "encode", "which": [...], "models": [FOLDER]}   -> {"out": [...]} for some of the kept bytes
  {"do": "thumbnails", "paths": [...], "side", "form"}   -> {"out": [...]}, and nothing is kept
  {"do": "sheet", "tiles": [...], "captions": [...], "title", "form"} -> {"out": [one contact sheet]}

It begins with {"locked": [files, calls]} (cage.py). Before each file it says {"begin": n}, after it {"ended": n}: when
it dies, the daemon knows what was in hand. While a disk gives bytes it says {"alive": n} now and then, so that a slow one
is told from one that hangs. It leaves when the socket closes, and dies with the daemon.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import resource
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from kadr.protocol.frames import FrameReader, encode
from kadrd.embed import models
from kadrd.embed.errors import EncodeError, ModelError
from kadrd.embed.runtime import Encoder
from kadrd.ingest import attributes, cage, digest, facts
from kadrd.ingest.decode import Decoded, Fit, decode
from kadrd.ingest.formats import SIDECAR
from kadrd.ingest.reading import MAX_FILE, read
from kadrd.values import Skipped

FRAME_LIMIT = 64 * 1024 * 1024
ENCODE_BATCH = 16
ALIVE_SECONDS = 1.0
# Far more than a worker opens: its socket, a model, a picture for each thread.
MAX_OPEN = 256


def main(arguments: list[str]) -> int:
    descriptor, settings = int(arguments[0]), json.loads(arguments[1])
    os.set_inheritable(descriptor, False)  # the daemon sees this process end, whatever a decoder began
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is the daemon's to answer
    _die_with_parent()
    _hush_libraries()
    _be_modest(settings["priority"], settings["memory_mb"])
    locked = cage.lock()
    gone = contextlib.suppress(
        BrokenPipeError, ConnectionResetError
    )  # the daemon ended, and nobody waits any more
    with socket.socket(fileno=descriptor) as connection, gone:
        connection.sendall(encode({"locked": list(locked)}))
        Worker(connection, settings["threads"] or os.cpu_count() or 1).serve()
    return 0


class Worker:
    """Answers the daemon's requests one after the other."""

    def __init__(self, connection: socket.socket, threads: int) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads)
        self._kept: list[bytes] = []
        self._encoders: dict[str, Encoder] = {}

    def serve(self) -> None:
        does: dict[str, Callable[[dict[str, Any]], list[Any]]] = {
            "digest": self.digest,
            "encode": self.encode,
            "thumbnails": self.thumbnails,
            "sheet": self.sheet,
        }
        reader = FrameReader(FRAME_LIMIT)
        while data := self._connection.recv(1 << 20):
            reader.feed(data)
            while (request := reader.next()) is not None:
                self._send({"out": does[request["do"]](request)})

    def _send(self, message: dict[str, Any]) -> None:
        with self._sending:
            self._connection.sendall(encode(message, FRAME_LIMIT))

    def _each(self, do: Callable[[int], Any], numbers: list[int]) -> list[Any]:
        """*do* for every number, some at a time, each announced before and after."""

        def announced(number: int) -> Any:
            self._send({"begin": number})
            try:
                return do(number)
            finally:
                self._send({"ended": number})

        return list(self._pool.map(announced, numbers))

    # digest

    def digest(self, request: dict[str, Any]) -> list[Any]:
        """For each path: [file key, essence key, stat, facts], {"skip": ...}, {"moving": stat} or None when it is gone."""
        paths = request["paths"]
        self._kept = [b""] * len(paths)
        return self._each(lambda n: self._digest(n, paths[n]), list(range(len(paths))))

    def _digest(self, number: int, path: bytes) -> Any:
        try:
            data, seen, steady = read(path, self._alive(number))
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return None
            return {"skip": _unreadable(error)}
        if not steady:
            return {"moving": list(seen)}
        if data is None:
            return {"skip": Skipped("too-large", f"It has more than {MAX_FILE >> 20} MB.")}
        if not data:
            return {"skip": Skipped("empty", "It is empty.")}
        self._kept[number] = data
        said = facts.read(data, _sidecars(path), attributes.tags(path))
        return [*digest.keys(data), list(seen), list(said)]

    def _alive(self, number: int) -> Callable[[], None]:
        """Tells the daemon that this file's disk gives bytes; not oftener than it wants to know."""
        told = time.monotonic()

        def alive() -> None:
            nonlocal told
            if time.monotonic() - told >= ALIVE_SECONDS:
                self._send({"alive": number})
                told = time.monotonic()

        return alive

    # encode

    def encode(self, request: dict[str, Any]) -> list[Any]:
        """For each number: [width, height, format, [a vector for each model]] or {"skip": ...}."""
        encoders = [self._encoder(folder) for folder in request["models"]]
        fits = [Fit(e.model.size, e.model.resize) for e in encoders]
        which = request["which"]
        pictures = self._each(lambda n: decode(self._kept[n], fits), which)
        good = [picture for picture in pictures if isinstance(picture, Decoded)]
        vectors = [_encoded(e, fit, good) for e, fit in zip(encoders, fits, strict=True)]
        rows = iter(zip(*vectors, strict=True))
        return [
            _outcome(picture, next(rows)) if isinstance(picture, Decoded) else {"skip": picture}
            for picture in pictures
        ]

    # draw

    def thumbnails(self, request: dict[str, Any]) -> list[Any]:
        """For each path: its picture within `side` x `side` pixels as bytes of a `form`, or {"skip": ...}."""
        paths, fit, form = request["paths"], Fit(request["side"], "within"), request["form"]
        return self._each(lambda n: self._thumbnail(n, paths[n], fit, form), list(range(len(paths))))

    def _thumbnail(self, number: int, path: bytes, fit: Fit, form: str) -> Any:
        from kadrd.ingest import draw  # here, because most workers never draw

        try:
            data, _, steady = read(path, self._alive(number))
        except OSError as error:
            return {"skip": _unreadable(error)}
        if data is None:
            return {"skip": Skipped("too-large", f"It has more than {MAX_FILE >> 20} MB.")}
        if not steady:
            return {"skip": Skipped("changing", "It is being written.")}
        made = decode(data, [fit])
        return {"skip": made} if isinstance(made, Skipped) else draw.picture(made.pixels[fit], form)

    def sheet(self, request: dict[str, Any]) -> list[Any]:
        """One contact sheet of `tiles`: each a thumbnail in PNG, or {"skip": ...}."""
        from kadrd.ingest import draw

        tiles = [Skipped(*tile["skip"]) if isinstance(tile, dict) else tile for tile in request["tiles"]]
        words = request["captions"], request["title"], request["form"]
        return self._each(lambda _: draw.sheet(tiles, *words), [0])

    def _encoder(self, folder: str) -> Encoder:
        if folder not in self._encoders:
            model = models.read(Path(folder))
            models.check(model)
            # Without a cache of compiled towers: it would have to be written, and this process writes nothing.
            self._encoders[folder] = Encoder(model, towers=("image",), threads=self._threads)
        return self._encoders[folder]


def _sidecars(path: bytes) -> list[bytes]:
    """What programs have written beside the picture; the scan looks whether that changes."""
    folder, name = os.path.split(path)
    found = []
    for sidecar in facts.sidecar_names(name):
        for spelled in (sidecar, sidecar.removesuffix(SIDECAR) + SIDECAR.upper()):
            with contextlib.suppress(OSError):
                data, _, steady = read(os.path.join(folder, spelled), lambda: None)
                if data and steady:
                    found.append(data)
                    break  # where case says nothing both are the same file
    return found


def _unreadable(error: OSError) -> Skipped:
    if error.errno in (errno.EACCES, errno.EPERM):
        return Skipped("no-permission", "Permission to read it is denied.")
    return Skipped("unreadable", f"It cannot be read: {os.strerror(error.errno or errno.EIO)}.")


def _encoded(encoder: Encoder, fit: Fit, pictures: list[Decoded]) -> list[Any]:
    """A vector as bytes for each picture, or why the model has none."""
    out: list[Any] = []
    for start in range(0, len(pictures), ENCODE_BATCH):
        pixels = np.stack([picture.pixels[fit] for picture in pictures[start : start + ENCODE_BATCH]])
        try:
            out += [row.astype("<f4").tobytes() for row in encoder.pictures(pixels)]
        except EncodeError:
            out += [_alone(encoder, one) for one in pixels]
    return out


def _alone(encoder: Encoder, pixels: Any) -> Any:
    try:
        return encoder.pictures(pixels[None])[0].astype("<f4").tobytes()
    except EncodeError as error:
        return Skipped("not-encodable", error.sentence)


def _outcome(picture: Decoded, vectors: tuple[Any, ...]) -> Any:
    bad = next((v for v in vectors if isinstance(v, Skipped)), None)
    return {"skip": bad} if bad else [picture.width, picture.height, picture.format, list(vectors)]


def _hush_libraries() -> None:
    """libtiff and its kin write a line for every oddity straight to descriptor 2: a folder of damaged files would
    fill the log, and so would Pillow's warnings. Python's own words, a traceback among them, still get there.
    """
    warnings.simplefilter("ignore")
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _be_modest(priority: str, memory_mb: int) -> None:
    """Run when nobody else wants to, and in bounded memory."""
    if priority != "normal":
        os.nice(19)
        _idle_disk()
        _yield_to_other_sessions()
    if priority == "idle" and hasattr(os, "SCHED_IDLE"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    if sys.platform == "linux" and memory_mb:
        limit = memory_mb << 20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = MAX_OPEN if allowed == resource.RLIM_INFINITY else min(allowed, MAX_OPEN)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))


def _yield_to_other_sessions() -> None:
    """Linux groups processes by session before it looks at niceness, and the worker has a session of its own:
    without this it gets a core's full share beside the daemon. At 19 indexing starves; 10 leaves it a tenth.
    """
    with contextlib.suppress(OSError), open("/proc/self/autogroup", "w", encoding="ascii") as file:
        file.write("10")


def _idle_disk() -> None:
    """ioprio_set(process, self, idle class): Python has no call for it."""
    number = {"x86_64": 251, "aarch64": 30}.get(os.uname().machine)
    if sys.platform == "linux" and number is not None:
        ctypes.CDLL(None, use_errno=True).syscall(number, 1, 0, 3 << 13)


def _die_with_parent() -> None:
    """prctl(PR_SET_PDEATHSIG, SIGKILL): a decoder that hangs must not outlive a killed daemon."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL, 0, 0, 0)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ModelError as error:
        print(f"{error.sentence} {error.act}", file=sys.stderr)
        sys.exit(70)
