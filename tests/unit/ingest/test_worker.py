"""The real worker process: what it reads, what it survives, how it ends."""

import contextlib
import csv
import os
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest
from PIL import Image

from kadrd.config import Worker as Settings
from kadrd.ingest.worker import read
from kadrd.ingest.workers import Worker, WorkerLost
from kadrd.values import Digest, Encoded, Skipped

SETTINGS = Settings(priority="normal", threads=2)


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
    import select

    with os.fdopen(descriptor):
        assert select.select([descriptor], [], [], 30)[0]


def test_steady_read(tmp_path):
    """A file is read whole, with the stat that was true before and after."""
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    data, stat, steady = read(os.fsencode(tmp_path / "a"))
    assert (len(data), stat.size, steady) == (3_000_000, 3_000_000, True)


def _pillow_shows(path: Path) -> bool:
    """Whether the Pillow at hand shows it too: what a decoder forgives changes with its version."""
    with contextlib.suppress(Exception), warnings.catch_warnings(), Image.open(path) as image:
        warnings.simplefilter("ignore")
        image.load()
        return True
    return False


@pytest.mark.data
@pytest.mark.timeout(180)
@pytest.mark.parametrize("part", ["odd", pytest.param("exif", marks=pytest.mark.slow)])
def test_every_odd_file(worker, model, data, part):
    """The worker survives every odd file there is, and shows each that Pillow shows, in the formats kadr reads."""
    with (data / "pillow-outcome.tsv").open(encoding="utf-8") as file:
        expected = {row["file"]: row for row in csv.DictReader(file, delimiter="\t")}
    files = sorted(path for path in (data / part).rglob("*") if path.is_file())
    deaths: list[Path] = []
    worse: list[str] = []
    for first in range(0, len(files), 32):
        group = files[first : first + 32]
        digests = worker.digest([os.fsencode(path) for path in group])
        which = [number for number, digest in enumerate(digests) if isinstance(digest, Digest)]
        try:
            outcomes = worker.encode(which, [model])
        except WorkerLost as lost:
            deaths += [group[number] for number in lost.in_hand]
            continue
        for number, outcome in zip(which, outcomes, strict=True):
            row = expected.get(str(group[number].relative_to(data)), {})
            shown = row.get("status") == "ok" and row.get("format") in (
                "JPEG",
                "PNG",
                "WEBP",
                "GIF",
                "TIFF",
                "BMP",
                "MPO",
            )
            skipped = isinstance(outcome, Skipped) and outcome.reason not in ("too-small", "too-large")
            if shown and skipped and _pillow_shows(group[number]):
                worse.append(f"{group[number]}: {outcome}")
    assert deaths == []
    assert worse == []
