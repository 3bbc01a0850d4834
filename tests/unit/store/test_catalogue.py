"""The truth: transactions, old versions of the file, and what a scan, a worker and a reader ask of it."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from kadrd.store import roots_copy, salvage, schema
from kadrd.store.catalogue import Catalogue
from kadrd.store.reader import Reader
from kadrd.values import Digest, Encoded, Facts, Skipped, Stat, State

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
        reader.ask("DELETE FROM settings")


def test_path_with_signs(tmp_path):
    """A catalogue in a folder whose name means something in a URI is read."""
    path = str(tmp_path / "a?b#c%20" / "catalogue.sqlite")
    with contextlib.closing(Catalogue(path)), contextlib.closing(Reader(path)) as reader:
        assert reader.counts().files == 0


def test_same_file_is_known_by_its_stat(catalogue, folder):
    """A file with the inode, size, both times and sidecars of a known one shows its picture; one that differs does not."""
    with catalogue.transaction():
        old, same, other, beside = catalogue.tree.add_files(
            folder.id,
            [(b"old", STAT), (b"same", STAT), (b"other", STAT._replace(ctime_ns=9)), (b"beside", STAT)],
        )
        catalogue.tree.files_beside([(beside, 5)])
        picture = catalogue.add_picture(b"e", encoded())
        catalogue.indexed(old, STAT, picture, b"k")
    waiting = {w.file_id: w for w in catalogue.tree.waiting(9)}
    assert catalogue.same_file(waiting[same]) is None  # what it says was never read
    with catalogue.transaction():
        catalogue.facts.put(old, Facts(), None)
    known = catalogue.same_file(waiting[same])
    assert (known.picture_id, known.file_id) == (picture, old)
    assert catalogue.same_file(waiting[other]) is None
    assert catalogue.same_file(waiting[beside]) is None


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


class Clock:
    """What the catalogue takes for the seconds since the machine started."""

    def __init__(self):
        self.now = 5000.0

    def __call__(self):
        return self.now


def test_age_is_not_the_clock_on_the_wall(path, monkeypatch):
    """Files and pictures grow old while a daemon runs, over all its lives, whatever the clock on the wall says."""
    clock = Clock()
    with contextlib.closing(Catalogue(path, clock)) as catalogue:
        model = catalogue.model_id(KEY, "tiny")
        with catalogue.transaction():
            catalogue.tree.add_root(b"/r", 1, 1)
            root = catalogue.tree.roots()[0].id
            folder = catalogue.tree.add_folder(root, b"/r")
            gone, kept = catalogue.tree.add_files(folder.id, [(b"gone", STAT), (b"kept", STAT)])
            picture = catalogue.add_picture(b"e", encoded())
            catalogue.add_vector(model, picture, encoded(), KEY)
            catalogue.tree.files_gone([gone])
            catalogue.sweep_pictures(keep_days=1)
        for wall in (0.0, time.time() + 10 * 365 * 86400):
            monkeypatch.setattr(time, "time", lambda wall=wall: wall)
            with catalogue.transaction():
                assert catalogue.sweep_pictures(keep_days=1) == 0
            assert catalogue.tree.long_missing(root, catalogue.age() - 60, 9) == []
        clock.now += 61
        assert [id_ for id_, _ in catalogue.tree.long_missing(root, catalogue.age() - 60, 9)] == [gone]
        clock.now += 86400 / 2
        assert catalogue.age() == 61 + 86400 / 2
    clock.now = 3.0  # the machine was started again
    with contextlib.closing(Catalogue(path, clock)) as catalogue:
        assert catalogue.age() == 61 + 86400 / 2
        with catalogue.transaction():
            assert catalogue.sweep_pictures(keep_days=1) == 0
        clock.now += 86400 / 2
        with catalogue.transaction():
            assert catalogue.sweep_pictures(keep_days=1) == 1
        assert kept


def test_roots_outlive_lost_transactions(path):
    """A catalogue that lost its last transactions takes the list of roots from its copy."""
    with contextlib.closing(Catalogue(path)) as catalogue, catalogue.transaction():
        catalogue.tree.add_root(b"/old", 1, 1)
        catalogue.tree.add_root(b"/both", 1, 2)
    older = Path(path).read_bytes()
    with contextlib.closing(Catalogue(path)) as catalogue, catalogue.transaction():
        catalogue.tree.add_root(b"/new", 1, 3)
        catalogue.tree.remove_root(next(r.id for r in catalogue.tree.roots() if r.path == b"/old"))
    Path(path).write_bytes(older)
    for _ in range(2):
        with contextlib.closing(Catalogue(path)) as catalogue:
            assert {root.path for root in catalogue.tree.roots()} == {b"/both", b"/new"}


def test_doubted_files_are_read_again(catalogue, reader, folder):
    """A file that is doubted waits to be read, and answers until then; others are left alone."""
    with catalogue.transaction():
        doubted, other = catalogue.tree.add_files(folder.id, [(b"a", STAT), (b"b", STAT)])
        picture = catalogue.add_picture(b"e", encoded())
        for file in (doubted, other):
            catalogue.indexed(file, STAT, picture, b"k")
        before = catalogue.tree.ticket
        assert catalogue.tree.doubt([b"/r/a", b"/r/none"]) == 1
    assert [(w.file_id, w.ticket > before) for w in catalogue.tree.waiting(9)] == [(doubted, True)]
    files = reader.files_under(folder.root_id)
    assert (files[b"/r/a"].state, files[b"/r/a"].file_key) == (State.PENDING, None)
    assert files[b"/r/b"].state is State.INDEXED


def test_forgotten_vector_is_made_again(catalogue, reader, folder):
    """A picture whose vector is not what was written is forgotten whole, and its files wait to be read."""
    model = catalogue.model_id(KEY, "tiny")
    with catalogue.transaction():
        (file,) = catalogue.tree.add_files(folder.id, [(b"a", STAT)])
        picture = catalogue.add_picture(b"e", encoded())
        catalogue.add_vector(model, picture, encoded(), KEY)
        catalogue.indexed(file, STAT, picture, b"k")
        catalogue._run("UPDATE vectors SET vector = ?", (bytes(16),))
    assert list(reader.unproven_vectors()) == [picture]
    with catalogue.transaction():
        catalogue.forget_vectors([picture])
    assert list(reader.unproven_vectors()) == []
    assert (reader.count_vectors(model), reader.damage()) == (0, "")
    (waiting,) = catalogue.tree.waiting(9)
    assert catalogue.same_content(Digest(b"k", b"e", STAT), 1) is None
    assert waiting.file_id == file


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ("PRAGMA user_version = 99", schema.Damaged),
        ("PRAGMA user_version = 1", schema.Damaged),
        ("PRAGMA application_id = 1", schema.Damaged),
        ("DROP TABLE failures", schema.Damaged),
        ("DROP INDEX files_by_key", schema.Damaged),
        ("UPDATE roots SET path = x'2f73'", schema.Damaged),
        (
            "PRAGMA user_version = 99; UPDATE settings SET value = 99 WHERE name = 'schema'",
            schema.SchemaTooNew,
        ),
    ],
)
def test_what_is_damage(path, change, error):
    """A catalogue whose header, tables or roots are not those that were written is damaged; a newer one is newer."""
    with contextlib.closing(Catalogue(path)) as catalogue, catalogue.transaction():
        catalogue.tree.add_root(b"/r", 1, 1)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(change)
    with pytest.raises(error):
        Catalogue(path)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE files SET state = 2, reason = NULL",
        "UPDATE files SET state = 9",
        "UPDATE files SET name = 'text' WHERE id = 1",
        "UPDATE files SET state = 1, picture_id = NULL",
        "UPDATE files SET picture_id = 77",
        "UPDATE pictures SET width = 'wide'",
        "UPDATE vectors SET vector = x'00' WHERE seq = 1",
    ],
)
def test_values_that_nobody_writes(catalogue, reader, folder, change):
    """Values that would end in an error somewhere are named as damage."""
    model = catalogue.model_id(KEY, "tiny")
    with catalogue.transaction():
        for n in range(2):
            (file,) = catalogue.tree.add_files(folder.id, [(b"%d" % n, STAT)])
            picture = catalogue.add_picture(b"%d" % n, encoded(n))
            catalogue.add_vector(model, picture, encoded(n), KEY)
            catalogue.indexed(file, STAT, picture, b"k%d" % n)
    assert reader.damage() == ""
    catalogue._run("PRAGMA foreign_keys = OFF")
    catalogue._run(change)
    assert reader.damage() != ""


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


# The list of roots, which nothing but the user could say again


def roots_of(path):
    with contextlib.closing(Catalogue(path)) as catalogue:
        return {root.path for root in catalogue.tree.roots()}


@pytest.fixture
def rooted(path):
    """A catalogue with two roots, and their copy."""
    with contextlib.closing(Catalogue(path)) as catalogue:
        for number, root in enumerate((b"/a", b"/b")):
            with catalogue.transaction():
                catalogue.tree.add_root(root, 1, number)
    return path


@pytest.mark.parametrize("point", ["commit-begin", "commit-done", "publish-renamed@roots.json", "publish-synced@roots.json"])  # fmt: skip
def test_roots_outlive_a_kill_at_the_start(rooted, point):
    """A catalogue that was emptied takes the roots from their copy, wherever the start that does so is killed."""
    Path(rooted).write_bytes(b"")
    program = f"from kadrd.store.catalogue import Catalogue; Catalogue({rooted!r})"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "KADR_CRASH": f"{point}:1"},
        timeout=45,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert roots_of(rooted) == {b"/a", b"/b"}


@pytest.mark.parametrize("how", ["salvaged", "emptied"])
def test_older_copy_of_the_roots(rooted, monkeypatch, how):
    """A root that was added while the copy could not be written is not lost to the old copy."""
    if how == "salvaged":
        salvage.salvage(rooted, {}, 0)
    else:
        Path(rooted).write_bytes(b"")
    monkeypatch.setenv("KADR_FAULT", "enospc:replace-written@roots.json")
    with contextlib.closing(Catalogue(rooted)) as catalogue, catalogue.transaction():
        catalogue.tree.add_root(b"/new", 1, 9)
    assert roots_of(rooted) == {b"/a", b"/b", b"/new"}
    monkeypatch.delenv("KADR_FAULT")
    assert roots_of(rooted) == {b"/a", b"/b", b"/new"}


def test_copy_of_the_roots_is_tried_again(path, monkeypatch):
    """A copy that could not be written is written behind the next transaction, whatever that is about."""
    with contextlib.closing(Catalogue(path)) as catalogue:
        monkeypatch.setenv("KADR_FAULT", "enospc:replace-written@roots.json")
        with catalogue.transaction():
            catalogue.tree.add_root(b"/new", 1, 9)
        monkeypatch.delenv("KADR_FAULT")
        with catalogue.transaction():
            catalogue.set("serving", KEY)
        assert [root.path for root in roots_copy.read(path).roots] == [b"/new"]


def test_roots_in_another_locale(path):
    """A path that is not ASCII, or no text at all, is the same in every locale: nothing is taken for damage."""
    names = {"/home/ä".encode(), b"/not-utf-8-\xff"}
    with contextlib.closing(Catalogue(path)) as catalogue, catalogue.transaction():
        for number, name in enumerate(sorted(names)):
            catalogue.tree.add_root(name, 1, number)
    program = (
        "from kadrd.store.catalogue import Catalogue; from kadrd.store import roots_copy\n"
        f"assert {{r.path for r in Catalogue({path!r}).tree.roots()}} == {names!r}\n"
        f"assert {{r.path for r in roots_copy.read({path!r}).roots}} == {names!r}"
    )
    plain = {**os.environ, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=plain, timeout=45, check=False, stderr=subprocess.PIPE
    )
    assert done.returncode == 0, done.stderr


# What a disk does


def test_full_disk_is_told_by_its_name(catalogue, folder):
    """A transaction that the disk has no room for says just that, leaves nothing behind, and the next one works."""
    pages = catalogue._run("PRAGMA page_count").fetchone()[0]
    catalogue._run(f"PRAGMA max_page_count = {pages}")

    def too_much():
        with catalogue.transaction():
            catalogue.tree.add_files(folder.id, [(b"name %d" % n, STAT) for n in range(3000)])

    for _ in range(2):
        with pytest.raises(sqlite3.OperationalError, match="full"):
            too_much()
    catalogue._run(f"PRAGMA max_page_count = {pages + 1000}")
    too_much()
    assert len(catalogue.tree.folder(b"/r").files) == 3000


def test_vectors_of_version_1_are_proven(tmp_path, monkeypatch):
    """Vectors of a catalogue of version 1 get their checksum when it is opened, and so outlive a damaged catalogue."""
    monkeypatch.setattr("kadrd.store.catalogue.PROVED_AT_ONCE", 2)
    path = tmp_path / "catalogue.sqlite"
    shutil.copy(GOLDEN / "v1.sqlite", path)
    with contextlib.closing(sqlite3.connect(path)) as old, old:
        for n in range(7):
            old.execute("INSERT INTO pictures (essence_key, width, height, format) VALUES (?, 4, 3, 'PNG')", (bytes([n]) * 33,))  # fmt: skip
            old.execute("INSERT INTO vectors (model_id, picture_id, vector) SELECT 1, max(id), ? FROM pictures", (b"\0\x3c" * 4,))  # fmt: skip
    with contextlib.closing(Catalogue(str(path))), contextlib.closing(Reader(str(path))) as reader:
        assert reader.ask("SELECT count(*), count(checksum) FROM vectors") == [(8, 8)]
        assert list(reader.unproven_vectors()) == []
    assert salvage.salvage(str(path), {}, 0).vectors == 7  # the eighth picture's key is one that nobody makes
