"""The desktop's own searches: whether Baloo (KDE) and LocalSearch (GNOME, once Tracker) run, and in which folders they look.

Read from their settings and the list of processes: asking them would wake them, and wait for a session bus. The one
command is `gsettings`, since LocalSearch's settings lie in a database; it is bounded in time. Changes nothing.
"""

from __future__ import annotations

import ast
import configparser
import contextlib
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from kadrd.doctor import systems
from kadrd.doctor.check import Check, absent, well
from kadrd.doctor.systems import COMMAND_SECONDS, Mount

_BALOO_PROCESS = ("baloo_file",)
_BALOO_COMMANDS = ("balooctl6", "balooctl")
_LOCALSEARCH_PROCESSES = ("localsearch-3", "tracker-miner-fs-3")
_LOCALSEARCH_COMMANDS = ("localsearch", "tracker3")
_SCHEMA = "org.freedesktop.Tracker3.Miner.Files"
_EMBEDDED, _ATTRIBUTES = "embedded", "xattr"


class Indexer(NamedTuple):
    """A search of the desktop that is installed here."""

    name: str
    on: bool
    """whether it runs, and is not switched off"""
    state: str
    """a sentence"""
    reads: tuple[str, ...]
    """the places where it sees tags that kadr writes (config.CARRIERS)"""
    rules: tuple[tuple[bytes, bool], ...]
    """(folder, whether it looks there): the deepest one above a folder decides"""
    hidden: bool
    """whether it looks into folders whose name begins with a dot"""
    command: str
    """what makes it look into one more folder, which is put behind"""

    def covers(self, path: bytes, mount: Mount | None) -> bool:
        """Whether it looks into the folder *path*, and into those in it."""
        rules = {folder.rstrip(b"/") + b"/": looks for folder, looks in self.rules}
        if mount and systems.removable(mount):  # left out, unless that very place was named
            rules.setdefault(mount.point.rstrip(b"/") + b"/", False)
        here = path.rstrip(b"/") + b"/"
        nearest = max((folder for folder in rules if here.startswith(folder)), key=len, default=b"")
        if not rules.get(nearest, False):
            return False
        return self.hidden or b"/." not in b"/" + here[len(nearest) :]

    def add(self, path: bytes) -> str:
        """The command that makes it look into *path* too."""
        return f"{self.command} {shlex.quote(os.fsdecode(path))}"


def found(
    env: Mapping[str, str], processes: Callable[[], frozenset[str]] | None = None
) -> dict[str, Indexer | None]:
    """Baloo and LocalSearch as *env* (HOME, PATH, XDG_*) has them; None for one that is not here."""
    running = (processes or _processes)()
    return {"baloo": _baloo(env, running), "localsearch": _localsearch(env, running)}


def checked(indexer: Indexer | None) -> Check:
    """What there is to say of one."""
    return absent("not installed") if indexer is None else well(indexer.state)


def _processes() -> frozenset[str]:
    """The names of this user's programs that run."""
    names = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended, or is somebody else's
            if process.stat().st_uid == os.geteuid():
                names.add(os.path.basename(os.fsdecode((process / "cmdline").read_bytes().split(b"\0")[0])))
    return frozenset(names)


def _command(env: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((name for name in names if shutil.which(name, path=env.get("PATH", ""))), "")


def _config_home(env: Mapping[str, str]) -> Path:
    given = env.get("XDG_CONFIG_HOME", "")
    return Path(given) if os.path.isabs(given) else Path(env.get("HOME", "/"), ".config")


# Baloo


def _baloo(env: Mapping[str, str], running: frozenset[str]) -> Indexer | None:
    command, runs = _command(env, _BALOO_COMMANDS), bool(running & {*_BALOO_PROCESS})
    if not (command or runs):
        return None
    settings = _ini(_config_home(env) / "baloofilerc", env)
    general = settings.get("General", {})
    enabled = settings.get("Basic Settings", {}).get("Indexing-Enabled", "true") != "false"
    command = command or _BALOO_COMMANDS[0]
    folders = general.get("folders", env.get("HOME", "/"))
    rules = dict.fromkeys(_paths(folders), True)
    for folder in _paths(general.get("exclude folders", "")):
        rules.setdefault(folder, False)
    state = "runs, and sees tags in attributes and in pictures"
    if not enabled:
        state = f"switched off; `{command} enable` switches it on"
    elif not runs:
        state = f"does not run; `{command} enable` starts it"
    return Indexer(
        "Baloo",
        on=enabled and runs,
        state=state,
        reads=(_ATTRIBUTES, _EMBEDDED),
        rules=tuple(rules.items()),
        hidden=general.get("index hidden folders") == "true",
        command=f"{command} config add includeFolders",
    )


def _ini(path: Path, env: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """A file of KDE's settings. `[$e]` behind a name means that variables in its value stand for theirs."""
    parser = configparser.RawConfigParser(delimiters=("=",), comment_prefixes=("#",), strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names are kept as they are
    try:
        parser.read_string(path.read_text(encoding="utf-8", errors="surrogateescape"))
    except (OSError, configparser.Error):
        return {}
    found: dict[str, dict[str, str]] = {}
    for section in parser.sections():
        values = found[section] = {}
        for key, value in parser.items(section):
            name, _, flags = key.partition("[$")
            values[name] = _expanded(value, env) if "e" in flags else value
    return found


def _paths(listed: str) -> list[bytes]:
    return [os.fsencode(part).rstrip(b"/") for part in re.split(r"(?<!\\),", listed) if part]


def _expanded(value: str, env: Mapping[str, str]) -> str:
    """With $NAME and ${NAME} as *env* has them."""
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda match: env.get(match[1] or match[2], ""), value)


# LocalSearch


def _localsearch(env: Mapping[str, str], running: frozenset[str]) -> Indexer | None:
    command, runs = _command(env, _LOCALSEARCH_COMMANDS), bool(running & {*_LOCALSEARCH_PROCESSES})
    if not (command or runs):
        return None
    listed = _setting(env, "index-recursive-directories")
    rules = {} if listed is None else dict.fromkeys(_places(listed, env), True)
    state = "runs, and sees tags in pictures (tags.write = embedded), never those in attributes"
    if not runs:
        state = "does not run; it starts with the session of GNOME"
    elif listed is None:
        state += "; which folders it looks into cannot be told without gsettings"
    return Indexer(
        "LocalSearch",
        on=runs and listed is not None,
        state=state,
        reads=(_EMBEDDED,),
        rules=tuple(rules.items()),
        hidden=False,
        command=f"{command or _LOCALSEARCH_COMMANDS[0]} index --add --recursive",
    )


def _setting(env: Mapping[str, str], key: str) -> list[str] | None:
    """A list of texts among LocalSearch's settings; None when it cannot be had in time."""
    program = shutil.which("gsettings", path=env.get("PATH", ""))
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, "get", _SCHEMA, key], capture_output=True, stdin=subprocess.DEVNULL, text=True,
            errors="surrogateescape", env=dict(env), timeout=COMMAND_SECONDS, check=True,
        )  # fmt: skip
        value = ast.literal_eval(done.stdout.strip().removeprefix("@as "))
    except (OSError, subprocess.SubprocessError, ValueError, SyntaxError):
        return None
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else None


def _places(listed: list[str], env: Mapping[str, str]) -> list[bytes]:
    """The folders that LocalSearch's names mean: `&PICTURES` is the desktop's own folder for them."""
    home = env.get("HOME", "/")
    own = _user_folders(env)
    places = []
    for name in listed:
        if name.startswith("&"):
            place = own.get(name[1:], "")
        else:
            place = _expanded(home + name[1:] if name.startswith("~") else name, env)
        if place and not (name.startswith("&") and place.rstrip("/") == home.rstrip("/")):
            places.append(os.fsencode(place))
    return places


def _user_folders(env: Mapping[str, str]) -> dict[str, str]:
    """PICTURES and the like, from user-dirs.dirs (xdg-user-dirs)."""
    try:
        text = (_config_home(env) / "user-dirs.dirs").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return {}
    lines = re.findall(r'^XDG_(\w+)_DIR="(.*)"$', text, re.MULTILINE)
    return {name: _expanded(value, env) for name, value in lines}
