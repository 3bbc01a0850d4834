"""The file of places is made when it is needed, and anew when it cannot be believed; whatever the disk does, places answer."""

import os

import pytest

from kadrd.places.cache import NAME
from kadrd.store import durable

HERE = (50.0, 30.0)


def answers(places):
    """Whether the small gazetteer answers in full."""
    place = places.at(*HERE)
    found = places.named("велике місто") + places.named("There")
    return place is not None and place.city == "Big Town" and [f.name for f in found] == ["Big Town", "There"]


@pytest.fixture
def folder(tmp_path):
    """A cache folder that is not there yet."""
    return tmp_path / "cache"


def test_nothing_before_the_first_question(folder, write, opened):
    """A daemon that starts makes no file, so its start is as quick as ever; the first question makes it."""
    places = opened(str(folder), write())
    assert not folder.exists()
    assert answers(places)
    assert os.listdir(folder) == [NAME]


def test_made_once(folder, write, opened):
    """The next daemon takes the file as it is."""
    gazetteer = write()
    assert answers(opened(str(folder), gazetteer))
    before = os.stat(folder / NAME)
    assert answers(opened(str(folder), gazetteer))
    assert os.stat(folder / NAME) == before


def test_another_gazetteer(folder, write, opened):
    """A kadr with another gazetteer makes its own file, and what others left in the folder goes."""
    assert answers(opened(str(folder), write()))
    (folder / "places-0.sqlite").write_bytes(b"of an older kadr")
    (folder / f"{NAME}.123.tmp").write_bytes(b"of a child that was killed")
    places = opened(
        str(folder), write("c\t1\t5\tElsewhere\nr\tShire\t\np\t9\t50.000\t30.000\t5\tOther Town\t\n", "b.xz")
    )
    assert places.at(*HERE).city == "Other Town"
    assert os.listdir(folder) == [NAME]


DAMAGE = {
    "empty": lambda data: b"",
    "no database": lambda data: b"something else entirely" * 99,
    "cut": lambda data: data[: len(data) // 2],
    "a page of zeros": lambda data: data[:4096] + bytes(4096) + data[8192:],
    "the schema": lambda data: data[:100] + bytes(996) + data[1096:],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file(folder, write, opened, damage):
    """A damaged file is made anew."""
    gazetteer = write()
    assert answers(opened(str(folder), gazetteer))
    whole = (folder / NAME).read_bytes()
    (folder / NAME).write_bytes(DAMAGE[damage](whole))
    assert answers(opened(str(folder), gazetteer))
    assert (folder / NAME).read_bytes() == whole


def test_damaged_while_it_is_open(folder, write, opened):
    """A file that breaks under a running daemon is made anew at the question that notices it."""
    more = "".join(
        f"p\t{number}\t10.000\t{number / 1000:.3f}\t1\tVillage {number}\t\n" for number in range(9000, 30000)
    )
    places = opened(str(folder), write("c\t1\t5\tHere\nr\tShire\t\n" + more))
    assert places.named("Village 9000")
    size = os.path.getsize(folder / NAME)
    with open(folder / NAME, "r+b") as file:
        file.write(bytes(size))
    assert [place.name for place in places.named("Village 25000")] == ["Village 25000"]
    assert not places.reason


def test_a_folder_that_cannot_be(tmp_path, write, opened):
    """Where no folder can be made, places are kept in memory and answer all the same."""
    (tmp_path / "file").write_bytes(b"")
    places = opened(str(tmp_path / "file" / "cache"), write())
    assert answers(places)
    assert not places.reason


@pytest.mark.parametrize("point", ["publish-before-rename", "publish-renamed"])
@pytest.mark.parametrize("kind", ["enospc", "eio"])
def test_a_disk_that_fails(folder, write, opened, monkeypatch, capfd, kind, point):
    """A full or failing disk leaves no half file; places answer, and the next daemon makes the file."""
    monkeypatch.setattr(durable, "_passed", {})
    monkeypatch.setenv("KADR_FAULT", f"{kind}:{point}")
    gazetteer = write()
    assert answers(opened(str(folder), gazetteer))
    assert "no file of places could be made" in capfd.readouterr().err
    assert not [name for name in os.listdir(folder) if name.endswith(".tmp")]
    monkeypatch.delenv("KADR_FAULT")
    assert answers(opened(str(folder), gazetteer))
    assert os.listdir(folder) == [NAME]


def test_killed_while_the_file_is_made(folder, write, opened, monkeypatch):
    """A power cut while the file is made leaves nothing that is taken for it."""
    monkeypatch.setenv("KADR_CRASH", "publish-before-rename")
    gazetteer = write()
    assert answers(opened(str(folder), gazetteer))
    assert NAME not in os.listdir(folder)
    monkeypatch.delenv("KADR_CRASH")
    assert answers(opened(str(folder), gazetteer))
    assert os.listdir(folder) == [NAME]


@pytest.mark.parametrize("broken", ["absent", "no xz", "cut", "strange"])
def test_a_broken_installation(folder, write, opened, tmp_path, broken):
    """Without the gazetteer nothing is known of any place, and `reason` says why; nothing is raised."""
    path = write("x\tstrange\n" if broken == "strange" else "p\t1\t0\t0\t5\tName\t\n" * 9999)
    if broken == "absent":
        os.unlink(path)
    elif broken == "no xz":
        (tmp_path / "small.xz").write_bytes(b"no xz")
    elif broken == "cut":
        os.truncate(path, os.path.getsize(path) // 2)
    places = opened(str(folder), path)
    assert places.at(*HERE) is None
    assert places.named("Name") == ()
    assert places.nearest("Namf") == ""
    assert "cannot be read" in places.reason


def test_closed_and_asked_again(folder, write, opened):
    """Closing lets go of the file; who asks again is answered."""
    places = opened(str(folder), write())
    assert answers(places)
    places.close()
    places.close()
    assert answers(places)
