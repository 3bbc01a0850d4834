"""The worker's cage, tried from inside by a process of its own: what is locked can never be unlocked again."""

import json
import os
import subprocess
import sys

import pytest

PROBE = """
import json, os, socket, subprocess, sys
from kadrd.ingest import cage

folder = sys.argv[1]
locked = cage.lock()

def refused(do):
    try:
        do()
    except PermissionError:
        return True
    except OSError:
        return False
    return False

outcome = {
    "read": refused(lambda: open(os.path.join(folder, "picture"), "rb").read()),
    "write": refused(lambda: open(os.path.join(folder, "picture"), "r+b")),
    "make": refused(lambda: open(os.path.join(folder, "new"), "wb")),
    "folder": refused(lambda: os.mkdir(os.path.join(folder, "folder"))),
    "remove": refused(lambda: os.unlink(os.path.join(folder, "picture"))),
    "rename": refused(lambda: os.rename(os.path.join(folder, "picture"), os.path.join(folder, "other"))),
    "truncate": refused(lambda: os.truncate(os.path.join(folder, "picture"), 0)),
    "mode": refused(lambda: os.chmod(os.path.join(folder, "picture"), 0o777)),
    "xattr": refused(lambda: os.setxattr(os.path.join(folder, "picture"), "user.tag", b"x")),
    "network": refused(lambda: socket.socket(socket.AF_INET)),
    "unix": refused(lambda: socket.socket(socket.AF_UNIX)),
    "program": refused(lambda: subprocess.run(["true"])),
}
print(json.dumps([list(locked), outcome]))
"""


@pytest.fixture(scope="module")
def probed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cage")
    (folder / "picture").write_bytes(b"bytes")
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(folder)], stdout=subprocess.PIPE, text=True, check=True, timeout=30
    )
    locked, outcome = json.loads(done.stdout)
    if not all(locked):
        pytest.skip("this kernel offers no Landlock or no seccomp")
    return folder, outcome


FORBIDDEN = [
    "write",
    "make",
    "folder",
    "remove",
    "rename",
    "truncate",
    "mode",
    "xattr",
    "network",
    "unix",
    "program",
]


@pytest.mark.parametrize("deed", FORBIDDEN)
def test_forbidden(probed, deed):
    """A decoder that was taken over can neither change a file nor reach anybody."""
    assert probed[1][deed]


def test_reading_is_free(probed):
    """Pictures lie anywhere, so reading is not locked."""
    assert not probed[1]["read"]


def test_nothing_happened(probed):
    """What was refused left no trace."""
    assert os.listdir(probed[0]) == ["picture"]
    assert (probed[0] / "picture").read_bytes() == b"bytes"
