"""The scanner and disks that answer late, hang, go, or lie inside one another, also when the catalogue fails meanwhile."""

import contextlib
import os
import shutil
import threading

import pytest

from kadrd.ingest import disks, missing, volume
from kadrd.ingest import scanner as module
from kadrd.ingest.backlog import Dirty


class Late:
    """Has disks answer only when `come` is called."""

    def __init__(self, bench):
        self._bench, self._gate = bench, threading.Event()

    def ask(self, root, then=lambda _: None, about=None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(disks, "PATIENCE_SECONDS", 0.001)
            self._bench.scanner._disks.ask(root.id, lambda _: self._gate.wait(60), then, about)

    def come(self):
        """Back when every disk has answered."""
        self._gate.set()
        for late in list(self._bench.scanner._disks.late.values()):
            late.answer.result(60)


@pytest.fixture
def late(scanned):
    made = Late(scanned)
    yield made
    made.come()


@contextlib.contextmanager
def full_disk(bench):
    """The catalogue cannot be written."""

    def full(*_):
        raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench.catalogue.tree, "add_files", full)
        yield


def fails(bench):
    """One slice that a full disk takes back."""
    with full_disk(bench), pytest.raises(OSError, match="No space"):
        bench.scanner.step()


@pytest.fixture
def link(scanned, tmp_path):
    """A root that is a link: what lies at it can be taken away and replaced, as a disk can."""
    disk, bare, place = tmp_path / "disk", tmp_path / "bare", tmp_path / "place"
    for folder in (disk, bare):
        folder.mkdir()
    (disk / "a.jpg").write_bytes(b"a")
    place.symlink_to(disk)
    scanned.add(place)
    scanned.drain()

    def show(folder):
        place.unlink()
        place.symlink_to(folder)

    return place, disk, bare, show


def test_slow_disk_is_taken_when_it_comes(scanned, monkeypatch):
    """What a disk said too late for it to count as there is taken all the same, so that a huge folder is indexed."""
    monkeypatch.setattr(disks, "PATIENCE_SECONDS", 0.001)
    (scanned.root / "a.jpg").touch()
    gate, real = threading.Event(), module.look

    def slow(*words, **names):
        sight = real(*words, **names)
        assert gate.wait(60)
        return sight

    with monkeypatch.context() as patch:
        patch.setattr(module, "look", slow)
        patch.setattr(scanned.scanner._disks, "_hang_seconds", 0.0)
        scanned.scanner.scan_everything()
        scanned.drain()
        assert scanned.online() == {"root": False}
        gate.set()
        for asked in list(scanned.scanner._disks.late.values()):
            asked.answer.result(60)
        scanned.scanner.step()
    assert scanned.rows() == 1
    assert scanned.online() == {"root": True}


def test_disk_that_is_slow_is_there(scanned):
    """However long a look takes, a disk that gives one name after the other does not hang."""
    (scanned.root / "a.jpg").touch()
    heard = []
    root = scanned.scanner.root_of(os.fsencode(scanned.root))
    question = module.partial(
        module.look, root.path, root, sample=None, stayed=True, arm=scanned.watcher.arm,
        settings=scanned.scanner._settings, mounted=frozenset(),
    )  # fmt: skip
    question(lambda: heard.append("listing"))
    assert len(heard) >= 2
    heard.clear()
    missing.still_gone([(1, b"/nowhere")], root, scanned.scanner._settings, lambda: heard.append("gone"))
    assert heard == ["gone"]


def test_late_answers_of_which_one_fails(scanned, late, tmp_path):
    """When what one disk said cannot be written, neither the others' answers nor the folders that waited are lost."""
    first, second = (scanned.add(tmp_path / name) for name in ("first", "second"))
    scanned.drain()

    def fail(_):
        raise OSError(28, "No space left on device")

    for root in (first, second):
        late.ask(root, fail, Dirty(root.path, False, scanned.backlog.last))
        new = os.path.join(root.path, b"new")
        os.mkdir(new)
        open(os.path.join(new, b"a.jpg"), "w").close()
        scanned.backlog.add(new)
    scanned.drain()
    late.come()
    with pytest.raises(OSError, match="No space"):
        scanned.scanner.step()
    scanned.finish()
    assert scanned.rows() == 2
    assert scanned.scanner.oldest() is None


def test_disk_that_hangs_while_the_catalogue_fails(scanned, late, tmp_path):
    """That a disk hangs is not forgotten when it cannot be written down at first."""
    other = scanned.add(tmp_path / "other")
    scanned.drain()
    late.ask(other)
    (scanned.root / "a.jpg").touch()
    scanned.scanner._disks.late[other.id].heard -= 60
    scanned.backlog.add(os.fsencode(scanned.root))
    fails(scanned)
    scanned.drain()
    assert scanned.online() == {"root": True, "other": False}


def test_folders_of_a_dead_disk_wait_once(scanned, late):
    """However often folders on a disk that does not answer are marked, each waits once, with its oldest number."""
    root = scanned.scanner.root_of(os.fsencode(scanned.root))
    late.ask(root)
    for _ in range(50):
        scanned.backlog.add(root.path)
        scanned.backlog.add(root.path, deep=True)
        scanned.drain()
    assert scanned.scanner.unseen == 2
    assert scanned.scanner.oldest() == scanned.backlog.last - 99


def test_check_of_a_slow_disk(scanned, late):
    """A sync waits for a disk that is slow to say whether it is still there, and for what follows from it."""
    gate, real = threading.Event(), module.place

    def slow(*words):
        assert gate.wait(60)
        return real(*words)

    number = scanned.backlog.last
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "place", slow)
        patch.setattr(disks, "PATIENCE_SECONDS", 0.001)
        scanned.scanner.check_roots()
    assert scanned.scanner.oldest() == number
    away = scanned.root.with_name("away")
    scanned.root.rename(away)
    gate.set()
    late.come()
    with scanned.catalogue.transaction():
        scanned.scanner._take_late()
    assert scanned.scanner.oldest() == number
    scanned.finish()
    assert scanned.online() == {"root": False}


def test_root_that_joins_one_above_it(scanned, late, tmp_path):
    """A folder that is added above another one takes over what waited there, and who waits for that goes on waiting."""
    inner = scanned.add(scanned.root / "inner")
    assert inner.path == os.fsencode(scanned.root)
    outer = tmp_path
    late.ask(inner, about=Dirty(inner.path, False, 1))
    scanned.backlog.add(inner.path)
    scanned.drain()
    scanned.add(outer)
    assert scanned.scanner.oldest() == 1
    late.come()


@pytest.mark.parametrize("weak", [False, True])
def test_folder_above_a_disk_that_is_away(scanned, weak, monkeypatch, tmp_path):
    """A folder that is added above a root whose disk is away does not take that root in: nothing in it is deleted."""
    real = volume.at
    if weak:
        monkeypatch.setattr(volume, "at", lambda path: (here := real(path)) and here._replace(system=0))
    inner = tmp_path / "far" / "inner"
    inner.mkdir(parents=True)
    (inner / "a.jpg").write_bytes(b"a")
    scanned.add(inner)
    scanned.drain()
    inner.rename(tmp_path / "stick")
    if weak:
        inner.mkdir()  # the bare mount point
    scanned.scanner.check_roots()
    scanned.drain()
    assert scanned.online()["inner"] is False
    scanned.add(tmp_path / "far")
    scanned.scan()
    scanned.sweep(after=3600)
    assert scanned.rows() == 1
    if inner.exists():
        inner.rmdir()
    (tmp_path / "stick").rename(inner)
    scanned.scan()
    assert scanned.online() == {"root": True, "far": True, "inner": True}
    assert scanned.reader.counts().files == 1


def test_disk_that_is_meant_although_it_is_another(scanned, link):
    """What a user says of an offline root, that what lies there now is meant, outlives a full disk."""
    place, _, bare, show = link
    (bare / "b.jpg").write_bytes(b"another")
    show(bare)
    root = scanned.scanner.root_of(os.fsencode(place))
    with scanned.catalogue.transaction():  # as if it had been on another file system
        scanned.catalogue.tree.set_volume(root.id, 7, 7)
    scanned.scanner._roots_changed()
    scanned.scanner.check_roots()
    scanned.drain()
    assert scanned.online()["place"] is False
    scanned.scanner.add_root(os.fsencode(place), volume.at(os.fsencode(place)))
    fails(scanned)
    scanned.drain()
    assert scanned.online()["place"] is True


def test_disk_that_goes_is_asked_for_once(scanned, link, monkeypatch):
    """When a disk with many folders goes, its files are not compared once for each of them."""
    place, disk, bare, show = link
    for number in range(50):
        (disk / str(number)).mkdir()
    scanned.scan()
    asked, real = [], scanned.catalogue.tree.sample
    monkeypatch.setattr(scanned.catalogue.tree, "sample", lambda *words: asked.append(1) or real(*words))
    show(bare)
    for number in range(50):
        scanned.backlog.add(os.fsencode(place / str(number)))
    scanned.drain()
    assert scanned.online()["place"] is False
    assert len(asked) <= 2


def test_bare_mount_point_is_not_watched(scanned):
    """Where a disk was, nothing is watched until it is there again."""
    scanned.files(3)
    away, bare = scanned.root.with_name("away"), scanned.root
    bare.rename(away)
    bare.mkdir()
    scanned.scanner.check_roots()
    assert scanned.watcher.fence()
    scanned.drain()
    assert scanned.online() == {"root": False}
    (bare / "new").mkdir()
    assert scanned.watcher.fence()
    assert len(scanned.backlog) == 0
    shutil.rmtree(bare)
    away.rename(scanned.root)
    scanned.scanner.check_roots()
    scanned.drain()
    (scanned.root / "new.jpg").touch()
    assert scanned.watcher.fence()
    assert len(scanned.backlog) == 1


def test_folder_that_came_back_while_the_catalogue_failed(scanned, tmp_path):
    """A folder that went and came back is watched, with all in it, although its going could not be written down."""
    below = scanned.root / "a" / "below"
    below.mkdir(parents=True)
    scanned.scan()
    (scanned.root / "a").rename(tmp_path / "aside")
    (scanned.root / "new.jpg").touch()
    assert scanned.watcher.fence()
    while scanned.backlog.take():
        pass
    scanned.backlog.add(os.fsencode(scanned.root / "a"))  # before the one at which the disk is full
    scanned.backlog.add(os.fsencode(scanned.root))
    fails(scanned)
    (tmp_path / "aside").rename(scanned.root / "a")
    scanned.drain()
    assert scanned.watcher.fence()
    scanned.drain()
    (below / "new.jpg").touch()
    assert scanned.watcher.fence()
    scanned.drain()
    assert scanned.rows() == 2


def test_root_that_is_added_again_while_its_disk_hangs(scanned, late):
    """A root that is removed and added again while its disk hangs goes on being heard when the disk answers."""
    (scanned.root / "sub").mkdir()
    scanned.scan()
    root = scanned.scanner.root_of(os.fsencode(scanned.root))
    late.ask(root)
    (asked,) = scanned.scanner._disks.late.values()
    old = scanned.scanner._disks._disks[root.id]
    scanned.scanner.remove_root(root)
    scanned.add(scanned.root)
    scanned.scan()
    scanned.finish()
    late.come()
    asked.answer.result(60)
    old.thread.join(60)
    (scanned.root / "sub" / "a.jpg").touch()
    assert scanned.watcher.fence()
    assert os.fsencode(scanned.root / "sub") in scanned.backlog._shallow


def test_link_in_place_of_a_folder(scanned, tmp_path):
    """Files whose folder was moved out of the root and replaced by a link to it are forgotten like any that went."""
    below = scanned.root / "a" / "below"
    below.mkdir(parents=True)
    (below / "a.jpg").touch()
    scanned.scan()
    (scanned.root / "a").rename(tmp_path / "elsewhere")
    (scanned.root / "a").symlink_to(tmp_path / "elsewhere")
    scanned.scan()
    scanned.sweep(after=61)
    assert scanned.rows() == 0


def test_files_that_cannot_be_deleted_keep_no_others(scanned, monkeypatch):
    """Missing files of which a look cannot say that they are gone do not keep others from being forgotten."""
    monkeypatch.setattr(missing, "SWEEP_FILES", 2)
    stay, go = scanned.root / "stay", scanned.root / "go"
    for folder in (stay, go):
        folder.mkdir()
        for number in range(3):
            (folder / f"{number}.jpg").touch()
        scanned.scan()
        shutil.move(folder, scanned.root.with_name(folder.name))
    scanned.scan()
    real = missing.still_gone

    def errs(files, *words):
        gone, doubtful = real([file for file in files if b"/go/" in file[1]], *words)
        return gone, doubtful

    monkeypatch.setattr(missing, "still_gone", errs)
    scanned.now += 61
    for _ in range(4):
        scanned.scanner.sweep(scanned.catalogue.age())
    assert scanned.rows() == 3


def test_scanner_lets_go_of_everything(scanned, tmp_path):
    """A scanner that is closed leaves no descriptor and no thread of a disk behind."""
    threads = [disk.thread for disk in scanned.scanner._disks._disks.values()]
    table = scanned.scanner._mounts._table
    scanned.scanner.close()
    for thread in threads:
        thread.join(60)
    assert threads
    assert scanned.scanner._mounts._table == -1
    if table >= 0:
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(table)
