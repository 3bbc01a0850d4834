"""What the scanner forgets and what it keeps: real folders, a real catalogue, a real watch, and an age of its own."""

import contextlib
import os

import pytest

from kadrd.config import Scan
from kadrd.ingest import scanner as module
from kadrd.ingest import volume
from kadrd.ingest.backlog import Backlog
from kadrd.ingest.scanner import Scanner
from kadrd.ingest.settle import Settle
from kadrd.ingest.watch import Watcher
from kadrd.store.catalogue import Catalogue
from kadrd.store.reader import Reader

DAY = 86400.0


class Bench:
    """A scanner over one root, and the catalogue it fills."""

    def __init__(self, top):
        self.root = top / "root"
        self.root.mkdir()
        self.now = 0.0
        path = str(top / "state" / "catalogue.sqlite")
        self.catalogue = Catalogue(path, clock=lambda: self.now)
        self.backlog = Backlog()
        self.watcher = Watcher(self.backlog.add, lambda: None, str(top / "fence"))
        self.scanner = Scanner(self.catalogue, self.backlog, self.watcher, Settle(0.0), Scan())
        self.reader = Reader(path)
        self.scanner.add_root(os.fsencode(self.root), volume.at(os.fsencode(self.root)))
        self.scan()

    def close(self):
        self.reader.close()
        self.watcher.close()
        self.catalogue.close()

    def files(self, count):
        made = [self.root / f"{number:04}.jpg" for number in range(count)]
        for file in made:
            file.touch()
        self.scan()
        return made

    def scan(self):
        self.scanner.scan_everything()
        while self.scanner.step():
            pass

    def sweep(self, after):
        """Let *after* seconds go by, then sweep."""
        self.now += after
        self.scanner.sweep(self.catalogue.age())
        while self.scanner.step():
            pass

    def rows(self):
        """How many files the catalogue has at all, missing ones too."""
        return self.catalogue._run("SELECT count(*) FROM files").fetchone()[0]


@pytest.fixture
def bench(tmp_path):
    with contextlib.closing(Bench(tmp_path)) as made:
        yield made


def test_deleted_file_is_forgotten_later(bench):
    """A file that is gone answers no more at once, and is forgotten when a look a minute later agrees."""
    first, *_ = bench.files(3)
    first.unlink()
    bench.scan()
    assert bench.reader.counts().files == 2
    bench.sweep(after=59)
    assert bench.rows() == 3
    bench.sweep(after=2)
    assert bench.rows() == 2


def test_file_that_came_back(bench):
    """A file that is there again when it would be forgotten is kept."""
    first, *_ = bench.files(3)
    first.rename(bench.root / "aside")
    bench.scan()
    (bench.root / "aside").rename(first)
    bench.sweep(after=61)
    assert bench.rows() == 3
    assert bench.reader.counts().files == 3


def test_most_of_a_root_gone(bench):
    """When most of a root is gone at once it waits a day, because that is more often a disk than a person."""
    files = bench.files(201)
    for file in files[:150]:
        file.unlink()
    bench.scan()
    bench.sweep(after=3600)
    assert bench.rows() == 201
    bench.sweep(after=DAY)
    assert bench.rows() == 51


def test_less_than_half_of_a_root_gone(bench):
    """Who deletes a hundred of many files is taken at his word."""
    files = bench.files(401)
    for file in files[:150]:
        file.unlink()
    bench.scan()
    bench.sweep(after=61)
    assert bench.rows() == 251


def test_slice_that_fails(bench, monkeypatch):
    """When the catalogue fails in the middle of a look, all of it is looked at again."""
    (bench.root / "a.jpg").touch()
    (bench.root / "sub").mkdir()
    (bench.root / "sub" / "b.jpg").touch()
    bench.scanner.scan_everything()

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(bench.catalogue.tree, "add_files", full)
        with pytest.raises(OSError, match="No space"):
            bench.scanner.step()
    assert bench.rows() == 0
    while bench.scanner.step():
        pass
    assert bench.rows() == 2


def test_disk_that_hangs(bench, monkeypatch):
    """A disk that does not answer is offline until it does: nothing on it is missing, and what was new there is found."""
    import threading

    from kadrd.ingest import disks

    bench.files(3)
    gate, entered, real = threading.Event(), threading.Event(), module.look

    def hangs(*words, **names):
        entered.set()
        assert gate.wait(30)
        return real(*words, **names)

    monkeypatch.setattr(disks, "PATIENCE_SECONDS", 0.001)
    monkeypatch.setattr(bench.scanner._disks, "_hang_seconds", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(module, "look", hangs)
        bench.scanner.scan_everything()
        while bench.scanner.step():
            pass
        assert entered.wait(30)
        assert bench.reader.offline_roots() == [os.fsencode(bench.root)]
        assert (bench.scanner.unseen, bench.scanner.oldest()) == (0, None)
        (bench.root / "new.jpg").touch()
    gate.set()
    while bench.reader.offline_roots():
        bench.scanner.step()
    while bench.scanner.unseen:
        bench.scanner.step()
    assert bench.reader.counts().files == 4
