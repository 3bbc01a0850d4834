"""The watcher's heartbeat: dead and stuck look alike, from outside."""

import contextlib
import os
import sys
import threading

import pytest

from kadrd.ingest.watch import Watcher

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="macOS promises no order of events")


@pytest.fixture
def heard(tmp_path):
    """A watcher, the folders it calls dirty, and a gate that holds its thread inside the callback."""
    dirty, gate, inside = [], threading.Event(), threading.Event()
    gate.set()

    def listen(folder):
        dirty.append(folder)
        inside.set()
        gate.wait(30)

    watcher = Watcher(listen, lambda: None, str(tmp_path / "fence"))
    with contextlib.closing(watcher):
        yield watcher, dirty, gate, inside
        gate.set()


def test_healthy(heard):
    """A watcher that works says so at every beat."""
    watcher = heard[0]
    assert watcher.beat()
    assert watcher.fence()
    assert watcher.beat()


def test_stuck_thread(heard, tmp_path):
    """A thread that is held in a callback is noticed at the next beat, and the next watcher tells what happens."""
    watcher, dirty, gate, inside = heard
    folder = tmp_path / "pictures"
    folder.mkdir()
    watcher.arm(os.fsencode(folder))
    gate.clear()
    (folder / "a").write_bytes(b"")
    assert inside.wait(30)
    watcher.beat()
    assert not watcher.beat()
    assert watcher.restart()
    gate.set()
    dirty.clear()
    watcher.arm(os.fsencode(folder))
    (folder / "b").write_bytes(b"")
    assert watcher.fence()
    assert os.fsencode(folder) in dirty
    assert watcher.beat()


def test_dead_thread(heard):
    """A thread that ended is noticed at the next beat."""
    watcher = heard[0]
    watcher._system.close()
    watcher.beat()
    assert not watcher.beat()
    assert watcher.restart()
    assert watcher.fence()
