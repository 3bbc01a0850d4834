"""How a file under the cache is replaced whole: a reader sees the old bytes or the new bytes, also after a power cut.

Every durable write of the store outside SQLite goes through here, so its crash points are in one place. Two
variables of the environment are for the tests alone:

  KADR_CRASH=point[@file][:n]          ends the process by SIGKILL there: a power cut
  KADR_FAULT=fault:point[@file][:n]    lets the disk fail there, once: `enospc` and `eio` are raised, as the system
                                       would; `short` loses half of what was written, without a word

A point with @file counts for files of that name alone, or with that ending from the first dot on (@.shard.json);
with :n for the n-th time that this process passes it, without it for every time.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal

_passed: dict[str, int] = {}


def replace(path: str, data: bytes) -> None:
    """Put *data* at *path*. Raises OSError: then the old file stands, or the new one when only its name was not synced."""
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        _write(temporary, data, path)
        publish(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _write(temporary: str, data: bytes, path: str) -> None:
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        point("replace-written", path, temporary)
        _check_size(temporary, len(data))
        os.fsync(file.fileno())


def publish(temporary: str, path: str) -> None:
    """Give the complete, synced file *temporary* its name *path*; durable when this returns."""
    point("publish-before-rename", path)
    os.rename(temporary, path)
    point("publish-renamed", path)
    sync_folder(os.path.dirname(path))
    point("publish-synced", path)


def sync_saved(path: str, size: int) -> None:
    """Wait until the file *path*, that a library saved, is on the disk with its *size*. Raises OSError if it is short."""
    point("library-saved", path, path)
    _check_size(path, size)
    sync_file(path)


def sync_file(path: str) -> None:
    """Wait until the bytes of *path* are on the disk."""
    _sync(path, os.O_RDONLY)


def sync_folder(path: str) -> None:
    """Wait until the names in the folder *path* are on the disk."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: str, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_size(path: str, size: int) -> None:
    if os.path.getsize(path) != size:
        raise OSError(errno.ENOSPC, "written short: the disk is probably full", path)


# For the tests


def point(name: str, path: str = "", written: str = "") -> None:
    """A place where the tests may cut the power or let the disk fail; *written* is the file that may be short."""
    crash, fault = os.environ.get("KADR_CRASH", ""), os.environ.get("KADR_FAULT", "")
    if not crash and not fault:
        return
    here = _here(name, path)
    if crash in here:
        os.kill(os.getpid(), signal.SIGKILL)
    kind, _, where = fault.partition(":")
    if where in here:
        _fail(kind, written)


def _here(name: str, path: str) -> set[str]:
    """Every way to say this point at this time."""
    ways, (stem, dot, ending) = set(), os.path.basename(path).partition(".")
    for way in (name, f"{name}@{stem}{dot}{ending}", f"{name}@{dot}{ending}"):
        _passed[way] = _passed.get(way, 0) + 1
        ways |= {way, f"{way}:{_passed[way]}"}
    return ways


def _fail(kind: str, written: str) -> None:
    if kind == "short":
        os.truncate(written, os.path.getsize(written) // 2)
        return
    number = {"enospc": errno.ENOSPC, "eio": errno.EIO}[kind]
    raise OSError(number, os.strerror(number))
