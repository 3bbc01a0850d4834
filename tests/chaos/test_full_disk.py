"""A disk that is full or fails under the daemon's own files: it answers, says so, blames nobody, and goes on afterwards."""

import contextlib
import errno
import json
import os
import random
import subprocess
import sys

import numpy as np
import pytest

from kadr.protocol.errors import Degraded
from kadrd.ingest.pipeline import BATCH_FILES
from kadrd.store import generation
from kadrd.store.shard import build

SLOW = pytest.mark.slow
SMALL = {"index": {"seal_at": 50, "shard_size": 400}}
MIB = 1 << 20


class Disk:
    """A small disk of memory."""

    def __init__(self, place):
        self.place, self._ballast = place, place / "ballast"

    def fill(self, leave=0):
        """Fill it up, but for *leave* bytes."""
        with open(self._ballast, "ab", buffering=0) as ballast, contextlib.suppress(OSError):
            for size in (65536, 4096, 1):
                with contextlib.suppress(OSError):
                    while ballast.write(bytes(size)) == size:
                        pass
        if leave:
            os.truncate(self._ballast, max(0, self._ballast.stat().st_size - leave))

    def free(self):
        self._ballast.unlink()


@pytest.fixture
def small_disk(tmp_path_factory):
    """Mounts a disk of some bytes. Asked for before `launch`, so that it outlives the daemon."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a small disk")
    mounted = []

    def mount(size):
        place = tmp_path_factory.mktemp("disk")
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "kadr-test", place], capture_output=True, text=True,
            check=False, timeout=20,
        )  # fmt: skip
        if done.returncode != 0:
            pytest.skip(f"this machine mounts no small disk: {done.stderr.strip()}")
        mounted.append(place)
        return Disk(place)

    yield mount
    for place in mounted:
        subprocess.run(["umount", "--lazy", place], check=True, timeout=20)


@pytest.fixture
def cramped(small_disk, make_home):
    """A home whose state and cache lie on a disk of 8 MiB, and that disk."""
    disk, home = small_disk(8 * MIB), make_home(**SMALL)
    for name in ("state", "cache"):
        (disk.place / name).mkdir(mode=0o700)
        (home.top / name).symlink_to(disk.place / name)
    return home, disk


def until_it_says_so(daemon, disk, work):
    """Fill the disk and make *work* until sync says that it cannot go on; gives what it says."""
    while True:
        disk.fill()  # again: a temporary file that went leaves room
        work()
        try:
            daemon.sync()
        except Degraded as error:
            return str(error)


def until_it_recovers(daemon):
    """Nobody restarts it or asks it to try: only time passes."""
    while True:
        with contextlib.suppress(Degraded):
            return daemon.sync()


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=SLOW) for seed in range(2, 21))])
def test_disk_full(cramped, launch, pictures, tmp_path, seed):
    """The disk fills up while pictures are indexed: what is indexed answers, sync and status say why the rest is not,
    and when there is room again everything is found, with no picture blamed."""
    home, disk = cramped
    chance, root = random.Random(seed), tmp_path / "root"
    files = pictures.many(root, 160, (".bmp",))
    daemon = launch(home)
    daemon.add(root)
    wanted = chance.randrange(150)
    while (status := daemon.status())["encodes"] < wanted and (not status["files"] or status["pending"]):
        pass
    disk.fill(leave=chance.choice([0, 4096, 16384, 65536]))

    def more():
        files.append(pictures.one(root / "more" / f"{len(files)}.bmp"))

    said = until_it_says_so(daemon, disk, more)
    assert "full" in said or "space" in said or "I/O" in said, said
    assert daemon.alive
    assert set(daemon.found()) <= set(files)
    assert len(daemon.found()) == home.committed()
    assert any("cannot be indexed" in warning for warning in daemon.status()["warnings"])
    whole_generation(home)
    disk.free()
    until_it_recovers(daemon)
    daemon.shows(*files)
    assert daemon.status()["failures"] == []
    assert daemon.status()["encodes"] <= len(files) + 2 * BATCH_FILES
    del daemon.log[:]  # it complained, as it should
    daemon.restart()
    daemon.shows(*files)
    assert daemon.status()["encodes"] == 0


@pytest.mark.parametrize("seed", [pytest.param(seed, marks=SLOW) for seed in range(1, 6)])
def test_disk_nearly_full(cramped, launch, pictures, tmp_path, seed):
    """While others free and take the last bytes again and again, some writes succeed and some do not: no picture is
    blamed for that."""
    home, disk = cramped
    chance, root = random.Random(seed), tmp_path / "root"
    files = pictures.many(root, 60, (".bmp",))
    daemon = launch(home)
    disk.fill(leave=65536)
    daemon.add(root)
    for _ in range(30):
        with contextlib.suppress(Degraded):
            daemon.sync()
        disk.fill(leave=chance.randrange(24000))
    disk.free()
    until_it_recovers(daemon)
    assert daemon.failures() == {}
    daemon.shows(*files)
    del daemon.log[:]


def whole_generation(home):
    """What the manifest names is there, whole."""
    with contextlib.suppress(FileNotFoundError):
        json.loads((home.shards / generation.MANIFEST).read_text())
        for one in generation.read(str(home.shards)):
            header = json.loads((home.shards / f"{one.file}.json").read_text())
            assert (home.shards / one.file).stat().st_size == header["size"]


def test_started_on_a_full_disk(cramped, launch, pictures, tmp_path):
    """A daemon that is started while the disk is full answers from what it has, and goes on when there is room."""
    home, disk = cramped
    root = tmp_path / "root"
    files = pictures.many(root, 70, (".bmp",))
    daemon = launch(home)
    daemon.add(root)
    daemon.shows(*files)
    daemon.stop()
    assert (disk.place / "state" / "reserve").exists()
    disk.fill()
    daemon.start()
    assert daemon.found() == files
    files.append(pictures.one(root / "new.bmp"))
    said = until_it_says_so(daemon, disk, lambda: None)
    assert "full" in said or "space" in said or "I/O" in said, said
    disk.free()
    until_it_recovers(daemon)
    daemon.shows(*files)
    del daemon.log[:]
    daemon.restart()
    assert (disk.place / "state" / "reserve").exists()


def test_hnswlib_saves_short(small_disk):
    """hnswlib says nothing when the disk is full; the shard that it saved short is noticed, and takes no room."""
    disk = small_disk(MIB // 4)
    rows = np.random.default_rng(1).standard_normal((2000, 64)).astype(np.float32)
    with pytest.raises(OSError, match="short") as caught:
        build(
            str(disk.place / "0-2000.shard"), model="m", after=0, upto=2000, picture_ids=list(range(2000)), vectors=rows,
            threads=1,
        )  # fmt: skip
    assert caught.value.errno == errno.ENOSPC
    assert os.listdir(disk.place) == []


FAULTS = [
    ("enospc", "replace-written@manifest.json:1"),
    ("eio", "publish-renamed@manifest.json:1"),
    ("short", "replace-written@manifest.json:1"),
    ("eio", "publish-before-rename@manifest.json:1"),
    *(
        (kind, point)
        for kind in ("enospc", "eio")
        for point in ("library-saved", "shard-built", "publish-before-rename@.shard", "publish-renamed@.shard", "replace-written@.shard.json", "publish-before-rename@.shard.json", "publish-synced@.shard.json")
    ),
    ("short", "library-saved"),
    ("short", "replace-written@.shard.json"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "point"), [pytest.param(*fault, marks=SLOW) for fault in FAULTS])
def test_fault_while_sealing(launch, pictures, tmp_path, kind, point):
    """Whatever step of sealing the disk refuses: the old generation stands, all is found, and the next start makes it up
    without an encode."""
    root = tmp_path / "root"
    files = pictures.many(root, 70, (".bmp",))
    daemon = launch(**SMALL)
    daemon.add(root)
    daemon.sync()
    daemon.generation(bool)
    before = generation.read(str(daemon.home.shards))
    daemon.stop()
    daemon.start({"KADR_FAULT": f"{kind}:{point}"})
    files += pictures.many(root / "more", 70, (".bmp",))
    daemon.sync()
    daemon.hears("sealing failed")
    if point != "publish-renamed@manifest.json:1":  # then it has its name, and only that was not synced
        assert generation.read(str(daemon.home.shards)) == before
    whole_generation(daemon.home)
    daemon.shows(*files)
    assert daemon.status()["failures"] == []
    del daemon.log[:]
    daemon.stop()
    daemon.start()
    daemon.generation(lambda shards: shards[-1]["upto"] > before[-1].upto)
    daemon.shows(*files)
    assert daemon.status()["encodes"] == 0
    assert len(os.listdir(daemon.home.shards)) == 1 + 2 * len(generation.read(str(daemon.home.shards)))


@SLOW
def test_sealing_is_tried_again(launch, pictures, tmp_path):
    """When the disk works again the daemon seals by itself, without a restart."""
    root = tmp_path / "root"
    files = pictures.many(root, 70, (".bmp",))
    daemon = launch(environment={"KADR_FAULT": "enospc:replace-written@manifest.json:1"}, **SMALL)
    daemon.add(root)
    daemon.hears("sealing failed")
    daemon.generation(bool)
    daemon.shows(*files)
    assert daemon.status()["shards"] == 1


@SLOW
def test_asked_on_a_full_disk(cramped, launch, pictures, tmp_path):
    """What cannot be written down on a full disk is refused with the reason, and is done when there is room."""
    home, disk = cramped
    root, other = tmp_path / "root", tmp_path / "other"
    files = pictures.many(root, 5, (".bmp",))
    others = pictures.many(other, 5, (".bmp",))
    daemon = launch(home)
    daemon.add(root)
    daemon.sync()
    until_it_says_so(daemon, disk, lambda: files.append(pictures.one(root / f"{len(files)}.bmp")))
    for ask in (lambda: daemon.add(other), lambda: daemon.remove(root)):
        disk.fill()
        with pytest.raises(Degraded, match="full"):
            ask()
    assert daemon.roots() == [os.fsencode(root)]
    disk.free()
    until_it_recovers(daemon)
    daemon.add(other)
    daemon.shows(*files, *others)
    del daemon.log[:]
