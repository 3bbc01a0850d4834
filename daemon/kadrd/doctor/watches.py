"""Linux: how many inotify watches a user's programs hold, and how many they may. Reads /proc and nothing else.

The limits are a user's, of all programs together, so those of file managers, editors and synchronisers count too.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

from kadrd.doctor.check import Check, absent, ill, many, well

NEARLY = 0.9
"""of a limit: from here on the next program, or folder, may be the one that is refused"""
ENOUGH = 524_288
"""what editors and synchronisers ask their users to set, so the remedy is no smaller than that"""
_PROC = Path("/proc")
_LIMITS = {"max_user_watches": "max_inotify_watches", "max_user_instances": "max_inotify_instances"}
"""of the machine, and of the container"""


class Watches(NamedTuple):
    """What is held and what may be held."""

    ours: int
    """folders that the daemon watches"""
    all: int
    """of all programs of this user that may be looked at"""
    most: int
    queues: int
    """inotify instances: a program that watches has one or more"""
    most_queues: int
    room: int
    """events that may wait in one, before some are lost"""


def checked(seen: Watches | None, overflows: int) -> Check:
    """Whether there are enough. *overflows*: how often events were lost since the daemon started."""
    if seen is None:
        return absent("this system has no limits of its own")
    lost = f"; events were lost {many(overflows, 'time')}, and all was looked at again" if overflows else ""
    says = (
        f"kadr holds {seen.ours:,}, all programs together {seen.all:,} of {seen.most:,}; "
        f"{seen.queues:,} of {seen.most_queues:,} queues, each with room for {seen.room:,} events{lost}"
    )
    if seen.all >= NEARLY * seen.most:
        return ill(says, more("max_user_watches"))
    if seen.queues >= NEARLY * seen.most_queues:
        return ill(says, more("max_user_instances"))
    return well(says)


def more(name: str) -> str:
    """The remedy: a command that raises the limit *name* now and for good."""
    limit = _limit(name)
    if not limit:
        return "Watch fewer folders."
    wanted = max(2 * limit, ENOUGH if name == "max_user_watches" else 0)
    return (
        f"Raise the limit: echo fs.inotify.{name}={wanted} | sudo tee -a /etc/sysctl.d/60-kadr.conf "
        "&& sudo sysctl --system"
    )


def counted() -> Watches | None:
    """What this user's programs hold now; None where there is no inotify."""
    most, most_queues = _limit("max_user_watches"), _limit("max_user_instances")
    if most is None or most_queues is None:
        return None
    ours, watches, queues = 0, 0, 0
    for process in _PROC.iterdir():
        if not process.name.isdigit():
            continue
        with contextlib.suppress(OSError):  # it ended, or may not be looked at
            if process.stat().st_uid != os.geteuid():
                continue
            held = _held(process)
            watches, queues = watches + sum(held), queues + len(held)
            ours += sum(held) if process.name == str(os.getpid()) else 0
    return Watches(ours, watches, most, queues, most_queues, _number("fs/inotify/max_queued_events") or 0)


def _held(process: Path) -> list[int]:
    """How many watches each inotify descriptor of *process* holds."""
    found = []
    for descriptor in os.listdir(process / "fd"):
        with contextlib.suppress(OSError):  # it was closed meanwhile
            if "inotify" in os.readlink(process / "fd" / descriptor):
                found.append((process / "fdinfo" / descriptor).read_bytes().count(b"inotify wd:"))
    return found


def _limit(name: str) -> int | None:
    """The smaller of the machine's limit and the container's."""
    known = [_number(f"fs/inotify/{name}"), _number(f"user/{_LIMITS[name]}")]
    return min((number for number in known if number is not None), default=None)


def _number(name: str) -> int | None:
    try:
        return int((_PROC / "sys" / name).read_bytes())
    except (OSError, ValueError):
        return None
