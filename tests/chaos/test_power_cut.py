"""Power cuts: every prefix of what the daemon and its children wrote, with what was not synced dropped, starts and verifies.

One life is recorded through a preloaded library (power_cut.c); what a cut leaves of it is worked out by power_cut.py,
whose docstring names the rules. Every state is opened in this process as the daemon opens it; some get a real daemon.
"""

import contextlib
import hashlib
import importlib.util
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from kadrd.embed.models import Shelf
from kadrd.ingest import digest
from kadrd.store.catalogue import Catalogue
from kadrd.store.reader import Reader
from kadrd.store.shards import Index

INDEX = {"seal_at": 20, "shard_size": 200}
SELF_SCORE = 0.002
MEMORY = Path("/dev/shm")

spec = importlib.util.spec_from_file_location("power_cut", Path(__file__).with_name("power_cut.py"))
power_cut = importlib.util.module_from_spec(spec)
spec.loader.exec_module(power_cut)


@pytest.fixture(scope="session")
def recorder(tmp_path_factory):
    """The library that writes down what happens to files."""
    if sys.platform != "linux":
        pytest.skip("the recorder of file operations is made for Linux")
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: the recorder of file operations cannot be built")
    library = tmp_path_factory.mktemp("power_cut") / "power_cut.so"
    source = Path(__file__).with_name("power_cut.c")
    command = [compiler, "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl", "-lpthread"]
    subprocess.run(command, check=True, timeout=60)
    return library


class Recording(NamedTuple):
    """A daemon that has ended, its root, and what was done to its files on the way."""

    daemon: object
    root: Path
    operations: list

    def states(self, wanted=None):
        """(name, files) of every state that differs from all before it; or of the *wanted* (prefix, rule) alone."""
        disk, seen = power_cut.Disk(), set()
        for number in range(len(self.operations) + 1):
            for rule in power_cut.RULES:
                if wanted is not None and (number, rule) not in wanted:
                    continue
                files = disk.left(rule, random.Random(f"{number} {rule}"))
                files = {path: data for path, data in files.items() if counts(path)}
                key = hashlib.blake2b(digest_size=16)
                for path, data in sorted(files.items()):
                    key.update(hashlib.blake2b(path.encode()).digest() + hashlib.blake2b(data).digest())
                if key.digest() not in seen:
                    seen.add(key.digest())
                    yield f"after {number} of {len(self.operations)} operations, {rule}", files
            if number < len(self.operations):
                disk.apply(self.operations[number])


@pytest.fixture
def record(launch, make_home, pictures, recorder, tmp_path):
    """Records a life: pictures come, are renamed and deleted, shards are sealed and merged, stop, start, SIGKILL."""

    def make(many):
        home, log, root = make_home(index=INDEX), tmp_path / "log", tmp_path / "root"
        environment = {
            "LD_PRELOAD": str(recorder),
            "POWER_CUT_LOG": str(log),
            "POWER_CUT_UNDER": os.path.realpath(home.top),
        }
        files = pictures.many(root, many, (".bmp",))
        daemon = launch(home, environment)
        daemon.add(root)
        daemon.sync()
        daemon.generation(bool)
        daemon.stop()
        daemon.start(environment)
        for number, file in enumerate(files[:30]):
            if number % 3:
                file.rename(file.with_name(f"renamed {file.name}"))
            else:
                file.unlink()
        for number in range(3):
            pictures.many(root / str(number), 25, (".bmp",))
            daemon.sync()
            reached = many + 25 * (number + 1) - INDEX["seal_at"]
            daemon.generation(lambda shards, reached=reached: shards[-1]["upto"] > reached)
        daemon.kill()
        daemon.stop()
        operations = list(power_cut.read(log))
        nothing_left_out(operations, home.top)
        return Recording(daemon, root, operations)

    return make


def nothing_left_out(operations, top):
    """What was recorded is all that was written: played back, it gives the folders byte by byte."""
    disk = power_cut.Disk()
    for operation in operations:
        disk.apply(operation)
    files = [path for name in ("state", "cache") for path in (top / name).rglob("*") if path.is_file()]
    played = disk.left("killed", random.Random(0))
    assert {str(path): path.read_bytes() for path in files if counts(path)} == {
        path: data for path, data in played.items() if counts(path)
    }
    assert {operation.kind for operation in operations} >= set("OWSFRUMT")


def counts(path):
    """Whether a file lasts: SQLite's -shm is a memory map, of which a power cut leaves nothing."""
    return not str(path).endswith("-shm")


def put(files, top, there):
    """Lay *files*, that were recorded below *top*, below *there*, with nothing beside them."""
    for name in ("state", "cache"):
        shutil.rmtree(there / name, ignore_errors=True)
    for path, data in files.items():
        place = there / os.path.relpath(path, top)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)


def known_after(home, there):
    """Open what lies in *there* as the daemon does; the essence keys that have a vector. Fails on any contradiction."""
    (there / "state").mkdir(exist_ok=True)
    path = str(there / "state" / "catalogue.sqlite")
    model = Shelf(Path("none"), Path(home.paths.data, "models")).find("tiny")
    with contextlib.closing(Catalogue(path)) as catalogue, contextlib.closing(Reader(path)) as reader:
        assert reader.damage() == ""
        model_id = catalogue.model_id(model.fingerprint, model.name)
        index = Index(
            folder=str(there / "cache" / "shards" / model.fingerprint[:16]), catalogue=path, reader=reader, model_id=model_id,
            fingerprint=model.fingerprint, dimension=model.dimension, **INDEX,
        )  # fmt: skip
        with contextlib.closing(index):
            rows = {
                picture_id: row
                for _, ids, rows in reader.vectors(model_id, 0, 2**62)
                for picture_id, row in zip(ids, rows, strict=True)
            }
            answers_for(index, rows, model.dimension)
            given = reader.ask("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'vectors'")
            assert index.clock <= given[0][0], "a shard covers numbers that the next pictures will be given"
        keys = reader.ask("SELECT essence_key FROM pictures JOIN vectors ON picture_id = pictures.id")
        return {key for (key,) in keys}


def answers_for(index, rows, dimension):
    """Every vector of the catalogue answers, and with its own score, not that of another picture."""
    probe = np.random.default_rng(0).standard_normal(dimension).astype(np.float32)
    probe /= np.linalg.norm(probe)
    found = {near.picture_id: near.score for near in index.search(probe, max(index.count, 1))}
    assert rows.keys() <= found.keys(), f"{len(rows.keys() - found.keys())} vectors are not found"
    wrong = [id_ for id_, row in rows.items() if abs(found[id_] - float(row @ probe)) > SELF_SCORE]
    assert not wrong, f"{len(wrong)} pictures answer with another one's vector"


@pytest.fixture
def sandbox(tmp_path):
    """A folder on which syncing costs nothing, where there is one."""
    there = tmp_path / "sandbox"
    if os.access(MEMORY, os.W_OK):
        there = MEMORY / f"kadr-power-cut-{os.getpid()}"
    there.mkdir()
    yield there
    shutil.rmtree(there)


def lives_on(recording, sandbox, name, files):
    """A real daemon starts on *files*, encodes only what the cut took, and finds everything in this and the next life."""
    daemon, root = recording.daemon, recording.root
    put(files, daemon.home.top, sandbox)
    known = known_after(daemon.home, sandbox)
    put(files, daemon.home.top, Path(daemon.home.top))
    pictures = list(root.rglob("*.bmp"))
    essences = {digest.keys(path.read_bytes())[1] for path in pictures}
    print(name, f"- {len(known)} vectors survive")
    daemon.start()
    daemon.add(root)
    daemon.shows(*pictures)
    assert daemon.status()["encodes"] == len(essences - known), name
    assert daemon.status()["failures"] == []
    daemon.restart()
    daemon.shows(*pictures)
    assert daemon.status()["encodes"] == 0
    daemon.stop()


@pytest.mark.parametrize("seed", [1])
def test_power_cut(record, sandbox, seed):
    """Cut off at a random moment, the next start serves what was committed and synced, and goes on from there."""
    recording = record(60)
    chance = random.Random(seed)
    prefixes = chance.sample(range(len(recording.operations) + 1), 50)
    for name, files in recording.states({(n, rule) for n in prefixes for rule in power_cut.RULES}):
        opens(recording, sandbox, name, files)
    for rule in chance.sample(power_cut.RULES[1:], 2):
        number = chance.randrange(len(recording.operations) // 2, len(recording.operations))
        ((name, files),) = recording.states({(number, rule)})
        lives_on(recording, sandbox, name, files)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_power_cut(record, sandbox):
    """Cut off after any operation whatever, by any of the rules, the state opens whole; 40 of them get a real daemon."""
    recording = record(600)
    count = 0
    for name, files in recording.states():
        opens(recording, sandbox, name, files)
        count += 1
    print(f"{len(recording.operations)} operations, {count} different states")
    chance = random.Random(3)
    for _ in range(40):
        cut = (chance.randrange(len(recording.operations) + 1), chance.choice(power_cut.RULES))
        ((name, files),) = recording.states({cut})
        lives_on(recording, sandbox, name, files)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_power_cut_around_a_checkpoint(record, sandbox):
    """Cut off while SQLite empties its log into the catalogue and begins it anew, nothing that was sealed is lost."""
    recording = record(1300)
    operations = recording.operations
    begun = [
        n
        for n, step in enumerate(operations)
        if step.path.endswith("-wal") and step.offset == 0 and step.kind in "WT"
    ]
    first, again = begun[:2]
    assert operations[again].kind == "W", "the log was cut off, not begun anew: more pictures are needed"
    emptied = [
        n for n in range(first, again) if operations[n].kind == "W" and operations[n].path.endswith(".sqlite")
    ]
    prefixes = [*range(emptied[0] - 20, emptied[0] + 40), *range(emptied[-1] - 40, again + 200)]
    count = 0
    for name, files in recording.states({(n, rule) for n in prefixes for rule in power_cut.RULES}):
        opens(recording, sandbox, name, files)
        count += 1
    print(f"{len(prefixes)} prefixes, {count} different states")
    for rule in power_cut.RULES[1:]:
        ((name, files),) = recording.states({(again + 9, rule)})
        lives_on(recording, sandbox, name, files)


def opens(recording, sandbox, name, files):
    put(files, recording.daemon.home.top, sandbox)
    try:
        known_after(recording.daemon.home, sandbox)
    except Exception as error:
        raise AssertionError(f"{name}: {error}") from error
