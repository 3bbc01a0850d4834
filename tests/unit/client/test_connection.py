"""The connection: who is trusted, how long is waited, what goes wrong and how it is said."""

from __future__ import annotations

import os
import socket

import pytest

from kadr import connection as module
from kadr.connection import Connection, NotRunning
from kadr.protocol import paths
from kadr.protocol.errors import BadFrame, Busy, DeadlinePassed, KadrError, TooLarge, Unreachable
from kadr.protocol.frames import encode
from kadr.protocol.messages import Cancel, End, Err, Item, Ping, Search, Status


@pytest.fixture
def connected(daemon):
    with Connection(daemon.path) as connection:
        yield connection


def test_replies_in_order(daemon, connected):
    """Items come one by one as they arrive, the End last."""
    daemon.on("search", Item([{"path": b"/a"}]), Item([]), End({"count": 1}))
    assert list(connected.ask(Search("x"))) == [Item([{"path": b"/a"}]), Item([]), End({"count": 1})]


def test_one_polite_retry(daemon, kadr):
    """A busy daemon is asked once more after the pause it wants, and only once."""
    daemon.on("status", Err(Busy(retry_ms=1)))
    daemon.on("status", End({"pictures": 5}))
    daemon.on("status", Err(Busy(retry_ms=1)))
    assert kadr("status").code == 0
    assert daemon.requests == [Status(), Status()]
    assert kadr("status").code == 4
    assert len(daemon.requests) == 4


def test_a_daemon_with_too_many_callers(daemon, kadr, seam):
    """A connection that is turned away at the door knocks once more."""
    daemon.on("hello", Err(Busy(retry_ms=1)), seam.HANG_UP)
    daemon.on("hello", End(seam.WELCOME._asdict()))
    daemon.on("status", End({}))
    assert kadr("status").code == 0
    assert len(daemon.hellos) == 2


def test_busy_without_a_time_is_not_retried(daemon, connected):
    """Without retry_ms the client does not guess."""
    daemon.on("ping", Err(Busy()))
    with pytest.raises(Busy):
        connected.end(Ping())
    assert len(daemon.requests) == 1


def test_nobody_there(kadr):
    """No socket and --no-start: exit code 3, why, and how to start one."""
    code, _, err = kadr("--no-start", "cat")
    assert code == 3
    assert "there is no socket" in err
    assert "kadr start" in err


def test_a_socket_that_nobody_listens_at(home):
    """What a killed daemon leaves behind counts as not running."""
    path = paths.current().socket
    os.makedirs(os.path.dirname(path))
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(path)
    with pytest.raises(NotRunning, match="nobody listens"):
        Connection(path)


def test_a_folder_of_somebody_else(daemon, monkeypatch):
    """A socket in another user's folder is not talked to, and no daemon is started for it."""
    monkeypatch.setattr(module.os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(Unreachable, match="another user") as caught:
        Connection(daemon.path)
    assert not isinstance(caught.value, NotRunning)
    assert daemon.hellos == []


def test_a_path_that_no_socket_can_have(kadr, monkeypatch):
    """A path over the limit of the system is named with its remedy."""
    monkeypatch.setenv("KADR_HOME", "/tmp/" + "long" * 30)
    code, _, err = kadr("cat")
    assert code == 3
    assert "Set KADR_HOME" in err


def test_a_daemon_that_goes_away(daemon, kadr, seam):
    """A daemon that dies in the middle of an answer is exit code 3, with what it had said already printed."""
    row = {"path": b"/a", "score": 0.5, "picture": "ab", "width": 1, "height": 1}
    daemon.on("search", Item([row]), seam.HANG_UP)
    code, out, err = kadr("cat")
    assert (code, out) == (3, b"/a\n")
    assert "in the middle of the answer" in err


def test_the_deadline(daemon, kadr, monkeypatch, seam):
    """A daemon that neither answers nor keeps the deadline is left after a short grace."""
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.01)
    daemon.on("search", seam.SILENCE)
    code, _, err = kadr("--timeout", "0.05", "cat")
    assert code == 4
    assert "--timeout" in err
    assert daemon.deadlines[0] == 50


def test_a_deadline_cancels(daemon, connected, monkeypatch, seam):
    """Who no longer waits tells the daemon so."""
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.01)
    daemon.on("search", Item([]), seam.SILENCE)
    with pytest.raises(DeadlinePassed):
        list(connected.ask(Search("x"), 0.01))
    connected.close()
    daemon.close()
    assert daemon.requests[-1] == Cancel(1)


def test_who_stops_listening_cancels(daemon, connected, seam):
    """Leaving the iteration early cancels the request."""
    daemon.on("search", Item([]), seam.SILENCE)
    replies = connected.ask(Search("x"))
    next(replies)
    replies.close()
    connected.close()
    daemon.close()
    assert daemon.requests[-1] == Cancel(1)


def test_replies_to_others_are_skipped(daemon, connected):
    """A late reply to an earlier request is not taken for an answer to this one."""
    daemon.on(
        "ping",
        encode({"id": 99, "k": "end"}),
        encode({"id": 99, "k": "err", "code": "cancelled"}),
        End({"a": 1}),
    )
    assert connected.end(Ping()) == {"a": 1}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", TooLarge),
        (b"\0\0\0\1\xc0", BadFrame),
        (b"\0\0\0\5\x81\xa2id\x01", BadFrame),
        (b"\0\0\0\x0a\x82\xa2id\x01\xa1k\xa2xx", BadFrame),
    ],
)
def test_what_is_no_reply(daemon, connected, answer, error):
    """Whatever else answers at the socket ends as one of kadr's errors."""
    daemon.on("ping", answer)
    with pytest.raises(error):
        connected.end(Ping())


def test_a_wrong_reply_is_the_daemons_fault(daemon, kadr):
    """A row without a path is no usage error: exit code 4."""
    daemon.on("search", Item([{"score": 1.0}]), End({}))
    assert kadr("cat").code == 4


def test_an_unknown_error_code_keeps_its_sentence(daemon, connected):
    """What a newer daemon says is passed on, even when the client does not know the code."""
    daemon.on("ping", encode({"id": 1, "k": "err", "code": "on-fire", "msg": "It burns.", "act": "Run."}))
    with pytest.raises(KadrError, match="It burns") as caught:
        connected.end(Ping())
    assert (caught.value.act, caught.value.exit_code) == ("Run.", 4)
