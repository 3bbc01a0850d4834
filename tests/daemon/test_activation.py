"""The daemon under a service manager: this test is the manager. It binds, passes descriptors, execs, and reads what it is told."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kadr.connection import Connection
from kadr.protocol.messages import Add, Ping, Stop, Sync

PATIENCE = 45.0
# What a manager's child does between fork and exec: descriptors at 3 and up, LISTEN_PID its own number.
LAUNCHER = """
import fcntl, os, sys
high = [fcntl.fcntl(int(word), fcntl.F_DUPFD_CLOEXEC, 100) for word in sys.argv[1:]]
os.closerange(3, 100)
for place, descriptor in enumerate(high, 3):
    os.dup2(descriptor, place, inheritable=True)
os.environ.update(LISTEN_PID=os.environ.get("LISTEN_PID") or str(os.getpid()), LISTEN_FDS=str(len(high)))
os.execv(sys.executable, [sys.executable, "-P", "-m", "kadrd", "run"])
"""


class Manager:
    """Holds the socket of a home and starts the daemon with it."""

    def __init__(self, home: Any, notify: str) -> None:
        self.home = home
        self.told: list[str] = []
        self._heard = threading.Condition()
        self._ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ear.bind("\0" + notify[1:] if notify.startswith("@") else notify)
        self._notify = notify
        threading.Thread(target=self._listen, daemon=True).start()
        self.socket = bound(home.paths.socket)
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *passed: Any, **environment: str) -> subprocess.Popen[str]:
        descriptors = [one.fileno() for one in passed or (self.socket,)]
        said = {"NOTIFY_SOCKET": self._notify, **environment}
        process = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, *map(str, descriptors)],
            env=self.home.environment(said), pass_fds=descriptors, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._started.append(process)
        return process

    def hears(self, wanted: Callable[[str], bool]) -> str:
        """The first line told that is *wanted*, when it has come."""
        with self._heard:
            assert self._heard.wait_for(lambda: any(map(wanted, self.told)), PATIENCE), self.told
            return next(filter(wanted, self.told))

    def close(self) -> None:
        for process in self._started:
            process.kill()
            process.wait()
            assert process.stderr is not None
            process.stderr.close()
        self.socket.close()
        self._ear.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        with self._ear:
            while line := self._ear.recv(4096).decode():
                with self._heard:
                    self.told.append(line)
                    self._heard.notify_all()


def bound(path: str) -> socket.socket:
    """A socket that listens at *path*, as systemd makes one."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    made = socket.socket(socket.AF_UNIX)
    made.bind(path)
    made.listen()
    return made


@pytest.fixture(params=["/", "@"], ids=["path", "abstract"])
def manager(home, request, tmp_path_factory) -> Iterator[Manager]:
    """A manager that is told things at a path, or at an abstract address."""
    if request.param == "@" and sys.platform != "linux":
        pytest.skip("abstract addresses are Linux's")
    folder = tmp_path_factory.mktemp("n")
    made = Manager(home, f"{folder}/n" if request.param == "/" else f"@kadr-test-{os.getpid()}-{folder.name}")
    yield made
    made.close()


def test_the_first_client_starts_the_daemon(manager):
    """Who connects before the daemon runs is answered by it; the manager hears that it is ready, lives and stops, and keeps its socket."""
    path, greeted = Path(manager.home.paths.socket), []
    inode = path.lstat().st_ino

    def early() -> None:
        with Connection(str(path)) as connection:
            greeted.append((connection.welcome.instance, connection.end(Ping())))

    first = threading.Thread(target=early)
    first.start()  # it waits at a door behind which nobody is
    process = manager.start(WATCHDOG_USEC="200000")
    first.join(PATIENCE)
    assert [answer for _, answer in greeted] == [{}]
    manager.hears("READY=1".__eq__)
    manager.hears("WATCHDOG=1".__eq__)
    manager.hears(lambda line: line.startswith("STATUS=answers with"))
    manager.told.clear()
    manager.hears("WATCHDOG=1".__eq__)  # and again
    with Connection(str(path)) as connection:
        connection.end(Stop())
    manager.hears("STOPPING=1".__eq__)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert path.lstat().st_ino == inode

    first = threading.Thread(target=early)
    first.start()
    manager.start()
    first.join(PATIENCE)
    assert greeted[0][0] != greeted[1][0]


@pytest.fixture
def plain(home, tmp_path_factory) -> Iterator[Manager]:
    """A manager that is told things at a path."""
    made = Manager(home, f"{tmp_path_factory.mktemp('n')}/n")
    yield made
    made.close()


def test_a_death_costs_no_client(plain):
    """Clients that connect while no daemon runs, because it was killed, wait at the manager's door for the next one."""
    first = plain.start()
    plain.hears("READY=1".__eq__)
    first.kill()
    first.communicate()
    waiting = socket.socket(socket.AF_UNIX)
    with waiting:
        waiting.connect(plain.home.paths.socket)
        plain.start()
        with Connection(plain.home.paths.socket) as connection:
            assert connection.end(Ping()) == {}


def test_nothing_is_handed_on(plain, pictures, tmp_path):
    """The worker has neither the manager's words nor its socket: it could keep a dead daemon alive."""
    process = plain.start(WATCHDOG_USEC="60000000", LISTEN_FDNAMES="kadr")
    plain.hears("WATCHDOG_USEC=3600000000".__eq__)  # a start may take long
    plain.hears("WATCHDOG_USEC=60000000".__eq__)
    plain.hears("READY=1".__eq__)
    pictures.one(tmp_path / "a.jpg")
    with Connection(plain.home.paths.socket) as connection:
        connection.end(Add(os.fsencode(tmp_path)))
        connection.end(Sync())
    tasks = Path(f"/proc/{process.pid}/task").iterdir()
    children = [pid for task in tasks for pid in (task / "children").read_text().split()]
    assert children
    door = os.fstat(plain.socket.fileno()).st_ino
    assert f"socket:[{door}]" in held(process.pid)
    for pid in children:
        words = Path(f"/proc/{pid}/environ").read_bytes()
        for name in (b"LISTEN_", b"NOTIFY_SOCKET", b"WATCHDOG_"):
            assert name not in words
        assert f"socket:[{door}]" not in held(pid)


def held(pid: int | str) -> set[str]:
    """What the descriptors of a process lead to."""
    found = set()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found.add(os.readlink(file))
    return found


def test_meant_for_another(plain):
    """Descriptors that were passed to another process are not taken: the daemon makes a socket of its own."""
    inode = os.lstat(plain.home.paths.socket).st_ino
    plain.start(LISTEN_PID="1")
    plain.hears("READY=1".__eq__)
    assert os.lstat(plain.home.paths.socket).st_ino != inode
    with Connection(plain.home.paths.socket) as connection:
        assert connection.end(Ping()) == {}


def test_it_takes_over(plain, launch):
    """A daemon that was started by hand gives way to the one that the manager starts, which answers with the same index."""
    other = launch(plain.home)  # it has its own socket where the manager's was
    plain.start()
    plain.hears("READY=1".__eq__)
    assert other.wait() == 0
    with Connection(plain.home.paths.socket) as connection:
        assert connection.end(Ping()) == {}


@pytest.mark.parametrize("kind", ["elsewhere", "datagram", "deaf", "file", "network"])
def test_a_wrong_socket(plain, tmp_path_factory, kind):
    """What is no listening socket where clients ask is refused in one sentence, with a code that ends the restarts."""
    folder = tmp_path_factory.mktemp("w")
    if kind == "file":
        with open(folder / "file", "w") as file:
            process = plain.start(file)
    elif kind == "elsewhere":
        with bound(str(folder / "s")) as wrong:
            process = plain.start(wrong)
    else:
        family = socket.AF_INET if kind == "network" else socket.AF_UNIX
        with socket.socket(family, socket.SOCK_DGRAM if kind == "datagram" else socket.SOCK_STREAM) as wrong:
            process = plain.start(wrong)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 78, said
    assert "The service manager passed a wrong socket: descriptor 3" in said
    assert "Traceback" not in said


def test_one_of_many(plain, tmp_path_factory):
    """Of several sockets the one where clients ask is taken, and the others are closed."""
    with bound(f"{tmp_path_factory.mktemp('w')}/s") as other:
        process = plain.start(other, plain.socket)
        plain.hears("READY=1".__eq__)
        assert f"socket:[{os.fstat(other.fileno()).st_ino}]" not in held(process.pid)
    with Connection(plain.home.paths.socket) as connection:
        assert connection.end(Ping()) == {}


def test_a_socket_without_a_name(plain):
    """When somebody deleted the manager's socket before the daemon starts, it makes one of its own in that place."""
    path = Path(plain.home.paths.socket)
    path.unlink()
    plain.start()
    plain.hears("READY=1".__eq__)
    with Connection(str(path)) as connection:
        assert connection.end(Ping()) == {}


def test_the_name_is_taken_away(plain):
    """When somebody deletes the manager's socket the daemon makes one of its own in that place, and takes only that away at its end."""
    path = Path(plain.home.paths.socket)
    process = plain.start()
    plain.hears("READY=1".__eq__)
    path.unlink()
    process.send_signal(signal.SIGHUP)
    assert process.stderr is not None
    assert any("is made again" in line for line in process.stderr)
    while not path.exists():  # it is renamed into place, and listens by then
        os.sched_yield()
    with Connection(str(path)) as connection:
        connection.end(Stop())
    plain.hears("STOPPING=1".__eq__)
    process.wait(PATIENCE)
    assert not path.exists()
