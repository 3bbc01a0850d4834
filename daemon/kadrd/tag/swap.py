"""How a user's file is replaced by ours, made or taken away, so that nothing of anybody's is ever lost.

The new file is written beside the old one, read again and checked, made like it, and brought to the disk before it takes the
name. It takes it by an exchange: what had the name is looked at once more before it goes, and put back if it is not what was
read. A lease meanwhile shows whoever opens the old file to write into it. Without exchange or lease (file systems that
have none) a last look just before the rename is all there is.

Each step is a crash point (store/durable.py). What a kill leaves behind bears one of two names, and `sweep` removes it:

  .kadr-RANDOM.part                          ours, not finished
  .kadr-OURS-THEIRS-SIZE-MTIME.swap          ours or theirs, by inode: what is neither is an edit that came between, and
                                             is given its name back
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import signal
import stat
from collections.abc import Callable, Iterator
from typing import NamedTuple, Self

from kadrd.store import durable
from kadrd.tag import likeness, renames
from kadrd.tag.carrier import Refused

MOVING = Refused("moving", "It changes just now.")

_OURS = re.compile(rb"\.kadr-[0-9a-f]+\.part|\.kadr-(\d+)-(\d+)-(\d+)-(-?\d+)\.swap")
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_REFUSALS = {
    errno.ENOENT: Refused("gone", "There is no such file any more."),
    errno.ENOTDIR: Refused("gone", "There is no such file any more."),
    errno.ELOOP: Refused("shared", "It is a link to another file."),
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM, errno.EROFS, errno.ETXTBSY), Refused("denied", "It may not be written.")
    ),
    errno.ENAMETOOLONG: Refused("unsupported", "Its name is too long."),
    errno.ENOTSUP: Refused("unsupported", "What it has beside its bytes could not be kept."),
    errno.EEXIST: MOVING,
    errno.ESTALE: MOVING,
}


class Seen(NamedTuple):
    """A file as it was read."""

    data: bytes
    stat: os.stat_result


class _Moved(Exception):
    """Somebody else is at the file."""


def refused(error: OSError) -> Refused:
    """*error* as far as it concerns one file alone; others are the disk's, and raised."""
    found = _REFUSALS.get(error.errno or 0)
    if found is None:
        raise error
    return found


def read(path: bytes, limit: int) -> Seen | Refused:
    """The file *path*, if it is one that may be replaced. Raises OSError for what concerns the disk."""
    try:
        with _open(path) as descriptor:
            before = os.fstat(descriptor)
            if no := _unfit(before, limit):
                return no
            data = _bytes(descriptor)
            same = _known(os.fstat(descriptor), before) and len(data) == before.st_size
            return Seen(data, before) if same else MOVING
    except OSError as error:
        return refused(error)


def replace(
    path: bytes, seen: Seen, new: bytes, good: Callable[[bytes], bool], times: tuple[int, int] | None = None
) -> Refused | int:
    """Put *new* at *path*, where *seen* was read, when *good* says so of what came to lie on the disk. It says it was read and
    changed at *times* (ns), or now. Its inode: done, and durable. Raises OSError for what concerns the disk.
    """
    try:
        with _held(path, seen) as original, _Beside(path) as ours:
            ours.write(new)
            if not good(ours.read()):
                return Refused("damaged", "It cannot be written without changing more than its tags.")
            durable.point("tag-checked")
            likeness.give(original, seen.stat, ours.descriptor, times=times)
            durable.point("tag-dressed")
            os.fsync(ours.descriptor)
            durable.point("tag-synced")
            ours.promise(seen.stat)
            durable.point("tag-ready")
            with _lease(original) as quiet, _lease(ours.descriptor) as alone:
                durable.point("tag-leased")
                if _bytes(original) != seen.data:  # times are coarse on some disks
                    return MOVING
                _take_place(ours, path, seen.stat, quiet, alone)
    except _Moved:
        return MOVING
    except OSError as error:
        return refused(error)
    durable.point("tag-done")
    return ours.inode


def create(path: bytes, new: bytes, mode: int) -> Refused | None:
    """Make the file *path*, which is not there. None: done, and durable. Raises OSError for what concerns the disk."""
    try:
        with _Beside(path) as ours:
            ours.write(new)
            os.fchmod(ours.descriptor, mode)
            os.fsync(ours.descriptor)
            durable.point("tag-synced")
            renames.keep(ours.name, path)
            durable.point("tag-exchanged")
            durable.sync_folder(os.fsdecode(_folder(path)))
    except OSError as error:
        return refused(error)
    durable.point("tag-done")
    return None


def delete(path: bytes, seen: Seen) -> Refused | None:
    """Take the file *path* away, if it is what was *seen*. None: done. Raises OSError for what concerns the disk."""
    aside = _swap_name(path, 0, seen.stat)
    try:
        with _held(path, seen) as original, _lease(original) as quiet:
            os.rename(path, aside)
            durable.point("tag-exchanged")
            durable.sync_folder(os.fsdecode(_folder(path)))
            if not (_same(os.lstat(aside), seen.stat) and quiet()):
                renames.keep(aside, path)
                return MOVING
            os.unlink(aside)
    except _Moved:
        return MOVING
    except OSError as error:
        return refused(error)
    durable.point("tag-done")
    return None


# The exchange


def _take_place(
    ours: _Beside, path: bytes, was: os.stat_result, quiet: Callable[[], bool], alone: Callable[[], bool]
) -> None:
    if not (_known(os.lstat(path), was) and quiet()):
        raise _Moved
    ours.disposable = False  # until it is known what bears its name
    exchanged = renames.exchange(ours.name, path)
    if not exchanged:
        os.rename(ours.name, path)
    durable.point("tag-exchanged")

    def edited() -> bool:
        return exchanged and not (_same(os.lstat(ours.name), was) and quiet())

    # At once, so that an edit that came between is away for no longer than two renames; and again when all who were about to
    # open the old file have had the time to.
    put_back = edited()
    if not put_back:
        durable.sync_folder(os.fsdecode(ours.folder))
        durable.point("tag-left")
        put_back = edited()
    if put_back:
        _put_back(ours, path, alone)
        durable.sync_folder(os.fsdecode(ours.folder))
    if exchanged:
        os.unlink(ours.name)
    if put_back:
        raise _Moved


def _put_back(ours: _Beside, path: bytes, alone: Callable[[], bool]) -> None:
    """An edit that came between gets its name again; unless that has a still newer one, saved over ours or into it."""
    renames.exchange(ours.name, path)
    if os.lstat(ours.name).st_ino != ours.inode or not alone():
        renames.exchange(ours.name, path)


@contextlib.contextmanager
def _held(path: bytes, seen: Seen) -> Iterator[int]:
    """The file, open, as it was seen."""
    with _open(path) as descriptor:
        if not _known(os.fstat(descriptor), seen.stat):
            raise _Moved
        yield descriptor


@contextlib.contextmanager
def _lease(descriptor: int) -> Iterator[Callable[[], bool]]:
    """Nobody has the file open to write. Gives what says whether that is still so: who opens it then waits for us. Who waits is
    let in when we are done: with a file that has its name again.
    """
    if not hasattr(fcntl, "F_SETLEASE"):
        yield lambda: True
        return
    try:
        fcntl.fcntl(
            descriptor, fcntl.F_SETSIG, signal.SIGURG
        )  # SIGIO would end the process; this one means nothing
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        if error.errno == errno.EAGAIN:
            raise _Moved from error
        yield lambda: True
        return
    try:
        yield lambda: fcntl.fcntl(descriptor, fcntl.F_GETLEASE) == fcntl.F_RDLCK
    finally:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)


class _Beside:
    """A new file in the folder of another, locked as long as we live; it goes with us unless it got another name."""

    def __init__(self, path: bytes) -> None:
        self.folder = _folder(path)
        self.name = os.path.join(self.folder, b".kadr-" + os.urandom(8).hex().encode() + b".part")
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self.descriptor = os.open(self.name, flags, 0o600)
        fcntl.flock(self.descriptor, fcntl.LOCK_SH)
        self.inode = os.fstat(self.descriptor).st_ino
        self.disposable = True
        durable.point("tag-created")

    def write(self, data: bytes) -> None:
        with open(self.descriptor, "wb", closefd=False) as file:
            file.write(data)
        durable.point("tag-written")

    def read(self) -> bytes:
        return _bytes(self.descriptor)

    def promise(self, was: os.stat_result) -> None:
        """Take the name that says what is exchanged for what, and write no more."""
        reader = os.open(self.name, _READ)
        fcntl.flock(reader, fcntl.LOCK_SH)
        os.close(self.descriptor)
        self.descriptor = reader
        new = _swap_name(self.name, self.inode, was)
        os.rename(self.name, new)
        self.name = new

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.disposable:
            with contextlib.suppress(OSError):
                os.unlink(self.name)
        os.close(self.descriptor)


# What a kill left behind


def sweep(folder: bytes) -> int:
    """Remove what earlier lives left in *folder*; returns how many files. What a live writer has in hand stays. Raises OSError."""
    names = {entry.name: entry.inode() for entry in os.scandir(folder)}
    count = 0
    for name in names:
        found = _OURS.fullmatch(name)
        if found and _swept(folder, name, found, names):
            count += 1
    if count:
        durable.sync_folder(os.fsdecode(folder))
    return count


def _swept(folder: bytes, name: bytes, found: re.Match[bytes], names: dict[bytes, int]) -> bool:
    path, now = os.path.join(folder, name), names[name]
    ours, theirs, size, mtime = (int(number or 0) for number in found.groups())
    where = next((other for other, inode in names.items() if inode == ours and other != name), None)
    new = os.path.join(folder, where) if where and now != ours else None
    if _alive(new or path):
        return False
    was = os.lstat(path)
    if found[1] is None or now == ours or (was.st_ino, was.st_size, was.st_mtime_ns) == (theirs, size, mtime):
        os.unlink(path)
        return True
    if new and renames.exchange(path, new):
        os.unlink(path)
        return True
    return False


def _alive(path: bytes) -> bool:
    """Whether a writer has it locked."""
    try:
        with _open(path) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


# Small words


def _bytes(descriptor: int) -> bytes:
    os.lseek(descriptor, 0, os.SEEK_SET)
    with open(descriptor, "rb", closefd=False) as file:
        return file.read()


def _folder(path: bytes) -> bytes:
    return os.path.dirname(path) or b"."


def _swap_name(beside: bytes, ours: int, was: os.stat_result) -> bytes:
    name = f".kadr-{ours}-{was.st_ino}-{was.st_size}-{was.st_mtime_ns}.swap"
    return os.path.join(_folder(beside), name.encode())


@contextlib.contextmanager
def _open(path: bytes) -> Iterator[int]:
    try:
        # Its owner may read it without a trace in its times.
        descriptor = os.open(path, _READ | getattr(os, "O_NOATIME", 0))
    except PermissionError:
        descriptor = os.open(path, _READ)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _unfit(was: os.stat_result, limit: int) -> Refused | None:
    """Why a file is not replaced, whatever it holds."""
    if not stat.S_ISREG(was.st_mode):
        return Refused("unsupported", "It is no regular file.")
    if was.st_nlink != 1:
        return Refused("shared", "It has several names (hard links).")
    if was.st_uid != os.geteuid():
        return Refused("denied", "It belongs to another user.")
    if not was.st_mode & stat.S_IWUSR:
        return Refused("denied", "It is read-only.")
    return Refused("unsupported", "It is too large.") if was.st_size > limit else None


def _same(one: os.stat_result, other: os.stat_result) -> bool:
    """The same bytes, under whatever name."""
    return (one.st_ino, one.st_size, one.st_mtime_ns) == (other.st_ino, other.st_size, other.st_mtime_ns)


def _known(one: os.stat_result, other: os.stat_result) -> bool:
    """Nothing happened to it."""
    return _same(one, other) and one.st_ctime_ns == other.st_ctime_ns
