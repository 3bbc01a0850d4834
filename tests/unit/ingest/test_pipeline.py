"""The spine, with a worker that dies as the test says. Catalogue, index and settling are the real ones."""

import contextlib
import hashlib
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from kadrd.ingest import digest
from kadrd.ingest.pipeline import BATCH_FILES, POISON, Pipeline, Target
from kadrd.ingest.settle import Settle
from kadrd.ingest.worker import read
from kadrd.ingest.workers import WorkerLost
from kadrd.store.catalogue import Catalogue
from kadrd.store.reader import Reader
from kadrd.store.shards import Index
from kadrd.values import Digest, Encoded, Moving, Skipped, State

DECODER = 1
DAMAGED = Skipped("damaged", "It is damaged.")


class FakeWorker:
    """Reads for real; a vector is drawn from the essence. Dies or refuses where the test said so."""

    def __init__(self):
        self.poison = set()
        self.refused = set()
        self.dies_idle = 0
        self.dies_reading = ()
        self.encoded = []
        self.asked = []
        self._kept = []

    def digest(self, paths):
        if self.dies_reading:
            in_hand, self.dies_reading = frozenset(self.dies_reading), ()
            raise WorkerLost(in_hand, "killed")
        self._kept = [self._read(path) for path in paths]
        return [digest for _, digest in self._kept]

    @staticmethod
    def _read(path):
        try:
            data, stat, steady = read(path)
        except FileNotFoundError:
            return b"", None
        if not steady:
            return b"", Moving(stat)
        return data, Digest(*digest.keys(data), stat)

    def encode(self, which, models):
        self.asked.append(len(which))
        if self.dies_idle:
            self.dies_idle -= 1
            raise WorkerLost(frozenset(), "no memory")
        out = []
        for number in which:
            data = self._kept[number][0]
            if data in self.poison:
                raise WorkerLost(frozenset({number}), "killed")
            out.append(DAMAGED if data in self.refused else self._vector(data, models))
        self.encoded += which
        return out

    @staticmethod
    def _vector(data, models):
        seed = int.from_bytes(hashlib.blake2b(data, digest_size=4).digest(), "big")
        row = np.random.default_rng(seed).normal(size=8).astype(np.float32)
        return Encoded(4, 3, "PNG", {model.fingerprint: row / np.linalg.norm(row) for model in models})


class Bench:
    """A pipeline over files in a folder."""

    def __init__(self, folder: Path):
        self.root = folder / "root"
        self.root.mkdir()
        self.path = str(folder / "catalogue.sqlite")
        self.catalogue = Catalogue(self.path)
        self.reader = Reader(self.path)
        self.worker, self.settle = FakeWorker(), Settle(0.0)
        self.pipeline = Pipeline(self.catalogue, self.worker, self.settle, DECODER)
        self.pipeline.targets = (self.target("model-a"),)
        with self.catalogue.transaction():
            self.catalogue.tree.add_root(os.fsencode(self.root), 1, 1)
            (root,) = self.catalogue.tree.roots()
            self.folder = self.catalogue.tree.add_folder(root.id, root.path)

    def target(self, fingerprint):
        model_id = self.catalogue.model_id(fingerprint, fingerprint)
        index = Index(
            folder=os.path.join(os.path.dirname(self.path), fingerprint), catalogue=self.path, reader=self.reader,
            model_id=model_id, fingerprint=fingerprint, dimension=8, seal_at=10**6, shard_size=10**6,
        )  # fmt: skip
        return Target(SimpleNamespace(fingerprint=fingerprint, folder=fingerprint), model_id, index)

    def close(self):
        self.reader.close()
        self.catalogue.close()

    def add(self, *contents):
        """New files with these contents, seen by a scan."""
        for content in contents:
            name = f"{len(list(self.root.iterdir()))}.png"
            (self.root / name).write_bytes(content)
            self.seen(name)

    def seen(self, name):
        from kadrd.ingest.scan import stat_of

        stat = stat_of(os.stat(self.root / name))
        with self.catalogue.transaction():
            self.catalogue.tree.add_files(self.folder.id, [(name.encode(), stat)])

    def run(self, limit=20):
        """Steps until nothing waits, or *limit*; gives how many steps."""
        for number in range(limit):
            if not self.pipeline.step():
                return number
        return limit

    def states(self):
        known = self.catalogue.tree.folder(os.fsencode(self.root)).files
        return {name.decode(): file.state for name, file in sorted(known.items())}

    def failures(self):
        return {os.path.basename(path).decode(): reason for path, reason, _ in self.reader.failures(100)}


@pytest.fixture
def bench(tmp_path):
    with contextlib.closing(Bench(tmp_path)) as made:
        yield made


def test_every_content_is_encoded_once(bench):
    """Files of equal content cost one encode, in one batch and in later ones."""
    bench.add(b"one", b"two", b"one", b"one")
    bench.run()
    bench.add(b"two", b"three")
    bench.run()
    assert set(bench.states().values()) == {State.INDEXED}
    assert bench.pipeline.counts["encodes"] == 3
    assert bench.pipeline.targets[0].index.count == 3


def test_poison_is_tried_twice(bench):
    """A content that kills the worker is tried twice, then failed as such; all others get through."""
    bench.worker.poison = {b"poison"}
    bench.add(*(b"good %d" % n for n in range(10)), b"poison", *(b"more %d" % n for n in range(10)))
    bench.run()
    assert bench.failures() == {"10.png": "kills-the-decoder"}
    assert sum(state is State.INDEXED for state in bench.states().values()) == 20
    assert bench.pipeline.trouble == ""
    bench.add(b"poison")
    asked = len(bench.worker.asked)
    bench.run()
    assert bench.failures() == {"10.png": "kills-the-decoder", "21.png": "kills-the-decoder"}
    assert len(bench.worker.asked) == asked


def test_suspect_is_tried_alone(bench):
    """After a death the content that was in hand is not put into a batch with others."""
    bench.worker.poison = {b"poison"}
    bench.add(b"a", b"b", b"poison", b"c")
    bench.run()
    assert bench.worker.asked == [4, 3, 1]


def test_two_poisons(bench):
    """Two contents that kill the worker are both found out, and nobody else is blamed."""
    bench.worker.poison = {b"poison", b"venom"}
    bench.add(b"a", b"poison", b"b", b"venom", b"c")
    bench.run()
    assert bench.failures() == {"1.png": "kills-the-decoder", "3.png": "kills-the-decoder"}


def test_poison_gets_another_try(bench):
    """`retry` gives a poisonous content a new try."""
    bench.worker.poison = {b"poison"}
    bench.add(b"poison")
    bench.run()
    bench.worker.poison = set()
    with bench.catalogue.transaction():
        assert bench.catalogue.tree.retry(os.fsencode(bench.root / "0.png")) == 1
    bench.run()
    assert bench.states() == {"0.png": State.INDEXED}


def test_one_idle_death_is_chance(bench):
    """A worker that dies once with nothing in hand blames nobody, and the batch is done again at once."""
    bench.worker.dies_idle = 1
    bench.add(b"a", b"b")
    bench.run()
    assert (bench.failures(), bench.pipeline.trouble) == ({}, "")
    assert set(bench.states().values()) == {State.INDEXED}


def test_idle_deaths_are_no_files_fault(bench):
    """A worker that dies again and again with nothing in hand is said, pauses the work, and blames no file."""
    bench.worker.dies_idle = 99
    bench.add(b"a", b"b")
    assert bench.run() < 20
    assert bench.failures() == {}
    assert "no memory" in bench.pipeline.trouble
    assert set(bench.states().values()) == {State.PENDING}


def test_death_while_reading(bench):
    """When the worker dies reading, only the file in hand has to wait; the others keep their turn."""
    bench.add(b"a", b"b", b"c")
    before = [w.ticket for w in bench.catalogue.tree.waiting(10)]
    bench.worker.dies_reading = (1,)
    bench.pipeline.step()
    waiting = bench.catalogue.tree.waiting(10)
    assert [w.ticket for w in waiting][:2] == [before[0], before[2]]
    assert waiting[2].ticket > before[2]
    bench.run()
    assert sorted(bench.states().values()) == [State.PENDING, State.INDEXED, State.INDEXED]
    bench.settle.hurry(bench.catalogue.tree.ticket)
    bench.run()
    assert set(bench.states().values()) == {State.INDEXED}


@pytest.mark.parametrize("deaths", [1, 2, 3])
def test_daemon_killed_in_a_trial(bench, deaths):
    """A content that was in hand when the daemon itself was killed is tried again, three times at least."""
    key, _ = digest.keys(b"innocent")
    for _ in range(deaths):
        bench.catalogue.begin_trials([key], DECODER)
    bench.add(b"innocent")
    bench.run()
    assert bench.states() == {"0.png": State.INDEXED}
    assert bench.catalogue.tries(key, DECODER) == 0


def test_content_that_takes_the_daemon_along(bench):
    """A content that was begun four times and never came back is left alone, also after a restart."""
    key, _ = digest.keys(b"killer")
    for _ in range(4):
        bench.catalogue.begin_trials([key], DECODER)
    bench.add(b"killer")
    bench.run()
    assert bench.failures() == {"0.png": POISON.reason}
    assert bench.worker.asked == []


def png(body):
    """A file with the essence of every other of its kind, whatever *body* is."""
    chunks = b"".join(
        len(data).to_bytes(4, "big") + kind + data + bytes(4)
        for kind, data in ((b"IHDR", bytes(13)), (b"tEXt", body), (b"IDAT", b"pixels"), (b"IEND", b""))
    )
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0)])
def test_bad_copy_does_not_taint_the_good(bench, order):
    """Of files with one essence, those whose metadata breaks the decoder fail alone."""
    files = [png(b"bad"), png(b"good"), png(b"bad too")]
    assert len({digest.keys(data)[1] for data in files}) == 1
    bench.worker.refused = {files[0], files[2]}
    bench.add(*(files[number] for number in order))
    bench.run()
    good = f"{order.index(1)}.png"
    assert bench.states()[good] is State.INDEXED
    assert good not in bench.failures()


def test_bad_content_is_known(bench):
    """A content that failed is not tried again in another file, but by a newer decoder."""
    bench.worker.refused = {b"bad"}
    bench.add(b"bad")
    bench.run()
    bench.add(b"bad")
    bench.run()
    assert bench.failures() == {"0.png": "damaged", "1.png": "damaged"}
    assert bench.worker.asked == [1]
    bench.pipeline._decoder += 1
    bench.add(b"bad")
    bench.run()
    assert bench.worker.asked == [1, 1]


def test_file_that_is_gone(bench):
    """A file that cannot be found when it is to be read keeps what is known of it until its folder, and with it its disk,
    was looked at again; nobody tries it again and again meanwhile."""
    bench.add(b"a")
    (bench.root / "0.png").unlink()
    ticket = bench.catalogue.tree.ticket
    assert bench.run() == 1
    assert bench.states() == {"0.png": State.PENDING}
    assert [file.ticket for file in bench.catalogue.tree.waiting(9)] == [ticket]
    assert bench.pipeline.dirty_folders == [os.fsencode(bench.root)]


def test_file_that_is_listed_and_cannot_be_found(bench):
    """A file that its disk lists and does not open is tried again now and then, and who waits for it waits once."""
    bench.add(b"a")
    (bench.root / "0.png").unlink()
    ticket = bench.catalogue.tree.ticket
    for _ in range(2):
        bench.run()
        bench.settle.hurry(ticket)
    (waiting,) = bench.catalogue.tree.waiting(9)
    assert waiting.ticket > ticket


class Restless(FakeWorker):
    """Somebody writes each file while it is read."""

    def digest(self, paths):
        return [Moving(one.stat) for one in super().digest(paths)]


def test_file_that_never_settles(bench):
    """A file that changes whenever it is read is left alone for longer and longer; `sync` has it read at once, and takes it
    as it stands although it has changed since it was seen."""
    still, bench.pipeline._worker = bench.worker, Restless()
    bench.add(b"a")
    ticket = bench.catalogue.tree.ticket
    assert bench.run() == 1
    assert [file.ticket > ticket for file in bench.catalogue.tree.waiting(9)] == [True]
    bench.settle._quiet = 3600.0
    (bench.root / "0.png").write_bytes(b"another")
    bench.pipeline._worker = still
    assert bench.run() == 0
    bench.settle.hurry(bench.catalogue.tree.ticket)
    bench.run()
    assert bench.states() == {"0.png": State.INDEXED}


def test_doubt_survives_a_full_disk(bench, monkeypatch):
    """A file whose times are too coarse is read a second time, also when that could not be written down at first."""
    bench.pipeline._racy = [(0.0, os.fsencode(bench.root / "0.png"))]

    def full(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(bench.catalogue.tree, "doubt", full)
        with pytest.raises(OSError, match="No space"):
            bench.pipeline.read_again(at_once=True)
    assert bench.pipeline.next_again() is not None
    bench.pipeline.read_again(at_once=True)
    assert bench.pipeline.next_again() is None


def test_batches_are_bounded(bench):
    """A batch holds no more files than its limit."""
    bench.add(*(b"%d" % n for n in range(BATCH_FILES + 5)))
    bench.run()
    assert bench.worker.asked == [BATCH_FILES, 5]


def test_fill_for_another_model(bench):
    """Known pictures get a vector of another model without a new picture, file or failure."""
    bench.add(b"a", b"b")
    bench.run()
    target = bench.target("model-b")
    todo = bench.catalogue.without_vector(target.model_id, 0, 10)
    bench.pipeline.fill(target, [file for _, file in todo])
    assert (target.index.count, bench.reader.counts().pictures) == (2, 2)
    assert bench.catalogue.without_vector(target.model_id, 0, 10) == []


def test_two_models_at_once(bench):
    """A new picture gets a vector of every model that is being filled."""
    bench.pipeline.targets += (bench.target("model-b"),)
    bench.add(b"a")
    bench.run()
    assert [target.index.count for target in bench.pipeline.targets] == [1, 1]
