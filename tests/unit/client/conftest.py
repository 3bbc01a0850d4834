"""The seam of the client's tests: a scripted daemon on a real socket, and the command as people type it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import tty
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from kadr import cli
from kadr.protocol import messages, paths
from kadr.protocol.errors import KadrError
from kadr.protocol.frames import REQUEST_LIMIT, FrameReader, encode
from kadr.protocol.messages import CAPABILITIES, End, Err, Item, Reply, Welcome

HANG_UP = "hang up"
SILENCE = "silence"
Step = Reply | bytes | str

WELCOME = Welcome(
    1,
    "kadrd/0.1.0",
    "instance-1",
    list(CAPABILITIES),
    {"request": REQUEST_LIMIT},
    {"name": "mini", "id": "52568ea7bfdc9059", "dimension": 256},
    [],
)


class ScriptedDaemon:
    """Answers every op with what the test said, on a real Unix socket; remembers what it was asked.

    `on(op, *steps)` adds one answer; the last one of an op is given again and again. A step is a reply,
    raw bytes, HANG_UP (close) or SILENCE (say nothing more to this request).
    """

    def __init__(self, path: str) -> None:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        self.path = path
        self.requests: list[Any] = []
        self.deadlines: list[int] = []
        self.hellos: list[dict[str, Any]] = []
        self.heard = threading.Event()
        """set at the first request that is answered with silence"""
        self.stops = True
        self._script: dict[str, list[tuple[Step, ...]]] = {}
        self._stopping = False
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(8)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def on(self, op: str, *steps: Step) -> None:
        self._script.setdefault(op, []).append(steps)

    def replace(self, op: str, *steps: Step) -> None:
        self._script[op] = [steps]

    def close(self) -> None:
        if not self._stopping:
            self._stopping = True
            with (
                socket.socket(socket.AF_UNIX) as knock,
                contextlib.suppress(OSError),
            ):  # it may be gone by now
                knock.connect(self.path)
        self._thread.join(10)

    def _serve(self) -> None:
        with self._listener:
            while True:
                connection, _ = self._listener.accept()
                with connection:
                    if not self._stopping:
                        self._attend(connection)
                if self._stopping:
                    os.unlink(self.path)
                    return

    def _attend(self, connection: socket.socket) -> None:
        reader = FrameReader(REQUEST_LIMIT)
        try:
            while True:
                while (message := reader.next()) is None:
                    data = connection.recv(65536)
                    if not data:
                        return
                    reader.feed(data)
                if not self._answer(connection, message):
                    return
        except OSError:
            return

    def _answer(self, connection: socket.socket, message: dict[str, Any]) -> bool:
        if message["op"] == "hello":
            self.hellos.append(message)
            id_ = 0
        else:
            id_, request, deadline = messages.read_request(message)
            self.requests.append(request)
            self.deadlines.append(deadline)
        for step in self._next(message["op"]):
            if step == HANG_UP:
                return False
            if step == SILENCE:
                self.heard.set()
                return True
            frame = step if isinstance(step, bytes) else encode(messages.reply(id_, step))  # type: ignore[arg-type]
            connection.sendall(frame)
        if message["op"] == "stop" and self.stops:
            self._stopping = True
            return False
        return True

    def _next(self, op: str) -> tuple[Step, ...]:
        script = self._script.get(op)
        if op == "hello" and not script:
            return (End(WELCOME._asdict()),)
        if not script:
            return (Err(KadrError(why=f"the test says nothing about {op}")),)
        return script.pop(0) if len(script) > 1 else script[0]


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A KADR_HOME with a name short enough for a socket."""
    folder = tempfile.mkdtemp(prefix="kadr-", dir="/tmp")
    monkeypatch.setenv("KADR_HOME", folder)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def seam():
    """The words of a script: HANG_UP, SILENCE, WELCOME."""
    return sys.modules[ScriptedDaemon.__module__]


@pytest.fixture
def daemon(home: str) -> Iterator[ScriptedDaemon]:
    scripted = ScriptedDaemon(paths.current().socket)
    yield scripted
    scripted.close()


class Ran(NamedTuple):
    code: int
    out: bytes
    err: str


@pytest.fixture
def kadr(capfdbinary: pytest.CaptureFixture[bytes]):
    """The command in this process: kadr("status", "--json") -> exit code, stdout, stderr."""

    def run(*argv: str) -> Ran:
        capfdbinary.readouterr()
        code = cli.main(argv)
        out, err = capfdbinary.readouterr()
        return Ran(code, out, err.decode())

    return run


@pytest.fixture
def spawn():
    """The command as a process of its own, for signals, pipes and terminals."""
    running: list[subprocess.Popen[bytes]] = []

    def begin(*argv: str, **how: Any) -> subprocess.Popen[bytes]:
        how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
        process: subprocess.Popen[bytes] = subprocess.Popen([sys.executable, "-m", "kadr", *argv], **how)
        running.append(process)
        return process

    yield begin
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def terminal(spawn):
    """The command with a terminal as its stdout: terminal("cat", TERM="foot") -> exit code, what was shown, stderr."""

    def run(*argv: str, **environ: str) -> Ran:
        telling = ("TERM", "COLORTERM", "TMUX", "STY", "ZELLIJ", "VTE_VERSION", "WT_SESSION")
        plain = {
            name: value
            for name, value in os.environ.items()
            if name not in telling
            and not name.startswith(("TERM_", "LC_T", "KITTY", "WEZ", "KONSOLE", "GHOSTTY"))
        }
        ours, theirs = os.openpty()
        tty.setraw(theirs)  # bytes as they are written
        process = spawn(*argv, stdout=theirs, env=plain | environ)
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # how Linux says that nobody writes any more
            while data := os.read(ours, 65536):
                shown += data
        os.close(ours)
        _, err = process.communicate(timeout=30)
        return Ran(process.returncode, shown, err.decode())

    return run


@pytest.fixture
def hit():
    """One row of an answer: hit(b"/p/a.jpg", 0.5, taken="2024-06-01T12:00:00")."""

    def row(path: bytes, score: float = 0.25, **facts: Any) -> dict[str, Any]:
        return {"path": path, "score": score, "picture": "ab12", "width": 640, "height": 480, **facts}

    return row


@pytest.fixture
def answered(daemon: ScriptedDaemon, hit: Any):
    """answered("search", b"/p/a.jpg", ...): the daemon finds these files, the first one the best."""

    def found(op: str, *paths: bytes, **about: Any) -> ScriptedDaemon:
        rows = [hit(path, 0.9 - number / 100) for number, path in enumerate(paths)]
        daemon.replace(op, Item(rows), End({"count": len(rows), "complete": True, **about}))
        return daemon

    return found
