"""Which file system a folder lies on: the kernel's table is read rightly, and what is told of a kind is true of it."""

from __future__ import annotations

import doctest
import os

import pytest

from kadrd.doctor import check, disks, systems
from kadrd.doctor.systems import Mount


@pytest.mark.parametrize("module", [check, disks, systems], ids=lambda module: module.__name__)
def test_docstrings_are_true(module):
    """Examples in docstrings give what they show."""
    assert doctest.testmod(module).failed == 0


def test_the_deepest_mount_counts():
    """A folder lies on the deepest mount above it, on the last of several in one place, and not on a namesake beside it."""
    table = [
        Mount(b"/", "ext4", False),
        Mount(b"/home", "xfs", False),
        Mount(b"/home/me/nas", "nfs4", False),
        Mount(b"/home/me/nas", "cifs", True),
    ]
    kinds = {
        path: systems.mount_of(path, table).kind
        for path in (b"/x", b"/home", b"/home/me/nas/a", b"/home/me/nas2")
    }
    assert kinds == {b"/x": "ext4", b"/home": "xfs", b"/home/me/nas/a": "cifs", b"/home/me/nas2": "xfs"}
    assert systems.mount_of(b"/x", []) is None


def test_a_table_with_odd_lines():
    """Optional fields may be missing or many, names are unescaped, and a line that means nothing is left out."""
    table = (
        b"22 27 0:21 / /proc rw,relatime - proc proc rw\n"
        b"40 22 7:1 / /m/a\\040b\\134c rw shared:1 master:2 - fuse.sshfs me@there:/x ro\n"
        b"nonsense\n"
    )
    assert systems.from_mountinfo(table) == [
        Mount(b"/proc", "proc", False),
        Mount(b"/m/a b\\c", "fuse.sshfs", True),
    ]


@pytest.mark.parametrize(
    ("kind", "remote"),
    [
        ("ext4", False),
        ("vfat", False),
        ("fuseblk", False),
        ("nfs4", True),
        ("fuse.sshfs", True),
        ("unheard-of", False),
    ],
)
def test_events_that_others_cause(kind, remote):
    """Only of disks that others can change is it said that changes may come without an event."""
    assert systems.traits(kind).remote is remote


def test_plugged_in():
    """What desktops take for a disk that comes and goes is known by its place, or by the network."""
    assert systems.removable(Mount(b"/run/media/me/STICK", "ext4", False))
    assert systems.removable(Mount(b"/mnt/nas", "cifs", False))
    assert not systems.removable(Mount(b"/home", "ext4", False))


def test_a_real_mount(disk, tmp_path):
    """A file system that is mounted is found by its name, a disk of FUSE by its own."""
    disk("stick").mount(tmp_path / "stick")
    found = systems.mount_of(os.fsencode(tmp_path / "stick" / "a"), systems.mounts())
    assert (found.point, found.kind) == (os.fsencode(tmp_path / "stick"), "ext4")
