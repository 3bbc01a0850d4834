"""SIGKILL at any instant loses nothing that was committed, blames no picture, and repeats at most what was in flight."""

import os
import random
import signal

import pytest

from kadr.protocol.messages import Sync
from kadrd.ingest.pipeline import BATCH_FILES

SLOW = pytest.mark.slow
SMALL = {"index": {"seal_at": 50, "shard_size": 400}}


def until_encoded(daemon, wanted):
    """Back when the daemon has encoded so many pictures, or is done."""
    while (status := daemon.status())["encodes"] < wanted and (not status["files"] or status["pending"]):
        pass


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=SLOW) for seed in range(1, 20))])
def test_killed_while_indexing(launch, pictures, tmp_path, seed):
    """Killed at a random moment of indexing, the next life encodes just what was not committed, and nothing fails."""
    files = pictures.many(tmp_path / "root", 160)
    daemon = launch()
    daemon.add(tmp_path / "root")
    until_encoded(daemon, random.Random(seed).randrange(140))
    seen = daemon.status()["encodes"]
    daemon.kill()
    committed = daemon.home.committed()
    assert committed >= seen - BATCH_FILES
    daemon.start()
    daemon.shows(*files)
    status = daemon.status()
    assert status["encodes"] == len(files) - committed
    assert status["failures"] == []


def test_killed_again_and_again(launch, pictures, tmp_path):
    """However often it is killed, no innocent picture is blamed for it, and all are found in the end."""
    files = pictures.many(tmp_path / "root", 100)
    daemon = launch()
    daemon.add(tmp_path / "root")
    chance, spent = random.Random(5), 0
    for _ in range(6):
        until_encoded(daemon, chance.randrange(1, 20))
        spent += daemon.status()["encodes"]
        daemon.kill()
        daemon.start()
    daemon.shows(*files)
    assert daemon.failures() == {}
    assert spent + daemon.status()["encodes"] <= len(files) + 6 * BATCH_FILES


@SLOW
def test_killed_in_a_trial_twice(launch, pictures, tmp_path):
    """A picture that was in hand when the daemon was killed twice is still found."""
    files = pictures.many(tmp_path / "root", 40)
    daemon = launch()
    daemon.add(tmp_path / "root")
    daemon.sync()
    daemon.stop()
    extra = pictures.many(tmp_path / "root" / "more", 20)
    for _ in range(2):
        daemon.start()
        while not _trials(daemon) and daemon.status()["pending"]:
            pass
        daemon.kill()
    daemon.start()
    daemon.shows(*files, *extra)
    assert daemon.failures() == {}


def _trials(daemon):
    import contextlib
    import sqlite3

    with contextlib.closing(sqlite3.connect(f"file:{daemon.home.catalogue}?mode=ro", uri=True)) as connection:
        return connection.execute("SELECT count(*) FROM trials").fetchone()[0]


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=SLOW) for seed in range(2, 10))])
def test_worker_killed(launch, pictures, tmp_path, seed):
    """When the worker is killed in the middle of indexing another takes over, and nothing is lost or blamed."""
    files = pictures.many(tmp_path / "root", 160)
    daemon = launch()
    daemon.add(tmp_path / "root")
    chance = random.Random(seed)
    # A batch apart: a content that two workers died over is taken for poison, by design, so no two kills may hit one.
    for batch in (0, 50, 100):
        until_encoded(daemon, batch + chance.randrange(1, 30))
        try:
            os.kill(daemon.worker(), signal.SIGKILL)
        except (StopIteration, ProcessLookupError):
            continue  # between two workers
    while daemon.sync()["pending"]:
        pass
    daemon.shows(*files)
    assert daemon.failures() == {}


def test_idle_worker_killed(launch, pictures, tmp_path):
    """A worker that is killed while it has nothing to do is replaced without a trace of trouble."""
    daemon = launch()
    daemon.add(tmp_path)
    first = pictures.one(tmp_path / "a.jpg")
    daemon.sync()
    os.kill(daemon.worker(), signal.SIGKILL)
    daemon.shows(first, pictures.one(tmp_path / "b.jpg"))
    assert daemon.status()["warnings"] == []


@pytest.mark.parametrize(
    "point",
    [
        "publish-before-rename@manifest.json:2",
        pytest.param("replace-written@manifest.json:1", marks=SLOW),
        pytest.param("publish-before-rename@manifest.json:1", marks=SLOW),
        pytest.param("publish-before-rename@manifest.json:3", marks=SLOW),
        pytest.param("publish-renamed@manifest.json:2", marks=SLOW),
        pytest.param("publish-synced@manifest.json:2", marks=SLOW),
    ],
)
def test_power_cut_while_publishing(launch, pictures, tmp_path, point):
    """Cut off at any step of publishing a generation, the next start serves a whole one and encodes nothing."""
    daemon = launch(**SMALL)
    root = tmp_path / "root"
    files = []
    daemon.stop()
    daemon.start({"KADR_CRASH": point})
    root.mkdir()
    daemon.add(root)
    try:
        for number in range(8):
            files += pictures.many(root / str(number), 60, (".bmp",))
            daemon.sync()
            daemon.ask(Sync())
        died = not daemon.alive
    except Exception:  # noqa: BLE001 - whatever a client sees of a daemon that dies
        died = True
    if died:
        assert daemon.wait() == -signal.SIGKILL
        daemon._process = None
    else:
        daemon.kill()
    committed = daemon.home.committed()
    daemon.start()
    daemon.shows(*(file for file in root.rglob("*.bmp")))
    assert daemon.status()["encodes"] == len([*root.rglob("*.bmp")]) - committed
    daemon.generation(bool)
    daemon.check()


@pytest.mark.parametrize(
    "point",
    [
        "publish-renamed@.shard",
        pytest.param("shard-built", marks=SLOW),
        pytest.param("publish-before-rename@.shard", marks=SLOW),
        pytest.param("replace-written@.shard.json", marks=SLOW),
        pytest.param("publish-renamed@.shard.json", marks=SLOW),
    ],
)
def test_sealer_that_dies(launch, pictures, tmp_path, point):
    """A sealer that dies at any step costs a shard, never an answer; the next start makes it up."""
    daemon = launch(**SMALL)
    daemon.stop()
    daemon.start({"KADR_CRASH": point})
    daemon.add(tmp_path / "root" if (tmp_path / "root").mkdir() is None else tmp_path)
    files = pictures.many(tmp_path / "root", 120, (".bmp",))
    daemon.sync()
    daemon.hears("sealing failed")
    daemon.shows(*files)
    daemon.stop()
    daemon.start()
    daemon.generation(bool)
    daemon.shows(*files)
    assert daemon.status()["encodes"] == 0
    assert daemon.status()["shards"] > 0
