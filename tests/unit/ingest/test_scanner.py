"""What the scanner forgets and what it keeps: real folders, a real catalogue, a real watch, and an age of its own."""

import os
import threading

import pytest

from kadrd.ingest import disks
from kadrd.ingest import scanner as module

DAY = 86400.0


def test_deleted_file_is_forgotten_later(scanned):
    """A file that is gone answers no more at once, and is forgotten when a look a minute later agrees."""
    first, *_ = scanned.files(3)
    first.unlink()
    scanned.scan()
    assert scanned.reader.counts().files == 2
    scanned.sweep(after=59)
    assert scanned.rows() == 3
    scanned.sweep(after=2)
    assert scanned.rows() == 2


def test_file_that_came_back(scanned):
    """A file that is there again when it would be forgotten is kept."""
    first, *_ = scanned.files(3)
    first.rename(scanned.root / "aside")
    scanned.scan()
    (scanned.root / "aside").rename(first)
    scanned.sweep(after=61)
    assert scanned.rows() == 3
    assert scanned.reader.counts().files == 3


def test_most_of_a_root_gone(scanned):
    """When most of a root is gone at once it waits a day, because that is more often a disk than a person."""
    files = scanned.files(201)
    for file in files[:150]:
        file.unlink()
    scanned.scan()
    scanned.sweep(after=3600)
    assert scanned.rows() == 201
    scanned.sweep(after=DAY)
    assert scanned.rows() == 51


def test_less_than_half_of_a_root_gone(scanned):
    """Who deletes a hundred of many files is taken at his word."""
    files = scanned.files(401)
    for file in files[:150]:
        file.unlink()
    scanned.scan()
    scanned.sweep(after=61)
    assert scanned.rows() == 251


def test_slice_that_fails(scanned, monkeypatch):
    """When the catalogue fails in the middle of a look, all of it is looked at again."""
    (scanned.root / "a.jpg").touch()
    (scanned.root / "sub").mkdir()
    (scanned.root / "sub" / "b.jpg").touch()
    scanned.scanner.scan_everything()

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(scanned.catalogue.tree, "add_files", full)
        with pytest.raises(OSError, match="No space"):
            scanned.scanner.step()
    assert scanned.rows() == 0
    while scanned.scanner.step():
        pass
    assert scanned.rows() == 2


def test_disk_that_hangs(scanned, monkeypatch):
    """A disk that does not answer is offline until it does: nothing on it is missing, and what was new there is found."""
    scanned.files(3)
    gate, entered, real = threading.Event(), threading.Event(), module.look

    def hangs(*words, **names):
        entered.set()
        assert gate.wait(30)
        return real(*words, **names)

    monkeypatch.setattr(disks, "PATIENCE_SECONDS", 0.001)
    monkeypatch.setattr(scanned.scanner._disks, "_hang_seconds", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(module, "look", hangs)
        scanned.scanner.scan_everything()
        while scanned.scanner.step():
            pass
        assert entered.wait(30)
        assert scanned.reader.offline_roots() == [os.fsencode(scanned.root)]
        assert (scanned.scanner.unseen, scanned.scanner.oldest()) == (0, None)
        (scanned.root / "new.jpg").touch()
    gate.set()
    while scanned.reader.offline_roots():
        scanned.scanner.step()
    while scanned.scanner.unseen:
        scanned.scanner.step()
    assert scanned.reader.counts().files == 4
