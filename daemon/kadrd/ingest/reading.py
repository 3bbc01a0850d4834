"""All bytes of a file, once, and whether it stood still meanwhile. Interprets nothing."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import Any

from kadrd.ingest.scan import stat_of
from kadrd.values import Stat

MAX_FILE = 512 * 1024 * 1024
# So little that a disk which gives 10 kB a second, a bad line to another house, still tells twice a minute that it lives.
CHUNK = 128 * 1024


def read(path: bytes, alive: Callable[[], None] = lambda: None) -> tuple[bytes | None, Stat, bool]:
    """(bytes, stat, whether it stood still meanwhile) of a regular file; None for bytes when it is too large.

    A link is not followed and a pipe is not waited for. Calls *alive* whenever the disk gave something. Raises OSError.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)  # open() below would refuse a folder, and leave it open
        raise FileNotFoundError(errno.ENOENT, "not a regular file", path)
    with open(descriptor, "rb", buffering=0) as file:
        before = stat_of(found)
        if before.size > MAX_FILE:
            return None, before, True
        data = _all(file, before.size, alive)
        after = stat_of(os.fstat(descriptor))
        if hasattr(os, "posix_fadvise"):  # what was read once need not push other things out of memory
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    return data, after, before == after and len(data) == after.size


def _all(file: Any, size: int, alive: Callable[[], None]) -> bytes:
    data = bytearray()
    while len(data) <= MAX_FILE and (chunk := file.read(min(max(size - len(data), 0) + 1, CHUNK))):
        data += chunk
        alive()
    return bytes(data)
