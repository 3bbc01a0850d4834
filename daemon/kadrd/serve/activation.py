"""Sockets that a service manager made for us and handed over: systemd's sd_listen_fds(3), launchd's launch_activate_socket(3).

A passed socket is the manager's: it is never unlinked here, and stays open when we stop listening. Decides nothing about who
runs: that is the lock.
"""

from __future__ import annotations

import ctypes
import os
import socket
import stat
import sys
from collections.abc import MutableMapping, Sequence

# The first descriptor that is passed: SD_LISTEN_FDS_START of sd-daemon.h.
FIRST = 3
# More are a mistake of somebody's; the limit keeps a wrong number from closing everything.
MOST = 16
# The name of the socket in launchd/org.kadr.kadrd.plist.
LAUNCHD_NAME = "Listener"
_SAID = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


class WrongSocket(Exception):
    """The service manager passed something on which the clients of this home cannot be answered."""


def passed(path: str, environ: MutableMapping[str, str] = os.environ) -> socket.socket | None:
    """The listening socket that the service manager holds under *path* for us; None where there is none, or where it is
    meant for another process. What said so leaves *environ*: no child is to take it for its own. Raises WrongSocket.
    """
    descriptors = _from_launchd() if sys.platform == "darwin" else _from_systemd(environ)
    return _chosen(descriptors, path) if descriptors else None


def _from_systemd(environ: MutableMapping[str, str]) -> list[int]:
    pid, count, _ = (environ.pop(name, "") for name in _SAID)
    if pid != str(os.getpid()) or not (count.isdecimal() and 0 < int(count) <= MOST):
        return []
    descriptors = list(range(FIRST, FIRST + int(count)))
    for descriptor in descriptors:
        try:
            os.set_inheritable(descriptor, False)
        except OSError as error:
            raise WrongSocket(f"descriptor {descriptor} is not open: {error.strerror}") from None
    return descriptors


def _from_launchd() -> list[int]:
    system = ctypes.CDLL("/usr/lib/libSystem.dylib")
    array, count = ctypes.POINTER(ctypes.c_int)(), ctypes.c_size_t()
    # An error says that launchd does not run us, or knows no such socket.
    if system.launch_activate_socket(LAUNCHD_NAME.encode(), ctypes.byref(array), ctypes.byref(count)):
        return []
    descriptors = array[: count.value]
    system.free(array)
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    return descriptors


def _chosen(descriptors: Sequence[int], path: str) -> socket.socket:
    """The one that clients find under *path*; the others are closed."""
    found, wrong = None, []
    for descriptor in descriptors:
        why = _why_not(descriptor, path)
        if why is None and found is None:
            found = socket.socket(fileno=descriptor)
            continue
        os.close(descriptor)
        wrong.append(f"descriptor {descriptor} {why or 'is one too many'}")
    if found is None:
        raise WrongSocket("; ".join(wrong))
    return found


def _why_not(descriptor: int, path: str) -> str | None:
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        return "is no socket"
    given = socket.socket(fileno=os.dup(descriptor))
    with given:
        if given.family != socket.AF_UNIX or given.type != socket.SOCK_STREAM:
            return "is no Unix stream socket"
        if not _listens(given):
            return "does not listen"
        name = given.getsockname()
    if not _same(name, path):
        return f"listens at {name!r}, and the clients of this home ask at {path}"
    return None


def _listens(given: socket.socket) -> bool:
    if sys.platform == "darwin":  # it does not tell
        return True
    return bool(given.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _same(name: str | bytes, path: str) -> bool:
    try:
        return os.path.samestat(os.lstat(name), os.lstat(path))
    except OSError:  # gone already: its name decides
        return name == path
