"""Where kadr keeps things. The only reader of the environment in the client, and nothing is created here.

`KADR_HOME=DIR` puts everything under DIR: trials, tests and second instances touch nothing else.
Otherwise the XDG base directories on Linux and ~/Library on macOS.
"""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

# sun_path holds 108 bytes on Linux and 104 on macOS, the closing NUL included.
SOCKET_PATH_LIMIT = 107 if sys.platform == "linux" else 103


class Paths(NamedTuple):
    """The places of one instance; every one is an absolute path."""

    config: str
    """kadr.toml"""
    data: str
    """folder: installed models"""
    state: str
    """folder: the catalogue and the lock; the only thing worth a backup"""
    cache: str
    """folder: shards and compiled models, all rebuildable"""
    log: str
    """the daemon's log file"""
    socket: str


def current(environ: dict[str, str] | None = None, platform: str = sys.platform) -> Paths:
    """The places that *environ* (default: the process's own) asks for."""
    env = os.environ if environ is None else environ
    if env.get("KADR_HOME"):
        return _under(os.path.abspath(env["KADR_HOME"]))
    home = env.get("HOME") or os.path.expanduser("~")
    return _macos(home) if platform == "darwin" else _xdg(home, env)


def environment() -> dict[str, str]:
    """The process's environment for a daemon that runs in another folder: it asks for the same places."""
    env = dict(os.environ)
    if env.get("KADR_HOME"):
        env["KADR_HOME"] = os.path.abspath(env["KADR_HOME"])
    return env


def _under(top: str) -> Paths:
    join = os.path.join
    return Paths(
        config=join(top, "config", "kadr.toml"),
        data=join(top, "data"),
        state=join(top, "state"),
        cache=join(top, "cache"),
        log=join(top, "state", "kadrd.log"),
        socket=join(top, "run", "kadr.sock"),
    )


def _macos(home: str) -> Paths:
    library, support = (
        os.path.join(home, "Library"),
        os.path.join(home, "Library", "Application Support", "kadr"),
    )
    return Paths(
        config=os.path.join(support, "kadr.toml"),
        data=support,
        state=os.path.join(support, "state"),
        cache=os.path.join(library, "Caches", "kadr"),
        log=os.path.join(library, "Logs", "kadrd.log"),
        socket=os.path.join(library, "Caches", "kadr", "run", "kadr.sock"),
    )


def _xdg(home: str, env: os._Environ[str] | dict[str, str]) -> Paths:
    def base(name: str, *fallback: str) -> str:
        value = env.get(name, "")
        # The specification: a relative path in one of these is to be ignored.
        return value if os.path.isabs(value) else os.path.join(home, *fallback)

    cache = os.path.join(base("XDG_CACHE_HOME", ".cache"), "kadr")
    state = os.path.join(base("XDG_STATE_HOME", ".local", "state"), "kadr")
    runtime = env.get("XDG_RUNTIME_DIR", "")
    # Over ssh and under cron there is no runtime folder; /tmp is everybody's, so never there.
    run = os.path.join(runtime, "kadr") if os.path.isabs(runtime) else os.path.join(cache, "run")
    return Paths(
        config=os.path.join(base("XDG_CONFIG_HOME", ".config"), "kadr", "kadr.toml"),
        data=os.path.join(base("XDG_DATA_HOME", ".local", "share"), "kadr"),
        state=state,
        cache=cache,
        log=os.path.join(state, "kadrd.log"),
        socket=os.path.join(run, "kadr.sock"),
    )
