"""How a file under the cache is replaced whole: a reader sees the old bytes or the new bytes, also after a power cut.

Every durable write of the store outside SQLite goes through here, so its crash points are in one place.
KADR_CRASH=point:n ends the process by SIGKILL at the n-th time it passes a point: the tests' own power cut.
"""

from __future__ import annotations

import os
import signal

_passed: dict[str, int] = {}


def replace(path: str, data: bytes) -> None:
    """Put *data* at *path*. Raises OSError; the old file then stands untouched."""
    temporary = f"{path}.{os.getpid()}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            point("replace-written")
            os.fsync(file.fileno())
    except OSError:
        os.unlink(temporary)
        raise
    publish(temporary, path)


def publish(temporary: str, path: str) -> None:
    """Give the complete, synced file *temporary* its name *path*; durable when this returns."""
    point("publish-before-rename")
    os.rename(temporary, path)
    point("publish-renamed")
    sync_folder(os.path.dirname(path))
    point("publish-synced")


def sync_file(path: str) -> None:
    """Wait until the bytes of *path* are on the disk."""
    _sync(path, os.O_RDONLY)


def sync_folder(path: str) -> None:
    """Wait until the names in the folder *path* are on the disk."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: str, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def point(name: str) -> None:
    """A place where the tests may cut the power."""
    wanted = os.environ.get("KADR_CRASH", "")
    if not wanted:
        return
    _passed[name] = _passed.get(name, 0) + 1
    if wanted in (name, f"{name}:{_passed[name]}"):
        os.kill(os.getpid(), signal.SIGKILL)
