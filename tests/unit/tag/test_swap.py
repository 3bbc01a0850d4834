"""A user's file is replaced whole, with all that it is beside its bytes; and nobody's edit is lost."""

from __future__ import annotations

import fcntl
import os
import stat
import struct
import subprocess
import sys

import pytest

from kadrd.tag import renames, swap
from kadrd.tag.carrier import Refused

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="leases, ACLs and attributes of Linux")
# getfacl would say user::rw-,user:1:r--,group::r--,mask::r--,other::---
ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", *entry)
    for entry in ((1, 6, 2**32 - 1), (2, 4, 1), (4, 4, 2**32 - 1), (16, 4, 2**32 - 1), (32, 0, 2**32 - 1))
)


def always(_):
    return True


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"old")
    path.chmod(0o640)
    os.utime(path, ns=(10**18 + 1, 10**18 + 7))
    return path


def replace(path, new=b"new", good=always, times=None):
    seen = swap.read(bytes(path), 1 << 20)
    return seen if isinstance(seen, Refused) else swap.replace(bytes(path), seen, new, good, times)


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def test_replaced_whole(file):
    """The file is another one with the new bytes, and nothing else lies in the folder."""
    inode = replace(file)
    assert file.read_bytes() == b"new"
    assert file.stat().st_ino == inode
    assert names(file.parent) == ["a.jpg"]


@LINUX
def test_all_but_the_bytes_is_kept(file):
    """Mode, group, times, ACL and every attribute are as before."""
    try:
        os.setxattr(file, "user.xdg.tags", b"mine,other")
        os.setxattr(file, "user.x", b"\0\xff")
        os.setxattr(file, "system.posix_acl_access", ACL)
    except OSError as error:
        pytest.skip(f"the disk of the tests keeps no attributes: {error}")
    before, attributes = file.stat(), {name: os.getxattr(file, name) for name in os.listxattr(file)}
    replace(file, times=(before.st_atime_ns, before.st_mtime_ns))
    after = file.stat()
    for field in ("st_mode", "st_uid", "st_gid", "st_nlink", "st_atime_ns", "st_mtime_ns"):
        assert getattr(before, field) == getattr(after, field), field
    assert {name: os.getxattr(file, name) for name in os.listxattr(file)} == attributes
    assert len(attributes) == 3


@LINUX
def test_acl_of_the_folder_is_not_taken_on(file):
    """A file without an ACL has none afterwards, though new files in its folder get one."""
    try:
        os.setxattr(file.parent, "system.posix_acl_default", ACL)
    except OSError as error:
        pytest.skip(f"the disk of the tests keeps no ACLs: {error}")
    replace(file)
    assert os.listxattr(file) == []
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_files_that_are_not_replaced(file, tmp_path):
    """Links, files with two names, read-only and foreign ones, folders, pipes and long ones stay as they are."""
    os.link(file, tmp_path / "second")
    os.symlink(file, tmp_path / "link")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "fixed").write_bytes(b"old")
    (tmp_path / "fixed").chmod(0o444)
    (tmp_path / "long").write_bytes(b"x" * (2 << 20))
    reasons = {
        name: replace(tmp_path / name).reason
        for name in ("second", "link", "pipe", "folder", "fixed", "long", "none", "a.jpg/x")
    }
    assert reasons == {
        "second": "shared", "link": "shared", "pipe": "unsupported", "folder": "unsupported",
        "fixed": "denied", "long": "unsupported", "none": "gone", "a.jpg/x": "gone",
    }  # fmt: skip
    assert file.read_bytes() == b"old"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_foreign_file_is_refused(file):
    """A file of another user is refused."""
    os.chown(file, 12_345, -1)
    assert replace(file).reason == "denied"


def test_bytes_that_came_out_wrong(file):
    """When what lies on the disk is not what was meant the old file stays, and nothing else does."""
    assert replace(file, good=lambda lies: lies == b"other").reason == "damaged"
    assert (file.read_bytes(), names(file.parent)) == (b"old", ["a.jpg"])


def test_file_that_changed_since_it_was_read(file):
    """An edit since the file was read is kept, however small and whatever times it has."""
    for edit in (lambda: file.write_bytes(b"edit"), lambda: os.utime(file), lambda: file.chmod(0o600)):
        seen = swap.read(bytes(file), 1 << 20)
        edit()
        assert swap.replace(bytes(file), seen, b"new", always) == swap.MOVING
        assert swap.delete(bytes(file), seen) == swap.MOVING
    assert file.read_bytes() == b"edit"


@LINUX
def test_file_that_somebody_writes(file):
    """A file that a program has open to write is left alone."""
    code = "import sys; f = open(sys.argv[1], 'r+b'); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as editor:
        editor.stdout.readline()
        assert replace(file) == swap.MOVING
        editor.stdin.close()
    assert isinstance(replace(file), int)


def test_without_exchange(file, monkeypatch):
    """On a disk that cannot exchange names the file is replaced all the same."""
    monkeypatch.setattr(renames, "exchange", lambda *_: False)
    replace(file)
    assert (file.read_bytes(), names(file.parent)) == (b"new", ["a.jpg"])


def test_made_and_taken_away(tmp_path):
    """A file that is not there is made, one that is there is not, and one that is as it was seen goes."""
    path = tmp_path / "a.xmp"
    assert swap.create(bytes(path), b"new", 0o640) is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert swap.create(bytes(path), b"other", 0o640) == swap.MOVING
    assert path.read_bytes() == b"new"
    assert swap.delete(bytes(path), swap.read(bytes(path), 99)) is None
    assert names(tmp_path) == []


def test_sweep_removes_what_is_ours_only(file):
    """Files that an earlier life left go; files of others stay, whatever their names."""
    folder, now = file.parent, file.stat()
    (folder / ".kadr-0123456789abcdef.part").write_bytes(b"half")
    old = folder / "old"
    old.write_bytes(b"exchanged")
    was = old.stat()
    old.rename(folder / f".kadr-{now.st_ino}-{was.st_ino}-{was.st_size}-{was.st_mtime_ns}.swap")
    (folder / ".kadr-notes.txt").write_bytes(b"mine")
    assert swap.sweep(bytes(folder)) == 2
    assert names(folder) == [".kadr-notes.txt", "a.jpg"]
    assert file.read_bytes() == b"old"


def test_sweep_gives_an_edit_its_name_back(file):
    """An edit that was exchanged away just before a kill has its name again."""
    folder, ours = file.parent, file.stat()
    edit = folder / f".kadr-{ours.st_ino}-1-3-99.swap"
    edit.write_bytes(b"the user's")
    assert swap.sweep(bytes(folder)) == 1
    assert (file.read_bytes(), names(folder)) == (b"the user's", ["a.jpg"])


def test_sweep_leaves_a_live_writer_alone(tmp_path):
    """What a writer has in hand is not swept."""
    half = tmp_path / ".kadr-0123456789abcdef.part"
    with half.open("wb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        assert swap.sweep(bytes(tmp_path)) == 0
    assert swap.sweep(bytes(tmp_path)) == 1
