"""The truth: transactions, old versions of the file, and what a scan, a worker and a reader ask of it."""

import contextlib
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from kadrd.store import schema
from kadrd.store.catalogue import Catalogue
from kadrd.store.reader import Reader
from kadrd.values import Digest, Encoded, Skipped, Stat, State

GOLDEN = Path(__file__).parents[2] / "golden" / "catalogue"
STAT = Stat(1, 2, 3, 4)
KEY = "f" * 32


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "catalogue.sqlite")


@pytest.fixture
def catalogue(path):
    with contextlib.closing(Catalogue(path)) as made:
        yield made


@pytest.fixture
def reader(catalogue, path):
    with contextlib.closing(Reader(path)) as made:
        yield made


@pytest.fixture
def folder(catalogue):
    with catalogue.transaction():
        catalogue.tree.add_root(b"/r", 1, 1)
        return catalogue.tree.add_folder(catalogue.tree.roots()[0].id, b"/r")


def encoded(seed=0):
    row = np.random.default_rng(seed).normal(size=8).astype(np.float32)
    return Encoded(4, 3, "PNG", {KEY: row / np.linalg.norm(row)})


@pytest.mark.parametrize("version", range(1, len(schema.MIGRATIONS) + 1))
def test_golden(tmp_path, version):
    """A catalogue of every released version opens, keeps all that it held, and is of the newest version then."""
    path = tmp_path / "catalogue.sqlite"
    shutil.copy(GOLDEN / f"v{version}.sqlite", path)
    with (
        contextlib.closing(Catalogue(str(path))) as catalogue,
        contextlib.closing(Reader(str(path))) as reader,
    ):
        assert catalogue.setting("serving") == KEY
        ((root, count),) = reader.roots()
        assert (root.path, count) == (b"/pictures", 3)
        files = reader.files_under(root.id)
        assert {name: file.state for name, file in files.items()} == {
            b"/pictures/a.jpg": State.INDEXED,
            b"/pictures/not-utf-8-\xff.png": State.INDEXED,
            b"/pictures/bad.gif": State.FAILED,
        }
        assert files[b"/pictures/a.jpg"].file_key == b"\x01first"
        assert list(reader.vector_of_file(b"/pictures/a.jpg", 1)) == [1, 0, 0, 0]
        assert reader.failures(9) == [(b"/pictures/bad.gif", "damaged", "It is damaged.")]
        assert catalogue._run("PRAGMA user_version").fetchone()[0] == len(schema.MIGRATIONS)
        assert reader.damage() == ""


def test_all_or_nothing(catalogue, reader, folder):
    """A transaction that is broken off leaves nothing behind, and the next one works."""

    def broken_off():
        with catalogue.transaction():
            catalogue.tree.add_files(folder.id, [(b"a.jpg", STAT)])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken_off()
    assert reader.counts().files == 0
    with catalogue.transaction():
        catalogue.tree.add_files(folder.id, [(b"a.jpg", STAT)])
    assert reader.counts().files == 1


def test_readers_cannot_write(catalogue, reader):
    """A reader's connection refuses every change."""
    with pytest.raises(sqlite3.OperationalError):
        reader._ask("DELETE FROM settings")


def test_path_with_signs(tmp_path):
    """A catalogue in a folder whose name means something in a URI is read."""
    path = str(tmp_path / "a?b#c%20" / "catalogue.sqlite")
    with contextlib.closing(Catalogue(path)), contextlib.closing(Reader(path)) as reader:
        assert reader.counts().files == 0


def test_same_file_is_known_by_its_stat(catalogue, folder):
    """A file with the inode, size and both times of a known one shows its picture; one that differs does not."""
    with catalogue.transaction():
        old, same, other = catalogue.tree.add_files(
            folder.id, [(b"old", STAT), (b"same", STAT), (b"other", STAT._replace(ctime_ns=9))]
        )
        picture = catalogue.add_picture(b"e", encoded())
        catalogue.indexed(old, STAT, picture, b"k")
    waiting = {w.file_id: w for w in catalogue.tree.waiting(9)}
    with catalogue.transaction():
        assert catalogue.same_file(waiting[same]).picture_id == picture
        assert catalogue.same_file(waiting[other]) is None


def test_same_content(catalogue, folder):
    """A content is known by its file key, by its essence, or by a failure that this decoder met."""
    with catalogue.transaction():
        (file,) = catalogue.tree.add_files(folder.id, [(b"a", STAT)])
        picture = catalogue.add_picture(b"essence", encoded())
        catalogue.indexed(file, STAT, picture, b"key")
        catalogue.remember_failure(b"bad", 3, Skipped("damaged", "So."))
    assert catalogue.same_content(Digest(b"key", b"?", STAT), 3).picture_id == picture
    assert catalogue.same_content(Digest(b"?", b"essence", STAT), 3).picture_id == picture
    assert catalogue.same_content(Digest(b"bad", b"?", STAT), 3).skipped == Skipped("damaged", "So.")
    assert catalogue.same_content(Digest(b"bad", b"?", STAT), 4) is None
    assert catalogue.same_content(Digest(b"?", b"?", STAT), 3) is None


def test_trials(catalogue):
    """Tries are counted for a content and a decoder, doubled by blame, and ended."""
    catalogue.begin_trials([b"a", b"b"], 1)
    with catalogue.transaction():
        catalogue.blame([b"a"])
        catalogue.end_trials([b"b"])
    assert (catalogue.tries(b"a", 1), catalogue.tries(b"b", 1), catalogue.tries(b"a", 2)) == (2, 0, 0)
    catalogue.begin_trials([b"a"], 2)
    assert catalogue.tries(b"a", 2) == 1


def test_vector_is_kept_once(catalogue, folder):
    """A second vector of the same picture and model is not taken."""
    model = catalogue.model_id(KEY, "tiny")
    with catalogue.transaction():
        picture = catalogue.add_picture(b"e", encoded())
        assert catalogue.add_vector(model, picture, encoded(), KEY).picture_id == picture
        assert catalogue.add_vector(model, picture, encoded(1), KEY) is None


def test_orphans_are_kept_for_a_while(catalogue, reader, folder):
    """The vector of a picture whose files are gone stays until its time is over; its return saves it."""
    model = catalogue.model_id(KEY, "tiny")
    with catalogue.transaction():
        (file,) = catalogue.tree.add_files(folder.id, [(b"a", STAT)])
        picture = catalogue.add_picture(b"e", encoded())
        catalogue.add_vector(model, picture, encoded(), KEY)
        catalogue.indexed(file, STAT, picture, b"k")
        catalogue.tree.forget([file])
        assert catalogue.sweep_pictures(keep_days=30) == 0
    assert reader.count_vectors(model) == 1
    with catalogue.transaction():
        (file,) = catalogue.tree.add_files(folder.id, [(b"b", STAT)])
        catalogue.indexed(file, STAT, picture, b"k")
        assert catalogue.sweep_pictures(keep_days=-1) == 0
        catalogue.tree.forget([file])
        assert catalogue.sweep_pictures(keep_days=-1) == 1
    assert reader.count_vectors(model) == 0


def test_folder_gone_spares_its_neighbours(catalogue, folder):
    """When a folder goes, the files in and below it are missing, and those of folders with a like name are not."""
    tree = catalogue.tree
    with catalogue.transaction():
        for name in (b"a", b"a/b", b"ab", b"a0", b"a.b"):
            known = tree.add_folder(folder.root_id, b"/r/" + name)
            tree.add_files(known.id, [(b"x.jpg", STAT)])
        tree.folder_gone(b"/r/a", folder.root_id)
    missing = {name for name in (b"a", b"a/b", b"ab", b"a0", b"a.b")
               if tree.folder(b"/r/" + name).files[b"x.jpg"].state is State.MISSING}  # fmt: skip
    assert missing == {b"a", b"a/b"}


def test_vectors_survive_packing():
    """Half precision moves a unit vector by less than 0.0005 in cosine and leaves it a unit vector."""
    from kadrd.store.vectors import packed, unpacked

    row = np.random.default_rng(1).normal(size=512).astype(np.float32)
    row /= np.linalg.norm(row)
    back = unpacked(packed(row))
    assert abs(float(row @ back) - 1) < 0.0005
    assert abs(float(np.linalg.norm(back)) - 1) < 1e-5
