"""What the daemon's own places and this machine give it: room, settings, clock, libraries, cage. Changes nothing.

Each function takes what it looks at, so a test can show it another disk, clock or settings.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata

from kadr.protocol.paths import Paths
from kadrd import config
from kadrd.config import Config, ConfigError
from kadrd.doctor.check import Check, absent, ill, many, size, well
from kadrd.embed.models import FILES, Model
from kadrd.ingest import cage
from kadrd.store.schema import SQLITE_VERSION

LOW_SPACE = 512 << 20
DAY = 86_400.0
LEFT_OVER_SECONDS = 3600.0
"""longer than anything takes to be written"""
OLD_SHOWN = 8
LIBRARIES = ("hnswlib", "openvino", "tokenizers", "numpy", "blake3", "pillow", "msgpack")
_RESTART = "kadr stop && kadr start"
# macOS shows this folder to programs with Full Disk Access alone.
_GUARDED = "Library/Application Support/com.apple.TCC"


def space(paths: Paths) -> Check:
    free = shutil.disk_usage(paths.state).free
    says = f"{free >> 20:,} MB free for the catalogue"
    return well(says) if free > LOW_SPACE else ill(says, "Free some space.")


def cache(paths: Paths) -> Check:
    if os.stat(paths.state).st_dev == os.stat(paths.cache).st_dev:
        return well("on the same disk as the catalogue")
    free = shutil.disk_usage(paths.cache).free
    says = f"{size(free)} free for shards and compiled models"
    return well(says) if free > LOW_SPACE else ill(says, f"Free some space on the disk with {paths.cache}.")


def left_overs(paths: Paths, now: float) -> Check:
    """Files that a kill left in the middle of a write. They harm nothing and take room; shards' own are swept at each start."""
    old = [path for path in _temporary(paths) if _older(path, now)]
    if not old:
        return well("nothing was left half written")
    return ill(
        f"{many(len(old), 'file')} half written, which nobody needs",
        f"Delete them: rm -- {' '.join(map(shlex.quote, old[:OLD_SHOWN]))}",
    )


def _temporary(paths: Paths) -> Iterator[str]:
    for top in (paths.state, paths.cache):
        for folder, _, names in os.walk(top):
            yield from (os.path.join(folder, name) for name in names if name.endswith(".tmp"))


def _older(path: str, now: float) -> bool:
    try:
        return now - os.stat(path).st_mtime > LEFT_OVER_SECONDS
    except OSError:
        return False


def settings(paths: Paths, held: Config) -> Check:
    """Whether kadr.toml is what the daemon read when it started, and can be read the next time."""
    try:
        written = config.read(paths.config)
    except ConfigError as error:
        return ill(f"the daemon would not start again: {error}", "Mend the file; what holds now goes on.")
    if written != held:
        return ill(f"{paths.config} has changed since the daemon started", f"Have it read: {_RESTART}")
    return well(paths.config if os.path.exists(paths.config) else f"{paths.config} is not there: defaults")


def clock(files: Iterable[str], now: float) -> Check:
    """A clock that is behind files which were written by it. Ages are not reckoned by it; dates in questions are."""
    newest = max((os.stat(file).st_mtime for file in files), default=now)
    if newest - now > DAY:
        return ill(
            f"it is {many(round((newest - now) / DAY), 'day')} behind what was written here",
            "Set it: sudo timedatectl set-ntp true" if sys.platform == "linux" else "Set date and time.",
        )
    return well("not behind what was written here")


def model(serving: Model) -> Check:
    says = (
        f"{serving.name}, {serving.dimension} numbers, {', '.join(serving.languages) or 'languages unknown'}"
    )
    if gone := [name for name in FILES if not (serving.folder / name).is_file()]:
        return ill(
            f"{says}: {', '.join(gone)} in {serving.folder} is gone",
            f"Add it again: kadrd model add {serving.name}",
        )
    return well(says)


def libraries() -> Check:
    """For whoever reads a report of a fault."""
    found = [f"{name} {_version(name)}" for name in LIBRARIES]
    return well(f"Python {sys.version.split()[0]}, SQLite {SQLITE_VERSION}, {', '.join(found)}")


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "?"


def landlock(version: int | None = None) -> Check:
    """Whether the kernel can lock the decoder out of files; *version* as the kernel tells it."""
    if sys.platform != "linux":
        return absent("this system has no Landlock")
    version = cage.landlock() if version is None else version
    if version < 1:
        return absent("this kernel has no Landlock (Linux 5.13 has it), so a decoder could write files")
    return well(f"Landlock {version}")


def full_disk_access(home: str, unreadable: int, platform: str = sys.platform) -> Check:
    """macOS: whether the daemon may look into folders that the system guards, such as Pictures."""
    if platform != "darwin":
        return absent("only macOS guards folders from programs")
    try:
        os.scandir(os.path.join(home, _GUARDED)).close()
    except PermissionError:
        says = "the daemon has no Full Disk Access"
        if not unreadable:
            return well(f"{says}, and has not missed it")
        return ill(
            f"{says}, and {many(unreadable, 'folder')} cannot be read",
            "System Settings, Privacy & Security, Full Disk Access: add the Python that runs kadrd.",
        )
    except OSError:
        return absent("the system does not tell")
    return well("the daemon has Full Disk Access")
