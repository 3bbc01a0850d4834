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

from kadr.protocol.paths import SOCKET_PATH_LIMIT

BACKLOG = 128


class AlreadyRunning(Exception):
    """Another daemon holds the lock."""


class UnsafeFolder(Exception):
    """The socket's folder belongs to somebody else, or is no folder."""


class Lock:
    """An flock held for the daemon's life. The kernel lets it go when the process ends, however it ends."""

    def __init__(self, path: str) -> None:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise AlreadyRunning(path) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, b"%d\n" % os.getpid(), 0)  # for people, and for `kadrd model use`

    def release(self) -> None:
        os.close(self._descriptor)


def holder(path: str) -> int | None:
    """The process that holds the lock *path*, if there is one."""
    with contextlib.suppress(OSError, ValueError), open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return int(file.read())
    return None


def listen(path: str) -> socket.socket:
    """A listening socket at *path*, ours alone. Raises UnsafeFolder or OSError."""
    if len(os.fsencode(path)) > SOCKET_PATH_LIMIT:
        raise UnsafeFolder(
            f"{path} is longer than the {SOCKET_PATH_LIMIT} bytes that a socket's path may have"
        )
    _private_folder(os.path.dirname(path))
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    private = f"{path}.{os.getpid() % 100000}"[:SOCKET_PATH_LIMIT]
    with contextlib.suppress(FileNotFoundError):
        os.unlink(private)
    try:
        listener.bind(private)
        os.chmod(private, 0o600)
        listener.listen(BACKLOG)
        os.rename(private, path)
    except OSError:
        listener.close()
        raise
    return listener


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
