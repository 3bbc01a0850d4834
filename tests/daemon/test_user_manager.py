"""`kadr service` under a real systemd: a user's manager of its own, in a home of its own, which is ended with the test."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PATIENCE = 60.0
SYSTEMD = "/usr/lib/systemd/systemd"
# systemd wants to see that the machine was booted with it; only the manager sees this one.
BEGIN = f"mount -t tmpfs tmpfs /run/systemd && mkdir /run/systemd/system && exec {SYSTEMD} --user --log-target=console"

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def user() -> Iterator[Run]:
    """Runs commands as a user whose manager answers; skips where none can be had."""
    if (
        not os.path.exists(SYSTEMD)
        or not shutil.which("unshare")
        or os.geteuid()
        or not os.path.isdir("/run/systemd")
    ):
        pytest.skip("a systemd of our own needs systemd, unshare, /run/systemd and root")
    with tempfile.TemporaryDirectory(prefix="kadr-") as top:
        os.mkdir(f"{top}/run", mode=0o700)
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("KADR_", "XDG_", "DBUS_"))
        }
        place = {**kept, "HOME": top, "XDG_RUNTIME_DIR": f"{top}/run"}
        manager = subprocess.Popen(
            ["unshare", "-m", "sh", "-c", BEGIN],
            env=place,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

        def run(*words: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                words, env=place, capture_output=True, text=True, timeout=PATIENCE, check=False
            )

        try:
            ready = False
            while not ready and manager.poll() is None:
                ready = run("systemctl", "--user", "show-environment").returncode == 0
            if not ready:
                pytest.skip("systemd does not run as a user's manager here")
            yield run
        finally:
            run("systemctl", "--user", "stop", "kadrd.socket", "kadrd.service")
            manager.send_signal(signal.SIGTERM)
            manager.wait(PATIENCE)


def kadr(user: Run, *words: str) -> str:
    """What kadr prints, which has to go well."""
    done = user(sys.executable, "-m", "kadr", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def shown(user: Run, name: str) -> str:
    return user(
        "systemctl", "--user", "show", "kadrd.service", f"--property={name}", "--value"
    ).stdout.strip()


@pytest.mark.slow
def test_the_life_of_a_service(user, pictures, tmp_path):
    """Installed, it answers and indexes behind its filters; killed, it is there for the next client; stopped, started and uninstalled as told."""
    assert kadr(user, "service", "install").count("written: ") == 2
    assert shown(user, "StatusText") == "answers with the model mini"
    pictures.one(tmp_path / "a.jpg")
    kadr(user, "add", str(tmp_path))
    assert '"pictures": 1' in re.sub(r":(?=\d)", ": ", kadr(user, "status", "--json"))
    checks = kadr(user, "doctor", "--json")
    assert "cannot write files or open sockets or run programs" in checks
    first = int(shown(user, "MainPID"))
    assert "Seccomp:\t2" in Path(f"/proc/{first}/status").read_text()

    os.kill(first, signal.SIGKILL)
    kadr(user, "roots")
    assert int(shown(user, "MainPID")) not in (0, first)

    kadr(user, "stop")
    assert (shown(user, "ActiveState"), shown(user, "Result")) == ("inactive", "success")
    assert str(tmp_path) in kadr(user, "roots")
    assert shown(user, "ActiveState") == "active"

    assert kadr(user, "service", "uninstall").count("removed: ") == 2
    assert user("systemctl", "--user", "cat", "kadrd.service").returncode != 0
    kadr(user, "roots")
    kadr(user, "stop")
