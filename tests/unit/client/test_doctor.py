"""What doctor sees without a daemon, and how its findings are shown."""

from __future__ import annotations

import fcntl
import os
import socket
import sys
import tempfile
from pathlib import Path

import pytest

from kadr import doctor, pages
from kadr.doctor import own_checks, told
from kadr.pages import Check
from kadr.protocol.paths import current


@pytest.fixture
def paths(monkeypatch):
    """The places of a home that is short enough for a socket, and no KADR_HOME in the environment."""
    monkeypatch.delenv("KADR_HOME", raising=False)
    with tempfile.TemporaryDirectory(prefix="kadr-", dir="/tmp") as home:
        monkeypatch.setenv("HOME", home)
        monkeypatch.setenv("XDG_CONFIG_HOME", f"{home}/.config")
        paths = current({"KADR_HOME": home})
        os.makedirs(os.path.dirname(paths.socket), mode=0o700)
        os.makedirs(paths.state)
        yield paths


@pytest.fixture
def manager(paths, monkeypatch, tmp_path):
    """Puts a `systemctl` of the test's own on the PATH, in front of an installed unit."""

    def install(script):
        monkeypatch.setenv("PATH", str(tmp_path))
        (tmp_path / "systemctl").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "systemctl").chmod(0o755)
        unit = Path(os.environ["HOME"], ".config/systemd/user/kadrd.service")
        unit.parent.mkdir(parents=True)
        unit.write_text("[Service]\n")
        return unit

    return install


def found(paths, name):
    return next(check for check in own_checks(paths) if check.name == name)


def test_a_fresh_home(paths):
    """Before the first start nothing is wrong."""
    assert [check.name for check in own_checks(paths)] == [*doctor.CHECKS]
    assert all(check.ok for check in own_checks(paths))


def test_socket(paths):
    """A socket of ours is well, and something else in its place is not."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(paths.socket)
        assert found(paths, "socket").ok
    os.unlink(paths.socket)
    Path(paths.socket).write_text("x")
    assert "no socket" in found(paths, "socket").says


@pytest.mark.skipif(sys.platform != "linux", reason="the list of locks is Linux's")
def test_lock(paths):
    """Who holds the lock is told without taking it, and nobody where it is free."""
    lock = os.path.join(paths.state, "lock")
    assert "made when" in found(paths, "lock").says
    with open(lock, "w", encoding="ascii") as file:
        assert "no daemon runs" in found(paths, "lock").says
        fcntl.flock(file, fcntl.LOCK_EX)
        assert found(paths, "lock").says == f"held by process {os.getpid()}"
        with open(lock, encoding="ascii") as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert "no daemon runs" in found(paths, "lock").says


def test_locks_of_others(tmp_path):
    """Locks of other kinds, of other files, and those that wait are not taken for ours."""
    seen = os.stat(tmp_path)
    inode = seen.st_ino
    table = (
        f"1: POSIX  ADVISORY  WRITE 10 08:01:{inode} 0 EOF\n"
        f"2: FLOCK  ADVISORY  WRITE 11 08:01:{inode}9 0 EOF\n"
        f"2: -> FLOCK  ADVISORY  WRITE 12 08:01:{inode} 0 EOF\n"
    )
    assert doctor.lock_holder(table, seen) is None
    assert doctor.lock_holder(f"{table}3: FLOCK  ADVISORY  WRITE 13 08:01:{inode} 0 EOF\n", seen) == 13
    assert doctor.lock_holder(f"{table}3: FLOCK  ADVISORY  WRITE -1 08:01:{inode} 0 EOF\n", seen) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")
@pytest.mark.parametrize(
    ("script", "ok", "says"),
    [
        ("echo active", True, "service active, socket active"),
        ("[ $3 = kadrd.service ] && echo failed", False, "service failed, socket not known"),
        ("exit 4", True, "not known"),
        ("exec /bin/sleep 600", True, "not known"),
    ],
)  # fmt: skip
def test_service(paths, manager, monkeypatch, script, ok, says):
    """An installed service is told with its state; a manager that says nothing, or hangs, is no problem of kadr's."""
    monkeypatch.setattr(doctor, "COMMAND_SECONDS", 0.2 if "sleep" in script else 30)
    unit = manager(script)
    check = found(paths, "service")
    assert check.ok is ok
    assert check.says.startswith(str(unit))
    assert says in check.says


@pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")
def test_no_service(paths):
    """Without a service nothing is wrong, and the verb that installs one is named."""
    check = found(paths, "service")
    assert check.ok
    assert "kadr service install" in check.says or "/systemd/user/" in check.says


def test_checks_of_an_older_daemon():
    """A daemon that sends no more than name and outcome is understood."""
    assert told({"name": "space", "ok": False}) == Check(
        "space", ok=False, says="", act="", here=True, root=None
    )


def test_the_page():
    """Folders follow under their path, what is not here has its own mark, and a remedy stands only under a problem."""
    checks = [
        Check("space", ok=True, says="fine", act="not shown"),
        Check("baloo", ok=True, says="not installed", here=False),
        Check("disk", ok=False, says="offline", act="Connect it.", root=b"/p/\xff"),
        Check("events", ok=True, says="watched", root=b"/p/\xff"),
        Check("disk", ok=True, says="online", root=b"/q"),
    ]
    assert pages.doctor(checks) == [
        "ok   space: fine",
        "--   baloo: not installed",
        "",
        "/p/\\xff",
        "BAD  disk: offline",
        "     -> Connect it.",
        "ok   events: watched",
        "",
        "/q",
        "ok   disk: online",
    ]
