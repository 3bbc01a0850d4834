"""The verbs that tend folders and daemon: what is asked, what is shown, which exit code."""

from __future__ import annotations

import json
import os
import re
import signal
from importlib import import_module

import pytest

from kadr import __version__, verbs
from kadr.protocol.errors import MissingCapability, NotAFolder, NotARoot
from kadr.protocol.messages import (
    Add,
    Cancel,
    End,
    Err,
    Progress,
    Remove,
    Rescan,
    Roots,
    Status,
    Stop,
    Sync,
    Verify,
)
from kadr.table import VERBS

BODY = {
    "version": "0.1.0",
    "model": "mini",
    "roots": [{"path": b"/p", "online": True, "files": 2040}, {"path": b"/m", "online": False, "files": 1}],
    "files": 2040,
    "pictures": 2020,
    "pending": 7,
    "failures": [{"path": b"/p/bad\xff.jpg", "reason": "truncated", "sentence": "The file ends too early"}],
    "failures_total": 1,
    "encodes": 12,
    "decodes": 13,
    "overflows": 0,
    "recoveries": 0,
    "full_scans": 2,
    "shards": 1,
    "rss_bytes": 128 * 2**20,
    "uptime_s": 8040,
    "warnings": ["low on inotify watches"],
    "next_model": {"name": "multilingual", "done": 500, "total": 2020},
}
INDEXED = End({"files": 2040, "pictures": 2020, "failures": 3, "pending": 0})


@pytest.fixture
def busy_daemon(daemon):
    """A daemon that watches /p and has work for `sync`."""
    daemon.on("add", End({"path": b"/p", "new": True, "warnings": []}))
    daemon.on("sync", Progress("scan", 10, 0), Progress("index", 1, 2020, 3), INDEXED)
    daemon.on("rescan", End({"folders": 101}))
    daemon.on("status", End(BODY))
    return daemon


def test_add_waits_and_sums_up(busy_daemon, kadr):
    """add watches the folder, waits until it is indexed, and says how many, and what could not be read."""
    ran = kadr("add", "/p/../p")
    assert (ran.code, ran.out) == (0, b"")
    assert busy_daemon.requests == [Add(b"/p"), Sync()]
    assert ran.err.splitlines() == [
        "kadr: watching /p",
        "kadr: 2,020 pictures in 2,040 files; 3 could not be read: `kadr status` lists them",
    ]


def test_add_can_leave_the_work_alone(busy_daemon, kadr):
    """--detach returns as soon as the folder is watched."""
    assert kadr("add", "--detach", "/p").code == 0
    assert busy_daemon.requests == [Add(b"/p")]


def test_one_bad_folder_does_not_stop_the_others(daemon, kadr):
    """Of two folders the bad one is explained by the daemon, the good one is added and waited for; exit code 2."""
    daemon.on("add", Err(NotAFolder(path="/x")))
    daemon.on("add", End({"path": b"/p", "new": False, "warnings": ["/p is on a network disk"]}))
    daemon.on("sync", INDEXED)
    code, _, err = kadr("add", "/x", "/p")
    assert code == 2
    assert daemon.requests == [Add(b"/x"), Add(b"/p"), Sync()]
    assert "/x is not a folder." in err
    assert "already watched: /p" in err
    assert "/p is on a network disk" in err


def test_an_interrupted_wait_leaves_the_daemon_working(busy_daemon, spawn, seam):
    """Ctrl-C while add waits ends the waiting with 130, says that the work goes on, and cancels the request."""
    busy_daemon.replace("sync", Progress("index", 1, 9), seam.SILENCE)
    process = spawn("add", "/p")
    assert busy_daemon.heard.wait(30)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"goes on by itself" in err
    busy_daemon.close()
    assert busy_daemon.requests[-1] == Cancel(2)


def test_progress_is_drawn_on_a_terminal(busy_daemon, spawn):
    """A terminal sees how far the work is, and the line is wiped in the end."""
    ours, theirs = os.openpty()
    process = spawn("add", "/p", stderr=theirs)
    process.wait(30)
    os.close(theirs)
    shown = os.read(ours, 4096).decode()
    os.close(ours)
    assert "looking 10" in shown
    assert re.search(r"\r\x1b\[Kkadr: 2,020 pictures", shown)


def test_remove(daemon, kadr):
    """remove says how many files were forgotten; a folder that is not watched is exit code 2."""
    daemon.on("remove", End({"path": b"/p", "files": 1}))
    daemon.on("remove", Err(NotARoot(path="/q")))
    code, _, err = kadr("remove", "/p", "/q")
    assert code == 2
    assert daemon.requests == [Remove(b"/p"), Remove(b"/q")]
    assert "no longer watching /p; 1 file forgotten" in err
    assert "`kadr roots` lists the watched folders" in err


def test_roots(daemon, kadr):
    """roots prints the watched folders, byte for byte when piped, as JSON or with NUL when asked."""
    daemon.on("roots", End({"roots": [{"path": b"/p\xff", "online": True, "files": 2}]}))
    assert kadr("roots").out == b"/p\xff\n"
    assert kadr("roots", "-0").out == b"/p\xff\0"
    assert json.loads(kadr("roots", "--json").out)["path_hex"] == "2f70ff"
    assert daemon.requests[0] == Roots()


def test_no_roots_yet(daemon, kadr):
    """Without a watched folder roots says how to add one."""
    daemon.on("roots", End({"roots": []}))
    assert "kadr add ~/Pictures" in kadr("roots").err


def test_status_page(busy_daemon, kadr):
    """The page says in plain words how far the index is, what failed and what is offline."""
    code, out, _ = kadr("status")
    page = out.decode()
    assert code == 0
    assert busy_daemon.requests == [Status()]
    for words in (
        "0.1.0, running for 2 h 14 min",
        "mini; multilingual is being prepared, 500 of 2,020",
        "/p  2,040 files",
        "/m  1 file  (offline)",
        "2,020 in 2,040 files",
        "/p/bad\\xff.jpg  The file ends too early",
        "128 MiB, 1 shard",
        "low on inotify watches",
    ):
        assert words in page


def test_status_json(busy_daemon, kadr):
    """status --json is the daemon's answer as one object, paths as text."""
    body = json.loads(kadr("status", "--json").out)
    assert body["roots"][0] == {"path": "/p", "online": True, "files": 2040}
    assert body["failures"][0]["path_hex"] == "2f702f626164ff2e6a7067"
    assert {key: body[key] for key in ("pending", "rss_bytes", "uptime_s")} == {
        "pending": 7,
        "rss_bytes": 128 * 2**20,
        "uptime_s": 8040,
    }


def test_watching_status_ends_with_ctrl_c(busy_daemon, kadr, monkeypatch):
    """--watch shows the page again and again on one connection; Ctrl-C is its normal end."""
    pauses = iter([None, None, KeyboardInterrupt()])

    def pause(_seconds):
        if isinstance(error := next(pauses), BaseException):
            raise error

    monkeypatch.setattr(verbs.time, "sleep", pause)
    code, out, _ = kadr("status", "--watch", "--json")
    assert code == 0
    assert len(out.splitlines()) == 3
    assert len(busy_daemon.hellos) == 1


def test_rescan(busy_daemon, kadr):
    """rescan looks at everything or at one path, and waits like add."""
    assert "101 folders" in kadr("rescan").err
    kadr("rescan", "--detach", "/p")
    assert busy_daemon.requests == [Rescan(), Sync(), Rescan(b"/p")]


def test_doctor_without_a_daemon(kadr, home):
    """doctor works where nothing runs: it shows the places, names the remedy and ends with 4."""
    code, out, _ = kadr("doctor")
    assert code == 4
    assert f"{home}/run/kadr.sock".encode() in out
    assert f"{home}/state/kadrd.log".encode() in out
    assert b"-> Start it with `kadr start`." in out


def test_doctor_with_a_daemon(daemon, kadr):
    """doctor adds the daemon's own checks; one that is not well makes the exit code 4."""
    daemon.on("doctor", End({"checks": [{"name": "watches", "ok": True, "says": "12 of 65,536", "act": ""}]}))
    daemon.on(
        "doctor",
        End({"checks": [{"name": "watches", "ok": False, "says": "all used", "act": "Raise the limit."}]}),
    )
    assert kadr("doctor").code == 0
    code, out, _ = kadr("doctor")
    assert code == 4
    assert b"BAD  watches: all used\n     -> Raise the limit." in out


def test_doctor_sees_an_open_folder(daemon, kadr):
    """A socket folder that others may enter is reported with the command that closes it."""
    daemon.on("doctor", End({"checks": []}))
    os.chmod(os.path.dirname(daemon.path), 0o755)
    code, out, _ = kadr("doctor", "--json")
    checks = {check["name"]: check for check in map(json.loads, out.splitlines())}
    assert code == 4
    assert not checks["socket folder"]["ok"]
    assert checks["socket folder"]["act"].startswith("chmod 700")
    assert checks["daemon"]["ok"]


def test_verify(daemon, kadr):
    """verify ends with 0 where all is well and with 4, and every problem, where it is not."""
    counted = {"files": 3, "pictures": 2, "vectors": 2, "took_ms": 1500}
    daemon.on("verify", Progress("verify", 1, 3), End({"ok": True, "problems": [], **counted}))
    problem = {
        "kind": "changed",
        "path": b"/p/a.jpg",
        "sentence": "The bytes are not those that were indexed",
    }
    daemon.on(
        "verify",
        End({"ok": False, "problems": [problem, {"kind": "shard", "sentence": "Broken"}], **counted}),
    )
    assert kadr("verify") == (
        0,
        b"3 files, 2 pictures, 2 vectors compared in 2 s: everything is as it should be\n",
        "",
    )
    code, out, _ = kadr("verify")
    assert code == 4
    assert (
        b"2 problems\n  changed  /p/a.jpg: The bytes are not those that were indexed\n  shard  Broken\n"
        in out
    )
    assert json.loads(kadr("verify", "--json").out)["problems"][0]["path"] == "/p/a.jpg"
    assert daemon.requests == [Verify()] * 3


def test_stop_waits_until_nobody_answers(daemon, kadr):
    """stop returns once the socket is silent, and is content where no daemon runs."""
    daemon.on("stop", End({}))
    assert kadr("stop") == (0, b"", "kadr: stopped\n")
    assert daemon.requests == [Stop()]
    assert kadr("stop") == (0, b"", "kadr: no daemon runs\n")


def test_version(daemon, kadr):
    """version names both programs, and starts nothing where no daemon runs."""
    assert kadr("version").out.decode().splitlines() == [f"kadr {__version__}", "kadrd 0.1.0, model mini"]
    daemon.close()
    assert kadr("--version").out.decode().splitlines() == [f"kadr {__version__}", "kadrd does not run"]


def test_a_missing_capability_is_explained(daemon, kadr):
    """A daemon that lacks what the verb needs refuses hello, and the user reads what to update."""
    daemon.on("hello", Err(MissingCapability(missing="verify")))
    code, _, err = kadr("verify")
    assert code == 4
    assert "Update the daemon" in err


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_every_verb_is_done_by_a_function_of_its_name(verb):
    """A verb in the table has its do_ function in its home."""
    assert callable(getattr(import_module(f"kadr.{verb.home}"), f"do_{verb.name}"))
