"""Files that are no pictures, or that have names nobody expects. Each has a reason, and the daemon goes on."""

import os

import pytest

from kadr.protocol.messages import Search

BAD = {
    "text.jpg": (b"this is no picture\n", "not-a-picture"),
    "page.png": (b"<!doctype html><html></html>", "not-a-picture"),
    "empty.jpg": (b"", "empty"),
    "header.jpg": (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", "damaged"),
    "header.png": (b"\x89PNG\r\n\x1a\n", "not-a-picture"),
    "zeros.png": (bytes(4096), "not-a-picture"),
}


def test_each_has_its_reason(daemon, root, pictures):
    """Every file that shows nothing is listed with a reason, and its neighbours are found."""
    for name, (content, _) in BAD.items():
        (root / name).write_bytes(content)
    whole = pictures.bytes(".jpg")
    (root / "half.jpg").write_bytes(whole[: len(whole) // 2])
    (root / "half.png").write_bytes(pictures.bytes(".png")[:400])
    good = pictures.many(root, 5)
    daemon.shows(*good)
    reasons = daemon.failures()
    assert reasons == {name: reason for name, (_, reason) in BAD.items()} | {
        "half.jpg": "damaged",
        "half.png": "damaged",
    }
    assert all(failure["sentence"].endswith(".") for failure in daemon.status()["failures"])


def test_what_is_no_file(daemon, root, pictures, tmp_path):
    """Folders, pipes and links with a picture's name are passed over; a loop of links ends."""
    outside = pictures.one(tmp_path / "outside.jpg")
    (root / "folder.jpg").mkdir()
    os.mkfifo(root / "pipe.jpg")
    (root / "link.jpg").symlink_to(outside)
    (root / "dangling.jpg").symlink_to(root / "nothing")
    (root / "self.jpg").symlink_to(root / "self.jpg")
    (root / "loop").symlink_to(root, target_is_directory=True)
    (root / "up").symlink_to("..", target_is_directory=True)
    daemon.shows(pictures.one(root / "good.jpg"), pictures.one(root / "folder.jpg" / "inside.jpg"))
    assert daemon.failures() == {}


def test_file_that_becomes_a_pipe(daemon, root, pictures):
    """A file that is replaced by a pipe is gone, and nobody waits for the pipe."""
    file, other = pictures.many(root, 2)
    daemon.sync()
    file.unlink()
    os.mkfifo(file)
    daemon.shows(other)


NAMES = [
    b"not-utf-8-\xff\xfe.jpg",
    b"new\nline.jpg",
    b"tab\tand\rreturn.jpg",
    "кадр.jpg".encode(),
    b"n" * 251 + b".jpg",
    b" spaces .jpg",
    b"'quotes\" %s {brace} \\.jpg",
    b"-n.jpg",
    "e\u0301.jpg".encode(),
    "\u00e9.jpg".encode(),
    b"a.JPG",
    b"A.jpg",
]


def test_names_of_bytes(daemon, root, pictures):
    """Any name that the disk takes, however long and in no encoding, is found by its very bytes."""
    top = os.fsencode(root)
    folder = os.path.join(top, b"folder\xff\n")
    os.mkdir(folder)
    paths = [os.path.join(where, name) for where in (top, folder) for name in NAMES]
    for path in paths:
        with open(path, "wb") as file:
            file.write(pictures.bytes())
    daemon.check()
    rows = daemon.ask(Search("red", 1000, min_score=0)).rows
    assert sorted(row["path"] for row in rows) == sorted(paths)
    new = os.path.join(top, b"renamed\xfe.jpg")
    with daemon.spending(encodes=0, decodes=0):
        os.rename(paths[0], new)
        os.rename(folder, folder + b"\xfe")
    daemon.check()
    shown = {row["path"] for row in daemon.ask(Search("red", 1000, min_score=0)).rows}
    assert new in shown
    assert os.path.join(folder + b"\xfe", NAMES[0]) in shown


def test_failure_with_an_odd_name(daemon, root):
    """A failed file whose name is no UTF-8 is listed by its very bytes."""
    path = os.path.join(os.fsencode(root), b"\xff\n.jpg")
    with open(path, "wb") as file:
        file.write(b"no picture")
    daemon.sync()
    assert [failure["path"] for failure in daemon.status()["failures"]] == [path]
    daemon.check()


def test_bad_file_that_becomes_good(daemon, root, pictures):
    """A file that was cut off and is completed later is found."""
    whole = pictures.bytes()
    file = root / "a.jpg"
    file.write_bytes(whole[:200])
    daemon.shows()
    assert daemon.failures().keys() == {"a.jpg"}
    with file.open("ab") as opened:
        opened.write(whole[200:])
    daemon.shows(file)
    assert daemon.failures() == {}


def test_good_file_that_becomes_bad(daemon, root, pictures):
    """A picture that is overwritten with something else is no hit any more."""
    file = pictures.one(root / "a.jpg")
    daemon.sync()
    file.write_bytes(b"no picture")
    daemon.shows()
    assert daemon.failures() == {"a.jpg": "not-a-picture"}


def test_known_failure_is_not_tried_again(daemon, root, pictures):
    """The same bad content in another file is known, and costs no decode."""
    content = pictures.bytes(".png")[:300]
    (root / "a.png").write_bytes(content)
    with daemon.spending(decodes=0, failures_total=1):
        (root / "b.png").write_bytes(content)
    daemon.check()


@pytest.mark.parametrize("which", ["file", "root"])
def test_rescan_tries_again(daemon, root, which):
    """`rescan` of a file or of its folder gives what failed there another try."""
    file = root / "a.jpg"
    file.write_bytes(b"no picture at all")
    daemon.sync()
    with daemon.spending(decodes=1, failures_total=0):
        daemon.rescan(file if which == "file" else root)
    assert daemon.failures() == {"a.jpg": "not-a-picture"}
    daemon.check()


def test_one_bad_copy_does_not_taint_a_good_one(daemon, root, pictures):
    """A PNG with a wrong checksum fails alone: the whole file with the same picture-bearing bytes is found."""
    good = pictures.bytes(".png")
    at = good.index(b"IDAT") + 4 + int.from_bytes(good[good.index(b"IDAT") - 4 : good.index(b"IDAT")], "big")
    bad = good[:at] + bytes(4) + good[at + 4 :]
    (root / "0-bad.png").write_bytes(bad)
    (root / "1-good.png").write_bytes(good)
    (root / "2-bad.png").write_bytes(bad + b"tail")
    daemon.check()
    assert root / "1-good.png" in daemon.found()


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is denied to root")
def test_without_permission(daemon, root, pictures):
    """A folder that cannot be read keeps what was known of it, and costs nothing when it can be read again."""
    files = pictures.many(root / "a", 3)
    daemon.sync()
    (root / "a").chmod(0)
    daemon.rescan()
    daemon.sync()
    assert daemon.found() == files
    with daemon.spending(encodes=0, decodes=0):
        (root / "a").chmod(0o700)
        daemon.rescan()
    daemon.shows(*files)
