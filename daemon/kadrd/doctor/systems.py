"""Which file system a folder lies on, by the table of mounts, and what each kind cannot do. Asks no disk: the table is the kernel's.

A kind that is not in the tables counts as one of the machine's own disks, of which nothing bad is known.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from typing import NamedTuple

COMMAND_SECONDS = 3.0


class Mount(NamedTuple):
    """A place where a file system begins."""

    point: bytes
    kind: str
    """as the system names it: ext4, nfs4, fuse.sshfs"""
    read_only: bool


class Traits(NamedTuple):
    """What a kind of file system is like."""

    remote: bool = False
    """other machines, or a program, may change it without an event here"""
    words: str = ""
    """what a user should know of it"""


_NETWORK = Traits(remote=True, words="over the network")
_PROGRAM = Traits(remote=True, words="by a program (FUSE)")
_HOST = Traits(remote=True, words="of the machine around this one")
_PLAIN = "no attributes, no rights"
KINDS = {
    "vfat": Traits(words=f"{_PLAIN}, times of 2 seconds"),
    "msdos": Traits(words=f"{_PLAIN}, times of 2 seconds"),
    "exfat": Traits(words=_PLAIN),
    "tmpfs": Traits(words="in memory, gone when the machine stops"),
    "ramfs": Traits(words="in memory, gone when the machine stops"),
    "iso9660": Traits(words="a disc, never written"),
    "udf": Traits(words="a disc"),
    "squashfs": Traits(words="never written"),
    "fuseblk": Traits(words="by a program (FUSE), as a rule NTFS"),  # a disk of this machine, so events are complete
    **dict.fromkeys(("nfs", "nfs4", "cifs", "smb3", "smbfs", "afpfs", "webdav", "ceph", "afs", "glusterfs"), _NETWORK),
    **dict.fromkeys(("9p", "virtiofs", "vboxsf", "vmhgfs", "prl_fs", "drvfs"), _HOST),
    "overlay": Traits(remote=True, words="layers: what changes in a lower one is not told"),
}  # fmt: skip
_ROOMS = frozenset({"ext2", "ext3", "ext4"})
"""all attributes of a file share one block"""
# Where desktops put what is plugged in.
_PLUGGED = (b"/media/", b"/run/media/", b"/Volumes/")


def traits(kind: str) -> Traits:
    """What a file system of this *kind* is like."""
    if kind in KINDS:
        return KINDS[kind]
    return _PROGRAM if kind.startswith(("fuse", "macfuse", "osxfuse")) else Traits()


def one_block(kind: str) -> bool:
    """Whether all attributes of a file have to fit into one block (xattr(7))."""
    return kind in _ROOMS


def removable(mount: Mount) -> bool:
    """Whether desktops take the disk for one that comes and goes: plugged in, or on the network."""
    return mount.point.startswith(_PLUGGED) or traits(mount.kind) == _NETWORK


def mount_of(path: bytes, mounts: Iterable[Mount]) -> Mount | None:
    """The mount that *path* lies on: the deepest, and of several in one place the last. None: the table does not tell."""
    above = [m for m in mounts if path == m.point or path.startswith(m.point.rstrip(b"/") + b"/")]
    return max(reversed(above), key=lambda mount: len(mount.point), default=None)


def mounts() -> list[Mount]:
    """Every mount of this moment; none where the system does not tell."""
    try:
        if sys.platform == "darwin":
            done = subprocess.run(
                ["/sbin/mount"], capture_output=True, stdin=subprocess.DEVNULL, timeout=COMMAND_SECONDS, check=False,
            )  # fmt: skip
            return from_mount(done.stdout)
        with open("/proc/self/mountinfo", "rb") as file:
            return from_mountinfo(file.read())
    except (OSError, subprocess.SubprocessError):
        return []


def from_mountinfo(table: bytes) -> list[Mount]:
    r"""Linux, proc_pid_mountinfo(5).

    >>> from_mountinfo(b"36 35 98:0 / /a\\040b ro,noatime shared:1 - ext4 /dev/sda1 rw\n")
    [Mount(point=b'/a b', kind='ext4', read_only=True)]
    """
    found = []
    for line in table.splitlines():
        fields, _, system = (part.split() for part in line.partition(b" - "))
        if len(fields) < 6 or not system:
            continue
        options = {*fields[5].split(b","), *(system[2].split(b",") if len(system) > 2 else ())}
        found.append(Mount(_unescaped(fields[4]), os.fsdecode(system[0]), b"ro" in options))
    return found


def from_mount(output: bytes) -> list[Mount]:
    r"""macOS, what mount(8) prints.

    >>> from_mount(b"/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)\n")
    [Mount(point=b'/', kind='apfs', read_only=True)]
    """
    lines = re.findall(rb"^.*? on (/.*) \((\w+)(.*)\)$", output, re.MULTILINE)
    return [Mount(point, kind.decode(), b"read-only" in rest) for point, kind, rest in lines]


def _unescaped(point: bytes) -> bytes:
    return re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), point)
