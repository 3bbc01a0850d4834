"""A disk for tests that hangs, errs or is slow when it is told to: a file system of FUSE that mirrors a folder.

It speaks the kernel's protocol itself, in a process of its own: that process dies with the test, and the kernel
then answers every call that still waits. What the test changes, it changes in the mirrored folder; no event
tells of it, as on a disk of the network. Nothing is cached, so every look reaches the server. It only reads.
"""

import contextlib
import ctypes
import errno
import json
import os
import select
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

PATIENCE = 30.0
MNT_DETACH = 2
READ_ONLY_NOSUID_NODEV = 1 | 2 | 4

LOOKUP, FORGET, GETATTR, OPEN, READ, STATFS, RELEASE = 1, 2, 3, 14, 15, 17, 18
FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR, INTERRUPT, DESTROY, BATCH_FORGET = 25, 26, 27, 28, 29, 36, 38, 42
NAMES = {
    LOOKUP: "lookup", GETATTR: "getattr", OPEN: "open", READ: "read", STATFS: "statfs", RELEASE: "release",
    FLUSH: "flush", OPENDIR: "opendir", READDIR: "readdir", RELEASEDIR: "releasedir",
}  # fmt: skip
LISTING = ("opendir", "readdir")
STAT = ("lookup", "getattr")

IN_HEADER = struct.Struct("<IIQQIIIHH")
OUT_HEADER = struct.Struct("<IiQ")
ATTR = struct.Struct("<6Q10I")
DIRENT = struct.Struct("<QQII")
BUFFER = 256 * 1024
DIRECT_IO = 1
COARSE_SECONDS = 2


@contextlib.contextmanager
def disks(top: Path) -> Iterator[Callable[..., "Disk"]]:
    """Makes disks below *top*, which all are gone afterwards; skips the test where none can be mounted."""
    if sys.platform != "linux" or os.geteuid() != 0 or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        _skip("mounting FUSE needs Linux, root and /dev/fuse")
    mounted: list[Disk] = []

    def mount(name: str, place: Path | None = None, *, coarse: bool = False) -> Disk:
        folder, place = top / f"{name}.disk", place or top / name
        folder.mkdir(exist_ok=True)
        place.mkdir(exist_ok=True)
        mounted.append(Disk(folder, place, coarse=coarse))
        return mounted[-1]

    try:
        yield mount
    finally:
        for disk in mounted:
            disk.unmount()


class Disk:
    """A mount, and what its server is told. The test itself must not touch the mount while it hangs."""

    def __init__(self, folder: Path, place: Path, *, coarse: bool = False) -> None:
        """*coarse*: times of two seconds and inodes that last as long as the mount, like vfat."""
        self.folder, self.place = folder, place
        words = [sys.executable, __file__, str(folder), str(place), *(["coarse"] if coarse else [])]
        self._server = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        said = self._hear()
        if said != "mounted":
            self.unmount()
            _skip(f"this machine does not mount FUSE: {said or 'no answer'}")

    def healthy(self) -> None:
        """Answer everything, also what was held back."""
        self._tell(mode="healthy")

    def hang(self, *operations: str, name: str = "", after: int = 0, deaf: bool = False) -> None:
        """Take requests and answer none, or none of these *operations*, or none for the file *name*; *after* so many
        of them that still were answered.

        A process that is killed is let go, unless the disk is *deaf*: then it cannot even die.
        """
        self._tell(mode="hang", operations=operations, name=name, after=after, deaf=deaf)

    def error(self, number: int, *operations: str, name: str = "") -> None:
        """Answer everything with this errno."""
        self._tell(mode="error", errno=number, operations=operations, name=name)

    def slow(self, seconds: float, *operations: str) -> None:
        """Answer everything so much later."""
        self._tell(mode="slow", seconds=seconds, operations=operations)

    def held(self, operation: str = "", name: str = "") -> None:
        """Back when a request, or one of this *operation* for the file *name*, is being held back."""
        self._tell(mode="held", operation=operation, name=name)

    def counts(self) -> dict[str, int]:
        """How many requests of each operation came so far."""
        return self._tell(mode="counts")

    def die(self) -> None:
        """End the server and leave the mount: from now on the kernel answers everything with ENOTCONN."""
        self._server.kill()
        self._server.wait()

    def unmount(self) -> None:
        """Take the disk away, whatever waits for it."""
        if self._server.stdin.closed:
            return
        self.die()
        for pipe in (self._server.stdin, self._server.stdout):
            pipe.close()
        _umount(self.place)

    def _tell(self, **what: object) -> dict[str, int]:
        self._server.stdin.write(json.dumps(what) + "\n")
        self._server.stdin.flush()
        said = self._hear()
        assert said, f"the disk's server did not take {what}"
        return json.loads(said)

    def _hear(self) -> str:
        ready, _, _ = select.select([self._server.stdout], [], [], PATIENCE)
        return self._server.stdout.readline().strip() if ready else ""


def _skip(why: str) -> NoReturn:
    import pytest  # not above: the server, which is this file too, would start more slowly

    pytest.skip(why)


def _umount(place: Path | str) -> None:
    ctypes.CDLL(None, use_errno=True).umount2(os.fsencode(place), MNT_DETACH)


# The server


class Failed(Exception):
    """What a request is answered with instead of a reply."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Request:
    """One request as the kernel wrote it."""

    def __init__(self, data: bytes) -> None:
        _, self.opcode, self.unique, self.node, *_ = IN_HEADER.unpack_from(data)
        self.body = data[IN_HEADER.size :]
        self.operation = NAMES.get(self.opcode, "")


class Server:
    """Answers the kernel, one request after the other, and the test's switches between them."""

    def __init__(self, folder: bytes, place: bytes, *, coarse: bool) -> None:
        self._folder, self._place, self._coarse = folder, place, coarse
        self._first_inode = int.from_bytes(os.urandom(3), "little") << 16 if coarse else 0
        self._paths, self._nodes = {1: folder}, {folder: 1}
        self._listings: dict[int, list[tuple[int, bytes, int]]] = {}
        self._held: dict[int, Request] = {}
        self._late: list[tuple[float, Request]] = []
        self._counts: dict[str, int] = {}
        self._waiting_for: dict[str, str] | None = None
        self._switch: dict[str, Any] = {"mode": "healthy"}

    def run(self) -> None:
        """Mount, and serve until the test is gone."""
        self._device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        options = f"fd={self._device},rootmode=40000,user_id=0,group_id=0,allow_other"
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"kadr", self._place, b"fuse", READ_ONLY_NOSUID_NODEV, options.encode()):
            _say(os.strerror(ctypes.get_errno()))
            return
        try:
            self._serve()
        finally:
            os.close(self._device)  # whoever waits gets an error
            _umount(os.fsdecode(self._place))

    def _serve(self) -> None:
        while True:
            pause = max(min((at for at, _ in self._late), default=0.0) - time.monotonic(), 0.0)
            ready, _, _ = select.select([self._device, 0], [], [], pause if self._late else None)
            if 0 in ready and not self._told():
                return
            if self._device in ready:
                with contextlib.suppress(BlockingIOError, FileNotFoundError, InterruptedError):
                    self._take(Request(os.read(self._device, BUFFER)))
            now = time.monotonic()
            due = [request for at, request in self._late if at <= now]
            self._late = [(at, request) for at, request in self._late if at > now]
            for request in due:
                self._answer(request)

    # The test's switches

    def _told(self) -> bool:
        line = sys.stdin.readline()
        if not line:
            return False
        told = json.loads(line)
        if told["mode"] == "held":
            self._waiting_for = told
            self._tell_of_held()
            return True
        if told["mode"] == "counts":
            _say(json.dumps(self._counts))
            return True
        self._switch = told
        waiting = [*self._held.values(), *(request for _, request in self._late)]
        self._held, self._late = {}, []
        for request in waiting:
            self._take(request)
        _say("{}")
        return True

    def _tell_of_held(self) -> None:
        if self._waiting_for is None:
            return
        for request in self._held.values():
            if self._waiting_for["operation"] in ("", request.operation) and self._waiting_for["name"] in (
                "",
                self._name(request),
            ):
                self._waiting_for = None
                _say("{}")
                return

    def _take(self, request: Request) -> None:
        """Answer now, later, with an error or not at all."""
        mode = self._switch["mode"]
        self._counts[request.operation] = self._counts.get(request.operation, 0) + 1
        if request.opcode == INTERRUPT:
            self._interrupted(struct.unpack_from("<Q", request.body)[0])
        elif mode == "healthy" or not self._concerned(request):
            self._answer(request)
        elif mode == "hang" and self._switch["after"]:
            self._switch["after"] -= 1
            self._answer(request)
        elif mode == "hang":
            self._held[request.unique] = request
            self._tell_of_held()
        elif mode == "slow":
            self._late.append((time.monotonic() + self._switch["seconds"], request))
        else:
            self._reply(request, error=self._switch["errno"])

    def _concerned(self, request: Request) -> bool:
        operations, name = self._switch["operations"], self._switch.get("name")
        if request.operation in ("", "release", "releasedir"):
            return False
        return (not operations or request.operation in operations) and (
            not name or name == self._name(request)
        )

    def _name(self, request: Request) -> str:
        """Of the file or folder that is asked about."""
        if request.opcode == LOOKUP:
            return os.fsdecode(request.body.rstrip(b"\0"))
        return os.path.basename(os.fsdecode(self._paths.get(request.node, b"")))

    def _interrupted(self, unique: int) -> None:
        """The process that waits was killed, or got a signal."""
        if not self._switch.get("deaf") and (request := self._held.pop(unique, None)):
            self._reply(request, error=errno.EINTR)

    # The kernel's requests

    def _answer(self, request: Request) -> None:
        if request.opcode in (FORGET, BATCH_FORGET):
            return
        try:
            self._reply(request, self._done(request))
        except Failed as failed:
            self._reply(request, error=failed.number)
        except OSError as error:
            self._reply(request, error=error.errno or errno.EIO)
        if request.opcode == INIT:
            _say("mounted")

    def _reply(self, request: Request, body: bytes = b"", error: int = 0) -> None:
        # The process that asked may have died meanwhile: then nobody waits for the answer.
        with contextlib.suppress(FileNotFoundError):
            os.write(
                self._device, OUT_HEADER.pack(OUT_HEADER.size + len(body), -error, request.unique) + body
            )

    def _done(self, request: Request) -> bytes:
        does = {
            INIT: self._init, LOOKUP: self._lookup, GETATTR: self._getattr, STATFS: self._statfs,
            OPENDIR: self._opendir, READDIR: self._readdir, RELEASEDIR: self._releasedir,
            OPEN: self._open, READ: self._read, RELEASE: self._release,
        }.get(request.opcode)  # fmt: skip
        if does is None:
            raise Failed(errno.ENOSYS)
        return does(request)

    def _init(self, request: Request) -> bytes:
        readahead = struct.unpack_from("<IIII", request.body)[2]
        return struct.pack("<IIIIHHIIHHI7I", 7, 31, readahead, 0, 16, 12, 4096, 1, 0, 0, 0, *([0] * 7))

    def _path(self, request: Request) -> bytes:
        return self._paths[request.node]

    def _lookup(self, request: Request) -> bytes:
        path = os.path.join(self._path(request), request.body.rstrip(b"\0"))
        found = os.lstat(path)
        node = self._node(path)
        return struct.pack("<QQQQII", node, 0, 0, 0, 0, 0) + self._attr(node, found)

    def _node(self, path: bytes) -> int:
        node = self._nodes.setdefault(path, len(self._nodes) + 1)
        self._paths[node] = path
        return node

    def _getattr(self, request: Request) -> bytes:
        return struct.pack("<QII", 0, 0, 0) + self._attr(request.node, os.lstat(self._path(request)))

    def _attr(self, node: int, found: os.stat_result) -> bytes:
        times = [found.st_atime_ns, found.st_mtime_ns, found.st_ctime_ns]
        inode = found.st_ino
        if self._coarse:
            tick = COARSE_SECONDS * 10**9
            times = [found.st_mtime_ns // tick * tick] * 3
            inode = self._inode_of_mount(node)
        seconds, parts = [t // 10**9 for t in times], [t % 10**9 for t in times]
        return ATTR.pack(
            inode, found.st_size, found.st_blocks, *seconds, *parts,
            found.st_mode, found.st_nlink, found.st_uid, found.st_gid, 0, 4096, 0,
        )  # fmt: skip

    def _statfs(self, _request: Request) -> bytes:
        return struct.pack(
            "<5Q10I", 1 << 20, 1 << 19, 1 << 19, 1 << 20, 1 << 19, 4096, 255, 4096, 0, *[0] * 6
        )

    def _opendir(self, request: Request) -> bytes:
        path = self._path(request)
        self._listings[request.unique] = [
            (self._inode(os.path.join(path, name)), name, self._kind(os.path.join(path, name)))
            for name in sorted(os.listdir(path))
        ]
        return struct.pack("<QII", request.unique, 0, 0)

    def _inode(self, path: bytes) -> int:
        return self._inode_of_mount(self._node(path)) if self._coarse else os.lstat(path).st_ino

    def _inode_of_mount(self, node: int) -> int:
        return node if node == 1 else self._first_inode + node

    def _kind(self, path: bytes) -> int:
        return stat.S_IFMT(os.lstat(path).st_mode) >> 12

    def _readdir(self, request: Request) -> bytes:
        handle, offset, size = struct.unpack_from("<QQI", request.body)
        out = b""
        for number, (inode, name, kind) in enumerate(self._listings[handle][offset:], offset + 1):
            entry = DIRENT.pack(inode, number, len(name), kind) + name
            entry += bytes(-len(entry) % 8)
            if len(out) + len(entry) > size:
                break
            out += entry
        return out

    def _releasedir(self, request: Request) -> bytes:
        self._listings.pop(struct.unpack_from("<Q", request.body)[0], None)
        return b""

    def _open(self, request: Request) -> bytes:
        return struct.pack("<QII", os.open(self._path(request), os.O_RDONLY | os.O_CLOEXEC), DIRECT_IO, 0)

    def _read(self, request: Request) -> bytes:
        handle, offset, size = struct.unpack_from("<QQI", request.body)
        return os.pread(handle, size, offset)

    def _release(self, request: Request) -> bytes:
        os.close(struct.unpack_from("<Q", request.body)[0])
        return b""


def _say(words: str) -> None:
    print(words, flush=True)


if __name__ == "__main__":
    Server(os.fsencode(sys.argv[1]), os.fsencode(sys.argv[2]), coarse="coarse" in sys.argv[3:]).run()
