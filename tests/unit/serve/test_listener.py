"""The lock: when it is lost, when nobody can say, and who only looks at it."""

import contextlib
import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading

import pytest

from kadrd.serve import listener
from kadrd.serve.listener import AlreadyRunning, Lock, holder, taken_over


def test_lock_on_a_disk_that_fails(fuse, tmp_path):
    """A disk that answers with an error does not end the daemon; a lock that is gone does."""
    disk = fuse("disk")
    with contextlib.ExitStack() as held:
        lock = Lock(str(disk.folder / "lock"))
        held.callback(lock.release)
        assert lock.holds()
        lock.path = str(disk.place / "lock")
        disk.error(errno.EIO)
        assert lock.holds()
        disk.healthy()
        os.unlink(disk.folder / "lock")
        assert not lock.holds()


def test_a_daemon_that_starts_while_somebody_looks(tmp_path, monkeypatch):
    """Who asks at that moment which process holds the lock does not keep a daemon from starting."""
    path, tried = str(tmp_path / "lock"), threading.Event()
    monkeypatch.setattr(listener.time, "sleep", lambda _: tried.set())
    with open(path, "w+") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)  # as `holder` does, for longer
        got = []
        starting = threading.Thread(target=lambda: got.append(Lock(path)))
        starting.start()
        assert tried.wait(45)
        fcntl.flock(looking, fcntl.LOCK_UN)
        starting.join(45)
    (lock,) = got
    assert holder(path) == os.getpid()
    lock.release()
    assert holder(path) is None


def test_one_that_looks_for_ever(tmp_path, monkeypatch):
    """A process that was stopped while it looked is not waited for without end."""
    clock = iter(range(0, 100, 1))
    monkeypatch.setattr(listener.time, "monotonic", lambda: float(next(clock)))
    with open(tmp_path / "lock", "w+") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        with pytest.raises(AlreadyRunning):
            Lock(str(tmp_path / "lock"))


def test_a_second_daemon(tmp_path):
    """A second daemon is told so at once."""
    lock = Lock(str(tmp_path / "lock"))
    with pytest.raises(AlreadyRunning):
        Lock(str(tmp_path / "lock"))
    lock.release()


@pytest.fixture
def holding(tmp_path):
    """Starts a process that holds the lock of this test, and runs a program of that name."""
    started = []

    def start(name):
        program = tmp_path / name
        program.write_text(
            "import sys, time\nfrom kadrd.serve.listener import Lock\n"
            "lock = Lock(sys.argv[1])\nprint('held', flush=True)\ntime.sleep(60)\n"
        )
        process = subprocess.Popen([sys.executable, name, "./lock"], cwd=tmp_path, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout.readline() == b"held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_manager_takes_over(holding, tmp_path):
    """A daemon that was started by hand is asked to end by the one that a service manager starts, which then has the lock."""
    other = holding("kadrd")
    lock = taken_over(str(tmp_path / "lock"))
    assert other.wait(45) == -signal.SIGTERM
    assert lock.holds()
    lock.release()


def test_a_number_that_is_somebody_else_s(holding, tmp_path, monkeypatch):
    """A process that is no daemon is not ended, though the lock names it: daemons in containers are numbered otherwise."""
    other = holding("editor")
    monkeypatch.setattr(listener, "OVER_SECONDS", 0.3)
    with pytest.raises(AlreadyRunning):
        taken_over(str(tmp_path / "lock"))
    assert other.poll() is None


def test_nobody_to_take_over_from(tmp_path):
    """Where no daemon runs the manager's has the lock at once."""
    lock = taken_over(str(tmp_path / "lock"))
    assert lock.holds()
    lock.release()
