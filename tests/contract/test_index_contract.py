"""What an index promises: `apply`, `search`, `count`, `checkpoint`. Any implementation has to pass this suite."""

import contextlib
import json
import os
import random
from typing import Any

import numpy as np
import pytest

from kadrd.store.catalogue import Catalogue
from kadrd.store.reader import Reader
from kadrd.store.segment import nearest
from kadrd.store.shards import Index
from kadrd.values import Encoded

DIMENSION = 16
MODEL = "0123456789abcdef"


class Library:
    """A catalogue with random vectors, and the index over it."""

    def __init__(self, folder, seal_at=40, shard_size=300):
        self.catalogue_path = str(folder / "catalogue.sqlite")
        self.folder = str(folder / "shards")
        self.catalogue = Catalogue(self.catalogue_path)
        self.reader = Reader(self.catalogue_path)
        self.model_id = self.catalogue.model_id(MODEL, "tiny")
        self._random = np.random.default_rng(3)
        self._settings = {"seal_at": seal_at, "shard_size": shard_size}
        self.index = self.open()

    def open(self):
        return Index(
            folder=self.folder, catalogue=self.catalogue_path, reader=self.reader, model_id=self.model_id,
            fingerprint=MODEL, dimension=DIMENSION, **self._settings,
        )  # fmt: skip

    def reopen(self):
        self.index.close()
        self.index = self.open()

    def close(self):
        self.index.close()
        self.reader.close()
        self.catalogue.close()

    def grow(self, count):
        """Commit and apply *count* new vectors."""
        rows = []
        with self.catalogue.transaction():
            for _ in range(count):
                vector = self._random.normal(size=DIMENSION).astype(np.float32)
                encoded = Encoded(4, 4, "PNG", {MODEL: vector / np.linalg.norm(vector)})
                picture = self.catalogue.add_picture(self._random.bytes(33), encoded)
                rows.append(self.catalogue.add_vector(self.model_id, picture, encoded, MODEL))
        self.index.apply(rows)

    def truth(self):
        """(ids, vectors) of everything."""
        chunks = list(self.reader.vectors(self.model_id, 0, 2**62))
        ids = [id_ for _, some, _ in chunks for id_ in some]
        vectors = (
            np.concatenate([rows for _, _, rows in chunks])
            if chunks
            else np.empty((0, DIMENSION), np.float32)
        )
        return np.array(ids, np.int64), vectors

    def seal(self):
        """Checkpoint until nothing is left to seal."""
        self.index.checkpoint()
        while self.index.sealing:
            self.index._sealing[2].wait(45)
            self.index.checkpoint()

    def check(self):
        """Every vector finds itself, and searches agree with brute force."""
        ids, vectors = self.truth()
        assert self.index.count == len(ids)
        for id_, vector in zip(ids, vectors, strict=True):
            (best,) = self.index.search(vector, 1)
            assert (best.picture_id, best.score > 0.999) == (id_, True)
        found = wanted = 0
        for _ in range(20):
            vector = self._random.normal(size=DIMENSION).astype(np.float32)
            vector /= np.linalg.norm(vector)
            near = self.index.search(vector, 10)
            assert [n.score for n in near] == sorted((n.score for n in near), reverse=True)
            truth = {n.picture_id for n in nearest(vectors, ids, vector, 10)}
            wanted += len(truth)
            found += len(truth & {n.picture_id for n in near})
        assert found >= 0.99 * wanted


@pytest.fixture
def library(tmp_path):
    with contextlib.closing(Library(tmp_path)) as made:
        yield made


def test_empty(library):
    """An empty index answers nothing to anything."""
    vector = np.ones(DIMENSION, np.float32)
    assert (library.index.search(vector, 10), library.index.count, library.index.clock) == ([], 0, 0)
    library.seal()
    assert library.index.shards == 0


def test_what_was_applied_is_found(library):
    """A row is found as soon as `apply` is back, and `clock` is its number."""
    library.grow(3)
    library.check()
    assert library.index.clock == library.reader.last_seq(library.model_id)


def test_sealed_is_as_good_as_fresh(library):
    """Through sealing, growing and merging the index stays equal to brute force, and `count` to the catalogue."""
    for _ in range(6):
        library.grow(45)
        library.seal()
        library.check()
    assert 0 < library.index.shards < 6


def test_rows_that_come_while_sealing(library):
    """Rows applied while a shard is built are found during and after it, none twice."""
    library.grow(60)
    library.index.checkpoint()
    assert library.index.sealing
    library.grow(60)
    library.check()
    library.seal()
    library.check()


def test_reopened(library):
    """After a restart, clean or not, everything that was committed is found."""
    library.grow(100)
    library.seal()
    library.grow(7)
    library.reopen()
    library.check()
    assert library.index.shards == 1


@pytest.mark.parametrize("k", [0, 1, 5, 9, 10, 11, 1000])
def test_any_k(library, k):
    """Asked for more than there is, it gives all of it, each once."""
    library.grow(9)
    near = library.index.search(np.ones(DIMENSION, np.float32), k)
    assert len({n.picture_id for n in near}) == len(near) == min(k, 9)


def test_more_than_a_graph_reaches(library):
    """A sealed shard gives every row when asked for all, whatever its graph connects."""
    library.grow(200)
    library.seal()
    assert library.index.shards == 1
    near = library.index.search(np.ones(DIMENSION, np.float32), 10_000)
    assert len({n.picture_id for n in near}) == 200


def damage(folder, how, chance):
    manifest = os.path.join(folder, "manifest.json")
    with open(manifest, encoding="utf-8") as file:
        shards: Any = json.load(file)["shards"]
    shard = os.path.join(folder, chance.choice(shards)["file"])
    header = f"{shard}.json"
    match how:
        case "flipped":
            with open(shard, "r+b") as file:
                at = chance.randrange(os.path.getsize(shard))
                file.seek(at)
                byte = file.read(1)[0]
                file.seek(at)
                file.write(bytes((byte ^ 1 << chance.randrange(8),)))
        case "truncated":
            os.truncate(shard, chance.randrange(os.path.getsize(shard)))
        case "gone":
            os.unlink(shard)
        case "header gone":
            os.unlink(header)
        case "header cut":
            os.truncate(header, chance.randrange(os.path.getsize(header)))
        case "manifest gone":
            os.unlink(manifest)
        case "manifest cut":
            os.truncate(manifest, chance.randrange(os.path.getsize(manifest)))
        case "strange manifest":
            with open(manifest, "w", encoding="utf-8") as file:
                file.write(
                    chance.choice(
                        ["[]", "null", "7", '{"format": 99, "shards": []}', '{"format": 1, "shards": [5]}']
                    )
                )
        case "shards swapped":
            others = [os.path.join(folder, s["file"]) for s in shards if not shard.endswith(s["file"])]
            os.replace(chance.choice(others), shard)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 20))])
@pytest.mark.parametrize(
    "how",
    ["flipped", "truncated", "gone", "header gone", "header cut", "manifest gone", "manifest cut", "strange manifest",
     "shards swapped"],
)  # fmt: skip
def test_damage(library, how, seed):
    """Damage of any kind is noticed before hnswlib sees it: everything is found, and sealed again."""
    library.grow(50)
    library.seal()
    library.grow(50)
    library.seal()
    library.index.close()
    damage(library.folder, how, random.Random(f"{how}{seed}"))
    library.reopen()
    library.check()


@pytest.mark.parametrize("how", ["flipped", "manifest gone"])
def test_damage_is_mended(library, how):
    """A damaged shard is built again, and the next start finds nothing wrong."""
    library.grow(50)
    library.seal()
    library.index.close()
    damage(library.folder, how, random.Random(1))
    library.reopen()
    library.seal()
    library.check()
    library.reopen()
    assert (library.index.damaged, library.index.shards) == (0, 1)


def test_rows_that_were_forgotten(library):
    """Sealing goes on when all rows of a range were deleted from the catalogue."""
    library.grow(50)
    with library.catalogue.transaction():
        library.catalogue._run("DELETE FROM vectors")
    library.seal()
    library.grow(60)
    library.seal()
    assert library.index.shards >= 1
    library.reopen()
    assert (library.index.damaged, library.index.count) == (0, 60)


def test_merge_of_forgotten_rows(tmp_path):
    """A run of shards whose rows are all deleted does not keep later ones from being sealed."""
    with contextlib.closing(Library(tmp_path, seal_at=10, shard_size=1000)) as library:
        for _ in range(3):
            library.grow(10)
            library.seal()
        with library.catalogue.transaction():
            library.catalogue._run("DELETE FROM vectors")
        library.grow(10)
        library.seal()
        library.reopen()
        library.check()


def test_forgotten_rows_leave_their_shard(library):
    """A shard of which much was forgotten is built anew without it, and the others stay as they are."""
    library.grow(80)
    library.seal()
    (before,) = (
        library.index.files - {"manifest.json"} - {f for f in library.index.files if f.endswith(".json")}
    )
    library.index.recount()
    library.seal()
    assert before in library.index.files
    ids, _ = library.truth()
    with library.catalogue.transaction():
        library.catalogue.forget_vectors([int(id_) for id_ in ids[:30]])
    library.index.recount()
    library.seal()
    assert before not in library.index.files
    assert library.index.count == 50
    library.check()


@pytest.mark.parametrize("sealed", [True, False])
def test_rows_in_doubt(library, sealed):
    """Parts with doubtful rows answer out of the catalogue at once, with no picture twice, and are sealed anew."""
    library.grow(30)
    if sealed:
        library.grow(20)
        library.seal()
    ids, _ = library.truth()
    bad = [int(id_) for id_ in ids[3:5]]
    seqs = library.catalogue.vectors_of(bad)
    with library.catalogue.transaction():
        library.catalogue.forget_vectors(bad)
    library.index.doubt(seqs)
    library.check()
    library.seal()
    library.reopen()
    library.check()
