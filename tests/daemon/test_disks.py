"""Disks that are taken away, replaced, brought back, mounted twice or moved to. Real file systems on loop devices, and for
what vfat and its kin do a file system of ours that keeps times and inodes as they do (fuse_fixture.py).
"""

import contextlib
import os

import pytest

KINDS = ("ext4", "btrfs", "xfs")


@pytest.mark.parametrize("kind", KINDS)
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
        pictures.aged(pictures.many(place, 2))
        daemon.rescan()
        daemon.shows(*own)
        assert daemon.offline() == [os.fsencode(place)]

        other.mount(place)
        pictures.aged(pictures.many(place / "holiday", 4))
        daemon.rescan()
        daemon.shows(*own)
        other.unmount(place)

        ours.mount(place)
        daemon.rescan()
    daemon.shows(*own, *there)
    daemon.shows(*own, *there, pictures.one(place / "holiday" / "later.jpg"))
    ours.unmount(place)
    daemon.sync()


@pytest.mark.parametrize("kind", KINDS)
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
        pictures.aged(pictures.many(place / "holiday", 2))
        daemon.rescan()
        daemon.shows()
        assert daemon.offline() == [os.fsencode(place)]

        other.mount(place)
        pictures.aged(pictures.many(place / "holiday", 4))
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
        assert daemon.offline() == [os.fsencode(place)]
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
        assert daemon.offline() == [os.fsencode(ours.place)]
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


@pytest.mark.parametrize("kind", KINDS)
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
