"""Which disk lies at a path. An empty mount point, or another disk in the same place, must not look like deletion.

A root is recognised by its file system's id and its own inode. The device number is left out: it changes with
every boot. Some file systems (vfat, xfs) take their id from that number, so a root that is not recognised gets a
second look: when a sample of its files is there with the same size and time, it is the same disk after all.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from typing import NamedTuple

from kadrd.ingest.scan import signed


class Volume(NamedTuple):
    """Who a folder is: its file system and its inode there."""

    system: int
    inode: int


def at(path: bytes) -> Volume | None:
    """The volume at the folder *path*; None when there is no folder that can be looked at."""
    try:
        found = os.stat(path)
        if not stat.S_ISDIR(found.st_mode):
            return None
        return Volume(signed(os.statvfs(path).f_fsid), signed(found.st_ino))
    except OSError:
        return None


def holds_anything(path: bytes) -> bool:
    """Whether the folder *path* is not empty."""
    try:
        with os.scandir(path) as entries:
            return any(True for _ in entries)
    except OSError:
        return False


def holds(sample: Iterable[tuple[bytes, int, int]]) -> bool:
    """Whether any file of *sample* (path, size, mtime in ns) is there as it was."""
    return any(_same(*file) for file in sample)


def _same(path: bytes, size: int, mtime_ns: int) -> bool:
    try:
        found = os.lstat(path)
    except OSError:
        return False
    # vfat keeps two seconds.
    return found.st_size == size and abs(found.st_mtime_ns - mtime_ns) < 2_000_000_000


def mounted_below(path: bytes) -> set[bytes]:
    """Mount points strictly below the folder *path*; empty where the system does not tell (macOS)."""
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            points = {_unescaped(line.split(b" ", 5)[4]) for line in file}
    except OSError:
        return set()
    top = path.rstrip(b"/") + b"/"
    return {point for point in points if point.startswith(top) and point != top}


def _unescaped(point: bytes) -> bytes:
    """mountinfo writes white space and backslashes in octal."""
    for escape, byte in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
        point = point.replace(escape, byte)
    return point
