"""One folder on the disk compared with the same folder in the catalogue. Only this says what changed.

`listing` looks at the disk, `compare` decides and is pure. Symbolic links are never followed: a loop cannot
trap the scan, and a link cannot lead it out of the root.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from kadrd.config import Scan
from kadrd.ingest.formats import EXTENSIONS, SIDECAR, TEMPORARY, UNFINISHED
from kadrd.store.tags import Now
from kadrd.store.tree import KnownFolder
from kadrd.values import Stat, State


class Listing(NamedTuple):
    """What a folder holds that kadr cares for."""

    files: dict[bytes, Stat]
    folders: frozenset[bytes]
    mounts: frozenset[bytes]
    """Folders in which another file system begins."""
    complete: bool
    """False when the folder cannot be read: then nothing in it counts as gone."""
    beside: Mapping[bytes, int] = MappingProxyType({})
    """A stamp of the sidecars of each file that has any: another stamp, other facts."""
    left_over: bool = False
    """Whether something of a write of tags lies there, that a kill may have left (tag/swap.py)."""


class Diff(NamedTuple):
    """What changed in a folder."""

    new: list[tuple[bytes, Stat]]
    changed: list[tuple[int, Stat]]
    """also those whose sidecars are others"""
    beside: list[tuple[int, int]]
    """(file, stamp) where that changed"""
    back: list[int]
    gone: list[int]
    folders: frozenset[bytes]
    folders_gone: frozenset[bytes]


def listing(
    path: bytes, settings: Scan, mounted: frozenset[bytes], alive: Callable[[], None] = lambda: None
) -> Listing | None:
    """What the folder *path* holds; None when there is no such folder (any more). *mounted* are all mount points:
    they are not touched, because a disk that hangs there would keep this one waiting. Calls *alive* for each entry.
    """
    files: dict[bytes, Stat] = {}
    sidecars: dict[bytes, Stat] = {}
    folders: set[bytes] = set()
    mounts: set[bytes] = set()
    left_over = False
    try:
        device = os.stat(path).st_dev
        with os.scandir(path) as entries:
            for entry in entries:
                alive()
                left_over |= entry.name.startswith(UNFINISHED)
                if ignored(entry.name, settings):
                    continue
                # Where file systems tell the kind with the name, asking for it touches nothing. A file can be mounted too.
                if mounted and entry.path in mounted and entry.is_dir(follow_symlinks=False):
                    mounts.add(entry.name)
                elif entry.is_dir(follow_symlinks=False):
                    other = not mounted and _device(entry, device) != device
                    (mounts if other else folders).add(entry.name)
                elif wanted(entry.name) and (seen := _stat(entry)) is not None:
                    files[entry.name] = seen
                elif entry.name.lower().endswith(SIDECAR) and (seen := _stat(entry)) is not None:
                    sidecars[entry.name[: -len(SIDECAR)]] = seen
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENAMETOOLONG):
            return None
        return Listing({}, frozenset(), frozenset(), complete=False)
    beside = {name: stamp for name in files if (stamp := _stamp(name, sidecars))} if sidecars else {}
    return Listing(
        files, frozenset(folders), frozenset(mounts), complete=True, beside=beside, left_over=left_over
    )


def _stamp(name: bytes, sidecars: Mapping[bytes, Stat]) -> int:
    """What tells that the sidecars `IMG.jpg.xmp` and `IMG.xmp` of `IMG.jpg` are the same as before; 0 without any."""
    stats = [sidecars[stem] for stem in (name, os.path.splitext(name)[0]) if stem in sidecars]
    return hash(tuple(stats)) if stats else 0


def now(path: bytes) -> Now | None:
    """What the file *path* is like at this moment, with its sidecars; None where no regular file is."""
    found = _lstat(path)
    if found is None:
        return None
    sidecars = {}
    for stem in (path, os.path.splitext(path)[0]):
        for ending in (SIDECAR, SIDECAR.upper()):
            if (seen := _lstat(stem + ending)) is not None:
                sidecars[stem] = seen
    return Now(found, _stamp(path, sidecars))


def _lstat(path: bytes) -> Stat | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return stat_of(found) if stat.S_ISREG(found.st_mode) else None


def _stat(entry: os.DirEntry[bytes]) -> Stat | None:
    """None for what is no file, or went since its name was read. Raises OSError when the disk errs: that is no proof."""
    try:
        found = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    return stat_of(found) if stat.S_ISREG(found.st_mode) else None


def _device(entry: os.DirEntry[bytes], fallback: int) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_dev
    except OSError:
        return fallback


def stat_of(found: os.stat_result) -> Stat:
    """The four numbers that tell whether a file is still the same."""
    return Stat(*map(signed, (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)))


def signed(number: int) -> int:
    """*number* in the signed 64 bits that SQLite keeps: hashed inodes and the year 2300 do not fit otherwise."""
    return (number + 2**63) % 2**64 - 2**63


def gone(path: bytes, settings: Scan, root: bytes) -> bool:
    """Whether no file that concerns kadr is at *path*, for certain: a disk that errs is no proof."""
    inside = path[len(root) :].split(b"/")
    if not wanted(inside[-1]) or any(ignored(name, settings) for name in inside if name):
        return True
    if _behind_link(os.path.dirname(path), root):
        return True
    try:
        return not stat.S_ISREG(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False


def _behind_link(folder: bytes, root: bytes) -> bool:
    """Whether *folder*, or one between it and *root*, is a link now: what lies behind it is not the root's."""
    while len(folder) > len(root):
        if os.path.islink(folder):
            return True
        folder = os.path.dirname(folder)
    return False


def ignored(name: bytes, settings: Scan) -> bool:
    """Whether neither the file nor the folder of this name concerns kadr."""
    hidden = name.startswith(b".") and not settings.hidden
    return hidden or os.fsdecode(name) in settings.ignore


def wanted(name: bytes) -> bool:
    """Whether a file of this name may be a picture."""
    lower = name.lower()
    return os.path.splitext(lower)[1] in EXTENSIONS and not lower.endswith(TEMPORARY)


def compare(found: Listing, known: KnownFolder) -> Diff:
    """What changed between *known* and *found*."""
    new, changed, beside, back = [], [], [], []
    for name, seen in found.files.items():
        before, stamp = known.files.get(name), found.beside.get(name, 0)
        if before is None:
            new.append((name, seen))
            continue
        if before.beside != stamp:
            beside.append((before.file_id, stamp))
        if before.stat != seen or before.beside != stamp:
            changed.append((before.file_id, seen))
        elif before.state is State.MISSING:
            back.append(before.file_id)
    gone = [
        before.file_id
        for name, before in known.files.items()
        if found.complete and name not in found.files and before.state is not State.MISSING
    ]
    folders_gone = known.subfolders - found.folders - found.mounts if found.complete else frozenset()
    return Diff(new, changed, beside, back, gone, found.folders, folders_gone)
