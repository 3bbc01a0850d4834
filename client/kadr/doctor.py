"""What can be seen to be wrong without a daemon: the places of paths.py, who holds the lock, the service. Repairs nothing.

Loaded late, by `kadr doctor` alone. A command of the system is asked only where it is there, and for a few seconds.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from kadr.pages import Check
from kadr.protocol.paths import SOCKET_PATH_LIMIT, Paths

COMMAND_SECONDS = 3.0
UNITS = ("kadrd.service", "kadrd.socket")
AGENT = "org.kadr.kadrd"


def own_checks(paths: Paths) -> list[Check]:
    """What can be seen without a daemon, in the order of CHECKS."""
    return [check(paths)._replace(name=name) for name, check in CHECKS.items()]


def told(given: dict[str, Any]) -> Check:
    """One check that the daemon made; an older daemon leaves some of it out."""
    return Check(
        str(given.get("name")),
        ok=bool(given.get("ok")),
        says=str(given.get("says", "")),
        act=str(given.get("act", "")),
        here=bool(given.get("here", True)),
        root=given.get("root"),
    )


def _well(says: str) -> Check:
    return Check("", ok=True, says=says)


def _ill(says: str, act: str) -> Check:
    return Check("", ok=False, says=says, act=act)


def _absent(says: str) -> Check:
    return Check("", ok=True, says=says, here=False)


def _socket(paths: Paths) -> Check:
    """Its own mode does not matter: who may not enter the folder does not reach it."""
    length = len(os.fsencode(paths.socket))
    says = f"{paths.socket}, {length} of at most {SOCKET_PATH_LIMIT} bytes"
    if length > SOCKET_PATH_LIMIT:
        return _ill(says, "Set KADR_HOME or XDG_RUNTIME_DIR to a shorter folder.")
    try:
        seen = os.lstat(paths.socket)
    except OSError:
        return _well(f"{says}, not there now")
    if not stat.S_ISSOCK(seen.st_mode) or seen.st_uid != os.geteuid():
        return _ill(
            f"{paths.socket} is another's, or no socket",
            f"Move it away: mv {paths.socket} {paths.socket}.old",
        )
    return _well(says)


def _socket_folder(paths: Paths) -> Check:
    folder = os.path.dirname(paths.socket)
    try:
        seen = os.stat(folder)
    except FileNotFoundError:
        return _well(f"{folder}, made when the daemon starts")
    except OSError as error:
        return _ill(f"{folder}: {error.strerror}", "Give yourself the right to it.")
    if seen.st_uid != os.geteuid():
        return _ill(f"{folder} belongs to another user", "Set KADR_HOME.")
    mode = stat.S_IMODE(seen.st_mode)
    says = f"{folder}, mode {mode:04o}"
    return _ill(says, f"chmod 700 {folder}") if mode & 0o077 else _well(says)


def _log(paths: Paths) -> Check:
    return _well(paths.log if os.path.exists(paths.log) else f"{paths.log}, not written yet")


def _lock(paths: Paths) -> Check:
    """Who holds the lock. It is never tried: a daemon that starts in that moment would find it taken."""
    path = os.path.join(paths.state, "lock")
    try:
        seen = os.stat(path)
        with open(path, encoding="ascii", errors="replace") as file:
            written = file.read(32).strip()
    except FileNotFoundError:
        return _well(f"{path}, made when the daemon starts")
    except OSError as error:
        return _ill(f"{path}: {error.strerror}", "Give yourself the right to it, or check the disk.")
    try:
        with open("/proc/locks", encoding="ascii") as file:
            held = lock_holder(file.read(), seen)
    except OSError:
        return _absent(f"{path}; this system does not tell who holds it")
    if held is None:
        return _well("free: no daemon runs")
    return _well(f"held by process {held or written}")


def lock_holder(table: str, seen: os.stat_result) -> int | None:
    """The process that holds the flock of the file *seen*, by /proc/locks (proc(5)); 0: one that is out of sight.

    Only the inode is compared: of some file systems the table has another device than stat.
    """
    for line in table.splitlines():
        fields = line.split()
        if fields[1:2] == ["FLOCK"] and fields[5].rpartition(":")[2] == str(seen.st_ino):
            return max(int(fields[4]), 0)
    return None


def _service(_paths: Paths) -> Check:
    if os.environ.get("KADR_HOME"):
        return _absent("an instance under KADR_HOME is started by its clients")
    return _launchd() if sys.platform == "darwin" else _systemd()


def _systemd() -> Check:
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    places = (
        f"{config}/systemd/user",
        "/etc/systemd/user",
        "/usr/local/lib/systemd/user",
        "/usr/lib/systemd/user",
    )
    files = [f"{place}/{unit}" for place in places for unit in UNITS if os.path.exists(f"{place}/{unit}")]
    if not files:
        return _absent("not installed: clients start the daemon (`kadr service install`)")
    states = [_said("systemctl", "--user", "is-active", unit) or "not known" for unit in UNITS]
    says = f"{files[0]}: service {states[0]}, socket {states[1]}"
    if "failed" in states:
        return _ill(
            says,
            "See why: journalctl --user -u kadrd. Then: systemctl --user reset-failed kadrd.service kadrd.socket",
        )
    return _well(says)


def _launchd() -> Check:
    file = os.path.expanduser(f"~/Library/LaunchAgents/{AGENT}.plist")
    if not os.path.exists(file):
        return _absent("not installed: clients start the daemon (`kadr service install`)")
    said = _said("launchctl", "print", f"gui/{os.getuid()}/{AGENT}")
    if not said:
        return _ill(f"{file} is there and not loaded", f"launchctl bootstrap gui/{os.getuid()} {file}")
    return _well(f"{file}, loaded")


def _said(*command: str) -> str:
    """The first line that a command of the system prints; empty when it is not there, or says nothing in time."""
    if not shutil.which(command[0]):
        return ""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=COMMAND_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.partition("\n")[0].strip()


# In the order in which they are shown; docs/doctor.md explains each.
CHECKS: dict[str, Callable[[Paths], Check]] = {
    "socket": _socket,
    "socket folder": _socket_folder,
    "log": _log,
    "lock": _lock,
    "service": _service,
}
