"""Folders that are mounted twice, disks over files and inside each other, and files that move between roots and disks."""

import os
import shutil

import pytest


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
        bind.end(place)
        daemon.rescan()
        daemon.shows(*own)
        assert daemon.offline() == [os.fsencode(place)]
    own.append(pictures.one(root / "own" / "later.jpg"))
    daemon.shows(*own)
    with daemon.spending(encodes=0, decodes=0):
        bind(root / "own", place)
        daemon.rescan()
    daemon.shows(*own, *(place / file.name for file in own))
    bind.end(place)
    daemon.sync()


def test_picture_bound_over_another(daemon, root, pictures, bind):
    """A picture that is mounted over another one is a file like any other, and no disk."""
    own = pictures.many(root, 2)
    daemon.shows(*own)
    bind(*own)
    with daemon.spending(encodes=0, decodes=0):
        daemon.rescan()
    daemon.shows(*own)
    assert [found["path"] for found in daemon.status()["roots"]] == [os.fsencode(root)]
    bind.end(own[1])
    with daemon.spending(encodes=0, decodes=0):
        daemon.rescan()
    daemon.shows(*own)


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
        bind.end(place)
        daemon.rescan()
        daemon.shows(*own)
        assert daemon.offline() == [os.fsencode(place)]
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
    bind.end(place)
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
    there = pictures.aged(pictures.many(place / "holiday", 5))
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
        assert set(daemon.offline()) == {os.fsencode(first), os.fsencode(second)}
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
