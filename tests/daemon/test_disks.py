"""Disks that are taken away, replaced, brought back, mounted twice or moved to. Real file systems on loop devices, and for
what vfat and its kin do a file system of ours that keeps times and inodes as they do (fuse_fixture.py).
"""

import contextlib
import fcntl
import os
import shutil
import struct
import subprocess
import sys

import pytest

from kadr.protocol.messages import Search

MEGABYTES = {"ext4": 8, "btrfs": 128, "xfs": 320}
SHUT_DOWN = 0x8004587D
"""ioctl that ends a file system as if its disk were pulled out."""


@pytest.fixture
def disk(tmp_path):
    """Makes small file systems and mounts them; skips where that is not allowed."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting needs Linux and root")
    mounted, ports = {}, []

    class Disk:
        """A stick: the one that is put in next gets the device number of the one that was pulled out."""

        def __init__(self, name, kind="ext4"):
            if not shutil.which(f"mkfs.{kind}"):
                pytest.skip(f"there is no mkfs.{kind}")
            self.image = tmp_path / f"{name}.img"
            self.image.write_bytes(b"")
            os.truncate(self.image, MEGABYTES[kind] << 20)
            _or_skip(f"mkfs.{kind}", "-q", str(self.image))

        def mount(self, place):
            place.mkdir(exist_ok=True)
            if (
                ports
                and not subprocess.run(["losetup", ports[-1], self.image], check=False, timeout=30).returncode
            ):
                device = ports.pop()
            else:
                device = _or_skip("losetup", "--find", "--show", str(self.image))
            mounted[place] = device
            _or_skip("mount", device, str(place))

        def unmount(self, place, *, lazily=False):
            umount(place, *(["--lazy"] if lazily else []))
            ports.append(mounted.pop(place))
            subprocess.run(["losetup", "--detach", ports[-1]], check=True, timeout=30)

        def pull(self, place):
            """What is not written is lost, and every further call is an error."""
            folder = os.open(place, os.O_RDONLY)
            try:
                os.fsync(folder)
                fcntl.ioctl(folder, SHUT_DOWN, struct.pack("I", 0))
            finally:
                os.close(folder)

    yield Disk
    for place, device in mounted.items():
        subprocess.run(["umount", "--lazy", str(place)], check=False, timeout=30, capture_output=True)
        subprocess.run(["losetup", "--detach", device], check=False, timeout=30)


@pytest.fixture
def bind(tmp_path):
    """Shows a folder a second time in another place; skips where that is not allowed."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting needs Linux and root")
    mounted = []

    def bind(folder, place):
        place.mkdir(exist_ok=True)
        _or_skip("mount", "--bind", str(folder), str(place))
        mounted.append(place)

    yield bind
    for place in mounted:
        subprocess.run(["umount", "--lazy", str(place)], check=False, timeout=30, capture_output=True)


def _or_skip(*words):
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        pytest.skip(f"this machine does not mount: {done.stderr.strip()}")
    return done.stdout.strip()


def umount(place, *options):
    subprocess.run(["umount", *options, str(place)], check=True, timeout=30)


def aged(files):
    """Files of another day: a disk is known by the sizes and times of its files."""
    for file in files:
        os.utime(file, (10**9, 10**9))
    return files


def offline(daemon):
    return daemon.ask(Search("red")).body["offline_roots"]


@pytest.mark.parametrize("kind", MEGABYTES)
def test_disk_inside_a_root(daemon, root, pictures, disk, kind):
    """A disk that goes is offline and forgets nothing; another one in its place, or files in the bare mount point,
    are not taken for it; its return costs no decode."""
    own = pictures.many(root / "own", 3)
    place = root / "disk"
    ours, other = disk("ours", kind), disk("other", kind)
    ours.mount(place)
    there = pictures.many(place / "holiday", 5)
    daemon.shows(*own, *there)

    with daemon.spending(encodes=0, decodes=0, files=0):
        ours.unmount(place)
        aged(pictures.many(place, 2))
        daemon.rescan()
        daemon.shows(*own)
        assert offline(daemon) == [os.fsencode(place)]

        other.mount(place)
        aged(pictures.many(place / "holiday", 4))
        daemon.rescan()
        daemon.shows(*own)
        other.unmount(place)

        ours.mount(place)
        daemon.rescan()
    daemon.shows(*own, *there)
    daemon.shows(*own, *there, pictures.one(place / "holiday" / "later.jpg"))
    ours.unmount(place)
    daemon.sync()


@pytest.mark.parametrize("kind", MEGABYTES)
def test_disk_that_is_a_root(daemon, pictures, disk, tmp_path, kind):
    """The same of a root that is the disk's own top."""
    place = tmp_path / "disk"
    ours, other = disk("ours", kind), disk("other", kind)
    ours.mount(place)
    files = [*pictures.many(place, 2), *pictures.many(place / "holiday", 3)]
    daemon.add(place)
    daemon.shows(*files)

    with daemon.spending(encodes=0, decodes=0, files=0):
        ours.unmount(place)
        daemon.rescan()
        daemon.shows()
        aged(pictures.many(place / "holiday", 2))
        daemon.rescan()
        daemon.shows()
        assert offline(daemon) == [os.fsencode(place)]

        other.mount(place)
        aged(pictures.many(place / "holiday", 4))
        daemon.rescan()
        daemon.shows()
        other.unmount(place)

        ours.mount(place)
        daemon.rescan()
    daemon.shows(*files)
    daemon.shows(*files, pictures.one(place / "holiday" / "later.jpg"))
    daemon.remove(place)


def test_disk_that_is_let_go_lazily(daemon, root, pictures, disk):
    """A disk that is taken out of the tree while a program still writes to it is offline like any other: what that
    program writes, and what is put into the bare mount point, is not taken for its files."""
    own = pictures.many(root / "own", 3)
    place = root / "disk"
    ours = disk("ours")
    ours.mount(place)
    there = pictures.many(place / "holiday", 4)
    daemon.shows(*own, *there)

    with daemon.spending(encodes=0, decodes=0):
        still_open = os.open(place / "holiday", os.O_RDONLY)
        with contextlib.closing(
            os.fdopen(os.open("a.jpg", os.O_CREAT | os.O_WRONLY, dir_fd=still_open), "wb")
        ) as file:
            ours.unmount(place, lazily=True)
            file.write(pictures.bytes())
        os.unlink("0000.jpg", dir_fd=still_open)
        pictures.one(place / "holiday" / "bare.jpg")
        daemon.rescan()
        daemon.shows(*own)
        assert offline(daemon) == [os.fsencode(place)]
        os.close(still_open)
        daemon.rescan()
        daemon.shows(*own)
    with daemon.spending(encodes=1):
        ours.mount(place)
        daemon.rescan()
    daemon.shows(*own, *there[1:], place / "holiday" / "a.jpg")
    ours.unmount(place)
    daemon.sync()


def test_pulled_out(daemon, root, pictures, disk):
    """A disk that is pulled out while its pictures are being indexed loses none and blames none."""
    place = root / "disk"
    ours = disk("ours")
    ours.mount(place)
    files = pictures.many(place / "a", 20)
    daemon.sync()
    more = pictures.many(place / "b", 20)
    os.sync()
    daemon.rescan()
    ours.pull(place)
    with daemon.spending(files=0):
        daemon.rescan()
        daemon.sync()
        ours.unmount(place)
        daemon.rescan()
        daemon.shows()
        ours.mount(place)
        daemon.rescan()
        daemon.sync()
        assert daemon.failures() == {}
    daemon.shows(*files, *more)
    ours.unmount(place)
    daemon.sync()


def test_pulled_out_in_the_middle_of_a_picture(daemon, fuse, pictures):
    """A disk that goes while a picture is read from it loses none and blames none; the next look finds all."""
    ours = fuse("disk")
    known = pictures.many(ours.folder / "a", 3)
    daemon.add(ours.place)
    daemon.sync()
    new = pictures.many(ours.folder / "b", 3)
    with daemon.spending(encodes=3):
        ours.hang("read", name=new[1].name)
        daemon.rescan()
        ours.held("read", new[1].name)
        ours.die()
        daemon.sync()
        ours.unmount()
        daemon.rescan()
        daemon.sync()
        fuse("disk")
        daemon.rescan()
        daemon.sync()
        assert daemon.failures() == {}
    daemon.shows(*(ours.place / file.relative_to(ours.folder) for file in known + new))


# Disks that cannot be told apart by their numbers


def test_other_disk_without_numbers_of_its_own(daemon, fuse, pictures):
    """Two disks that the kernel gives the same numbers, as two sticks with vfat, are told apart by what lies on them."""
    ours = fuse("disk", coarse=True)
    pictures.many(ours.folder / "holiday", 5)
    files = [ours.place / file.relative_to(ours.folder) for file in (ours.folder / "holiday").iterdir()]
    daemon.add(ours.place)
    daemon.shows(*files)
    with daemon.spending(encodes=0, decodes=0, files=0):
        ours.unmount()
        other = fuse("other", ours.place, coarse=True)
        pictures.many(other.folder / "work", 3)
        daemon.rescan()
        daemon.shows()
        assert offline(daemon) == [os.fsencode(ours.place)]
        other.unmount()
        fuse("disk", coarse=True)
        daemon.rescan()
    daemon.shows(*files)


def test_disk_with_passing_inodes(daemon, fuse, pictures):
    """A disk whose inodes are new with every mount, as vfat's, costs no encode when it comes back."""
    ours = fuse("disk", coarse=True)
    made = pictures.many(ours.folder / "holiday", 5)
    files = [ours.place / file.relative_to(ours.folder) for file in made]
    daemon.add(ours.place)
    daemon.shows(*files)
    with daemon.spending(encodes=0, decodes=0, files=0):
        ours.unmount()
        daemon.rescan()
        daemon.shows()
        fuse("disk", coarse=True)
        daemon.rescan()
    daemon.shows(*files)


def test_edit_within_a_tick(daemon, fuse, pictures):
    """An edit that leaves size and time as they were, on a disk that counts in two seconds, is found by a second look."""
    ours = fuse("disk", coarse=True)
    file = ours.folder / "a.bmp"
    pictures.one(file)
    written = file.stat()
    daemon.add(ours.place)
    daemon.sync()
    first = daemon.home.known(ours.place / file.name).essence_key
    pictures.one(file)
    os.utime(file, ns=(written.st_atime_ns, written.st_mtime_ns))
    assert file.stat().st_size == written.st_size
    daemon.rescan()
    daemon.shows(ours.place / file.name)
    assert daemon.home.known(ours.place / file.name).essence_key != first


@pytest.mark.parametrize("kind", MEGABYTES)
def test_edit_with_its_time_set_back(daemon, root, pictures, disk, kind):
    """An edit that leaves size and time as they were is found by the time that no program can set."""
    place = root / "disk"
    ours = disk("ours", kind)
    ours.mount(place)
    file = pictures.one(place / "a.bmp")
    daemon.shows(file)
    written, first = file.stat(), daemon.home.known(file).essence_key
    pictures.one(file)
    os.utime(file, ns=(written.st_atime_ns, written.st_mtime_ns))
    daemon.rescan()
    daemon.shows(file)
    assert daemon.home.known(file).essence_key != first
    ours.unmount(place)
    daemon.sync()


# The same folder in two places


def test_bound_inside_a_root(daemon, root, pictures, bind):
    """A folder that is bound to a second place is found in both without an encode; unbound it is offline there,
    and goes on being watched in the first place."""
    own = pictures.many(root / "own", 3)
    daemon.shows(*own)
    place = root / "again"
    place.mkdir()
    daemon.shows(*own)
    with daemon.spending(encodes=0, decodes=0):
        bind(root / "own", place)
        pictures.one(place / "passing.jpg").unlink()  # an event on it, before anybody looked for mounts
        daemon.rescan()
    daemon.shows(*own, *(place / file.name for file in own))
    own.append(pictures.one(root / "own" / "new.jpg"))
    daemon.shows(*own, *(place / file.name for file in own))

    with daemon.spending(encodes=0, decodes=0, files=0):
        umount(place)
        daemon.rescan()
        daemon.shows(*own)
        assert offline(daemon) == [os.fsencode(place)]
    own.append(pictures.one(root / "own" / "later.jpg"))
    daemon.shows(*own)
    with daemon.spending(encodes=0, decodes=0):
        bind(root / "own", place)
        daemon.rescan()
    daemon.shows(*own, *(place / file.name for file in own))
    umount(place)
    daemon.sync()


def test_bound_root(daemon, root, pictures, bind, tmp_path):
    """A folder that is a root in two places is offline in the one where it is unbound, and costs nothing twice."""
    own = pictures.many(root / "own", 3)
    daemon.shows(*own)
    place = tmp_path / "again"
    bind(root, place)
    there = [place / "own" / file.name for file in own]
    with daemon.spending(encodes=0, decodes=0):
        daemon.add(place)
    daemon.shows(*own, *there)
    with daemon.spending(encodes=0, decodes=0, files=0):
        umount(place)
        daemon.rescan()
        daemon.shows(*own)
        assert offline(daemon) == [os.fsencode(place)]
    new = pictures.one(root / "own" / "new.jpg")
    daemon.shows(*own, new)
    bind(root, place)
    daemon.rescan()
    daemon.shows(*own, *there, new, place / "own" / new.name)
    daemon.remove(place)
    daemon.shows(*own, new)
    daemon.shows(*own, new, pictures.one(root / "own" / "later.jpg"))


def test_root_bound_into_itself(daemon, root, pictures, bind):
    """A root that is bound to a folder inside itself is not walked for ever."""
    own = pictures.many(root / "own", 3)
    place = root / "inside"
    daemon.shows(*own)
    with daemon.spending(encodes=0, decodes=0):
        bind(root, place)
        daemon.rescan()
    daemon.shows(*own, *(place / "own" / file.name for file in own))
    umount(place)
    daemon.rescan()
    daemon.shows(*own)


def test_disk_over_known_files(daemon, root, pictures, disk):
    """A disk that is mounted over a folder with pictures shows its own, and not those that it covers."""
    own = pictures.many(root / "own", 3)
    place = root / "disk"
    covered = pictures.many(place / "holiday", 3)
    daemon.shows(*own, *covered)
    ours = disk("ours")
    ours.mount(place)
    there = aged(pictures.many(place / "holiday", 5))
    daemon.rescan()
    daemon.shows(*own, *there)
    with daemon.spending(encodes=0, decodes=0):
        ours.unmount(place)
        daemon.rescan()
        daemon.sync()
        assert not set(there[3:]) & set(daemon.found())
        ours.mount(place)
        daemon.rescan()
    daemon.shows(*own, *there)
    ours.unmount(place)
    daemon.sync()


def test_disks_inside_each_other(daemon, root, pictures, disk):
    """A disk mounted inside a disk goes and comes with it or alone, and forgets nothing."""
    outer, inner = disk("outer"), disk("inner")
    first, second = root / "outer", root / "outer" / "deep" / "inner"
    first.mkdir()
    daemon.sync()  # the mount point is known as a folder before it is one
    outer.mount(first)
    there = pictures.many(first / "deep", 3)
    inner.mount(second)
    deep = pictures.many(second, 3)
    daemon.shows(*there, *deep)
    with daemon.spending(encodes=0, decodes=0, files=0):
        inner.unmount(second)
        daemon.rescan()
        daemon.shows(*there)
        outer.unmount(first)
        daemon.rescan()
        daemon.shows()
        assert set(offline(daemon)) == {os.fsencode(first), os.fsencode(second)}
        outer.mount(first)
        daemon.rescan()
        daemon.shows(*there)
        inner.mount(second)
        daemon.rescan()
    daemon.shows(*there, *deep)
    inner.unmount(second)
    outer.unmount(first)
    daemon.sync()


# Moves from disk to disk


def test_moved_between_roots(daemon, root, pictures, tmp_path):
    """Files and folders moved from one root to another, and back, are not decoded again."""
    other = tmp_path / "other"
    other.mkdir()
    daemon.add(other)
    pictures.many(root / "a" / "b", 4)
    pictures.one(root / "alone.jpg")
    with daemon.spending(encodes=0, decodes=0):
        daemon.sync()
        (root / "a").rename(other / "a")
        (root / "alone.jpg").rename(other / "alone.jpg")
        daemon.shows(*(other / "a" / "b").iterdir(), other / "alone.jpg")
        (other / "a" / "b").rename(root / "b")
    daemon.shows(*(root / "b").iterdir(), other / "alone.jpg")
    daemon.remove(other)


@pytest.mark.parametrize("copy", [shutil.copy2, shutil.copy], ids=["with its times", "with new times"])
def test_moved_to_another_disk(daemon, root, pictures, disk, copy):
    """Files copied to another disk and deleted here, and brought back so, are not decoded again."""
    place = root / "disk"
    ours = disk("ours")
    ours.mount(place)
    pictures.many(root / "a" / "b", 5)
    with daemon.spending(encodes=0, decodes=0, pictures=0):
        shutil.copytree(root / "a", place / "a", copy_function=copy)
        shutil.rmtree(root / "a")
        daemon.shows(*(place / "a" / "b").iterdir())
        shutil.move(place / "a", root / "c", copy_function=copy)
        daemon.shows(*(root / "c" / "b").iterdir())
    ours.unmount(place)
    daemon.sync()
