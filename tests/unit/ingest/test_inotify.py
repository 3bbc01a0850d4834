"""The kernel's own events: full queues, folders that move, two paths to one folder, and disks that are slow to be watched."""

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kadrd.ingest import watch
from kadrd.ingest.watch import Watcher

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="about inotify")


class Told:
    """A watcher of one folder, what it said in order, and a gate that holds its thread."""

    def __init__(self, top):
        self.said = []
        self.gate, self.held = threading.Event(), threading.Event()
        self.gate.set()
        self.folder = top / "folder"
        self.folder.mkdir()
        self.watcher = Watcher(
            self._dirty, lambda: self.said.append("lost"), str(top / "fence"),
            lambda path: self.said.append(("moved", path)),
        )  # fmt: skip
        self.watcher.arm(os.fsencode(self.folder))

    def _dirty(self, path):
        self.held.set()
        assert self.gate.wait(60)
        self.said.append(("dirty", path))

    def fill_the_queue(self):
        """Hold the thread until the kernel drops events."""
        self.gate.clear()
        (self.folder / "first").touch()
        assert self.held.wait(60)
        names = [os.fsencode(self.folder / str(number)) for number in range(2)]
        for _ in range(int(Path("/proc/sys/fs/inotify/max_queued_events").read_text()) // 2 + 100):
            os.close(os.open(names[0], os.O_CREAT | os.O_WRONLY))  # created or not: closed after writing
            os.rename(*names)

    def close(self):
        self.gate.set()
        self.watcher.close()


@pytest.fixture
def told(tmp_path):
    with contextlib.closing(Told(tmp_path)) as made:
        yield made


def test_full_queue_is_told(told):
    """When the kernel's queue runs over, that is said once what was queued has been told."""
    told.fill_the_queue()
    told.gate.set()
    while not told.watcher.fence():
        pass
    assert "lost" in told.said


def test_fence_does_not_wait_for_what_was_lost(told, monkeypatch):
    """A sync during which the queue runs over does not wait for its fence, which was lost too."""
    monkeypatch.setattr(watch, "FENCE_SECONDS", 600.0)
    told.fill_the_queue()
    threading.Timer(0.05, told.gate.set).start()
    assert not told.watcher.fence()
    assert "lost" in told.said


def test_folder_that_moved_is_told(told, tmp_path):
    """Of a folder that went elsewhere it is said that all below its path has to be looked at."""
    told.folder.rename(tmp_path / "elsewhere")
    assert told.watcher.fence()
    assert ("moved", os.fsencode(told.folder)) in told.said


def test_folder_that_was_replaced_is_told(told, tmp_path):
    """When another folder is armed under a path, its predecessor's news may be lost, and the same is said."""
    (tmp_path / "other").mkdir()
    told.gate.clear()  # nothing of the move is heard before
    told.folder.rename(tmp_path / "elsewhere")
    (tmp_path / "other").rename(told.folder)
    told.watcher.arm(os.fsencode(told.folder))
    assert ("moved", os.fsencode(told.folder)) in told.said


def test_folder_with_two_paths(told, tmp_path):
    """A folder that is bound to a second path speaks under both, and under the other one when one is given up."""
    second = tmp_path / "second"
    second.mkdir()
    if subprocess.run(["mount", "--bind", told.folder, second], check=False, capture_output=True).returncode:
        pytest.skip("this machine does not let us bind folders")
    try:
        told.watcher.arm(os.fsencode(second))
        (told.folder / "a").touch()
        assert told.watcher.fence()
        assert {path for _, path in told.said} == {os.fsencode(told.folder), os.fsencode(second)}
        told.watcher.disarm(os.fsencode(second))()
        told.said.clear()
        (told.folder / "b").touch()
        assert told.watcher.fence()
        assert {path for _, path in told.said} == {os.fsencode(told.folder)}
    finally:
        told.watcher.disarm(os.fsencode(second))()
        subprocess.run(["umount", second], check=True)


def test_given_up_and_watched_again(told):
    """A folder that is watched again before the kernel was told that it is not stays watched; until then it is silent."""
    over = told.watcher.disarm(os.fsencode(told.folder))
    (told.folder / "a").touch()
    assert told.watcher.fence()
    assert told.said == []
    told.watcher.arm(os.fsencode(told.folder))
    over()
    (told.folder / "b").touch()
    assert told.watcher.fence()
    assert ("dirty", os.fsencode(told.folder)) in told.said


def test_deleted_folder_is_forgotten(told):
    """A folder that is gone leaves nothing behind, and its path can be armed anew."""
    for _ in range(20):
        path = told.folder / "sub"
        path.mkdir()
        told.watcher.arm(os.fsencode(path))
        path.rmdir()
        assert told.watcher.fence()
    system = told.watcher._system
    assert set(system._watches) == {os.fsencode(told.folder), os.fsencode(told.watcher._fence_folder)}
    assert len(system._paths) == 2


def test_one_disk_holds_up_no_other(told, tmp_path, fuse):
    """While the kernel waits for a dead disk that is to be watched, other folders are watched, heard and given up."""
    disk = fuse("far", None)
    (disk.folder / "sub").mkdir()
    assert told.watcher.arm(os.fsencode(disk.place))
    disk.hang()
    slow = threading.Thread(target=told.watcher.arm, args=(os.fsencode(disk.place / "sub"),), daemon=True)
    slow.start()
    disk.held()
    near = tmp_path / "near"
    near.mkdir()
    told.watcher.arm(os.fsencode(near))
    (near / "a").touch()
    assert told.watcher.fence()
    assert ("dirty", os.fsencode(near)) in told.said
    told.watcher.disarm(os.fsencode(near))()
    assert slow.is_alive()
    disk.healthy()
    slow.join(60)
