"""A new catalogue out of a damaged one: what proves itself is kept under its old numbers, and nothing else."""

import contextlib
import os
import random
import sqlite3
import struct
from pathlib import Path

import numpy as np
import pytest

from kadrd.store import durable, roots_copy, salvage, schema
from kadrd.store.catalogue import Catalogue
from kadrd.store.pages import Pages
from kadrd.store.reader import Reader
from kadrd.values import Encoded, Skipped, Stat

MODELS = {"a" * 32: "tiny", "b" * 32: "other"}
PICTURES = 120


def key(number):
    return b"e" + number.to_bytes(32)


def unit(seed, size):
    row = np.random.default_rng(seed).normal(size=size).astype(np.float32)
    return row / np.linalg.norm(row)


def fill(catalogue, first=0, count=PICTURES, dimension=512):
    """Pictures with a vector of each model, a file each, and a failure."""
    numbers = [catalogue.model_id(fingerprint, name) for fingerprint, name in MODELS.items()]
    with catalogue.transaction():
        catalogue.set("serving", "a" * 32)
        if not catalogue.tree.roots():
            catalogue.tree.add_root(b"/r", 7, 11)
        folder = catalogue.tree.add_folder(catalogue.tree.roots()[0].id, b"/r")
        for n in range(first, first + count):
            encoded = Encoded(40 + n, 30, "PNG", {f: unit(n, dimension) for f in MODELS})
            picture = catalogue.add_picture(key(n), encoded)
            for fingerprint, number in zip(MODELS, numbers, strict=True):
                catalogue.add_vector(number, picture, encoded, fingerprint)
            stat = Stat(1, n, n, n)
            (file,) = catalogue.tree.add_files(folder.id, [(f"{n}.png".encode(), stat)])
            catalogue.indexed(file, stat, picture, b"f" + key(n)[1:])
        catalogue.remember_failure(b"x" * 33, 1, Skipped("damaged", "It is damaged."))


def content(path):
    """All that a salvage has to keep, with the numbers that shards know it by."""
    sql = (
        "SELECT seq, pictures.id, fingerprint, essence_key, width, height, format, vector FROM vectors "
        "JOIN pictures ON pictures.id = picture_id JOIN models ON models.id = model_id"
    )
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return set(connection.execute(sql))


@pytest.fixture
def path(tmp_path):
    path = str(tmp_path / "state" / "catalogue.sqlite")
    with contextlib.closing(Catalogue(path)) as catalogue:
        fill(catalogue)
    return path


def flip(path, at, bits=0xFF):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ bits]))


def salvaged(path, above=0):
    """Salvage, and the new catalogue opens and is whole."""
    done = salvage.salvage(path, MODELS, above)
    with contextlib.closing(Catalogue(path)), contextlib.closing(Reader(path)) as reader:
        assert reader.damage() == ""
        assert list(reader.unproven_vectors()) == []
    return done


def test_whole(path):
    """Of a catalogue that is whole every vector and picture is kept under its numbers, and no file."""
    before = content(path)
    done = salvaged(path)
    assert content(path) == before
    assert (done.vectors, done.roots) == (2 * PICTURES, 1)
    assert os.path.exists(done.aside)
    with contextlib.closing(Catalogue(path)) as catalogue:
        assert catalogue.setting("serving") == "a" * 32
        assert [root.path for root in catalogue.tree.roots()] == [b"/r"]
        assert catalogue.tree.folder(b"/r") is None
        assert catalogue.same_content(schema_digest(), 1).skipped.reason == "damaged"
        assert catalogue.last_seq() >= 1 << 32


def schema_digest():
    from kadrd.values import Digest

    return Digest(b"x" * 33, b"?", Stat(1, 1, 1, 1))


@pytest.mark.parametrize("dimension", [4, 768, 3000])
def test_any_length_of_vectors(tmp_path, dimension):
    """Rows that fill many pages, or a small part of one, are read as SQLite wrote them."""
    path = str(tmp_path / "catalogue.sqlite")
    with contextlib.closing(Catalogue(path)) as catalogue:
        fill(catalogue, count=20, dimension=dimension)
    before = content(path)
    salvaged(path)
    assert content(path) == before


def test_in_the_wal(path):
    """What only the WAL holds is kept as well."""
    catalogue = Catalogue(path)
    fill(catalogue, first=PICTURES, count=30)
    before = content(path)
    stolen = {part: Path(path + part).read_bytes() for part in ("", "-wal")}
    catalogue.close()
    for part, data in stolen.items():
        Path(path + part).write_bytes(data)
    salvaged(path)
    assert content(path) == before
    assert len(before) == 2 * (PICTURES + 30)


@pytest.mark.parametrize("seed", range(12))
def test_damaged_anywhere(path, seed):
    """Whatever bytes are changed, what comes out is a part of what was in, and most of it."""
    chance, before = random.Random(seed), content(path)
    for _ in range(8):
        flip(path, chance.randrange(os.path.getsize(path)), chance.randrange(1, 256))
    salvaged(path)
    after = content(path)
    assert after <= before
    assert len(after) > 0.8 * len(before)


@pytest.mark.parametrize("share", [0, 0.3, 0.7, 0.99])
def test_truncated(path, share):
    """Of a file that ends early the vectors whose picture is known up to there are kept, and the roots in any case."""
    catalogue = Catalogue(path)
    for batch in range(4):  # as they grow: pictures and vectors in turn
        fill(catalogue, first=PICTURES * (batch + 1))
        catalogue._run("PRAGMA wal_checkpoint(TRUNCATE)")
    catalogue.close()
    before = content(path)
    os.truncate(path, int(os.path.getsize(path) * share))
    done = salvaged(path)
    assert content(path) <= before
    assert done.roots == 1
    assert done.vectors >= 0.7 * share * len(before) - 2 * PICTURES


def test_header_and_schema_gone(path):
    """Without the first page, in which SQLite says what the file is, every vector is kept."""
    before = content(path)
    with open(path, "r+b") as file:
        file.write(b"\0" * schema.PAGE_SIZE)
    salvaged(path)
    assert content(path) == before


def test_model_by_its_vectors(path):
    """Vectors find their model again when the list of models is lost: their checksum tells."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("DELETE FROM models")
    connection.close()
    done = salvaged(path)
    assert done.vectors == 2 * PICTURES


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE vectors SET vector = zeroblob(length(vector)) WHERE picture_id = 5",
        "UPDATE vectors SET vector = (SELECT vector FROM vectors AS o WHERE picture_id = 6) WHERE picture_id = 5",
        "UPDATE vectors SET checksum = NULL WHERE picture_id = 5",
        "UPDATE pictures SET essence_key = randomblob(33) WHERE id = 5",
        "UPDATE pictures SET width = 1 WHERE id = 5",
        "UPDATE vectors SET seq = seq + 100000 WHERE picture_id = 5",
    ],
)
def test_not_proven(path, change):
    """A vector that may not be the picture's own is dropped, and the picture with it; no other is."""
    with sqlite3.connect(path) as connection:
        connection.execute(change)
    connection.close()
    with contextlib.closing(Reader(path)) as reader:
        if "NULL" not in change:
            assert set(reader.unproven_vectors()) == {5}
    salvaged(path)
    kept = {row[1] for row in content(path)}
    assert kept == set(range(1, PICTURES + 1)) - {5}


def test_numbers_are_never_given_again(path):
    """A new picture gets numbers that no shard can know, also after a second salvage and when nothing was left."""
    salvaged(path)
    with contextlib.closing(Catalogue(path)) as catalogue:
        fill(catalogue, first=500, count=1)
    first = max(content(path))
    assert first[0] > 1 << 32
    assert first[1] > 1 << 32
    salvaged(path)
    assert max(content(path)) == first
    with contextlib.closing(Catalogue(path)) as catalogue:
        fill(catalogue, first=600, count=1)
        highest = catalogue.last_seq()
    assert highest > 2 << 32
    with open(path, "wb"):
        pass
    salvaged(path, above=highest)
    with contextlib.closing(Catalogue(path)) as catalogue:
        assert catalogue.last_seq() > highest


def test_roots_without_their_copy(path):
    """When the copy of the list of roots is damaged too, the catalogue's own rows are taken."""
    with open(roots_copy.place(path), "r+b") as file:
        file.write(b"{?")
    assert salvaged(path).roots == 1


def test_nothing_left(path):
    """When roots cannot be read anywhere, there are none, and a sentence says so."""
    os.unlink(roots_copy.place(path))
    with open(path, "wb") as file:
        file.write(b"shopping list\n" * 1000)
    done = salvaged(path)
    assert (done.vectors, done.roots) == (0, 0)
    assert "add them again" in done.sentence


def test_two_damaged_files_are_kept(path, monkeypatch):
    """Damaged files are moved aside with their time; the two newest are kept."""
    for number in range(4):
        monkeypatch.setattr(salvage.time, "strftime", lambda _, n=number: f"20260101-00000{n}")
        salvaged(path)
    folder = os.path.dirname(path)
    assert sorted(name for name in os.listdir(folder) if "damaged" in name) == [
        "catalogue.sqlite.damaged-20260101-000002",
        "catalogue.sqlite.damaged-20260101-000003",
    ]


@pytest.mark.parametrize("gone", [(), ("-wal",), ("-wal", "-shm"), ("-wal", "-shm", "")])
def test_killed_on_the_way(path, gone):
    """A complete new catalogue takes its place at the next start, however far the last one came."""
    before = content(path)
    for part in ("-wal", "-shm"):
        with open(path + part, "wb") as file:
            file.write(b"of the damaged one")
    fresh = f"{path}.salvaged"
    with contextlib.closing(Catalogue(os.path.join(os.path.dirname(path), "b", "x"))) as other:
        fill(other, count=3)
    os.rename(os.path.join(os.path.dirname(path), "b", "x"), fresh)
    for part in gone:
        os.rename(path + part, f"{path}.damaged-20200101-000000{part}")
    salvage.finish(path)
    assert len(content(path)) == 6
    assert len(before) > 6
    assert not os.path.exists(fresh)
    assert salvage.finish(path) == ""


@pytest.mark.parametrize("seed", range(4))
def test_rows_of_nonsense(tmp_path, seed):
    """Bytes that look like pages and are none give no error and no row that counts."""
    path, chance = str(tmp_path / "catalogue.sqlite"), random.Random(seed)
    heads = (struct.pack(">BHHHB", chance.choice((2, 10, 13)), 0, 500, 0, 0) for _ in range(50))
    Path(path).write_bytes(b"".join(head + chance.randbytes(4088) for head in heads))
    with contextlib.closing(Pages(path)) as pages:
        list(pages.rows(set(range(20)), set(range(20))))
    assert salvaged(path).vectors == 0


def wal_kept(path, change):
    """Do *change* to the catalogue and leave it as a kill does, its last transactions in the WAL."""
    catalogue = Catalogue(path)
    with catalogue.transaction():
        change(catalogue.tree)
    stolen = {part: Path(path + part).read_bytes() for part in ("", "-wal")}
    catalogue.close()
    for part, data in stolen.items():
        Path(path + part).write_bytes(data)


def roots_salvaged(path):
    """What comes out when the copy of the list of roots is gone too."""
    os.unlink(roots_copy.place(path))
    salvaged(path)
    with contextlib.closing(Catalogue(path)) as catalogue:
        return {root.path for root in catalogue.tree.roots()}


def test_removed_roots_stay_removed(path):
    """A folder that was removed is not watched again when the rows are taken for want of the copy."""
    with contextlib.closing(Catalogue(path)) as catalogue, catalogue.transaction():
        catalogue.tree.add_root(b"/removed", 7, 12)

    def remove(tree):
        tree.remove_root(next(root.id for root in tree.roots() if root.path == b"/removed"))

    wal_kept(path, remove)
    assert roots_salvaged(path) == {b"/r"}


@pytest.mark.parametrize("in_wal", [False, True])
def test_many_roots_without_their_copy(path, in_wal):
    """Folders whose rows fill several pages are all watched again, whether or not one was added last."""
    long = {b"/" + b"x" * 200 + b"%d" % number for number in range(60)}
    with contextlib.closing(Catalogue(path)) as catalogue, catalogue.transaction():
        for number, root in enumerate(long):
            catalogue.tree.add_root(root, 7, 100 + number)
    if in_wal:
        wal_kept(path, lambda tree: tree.add_root(b"/last", 7, 99))
    assert roots_salvaged(path) == long | {b"/r"} | ({b"/last"} if in_wal else set())


def test_file_that_shrinks_while_it_is_read(path):
    """Pages that are gone, or that the disk does not give, are left out, and the rest is read."""
    with contextlib.closing(Pages(path)) as pages:
        everything = sum(1 for _ in pages.rows(set(range(20))))
        os.truncate(path, os.path.getsize(path) // 2)
        half = sum(1 for _ in pages.rows(set(range(20))))
        os.truncate(path, 0)
        nothing = sum(1 for _ in pages.rows(set(range(20))))
    assert everything > half > nothing == 0


def test_full_disk(path, monkeypatch):
    """A disk without room for the new catalogue is told, nothing is left on it, and the next try works."""
    before = content(path)
    monkeypatch.setattr(durable, "_passed", {})
    monkeypatch.setenv("KADR_FAULT", "enospc:publish-before-rename@catalogue.sqlite.salvaged")
    with pytest.raises(OSError, match="No space"):
        salvage.salvage(path, MODELS, 0)
    assert sorted(os.listdir(os.path.dirname(path))) == ["catalogue.sqlite", "roots.json"]
    monkeypatch.delenv("KADR_FAULT")
    salvaged(path)
    assert content(path) == before


def test_says_how_far_it_is(path, monkeypatch, caplog):
    """Whoever waits for a large catalogue reads in the log that it goes on."""
    monkeypatch.setattr(salvage, "TELL_SECONDS", 0)
    with caplog.at_level("INFO"):
        salvaged(path)
    assert "looking for vectors" in caplog.text
