"""The worker's cage, tried from inside by a process of its own: what is locked can never be unlocked again."""

import json
import os
import signal
import subprocess
import sys

import pytest

PROBE = """
import ctypes, json, os, socket, subprocess, sys, threading
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

def errno_of(*call):
    libc = ctypes.CDLL(None, use_errno=True)
    return ctypes.get_errno() if libc.syscall(*map(ctypes.c_long, call)) < 0 else 0

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
    "execute": refused(lambda: os.execv(sys.executable, [sys.executable, "-c", ""])),
    "time": refused(lambda: os.utime(os.path.join(folder, "picture"), (1, 1))),
    "fork": refused(lambda: os.fork() or os._exit(0)),
    "spawn": refused(lambda: os.posix_spawn(sys.executable, [sys.executable, "-c", ""], {})),
    "clone": errno_of(56 if os.uname().machine == "x86_64" else 220, 17, 0, 0, 0, 0) == 1,
    "clone3": errno_of(435, 0, 0) == 38,
    "signal": refused(lambda: os.kill(os.getppid(), 0)),
    "unshare": errno_of(272 if os.uname().machine == "x86_64" else 97, 0) == 1,
    "second_numbers": os.uname().machine != "x86_64" or errno_of(0x40000000 + 41, 2, 1, 0) in (1, 38),
}
ran = []
threads = [threading.Thread(target=ran.append, args=(number,)) for number in range(20)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
outcome["threads"] = sorted(ran)
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
    "time",
    "xattr",
    "network",
    "unix",
    "program",
    "execute",
    "fork",
    "spawn",
    "clone",
    "clone3",
    "signal",
    "unshare",
    "second_numbers",
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


def test_threads_still_start(probed):
    """No process can be begun, but threads can: the runtime of models wants them."""
    assert probed[1]["threads"] == list(range(20))


def test_abort_still_ends_it():
    """A library that aborts in the cage ends its process, and does not go on with what it found broken."""
    program = "import os; from kadrd.ingest import cage; cage.lock(); os.abort()"
    done = subprocess.run([sys.executable, "-c", program], stderr=subprocess.DEVNULL, timeout=30, check=False)
    assert done.returncode == -signal.SIGABRT
