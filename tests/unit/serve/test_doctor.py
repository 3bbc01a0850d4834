"""The request `doctor`: no disk holds it up, and every check is in docs/doctor.md."""

from __future__ import annotations

import asyncio
import re
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from kadr import doctor as client
from kadrd.config import Config, Scan
from kadrd.doctor import disks
from kadrd.doctor.disks import Sight
from kadrd.serve import doctor
from kadrd.serve.pool import Aside
from kadrd.values import Root

DOCUMENT = Path(__file__).parents[3] / "docs" / "doctor.md"
FAR, NEAR = Root(1, b"/far", 0, 0, True, None), Root(2, b"/near", 0, 0, True, None)


@pytest.fixture
def far(monkeypatch):
    """A disk that does not answer until `answers` is set; every other one does at once."""
    answers, asked = threading.Event(), []

    def look(path, _sample):
        asked.append(path)
        if path == FAR.path:
            answers.wait()
        return Sight(free=1)

    monkeypatch.setattr(disks, "look", look)
    yield SimpleNamespace(answers=answers, asked=asked)
    answers.set()


def parts_of(threads):
    """What a look uses of the daemon, with so many threads for disks."""
    return SimpleNamespace(disks=Aside(threads), looks={}, config=Config(scan=Scan(hang_seconds=0.05)))


async def come_back(parts):
    while parts.looks:  # noqa: ASYNC110 - there is no event for it
        await asyncio.sleep(0)


def test_a_disk_that_hangs_is_asked_once(far):
    """However often doctor is asked, a disk that hangs holds one thread, other folders are looked at, and it comes back."""

    async def scenario():
        parts = parts_of(2)
        for _ in range(3):
            assert await doctor._look(parts, FAR, []) is None
            assert await doctor._look(parts, NEAR, []) == Sight(free=1)
        assert far.asked.count(FAR.path) == 1
        assert parts.disks.open == 1
        far.answers.set()
        await asyncio.wait_for(come_back(parts), 30)
        assert await doctor._look(parts, FAR, []) == Sight(free=1)

    asyncio.run(scenario())


def test_so_many_disks_hang(far):
    """Where no thread is left to look, the folder counts as one that does not answer, and doctor goes on."""

    async def scenario():
        parts = parts_of(1)
        assert await doctor._look(parts, FAR, []) is None
        assert await doctor._look(parts, NEAR, []) is None
        assert [*parts.looks] == [FAR.path]
        far.answers.set()
        await asyncio.wait_for(come_back(parts), 30)

    asyncio.run(scenario())


def test_offline_is_not_asked(far):
    """A disk that is known to be away is not asked."""
    parts = parts_of(1)
    assert asyncio.run(doctor._look(parts, FAR._replace(online=False), [])) is None
    assert far.asked == []


def test_as_many_folders_as_fit():
    """Of very many folders those that are away are shown first, and the reply stays within its limit."""
    roots = [
        (Root(number, b"/%04d" % number + b"x" * 4000, 0, 0, number != 77, None), 1) for number in range(500)
    ]
    shown = doctor._shown(roots)
    assert shown[0][0].id == 77
    assert 10 < len(shown) <= doctor.MAX_FOLDERS


def test_one_thing_that_cannot_be_looked_at():
    """A file that cannot be read is told of by its own check, and the others go on."""

    def check(_parts):
        raise OSError(5, "Input/output error", "/x")

    found = doctor._tried(check, None)
    assert not found.ok
    assert "/x" in found.says


def test_every_check_is_documented():
    """docs/doctor.md has a row for every check, in the order in which they are shown, and for no other."""
    named = re.findall(r"^\| `([a-z -]+)` \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert named == [
        *client.CHECKS, "daemon", *doctor.CHECKS, "baloo", "localsearch", *disks.ALWAYS, *disks.ANSWERED,
    ]  # fmt: skip
