"""Folder events of the real system: every change marks its folder, and the fence comes behind all of them."""

import contextlib
import os
import shutil
import threading

import pytest

from kadrd.ingest import watch
from kadrd.ingest.watch import Watcher


class Heard:
    """What a watcher said."""

    def __init__(self):
        self.folders = []
        self.lost = threading.Event()

    def since(self, watcher):
        """The folders marked since the last call, after everything has arrived."""
        assert watcher.fence()
        folders = set(self.folders)
        self.folders.clear()
        return {os.path.basename(folder).decode() for folder in folders}


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def watcher(heard, tmp_path):
    if watch.sys.platform != "linux":
        pytest.skip("only inotify keeps an order")
    made = Watcher(heard.folders.append, heard.lost.set, str(tmp_path / "fence"))
    with contextlib.closing(made):
        yield made


@pytest.fixture
def folder(watcher, tmp_path):
    path = tmp_path / "top"
    path.mkdir()
    watcher.arm(os.fsencode(path))
    return path


def test_every_change_marks_the_folder(watcher, heard, folder, tmp_path):
    """Making, writing, renaming, linking and deleting a file marks its folder."""
    file, other = folder / "a", folder / "b"
    outside = tmp_path / "outside"
    for change in (
        lambda: file.write_bytes(b"1"),
        lambda: file.open("ab").close(),
        lambda: file.rename(other),
        lambda: os.link(other, file),
        file.unlink,
        lambda: other.rename(outside),
        lambda: outside.rename(other),
        (folder / "sub").mkdir,
        (folder / "sub").rmdir,
    ):
        change()
        assert heard.since(watcher) == {"top"}


def test_reading_is_no_event(watcher, heard, folder):
    """Our own reading is no event."""
    file = folder / "a"
    file.write_bytes(b"1")
    heard.since(watcher)
    file.read_bytes()
    os.listdir(folder)
    if hasattr(os, "listxattr"):
        os.listxattr(file)
    assert heard.since(watcher) == set()


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="Python sets extended attributes on Linux only")
def test_tags_are_events(watcher, heard, folder):
    """A tag that a file manager writes into a file's attributes is heard of."""
    file = folder / "a"
    file.write_bytes(b"1")
    heard.since(watcher)
    os.setxattr(file, "user.xdg.tags", b"holiday")
    assert heard.since(watcher) == {"top"}


def test_folder_that_was_replaced(watcher, heard, folder):
    """A folder that is deleted, made again and armed again is watched, whatever order the news comes in."""
    path = folder / "sub"
    for _ in range(50):
        path.mkdir()
        watcher.arm(os.fsencode(path))
        shutil.rmtree(path)
    path.mkdir()
    watcher.arm(os.fsencode(path))
    heard.since(watcher)
    (path / "a").touch()
    assert heard.since(watcher) == {"sub"}


def test_renamed_folder_speaks_under_its_new_path(watcher, heard, folder):
    """A renamed folder that is armed anew and given up under its old path speaks under the new one alone."""
    old, new = folder / "old", folder / "new"
    old.mkdir()
    watcher.arm(os.fsencode(old))
    old.rename(new)
    watcher.arm(os.fsencode(new))
    watcher.disarm(os.fsencode(old))()
    heard.since(watcher)
    (new / "a").touch()
    assert heard.since(watcher) == {"new"}


def test_armed_twice_speaks_once(watcher, heard, folder):
    """Arming a folder again and again leaves one watch."""
    for _ in range(100):
        watcher.arm(os.fsencode(folder))
    assert watcher.fence()
    heard.folders.clear()
    (folder / "a").mkdir()
    assert watcher.fence()
    assert len(heard.folders) == 1


def test_disarmed(watcher, heard, folder):
    """Nothing is heard of a folder that is not watched any more, nor of those in it."""
    (folder / "sub").mkdir()
    watcher.arm(os.fsencode(folder / "sub"))
    watcher.disarm(os.fsencode(folder))()
    heard.since(watcher)
    (folder / "a").touch()
    (folder / "sub" / "a").touch()
    assert heard.since(watcher) == set()


def test_what_cannot_be_watched(watcher, folder):
    """A folder that is gone is no trouble; the fence still works."""
    assert watcher.arm(os.fsencode(folder / "none"))
    assert watcher.fence()


def test_watches_that_run_out(watcher, folder, monkeypatch):
    """When the system has no more watches that is said and remembered, until the folder can be watched again."""

    def full(*_):
        raise OSError(28, "No space left on device")

    path = os.fsencode(folder)
    with monkeypatch.context() as patch:
        patch.setattr(watcher._system, "arm", full)
        watcher.note(path, watched=watcher.arm(path))
    assert watcher.unwatched == {path}
    watcher.note(path, watched=watcher.arm(path))
    assert watcher.unwatched == set()


def test_starts_anew(watcher, heard, folder):
    """After a restart folders that are armed again are heard again."""
    watcher.restart()
    watcher.arm(os.fsencode(folder))
    heard.since(watcher)
    (folder / "a").touch()
    assert heard.since(watcher) == {"top"}
    assert watcher.alive


def test_fence_is_behind_everything(watcher, heard, folder):
    """The fence waits for events made just before it, many times over."""
    for number in range(200):
        (folder / str(number)).touch()
        assert heard.since(watcher) == {"top"}


def test_fence_folder_that_was_deleted(watcher, heard, folder):
    """When somebody deletes the folder that the fence is made in, it is made again and the fence works."""
    shutil.rmtree(os.fsdecode(watcher._fence_folder))
    assert watcher.fence()
    (folder / "a").touch()
    assert heard.since(watcher) == {"top"}
    watcher.beat()
    assert watcher.fence()
    assert watcher.beat()
