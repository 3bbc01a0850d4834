"""A connection, with a daemon started for it where none runs; and the end of a daemon.

The only place of the client that starts a process. Does not look after the daemon once it answers.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from kadr.connection import Connection, NotRunning
from kadr.output import talk
from kadr.protocol.errors import CannotStart, DeadlinePassed, KadrError, ShuttingDown, Unreachable
from kadr.protocol.paths import Paths, environment

if TYPE_CHECKING:
    from subprocess import Popen

START_SECONDS = 30.0
STOP_SECONDS = 30.0
LOG_BYTES = 4 * 2**20
# What `kadrd run` exits with when another one holds the lock: that one is starting or stopping (sysexits.h).
TRY_AGAIN = 75
_PAUSE = 0.02
# Until another one is tried beside one that holds the lock; doubled each time, for it may be mending its catalogue.
_LOCKED_PAUSE, _LONGEST_PAUSE = 0.1, 3.0
_LINES_SHOWN = 5


def connected(paths: Paths, require: tuple[str, ...] = (), *, may_start: bool = True) -> Connection:
    """A greeted connection to the daemon of *paths*, which is started first where none runs."""
    try:
        return Connection(paths.socket, require)
    except NotRunning:
        if not may_start:
            raise
    except DeadlinePassed:
        return _behind_the_door(paths, require)
    start(paths).close()
    return Connection(paths.socket, require)


def _behind_the_door(paths: Paths, require: tuple[str, ...]) -> Connection:
    """A connection where a manager holds the socket: it opens before the daemon answers. Raises DeadlinePassed elsewhere, and later."""
    from kadr import service  # late: most daemons answer at once

    if not service.is_installed():
        raise DeadlinePassed
    talk("waiting for the daemon, which is starting ...")
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            return Connection(paths.socket, require)
        except DeadlinePassed:
            if time.monotonic() > until:
                raise


def start(paths: Paths) -> Connection:
    """Start the daemon and wait until it answers hello. Raises CannotStart with what the daemon said last."""
    from kadr import service  # late: most calls find a daemon that runs

    if service.begin():
        with suppress(NotRunning):  # the manager looks for another home: then by hand
            return Connection(paths.socket)
    began = time.monotonic()
    said_so = False
    _keep_small(paths.log)
    offset = _size(paths.log)
    process, pause = _spawn(paths), _LOCKED_PAUSE
    again = began + pause
    while True:
        try:
            connection = Connection(paths.socket)
        except (Unreachable, ShuttingDown, DeadlinePassed):
            pass
        else:
            process.returncode = 0  # it outlives us on purpose; subprocess would warn about it
            return connection
        if process.poll() == TRY_AGAIN:
            if time.monotonic() >= again:
                process, pause = _spawn(paths), min(2 * pause, _LONGEST_PAUSE)
                again = time.monotonic() + pause
        elif process.returncode is not None:
            raise CannotStart(why=_last_words(paths.log, offset, process.returncode))
        if time.monotonic() - began > START_SECONDS:
            process.returncode = 0
            raise CannotStart(
                why=f"it has not answered for {START_SECONDS:.0f} seconds", act=f"Read its log: {paths.log}"
            )
        if not said_so and time.monotonic() - began > 1:
            talk("starting the daemon ...")
            said_so = True
        time.sleep(_PAUSE)


def wait_until_gone(paths: Paths, instance: str) -> bool:
    """Whether nobody answers any more, once the daemon *instance* does not; False: another one does."""
    until = time.monotonic() + STOP_SECONDS
    while time.monotonic() < until:
        try:
            with Connection(paths.socket) as connection:
                if connection.welcome.instance != instance:
                    return False
        except NotRunning:
            return True
        except KadrError:
            pass  # it is busy stopping
        time.sleep(_PAUSE)
    raise KadrError(why=f"the daemon has not stopped within {STOP_SECONDS:.0f} seconds")


def _spawn(paths: Paths) -> Popen[bytes]:
    from subprocess import DEVNULL, Popen  # late: most calls find a daemon that runs

    try:
        os.makedirs(os.path.dirname(paths.log), mode=0o700, exist_ok=True)
        log = os.open(paths.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise CannotStart(
            why=f"its log {paths.log} cannot be written ({error.strerror})", act="Make that folder writable."
        ) from None
    try:
        return Popen(
            [sys.executable, "-P", "-m", "kadrd", "run"],  # -P: what lies in / is not to be imported
            stdin=DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=environment(),
            start_new_session=True,
        )
    except OSError as error:
        raise CannotStart(why=f"{sys.executable} does not run ({error.strerror})") from None
    finally:
        os.close(log)


def _keep_small(log: str) -> None:
    """Begin a new log when the old one has grown; one old one is kept."""
    if _size(log) > LOG_BYTES:
        with suppress(OSError):  # whether the folder can be written is said when the daemon is spawned
            os.replace(log, f"{log}.old")


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _last_words(log: str, offset: int, code: int) -> str:
    """What the daemon wrote to *log* behind *offset*, its last lines."""
    with open(log, "rb") as file:
        file.seek(max(offset, _size(log) - 4096))
        lines = file.read().decode("utf-8", "replace").split("\n")
    said = [line for line in lines if line.strip()][-_LINES_SHOWN:]
    if not said:
        return f"it ended with exit code {code} and said nothing"
    return "\n  ".join([f"it ended with exit code {code} and said", *said])
