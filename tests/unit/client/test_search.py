"""kadr "red bicycle" and kadr similar: what is asked, what is printed, what is said about it."""

from __future__ import annotations

import json
import os

import pytest

from kadr.protocol.errors import EmptyQuery, ModelFailed
from kadr.protocol.messages import End, Err, Item, Progress, Search, Similar

ODD = b"/p/caf\xe9.jpg"
COMPLETE = {"count": 0, "took_ms": 3, "complete": True, "pending": 0, "offline_roots": [], "warnings": []}


def row(path: bytes, score: float = 0.25) -> dict[str, object]:
    return {"path": path, "score": score, "picture": "ab12", "width": 640, "height": 480}


def end(**changes: object) -> End:
    return End(COMPLETE | changes)


def test_words_are_one_query(daemon, kadr):
    """Several words are joined to one query, and the paths come out best first, one a line, and nothing else."""
    daemon.on("search", Item([row(b"/p/a.jpg"), row(b"/p/b.jpg")]), Item([row(b"/p/c.jpg")]), end(count=3))
    ran = kadr("red", "bicycle", "in", "snow")
    assert ran == (0, b"/p/a.jpg\n/p/b.jpg\n/p/c.jpg\n", "")
    assert daemon.requests == [Search("red bicycle in snow", cwd=os.getcwdb())]


def test_options_reach_the_daemon(daemon, kadr):
    """What is wanted, how it is ordered, sync and time limit travel with the request."""
    daemon.on("search", Item([row(b"/a")]), end())
    assert kadr("-n", "3", "cat", "--min-score=0.2", "--sync", "--timeout", "5").code == 0
    assert daemon.requests == [Search("cat", 3, 0.2, sync=True, cwd=os.getcwdb())]
    assert daemon.deadlines[-1] == 5000
    kadr("-t5", "cat", "--by", "words", "--sort=date", "--group", "day", "--explain")
    how = {"by": "words", "sort": "date", "group": "day", "explain": True, "cwd": os.getcwdb()}
    assert daemon.requests[-1] == Search("cat", 5, **how)


def test_the_client_says_who_it_is_and_what_it_needs(daemon, kadr):
    """hello carries the protocol range, the client's version and the capability of the verb."""
    daemon.on("search", Item([row(b"/a")]), end())
    kadr("cat")
    hello = daemon.hellos[0]
    assert hello["proto"] == [1, 1]
    assert hello["client"].startswith("kadr/")
    assert hello["require"] == ["search"]


def test_a_query_that_equals_a_verb(daemon, kadr):
    """`kadr search status` looks for pictures of status, and so does `kadr -- status`."""
    daemon.on("search", Item([row(b"/a")]), end())
    kadr("search", "status")
    kadr("--", "status")
    assert [request.text for request in daemon.requests] == ["status", "status"]


def test_nul_separates(daemon, kadr):
    """-0 ends every path with NUL, so that any name survives xargs."""
    daemon.on("search", Item([row(b"/p/new\nline.jpg"), row(ODD)]), end())
    assert kadr("-0", "cat").out == b"/p/new\nline.jpg\0" + ODD + b"\0"


def test_piped_names_are_byte_exact(daemon, kadr):
    """A name that is no UTF-8 comes out as the bytes that it is."""
    daemon.on("search", Item([row(ODD)]), end())
    assert kadr("cat").out == ODD + b"\n"


def test_json_lines(daemon, kadr):
    """--json gives one object a line, and hexadecimal beside a name that is no UTF-8, only there."""
    daemon.on("search", Item([row(b"/p/a.jpg", 0.28312345678), row(ODD)]), end())
    plain, odd = map(json.loads, kadr("--json", "cat").out.splitlines())
    facts = {"taken": "", "place": "", "camera": "", "tags": [], "group": "", "why": {}}
    shown = {"path": "/p/a.jpg", "score": 0.283123, "picture": "ab12", "width": 640, "height": 480}
    assert plain == shown | facts
    assert odd["path"].encode("utf-8", "surrogateescape") == ODD
    assert bytes.fromhex(odd["path_hex"]) == ODD


def test_a_terminal_sees_scores_and_no_escapes(daemon, spawn):
    """On a terminal the score precedes the path, and control and direction characters are made visible."""
    daemon.on("search", Item([row("/p/a\x1b[2Jb\u202egpj.jpg".encode(), 0.28345), row(ODD, 0.1)]), end())
    ours, theirs = os.openpty()
    process = spawn("cat", stdout=theirs)
    process.wait(30)
    os.close(theirs)
    shown = os.read(ours, 4096)
    os.close(ours)
    assert shown.splitlines() == [b"0.28  /p/a\\x1b[2Jb\\u202egpj.jpg", b"0.10  /p/caf\\xe9.jpg"]


def test_waiting_for_sync_is_shown(daemon, spawn):
    """A search that waits for the index shows how far it is on a terminal; what is found stays apart."""
    daemon.on("search", Progress("index", 5, 10), Item([row(b"/a")]), end())
    ours, theirs = os.openpty()
    process = spawn("--sync", "cat", stderr=theirs)
    out, _ = process.communicate(timeout=30)
    os.close(theirs)
    talk = os.read(ours, 4096)
    os.close(ours)
    assert (process.returncode, out) == (0, b"/a\n")
    assert b"5 of 10" in talk
    assert talk.endswith(b"\r\x1b[K")


def test_nothing_found(daemon, kadr):
    """Nothing found is exit code 1 and a sentence on stderr, with stdout empty."""
    daemon.on("search", end())
    daemon.on("roots", End({"roots": [{"path": b"/p", "online": True, "files": 3}]}))
    code, out, err = kadr("cat")
    assert (code, out) == (1, b"")
    assert "nothing found" in err
    assert "--min-score" in kadr("cat", "--min-score", "0.9").err


def test_nothing_watched(daemon, kadr):
    """A search before the first `kadr add` says what to type."""
    daemon.on("search", end())
    daemon.on("roots", End({"roots": []}))
    code, _, err = kadr("cat")
    assert code == 1
    assert "kadr add ~/Pictures" in err


def test_what_the_reader_has_to_know(daemon, kadr):
    """Warnings, offline folders and an unfinished index are always said, on stderr, each line as kadr's."""
    daemon.on(
        "search",
        Item([row(b"/a")]),
        end(
            complete=False,
            pending=1240,
            offline_roots=[b"/media/disk"],
            warnings=["a shard is being rebuilt"],
        ),
    )
    code, out, err = kadr("cat")
    assert (code, out) == (0, b"/a\n")
    assert err.splitlines() == [
        "kadr: a shard is being rebuilt",
        "kadr: /media/disk is offline: its pictures may be missing here, and cannot be opened",
        "kadr: 1,240 pictures are still being indexed; more may be found",
    ]


def test_an_unfinished_index_without_a_number(daemon, kadr):
    """While the first scan runs nobody knows how many are missing, and the client does not invent it."""
    daemon.on("search", Item([row(b"/a")]), end(complete=False))
    assert kadr("cat").err == "kadr: the index is not complete yet; more may be found\n"


def test_similar_sends_an_absolute_path(daemon, kadr, monkeypatch, tmp_path):
    """The daemon runs elsewhere, so the file's path is made absolute here, as bytes."""
    daemon.on("similar", Progress("index", 0, 0), Item([row(b"/a")]), end())
    monkeypatch.chdir(tmp_path)
    assert kadr("similar", os.fsdecode(b"x/../caf\xe9.jpg")).code == 0
    here = os.fsencode(tmp_path)
    assert daemon.requests == [Similar(here + b"/caf\xe9.jpg", cwd=here)]


@pytest.mark.parametrize(("error", "code"), [(EmptyQuery(), 2), (ModelFailed(why="it is gone"), 4)])
def test_errors_of_the_daemon(daemon, kadr, error, code):
    """An error of the daemon is printed with its remedy and becomes its exit code."""
    daemon.on("search", Err(error))
    ran = kadr("")
    assert (ran.code, ran.out) == (code, b"")
    assert ran.err == f"kadr: {error.sentence}\nkadr: {error.act}\n"


def test_a_broken_pipe_is_a_normal_end(daemon, spawn):
    """`kadr cat | head -1` ends quietly with exit code 0."""
    rows = [row(b"/p/" + b"x" * 200 + str(number).encode()) for number in range(100)]
    daemon.on("search", *[Item(rows)] * 20, end(count=2000))
    process = spawn("cat")
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(30) == 0
    assert process.stderr.read() == b""
    process.stdout = None


def test_a_full_disk_is_said(daemon, spawn):
    """Output that cannot be written is a failure with a sentence, not a stack of frames."""
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    daemon.on("search", Item([row(b"/a")]), end())
    with open("/dev/full", "wb") as full:
        process = spawn("cat", stdout=full)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 4
    assert b"cannot be written" in err
    assert b"Traceback" not in err


def test_a_query_of_broken_bytes(daemon, kadr):
    """A query that is no UTF-8 is the user's to put right; the daemon is not asked."""
    assert kadr(os.fsdecode(b"caf\xe9")).code == 2
    assert daemon.requests == []


def test_a_vanished_folder(daemon, kadr, monkeypatch, tmp_path):
    """A relative path in a folder that was deleted is a sentence, not a stack of frames."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    os.rmdir(tmp_path / "gone")
    assert kadr("similar", "x.jpg").code == 2
