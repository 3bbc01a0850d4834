"""One watched folder and the disk that it lies on: what can be seen there without writing, and what follows from it.

`look` is the only function that waits for the disk. Whether attributes can be kept is asked by reading one that nobody
has: a disk that keeps them says that there is none, another one that it knows no such thing.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kadrd import xattrs
from kadrd.config import Config
from kadrd.doctor import systems
from kadrd.doctor.check import Check, absent, ill, many, size, well
from kadrd.doctor.indexers import Indexer
from kadrd.doctor.systems import Mount
from kadrd.values import Root

NEEDED = 512
"""bytes that a picture's tags take as a rule: five words of twenty Cyrillic letters, and once more in our record of them"""
LITTLE = 64 << 20
"""bytes: a copy of any picture, which embedding writes first, has room in it"""
# ext4's block of attributes: a head, and a nought at the end; for each a head, its name without `user.`, its value, both
# rounded up (linux/fs/ext4/xattr.h). What fits into the inode itself comes on top, so this is a little too careful.
_BLOCK_HEAD, _ENTRY_HEAD, _ROUND = 36, 16, 4
PROBE = "user.xdg.tags"
"""the name that is asked for; nobody need have it"""
CONNECT = "Connect the disk; nothing is forgotten meanwhile. If what lies there now is meant: kadr add FOLDER"
_HANGS = (
    "Look after the disk, or the network to it. Other folders go on without it, and nothing is forgotten."
)


class Sight(NamedTuple):
    """What a look at a folder found."""

    error: str = ""
    """why it could not be looked at"""
    free: int = 0
    """bytes, for this user"""
    size: int = 0
    block: int = 0
    read_only: bool = False
    writable: bool = True
    """whether this user may write into the folder"""
    attributes: bool | None = None
    """whether they are kept; None: it could not be told"""
    used: tuple[int, ...] = ()
    """bytes of attributes on each file of the sample that is there"""


class Folder(NamedTuple):
    """All that is known of one watched folder, or of a disk inside one."""

    root: Root
    files: int
    sight: Sight | None
    """None: it is offline, or has not answered"""
    mount: Mount | None
    unwatched: int
    """folders in it that the system does not watch"""
    config: Config
    indexers: Sequence[Indexer]


def look(path: bytes, sample: Sequence[bytes]) -> Sight:
    """What the folder *path* and some files of it say. Waits for its disk; writes nothing."""
    try:
        room = os.statvfs(path)
    except OSError as error:
        return Sight(os.strerror(error.errno or errno.EIO))
    kept = (keeps(file) for file in (*sample, path))
    return Sight(
        free=room.f_bavail * room.f_frsize,
        size=room.f_blocks * room.f_frsize,
        block=room.f_bsize,
        read_only=bool(room.f_flag & os.ST_RDONLY),
        writable=os.access(path, os.W_OK),
        attributes=next((answer for answer in kept if answer is not None), None),
        used=tuple(used for file in sample if (used := used_by(file)) is not None),
    )


def keeps(path: bytes) -> bool | None:
    """Whether attributes can be kept on *path*; None when it does not say."""
    try:
        xattrs.get(path, PROBE)
    except OSError as error:
        return False if error.errno in (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS) else None
    return True


def used_by(path: bytes) -> int | None:
    """Bytes that the attributes of *path* take in ext4's block; None when that cannot be told."""
    if sys.platform != "linux":
        return None
    held = []
    try:
        for name in os.listxattr(path, follow_symlinks=False):
            with contextlib.suppress(OSError):  # one that only the system may read
                held.append((name, len(xattrs.get(path, name) or b"")))
    except OSError:
        return None
    return taken(held)


def taken(attributes: Iterable[tuple[str, int]]) -> int:
    """Bytes that *attributes* (name, size of the value) take in ext4's block.

    >>> taken([("user.xdg.tags", 5)])
    32
    """
    return sum(
        _ENTRY_HEAD + _rounded(len(os.fsencode(name.partition(".")[2]))) + _rounded(length)
        for name, length in attributes
    )


def _rounded(count: int) -> int:
    return -(-count // _ROUND) * _ROUND


# What follows from it


def disk(folder: Folder) -> Check:
    if not folder.root.online:
        return ill("offline", CONNECT)
    if folder.sight is None:
        return ill("does not answer", _HANGS)
    if folder.sight.error:
        return ill(f"cannot be looked at: {folder.sight.error}", CONNECT)
    return well(f"online, {many(folder.files, 'file')}")


def file_system(folder: Folder) -> Check:
    if folder.mount is None:
        return absent("the system does not tell")
    words = systems.traits(folder.mount.kind).words
    return well(f"{folder.mount.kind}{f': {words}' if words else ''}")


def events(folder: Folder) -> Check:
    """Watched by the system, or looked at by the clock."""
    hours, remote = folder.config.scan.rescan_hours, _remote(folder)
    if folder.unwatched:
        return well(
            f"{many(folder.unwatched, 'folder')} looked at by the clock (see watching), the rest watched"
        )
    if not remote:
        return well("watched")
    if not hours:
        return ill(
            "watched, but what others change there brings no event, and nothing is looked at by the clock",
            "Set scan.rescan_hours = 1 in kadr.toml, then restart: kadr stop && kadr start",
        )
    return well(f"watched; what others change there brings no event and is found every {hours:g} h")


def _remote(folder: Folder) -> bool:
    return folder.mount is not None and systems.traits(folder.mount.kind).remote


def writing(folder: Folder) -> Check:
    """Whether tags could be written at all. That a disk is read-only is no problem for finding."""
    seen = _seen(folder)
    if not (seen.read_only or not seen.writable):
        return well("it may be written")
    says = "the disk is read-only" if seen.read_only else "you have no right to write there"
    if not folder.config.tags.write:
        return well(f"{says}: that is enough to find, and kadr writes nothing there")
    return ill(
        f"{says}, so no tags are written",
        "Mount it for writing (sudo mount -o remount,rw), or see to its write protection."
        if seen.read_only
        else "Give yourself the right (chmod u+w), or leave it: everything is found all the same.",
    )


def attributes(folder: Folder) -> Check:
    """Support for extended attributes, and room in them."""
    seen = _seen(folder)
    if seen.attributes is None:
        return absent("the disk does not tell")
    if not seen.attributes:
        return _instead(folder, "none are kept here")
    if folder.mount is None or not systems.one_block(folder.mount.kind) or not seen.used:
        return well("kept")
    room = seen.block - _BLOCK_HEAD
    says = (
        f"kept; of about {room:,} bytes a file, the fullest of {len(seen.used)} files uses {max(seen.used):,}"
    )
    full = sum(used + NEEDED > room for used in seen.used)
    return _instead(folder, f"{says}; {many(full, 'file')} without room for tags") if full else well(says)


def _instead(folder: Folder, says: str) -> Check:
    """What becomes of tags that cannot go into attributes."""
    tags = folder.config.tags
    if "xattr" not in tags.write:
        return well(says)
    if tags.fallback:
        return well(f"{says}, so tags go into sidecars")
    return ill(f"{says}, so no tags are written", "Set tags.fallback = true in kadr.toml: sidecars then.")


def free_space(folder: Folder) -> Check:
    seen = _seen(folder)
    if not seen.size:
        return absent("the disk does not tell")
    says = f"{size(seen.free)} free of {size(seen.size)}"
    if seen.free < LITTLE and folder.config.tags.write and not seen.read_only:
        return ill(f"{says}: too little to write tags", "Free some space there.")
    return well(says)


def desktop_search(folder: Folder) -> Check:
    """Whether the desktop's own search looks here, and so finds tags. A problem only where tags are to be written."""
    on = [indexer for indexer in folder.indexers if indexer.on]
    if not on:
        return absent("no search of the desktop runs")
    looked = {indexer: indexer.covers(folder.root.path, folder.mount) for indexer in on}
    says = ", ".join(
        f"{one.name} {'looks' if covered else 'does not look'} here" for one, covered in looked.items()
    )
    blind = [
        one for one, covered in looked.items() if not covered and {*one.reads} & {*folder.config.tags.write}
    ]
    if not blind:
        return well(says)
    return ill(f"{says}, so it finds no tags here", "; ".join(one.add(folder.root.path) for one in blind))


def _seen(folder: Folder) -> Sight:
    assert folder.sight is not None  # asked only of a folder that answered
    return folder.sight


# What is looked at in each watched folder, in this order; the second part only where the disk answered.
ALWAYS = {"disk": disk, "file system": file_system}
ANSWERED = {
    "events": events,
    "writing": writing,
    "attributes": attributes,
    "free space": free_space,
    "desktop search": desktop_search,
}


def checks(folder: Folder) -> dict[str, Check]:
    """The outcome of every check of *folder*, by name and in order."""
    answered = folder.root.online and folder.sight is not None and not folder.sight.error
    table = {**ALWAYS, **(ANSWERED if answered else {})}
    return {name: check(folder) for name, check in table.items()}
