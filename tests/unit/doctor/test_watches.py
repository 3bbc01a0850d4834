"""Linux's limits on watching: what is held is counted, and the remedy is a command that helps."""

from __future__ import annotations

import contextlib
import os
import re
import sys

import pytest

from kadrd.doctor import watches
from kadrd.doctor.watches import Watches
from kadrd.ingest.watch import Watcher

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")


def test_watches_are_counted(tmp_path):
    """Every folder that is watched from now on counts once, and every program that watches."""
    for number in range(5):
        (tmp_path / f"{number}").mkdir()
    before = watches.counted()
    watcher = Watcher(lambda _: None, lambda: None, str(tmp_path / "fence"))
    with contextlib.closing(watcher):
        for number in range(5):
            assert watcher.arm(os.fsencode(tmp_path / f"{number}"))
        after = watches.counted()
    assert after.ours - before.ours == 6  # and the fence's own
    assert after.all >= after.ours
    assert 0 < after.queues <= after.most_queues


@pytest.mark.parametrize(
    ("all_", "queues", "limit"),
    [(100, 5, ""), (899, 5, ""), (900, 5, "max_user_watches"), (1000, 5, "max_user_watches"), (100, 120, "max_user_instances")],
)  # fmt: skip
def test_nearly_used_up(all_, queues, limit):
    """From nine tenths of a limit on it is a problem, and the remedy names that limit."""
    found = watches.checked(Watches(50, all_, 1000, queues, 128, 16384), 0)
    assert found.ok is not bool(limit)
    assert limit in found.act


def test_the_remedy_raises_the_limit():
    """The command sets more than there is now, for good."""
    limit, wanted = re.search(
        r"echo fs\.inotify\.(\w+)=(\d+) \| sudo tee -a (?:/\S+)", watches.more("max_user_watches")
    ).groups()
    with open(f"/proc/sys/fs/inotify/{limit}", encoding="ascii") as file:
        assert int(wanted) > int(file.read())


def test_lost_events_are_told():
    """That events were lost is said, and is no problem: all was looked at again."""
    found = watches.checked(Watches(1, 1, 1000, 1, 128, 16384), 2)
    assert found.ok
    assert "lost 2 times" in found.says


def test_no_inotify():
    """Elsewhere there is nothing to check."""
    assert not watches.checked(None, 0).here
