"""The watcher loses events, watches and whole threads, and the daemon still finds everything. On the real kernel."""

import contextlib
import ctypes
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kadr.protocol.messages import Doctor, Search, Sync

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="about inotify")
SLOW = pytest.mark.slow
LONG = 300.0


def checks(daemon):
    """What doctor says, by name."""
    return {check["name"]: check for check in daemon.ask(Doctor()).body["checks"]}


def inotify_descriptors(pid):
    """How many inotify instances a process holds."""
    found = 0
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found += "inotify" in os.readlink(link)
    return found


def tree(top):
    """Every file below a folder, found by a walk of the test's own."""
    return sorted(Path(folder, name) for folder, _, names in os.walk(top) for name in names)


def together(work, count):
    """Run work(0), work(1) ... in threads of their own; what one raises is raised here."""
    with ThreadPoolExecutor(count) as pool:
        for done in [pool.submit(work, number) for number in range(count)]:
            done.result()


# The queue


@contextlib.contextmanager
def held(daemon):
    """The daemon stands still meanwhile, as in a long pause of the machine, and reads no event."""
    daemon.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        daemon.signal(signal.SIGCONT)


def test_queue_runs_over(launch, pictures, tmp_path):
    """When the system drops events, that is counted, and what they told of is found all the same."""
    daemon, root = launch(), tmp_path / "root"
    files = pictures.many(root / "a", 5)
    daemon.add(root)
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    with daemon.spending(encodes=20), held(daemon):
        for number in range(limit // 3 + 100):  # each is made, closed and deleted: three events
            noise = root / "a" / f"{number % 2}.tmp"
            noise.touch()
            noise.unlink()
        files += pictures.many(root / "a" / "later", 10) + pictures.many(root / "b" / "c", 10)
    assert daemon.status()["overflows"] >= 1
    daemon.shows(*files)
    daemon.shows(*files, pictures.one(root / "b" / "c" / "after.jpg"))


@SLOW
@pytest.mark.timeout(900)
def test_twenty_thousand_files_while_it_stood_still(launch, pictures, tmp_path, capsys):
    """20,000 pictures made while the daemon stood still are all found, each encoded once."""
    daemon, root = launch(), tmp_path / "root"
    folders = [root / f"{number % 10}" / f"{number}" for number in range(200)]
    for folder in folders:  # they are watched before the daemon stands still
        folder.mkdir(parents=True)
    daemon.add(root)
    daemon.sync()
    with held(daemon):
        for folder in folders:
            pictures.many(folder, 100, (".bmp",))
    began = time.monotonic()
    daemon.ask(Sync(), LONG)
    synced = time.monotonic() - began
    body = daemon.check()
    took = time.monotonic() - began
    assert (body["files"], body["vectors"]) == (20_000, 20_000)
    status = daemon.status()
    assert status["encodes"] == 20_000
    assert status["overflows"] >= 1
    with capsys.disabled():
        print(f"\n20,000 files: indexed {synced:.1f} s, verified {took:.1f} s after it went on", end=" ")


# Limits of watches


@pytest.fixture
def launch_limited(launch):
    """Starts a daemon in a user namespace of its own, where the system gives it only so many watches."""
    if subprocess.run(["unshare", "-Ur", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("user namespaces are forbidden here")

    def start(name, limit, **settings):
        daemon = launch(**settings)
        daemon.stop()
        script = f'echo {limit} > /proc/sys/user/{name} && exec "$@"'
        daemon.wrapper = ["unshare", "-Ur", "sh", "-c", script, "sh"]
        daemon.start()
        return daemon

    return start


def set_limit(daemon, name, limit):
    """Change the limit while the daemon runs."""
    inside = ["nsenter", "--user", "--preserve-credentials", "--target", str(daemon.pid)]
    subprocess.run([*inside, "sh", "-c", f"echo {limit} > /proc/sys/user/{name}"], check=True)


def test_more_folders_than_watches(launch_limited, pictures, tmp_path):
    """Folders that the system will not watch are looked at all the same, every answer and doctor say so, and it is
    over when the limit is raised. No descriptor is lost on the way."""
    root = tmp_path / "root"
    files = [pictures.one(root / f"{number}" / "a.jpg") for number in range(80)]
    daemon = launch_limited("max_inotify_watches", 50)
    daemon.add(root)
    daemon.shows(*files)
    (warning,) = daemon.ask(Search("red")).body["warnings"]
    assert "cannot be watched" in warning
    assert not checks(daemon)["watching"]["ok"]
    assert "fs.inotify.max_user_watches" in checks(daemon)["watching"]["act"]
    files += [pictures.one(root / f"{number}" / "b.jpg") for number in range(80)]
    daemon.shows(*files)
    with daemon.spending(encodes=0):
        for number in range(80):
            (root / f"{number}").rename(root / f"renamed-{number}")
    files = tree(root)
    daemon.shows(*files)
    before = inotify_descriptors(daemon.pid)
    for _ in range(10):  # each tries again to watch more than thirty folders
        daemon.sync()
    assert inotify_descriptors(daemon.pid) == before == 1
    set_limit(daemon, "max_inotify_watches", 10_000)
    daemon.sync()
    daemon.sync()
    assert daemon.ask(Search("red")).body["warnings"] == []
    assert checks(daemon)["watching"]["ok"]
    daemon.shows(*files, pictures.one(root / "renamed-79" / "c.jpg"))


@SLOW
@pytest.mark.timeout(300)
def test_unwatched_folders_are_polled(launch_limited, pictures, tmp_path):
    """A change in a folder that cannot be watched is found by itself, without a sync."""
    root = tmp_path / "root"
    files = [pictures.one(root / f"{number}" / "a.jpg") for number in range(80)]
    daemon = launch_limited("max_inotify_watches", 50)
    daemon.add(root)
    daemon.sync()
    files += [pictures.one(root / f"{number}" / "b.jpg") for number in range(80)]
    until(lambda: daemon.found() == sorted(files))


@SLOW
@pytest.mark.timeout(300)
def test_no_watcher_at_all(launch_limited, pictures, tmp_path):
    """Where the system gives no watcher, all folders are looked at by the clock; once it does, it is taken by itself."""
    root = tmp_path / "root"
    files = pictures.many(root / "a", 5)
    daemon = launch_limited("max_inotify_instances", 0)
    daemon.add(root)
    daemon.shows(*files)
    assert "cannot be watched" in daemon.ask(Search("red")).body["warnings"][0]
    assert "fs.inotify.max_user_instances" in checks(daemon)["watching"]["act"]
    files.append(pictures.one(root / "a" / "polled.jpg"))
    until(lambda: daemon.found() == sorted(files))
    set_limit(daemon, "max_inotify_instances", 10)
    until(lambda: daemon.status()["recoveries"] == 1)
    daemon.shows(*files)
    assert daemon.ask(Search("red")).body["warnings"] == []
    assert all(checks(daemon)[name]["ok"] for name in ("watching", "watcher"))
    assert inotify_descriptors(daemon.pid) == 1
    new = pictures.one(root / "b" / "later.jpg")
    until(lambda: daemon.found() == sorted([*files, new]))


def until(ready):
    """Back when it is so; a test that waits for ever ends by its timeout."""
    while not ready():
        pass


FAILING_RESTARTS = """
import os, sys, threading
from kadrd.ingest.watch import Watcher
watcher = Watcher(lambda _: None, lambda: None, sys.argv[1])
before = len(os.listdir("/proc/self/fd"))
for _ in range(100):
    assert not watcher.beat()
    assert not watcher.restart()
for thread in threading.enumerate():
    if thread is not threading.current_thread():
        thread.join()
assert len(os.listdir("/proc/self/fd")) == before, os.listdir("/proc/self/fd")
"""


@pytest.mark.parametrize("name", ["max_inotify_watches", "max_inotify_instances"])
def test_a_hundred_restarts_in_vain(tmp_path, name):
    """A watcher that cannot be started is tried again and again without losing a descriptor."""
    if subprocess.run(["unshare", "-Ur", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("user namespaces are forbidden here")
    script = f'echo 0 > /proc/sys/user/{name} && exec "$@"'
    program = [sys.executable, "-c", FAILING_RESTARTS, str(tmp_path / "fence")]
    subprocess.run(["unshare", "-Ur", "sh", "-c", script, "sh", *program], check=True, timeout=45)


# The reader thread


@pytest.mark.parametrize(
    ("rounds", "seed"), [(60, 0), *(pytest.param(320, seed, marks=SLOW) for seed in range(1, 11))]
)
@pytest.mark.timeout(300)
def test_folders_made_renamed_and_removed_at_once(launch, pictures, tmp_path, rounds, seed):
    """What kills the library's own observer, four threads that make, rename and remove the same folders, leaves the
    watcher alive and the index true."""
    daemon, root = launch(), tmp_path / "root"
    content = [pictures.bytes(".png") for _ in range(8)]
    root.mkdir()
    daemon.add(root)

    def disturb(thread):
        chance = random.Random(1000 * seed + thread)
        for number in range(rounds):
            with contextlib.suppress(OSError):  # another thread was there first
                base = root / f"t{chance.randrange(3)}-{number % 5}"
                (base / "a" / "b" / "c").mkdir(parents=True, exist_ok=True)
                (base / "a" / "b" / "c" / f"{thread}.png").write_bytes(chance.choice(content))
                (base / "a").rename(base / f"z{chance.randrange(3)}")
                if chance.randrange(2):
                    shutil.rmtree(base)

    together(disturb, 4)
    daemon.shows(*tree(root))
    assert daemon.status()["encodes"] <= len(content)
    assert checks(daemon)["watcher"]["ok"]
    daemon.shows(*tree(root), pictures.one(root / "after" / "all.jpg"))


PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17


class Stuck:
    """The daemon's reader of events, held by the neck: one thread of it that does not run, while the others do."""

    def __init__(self, daemon):
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        for _ in range(1000):  # it may be at work
            waiting = [*self._in_poll(daemon.pid)]
            if len(waiting) == 1:
                break
        else:
            pytest.skip("the kernel does not tell which thread reads the events")
        (self._thread,) = waiting

    @staticmethod
    def _in_poll(pid):
        """The threads that wait in poll(2). The reader does; the main thread waits in epoll, all others for locks."""
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
                place = (task / "wchan").read_text()
                if "poll" in place and "ep_poll" not in place:
                    yield int(task.name)

    def __enter__(self):
        if self._libc.ptrace(PTRACE_SEIZE, self._thread, None, None) != 0:
            pytest.skip(f"no thread may be held here: {os.strerror(ctypes.get_errno())}")
        self._libc.ptrace(PTRACE_INTERRUPT, self._thread, None, None)
        os.waitpid(self._thread, 0x40000000)  # __WALL

    def __exit__(self, *_):
        self._libc.ptrace(PTRACE_DETACH, self._thread, None, None)


@SLOW
@pytest.mark.timeout(300)
def test_reader_that_is_stuck(launch, pictures, tmp_path):
    """While the thread that reads events is stuck nothing is missed, and another one takes over by itself."""
    daemon, root = launch(), tmp_path / "root"
    files = pictures.many(root / "a", 3)
    daemon.add(root)
    daemon.shows(*files)
    with Stuck(daemon):
        files += pictures.many(root / "b" / "c", 3)
        daemon.shows(*files)
        until(lambda: daemon.status()["recoveries"] == 1)
        files += pictures.many(root / "b" / "d", 3)
        until(lambda: daemon.found() == sorted(files))
    daemon.shows(*files, pictures.one(root / "b" / "c" / "after.jpg"))
    assert daemon.status()["recoveries"] == 1
    assert inotify_descriptors(daemon.pid) == 1
