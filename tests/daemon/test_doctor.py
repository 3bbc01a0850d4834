"""What a real daemon's doctor says of real disks: each folder by itself, and nothing that waits or writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from kadr import doctor as client
from kadr.protocol.messages import Doctor
from kadrd.doctor import disks

pytestmark = pytest.mark.timeout(120)


def everything(daemon):
    return daemon.ask(Doctor()).body["checks"]


def checks(daemon, root=None):
    """What doctor says of *root*, or in general, by name."""
    wanted = None if root is None else os.fsencode(root)
    return {check["name"]: check for check in everything(daemon) if check["root"] == wanted}


def bad(found):
    return sorted(name for name, check in found.items() if not check["ok"])


def attributes(top):
    return {path: (path.stat().st_ctime_ns, tuple(os.listxattr(path))) for path in (top, *top.rglob("*"))}


def test_a_healthy_folder(daemon, root, pictures):
    """Of a healthy folder everything is told, nothing is wrong, and nothing in it was touched."""
    pictures.many(root, 3)
    daemon.sync()
    before = attributes(root)
    found = checks(daemon, root)
    assert [*found] == [*disks.ALWAYS, *disks.ANSWERED]
    assert bad(found) in ([], ["free space"])
    assert found["disk"]["says"] == "online, 3 files"
    assert attributes(root) == before


def test_several_disks(launch, disk, fuse, pictures, tmp_path):
    """Each disk is told by its kind, one that is mounted inside a folder too, and one that went away with its remedy."""
    stick, top = tmp_path / "stick", tmp_path / "top"
    top.mkdir()
    disk("stick").mount(stick)
    inner = disk("inner")
    inner.mount(top / "inner")
    far = fuse("far")
    pictures.many(far.folder, 2)
    for place in (stick, top, top / "inner"):
        pictures.many(place, 2)
    daemon = launch()
    for place in (stick, top, far.place):
        daemon.add(place)
    daemon.sync()
    says = {
        place: checks(daemon, place)["file system"]["says"] for place in (stick, top / "inner", far.place)
    }
    assert says[stick] == says[top / "inner"] == "ext4"
    assert says[far.place].startswith("fuse")
    assert "of about" in checks(daemon, stick)["attributes"]["says"]
    assert "none are kept" in checks(daemon, far.place)["attributes"]["says"]
    inner.unmount(top / "inner")
    daemon.rescan()
    daemon.sync()
    away = checks(daemon, top / "inner")
    assert [*away] == [*disks.ALWAYS]
    assert away["disk"]["says"] == "offline"
    assert checks(daemon, top)["disk"]["ok"]


def test_a_disk_that_hangs(launch, fuse, pictures, tmp_path):
    """While a disk hangs doctor answers, says so of that disk, and finds it well when it is back."""
    near, far = tmp_path / "near", fuse("far")
    pictures.many(near, 2)
    pictures.many(far.folder, 2)
    daemon = launch(scan={"hang_seconds": 2.0})
    daemon.add(near)
    daemon.add(far.place)
    daemon.sync()
    far.hang()
    for _ in range(2):
        well = {check["root"]: check["ok"] for check in everything(daemon) if check["name"] == "disk"}
        assert well == {os.fsencode(near): True, os.fsencode(far.place): False}
    far.healthy()
    daemon.rescan()
    daemon.sync()
    assert checks(daemon, far.place)["disk"]["ok"]


def test_settings_that_changed(launch, tmp_path):
    """Settings that were changed or spoilt since the start are told, and the daemon goes on."""
    daemon = launch()
    assert checks(daemon)["settings"]["ok"]
    daemon.home.configure(scan={"rescan_hours": 7.0})
    assert "has changed" in checks(daemon)["settings"]["says"]
    daemon.home.write_config("[nonsense]\n")
    assert "would not start" in checks(daemon)["settings"]["says"]
    assert daemon.alive


def test_the_client(daemon, root):
    """`kadr doctor` shows its own checks and the daemon's, the folder's under its path, and as JSON with the same names."""
    words = [sys.executable, "-m", "kadr", "doctor"]
    environment = {**os.environ, "KADR_HOME": str(daemon.home.top)}
    shown, told = (
        subprocess.run(
            [*words, *more], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        for more in ([], ["--json"])
    )
    assert f"\n{root}\nok   disk: online" in shown.stdout
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    assert all(line.keys() == {"name", "ok", "says", "act", "here", "root"} for line in lines)
    names = [line["name"] for line in lines]
    assert names[: len(client.CHECKS)] == [*client.CHECKS]
    assert f"held by process {daemon.pid}" in next(line["says"] for line in lines if line["name"] == "lock")
