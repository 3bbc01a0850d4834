"""Disks that are mounted inside a root: taken away, replaced, brought back. Real file systems on loop devices."""

import os
import shutil
import subprocess

import pytest

from kadr.protocol.messages import Search


@pytest.fixture
def disk(tmp_path):
    """Makes small ext4 file systems and mounts them; skips where that is not allowed."""
    if os.geteuid() != 0 or not shutil.which("mkfs.ext4"):
        pytest.skip("mounting needs root and mkfs.ext4")
    mounted = []

    def run(*words):
        done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
        if done.returncode:
            pytest.skip(f"this machine does not mount: {done.stderr.strip()}")

    class Disk:
        def __init__(self, name):
            self.image = tmp_path / f"{name}.img"
            self.image.write_bytes(b"")
            os.truncate(self.image, 8 << 20)
            run("mkfs.ext4", "-q", str(self.image))

        def mount(self, place):
            run("mount", "-o", "loop", str(self.image), str(place))
            mounted.append(place)

        def unmount(self, place):
            subprocess.run(["umount", str(place)], check=True, timeout=30)
            mounted.remove(place)

    yield Disk
    for place in mounted:
        subprocess.run(["umount", "--lazy", str(place)], check=False, timeout=30)


def test_disk_inside_a_root(daemon, root, pictures, disk):
    """A disk that goes is offline and forgets nothing; another one in its place, or files in the bare mount point,
    are not taken for it; its return costs no decode."""
    own = pictures.many(root / "own", 3)
    place = root / "disk"
    place.mkdir()
    ours, other = disk("ours"), disk("other")
    ours.mount(place)
    there = pictures.many(place / "holiday", 5)
    daemon.shows(*own, *there)

    with daemon.spending(encodes=0, decodes=0, files=0):
        ours.unmount(place)
        pictures.many(place, 2)
        daemon.rescan()
        daemon.shows(*own)
        assert daemon.ask(Search("red")).body["offline_roots"] == [os.fsencode(place)]

        other.mount(place)
        pictures.many(place / "holiday", 4)
        daemon.rescan()
        daemon.shows(*own)
        other.unmount(place)

        ours.mount(place)
        daemon.rescan()
    daemon.shows(*own, *there)
    ours.unmount(place)
    daemon.sync()
