"""kadr under a real systemd: a manager of a user, booted in namespaces of its own, so that it sees nothing of this machine's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
SYSTEMD = "/lib/systemd/systemd"

# A place as after a boot with systemd, for the processes of one test alone; then a manager, what is asked of it, and its end.
BOOT = """
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system "$XDG_RUNTIME_DIR"
chmod 700 "$XDG_RUNTIME_DIR"
mount -t tmpfs tmpfs /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
mkdir -p "/sys/fs/cgroup/kadr-test-$$"
echo $$ > "/sys/fs/cgroup/kadr-test-$$/cgroup.procs"
{systemd} --user 2> "$HOME/manager.log" &
manager=$!
for _ in $(seq 100); do systemctl --user is-system-running > "$HOME/state" 2>&1 && break; sleep 0.1; done
set +e
main() {{ systemctl --user show kadrd.service --property=MainPID --value; }}
heard() {{ systemctl --user show kadrd.service --property=WatchdogTimestampMonotonic; }}
state() {{ systemctl --user is-active kadrd.service kadrd.socket | tr '\\n' ' '; echo; }}
kadr() {{ {python} -P -m kadr "$@"; }}
{script}
kadr service uninstall > "$HOME/uninstalled"
kill $manager
wait $manager
echo $$ > /sys/fs/cgroup/cgroup.procs
find "/sys/fs/cgroup/kadr-test-$$" -depth -type d -exec rmdir {{}} +
"""


@pytest.fixture
def booted(tmp_path):
    """Runs a script of bash beside a manager of its own, in a new home; gives its lines."""
    if sys.platform != "linux" or not os.path.exists(SYSTEMD) or shutil.which("unshare") is None:
        pytest.skip("no systemd here")
    apart = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--propagation", "private"]
    allowed = subprocess.run(
        [*apart, "mount", "-t", "cgroup2", "none", "/sys/fs/cgroup"], capture_output=True, check=False
    )
    if os.geteuid() != 0 or allowed.returncode:
        pytest.skip("this needs to be root, and to be allowed to mount")

    def run(script: str) -> list[str]:
        text = BOOT.format(systemd=SYSTEMD, python=sys.executable, script=script)
        environment = {
            "HOME": str(tmp_path), "XDG_RUNTIME_DIR": "/run/user/0", "PATH": os.environ["PATH"], "LANG": "C.UTF-8",
        }  # fmt: skip
        done = subprocess.run(
            [*apart, "bash", "-c", text],
            env=environment,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        if Path(tmp_path, "state").read_text().strip() not in {"running", "degraded"}:
            pytest.skip(f"no manager starts here: {Path(tmp_path, 'manager.log').read_text()}")
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout.splitlines()

    return run


def test_a_service_from_its_first_day(booted, pictures, tmp_path):
    """Install takes over from a daemon started by hand; the worker is caged under the unit's limits; stop stops, a question starts it."""
    (tmp_path / "pictures").mkdir()
    pictures.one(tmp_path / "pictures" / "a.jpg")
    lines = booted("""
        kadr start 2> /dev/null; by_hand=$(cat $HOME/.local/state/kadr/lock)
        kadr service install > /dev/null 2>&1; echo install $?; state
        [ "$(main)" = "$(cat $HOME/.local/state/kadr/lock)" ] && [ "$(main)" != "$by_hand" ] && echo "the service has the lock"
        kadr add $HOME/pictures 2> /dev/null; echo add $?
        kadr doctor | grep worker:
        kadr stop 2> /dev/null; state
        kadr --min-score 0 red 2> /dev/null | sed "s:$HOME::"; state
        kill -KILL $(main); kadr roots 2> /dev/null | sed "s:$HOME::"
    """)
    assert lines == [
        "install 0", "active active ", "the service has the lock", "add 0",
        "ok   worker: cannot write files or open sockets or run programs", "inactive inactive ", "/pictures/a.jpg",
        "active active ", "/pictures",
    ]  # fmt: skip


def test_what_goes_wrong_is_mended(booted):
    """A daemon started by hand before the socket, a socket whose name was deleted, settings that were wrong: the service answers again."""
    lines = booted("""
        kadr service install > /dev/null 2>&1
        systemctl --user stop kadrd.service 2> /dev/null; rm $XDG_RUNTIME_DIR/kadr/kadr.sock
        systemctl --user start kadrd.service; kadr roots 2> /dev/null; echo nameless $?; state

        kadr stop 2> /dev/null; mv $HOME/.config/systemd $HOME/aside
        kadr start 2> /dev/null; mv $HOME/aside $HOME/.config/systemd
        systemctl --user start kadrd.socket; kadr roots 2> /dev/null; echo by-hand $?; state

        kadr stop 2> /dev/null; mkdir -p $HOME/.config/kadr; echo '[scna]' > $HOME/.config/kadr/kadr.toml
        systemctl --user start kadrd.socket; kadr roots 2> /dev/null; echo wrong $?
        while systemctl --user is-active --quiet kadrd.socket; do sleep 0.1; done
        kadr start 2>&1 | grep -o 'did you mean scan'
        rm $HOME/.config/kadr/kadr.toml; kadr roots 2> /dev/null; echo mended $?; state
    """)
    assert lines == [
        "nameless 0", "active active ", "by-hand 0", "active active ", "wrong 3", "did you mean scan", "mended 0", "active active ",
    ]  # fmt: skip


def test_a_daemon_that_hangs(booted):
    """A daemon that gives no sign of life is ended and started again; one that rests, and has nothing to do, lives on."""
    lines = booted("""
        kadr service install > /dev/null 2>&1
        mkdir -p $HOME/.config/systemd/user/kadrd.service.d
        printf '[Service]\\nWatchdogSec=2\\nRestartSec=0\\n' > $HOME/.config/systemd/user/kadrd.service.d/quick.conf
        systemctl --user daemon-reload; systemctl --user restart kadrd.service; first=$(main)
        kadr pause 2> /dev/null
        for _ in 1 2 3 4; do said=$(heard); while [ "$(heard)" = "$said" ]; do sleep 0.1; done; done
        [ "$(main)" = $first ] && echo lives
        kill -STOP $first; for _ in $(seq 300); do [ "$(main)" != $first ] && [ "$(main)" != 0 ] && break; sleep 0.1; done
        systemctl --user show kadrd.service --property=NRestarts; kadr roots 2> /dev/null; echo answers $?
    """)
    assert lines == ["lives", "NRestarts=1", "answers 0"]
