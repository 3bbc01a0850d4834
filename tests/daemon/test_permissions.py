"""Folders and files that may not be read: what was known is kept, said to be unreadable, and costs nothing when it may.

Nothing is denied to root, so root runs these tests, and the daemon in them, as nobody.
"""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from kadr.protocol import errors
from kadr.protocol.messages import Doctor, Search

NOBODY = 65534
CLOSED = [
    pytest.param(0o000, id="nothing is allowed"),
    pytest.param(0o100, id="its names are hidden"),
    pytest.param(0o400, id="only its names are shown"),
]


@pytest.fixture(scope="module")
def theirs():
    """A folder of whoever the daemon runs as: the one that pytest gives is closed to others."""
    here = Path(tempfile.mkdtemp(prefix="kadr"))
    yield here
    shutil.rmtree(here)


@contextlib.contextmanager
def acting():
    """Act as whoever the daemon runs as."""
    denied_nothing = os.geteuid() == 0
    if denied_nothing:
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if denied_nothing:
            os.seteuid(0)
            os.setegid(0)


@pytest.fixture(scope="module")
def _theirs(theirs, _running, make_tiny_model):
    home = type(_running.home)(theirs, make_tiny_model, {})
    if os.geteuid() == 0:
        home.user = NOBODY
        for path in (theirs, *theirs.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
    daemon = type(_running)(home)
    with acting():
        try:
            daemon.start()
        except PermissionError as error:
            pytest.skip(f"nobody but root may run Python here: {error}")
    yield daemon
    with acting():
        daemon.stop()


@pytest.fixture
def daemon(_theirs):
    """A daemon to which something can be denied, with no root; tests share it, so they count differences."""
    with acting():
        yield _theirs
        for root in _theirs.roots():
            _theirs.remove(root)


@pytest.fixture
def top(theirs, daemon):
    """An empty folder that everything can be done with."""
    here = Path(tempfile.mkdtemp(dir=theirs))
    yield here
    for folder, _, _ in os.walk(here):
        os.chmod(folder, 0o700)


@pytest.fixture
def root(daemon, top):
    folder = top / "root"
    folder.mkdir()
    daemon.add(folder)
    return folder


def unreadable(daemon):
    """What doctor says of permissions, or nothing when all is well."""
    (check,) = (c for c in daemon.ask(Doctor()).body["checks"] if c["name"] == "permissions")
    return "" if check["ok"] else check["says"]


@pytest.mark.parametrize("mode", CLOSED)
def test_folder_that_may_not_be_read(daemon, root, pictures, mode):
    """Pictures in a folder that may not be read any more still answer, doctor names the folder, and when it may be
    read again nothing is read anew."""
    closed = root / "closed"
    files = [*pictures.many(closed, 100), *pictures.many(root / "open", 2)]
    daemon.shows(*files)
    with daemon.spending(encodes=0, decodes=0, files=0, failures_total=0):
        closed.chmod(mode)
        daemon.rescan()
        daemon.sync()
        assert daemon.found() == sorted(files)
        assert os.fsdecode(closed) in unreadable(daemon)
        assert any("cannot be read" in warning for warning in daemon.ask(Search("red")).body["warnings"])
        closed.chmod(0o700)
        daemon.sync()
    assert unreadable(daemon) == ""
    daemon.shows(*files)
    assert daemon.ask(Search("red")).body["warnings"] == []


def test_verify_beside_a_folder_that_may_not_be_read(daemon, root, pictures):
    """Verify does not take files for deleted that it may not see."""
    files = pictures.many(root / "closed", 3)
    daemon.shows(*files)
    (root / "closed").chmod(0)
    daemon.rescan()
    daemon.sync()
    assert {problem["kind"] for problem in daemon.verify()["problems"]} <= {"unreadable"}
    (root / "closed").chmod(0o700)
    daemon.shows(*files)


def test_folder_inside_one_that_may_not_be_read(daemon, root, pictures):
    """The same of the folders below it, also when one of them is asked for by name."""
    files = pictures.many(root / "closed" / "deep" / "deeper", 5)
    daemon.shows(*files)
    with daemon.spending(encodes=0, decodes=0, files=0):
        (root / "closed").chmod(0)
        daemon.rescan(root / "closed" / "deep")
        daemon.rescan(files[0])
        daemon.rescan()
        daemon.sync()
        assert daemon.found() == files
        (root / "closed").chmod(0o700)
    daemon.shows(*files)
    assert unreadable(daemon) == ""


def test_start_while_a_folder_may_not_be_read(daemon, root, pictures):
    """A daemon that starts while a folder may not be read keeps what it knew of it."""
    files = pictures.many(root / "closed", 5)
    daemon.shows(*files)
    (root / "closed").chmod(0)
    daemon.restart()
    daemon.sync()
    assert daemon.found() == files
    assert os.fsdecode(root / "closed") in unreadable(daemon)
    (root / "closed").chmod(0o700)
    daemon.shows(*files)
    assert daemon.status()["encodes"] == 0


@pytest.mark.parametrize("mode", CLOSED)
def test_watched_after_it_may_be_read(daemon, root, pictures, mode):
    """A folder that could not be watched because it could not be read is watched once it can."""
    closed = root / "closed"
    closed.mkdir()
    closed.chmod(mode)
    daemon.rescan()
    daemon.shows()
    closed.chmod(0o700)
    first = pictures.one(closed / "a.jpg")
    daemon.shows(first)
    assert unreadable(daemon) == ""
    daemon.shows(first, pictures.one(closed / "b.jpg"))
    deep = pictures.one(closed / "deep" / "c.jpg")
    daemon.shows(first, closed / "b.jpg", deep)


def test_file_that_may_not_be_read(daemon, root, pictures):
    """A file that may not be read any more is listed with the reason; when it may, nothing is decoded."""
    files = pictures.many(root, 3)
    daemon.shows(*files)
    with daemon.spending(encodes=0, decodes=0, files=0, pictures=0):
        files[1].chmod(0)
        daemon.rescan()
        daemon.sync()
        assert daemon.failures() in ({}, {files[1].name: "no-permission"})
        assert {files[0], files[2]} <= set(daemon.found())
        files[1].chmod(0o600)
        daemon.rescan()
    daemon.shows(*files)
    assert daemon.failures() == {}


def test_file_that_could_never_be_read(daemon, root, pictures):
    """A new file that may not be read is listed with the reason, and indexed when it may."""
    file = pictures.one(root / "a.jpg")
    file.chmod(0)
    daemon.rescan()
    daemon.sync()
    assert daemon.failures() == {file.name: "no-permission"}
    with daemon.spending(encodes=1):
        file.chmod(0o600)
        daemon.rescan()
    daemon.shows(file)
    assert daemon.failures() == {}


@pytest.mark.parametrize("which", ["the root", "the folder above it"])
@pytest.mark.parametrize("mode", CLOSED)
def test_root_that_may_not_be_read(daemon, top, pictures, which, mode):
    """A root that may not be read, itself or for a folder above it, loses nothing and costs nothing afterwards."""
    root = top / "above" / "root"
    files = [*pictures.many(root / "a", 4), *pictures.many(root, 2)]
    daemon.add(root)
    daemon.shows(*files)
    with daemon.spending(encodes=0, decodes=0, files=0, failures_total=0):
        closed = root if which == "the root" else root.parent
        closed.chmod(mode)
        daemon.rescan()
        daemon.sync()
        told = daemon.ask(Search("red")).body
        # With "x" left to the folder above, nothing is denied below it.
        assert told["offline_roots"] or told["warnings"] or (which != "the root" and mode == 0o100)
        closed.chmod(0o700)
        daemon.rescan()
    daemon.shows(*files)
    daemon.shows(*files, pictures.one(root / "a" / "later.jpg"))


def test_adding_what_may_not_be_read(daemon, top):
    """A folder that may not be read is refused, with the reason."""
    closed = top / "closed"
    closed.mkdir(mode=0)
    with pytest.raises(errors.NotReadable):
        daemon.add(closed)
