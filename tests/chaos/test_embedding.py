"""A picture that is tagged inside while the power goes, or while its owner edits it: the old picture, the new one, or the
owner's; never a mix, and never without the owner's edit.
"""

from __future__ import annotations

import collections
import os
import random
import signal
import sys
from functools import partial
from pathlib import Path

import pytest

from kadrd.store import durable
from kadrd.tag import containers, packet, renames, swap
from kadrd.tag.carrier import Done, Refused
from kadrd.tag.embedded import EmbeddedCarrier
from kadrd.tag.sidecar import SidecarCarrier

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, leases and /proc")

STEPS = (
    "tag-created", "tag-written", "tag-checked", "tag-dressed", "tag-synced", "tag-ready", "tag-leased", "tag-exchanged",
    "tag-left", "tag-done",
)  # fmt: skip
WORDS = ("sea", "sun")
EMBEDDED, SIDECAR = EmbeddedCarrier(), SidecarCarrier()


def apart(work):
    """Runs *work* in a process of its own; gives the process."""
    child = os.fork()
    if child:
        return child
    try:
        work()
    finally:
        os._exit(0)


def ended(child):
    """How the process ended: 0, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_at(step, work):
    def crash():
        os.environ["KADR_CRASH"] = step
        work()

    return ended(apart(crash))


def like(path):
    """All that a file is beside its bytes and its inode."""
    now = path.stat()
    attributes = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    return now.st_mode, now.st_uid, now.st_gid, now.st_mtime_ns, now.st_nlink, attributes


@pytest.fixture
def pictures_here(pictures, edit, tmp_path):
    """A picture of each format, with attributes and an old time."""
    rest = packet.EMPTY.replace(b"<?xpacket end", b" " * 3_000 + b"<?xpacket end")
    padded = edit.with_segment(pictures.bytes(), 0xE1, b"http://ns.adobe.com/xap/1.0/\0" + rest)
    files = []
    for name, data in (("a.jpg", pictures.bytes()), ("b.png", pictures.bytes(".png")), ("c.jpg", padded)):
        path = tmp_path / name
        path.write_bytes(data)
        path.chmod(0o640)
        os.setxattr(path, "user.xdg.tags", b"mine")
        os.utime(path, ns=(10**18, 10**18 + 7))
        files.append(path)
    return files


@pytest.mark.parametrize("kills", [200, pytest.param(2_000, marks=pytest.mark.slow)])
def test_killed_at_every_step(pictures_here, kills):
    """Killed hundreds of times, at each step in turn, tagging and untagging: each time the old bytes or the new ones are there, with
    everything that was beside them; and after the next start no file of ours is left.
    """
    outcomes = collections.Counter()
    olds = {path: path.read_bytes() for path in pictures_here}
    likes = {path: like(path) for path in pictures_here}
    for turn in range(kills):
        path, step = pictures_here[turn % 3], STEPS[turn // 3 % len(STEPS)]
        old, tagging = olds[path], turn % 2 == 0
        if not tagging:
            assert EMBEDDED.write(bytes(path), WORDS, None).changed
        before = path.read_bytes()
        act = (
            partial(EMBEDDED.write, bytes(path), WORDS, None)
            if tagging
            else partial(EMBEDDED.remove, bytes(path), None)
        )
        assert killed_at(step, act) == -signal.SIGKILL, step
        now = path.read_bytes()
        assert now == before or (now == old) != tagging, step
        assert containers.same(old, now), step
        outcomes[now == before] += 1
        swap.sweep(bytes(path.parent))
        assert sorted(path.parent.iterdir()) == pictures_here, step
        EMBEDDED.remove(bytes(path), None)
        assert path.read_bytes() == old
        assert like(path) == likes[path], step
    assert min(outcomes.values()) > kills // 10


@pytest.mark.parametrize("there", [False, True], ids=["new", "joined"])
def test_sidecar_killed_at_every_step(pictures_here, there):
    """Killed at each step of writing or removing a sidecar, it is there whole as before or as after, and no file is left."""
    picture = pictures_here[0]
    sidecar = picture.with_name("a.jpg.xmp")
    old = packet.changed(packet.EMPTY, packet.Change(("mine",))).replace(b"kadr", b"kept") if there else None
    for step in STEPS:
        for work in (
            lambda: SIDECAR.write(bytes(picture), WORDS, None),
            lambda: SIDECAR.remove(bytes(picture), None),
        ):
            if there:
                sidecar.write_bytes(old)
            killed_at(step, work)
            swap.sweep(bytes(picture.parent))
            assert not sidecar.exists() or packet.read(sidecar.read_bytes())
            assert set(picture.parent.iterdir()) - {sidecar} == set(pictures_here), step
            SIDECAR.remove(bytes(picture), None)
            assert (sidecar.read_bytes() if sidecar.exists() else None) == old, step


# A user's edit in between


def by_rename(path, data):
    """As most programs save."""
    new = path.with_name("editor's")
    new.write_bytes(data)
    new.rename(path)


def in_place(path, data):
    """As some programs save."""
    with path.open("r+b") as file:
        file.truncate()
        file.write(data)


def in_place_in_a_moment(path, data):
    """In place, with the length and the time of before: what no stat shows."""
    was = path.stat()
    with path.open("r+b") as file:
        file.write(data[: was.st_size].ljust(was.st_size, b"x"))
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))


def waits(child):
    """Whether a process waits for a lease to be given back."""
    words = Path(f"/proc/{child}/wchan").read_text() if Path(f"/proc/{child}").exists() else ""
    return "lease" in words or "BREAK" in Path("/proc/locks").read_text()


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("save", [by_rename, in_place, in_place_in_a_moment])
@pytest.mark.parametrize("exchange", [True, False], ids=["exchange", "rename"])
def test_edit_at_every_step(pictures_here, monkeypatch, step, save, exchange):
    """Whenever the owner saves while we write, and however, it is the owner's bytes that are there in the end."""
    path, started = pictures_here[0], []
    users = path.read_bytes()[:2] + b"\xff\xfe\0\x07users" + path.read_bytes()[2:]

    def between(name, *_):
        if name != step or started:
            return
        started.append(apart(lambda: save(path, users)))
        # Who opens the old file now waits for us, so nobody waits for him.
        while os.waitid(os.P_PID, started[0], os.WEXITED | os.WNOHANG | os.WNOWAIT) is None and not waits(
            started[0]
        ):
            pass

    if not exchange:
        monkeypatch.setattr(renames, "exchange", lambda *_: False)
    monkeypatch.setattr(durable, "point", between)
    result = EMBEDDED.write(bytes(path), WORDS, None)
    monkeypatch.undo()
    assert started
    assert ended(started[0]) == 0
    now = path.read_bytes()
    expected = users if save is not in_place_in_a_moment else None
    assert now == expected or (expected is None and now[4:13] == users[4:13]), (step, result)
    assert isinstance(result, Refused) == (STEPS.index(step) < STEPS.index("tag-exchanged")), result
    assert sorted(path.parent.iterdir()) == pictures_here


def test_edit_and_kill_at_once(pictures_here):
    """An edit that came in the moment of the exchange, and then the power went: the next start gives it its name back."""
    path = pictures_here[0]
    users = b"the owner's"

    def crash():
        def between(name, *_):
            if name == "tag-exchanged":
                os.kill(os.getpid(), signal.SIGKILL)

        exchange, durable.point = renames.exchange, between
        renames.exchange = lambda *names: by_rename(path, users) or exchange(*names)
        EMBEDDED.write(bytes(path), WORDS, None)

    assert ended(apart(crash)) == -signal.SIGKILL
    assert path.read_bytes() != users
    swap.sweep(bytes(path.parent))
    assert path.read_bytes() == users
    assert sorted(path.parent.iterdir()) == pictures_here


@pytest.mark.parametrize("tries", [300, pytest.param(5_000, marks=pytest.mark.slow)])
def test_edits_at_any_moment(pictures_here, tries):
    """A program that saves again and again, unaware of us, finds every one of its saves there, with our tags or without. (For
    the moment of two renames the one before can show.)
    """
    path, base = pictures_here[0], pictures_here[0].read_bytes()
    saves = [base[:2] + b"\xff\xfe\0\x08%06d" % number + base[2:] for number in range(tries)]

    def owner():
        chance = random.Random(tries)
        for number, save in enumerate(saves):
            (by_rename, in_place)[number % 2](path, save)
            for _ in range(chance.randrange(100)):
                path.read_bytes()
            if not any(containers.same(save, path.read_bytes()) for _ in range(20_000)):
                os._exit(1)

    child = apart(owner)
    results = collections.Counter()
    while os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        result = EMBEDDED.write(bytes(path), WORDS, None)
        results[
            "written" if isinstance(result, Done) and result.changed else getattr(result, "reason", "same")
        ] += 1
    assert ended(child) == 0
    assert containers.same(saves[-1], path.read_bytes())
    assert sorted(path.parent.iterdir()) == pictures_here
    assert min(results["moving"], results["written"]) > 0
