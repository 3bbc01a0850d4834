"""One watched folder: what is seen on real file systems, and what follows from it."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

from kadrd.config import Config, Scan, Tags
from kadrd.doctor import disks, systems
from kadrd.doctor.disks import Folder, Sight
from kadrd.doctor.indexers import Indexer
from kadrd.doctor.systems import Mount
from kadrd.values import Root

WRITES = Config(tags=Tags(write=("xattr",)))
STRICT = Config(tags=Tags(write=("xattr",), fallback=False))
SEEN = Sight(free=9 << 30, size=20 << 30, block=4096, attributes=True)


def folder(
    sight=SEEN, kind="ext4", config=None, *, online=True, unwatched=0, indexers=(), path=b"/home/me/pics"
):
    root = Root(1, path, 0, 0, online, None)
    return Folder(root, 3, sight, Mount(b"/home", kind, False), unwatched, config or Config(), indexers)


def real(place, files=(), config=None):
    """A folder of this machine, looked at."""
    path = os.fsencode(place)
    sight = disks.look(path, [os.fsencode(file) for file in files])
    root = Root(1, path, 0, 0, True, None)
    return Folder(
        root, len(files), sight, systems.mount_of(path, systems.mounts()), 0, config or Config(), ()
    )


def contents(top):
    """Every name, time and attribute below *top*."""
    return {
        path: (path.stat().st_mtime_ns, path.stat().st_ctime_ns, tuple(os.listxattr(path)))
        for path in (top, *top.rglob("*"))
    }


def fits(file, length):
    """Whether the kernel takes an attribute of so many bytes on *file*."""
    try:
        os.setxattr(file, "user.xdg.tags", b"x" * length)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            return False
        raise
    return True


@pytest.fixture
def ext4(disk, tmp_path):
    """A folder on an ext4 of its own, with two pictures in it."""
    place = tmp_path / "stick"
    disk("stick").mount(place)
    for name in ("a.jpg", "b.jpg"):
        (place / name).write_bytes(b"x")
    return place


def test_a_healthy_folder(tmp_path):
    """On this machine's own disk all is well, and the look leaves no trace."""
    (tmp_path / "a.jpg").write_bytes(b"x")
    before = contents(tmp_path)
    found = disks.checks(real(tmp_path, [tmp_path / "a.jpg", tmp_path / "gone.jpg"]))
    assert [*found] == [*disks.ALWAYS, *disks.ANSWERED]
    assert all(check.ok for check in found.values()), found
    assert contents(tmp_path) == before


def test_room_for_attributes(ext4):
    """On ext4 it is told how full the fullest file is: within a few bytes of where the kernel refuses."""
    assert disks.attributes(real(ext4, sorted(ext4.glob("*.jpg")))).ok
    file = ext4 / "a.jpg"
    length = next(length for length in range(100, 5000, 4) if not fits(file, length))
    seen = disks.look(os.fsencode(ext4), [os.fsencode(file)])
    assert seen.used[0] == disks.taken([("user.xdg.tags", length - 4)])
    assert 0 <= seen.block - 36 - seen.used[0] < 8


def test_a_file_without_room(ext4):
    """A file whose room is used up is told as such, with sidecars in its place, and as a problem where those are refused."""
    os.setxattr(ext4 / "a.jpg", "user.other", b"x" * (os.statvfs(ext4).f_bsize - 200))
    for config, ok, word in (
        (None, True, "1 file without room"),
        (WRITES, True, "sidecars"),
        (STRICT, False, "no tags"),
    ):
        check = disks.attributes(real(ext4, sorted(ext4.glob("*.jpg")), config))
        assert check.ok is ok
        assert word in check.says
    assert "tags.fallback" in check.act


def test_a_disk_without_attributes(fuse):
    """A disk that keeps no attributes is told from one that has none yet; tags go into sidecars, if they may."""
    there = fuse("far")
    (there.folder / "a.jpg").write_bytes(b"x")
    for config, ok, word in (
        (None, True, "none are kept"),
        (WRITES, True, "sidecars"),
        (STRICT, False, "no tags"),
    ):
        check = disks.attributes(real(there.place, [there.place / "a.jpg"], config))
        assert check.ok is ok
        assert word in check.says
    assert disks.file_system(real(there.place)).says.startswith("fuse")
    assert "every 1 h" in disks.events(real(there.place)).says


def test_tmpfs():
    """What lies in memory is called so."""
    shm = Path("/dev/shm")
    mount = systems.mount_of(b"/dev/shm", systems.mounts())
    if mount is None or mount.kind != "tmpfs":
        pytest.skip("no tmpfs at /dev/shm")
    assert "gone when the machine stops" in disks.file_system(real(shm)).says


def test_read_only(ext4):
    """A read-only disk is fine for finding, and a problem once tags are to be written."""
    subprocess.run(["mount", "-o", "remount,ro", str(ext4)], check=True, timeout=30)
    assert disks.writing(real(ext4)).ok
    assert "read-only" in disks.writing(real(ext4)).says
    bad = disks.writing(real(ext4, config=WRITES))
    assert not bad.ok
    assert "remount,rw" in bad.act


def test_a_folder_that_errs(fuse):
    """A disk that errs is told in the system's words, and nothing more is asked of it."""
    there = fuse("far")
    there.error(errno.EIO)
    found = disks.checks(real(there.place))
    assert [*found] == [*disks.ALWAYS]
    assert not found["disk"].ok
    assert os.strerror(errno.EIO) in found["disk"].says


@pytest.mark.parametrize(
    ("given", "word"),
    [(folder(None, online=False), "offline"), (folder(None), "does not answer")],
    ids=["offline", "hangs"],
)
def test_a_folder_that_is_away(given, word):
    """A disk that is away has a remedy, and no check that would need it."""
    found = disks.checks(given)
    assert [*found] == [*disks.ALWAYS]
    assert word in found["disk"].says
    assert found["disk"].act


BALOO = Indexer(
    "Baloo",
    True,
    "",
    ("xattr", "embedded"),
    ((b"/home/me/docs", True),),
    False,
    "balooctl6 config add includeFolders",
)


@pytest.mark.parametrize(
    ("check", "given", "says", "act"),
    [
        (disks.events, folder(unwatched=2), "2 folders looked at by the clock", ""),
        (disks.events, folder(kind="nfs4", config=Config(scan=Scan(rescan_hours=0))), "no event", "scan.rescan_hours"),
        (disks.writing, folder(SEEN._replace(writable=False)), "no right", ""),
        (disks.writing, folder(SEEN._replace(writable=False), config=WRITES), "no right", "chmod u+w"),
        (disks.attributes, folder(SEEN._replace(attributes=None)), "does not tell", ""),
        (disks.attributes, folder(SEEN._replace(used=(40,)), kind="xfs"), "kept", ""),
        (disks.free_space, folder(SEEN._replace(free=1 << 20)), "1 MB free", ""),
        (disks.free_space, folder(SEEN._replace(free=1 << 20), config=WRITES), "too little", "Free some"),
        (disks.desktop_search, folder(), "no search", ""),
        (disks.desktop_search, folder(indexers=(BALOO,)), "does not look here", ""),
        (disks.desktop_search, folder(indexers=(BALOO,), path=b"/home/me/docs/a"), "looks here", ""),
        (disks.desktop_search, folder(indexers=(BALOO,), config=WRITES), "finds no tags", "includeFolders /home/me/pics"),
        (disks.desktop_search, folder(indexers=(BALOO._replace(on=False),), config=WRITES), "no search", ""),
    ],
)  # fmt: skip
def test_what_follows(check, given, says, act):
    """A thing is a problem only where it keeps the user from what was asked for, and then the remedy is named."""
    found = check(given)
    assert says in found.says
    assert found.ok is not bool(act)
    assert act in found.act
