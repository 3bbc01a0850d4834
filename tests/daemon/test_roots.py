"""Roots: folders that are added, removed, away for a while, or not what they were."""

import os
import shutil

import pytest

from kadr.protocol import errors
from kadr.protocol.messages import Search


@pytest.fixture
def filled(daemon, root, pictures):
    """A root with indexed pictures."""
    pictures.many(root / "a", 8)
    pictures.many(root, 4)
    daemon.sync()
    return root


def test_removed_root(daemon, filled, pictures):
    """A removed root answers no more and is not watched; added again it costs no encode."""
    files = daemon.found()
    assert daemon.remove(filled)["files"] == 12
    pictures.one(filled / "unseen.jpg").unlink()
    daemon.shows()
    with daemon.spending(encodes=0, decodes=0):
        daemon.add(filled)
    daemon.shows(*files)


def test_root_that_is_away(daemon, filled, tmp_path):
    """A root whose disk is away is flagged, hides its files and forgets nothing; its return costs no decode."""
    files = daemon.found()
    with daemon.spending(encodes=0, decodes=0, pictures=0):
        filled.rename(tmp_path / "away")
        daemon.sync()
        answer = daemon.ask(Search("red"))
        assert answer.body["offline_roots"] == [os.fsencode(filled)]
        assert answer.rows == []
        assert daemon.status()["roots"] == [{"path": os.fsencode(filled), "online": False, "files": 12}]
        daemon.check()
        (tmp_path / "away").rename(filled)
        daemon.rescan()
    assert daemon.ask(Search("red")).body["offline_roots"] == []
    daemon.shows(*files)


def test_changes_while_it_was_away(daemon, filled, pictures, tmp_path):
    """What changed on a disk while it was away is found when it is back, and what changes later too."""
    away = tmp_path / "away"
    filled.rename(away)
    daemon.sync()
    shutil.rmtree(away / "a")
    pictures.one(away / "n" / "new.jpg")
    away.rename(filled)
    daemon.rescan()
    daemon.shows(*filled.glob("*.*"), filled / "n" / "new.jpg")
    pictures.one(filled / "n" / "later.jpg")
    daemon.shows(*filled.glob("*.*"), *(filled / "n").iterdir())


@pytest.mark.parametrize("instead", ["an empty folder", "a file"])
def test_something_else_in_its_place(daemon, filled, tmp_path, instead):
    """An empty mount point or a file at the place of a root is offline, not a mass deletion."""
    files = daemon.found()
    with daemon.spending(encodes=0):
        filled.rename(tmp_path / "away")
        if instead == "a file":
            filled.write_bytes(b"")
        else:
            filled.mkdir()
        daemon.rescan()
        daemon.sync()
        assert daemon.ask(Search("red")).body["offline_roots"] == [os.fsencode(filled)]
        assert daemon.found() == []
        shutil.rmtree(filled) if filled.is_dir() else filled.unlink()
        (tmp_path / "away").rename(filled)
        daemon.rescan()
    daemon.shows(*files)


def test_root_made_anew(daemon, filled, tmp_path):
    """A folder that was copied and put in the place of the old one is the root from then on, without an encode."""
    with daemon.spending(encodes=0, files=0):
        filled.rename(tmp_path / "old")
        shutil.copytree(tmp_path / "old", filled, copy_function=shutil.copy)
        daemon.rescan()
    assert daemon.ask(Search("red")).body["offline_roots"] == []
    daemon.shows(*(path for path in filled.rglob("*") if path.is_file()))


def test_emptied_root(daemon, filled):
    """A root whose files are all deleted by its owner is online and empty."""
    for file in [*filled.rglob("*.*")]:
        file.unlink()
    daemon.shows()
    assert daemon.ask(Search("red")).body["offline_roots"] == []


def test_root_inside_a_root(daemon, filled):
    """A folder inside a root is watched already."""
    with daemon.spending(encodes=0, decodes=0):
        assert daemon.add(filled / "a")["new"] is False
        assert daemon.add(filled)["new"] is False
    assert daemon.roots() == [os.fsencode(filled)]


def test_root_around_a_root(daemon, filled, pictures, tmp_path):
    """A folder above a root takes it in, without reading its files again."""
    files = daemon.found()
    with daemon.spending(encodes=0, decodes=0):
        assert daemon.add(tmp_path)["new"] is True
    assert daemon.roots() == [os.fsencode(tmp_path)]
    daemon.shows(*files)
    daemon.shows(*files, pictures.one(filled / "a" / "later.jpg"))


def test_root_by_a_link(daemon, filled, tmp_path):
    """A root named through a symbolic link is the folder itself; it can be removed by either name."""
    (tmp_path / "link").symlink_to(filled)
    assert daemon.add(tmp_path / "link") == {"path": os.fsencode(filled), "new": False, "warnings": []}
    daemon.remove(tmp_path / "link")
    assert daemon.roots() == []


def test_what_cannot_be_a_root(daemon, root, pictures):
    """A file, a missing folder and a relative path are refused with their own codes."""
    file = pictures.one(root / "a.jpg")
    for path, kind in (
        (file, errors.NotAFolder),
        (root / "none", errors.NotFound),
        (b"x", errors.BadParameter),
    ):
        with pytest.raises(kind):
            daemon.add(path)
    for ask in (daemon.remove, daemon.rescan):
        with pytest.raises(errors.NotARoot):
            ask(root.parent / "elsewhere")


def test_roots_stay_through_a_restart(launch, pictures, tmp_path):
    """Roots are watched again after a restart; one that is away meanwhile is offline and comes back."""
    root, other = tmp_path / "root", tmp_path / "other"
    files = pictures.many(root, 3) + pictures.many(other, 3)
    daemon = launch()
    daemon.add(root)
    daemon.add(other)
    daemon.sync()
    daemon.stop()
    other.rename(tmp_path / "away")
    daemon.start()
    daemon.sync()
    assert daemon.ask(Search("red")).body["offline_roots"] == [os.fsencode(other)]
    assert daemon.found() == files[:3]
    (tmp_path / "away").rename(other)
    daemon.rescan()
    daemon.shows(*files)
    daemon.shows(*files, pictures.one(other / "later.jpg"))
    assert daemon.status()["encodes"] == 1


def test_removed_while_it_is_away(daemon, filled, tmp_path):
    """A root can be removed while its disk is away."""
    filled.rename(tmp_path / "away")
    daemon.sync()
    assert daemon.remove(filled)["files"] == 12
    daemon.shows()
