"""Killed again and again while people change thousands of files: every next life finds just what is on the disk.

Three witnesses have to agree after every restart: `verify`, a walk made here, and the model that the changes keep.
"""

import contextlib
import itertools
import os
import random
import re
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import kadrd
from kadrd.ingest import digest
from kadrd.ingest.pipeline import BATCH_FILES
from kadrd.store.reader import Reader

SLOW = pytest.mark.slow
POINTS = sorted(
    {
        name
        for source in Path(kadrd.__file__).parent.rglob("*.py")
        for name in re.findall(r'\bpoint\("([a-z-]+)"[,)]', source.read_text())
    }
)
KINDS = ("changes", "encodes", "point")


class Lives:
    """A daemon that is killed while *made* changes, and what it spent in all its lives."""

    def __init__(self, launch, made, root, files):
        # Some shards and a rest, whatever the size: verify asks every one of them for every picture.
        self.daemon = launch(index={"seal_at": 100 + files // 8, "shard_size": 200 + files})
        self.made, self.root, self.kills, self.spent = made, root, Counter(), 0
        self._before = self._encodes = 0
        self._point = ""
        self.daemon.add(root)

    def changes(self, count, started):
        """Change that much, and tell how far it has come."""
        for _ in range(count):
            self.made.step()
            started.release()

    def look(self):
        """One look at the daemon; False when it is dead."""
        try:
            status = self.daemon.status()
        except Exception:  # noqa: BLE001 - whatever a client sees of a daemon that dies
            return None
        self._encodes = status["encodes"]
        return status

    def kill(self, kind):
        """The end of this life, by us or by its own hand at a point."""
        self.daemon.kill()
        bad = [line for line in self.daemon.log if "Traceback" in line or " ERROR " in line]
        assert not bad, "".join(self.daemon.log)
        committed = self.daemon.home.committed()
        # Batches come one after the other, so only the last one can have been encoded and not committed.
        assert self._encodes <= committed - self._before + BATCH_FILES
        self.spent += self._encodes
        self.kills[kind] += 1
        self._before, self._encodes = committed, 0

    def start(self, point=""):
        self._point = point
        try:
            self.daemon.start({"KADR_CRASH": point} if point else None)
        except AssertionError:
            if not point or self.daemon.wait() != -signal.SIGKILL:
                raise
            self.kill("point")  # it passes some points before it answers
            self.start()

    def check(self):
        """Everything agrees. A daemon that falls over its crash point meanwhile is started again."""
        try:
            self._agree()
        except Exception:
            if not self._point:
                raise
            self.daemon.wait()  # raises when it is alive: then it was no crash
            self.kill("point")
            self.start()
            self._agree()

    def _agree(self):
        """Verify, the disk, the model and the search agree."""
        body = self.daemon.check()
        self.look()
        disk = self.made.disk()
        assert disk == self.made.model()
        assert [str(path) for path in self.daemon.found()] == sorted(disk)
        with contextlib.closing(Reader(str(self.daemon.home.catalogue))) as reader:
            known = {
                os.fsdecode(path): file.file_key
                for root, _ in reader.roots()
                for path, file in reader.files_under(root.id).items()
            }
        assert known == {path: digest.keys(content)[0] for path, content in disk.items()}
        assert body["vectors"] <= len(self.made.essences)
        assert self.daemon.failures() == {}


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("files", "kills", "changes", "seed"),
    # Two hundred kills in four parts of a quarter of an hour, so that one can be run by itself.
    [(400, 4, 60, 1), *(pytest.param(5000, 50, 200, seed, marks=SLOW) for seed in range(2, 6))],
)
def test_killed_while_files_change(launch, changing, tmp_path, capsys, files, kills, changes, seed):
    """Killed at any moment or named point while files change, every restart shows just what is there, and at most
    the batch in flight is encoded again."""
    chance, made = random.Random(seed), changing(seed)
    made.fill(files, folders=max(10, files // 25))
    lives = Lives(launch, made, tmp_path / "root", files)
    with ThreadPoolExecutor(1) as pool:
        for number in itertools.count():
            if lives.kills.total() >= kills:
                break
            kind = KINDS[number % len(KINDS)]
            count, done = chance.randrange(changes // 4, changes), threading.Semaphore(0)
            changing_now = pool.submit(lives.changes, count, done)
            _until(lives, kind, chance, done, count)
            lives.kill("point" if lives.look() is None else "changes" if kind == "point" else kind)
            armed = KINDS[(number + 1) % len(KINDS)] == "point"
            lives.start(f"{chance.choice(POINTS)}:{chance.randrange(1, 12)}" if armed else "")
            changing_now.result()
            lives.check()
            if number % 20 == 19:
                with capsys.disabled():
                    print(f"{lives.kills.total()} kills", end=" ", flush=True)
    lives.kill("changes")
    distinct, kills = len(made.essences), lives.kills.total()
    assert lives.spent <= distinct + kills * BATCH_FILES
    with capsys.disabled():
        print(
            f"\nseed {seed}: {kills} kills {dict(lives.kills)}, {distinct} pictures ever, {lives.spent} encodes",
            end=" ",
        )


def _until(lives, kind, chance, done, count):
    """Back when it is time to kill: after so many changes, after so many encodes, or when a point was passed."""
    if kind == "changes":
        for _ in range(chance.randrange(1, count)):
            done.acquire()
        lives.look()
        return
    begun = (lives.look() or {"encodes": 0})["encodes"]
    wanted = begun + chance.randrange(1, count) if kind == "encodes" else float("inf")
    for number in range(count):
        done.acquire()
        if number % 8:
            continue  # a look costs the daemon time, too
        status = lives.look()
        if status is None or status["encodes"] >= wanted:
            return
    while (
        (status := lives.look()) and status["encodes"] < wanted and (status["pending"] or status["scanning"])
    ):
        pass
