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

    def grow(self, count, around=0.0):
        """Commit and apply *count* new vectors, near to *around* when it is given."""
        rows = []
        with self.catalogue.transaction():
            for _ in range(count):
                vector = (around + self._random.normal(size=DIMENSION)).astype(np.float32)
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


@pytest.fixture
def mixed(library):
    """A library of two shards and a segment."""
    for _ in range(2):
        library.grow(60)
        library.seal()
    library.grow(20)
    assert library.index.shards == 2
    return library


def test_a_look_at_every_row(mixed):
    """Without a list of what is allowed, an exact search looks at all rows of all parts."""
    ids, vectors = mixed.truth()
    near = mixed.index.search_exactly(vectors[7], 20, None)
    assert [n.picture_id for n in near] == [n.picture_id for n in nearest(vectors, ids, vectors[7], 20)]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.03, 0.2, 0.5, 1.0])
def test_only_what_is_allowed(mixed, share):
    """An exact search gives the nearest of the allowed pictures, few or many, and none that it does not hold."""
    ids, vectors = mixed.truth()
    chance = np.random.default_rng(round(100 * share))
    chosen = np.sort(chance.permutation(len(ids))[: round(share * len(ids))])
    allowed = np.unique([0, *ids[chosen], ids[-1] + 1, 2**40])
    near = mixed.index.search_exactly(vectors[3], 10, allowed)
    truth = nearest(vectors[chosen], ids[chosen], vectors[3], 10)
    assert [n.picture_id for n in near] == [n.picture_id for n in truth]
    assert [n.score for n in near] == pytest.approx([n.score for n in truth], abs=1e-5)


def test_the_nearest_in_one_part(library):
    """Pictures of one journey lie in one shard: when all of the nearest do, none of them is left out."""
    place = np.zeros(DIMENSION, np.float32)
    place[0] = 8
    for around in (-place, place, -place):
        library.grow(300, around)
        library.seal()
    library.grow(10, -place)
    assert library.index.shards == 3
    ids, vectors = library.truth()
    for k in (10, 100, 250):
        near = library.index.search(place / 8, k)
        truth = nearest(vectors, ids, place / 8, k)
        found = {n.picture_id for n in near} & {n.picture_id for n in truth}
        assert (len(near), len(found) >= 0.99 * k) == (k, True)


@pytest.mark.parametrize("which", [[0, 70, 130], range(140), [], [0, 0]])
def test_vectors_of_pictures(mixed, which):
    """The vectors of pictures come by id, each once; a picture that is not there is left out."""
    ids, vectors = mixed.truth()
    asked = np.array([2**40, *ids[list(which)][::-1]], np.int64)
    found, rows = mixed.index.vectors_of(asked)
    order = np.unique(np.array(which, np.int64))
    assert found.tolist() == ids[order].tolist()
    assert rows.shape == (len(order), DIMENSION)
    assert np.allclose(rows, vectors[order], atol=1e-6)


def test_a_sample(mixed):
    """A sample draws each picture once, from every part, and the same ones for the same seed; all when there are few."""
    _, vectors = mixed.truth()
    rows = mixed.index.sample(90, 5)
    drawn = np.argmax(rows @ vectors.T, axis=1)
    assert len(set(drawn.tolist())) == len(rows) == 90
    assert {int(number) // 60 for number in drawn} == {0, 1, 2}
    assert np.array_equal(rows, mixed.index.sample(90, 5))
    assert not np.array_equal(rows, mixed.index.sample(90, 6))
    assert len(mixed.index.sample(1000, 5)) == 140


def test_a_sample_of_nothing(library):
    """An empty index gives no vectors, of the right width."""
    assert (
        library.index.sample(10, 1).shape
        == library.index.vectors_of(np.array([3]))[1].shape
        == (0, DIMENSION)
    )
    assert library.index.search_exactly(np.ones(DIMENSION, np.float32), 5, None) == []


def test_a_lost_cache(tmp_path, monkeypatch):
    """When all shards are lost they are built one after the other, and what is done is kept over a restart."""
    monkeypatch.setattr("kadrd.store.reader.ROWS_A_FETCH", 50)
    with contextlib.closing(Library(tmp_path, seal_at=40, shard_size=100)) as library:
        library.grow(320)
        library.reopen()
        library.check()
        assert library.index.damaged == 0
        for done in (1, 2):
            library.index.checkpoint()
            library.index._sealing[2].wait(45)
            library.index.checkpoint()
            library.reopen()
            library.check()
            assert library.index.shards == done
        library.grow(30)
        library.check()
        library.seal()
        library.reopen()
        library.check()
        assert library.index.shards == 4


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
    assert (library.index.count, library.index.search(np.ones(DIMENSION, np.float32), 5)) == (0, [])
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
