"""Disks that answer late, or not at all: who asks goes on, and takes the answer when it comes."""

import threading

import pytest

from kadrd.ingest import disks
from kadrd.ingest.disks import Disks


@pytest.fixture
def came():
    """Set when some disk answered late."""
    return threading.Event()


@pytest.fixture
def impatient(monkeypatch):
    """A disk is waited for only so long that no test notices."""
    monkeypatch.setattr(disks, "PATIENCE_SECONDS", 0.001)


@pytest.fixture
def ours(came):
    made = Disks(came.set, hang_seconds=20.0)
    yield made
    made.keep([])


def test_answer_in_time(ours):
    """What a disk says at once is taken at once, and nothing stays behind."""
    heard = []
    ours.ask(1, lambda _: "here", heard.append)
    assert heard == ["here"]
    assert ours.late == {}


def test_error(ours):
    """What goes wrong on the disk's thread goes wrong for who asked, a time-out of the system's too."""

    def fail(_):
        raise TimeoutError("connection timed out")

    with pytest.raises(TimeoutError):
        ours.ask(1, fail, pytest.fail)
    assert ours.late == {}


def test_late_answer(ours, came, impatient):
    """A disk that is late holds up no other one, and its answer is there when it has come."""
    gate, heard = threading.Event(), []
    ours.ask(1, lambda _: gate.wait(30), lambda _: heard.append("slow"), about="a folder")
    ours.ask(2, lambda _: None, lambda _: None)
    assert "slow" not in heard
    assert [late.about for late in ours.late.values() if late.root_id == 1] == ["a folder"]
    assert all(late.root_id != 1 for late in ours.answered())
    gate.set()
    came.wait(30)
    while 1 in ours.late:
        for late in ours.answered():
            late.then(late.answer.result())
    assert "slow" in heard


def test_hanging(ours, impatient, monkeypatch):
    """A disk that says nothing for long is told once, and may still come back."""
    gate = threading.Event()
    ours.ask(1, lambda _: gate.wait(30), lambda _: None)
    assert ours.hanging() == []
    monkeypatch.setattr(ours, "_hang_seconds", 0.0)
    assert [late.root_id for late in ours.hanging()] == [1]
    assert ours.hanging() == []
    gate.set()
    while not (answered := ours.answered()):
        pass
    assert answered[0].hangs


def test_root_that_went(ours, impatient):
    """A disk that hangs for ever is forgotten with its root, and its number may be asked of again."""
    gate = threading.Event()
    ours.ask(1, lambda _: gate.wait(30), pytest.fail)
    ours.keep([])
    assert ours.late == {}
    heard = []
    ours.ask(1, lambda _: 1, heard.append)
    while 1 in ours.late:
        for late in ours.answered():
            late.then(late.answer.result())
    assert heard == [1]
    gate.set()


def test_slow_is_not_hanging(ours, impatient):
    """A disk that gives something now and then does not hang, however long the whole takes."""
    go, told, gate = threading.Event(), threading.Event(), threading.Event()

    def slow(alive):
        go.wait(30)
        alive()
        told.set()
        gate.wait(30)

    ours.ask(1, slow, lambda _: None)
    ours.late[1].heard -= 3600
    go.set()
    assert told.wait(30)
    assert ours.hanging() == []
    ours.late[1].heard -= 3600
    assert [late.root_id for late in ours.hanging()] == [1]
    gate.set()


def test_number_that_is_given_again(ours, monkeypatch):
    """A root that gets the number of one whose disk was slow is waited for like any other."""
    gate = threading.Event()
    with monkeypatch.context() as patch:
        patch.setattr(disks, "PATIENCE_SECONDS", 0.001)
        ours.ask(1, lambda _: gate.wait(30), pytest.fail)
    ours.keep([])
    monkeypatch.setattr(disks, "PATIENCE_SECONDS", 20.0)
    heard = []
    ours.ask(1, lambda _: "here", heard.append)
    assert heard == ["here"]
    gate.set()
