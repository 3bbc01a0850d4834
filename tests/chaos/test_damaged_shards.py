"""Shards are derived: sealed, merged, damaged, lost. The catalogue makes them up, and nothing is encoded again."""

import contextlib
import json
import os
import random
import shutil

import numpy as np
import pytest

from kadr.protocol.messages import Similar
from kadrd.store.catalogue import Catalogue
from kadrd.store.reader import Reader
from kadrd.store.shards import Index
from kadrd.values import Encoded

SMALL = {"index": {"seal_at": 50, "shard_size": 400}}


@pytest.fixture
def sealed(launch, pictures, tmp_path):
    """A daemon whose vectors lie in one shard and a rest, and its root."""
    root = tmp_path / "root"
    pictures.many(root, 130, (".bmp",))
    daemon = launch(**SMALL)
    daemon.add(root)
    daemon.sync()
    daemon.generation(bool)
    daemon.check()
    return daemon


def test_sealed_and_merged(launch, pictures, tmp_path):
    """Full buffers become shards, runs of small shards become one, and all survive a restart without an encode."""
    daemon = launch(**SMALL)
    root = tmp_path / "root"
    root.mkdir()
    daemon.add(root)
    files = []
    for number in range(5):
        files += pictures.many(root / str(number), 60, (".bmp",))
        daemon.sync()
        wanted = 60 * (number + 1)
        # A rest smaller than seal_at may stay behind: a batch that was committed while the shard was built.
        daemon.generation(
            lambda shards, wanted=wanted: shards[-1]["upto"] > wanted - SMALL["index"]["seal_at"]
        )
    daemon.generation(lambda shards: len(shards) < 5)
    daemon.shows(*files)
    before = daemon.status()
    daemon.restart()
    daemon.shows(*files)
    after = daemon.status()
    assert (after["encodes"], after["vectors"], after["shards"]) == (0, before["vectors"], before["shards"])


def damage(folder, how):
    manifest = folder / "manifest.json"
    shard = folder / json.loads(manifest.read_text())["shards"][0]["file"]
    header = folder / f"{shard.name}.json"
    chance = random.Random(how)
    match how:
        case "flipped":
            data = bytearray(shard.read_bytes())
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            shard.write_bytes(data)
        case "truncated":
            os.truncate(shard, chance.randrange(shard.stat().st_size))
        case "emptied":
            shard.write_bytes(b"")
        case "gone":
            shard.unlink()
        case "no header":
            header.unlink()
        case "bad header":
            header.write_text('{"format": 1}')
        case "header of another model":
            header.write_text(json.dumps(json.loads(header.read_text()) | {"model": "other"}))
        case "no manifest":
            manifest.unlink()
        case "bad manifest":
            manifest.write_bytes(manifest.read_bytes()[:-9])
        case "manifest with a gap":
            text = json.loads(manifest.read_text())
            text["shards"][0]["after"] = 7
            manifest.write_text(json.dumps(text))
        case "no folder":
            shutil.rmtree(folder)
        case "strange files":
            (folder / "0-1-leftover.shard").write_bytes(b"left by a crash")
            (folder / "0-1-leftover.shard.tmp").write_bytes(b"")


@pytest.mark.parametrize(
    "how",
    [
        "flipped",
        "bad manifest",
        *(
            pytest.param(how, marks=pytest.mark.slow)
            for how in ("truncated", "emptied", "gone", "no header", "bad header", "header of another model")
        ),
        *(
            pytest.param(how, marks=pytest.mark.slow)
            for how in ("no manifest", "manifest with a gap", "no folder", "strange files")
        ),
    ],
)
def test_damaged_shard(sealed, how):
    """Whatever happened to shards or manifest while it was down, everything is found at once and sealed again,
    without an encode."""
    files = sealed.found()
    sealed.stop()
    (before,) = json.loads((sealed.home.shards / "manifest.json").read_text())["shards"]
    damage(sealed.home.shards, how)
    sealed.start()
    assert sealed.found() == files
    sealed.generation(
        lambda shards: bool(shards) and (how == "strange files" or shards[0]["file"] != before["file"])
    )
    sealed.check()
    status = sealed.status()
    assert (status["encodes"], status["vectors"]) == (0, 130)
    assert status["shards"] >= 1
    rows = sealed.ask(Similar(os.fsencode(files[5]), 1)).rows
    assert rows[0]["path"] == os.fsencode(files[5])


@pytest.mark.timeout(600)
@pytest.mark.parametrize("times", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_restarts_find_nothing_to_mend(sealed, times):
    """A healthy index is taken as it is at every start."""
    before = json.loads((sealed.home.shards / "manifest.json").read_text())
    for _ in range(times):
        sealed.restart()
        assert not any("rebuilding" in line for line in sealed.log)
    sealed.check()
    assert json.loads((sealed.home.shards / "manifest.json").read_text()) == before


def test_state_that_cannot_be_written(sealed):
    """Shards that cannot be written cost nothing but speed: the rows go on being searched exactly."""
    files = sealed.found()
    sealed.stop()
    folder = sealed.home.shards
    shutil.rmtree(folder)
    folder.write_bytes(b"a file in the folder's place")
    done = sealed.home.run("run")
    assert done.returncode == 4
    assert "Traceback" not in done.stderr
    folder.unlink()
    sealed.start()
    assert sealed.found() == files


# In one process, with real files and the real hnswlib: what the header's checksum keeps from it

MODEL, DIMENSION = "0123456789abcdef", 16


class Shelf:
    """A catalogue with sealed shards of its vectors."""

    def __init__(self, top, rows, seal_at):
        self.top, self.seal_at = top, seal_at
        with contextlib.closing(Catalogue(str(top / "catalogue.sqlite"))) as catalogue:
            model = catalogue.model_id(MODEL, "tiny")
            chance = np.random.default_rng(3)
            for first in range(0, rows, seal_at):
                with catalogue.transaction():
                    for _ in range(first, min(first + seal_at, rows)):
                        vector = chance.normal(size=DIMENSION).astype(np.float32)
                        encoded = Encoded(4, 4, "PNG", {MODEL: vector / np.linalg.norm(vector)})
                        catalogue.add_vector(
                            model, catalogue.add_picture(chance.bytes(33), encoded), encoded, MODEL
                        )
                with self.open(top / "shards") as index:
                    seal(index)

    @contextlib.contextmanager
    def open(self, folder):
        catalogue = str(self.top / "catalogue.sqlite")
        with contextlib.closing(Reader(catalogue)) as reader:
            index = Index(
                folder=str(folder), catalogue=catalogue, reader=reader, model_id=1, fingerprint=MODEL, dimension=DIMENSION,
                seal_at=self.seal_at, shard_size=4 * self.seal_at,
            )  # fmt: skip
            with contextlib.closing(index):
                yield index

    def check(self, index):
        """Every vector finds itself."""
        with contextlib.closing(Reader(str(self.top / "catalogue.sqlite"))) as reader:
            for _, ids, rows in reader.vectors(1, 0, 2**62):
                for id_, row in zip(ids, rows, strict=True):
                    (best,) = index.search(row, 1)
                    assert (best.picture_id, best.score > 0.999) == (id_, True)


def seal(index):
    index.checkpoint()
    while index.sealing:
        index._sealing[2].wait(45)
        index.checkpoint()


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    return Shelf(tmp_path_factory.mktemp("shelf"), 90, 30)


def hurt(folder, chance, *, cut):
    """Change one byte of one of the index's files, or let it end early."""
    file = chance.choice(sorted(folder.iterdir()))
    at = chance.randrange(file.stat().st_size)
    if cut:
        os.truncate(file, at)
        return f"{file.name} cut at {at}"
    data = bytearray(file.read_bytes())
    data[at] ^= chance.randrange(1, 256)
    file.write_bytes(data)
    return f"{file.name} byte {at}"


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("share", [20, pytest.param(1, marks=pytest.mark.slow)])
def test_any_byte_of_a_shard(shelf, tmp_path, cut, share):
    """500 changed bytes and 50 files that end early: never a crash, everything is found at once, what is damaged is
    noticed, and built again from the catalogue.
    """
    noticed = 0
    for seed in range((50 if cut else 500) // share):
        folder = tmp_path / str(seed)
        shutil.copytree(shelf.top / "shards", folder)
        said = hurt(folder, random.Random(f"{seed} {cut}"), cut=cut)
        with shelf.open(folder) as index:
            assert index.count == 90, f"seed {seed}: {said}"
            shelf.check(index)
            if index.damaged or not index.shards:
                noticed += 1
                seal(index) if seed % 10 == 0 else None
                assert seed % 10 or (index.damaged == 0 and index.shards), f"seed {seed}: {said}"
            else:  # a manifest or header that says the same in other bytes
                assert ".json" in said, f"seed {seed}: {said}"
        shutil.rmtree(folder)
    print(f"{noticed} noticed and stood in for")


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_tiny_shards(tmp_path, rows, caplog):
    """Shards of one, two and three rows are taken as they are, start after start."""
    shelf = Shelf(tmp_path, rows, rows)
    before = sorted((file.name, file.read_bytes()) for file in (tmp_path / "shards").iterdir())
    for _ in range(20):
        with shelf.open(tmp_path / "shards") as index:
            seal(index)
            assert (index.shards, index.damaged, index.count) == (1, 0, rows)
            shelf.check(index)
    assert sorted((file.name, file.read_bytes()) for file in (tmp_path / "shards").iterdir()) == before
    assert "rebuilding" not in caplog.text


def test_sealing_that_fails_strangely(shelf, tmp_path):
    """Whatever hnswlib raises when a shard is loaded, sealing rests, its files go, and the rows are searched exactly."""
    with shelf.open(tmp_path / "shards") as index:
        index.checkpoint()
        _, name, child = index._sealing
        assert child.wait(45) == 0
        header = tmp_path / "shards" / f"{name}.json"
        # More memory than any machine has.
        header.write_text(json.dumps(json.loads(header.read_text()) | {"count": 1 << 58}))
        for _ in range(3):
            index.checkpoint()
        assert not index.sealing
        assert os.listdir(tmp_path / "shards") == []
        shelf.check(index)


def test_forgotten_rows_are_no_damage(tmp_path):
    """A damaged shard of which every picture was forgotten is not called damaged for ever."""
    shelf = Shelf(tmp_path, 30, 30)
    with (
        contextlib.closing(Catalogue(str(tmp_path / "catalogue.sqlite"))) as catalogue,
        catalogue.transaction(),
    ):
        catalogue.forget_vectors(range(1, 31))
    (shard,) = (tmp_path / "shards").glob("*.shard")
    os.truncate(shard, 10)
    with shelf.open(tmp_path / "shards") as index:
        index.checkpoint()
        assert (index.sealing, index.damaged, index.count) == (False, 0, 0)
