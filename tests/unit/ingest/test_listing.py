"""A folder's listing while others change it: what goes meanwhile is gone, and an error is no proof of anything."""

import contextlib
import os

import pytest

from kadrd.config import Scan
from kadrd.ingest import scan


class Entry:
    """A real entry whose stat fails, as it does when the file went or the disk errs since its name was read."""

    def __init__(self, entry, error):
        self.name, self._entry, self._error = entry.name, entry, error

    def is_dir(self, *, follow_symlinks):
        return self._entry.is_dir(follow_symlinks=follow_symlinks)

    def stat(self, *, follow_symlinks):
        if self.name == b"a.jpg":
            raise self._error
        return self._entry.stat(follow_symlinks=follow_symlinks)


@pytest.fixture
def listed(tmp_path, monkeypatch):
    """The listing of a folder with a.jpg and b.jpg when the stat of a.jpg fails in this way."""
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"x")
    real = os.scandir

    def with_error(error):
        @contextlib.contextmanager
        def scandir(path):
            with real(path) as entries:
                yield [Entry(entry, error) for entry in entries]

        monkeypatch.setattr(scan.os, "scandir", scandir)
        return scan.listing(os.fsencode(tmp_path), Scan(), frozenset())

    return with_error


def test_file_that_goes_meanwhile(listed):
    """A file that went is gone, and the others count: the listing is complete."""
    found = listed(FileNotFoundError())

    assert found.complete
    assert set(found.files) == {b"b.jpg"}


def test_disk_that_errs(listed):
    """A stat that fails for another reason proves nothing: the listing is not complete, so nothing counts as gone."""
    assert not listed(OSError(5, "input/output error")).complete
