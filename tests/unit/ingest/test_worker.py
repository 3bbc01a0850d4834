"""The real worker process: what it reads, what it survives, how it ends."""

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kadrd.config import Worker as Settings
from kadrd.ingest.reading import CHUNK, read
from kadrd.ingest.worker import MAX_OPEN
from kadrd.ingest.workers import MAX_STUCK, WALL_FACTOR, Begun, Limits, Worker, WorkerLost, overdue
from kadrd.values import Digest, Encoded, Skipped

SETTINGS = Settings(priority="normal", threads=2)
# Three seconds without a byte are a disk that hangs.
BRIEF = Settings(priority="normal", threads=2, file_seconds=0.2)


@pytest.fixture
def worker(tmp_path):
    made = Worker(SETTINGS)
    yield made
    made.close()


@pytest.fixture
def model(tmp_path, make_tiny_model):
    return make_tiny_model(tmp_path / "tiny")


def test_reads_and_encodes(worker, model, pictures, tmp_path):
    """Files become digests, and those asked for become unit vectors; equal bytes give equal vectors."""
    files = pictures.many(tmp_path / "p", 4)
    files.append(tmp_path / "copy.jpg")
    files[-1].write_bytes(files[0].read_bytes())
    digests = worker.digest([os.fsencode(file) for file in files])
    assert all(isinstance(digest, Digest) for digest in digests)
    assert digests[0].file_key == digests[4].file_key
    first, copy = worker.encode([0, 4], [model])
    assert isinstance(first, Encoded)
    assert (first.width, first.height, first.format) == (40, 32, "JPEG")
    assert (first.vectors[model.fingerprint] == copy.vectors[model.fingerprint]).all()


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="asks /proc for the state of a process")
def test_stands_still(worker, pictures, tmp_path):
    """A worker that was told to stand still does nothing until it may go on; one that stands can be ended."""
    (file,) = pictures.many(tmp_path / "p", 1)
    worker.digest([os.fsencode(file)])
    state = Path(f"/proc/{worker._process.pid}/stat")
    worker.stand_still(True)
    while state.read_text().rpartition(")")[2].split()[0] != "T":
        pass
    worker.stand_still(False)
    assert isinstance(worker.digest([os.fsencode(file)])[0], Digest)
    worker.stand_still(True)
    worker.close()
    assert not state.exists()


def test_what_is_no_file(worker, tmp_path):
    """A missing file, a folder, a pipe and a link are gone; an empty file has its reason; nothing waits."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "empty").touch()
    names = ["missing", "folder", "pipe", "link", "empty/inside", "empty"]
    *gone, empty = worker.digest([os.fsencode(tmp_path / name) for name in names])
    assert gone == [None] * 5
    opened = f"/proc/{worker._process.pid}/fd"
    before = len(os.listdir(opened))
    worker.digest([os.fsencode(tmp_path / name) for name in names] * 5)
    assert len(os.listdir(opened)) == before
    assert isinstance(empty, Skipped)
    assert empty.reason == "empty"


def test_killed(worker, pictures, tmp_path):
    """A worker that is killed is lost once; the next request has a new one."""
    path = os.fsencode(pictures.one(tmp_path / "a.jpg"))
    worker.digest([path])
    pid = worker._process.pid
    os.kill(pid, signal.SIGSTOP)
    threading.Timer(0.05, os.kill, (pid, signal.SIGKILL)).start()
    with pytest.raises(WorkerLost):
        worker.digest([path])
    assert isinstance(worker.digest([path])[0], Digest)


def test_killed_while_idle(worker, pictures, tmp_path):
    """A worker that died with nothing to do is replaced without a word."""
    path = os.fsencode(pictures.one(tmp_path / "a.jpg"))
    worker.digest([path])
    worker._process.kill()
    worker._process.wait()
    assert isinstance(worker.digest([path])[0], Digest)


def test_file_that_hangs(pictures, tmp_path):
    """A worker that spends too long on a file is killed; the file was in hand, or had just been ended."""
    worker = Worker(Settings(priority="normal", threads=1, file_seconds=0.0))
    path = os.fsencode(pictures.one(tmp_path / "a.jpg"))

    def until_lost():
        while True:
            worker.digest([path] * 100)

    with contextlib.closing(worker), pytest.raises(WorkerLost) as lost:
        until_lost()
    assert len(lost.value.in_hand) <= 1


def test_ends_with_its_socket(pictures, tmp_path):
    """A worker whose socket closes leaves by itself, with 0."""
    import socket

    ours, theirs = socket.socketpair()
    settings = '{"priority": "idle", "threads": 1, "memory_mb": 4096}'
    with ours, theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "kadrd.ingest.worker", str(theirs.fileno()), settings],
            pass_fds=(theirs.fileno(),),
        )
    assert process.wait(30) == 0


def test_dies_with_the_daemon(pictures, tmp_path):
    """A worker does not outlive a daemon that is killed."""
    path = pictures.one(tmp_path / "a.jpg")
    program = (
        "import os, signal, sys\n"
        "from kadrd.config import Worker as Settings\n"
        "from kadrd.ingest.workers import Worker\n"
        f"worker = Worker(Settings(priority='normal'))\n"
        f"worker.digest([{os.fsencode(path)!r}])\n"
        "print(worker._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=45, check=False
    )
    pid = int(done.stdout)
    descriptor = None
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    with os.fdopen(descriptor):
        assert select.select([descriptor], [], [], 30)[0]


def test_steady_read(tmp_path):
    """A file is read whole, with the stat that was true before and after."""
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    data, stat, steady = read(os.fsencode(tmp_path / "a"))
    assert (len(data), stat.size, steady) == (3_000_000, 3_000_000, True)


def test_every_thread_is_caged(worker, model, pictures, tmp_path):
    """Every thread of a worker that has encoded is in the cage, those of the model's runtime too; descriptors are few."""
    worker.digest([os.fsencode(file) for file in pictures.many(tmp_path, 8)])
    worker.encode(range(8), [model])
    if worker.locked is None or not worker.locked.calls:
        pytest.skip("this kernel offers no seccomp")
    folder = Path(f"/proc/{worker._process.pid}")
    for task in (folder / "task").iterdir():
        assert "\nSeccomp:\t2\n" in (task / "status").read_text()
    limits = (folder / "limits").read_text()
    assert re.search(rf"Max open files +{MAX_OPEN} +{MAX_OPEN} ", limits)
    assert re.search(r"Max core file size +0 +0 ", limits)


def test_progress_while_reading(tmp_path):
    """Whoever waits for a large file is told again and again that its disk gives bytes."""
    told = []
    (tmp_path / "a").write_bytes(bytes(3 * CHUNK + 1))
    data, _, steady = read(os.fsencode(tmp_path / "a"), lambda: told.append(1))
    assert (len(data), steady, len(told)) == (3 * CHUNK + 1, True, 4)


LIMITS = Limits(cpu=20.0, silence=30.0)


@pytest.mark.parametrize(
    ("since", "now", "worked", "late"),
    [
        (Begun(0, 0), Begun(29, 0), 0, False),
        (Begun(0, 0), Begun(31, 0), 0, True),  # neither bytes nor work for too long
        (Begun(1000, 0), Begun(1029, 0), 0, False),  # begun late, or told of bytes a moment ago
        (Begun(0, 0), Begun(4000, 19), 3990, False),  # slow beside a busy neighbour, and at work
        (Begun(0, 0), Begun(4000, 19), 3960, True),  # it did work, and then no more
        (Begun(0, 0), Begun(21, 21), 21, True),  # works, and does not come to an end
        (Begun(0, 100), Begun(21, 119), 21, False),  # what others took before it does not count
    ],
)
def test_when_a_file_is_given_up(since, now, worked, late):
    """A file is given up when it takes too much work, or when nothing at all happens for too long."""
    assert overdue(since, now, worked, LIMITS) is late


def test_disk_that_hangs(fuse, pictures, tmp_path):
    """A file on a disk that hangs is given up and blamed, its worker killed, and the other files are read by another."""
    disk = fuse("disk")
    files = [disk.place / pictures.one(disk.folder / name).name for name in ("a.jpg", "b.jpg", "c.jpg")]
    disk.hang("read", name="b.jpg")
    with contextlib.closing(Worker(BRIEF)) as worker:
        with pytest.raises(WorkerLost) as lost:
            worker.digest([os.fsencode(file) for file in files])
        assert 1 in lost.value.in_hand
        others = worker.digest([os.fsencode(files[0]), os.fsencode(files[2])])
        assert all(isinstance(digest, Digest) for digest in others)


@pytest.mark.slow
def test_worker_that_cannot_die(fuse, pictures, tmp_path, caplog):
    """A worker that waits for a disk which never answers cannot even be killed: nobody waits for it, only a few are
    left so, and work goes on when the disk is back.
    """
    disk = fuse("disk")
    hung = os.fsencode(disk.place / pictures.one(disk.folder / "a.jpg").name)
    fine = os.fsencode(pictures.one(tmp_path / "fine.jpg"))
    disk.hang("read", name="a.jpg", deaf=True)
    with contextlib.closing(Worker(BRIEF)) as worker:
        for number in range(MAX_STUCK):
            with pytest.raises(WorkerLost) as lost:
                worker.digest([hung])
            assert lost.value.in_hand == {0}
            assert len(worker._stuck) == number + 1
        with pytest.raises(WorkerLost, match="hang on a disk") as lost:
            worker.digest([fine])
        assert lost.value.in_hand == frozenset()
        stuck = worker._stuck
        disk.healthy()
        for process in stuck:
            process.wait(30)
        assert isinstance(worker.digest([fine])[0], Digest)
        assert worker._stuck == []


@pytest.mark.slow
def test_slow_disk(fuse, pictures, tmp_path):
    """A slow disk is waited for as long as it gives bytes, however much longer that takes than silence may."""
    disk, pause = fuse("disk"), 0.5
    (disk.folder / "a.jpg").write_bytes(bytes(1024 * 1024))
    disk.slow(pause, "read")
    with contextlib.closing(Worker(BRIEF)) as worker:
        assert isinstance(worker.digest([os.fsencode(disk.place / "a.jpg")])[0], Digest)
    assert disk.counts()["read"] * pause > BRIEF.file_seconds * WALL_FACTOR


CHILD = """
import os, sys
from kadrd.ingest import cage, digest
if "kadrd.ingest.worker" in sys.orig_argv:
    cage.lock = lambda: cage.Locked(False, False)  # as on a system that has none
    def begin(data):
        child = os.fork()
        if not child:
            os.execv(sys.executable, [sys.executable, "-c", "import signal; signal.pause()"])
        open(CHILDREN, "w").write(str(child))
        os.abort()
    digest.keys = begin
"""


def test_what_a_worker_began_dies_with_it(pictures, tmp_path, monkeypatch):
    """Where there is no cage a worker that is lost takes with it whatever a decoder made it begin."""
    (tmp_path / "site").mkdir()
    script = CHILD.replace("CHILDREN", repr(str(tmp_path / "child")))
    (tmp_path / "site" / "sitecustomize.py").write_text(script)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    file = os.fsencode(pictures.one(tmp_path / "a.jpg"))
    with contextlib.closing(Worker(SETTINGS)) as worker, pytest.raises(WorkerLost):
        worker.digest([file])
    child = int((tmp_path / "child").read_text())
    try:
        descriptor = os.pidfd_open(child)
    except ProcessLookupError:
        return
    with os.fdopen(descriptor):
        assert select.select([descriptor], [], [], 30)[0]
