"""The lock and the socket. The lock is the truth; whoever holds it owns the socket's path.

Order: lock, folder 0700, bind under a private name with mode 0600, listen, rename over the path. There is no
moment in which others could connect, and no unlinking of somebody else's live socket.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import signal
import socket
import stat
import struct
import sys
import time
from typing import NamedTuple

from kadr.protocol.paths import SOCKET_PATH_LIMIT

log = logging.getLogger(__name__)

BACKLOG = 128
# Who looks after the lock's holder shares the lock for microseconds; one that was stopped in them is not waited for longer.
LOOKER_SECONDS = 2.0
_PAUSE = 0.001
# A daemon ends within 20 s (service.py), its threads and libraries a little later.
OVER_SECONDS = 30.0
_LOOK = 0.05


class AlreadyRunning(Exception):
    """Another daemon holds the lock."""


class UnsafeFolder(Exception):
    """The socket's folder belongs to somebody else, or is no folder."""


class LockLost(Exception):
    """The lock was deleted or replaced while it was held, with the folder that it guards."""


class Lock:
    """An flock held for the daemon's life. The kernel lets it go when the process ends, however it ends."""

    def __init__(self, path: str) -> None:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not _taken(self._descriptor):
            os.close(self._descriptor)
            raise AlreadyRunning(path)
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, b"%d\n" % os.getpid(), 0)  # for people, and for `kadrd model use`

        self.path = path

    def holds(self) -> bool:
        """Whether the file at the path is still the one that is locked: if not, another daemon may hold that."""
        ours = os.fstat(self._descriptor)
        try:
            there = os.stat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:  # a disk that fails says nothing of who holds it
            return True
        return os.path.samestat(ours, there)

    def release(self) -> None:
        os.close(self._descriptor)


def taken_over(path: str) -> Lock:
    """The lock for a daemon that a service manager starts: one that holds it already is asked to end, and waited for.

    That one was started by hand. Were the manager's to give way, its clients would knock until systemd gives the socket up.
    Raises AlreadyRunning after OVER_SECONDS.
    """
    until, seen, asked = time.monotonic() + OVER_SECONDS, None, None
    while True:
        try:
            return Lock(path)
        except AlreadyRunning:
            if time.monotonic() > until:
                raise
        # Seen twice: whoever has just taken the lock has not yet written its number over that of one before.
        seen, before = holder(path), seen
        if seen and seen == before and seen != asked and tell(seen, signal.SIGTERM):
            log.info("the daemon %d was asked to end: the service manager's takes its place", seen)
            asked = seen
        time.sleep(_LOOK)


def _taken(descriptor: int) -> bool:
    """Whether the lock is ours now. One that can be shared is held by nobody: somebody only looks (`holder`)."""
    until = time.monotonic() + LOOKER_SECONDS
    while not _flocked(descriptor, fcntl.LOCK_EX):
        if not _flocked(descriptor, fcntl.LOCK_SH) or time.monotonic() > until:
            return False
        fcntl.flock(
            descriptor, fcntl.LOCK_UN
        )  # two that start at once must not look like lookers to each other
        time.sleep(_PAUSE)
    return True


def _flocked(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def holder(path: str) -> int | None:
    """The process that holds the lock *path*, if there is one."""
    with contextlib.suppress(OSError, ValueError), open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return int(file.read())
    return None


def tell(process: int, number: int) -> bool:
    """Send a holder of the lock a signal; whether it is a daemon and got it. One in a container has another number outside, which
    is somebody else's there.
    """
    try:
        if sys.platform == "linux":
            with open(f"/proc/{process}/cmdline", "rb") as file:
                if b"kadrd" not in file.read():
                    return False
        os.kill(process, number)
    except OSError:
        return False
    return True


class Door(NamedTuple):
    """A listening socket, and the name under which clients find it."""

    socket: socket.socket
    path: str
    inode: int
    device: int
    passed: bool = False
    """a service manager's, which keeps it and its name when we go"""

    def leads_here(self) -> bool:
        """Whether the name still is this socket's: a cleaner or another program may have taken it away."""
        try:
            found = os.lstat(self.path)
        except OSError:
            return False
        return (found.st_ino, found.st_dev) == (self.inode, self.device)


def opened(passed: socket.socket | None, path: str) -> Door:
    """The door at *path*: that of a socket that a service manager *passed*, or a new one where that has lost its name. Raises
    UnsafeFolder or OSError.
    """
    if passed is None or not _leads_somewhere(path):
        return listen(path)
    _private_folder(os.path.dirname(path))
    found = os.lstat(path)
    return Door(passed.dup(), path, found.st_ino, found.st_dev, passed=True)


def _leads_somewhere(path: str) -> bool:
    """Whether somebody listens at *path*. Who holds the lock may take it for the manager: no other daemon does."""
    with socket.socket(socket.AF_UNIX) as caller:
        caller.setblocking(False)
        # EAGAIN: as many wait there as there is room for.
        return caller.connect_ex(path) in (0, errno.EAGAIN)


def listen(path: str) -> Door:
    """A listening socket at *path*, ours alone. Raises UnsafeFolder or OSError."""
    if len(os.fsencode(path)) > SOCKET_PATH_LIMIT:
        raise UnsafeFolder(
            f"{path} is longer than the {SOCKET_PATH_LIMIT} bytes that a socket's path may have"
        )
    folder = os.path.dirname(path)
    _private_folder(folder)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    private = os.path.join(folder, f".{os.getpid()}")  # no longer than the name itself
    with contextlib.suppress(FileNotFoundError):
        os.unlink(private)
    try:
        listener.bind(private)
        os.chmod(private, 0o600)
        listener.listen(BACKLOG)
        found = os.lstat(private)
        os.rename(private, path)
    except OSError:
        listener.close()
        raise
    return Door(listener, path, found.st_ino, found.st_dev)


def _private_folder(path: str) -> None:
    os.makedirs(path, mode=0o700, exist_ok=True)
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise UnsafeFolder(f"{path} is not a folder of yours")
    if stat.S_IMODE(found.st_mode) != 0o700:
        os.chmod(path, 0o700)


def peer_uid(connection: socket.socket) -> int:
    """The user at the other end."""
    if sys.platform == "linux":
        _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    else:  # SOL_LOCAL, LOCAL_PEERCRED, struct xucred
        _, uid = struct.unpack_from("2I", connection.getsockopt(0, 1, 76))
    return int(uid)
