"""What a service manager is told, and what it is not."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator

import pytest

from kadrd.serve.notify import Manager


@pytest.fixture
def ear(tmp_path_factory) -> Iterator[socket.socket]:
    """Where the manager listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(f"{tmp_path_factory.mktemp('n')}/n")
        made.setblocking(False)
        yield made


def heard(ear: socket.socket) -> list[str]:
    """Everything that was told so far."""
    lines = []
    with contextlib.suppress(BlockingIOError):
        while True:
            lines.append(ear.recv(4096).decode())
    return lines


def a_while(manager: Manager, working: list[bool]) -> None:
    """Keeps the manager told while *working* says something, one beat each."""

    async def live() -> None:
        beats = iter(working)
        done = asyncio.Event()

        def works() -> bool:
            try:
                return next(beats)
            except StopIteration:
                done.set()
                return False

        telling = asyncio.ensure_future(manager.keep_told(works, lambda: "two\nlines"))
        await done.wait()
        telling.cancel()

    asyncio.run(live())


def test_a_dead_thread_gives_no_sign_of_life(ear):
    """Signs of life end with the thread that works, though the event loop goes on: then the manager starts the daemon anew."""
    manager = Manager({"NOTIFY_SOCKET": ear.getsockname(), "WATCHDOG_USEC": "2000"})
    a_while(manager, [True, True, False, False])
    told = heard(ear)
    assert told[:2] == ["READY=1", "WATCHDOG_USEC=2000"]
    assert told.count("WATCHDOG=1") == 2
    assert told.count("STATUS=two lines") == 1


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"WATCHDOG_USEC": "x"},
        {"WATCHDOG_USEC": "2000", "WATCHDOG_PID": "1"},
    ],
)
def test_nobody_counts(ear, environ):
    """Without a watchdog, or with one that is another process's, no sign of life is given."""
    manager = Manager({"NOTIFY_SOCKET": ear.getsockname(), **environ})
    assert manager.watchdog == 0
    manager.busy()
    assert heard(ear) == ["STATUS=is starting"]


def test_our_own_watchdog(ear):
    """A watchdog that names this process is taken, and what said so leaves the environment."""
    environ = {
        "NOTIFY_SOCKET": ear.getsockname(),
        "WATCHDOG_USEC": "3000000",
        "WATCHDOG_PID": str(os.getpid()),
        "HOME": "/",
    }
    assert Manager(environ).watchdog == 3.0
    assert environ == {"HOME": "/"}


@pytest.mark.parametrize("address", ["", "/nowhere/at/all", "vsock:2:1", "@kadr-nobody-listens-here"])
def test_nobody_listens(address):
    """A manager that is not there, or that speaks another way, is no error."""
    Manager({"NOTIFY_SOCKET": address}).stopping()


def test_a_manager_that_does_not_read(ear):
    """A manager that reads nothing does not hold the daemon up."""
    manager = Manager({"NOTIFY_SOCKET": ear.getsockname()})
    for number in range(2000):
        manager.status(f"line {number}")
