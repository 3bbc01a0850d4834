"""File systems on loop devices, and folders shown a second time, for tests that may mount."""

import contextlib
import fcntl
import os
import shutil
import struct
import subprocess
import sys

import pytest

MEGABYTES = {"ext4": 8, "btrfs": 128, "xfs": 320}
SHUT_DOWN = 0x8004587D
"""ioctl that ends a file system as if its disk were pulled out."""


@contextlib.contextmanager
def disks(tmp_path):
    """Makes small file systems and mounts them; skips where that is not allowed."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting needs Linux and root")
    mounted, ports = {}, []

    class Disk:
        """A stick: the one that is put in next gets the device number of the one that was pulled out."""

        def __init__(self, name, kind="ext4"):
            if not shutil.which(f"mkfs.{kind}"):
                pytest.skip(f"there is no mkfs.{kind}")
            self.image = tmp_path / f"{name}.img"
            self.image.write_bytes(b"")
            os.truncate(self.image, MEGABYTES[kind] << 20)
            _or_skip(f"mkfs.{kind}", "-q", str(self.image))

        def mount(self, place):
            place.mkdir(exist_ok=True)
            if (
                ports
                and not subprocess.run(["losetup", ports[-1], self.image], check=False, timeout=30).returncode
            ):
                device = ports.pop()
            else:
                device = _or_skip("losetup", "--find", "--show", str(self.image))
            mounted[place] = device
            _or_skip("mount", device, str(place))

        def unmount(self, place, *, lazily=False):
            lazy = ["--lazy"] if lazily else []
            subprocess.run(["umount", *lazy, str(place)], check=True, timeout=30)
            ports.append(mounted.pop(place))
            subprocess.run(["losetup", "--detach", ports[-1]], check=True, timeout=30)

        def pull(self, place):
            """What is not written is lost, and every further call is an error."""
            folder = os.open(place, os.O_RDONLY)
            try:
                os.fsync(folder)
                fcntl.ioctl(folder, SHUT_DOWN, struct.pack("I", 0))
            finally:
                os.close(folder)

    yield Disk
    for place, device in mounted.items():
        subprocess.run(["umount", "--lazy", str(place)], check=False, timeout=30, capture_output=True)
        subprocess.run(["losetup", "--detach", device], check=False, timeout=30)


@contextlib.contextmanager
def binds():
    """Shows a folder a second time in another place; skips where that is not allowed."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting needs Linux and root")
    mounted = []

    def bind(folder, place):
        if folder.is_dir():
            place.mkdir(exist_ok=True)
        _or_skip("mount", "--bind", str(folder), str(place))
        mounted.append(place)

    def end(place):
        subprocess.run(["umount", str(place)], check=True, timeout=30)
        mounted.remove(place)

    bind.end = end
    yield bind
    for place in mounted:
        subprocess.run(["umount", "--lazy", str(place)], check=False, timeout=30, capture_output=True)


def _or_skip(*words):
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        pytest.skip(f"this machine does not mount: {done.stderr.strip()}")
    return done.stdout.strip()
