"""kadr service WHAT: install, uninstall, status, logs, print. The daemon under the user's own service manager: systemd, launchd.

The only place of the client that writes their files and talks to them. A file's last line holds the hash of what is above it:
what was changed since, or is somebody else's, is left alone and said.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from typing import NamedTuple

from kadr import output, units
from kadr.arguments import Asked
from kadr.connection import Connection, NotRunning
from kadr.output import talk, visible
from kadr.placing import place, told
from kadr.protocol.errors import FAILED, FOUND, KadrError, Usage
from kadr.protocol.messages import Stop
from kadr.protocol.paths import current
from kadr.start import wait_until_gone

LINES = 100
# Starting waits for READY=1: a catalogue that is made anew takes its time. Everything else is quick.
SECONDS = 90.0
_MARK = "kadr service install wrote this: "
# A manager knows nothing of what a shell exports.
_CARRIED = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")


class Manager(NamedTuple):
    """A service manager: where it looks, and the commands that it takes."""

    folder: str
    files: dict[str, str]
    enable: tuple[tuple[str, ...], ...]
    disable: tuple[tuple[str, ...], ...]
    forgive: tuple[tuple[str, ...], ...]
    """before any start: it may have given up after five in vain; it fails where nothing is to forgive"""
    begin: tuple[tuple[str, ...], ...]
    end: tuple[tuple[str, ...], ...]
    again: tuple[tuple[str, ...], ...]
    """after its files changed while the daemon runs"""
    forget: tuple[tuple[str, ...], ...]
    """after its files are gone"""
    is_running: tuple[str, ...]
    show: tuple[str, ...]
    logs: tuple[str, ...]


class Ran(NamedTuple):
    """What became of a command."""

    ok: bool
    said: str


def do_service(asked: Asked) -> int:
    (what,) = asked.operands
    if what not in _WHATS:
        raise Usage(why=f"service does not know {what!r}", act=f"Write kadr service {' | '.join(_WHATS)}")
    if os.environ.get("KADR_HOME") and what != "print":
        raise Usage(
            why="KADR_HOME is set, and a service is for the home that every program finds",
            act="Unset it. A home of its own is started by whoever asks it, or write a unit for it yourself: kadr service print",
        )
    return _WHATS[what](_manager())


def is_installed() -> bool:
    """Whether this home is served by a service that was installed here."""
    return not os.environ.get("KADR_HOME") and _is_there(_manager())


def begin() -> bool:
    """Have the manager start the daemon, if the service is installed here. Whether it did."""
    _tell_installed(lambda manager: manager.forgive)
    return _tell_installed(lambda manager: manager.begin)


def end() -> bool:
    """Have the manager stop the daemon and close its door, which would start it again. Whether it did."""
    return _tell_installed(lambda manager: manager.end)


def _tell_installed(which: Callable[[Manager], tuple[tuple[str, ...], ...]]) -> bool:
    return is_installed() and all(_ran(words).ok for words in which(_manager()))


def _is_there(manager: Manager) -> bool:
    return any(os.path.exists(os.path.join(manager.folder, name)) for name in manager.files)


def _install(manager: Manager) -> int:
    written, kept = False, False
    for name, text in manager.files.items():
        what = _put(os.path.join(manager.folder, name), text)
        written |= what == "written"
        kept |= what == "kept"
    running = _ran(manager.is_running).ok
    if not running and not _handed_over():
        return FAILED
    for words in manager.forgive:
        _ran(words)
    steps = manager.again if running and written else manager.enable
    for words in steps:
        ran = _ran(words)
        if not ran.ok:
            talk(f"{' '.join(words)}: {ran.said or 'it failed'}")
            talk("The files are written, and nothing runs yet. Where a service manager answers, do:")
            for left in manager.enable:
                talk(f"  {' '.join(left)}")
            return FAILED
    if not _ran(manager.is_running).ok:
        talk("the service was started and does not run. kadr service status and kadr service logs say why")
        return FAILED
    talk("the service runs, and starts when you log in. kadr service status says how it is")
    return FAILED if kept else FOUND


def _handed_over() -> bool:
    """Stop a daemon that was started by hand: two cannot have one home. Whether none runs any more."""
    paths = current()
    try:
        with Connection(paths.socket) as connection:
            connection.end(Stop(), seconds=10)
    except NotRunning:
        return True
    except KadrError as error:
        output.complain(error)
        return False
    gone = wait_until_gone(paths, connection.welcome.instance)
    talk(
        "the daemon that ran has stopped, to be started as a service"
        if gone
        else "another daemon was started meanwhile"
    )
    return gone


def _uninstall(manager: Manager) -> int:
    if not _is_there(manager):
        talk("no service is installed")
        return FOUND
    paths = [os.path.join(manager.folder, name) for name in manager.files]
    ours = [path for path in paths if _is_ours(_text(path))]
    for path in paths:
        if path not in ours and os.path.exists(path):
            talk(f"kept: {visible(path)} ({_whose(_text(path))})")
    if not ours:
        return FAILED
    for words in manager.disable:
        ran = _ran(words)
        if not ran.ok:
            talk(f"{' '.join(words)}: {ran.said or 'it failed'}")
    for path in ours:
        with told(path):
            os.unlink(path)
        output.write(f"removed: {visible(path)}\n".encode())
    for words in manager.forget:
        _ran(words)
    talk("the daemon is started by whoever asks, from now on")
    return FOUND if len(ours) == len(paths) else FAILED


def _status(manager: Manager) -> int:
    if not _is_there(manager):
        talk(
            "no service is installed: the daemon is started by whoever asks. kadr service install makes it one"
        )
        return FAILED
    for name, wanted in manager.files.items():
        path = os.path.join(manager.folder, name)
        now = _text(path)
        output.write(f"{visible(path)}{_state(now, _stamped(name, wanted))}\n".encode())
    ran = _ran(manager.show)
    output.write(f"{ran.said if ran.ok else f'no service manager answers: {ran.said}'}\n".encode())
    return FOUND if ran.ok and _ran(manager.is_running).ok else FAILED


def _state(now: str | None, wanted: str) -> str:
    if now == wanted:
        return ""
    if now is None:
        return " (missing)"
    return f" ({'of another version' if _is_ours(now) else _whose(now)})"


def _logs(manager: Manager) -> int:
    ran = _ran(manager.logs) if _is_there(manager) else Ran(ok=False, said="")
    if not ran.ok:
        log = current().log
        with suppress(OSError), open(log, encoding="utf-8", errors="replace") as file:
            ran = Ran(ok=True, said="".join(file.readlines()[-LINES:]))
    if not ran.ok:
        talk(f"there is no log yet: {ran.said or 'nobody wrote one'}")
        return FAILED
    output.write(f"{ran.said.rstrip()}\n".encode("utf-8", "surrogateescape"))
    return FOUND


def _print(_: Manager) -> int:
    files = (
        units.launchd(units.PACKAGED, None) if sys.platform == "darwin" else units.systemd(units.PACKAGED, {})
    )
    output.write(
        "\n".join(
            f"# {name}\n{text}" if name != units.AGENT else text for name, text in files.items()
        ).encode()
    )
    return FOUND


_WHATS: dict[str, Callable[[Manager], int]] = {
    "install": _install,
    "uninstall": _uninstall,
    "status": _status,
    "logs": _logs,
    "print": _print,
}

# The managers


def _manager() -> Manager:
    return _launchd() if sys.platform == "darwin" else _systemd()


def _systemd() -> Manager:
    config = os.environ.get("XDG_CONFIG_HOME", "")
    folder = config if os.path.isabs(config) else os.path.expanduser("~/.config")
    carried = {name: os.environ[name] for name in _CARRIED if os.path.isabs(os.environ.get(name, ""))}
    both = (units.SOCKET, units.SERVICE)

    def tell(*words: str) -> tuple[str, ...]:
        return ("systemctl", "--user", *words)

    reload = tell("daemon-reload")
    return Manager(
        folder=os.path.join(folder, "systemd", "user"),
        files=units.systemd(command(), carried),
        enable=(reload, tell("enable", "--now", *both)),
        disable=(tell("disable", "--now", *both),),
        forgive=(tell("reset-failed", *both),),
        begin=(tell("start", *both),),
        end=(tell("stop", *both),),
        again=(reload, tell("enable", *both), tell("restart", units.SERVICE)),
        forget=(reload,),
        is_running=tell("is-active", "--quiet", units.SERVICE),
        show=tell("show", *both, "--property=Id,ActiveState,SubState,StatusText,NRestarts"),
        logs=("journalctl", "--user", f"--unit={units.SERVICE}", f"--lines={LINES}", "--no-pager"),
    )


def _launchd() -> Manager:
    folder, domain, paths = os.path.expanduser("~/Library/LaunchAgents"), f"gui/{os.getuid()}", current()
    name = f"{domain}/{units.LABEL}"
    load = ("launchctl", "bootstrap", domain, os.path.join(folder, units.AGENT))
    unload = ("launchctl", "bootout", name)
    return Manager(
        folder=folder,
        files=units.launchd(command(), units.Own(paths.socket, paths.log)),
        enable=(load,),
        disable=(unload,),
        forgive=(),
        begin=(load,),
        end=(unload,),
        again=(unload, load),
        forget=(),
        is_running=("launchctl", "print", name),
        show=("launchctl", "print", name),
        logs=("tail", "-n", str(LINES), paths.log),
    )


def command() -> list[str]:
    """What starts the daemon of this kadr from anywhere."""
    script = os.path.join(os.path.dirname(sys.executable), "kadrd")
    return [script, "run"] if os.access(script, os.X_OK) else [sys.executable, "-P", "-m", "kadrd", "run"]


def _ran(words: tuple[str, ...]) -> Ran:
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        return Ran(ok=False, said="it is not installed here")
    except (OSError, subprocess.TimeoutExpired) as error:
        return Ran(ok=False, said=str(error))
    return Ran(
        done.returncode == 0, (done.stdout if done.returncode == 0 else done.stderr or done.stdout).strip()
    )


# The files


def _put(path: str, text: str) -> str:
    """Write *text* to *path*: `written`, `unchanged`; `kept`: it is not what we wrote, and so is left alone."""
    now, wanted = _text(path), _stamped(path, text)
    if now == wanted:
        return "unchanged"
    if now is not None and not _is_ours(now):
        talk(f"kept: {visible(path)} ({_whose(now)})")
        return "kept"
    place(path, wanted.encode("utf-8", "surrogateescape"))
    output.write(f"written: {visible(path)}\n".encode())
    return "written"


def _text(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return None


def _stamped(path: str, text: str) -> str:
    mark = f"{_MARK}{sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()}"
    return text + (f"<!-- {mark} -->\n" if path.endswith(".plist") else f"# {mark}\n")


def _is_ours(content: str | None) -> bool:
    """Whether *content* is as an install of some version wrote it."""
    if content is None:
        return False
    text, _, last = content.rstrip("\n").rpartition("\n")
    return last in (_stamped(kind, f"{text}\n").rstrip("\n").rpartition("\n")[2] for kind in (".plist", ""))


def _whose(content: str | None) -> str:
    return "you changed it" if content and _MARK in content else "it is not kadr's"
