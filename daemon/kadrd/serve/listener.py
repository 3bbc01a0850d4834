"""The lock and the socket. The lock is the truth; whoever holds it owns the socket's path.

Order: lock, folder 0700, bind under a private name with mode 0600, listen, rename over the path. There is no
moment in which others could connect, and no unlinking of somebody else's live socket.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
import struct
import sys
import time
from typing import NamedTuple

from kadr.protocol.paths import SOCKET_PATH_LIMIT

BACKLOG = 128
# Who looks after the lock's holder shares the lock for microseconds; one that was stopped in them is not waited for longer.
LOOKER_SECONDS = 2.0
_PAUSE = 0.001


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
    """The door at *path*: that of a socket that a service manager *passed*, or a new one. Raises UnsafeFolder or OSError."""
    if passed is None:
        return listen(path)
    _private_folder(os.path.dirname(path))
    found = os.lstat(path)
    return Door(passed.dup(), path, found.st_ino, found.st_dev, passed=True)


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
