"""Thumbnails and contact sheets, drawn for a client by the real daemon."""

import io
import os
import signal
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from kadr.protocol import errors
from kadr.protocol.frames import REPLY_LIMIT, encode
from kadr.protocol.messages import Item, Progress, Search, Sheet, Thumbnails, reply
from kadrd.ingest.grid import MOST_PICTURES, grid


def paths(files):
    return [os.fsencode(file) for file in files]


def opened(data):
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB")


def noise(path, side):
    """A picture that no compression makes small."""
    path.write_bytes(b"")
    Image.fromarray(np.random.default_rng(7).integers(0, 256, (side, side, 3), np.uint8)).save(path)
    return path


def test_thumbnails_of_any_file(daemon, root, pictures, tmp_path):
    """Files in a root and outside of one are drawn in the order asked for, and the index has no work by it."""
    files = [*pictures.many(root, 20), pictures.one(tmp_path / "outside.jpg")]
    with daemon.spending(encodes=0, decodes=0):
        answer = daemon.ask(Thumbnails(paths(files), 20))
    assert [row["path"] for row in answer.rows] == paths(files)
    assert {opened(row["data"]).size for row in answer.rows} == {(20, 16)}
    assert (answer.body["count"], answer.body["failures"]) == (21, 0)


def test_what_cannot_be_drawn_says_why(daemon, pictures, tmp_path):
    """A file that is no picture, or gone, or a folder is a row with its reason among the others."""
    fine = pictures.one(tmp_path / "fine.jpg")
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "folder.jpg").mkdir()
    names = ["text.jpg", "fine.jpg", "missing.jpg", "folder.jpg", "fine.jpg"]
    answer = daemon.ask(Thumbnails(paths(tmp_path / name for name in names), 64, "jpeg"))
    assert [row["path"] for row in answer.rows] == paths(tmp_path / name for name in names)
    assert ["data" in row for row in answer.rows] == [name == fine.name for name in names]
    assert [row["reason"] for row in answer.rows if "reason" in row] == [
        "not-a-picture",
        "unreadable",
        "unreadable",
    ]
    assert all(row["sentence"].endswith(".") for row in answer.rows if "reason" in row)
    assert (answer.body["count"], answer.body["failures"]) == (2, 3)


def test_large_thumbnail_comes_in_pieces(daemon, pictures, tmp_path):
    """A small picture that is more than a reply holds comes in rows that say that there is more."""
    files = [noise(tmp_path / "noise.png", 1030), pictures.one(tmp_path / "other.jpg")]
    replies = list(daemon.replies(Thumbnails(paths(files), 1024)))
    items = [one for one in replies if isinstance(one, Item)]
    assert all(len(encode(reply(1, one))) < REPLY_LIMIT for one in items)
    rows = [row for item in items for row in item.rows]
    large = [row for row in rows if row["path"] == os.fsencode(files[0])]
    assert len(large) > 1
    assert [row.get("more", False) for row in large] == [True] * (len(large) - 1) + [False]
    assert opened(b"".join(row["data"] for row in large)).size == (1024, 1024)
    assert rows[: len(large)] == large


@pytest.mark.parametrize(
    "request_",
    [
        Thumbnails([]),
        Thumbnails([b"/a.jpg"] * (MOST_PICTURES + 1)),
        Thumbnails([b"a.jpg"]),
        Thumbnails([b"/a.jpg", b"/a\0.jpg"]),
        Thumbnails([b"/a.jpg"], 15),
        Thumbnails([b"/a.jpg"], 1025),
        Thumbnails([b"/a.jpg"], form="tiff"),
        Sheet([], []),
        Sheet([b"/a.jpg"], []),
        Sheet([b"/a.jpg"], ["a", "b"]),
        Sheet([b"a.jpg"], ["a"]),
        Sheet([b"/a.jpg"], ["a"], form="pdf"),
        Sheet([b"/a.jpg"] * (MOST_PICTURES + 1), ["a"] * (MOST_PICTURES + 1)),
    ],
)
def test_what_cannot_be_asked(daemon, request_):
    """Too many pictures, sizes and forms that do not exist and relative paths are refused, and the next is answered."""
    with pytest.raises(errors.BadParameter):
        daemon.ask(request_)
    assert daemon.alive


def test_contact_sheet(daemon, pictures, tmp_path):
    """A sheet of many pictures arrives in pieces that make one file, and tells on the way how far it is."""
    files = [*pictures.many(tmp_path, 40), tmp_path / "missing.jpg", noise(tmp_path / "noise.png", 300)]
    captions = [f"0.{99 - n}  {file.name}" for n, file in enumerate(files)]
    replies = list(daemon.replies(Sheet(paths(files), captions, "закат на озере", "png")))
    data = b"".join(row["data"] for one in replies if isinstance(one, Item) for row in one.rows)
    assert opened(data).size == grid(42, titled=True).size
    assert [one.total for one in replies if isinstance(one, Progress)] == [42, 42, 42]
    assert (replies[-1].body["count"], replies[-1].body["failures"]) == (41, 1)


def test_sheet_larger_than_a_reply(daemon, tmp_path):
    """A sheet that is more than a reply holds comes in several, each within the limit."""
    files = [noise(tmp_path / "noise.png", 300)] * 20
    items = [
        one for one in daemon.replies(Sheet(paths(files), [""] * 20, form="png")) if isinstance(one, Item)
    ]
    assert len(items) > 1
    assert all(len(encode(reply(1, one))) < REPLY_LIMIT for one in items)
    assert opened(b"".join(item.rows[0]["data"] for item in items)).size == grid(20, titled=False).size


def test_search_goes_on_while_pictures_are_drawn(daemon, root, pictures):
    """While one client has pictures drawn, another's search is answered."""
    files = pictures.many(root, 3)
    daemon.sync()
    with daemon.connect() as client:
        drawing = client.ask(Thumbnails(paths(files * 60), 256), 45.0)
        first = next(drawing)
        assert len(daemon.ask(Search("red", 3, min_score=0)).rows) == 3
        rest = list(drawing)
    assert sum(len(one.rows) for one in [first, *rest] if isinstance(one, Item)) == 180


def test_worker_stays_for_the_next_request(launch, pictures, tmp_path):
    """The process that draws is begun once for many requests, and is not another one after each."""
    daemon = launch()
    file = os.fsencode(pictures.one(tmp_path / "a.jpg"))
    daemon.ask(Thumbnails([file], 64))
    worker = daemon.worker()
    for side in range(65, 75):
        assert "data" in daemon.ask(Thumbnails([file], side)).rows[0]
    assert daemon.worker() == worker


@pytest.fixture
def two(launch, fuse, pictures, tmp_path):
    """A daemon with a healthy root and one on a disk that can be told to hang."""
    near, disk = tmp_path / "near", fuse("far")
    here = pictures.many(near, 3)
    there = [disk.place / file.name for file in pictures.many(disk.folder, 3)]
    daemon = launch(scan={"quiet_seconds": 0.05, "hang_seconds": 0.5}, worker={"file_seconds": 0.1})
    daemon.add(near)
    daemon.add(disk.place)
    daemon.shows(*here, *there)
    yield SimpleNamespace(daemon=daemon, disk=disk, here=here, there=there)
    disk.healthy()


def test_disk_that_hangs_holds_up_no_other(two):
    """Of pictures on a disk that hangs it is said that it does not answer; those beside them are drawn."""
    two.disk.hang()
    rows = two.daemon.ask(Thumbnails(paths([*two.there, *two.here]), 64)).rows
    assert [row["path"] for row in rows if "data" in row] == paths(two.here)
    assert {row["reason"] for row in rows if "data" not in row} <= {"offline", "unreadable"}


@pytest.mark.slow
def test_picture_that_hangs(two):
    """A picture whose reading hangs costs itself, not those beside it."""
    two.disk.hang("read", name=two.there[1].name)
    rows = two.daemon.ask(Thumbnails(paths([*two.there, *two.here]), 64)).rows
    assert [row["path"] for row in rows if "data" not in row] == [os.fsencode(two.there[1])]
    assert len(rows) == 6


def ask_aside(two, rows):
    """Ask for all pictures; back when the disk is held in the middle of one."""
    request = Thumbnails(paths([*two.there, *two.here]), 64)
    asking = threading.Thread(target=lambda: rows.extend(two.daemon.ask(request).rows))
    asking.start()
    two.disk.held("read", two.there[1].name)
    return asking


@pytest.mark.slow
def test_disk_that_hangs_while_it_is_read(two):
    """A disk that begins to hang in the middle of a picture costs the pictures on it, not those beside them."""
    rows = []
    two.disk.hang("read", name=two.there[1].name)
    asking = ask_aside(two, rows)
    two.disk.hang()
    asking.join()
    assert [row["path"] for row in rows if "data" in row] == paths(two.here)
    assert len(rows) == 6


def test_worker_that_is_killed_costs_no_picture(two):
    """A worker that dies in the middle of a picture is replaced, and every picture is there all the same."""
    rows = []
    two.disk.hang("read", name=two.there[1].name)
    asking = ask_aside(two, rows)
    for child in two.daemon.children():
        os.kill(child, signal.SIGKILL)
    two.disk.healthy()
    asking.join()
    assert [row["path"] for row in rows if "data" in row] == paths([*two.there, *two.here])
