"""Whether what lies at a root's place is what it held, and what a look brings home."""

import os

import pytest

from kadrd.config import Scan
from kadrd.ingest import volume
from kadrd.ingest.look import look, recognised, still_gone
from kadrd.ingest.volume import Volume
from kadrd.values import Root


@pytest.fixture
def root(tmp_path):
    """A root in the catalogue's eyes, with one file."""
    (tmp_path / "a.jpg").write_bytes(b"12345")
    path = os.fsencode(tmp_path)
    return Root(1, path, *volume.at(path), online=True, inside=None)


def seen(root, path=None, sample=None, stayed=False):
    armed = []
    sight = look(
        path or root.path, root, lambda: None, sample=sample, stayed=stayed,
        arm=lambda p: bool(armed.append(p)) or True, settings=Scan(), mounted=frozenset(),
    )  # fmt: skip
    return sight, armed


def sample_of(root):
    path = os.path.join(root.path, b"a.jpg")
    found = os.lstat(path)
    return [(path, found.st_size, found.st_mtime_ns)]


def test_same_disk(root):
    """The root's own folder is known by its file system and inode; it is armed, then listed."""
    sight, armed = seen(root)
    assert (sight.present, list(sight.listing.files)) == (True, [b"a.jpg"])
    assert armed == [root.path]


def test_folder_made_anew(root):
    """A folder that was made anew on the same file system, with something in it, is the root again."""
    assert recognised(root._replace(inode=7), volume.at(root.path), None, stayed=False)


def test_empty_mount_point(root):
    """An empty folder in the root's place is not the root, and what it holds is not the root's."""
    os.unlink(os.path.join(root.path, b"a.jpg"))
    sight, _ = seen(root._replace(inode=7))
    assert (sight.present, sight.listing) == (None, None)
    sight, _ = seen(root._replace(inode=7), sample=[(b"/nowhere", 1, 2)])
    assert (sight.present, sight.listing) == (False, None)


def test_root_that_is_offline(root):
    """A root that is offline is asked whether it is there again; until it is, nothing in its place is watched or listed."""
    sight, armed = seen(root._replace(online=False))
    assert (sight.present, sight.listing, armed) == (True, None, [])


def test_root_that_goes_while_it_is_listed(root):
    """Were a disk let go after it was found, the bare mount point's files are not taken for its own."""
    away = root.path + b"-away"

    def arm(path):
        os.rename(path, away)
        os.mkdir(path)
        return True

    sight = look(
        root.path, root, lambda: None, sample=[(b"/nowhere", 1, 2)], stayed=False, arm=arm, settings=Scan(),
        mounted=frozenset(),
    )  # fmt: skip
    assert (sight.present, sight.listing) == (False, None)


def test_disk_with_another_id(root):
    """A file system whose id changed with the mount is known by a sample of its files, and only by it."""
    elsewhere = root._replace(system=7, inode=7)
    assert recognised(elsewhere, volume.at(root.path), None, stayed=False) is None
    assert recognised(elsewhere, volume.at(root.path), sample_of(root), stayed=False)
    assert not recognised(elsewhere, volume.at(root.path), [(b"/nowhere", 1, 2)], stayed=True)


def test_disk_without_an_id(root):
    """A file system without an id is the root's as long as no disk came or went; then a sample has to say it."""
    nameless = root._replace(system=0)
    here = Volume(0, root.inode)
    assert recognised(nameless, here, None, stayed=True)
    assert recognised(nameless, here, None, stayed=False) is None
    assert recognised(nameless, here, sample_of(root), stayed=False)
    assert not recognised(nameless, here, [(b"/nowhere", 1, 2)], stayed=False)


def test_root_of_which_nothing_is_known(root):
    """A root without a file, such as a disk seen for the first time, is whatever lies there."""
    assert recognised(root._replace(system=0, inode=0), Volume(5, 6), [], stayed=False)


def test_root_that_is_away(root):
    """Where no folder is, nothing is present."""
    gone = root._replace(path=root.path + b"/none")
    sight, _ = seen(gone)
    assert (sight.present, sight.here, sight.listing) == (False, None, None)


@pytest.mark.parametrize("what", ["nothing", "link"])
def test_folder_that_is_no_more(root, what):
    """A folder that went, or became a link, is none; and the look says that the disk is there all the same."""
    path = os.path.join(root.path, b"sub")
    if what == "link":
        os.symlink(b"/etc", path)
    sight, armed = seen(root, path)
    assert (sight.listing, sight.present) == (None, True)
    assert path not in armed or what == "nothing"


def test_still_gone(root):
    """Only what is certainly gone counts as gone; the folder of anything else is looked at again."""
    there, away = os.path.join(root.path, b"a.jpg"), os.path.join(root.path, b"b.jpg")
    assert still_gone([(1, there), (2, away)], root, Scan(), lambda: None) == ([2], {root.path})
