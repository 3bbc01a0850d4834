"""What the catalogue remembers of tags that were written, and which files wait for theirs."""

import contextlib

import numpy as np
import pytest

from kadrd.store.catalogue import Catalogue
from kadrd.store.facts import Kind
from kadrd.store.reader import Reader
from kadrd.store.tags import Now, TagsReader
from kadrd.values import Encoded, Facts, Memory, Stat, State

STAT = Stat(100, 200, 300, 400)
MEMORY = Memory(("море", "beach"), ("dog",), ("mine, too",), b"\xff before", b"digest", 400)
KEY = b"\x01key"


@pytest.fixture
def catalogue(tmp_path):
    with contextlib.closing(Catalogue(str(tmp_path / "catalogue.sqlite"))) as made:
        yield made


@pytest.fixture
def tags(tmp_path, catalogue):
    with contextlib.closing(Reader(str(tmp_path / "catalogue.sqlite"))) as reader:
        yield TagsReader(reader)


@pytest.fixture
def folder(catalogue):
    with catalogue.transaction():
        catalogue.tree.add_root(b"/r", 1, 1)
        return catalogue.tree.add_folder(catalogue.tree.roots()[0].id, b"/r")


@pytest.fixture
def add(catalogue, folder):
    """A file that shows a picture."""

    def add(name, stat=STAT, key=KEY):
        with catalogue.transaction():
            (file_id,) = catalogue.tree.add_files(folder.id, [(name, stat)])
            vector = np.array([1, 0], np.float32)
            picture = catalogue.add_picture(b"\x02" + key, Encoded(4, 3, "JPEG", {"m": vector}))
            catalogue.indexed(file_id, stat, picture, key)
            catalogue.facts.put(file_id, Facts(), None)
        return file_id

    return add


def test_a_memory_comes_back(catalogue, tags, add):
    """What was remembered of a file comes back as it was, by its carrier, and goes when nothing is left."""
    file_id = add(b"a.jpg")
    with catalogue.transaction():
        catalogue.tags.remember(file_id, "xattr", MEMORY)
        catalogue.tags.remember(file_id, "sidecar", MEMORY._replace(before=None))
    assert tags.memories([file_id]) == {file_id: {"xattr": MEMORY, "sidecar": MEMORY._replace(before=None)}}
    with catalogue.transaction():
        catalogue.tags.remember(file_id, "xattr", None)
    assert list(tags.memories([file_id])[file_id]) == ["sidecar"]


def test_nothing_is_remembered_of_a_file_that_went(catalogue, tags, add):
    """A file that was forgotten meanwhile gets no memory, and takes what there was with it."""
    file_id = add(b"a.jpg")
    with catalogue.transaction():
        catalogue.tags.remember(file_id, "xattr", MEMORY)
        catalogue.tree.forget([file_id])
        catalogue.tags.remember(file_id, "xattr", MEMORY)
    assert tags.memories([file_id]) == {}


@pytest.mark.parametrize(("every_file", "waits"), [(True, ["a.jpg", "b.jpg"]), (False, ["a.jpg"])])
def test_who_waits(catalogue, tags, folder, add, every_file, waits):
    """A file that was read waits for its tags: each when tags are wanted, else those that carry some of ours."""
    first, second = add(b"a.jpg"), add(b"b.jpg", STAT._replace(inode=401), b"\x01other")
    with catalogue.transaction():
        catalogue.tags.remember(first, "xattr", MEMORY)
        catalogue.tags.every_file = every_file
        for file_id, inode in ((first, 400), (second, 401)):
            catalogue.tags.settled(file_id, KEY, inode)
    assert tags.roots_waiting() == [folder.root_id]
    found = tags.waiting(folder.root_id, 0, 9)
    assert [file.path for file in found] == [f"/r/{name}".encode() for name in waits]
    with catalogue.transaction():
        catalogue.tags.looked_at(found)
    assert tags.counts()[0] == 0


def test_a_change_in_between_waits_on(catalogue, tags, folder, add):
    """A file that changed while it was looked at is looked at again."""
    file_id = add(b"a.jpg")
    with catalogue.transaction():
        catalogue.tags.look_at_all()
    found = tags.waiting(folder.root_id, 0, 9)
    with catalogue.transaction():
        catalogue.tree.files_changed([(file_id, STAT._replace(mtime_ns=999))])
        catalogue.tags.every_file = True
        catalogue.tags.settled(file_id, KEY, 400)
        catalogue.tags.looked_at(found)
    assert tags.counts()[0] == 1


def test_a_renamed_file_keeps_its_memory(catalogue, tags, add):
    """A file of the same content and inode is the same file under another name; a copy is not."""
    old, renamed, copy = add(b"a.jpg"), add(b"b.jpg"), add(b"c.jpg", STAT._replace(inode=999))
    with catalogue.transaction():
        catalogue.tags.remember(old, "xattr", MEMORY)
        catalogue.tags.settled(renamed, KEY, 400)
        catalogue.tags.settled(copy, KEY, 999)
    assert tags.memories([renamed, copy]) == {renamed: {"xattr": MEMORY}}


def test_our_own_write_is_no_change(catalogue, tags, folder, add):
    """A new ctime that our write gave is taken over, with the tags; the file does not wait to be read."""
    add(b"a.jpg")
    (file,) = tags.files(tags.below(b""))
    now = Now(STAT._replace(ctime_ns=999), beside=7)
    with catalogue.transaction():
        catalogue.tags.carries(file, now, Kind.TAG, ["beach"], [])
    known = catalogue.tree.folder(b"/r").files[b"a.jpg"]
    assert (known.stat, known.state, known.beside) == (now.stat, State.INDEXED, 7)


def test_our_own_write_that_the_scan_saw_first(catalogue, tags, folder, add):
    """A file that the scan took for changed because of our write waits no more; one with another change goes on waiting."""
    file_id = add(b"a.jpg")
    (file,) = tags.files(tags.below(b""))
    ours, other = STAT._replace(ctime_ns=999), STAT._replace(ctime_ns=998)
    for seen, state in ((other, State.PENDING), (ours, State.INDEXED)):
        with catalogue.transaction():
            catalogue.tree.files_changed([(file_id, seen)])
            catalogue.tags.carries(file, Now(ours, 0), Kind.TAG, ["beach"], [])
        assert catalogue.tree.folder(b"/r").files[b"a.jpg"].state is state


@pytest.mark.parametrize("changed", [{"mtime_ns": 1}, {"size": 1}, {"inode": 1}])
def test_somebody_elses_change_is_found(catalogue, tags, folder, add, changed):
    """When more than the ctime is another, nothing is taken over: the scan finds the change and the file is read."""
    add(b"a.jpg")
    (file,) = tags.files(tags.below(b""))
    with catalogue.transaction():
        catalogue.tags.carries(file, Now(STAT._replace(ctime_ns=999, **changed), 0), Kind.TAG, ["beach"], [])
    assert catalogue.tree.folder(b"/r").files[b"a.jpg"].stat == STAT


def test_our_tags_are_no_witness(catalogue, tags, add):
    """A search by words does not find what only kadr wrote; the filter tag: does."""
    file_id = add(b"a.jpg")
    with catalogue.transaction():
        catalogue.tags.remember(file_id, "xattr", MEMORY)
        catalogue.facts.put(file_id, Facts(tags=("beach", "grandmother")), None)
    found = [
        catalogue._run("SELECT count(*) FROM texts WHERE texts MATCH ?", (word,)).fetchone()[0]
        for word in ("beach", "grandmoth")
    ]
    assert found == [0, 1]
    assert catalogue._run("SELECT count(*) FROM labels WHERE folded = 'beach'").fetchone()[0] == 1
