"""Connections of readers: one for each thread that lives, and none that keeps the daemon from ending."""

import contextlib
import sqlite3
import threading

import pytest

from kadrd.store import reader as readers
from kadrd.store.catalogue import Catalogue
from kadrd.store.reader import Reader

PATIENCE = 45
ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture
def path(tmp_path):
    path = str(tmp_path / "catalogue.sqlite")
    Catalogue(path).close()
    return path


def test_threads_that_ended_leave_nothing_open(path):
    """However many threads have asked, only those that live keep a connection."""
    with contextlib.closing(Reader(path)) as reader:
        for _ in range(50):
            thread = threading.Thread(target=reader.counts)
            thread.start()
            thread.join()
        assert len(reader._lines) == 1
        assert reader.counts().files == 0


class Asking(threading.Thread):
    """Asks what has no end. SQLite calls *heartbeat* on the way."""

    def __init__(self, reader, heartbeat):
        super().__init__(daemon=True)
        self.reader, self.heartbeat, self.error = reader, heartbeat, None

    def run(self):
        self.reader.setting("age")
        self.reader._lines[self].connection.set_progress_handler(self.heartbeat, 1000)
        try:
            self.reader.ask(ENDLESS)
        except sqlite3.Error as error:
            self.error = error


def test_close_breaks_off_what_is_asked(path):
    """Closing does not wait for a long answer of another thread: that ends with an error; later questions too."""
    reader, begun = Reader(path), threading.Event()
    asking = Asking(reader, begun.set)
    asking.start()
    assert begun.wait(PATIENCE)
    reader.close()
    asking.join(PATIENCE)
    assert asking.error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT
    with pytest.raises(OSError, match="closed"):
        reader.counts()


def test_close_leaves_a_hung_disk_alone(path, monkeypatch):
    """Closing ends although a statement hangs, as one does on a disk that gives no answer."""
    monkeypatch.setattr(readers, "CLOSE_SECONDS", 0.1)
    reader, begun, healthy = Reader(path), threading.Event(), threading.Event()

    def hang():
        begun.set()
        healthy.wait(PATIENCE)

    asking = Asking(reader, hang)
    asking.start()
    assert begun.wait(PATIENCE)
    reader.close()
    assert asking.is_alive()
    healthy.set()
    asking.join(PATIENCE)
    assert not asking.is_alive()
