"""Searching by a picture."""

import os

import pytest

from kadr.protocol import errors
from kadr.protocol.messages import Similar


def test_indexed_picture_finds_itself(daemon, root, pictures):
    """A picture of the index is its own best answer, and costs no encode."""
    files = pictures.many(root, 12)
    daemon.sync()
    with daemon.spending(encodes=0, decodes=0):
        for file in files[:4]:
            rows = daemon.ask(Similar(os.fsencode(file), 3)).rows
            assert rows[0]["path"] == os.fsencode(file)
            assert rows[0]["score"] > 0.999
            assert len(rows) == 3


def test_picture_from_outside(daemon, root, pictures, tmp_path):
    """A picture that is in no root is encoded for the question; its copy in a root is the best answer."""
    files = pictures.many(root, 6)
    outside = tmp_path / "outside.png"
    outside.write_bytes(files[4].read_bytes())
    daemon.sync()
    rows = daemon.ask(Similar(os.fsencode(outside), 6)).rows
    assert rows[0]["path"] == os.fsencode(files[4])
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)


def test_copies_are_hits_of_their_own(daemon, root, pictures):
    """Every file that shows the best picture is a hit, ties by path."""
    file = pictures.one(root / "b.jpg")
    for name in ("a", "c"):
        (root / f"{name}.jpg").write_bytes(file.read_bytes())
    daemon.sync()
    rows = daemon.ask(Similar(os.fsencode(file))).rows
    assert [row["path"] for row in rows] == [os.fsencode(root / f"{name}.jpg") for name in "abc"]
    assert len({row["picture"] for row in rows}) == 1


@pytest.mark.parametrize("what", ["text", "empty", "folder", "missing", "relative", "pipe"])
def test_what_cannot_be_asked(daemon, root, tmp_path, what):
    """A question with no picture is refused with its code, and the next one is answered."""
    path = tmp_path / what
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    elif what in ("text", "empty"):
        path.write_text("no picture" if what == "text" else "")
    kind = {"missing": errors.NotFound, "relative": errors.BadParameter}.get(what, errors.NotAPicture)
    with pytest.raises(kind):
        daemon.ask(Similar(b"relative.jpg" if what == "relative" else os.fsencode(path)))
    assert daemon.alive


def test_min_score_and_limit(daemon, root, pictures):
    """`min_score` and `limit` cut the answer, and a limit out of range is refused."""
    files = pictures.many(root, 8)
    daemon.sync()
    path = os.fsencode(files[0])
    everything = daemon.ask(Similar(path, 8)).rows
    cut = everything[3]["score"]
    assert daemon.ask(Similar(path, 8, cut)).rows == [row for row in everything if row["score"] >= cut]
    assert daemon.ask(Similar(path, 2)).rows == everything[:2]
    for limit in (-1, 1_000_001):
        with pytest.raises(errors.BadParameter):
            daemon.ask(Similar(path, limit))
