"""A disk that hangs or errs: other roots go on, nothing is forgotten or blamed, and its return costs nothing.

The disk is a file system of ours (fuse_fixture.py), as slow and as broken as a test wants it. What is written into
`there.folder` is on it without an event, as when another machine writes to a network disk.
"""

import errno
import os
import signal
import threading
from types import SimpleNamespace

import pytest

from kadr.protocol import errors
from kadr.protocol.messages import Add, Doctor, Search, Similar, Verify

pytestmark = pytest.mark.timeout(150)

HANGS = {
    "everything": (),
    "listing": ("opendir", "readdir"),
    "stat": ("lookup", "getattr"),
    "the look at the disk itself": ("statfs",),
}
SLOW = pytest.mark.slow
ERRORS = (
    errno.EIO,
    *(pytest.param(number, marks=SLOW) for number in (errno.ESTALE, errno.ENOTCONN, errno.EHOSTDOWN)),
)


@pytest.fixture
def start(launch, fuse, pictures, tmp_path):
    """A daemon with two indexed roots: `far` on a disk of ours and `near` on the machine's own."""

    def start(place=None, **settings):
        near = tmp_path / "near"
        files = pictures.many(near, 3)
        disk = fuse("far", place)
        far = [disk.place / made.relative_to(disk.folder) for made in pictures.many(disk.folder / "a", 4)]
        scan = {"hang_seconds": 2.0} | settings.pop("scan", {})
        daemon = launch(scan=scan, **settings)
        daemon.add(near)
        if place is None:
            daemon.add(disk.place)
        daemon.shows(*files, *far)
        return SimpleNamespace(daemon=daemon, disk=disk, near=near, here=files, far=far)

    return start


def goes_on(two, pictures, name="new.jpg"):
    """While the disk does not answer, the other root's new picture is found, and every request is answered."""
    daemon = two.daemon
    two.here.append(pictures.one(two.near / name))
    daemon.sync()
    assert set(two.here) <= set(daemon.found())
    assert daemon.failures() == {}
    assert daemon.ask(Doctor()).body["checks"]
    assert os.fsencode(two.disk.place) in daemon.ask(Search("red")).body["offline_roots"]


def comes_back(two, *new):
    """When the disk answers again everything is found, and only *new* pictures were ever encoded."""
    two.disk.healthy()
    two.daemon.rescan()
    two.daemon.shows(*two.here, *two.far, *new)
    status = two.daemon.status()
    assert status["encodes"] == status["files"] == len(two.here) + len(two.far) + len(new)
    assert status["failures"] == []
    assert all(root["online"] for root in status["roots"])


@pytest.mark.parametrize("what", ["everything", *(pytest.param(w, marks=SLOW) for w in list(HANGS)[1:])])
def test_disk_that_hangs(start, pictures, what):
    """While a disk hangs the other root goes on, sync comes back, and the disk's return costs no encode."""
    two = start()
    two.disk.hang(*HANGS[what])
    two.daemon.rescan()
    two.disk.held()
    goes_on(two, pictures)
    comes_back(two)


@pytest.mark.slow
@pytest.mark.parametrize("calls", range(1, 4))
def test_begins_to_hang_in_the_middle(start, pictures, calls):
    """A disk that begins to hang in the middle of the look at one of its folders, also when that folder is about to
    be watched, keeps no news from the others."""
    two = start()
    two.disk.hang("lookup", name="a", after=calls)
    two.daemon.rescan()
    two.disk.held()
    goes_on(two, pictures)
    comes_back(two)


@pytest.mark.parametrize("number", ERRORS, ids=errno.errorcode.get)
def test_disk_that_errs(start, pictures, number):
    """A disk that answers everything with an error loses no file and blames none; other roots go on."""
    two = start()
    with two.daemon.spending(encodes=1, files=1):
        two.disk.error(number)
        two.daemon.rescan()
        two.here.append(pictures.one(two.near / "new.jpg"))
        two.daemon.sync()
        assert set(two.here) <= set(two.daemon.found())
        assert two.daemon.failures() == {}
    comes_back(two)


@pytest.mark.parametrize("number", ERRORS, ids=errno.errorcode.get)
@pytest.mark.parametrize("operations", [("opendir", "readdir"), ("lookup",), ("statfs",)], ids="/".join)
def test_half_of_a_disk_errs(start, number, operations):
    """A disk that errs at some calls only, when folders are listed or files looked at, loses no file."""
    two = start()
    with two.daemon.spending(encodes=0, files=0):
        two.disk.error(number, *operations)
        two.daemon.rescan()
        two.daemon.sync()
        two.daemon.rescan(two.disk.place / "a")
        two.daemon.sync()
    comes_back(two)


@pytest.mark.parametrize("number", ERRORS, ids=errno.errorcode.get)
def test_reading_errs(start, pictures, number):
    """Pictures that a disk does not give are indexed once it does, without anything being asked of the user."""
    two = start()
    made = pictures.many(two.disk.folder / "n", 3)
    two.disk.error(number, "read")
    two.daemon.rescan()
    two.daemon.sync()
    comes_back(two, *(two.disk.place / "n" / file.name for file in made))


def test_server_of_a_disk_dies(start, fuse, pictures):
    """A disk whose server died, as one of sshfs, is offline; mounted again it costs no encode."""
    two = start()
    two.disk.die()
    two.daemon.rescan()
    goes_on(two, pictures)
    two.disk.unmount()
    two.disk = fuse("far")
    comes_back(two)


@pytest.mark.slow
def test_disk_inside_a_root_hangs(start, pictures, tmp_path):
    """A disk that is mounted inside a root and hangs leaves the other folders of that root alone."""
    two = start(tmp_path / "near" / "disk")
    two.disk.hang()
    two.daemon.rescan()
    two.disk.held()
    goes_on(two, pictures)
    comes_back(two)


@SLOW
def test_reading_hangs(start, pictures):
    """A picture whose reading hangs holds up no other, in its folder or elsewhere, and is indexed when it is given."""
    two = start(worker={"file_seconds": 0.1})
    made = [two.disk.place / "n" / file.name for file in pictures.many(two.disk.folder / "n", 3)]
    two.disk.hang("read", name=made[1].name)
    two.daemon.rescan()
    two.disk.held("read", made[1].name)
    two.here.append(pictures.one(two.near / "new.jpg"))
    two.daemon.sync()
    assert set(two.here) | {made[0], made[2]} <= set(two.daemon.found())
    assert two.daemon.failures() == {}
    comes_back(two, *made)


@pytest.mark.slow
def test_reading_hangs_and_cannot_be_killed(start, pictures):
    """A worker that a disk holds so that it cannot even die is left behind; others index what can be read."""
    two = start(worker={"file_seconds": 0.1})
    made = [two.disk.place / "n" / file.name for file in pictures.many(two.disk.folder / "n", 3)]
    two.disk.hang("read", name=made[1].name, deaf=True)
    two.daemon.rescan()
    two.disk.held("read", made[1].name)
    two.here.append(pictures.one(two.near / "new.jpg"))
    two.daemon.sync()
    assert set(two.here) <= set(two.daemon.found())
    comes_back(two, *made)


def test_slow_disk(start, pictures):
    """A disk that is slow and answers is indexed like any other."""
    two = start()
    made = pictures.many(two.disk.folder / "n", 3)
    two.disk.slow(0.01)
    two.daemon.rescan()
    two.daemon.shows(*two.here, *two.far, *(two.disk.place / "n" / file.name for file in made))


@pytest.mark.slow
def test_start_while_a_disk_hangs(start, pictures):
    """A daemon that starts while a disk hangs answers, and finds what is new in the other root."""
    two = start()
    encodes = two.daemon.status()["encodes"]
    two.daemon.stop()
    two.disk.hang()
    two.daemon.start()
    two.disk.held()
    goes_on(two, pictures)
    two.disk.healthy()
    two.daemon.rescan()
    two.daemon.shows(*two.here, *two.far)
    assert two.daemon.status()["encodes"] == 1
    assert encodes == 7


@pytest.mark.slow
def test_adding_a_folder_on_a_disk_that_hangs(start, fuse):
    """A folder on a disk that hangs is refused, however long the client would wait."""
    two = start()
    other = fuse("other")
    other.hang()
    with pytest.raises(errors.KadrError) as refused:
        two.daemon.add(other.place)
    assert not isinstance(refused.value, errors.DeadlinePassed)
    other.healthy()
    two.daemon.add(other.place)


@SLOW
def test_many_requests_about_a_disk_that_hangs(start, fuse, pictures):
    """However many clients ask about folders and pictures on a disk that hangs, every other request is answered."""
    two = start()
    other = fuse("other")
    file = pictures.one(other.folder / "a.jpg")
    other.hang()
    refused = []

    def ask():
        for request in (Add(os.fsencode(other.place)), Similar(os.fsencode(other.place / file.name))):
            try:
                two.daemon.ask(request, 1.0)
            except errors.KadrError as error:
                refused.append(error)

    clients = [threading.Thread(target=ask) for _ in range(40)]
    for client in clients:
        client.start()
    other.held()
    assert two.daemon.found() == sorted([*two.here, *two.far])
    for client in clients:
        client.join()
    assert len(refused) == 80
    two.here.append(pictures.one(two.near / "new.jpg"))
    two.daemon.sync()
    assert two.daemon.found() == sorted([*two.here, *two.far])
    assert two.daemon.ask(Doctor()).body["checks"]
    other.healthy()
    two.daemon.add(other.place)
    two.daemon.shows(*two.here, *two.far, other.place / file.name)


def test_known_picture_of_a_disk_that_hangs(start):
    """What is like a picture that is known is answered without a look at the disk that hangs."""
    two = start()
    two.disk.hang()
    rows = two.daemon.ask(Similar(os.fsencode(two.far[0]))).rows
    assert os.fsencode(two.far[0]) in [row["path"] for row in rows]


@pytest.mark.slow
def test_rescan_of_a_disk_that_hangs(start, pictures):
    """A look at a disk that hangs can be asked for, and nobody waits for it."""
    two = start()
    two.disk.hang()
    two.daemon.rescan(two.disk.place)
    two.daemon.rescan(two.disk.place / "a" / "0000.jpg")
    goes_on(two, pictures)
    comes_back(two)


@pytest.mark.slow
def test_remove_while_it_hangs(start, pictures):
    """A root whose disk hangs can be removed, and is not there any more when the disk answers."""
    two = start()
    two.disk.hang()
    two.daemon.rescan()
    two.disk.held()
    assert two.daemon.remove(two.disk.place)["files"] == 4
    assert two.daemon.roots() == [os.fsencode(two.near)]
    two.here.append(pictures.one(two.near / "new.jpg"))
    two.daemon.sync()
    assert two.daemon.found() == sorted(two.here)
    two.disk.healthy()
    two.daemon.rescan()
    two.daemon.shows(*two.here)
    with two.daemon.spending(encodes=0, decodes=0):
        two.daemon.add(two.disk.place)
    two.daemon.shows(*two.here, *two.far)


@pytest.mark.slow
def test_verify_beside_a_disk_that_hangs(start, pictures):
    """Verify leaves out a disk that is known to hang."""
    two = start()
    two.disk.hang()
    two.daemon.rescan()
    goes_on(two, pictures)
    assert two.daemon.verify()["ok"]
    comes_back(two)


@pytest.mark.parametrize("number", ERRORS, ids=errno.errorcode.get)
def test_verify_of_a_disk_that_errs(start, number):
    """A disk that errs while verify reads it costs no file its picture."""
    two = start()
    with two.daemon.spending(encodes=0, decodes=0):
        two.disk.error(number, "read")
        assert not two.daemon.verify()["ok"]
        two.daemon.sync()
        assert two.daemon.found() == sorted([*two.here, *two.far])
        assert two.daemon.failures() == {}
        two.disk.healthy()
    comes_back(two)


def test_disk_that_goes_while_verify_reads_it(start, fuse):
    """Of a disk that goes while verify reads it nothing is said, and nothing is forgotten."""
    two = start()
    with two.daemon.spending(encodes=0, decodes=0):
        two.disk.hang("read")
        said = []
        asking = threading.Thread(target=lambda: said.append(two.daemon.verify()))
        asking.start()
        two.disk.held("read")
        two.disk.unmount()
        asking.join()
    assert said[0]["ok"], said[0]["problems"]
    two.disk = fuse("far")
    comes_back(two)


@pytest.mark.slow
def test_huge_folder_of_a_slow_disk(start, pictures):
    """A folder that takes longer to list than a disk may hang is indexed all the same, and its disk never counts as away."""
    two = start(scan={"hang_seconds": 0.5})
    made = pictures.many(two.disk.folder / "n", 40)
    two.disk.slow(0.02, "lookup", "getattr")
    two.daemon.rescan()
    two.daemon.sync()
    assert os.fsencode(two.disk.place) not in two.daemon.ask(Search("red")).body["offline_roots"]
    two.daemon.shows(*two.here, *two.far, *(two.disk.place / "n" / file.name for file in made))


@pytest.mark.parametrize(
    "doing", ["a look", *(pytest.param(doing, marks=SLOW) for doing in ("reading", "verify", "adding"))]
)
def test_end_while_a_disk_hangs(start, pictures, doing):
    """SIGTERM ends the daemon although a disk hangs, whatever it was doing there; nothing is lost by it."""
    two = start()
    new = [two.disk.place / "n" / file.name for file in pictures.many(two.disk.folder / "n", 2)]
    if doing == "reading":
        two.disk.hang("read")
        two.daemon.rescan()
    elif doing == "verify":
        two.daemon.rescan()
        two.daemon.sync()
        two.disk.hang("read")
        with pytest.raises(errors.KadrError):
            two.daemon.ask(Verify(), 1.0)
    elif doing == "adding":
        two.disk.hang()
        with two.daemon.connect() as client, pytest.raises(errors.KadrError):
            list(client.ask(Add(os.fsencode(two.disk.place / "n")), 1.0))
    else:
        two.disk.hang()
        two.daemon.rescan()
    two.disk.held()
    two.daemon.signal(signal.SIGTERM)
    assert two.daemon.wait() == 0
    two.disk.healthy()
    two.daemon.start()
    two.daemon.shows(*two.here, *two.far, *new)


def test_killed_while_a_disk_hangs(start, pictures):
    """SIGKILL ends the daemon and its worker although a disk holds both; the next one goes on where it was."""
    two = start()
    new = [two.disk.place / "n" / file.name for file in pictures.many(two.disk.folder / "n", 2)]
    two.disk.hang("read")
    two.daemon.rescan()
    two.disk.held("read")
    two.daemon.kill()
    two.disk.healthy()
    two.daemon.start()
    two.daemon.shows(*two.here, *two.far, *new)
