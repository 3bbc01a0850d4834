"""Which disk lies at a path. An empty mount point, or another disk in the same place, must not look like deletion.

A root is recognised by its file system's id and its own inode. The device number is left out: it changes with
every boot. Where the id is made from that number (xfs, vfat) the file system's UUID is asked for; where there is none
either, the id is 0, and a sample of the root's files has to be there with the same size and time.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import stat
from collections.abc import Callable, Sequence
from typing import NamedTuple

from kadrd.ingest.scan import signed

_GET_UUID = 0x80111500


class Volume(NamedTuple):
    """Who a folder is: its file system and its inode there."""

    system: int
    """0: the file system has no identity of its own."""
    inode: int


def at(path: bytes) -> Volume | None:
    """The volume at the folder *path*; None when there is no folder that can be looked at."""
    try:
        found = os.stat(path)
        if not stat.S_ISDIR(found.st_mode):
            return None
        system = os.statvfs(path).f_fsid
        if system in (0, found.st_dev):
            system = _uuid(path)
        return Volume(signed(system), signed(found.st_ino))
    except OSError:
        return None


def _uuid(path: bytes) -> int:
    """The first half of the file system's UUID; 0 where the system does not tell (FS_IOC_GETFSUUID, Linux 6.9)."""
    answer = bytearray(17)  # its length, then the UUID
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        fcntl.ioctl(descriptor, _GET_UUID, answer)
    except OSError:
        return 0
    finally:
        os.close(descriptor)
    return int.from_bytes(answer[1:9], "little")


def holds_anything(path: bytes) -> bool:
    """Whether the folder *path* is not empty."""
    try:
        with os.scandir(path) as entries:
            return any(True for _ in entries)
    except OSError:
        return False


def holds(sample: Sequence[tuple[bytes, int, int]], alive: Callable[[], None] = lambda: None) -> bool:
    """Whether enough files of *sample* (path, size, mtime in ns) are there as they were; many may have changed since.

    Calls *alive* after each.
    """
    found = 0
    for file in sample:
        found += _same(*file)
        alive()
    return found >= max(1, len(sample) // 8)


def _same(path: bytes, size: int, mtime_ns: int) -> bool:
    try:
        found = os.lstat(path)
    except OSError:
        return False
    apart = abs(found.st_mtime_ns - mtime_ns)
    coarse = found.st_mtime_ns % 1_000_000_000 == 0  # vfat keeps two seconds
    return found.st_size == size and (apart == 0 or (coarse and apart < 2_000_000_000))


class Mounts:
    """Where other file systems begin; nowhere where the system does not tell (macOS: then device numbers do)."""

    def __init__(self) -> None:
        self.changes = 0
        """How often the table was found changed."""
        self._points: frozenset[bytes] = frozenset()
        self._table = -1
        with contextlib.suppress(OSError):
            self._table = os.open("/proc/self/mountinfo", os.O_RDONLY | os.O_CLOEXEC)
            self._poll = select.poll()
            self._poll.register(self._table, select.POLLPRI)
            self._read()

    def close(self) -> None:
        if self._table >= 0:
            os.close(self._table)
            self._table = -1

    def points(self) -> frozenset[bytes]:
        """All mount points of this moment. The kernel says whether any changed, so asking often costs nothing."""
        if self._table >= 0 and self._poll.poll(0):
            self._read()
            self.changes += 1
        return self._points

    def below(self, path: bytes) -> set[bytes]:
        """The mount points strictly below the folder *path*."""
        top = path.rstrip(b"/") + b"/"
        return {point for point in self.points() if point.startswith(top) and point != top}

    def _read(self) -> None:
        os.lseek(self._table, 0, os.SEEK_SET)
        table = b"".join(iter(lambda: os.read(self._table, 1 << 16), b""))
        self._points = frozenset(_unescaped(line.split(b" ", 5)[4]) for line in table.splitlines())


def topmost(points: set[bytes]) -> set[bytes]:
    """Those of *points* that lie in no other one."""
    return {
        p
        for p in points
        if not any(p != other and p.startswith(other.rstrip(b"/") + b"/") for other in points)
    }


def _unescaped(point: bytes) -> bytes:
    """mountinfo writes white space and backslashes in octal."""
    for escape, byte in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
        point = point.replace(escape, byte)
    return point
