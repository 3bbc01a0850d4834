"""Places: what the environment asks for, on Linux and macOS."""

from __future__ import annotations

import os

import pytest

from kadr.protocol import paths
from kadr.protocol.paths import current


def test_one_home_for_everything(monkeypatch):
    """KADR_HOME puts every place under one folder, whatever else is set."""
    places = current(
        {"KADR_HOME": "/k", "HOME": "/home/a", "XDG_RUNTIME_DIR": "/run/user/1", "XDG_CACHE_HOME": "/c"}
    )
    assert all(place.startswith("/k/") for place in places)
    assert len(set(places)) == len(places)


def test_a_relative_home_is_made_absolute(monkeypatch, tmp_path):
    """KADR_HOME may be relative to where one is, also in what a started daemon is given."""
    monkeypatch.chdir(tmp_path)
    assert current({"KADR_HOME": "x"}).state == os.path.join(os.getcwd(), "x", "state")
    monkeypatch.setenv("KADR_HOME", "x")
    assert paths.environment()["KADR_HOME"] == os.path.join(os.getcwd(), "x")
    monkeypatch.delenv("KADR_HOME")
    assert "KADR_HOME" not in paths.environment()


def test_xdg():
    """The base directories are followed, and a runtime folder holds the socket."""
    env = {
        "HOME": "/home/a",
        "XDG_CONFIG_HOME": "/x/config",
        "XDG_DATA_HOME": "/x/data",
        "XDG_STATE_HOME": "/x/state",
        "XDG_CACHE_HOME": "/x/cache",
        "XDG_RUNTIME_DIR": "/run/user/1",
    }
    assert current(env, "linux") == (
        "/x/config/kadr/kadr.toml",
        "/x/data/kadr",
        "/x/state/kadr",
        "/x/cache/kadr",
        "/x/state/kadr/kadrd.log",
        "/run/user/1/kadr/kadr.sock",
    )


@pytest.mark.parametrize("value", ["", "relative/folder", "."])
def test_relative_base_directories_are_ignored(value):
    """As the specification asks, and as if they were not set; the socket is never in /tmp."""
    names = ("CONFIG_HOME", "DATA_HOME", "STATE_HOME", "CACHE_HOME", "RUNTIME_DIR")
    set_so = {"HOME": "/home/a", **{f"XDG_{name}": value for name in names}}
    assert current(set_so, "linux") == current({"HOME": "/home/a"}, "linux")
    assert current(set_so, "linux").socket == "/home/a/.cache/kadr/run/kadr.sock"


def test_macos():
    """On a Mac everything is in ~/Library, where people and backups expect it."""
    places = current({"HOME": "/Users/a", "XDG_CACHE_HOME": "/x"}, "darwin")
    assert all(place.startswith("/Users/a/Library/") for place in places)
    assert places.socket == "/Users/a/Library/Caches/kadr/run/kadr.sock"


def test_no_home_at_all(monkeypatch):
    """Without HOME the user database is asked."""
    assert current({}, "linux").state.endswith("/.local/state/kadr")
    assert os.path.isabs(current({}, "linux").state)


def test_nothing_is_created(tmp_path):
    """Asking where things are makes none of them."""
    current({"KADR_HOME": str(tmp_path / "k")})
    assert list(tmp_path.iterdir()) == []
