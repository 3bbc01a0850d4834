"""--follow: the answer, and then what comes and goes."""

from __future__ import annotations

import json
import os
import signal

import pytest

from kadr.protocol.messages import Cancel, End, Item, Progress


@pytest.fixture
def living(daemon, hit, seam):
    """A daemon whose answer is one file, into which another comes, out of which the first goes."""
    daemon.on(
        "search",
        Item([hit(b"/p/a.jpg") | {"event": "new"}]),
        Progress("follow", 1, 1),
        Progress("follow", 1, 1),
        Item([hit(b"/p/b.jpg") | {"event": "new"}, {"path": b"/p/a.jpg", "event": "gone"}]),
        seam.SILENCE,
    )
    return daemon


def lines(process, count):
    return [process.stdout.readline() for _ in range(count)]


def test_it_goes_on_until_ctrl_c(living, spawn):
    """With --json every hit is an object, later ones with what happened; Ctrl-C is the normal end and cancels."""
    process = spawn("cat", "--follow", "--json")
    first, second, third = map(json.loads, lines(process, 3))
    assert (first["path"], "event" in first) == ("/p/a.jpg", False)
    assert (second["event"], second["path"]) == ("new", "/p/b.jpg")
    assert (third["event"], third["path"]) == ("gone", "/p/a.jpg")
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert process.stderr.read() == b""
    living.close()
    assert living.requests[0].follow
    assert living.requests[-1] == Cancel(1)
    assert living.deadlines[0] == 0
    assert "follow" in living.hellos[0]["require"]


def test_a_pipe_gets_what_comes(living, spawn):
    """A pipe is given the path of everything that comes, at once, as if it had been found."""
    process = spawn("cat", "--follow")
    assert lines(process, 2) == [b"/p/a.jpg\n", b"/p/b.jpg\n"]


def test_a_terminal_sees_both(living, spawn):
    """People see what comes with a plus and what goes with a minus."""
    ours, theirs = os.openpty()
    spawn("cat", "--follow", stdout=theirs)
    os.close(theirs)
    with os.fdopen(ours, "rb") as shown:
        assert [shown.readline().rstrip() for _ in range(3)] == [
            b"0.25  /p/a.jpg",
            b"+ /p/b.jpg",
            b"- /p/a.jpg",
        ]


def test_a_living_album(daemon, hit, kadr, tmp_path):
    """With --link-to the album follows: what comes gets the next number, what is gone loses its link, no other is renamed."""
    daemon.on(
        "search",
        Item([hit(b"/p/a.jpg"), hit(b"/p/b.jpg")]),
        Progress("follow", 2, 2),
        Item([hit(b"/p/c.jpg") | {"event": "new"}, {"path": b"/p/a.jpg", "event": "gone"}]),
        Item([hit(b"/p/c.jpg") | {"event": "new"}]),
        End({}),
    )
    album = tmp_path / "album"
    assert kadr("cat", "--follow", "--link-to", str(album)).code == 0
    assert {name: os.readlink(album / name) for name in os.listdir(album)} == {
        "0002 b.jpg": "/p/b.jpg",
        "0003 c.jpg": "/p/c.jpg",
    }


def test_nothing_yet(daemon, spawn, seam):
    """An answer that is still empty is no failure: what comes is waited for."""
    daemon.on("search", Progress("follow", 0, 0), seam.SILENCE)
    process = spawn("cat", "--follow")
    assert b"nothing yet" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
