"""The daemon's own places and this machine: each problem is seen, and its remedy named."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from kadr.protocol.paths import current
from kadrd.config import Config, Scan
from kadrd.doctor import home
from kadrd.embed import models

NOW = 2_000_000_000.0
HOUR = 3600.0


@pytest.fixture
def paths(tmp_path):
    """A home whose folders are there."""
    paths = current({"KADR_HOME": str(tmp_path)})
    for folder in (paths.state, paths.cache, os.path.dirname(paths.config)):
        os.makedirs(folder)
    return paths


def dated(path, time):
    Path(path).write_bytes(b"x")
    os.utime(path, (time, time))
    return str(path)


def test_space(paths, monkeypatch):
    """A disk with little room is a problem, one with enough is not."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=600 << 20))
    assert home.space(paths).ok
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=500 << 20))
    assert not home.space(paths).ok
    assert home.cache(paths).ok  # the same disk is told of once


def test_cache_on_another_disk(paths, disk):
    """A cache on a small disk of its own is looked at by itself."""
    disk("small").mount(Path(paths.cache))
    found = home.cache(paths)
    assert not found.ok
    assert paths.cache in found.act


def test_left_overs(paths):
    """Only what was begun an hour ago or earlier is left over; the remedy names it so that a shell takes it."""
    dated(f"{paths.state}/roots.json.77.tmp", NOW - HOUR / 2)
    dated(f"{paths.state}/catalogue.sqlite", NOW - 9 * HOUR)
    assert home.left_overs(paths, NOW).ok
    os.makedirs(f"{paths.cache}/a b")
    old = dated(f"{paths.cache}/a b/1.shard.tmp", NOW - 2 * HOUR)
    found = home.left_overs(paths, NOW)
    assert not found.ok
    assert found.act.endswith(f"rm -- '{old}'")


@pytest.mark.parametrize(
    ("text", "ok", "says"),
    [
        (None, True, "defaults"),
        ("[scan]\nquiet_seconds = 2.0\n", True, "kadr.toml"),
        ("[scan]\nrescan_hours = 5\n", False, "has changed"),
        ("[scan]\nrescan_hour = 5\n", False, "rescan_hours"),
        ("[scan\n", False, "would not start"),
    ],
)
def test_settings(paths, text, ok, says):
    """The file is read as the next start would read it: one that cannot be read, or differs, is told."""
    if text is not None:
        Path(paths.config).write_text(text)
    found = home.settings(paths, Config(scan=Scan()))
    assert found.ok is ok
    assert says in found.says
    assert bool(found.act) is not ok


def test_clock(tmp_path):
    """A clock a day behind what it dated itself is wrong, one an hour behind is not."""
    file = dated(tmp_path / "a", NOW)
    assert home.clock([file], NOW + 99 * HOUR).ok
    assert home.clock([file], NOW - HOUR).ok
    found = home.clock([file], NOW - 49 * HOUR)
    assert not found.ok
    assert "2 days behind" in found.says


def test_model_that_lost_a_file(make_tiny_model, tmp_path):
    """A model whose files are there is well; one that lost some is named with the command that brings it back."""
    make_tiny_model(tmp_path / "tiny", "tiny")
    model = models.read(tmp_path / "tiny")
    assert home.model(model).ok
    (tmp_path / "tiny" / "text.bin").unlink()
    found = home.model(model)
    assert not found.ok
    assert "text.bin" in found.says
    assert found.act.endswith("kadrd model add tiny")


def test_libraries():
    """Every library of the daemon is named with a version."""
    says = home.libraries().says
    assert all(name in says for name in (*home.LIBRARIES, "SQLite", "Python"))
    assert "?" not in says


@pytest.mark.skipif(sys.platform != "linux", reason="Landlock is Linux's")
def test_landlock():
    """What the kernel offers is told; a kernel without it is no fault of the user's."""
    assert home.landlock().ok
    assert home.landlock(6).says == "Landlock 6"
    assert not home.landlock(-1).here


def test_full_disk_access(tmp_path):
    """macOS shows the guarded folder or refuses it; a refusal is a problem once folders could not be read."""
    guarded = tmp_path / "Library" / "Application Support" / "com.apple.TCC"
    assert not home.full_disk_access(str(tmp_path), 3, "linux").here
    assert not home.full_disk_access(str(tmp_path), 3, "darwin").here
    guarded.mkdir(parents=True)
    assert home.full_disk_access(str(tmp_path), 3, "darwin").ok


def test_no_full_disk_access(tmp_path, monkeypatch):
    """A refusal is a problem once folders could not be read, and not before."""

    def refuse(_path):
        raise PermissionError

    monkeypatch.setattr(os, "scandir", refuse)  # root, as which tests may run, is refused nothing
    assert home.full_disk_access(str(tmp_path), 0, "darwin").ok
    found = home.full_disk_access(str(tmp_path), 3, "darwin")
    assert not found.ok
    assert "Full Disk Access" in found.act
