"""What changed in a folder, what is looked at, and when: scan, settle and backlog."""

import os
import threading
import time

import pytest

from kadrd.config import Scan
from kadrd.ingest import scan
from kadrd.ingest.backlog import Backlog, Dirty
from kadrd.ingest.scan import Diff, Listing
from kadrd.ingest.settle import FIRST_PAUSE, LONGEST_PAUSE, LONGEST_WAIT, Settle, racy
from kadrd.store.tree import KnownFile, KnownFolder
from kadrd.values import Stat, State

ONE, TWO = Stat(1, 2, 3, 4), Stat(1, 2, 9, 4)
NOTHING = Diff([], [], [], [], [], frozenset(), frozenset())


def known(files=None, folders=()):
    return KnownFolder(1, 1, b"/r", None, True, files or {}, frozenset(folders))


def found(files=None, folders=(), *, complete=True, beside=None):
    return Listing(files or {}, frozenset(folders), frozenset(), complete, beside or {})


def file(state=State.INDEXED, stat=ONE, beside=0):
    return KnownFile(7, stat, state, beside)


TABLE = [
    ("nothing", found(), known(), NOTHING),
    ("a new file", found({b"a": ONE}), known(), NOTHING._replace(new=[(b"a", ONE)])),
    ("as it was", found({b"a": ONE}), known({b"a": file()}), NOTHING),
    ("still waiting", found({b"a": ONE}), known({b"a": file(State.PENDING)}), NOTHING),
    ("failed as it is", found({b"a": ONE}), known({b"a": file(State.FAILED)}), NOTHING),
    ("changed", found({b"a": TWO}), known({b"a": file()}), NOTHING._replace(changed=[(7, TWO)])),
    (
        "failed and changed",
        found({b"a": TWO}),
        known({b"a": file(State.FAILED)}),
        NOTHING._replace(changed=[(7, TWO)]),
    ),
    ("back", found({b"a": ONE}), known({b"a": file(State.MISSING)}), NOTHING._replace(back=[7])),
    (
        "back and changed",
        found({b"a": TWO}),
        known({b"a": file(State.MISSING)}),
        NOTHING._replace(changed=[(7, TWO)]),
    ),
    (
        "a sidecar came",
        found({b"a": ONE}, beside={b"a": 5}),
        known({b"a": file()}),
        NOTHING._replace(changed=[(7, ONE)], beside=[(7, 5)]),
    ),
    (
        "a sidecar went",
        found({b"a": ONE}),
        known({b"a": file(beside=5)}),
        NOTHING._replace(changed=[(7, ONE)], beside=[(7, 0)]),
    ),
    ("a sidecar as it was", found({b"a": ONE}, beside={b"a": 5}), known({b"a": file(beside=5)}), NOTHING),
    ("gone", found(), known({b"a": file()}), NOTHING._replace(gone=[7])),
    ("gone before", found(), known({b"a": file(State.MISSING)}), NOTHING),
    ("not readable", found(complete=False), known({b"a": file()}, [b"f"]), NOTHING),
    ("a new folder", found(folders=[b"f"]), known(), NOTHING._replace(folders=frozenset([b"f"]))),
    ("a folder gone", found(), known(folders=[b"f"]), NOTHING._replace(folders_gone=frozenset([b"f"]))),
]


@pytest.mark.parametrize(
    ("here", "before", "diff"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_compare(here, before, diff):
    """What changed follows from what is there and what was known, and from nothing else."""
    assert scan.compare(here, before) == diff


def test_sidecars_of_both_kinds(tmp_path):
    """What lies beside a picture under its whole name or its stem is its sidecar, and each change of one shows."""
    for name in ("a.jpg", "b.jpg", "c.jpg", "a.jpg.xmp", "b.XMP", "notes.xmp"):
        (tmp_path / name).write_text(name)

    def stamps():
        return dict(scan.listing(bytes(tmp_path), Scan(), frozenset()).beside)

    before = stamps()
    assert set(before) == {b"a.jpg", b"b.jpg"}
    (tmp_path / "a.jpg.xmp").write_text("another")
    (tmp_path / "b.XMP").unlink()
    assert set(stamps()) == {b"a.jpg"}
    assert stamps()[b"a.jpg"] != before[b"a.jpg"]


def test_every_part_of_the_stat_counts():
    """A change of size, either time or the inode is a change."""
    for field in Stat._fields:
        seen = ONE._replace(**{field: 99})
        assert scan.compare(found({b"a": seen}), known({b"a": file()})).changed == [(7, seen)]


WANTED = [b"a.jpg", b"A.JPEG", b"a.b.png", b"\xff.webp", b"a.tiff", b"a.heic", b".jpg.png"]
UNWANTED = [
    b"jpg",
    b"a.txt",
    b"a",
    b"a.jpg.part",
    b"a.jpg~",
    b"a.jpg.tmp",
    b"a.jpg.crdownload",
    b"a.mp4",
    b"",
]


def test_wanted():
    """Names of pictures are taken up, whatever their case; temporary and other names are not."""
    assert all(map(scan.wanted, WANTED))
    assert not any(map(scan.wanted, UNWANTED))


def test_ignored():
    """Hidden names and those of the settings do not concern us; `hidden` lets the first in."""
    assert scan.ignored(b".git", Scan())
    assert not scan.ignored(b".git", Scan(hidden=True))
    assert scan.ignored(b"@eaDir", Scan())
    assert not scan.ignored(b"\xff", Scan())


def test_listing(tmp_path):
    """A folder's listing holds regular picture files and folders, and follows no link."""
    for name in ("a.jpg", "b.txt", ".c.jpg"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "a.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    listing = scan.listing(os.fsencode(tmp_path), Scan(), frozenset())
    assert (set(listing.files), listing.folders, listing.complete) == ({b"a.jpg"}, {b"folder"}, True)


def test_file_that_is_a_mount_point(tmp_path):
    """A picture over which another one is mounted is a file, and no disk; a folder is one."""
    (tmp_path / "a.jpg").touch()
    (tmp_path / "disk").mkdir()
    points = frozenset(os.fsencode(tmp_path / name) for name in ("a.jpg", "disk"))
    listing = scan.listing(os.fsencode(tmp_path), Scan(), points)
    assert (set(listing.files), listing.mounts, listing.folders) == ({b"a.jpg"}, {b"disk"}, frozenset())


def test_gone_behind_a_link(tmp_path):
    """A file that is reached only through a link below the root is gone; a root that is a link itself is none of that."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.jpg").touch()
    (tmp_path / "link").symlink_to("elsewhere")
    root, file = os.fsencode(tmp_path), os.fsencode(tmp_path / "link" / "a.jpg")
    assert scan.gone(file, Scan(), root)
    assert not scan.gone(file, Scan(), os.path.dirname(file))
    assert not scan.gone(os.fsencode(tmp_path / "elsewhere" / "a.jpg"), Scan(), root)


@pytest.mark.parametrize("what", ["missing", "file", "file/below"])
def test_no_listing(tmp_path, what):
    """What is no folder has no listing."""
    (tmp_path / "file").touch()
    assert scan.listing(os.fsencode(tmp_path / what), Scan(), frozenset()) is None


# Settle, by a clock of our own


def test_quiet_for_a_while():
    """A file changed just now is due after the quiet time, one changed long ago at once."""
    settle = Settle(2.0)
    settle.changed(1, 0.5, now=100.0)
    settle.changed(2, 2.0, now=100.0)
    assert [settle.due(1, now) for now in (100.0, 101.4, 101.6)] == [False, False, True]
    assert settle.due(2, 100.0)
    assert settle.due(3, 100.0)
    assert settle.next_due(0.0) == 101.5


def test_time_that_was_set_back():
    """A file from the future waits the quiet time and no longer."""
    settle = Settle(2.0)
    settle.changed(1, -3600.0, now=100.0)
    assert settle.next_due(0.0) == 102.0


def test_moving_waits_longer_each_time():
    """A file that changes while it is read waits 5 seconds, then longer up to a minute; done forgets that."""
    settle = Settle(2.0)
    pauses = []
    for _ in range(6):
        settle.moving(1, now=0.0)
        pauses.append(settle.next_due(0.0))
    assert pauses == [FIRST_PAUSE, 10.0, 20.0, 40.0, LONGEST_PAUSE, LONGEST_PAUSE]
    settle.done(1)
    settle.moving(1, now=0.0)
    assert settle.next_due(0.0) == FIRST_PAUSE


def test_never_at_rest():
    """A file that is written all the time is read after ten minutes as it stands, and once more when it changes."""
    settle, now = Settle(2.0), 100.0
    while not settle.due(1, now) or now == 100.0:
        settle.changed(1, 0.0, now)
        settle.next_due(now)
        now += 1.0
    assert now == 100.0 + LONGEST_WAIT
    assert settle.quiet(1, 6, 0.0, now)
    settle.done(1)
    settle.changed(1, 0.0, now)
    assert not settle.due(1, now)
    assert not settle.quiet(1, 6, 0.0, now)


def test_moving_and_gone():
    """Of a file that was moving and never came to rest nothing is kept after a while."""
    settle = Settle(2.0)
    settle.moving(1, now=0.0)
    settle.next_due(now=FIRST_PAUSE + LONGEST_PAUSE)
    assert settle._pauses == {}


def test_times_without_fractions():
    """Times in whole seconds are doubted just after the change; from hours ahead, as a wrong clock leaves them, never."""
    now = int(time.time())
    young, ahead, old = (Stat(1, when * 10**9, when * 10**9, 1) for when in (now, now + 8 * 3600, now - 60))
    assert [racy(stat) for stat in (young, ahead, old)] == [True, False, False]
    assert not racy(young._replace(mtime_ns=now * 10**9 + 1))


def test_hurry():
    """`hurry` makes everything due that waits now, and nothing that comes later."""
    settle = Settle(2.0)
    settle.changed(1, 0.0, now=0.0)
    settle.moving(2, now=0.0)
    settle.hurry(5)
    assert (settle.due(1, 0.0), settle.due(2, 0.0), len(settle), settle.next_due(0.0)) == (
        True,
        True,
        0,
        None,
    )
    settle.changed(3, 0.0, now=0.0)
    assert not settle.due(3, 1.0)
    assert [settle.quiet(1, *one, 100.0) for one in ((5, 0.0), (6, 0.0), (6, 2.0))] == [True, False, True]


# Backlog


def test_events_come_first():
    """Folders with an event come before those of a deep scan; of these the newest first."""
    backlog = Backlog()
    backlog.add(b"/deep1", deep=True)
    backlog.add(b"/deep2", deep=True)
    backlog.add(b"/event")
    taken = [backlog.take() for _ in range(4)]
    assert taken == [Dirty(b"/event", False, 3), Dirty(b"/deep2", True, 2), Dirty(b"/deep1", True, 1), None]


def test_a_storm_is_one_entry():
    """A folder that is marked again and again waits once, with its oldest number."""
    backlog = Backlog()
    for _ in range(1000):
        backlog.add(b"/a")
    assert (len(backlog), backlog.last, backlog.oldest()) == (1, 1000, 1)


def test_children_inherit():
    """`oldest` stays while anything that was found inside a marked folder waits."""
    backlog = Backlog()
    backlog.add(b"/a", deep=True)
    dirty = backlog.take()
    backlog.add(b"/b")
    backlog.add(b"/a/x", deep=True, number=dirty.number)
    assert backlog.oldest() == 1
    backlog.add(b"/b", number=1)
    assert [backlog.take().number, backlog.take().number, backlog.oldest()] == [1, 1, None]


def test_wake_ends_a_wait():
    """`wait` is over when a folder is marked or `wake` is called, also when that came before it."""
    for act in (Backlog.wake, lambda backlog: backlog.add(b"/a")):
        backlog = Backlog()
        act(backlog)
        backlog.wait(3600.0)
        backlog.take()
        thread = threading.Thread(target=act, args=(backlog,))
        thread.start()
        backlog.wait(3600.0)
        thread.join()
