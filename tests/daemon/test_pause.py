"""`kadr pause`: the real daemon rests, answers, says so, and finds afterwards what happened meanwhile."""

import os

import pytest

from kadr.protocol.errors import BadParameter, Paused
from kadr.protocol.messages import Pause, Resume, Search, Sync


@pytest.fixture
def paused(daemon):
    """A daemon that rests; the others of the module find it at work again."""
    daemon.ask(Pause())
    yield daemon
    daemon.ask(Resume())


def test_nothing_is_indexed_meanwhile(daemon, root, pictures):
    """During a pause nothing is listed, read or encoded, and questions are answered; afterwards everything is found."""
    old = pictures.one(root / "a.jpg")
    daemon.shows(old)
    before = daemon.status()
    assert daemon.ask(Pause()).body == {"sentence": "Indexing is paused"}
    new = pictures.one(root / "b.jpg")
    with pytest.raises(Paused):
        daemon.ask(Sync())
    assert daemon.found() == [old]
    after = daemon.status()
    work = ("encodes", "decodes", "files", "pending")
    assert [after[name] for name in work] == [before[name] for name in work]
    assert daemon.ask(Resume()).body == {"paused": True}
    daemon.shows(old, new)


def test_a_new_folder_waits(paused, pictures, tmp_path):
    """A folder that is added in a pause is watched, and looked at after it."""
    file = pictures.one(tmp_path / "a.jpg")
    assert paused.add(tmp_path)["new"]
    with pytest.raises(Paused):
        paused.sync()
    assert paused.found() == []
    paused.ask(Resume())
    paused.shows(file)


def test_every_answer_says_so(paused, daemon):
    """Greeting, search and status say that indexing is paused and how to go on; after resume they do not."""
    said = ["Indexing is paused; `kadr resume` goes on with it."]
    with paused.connect() as connection:
        assert connection.welcome.warnings == said
    assert paused.ask(Search("red")).body["warnings"] == said
    status = paused.status()
    assert (status["paused"], status["warnings"]) == (True, said)
    paused.ask(Resume())
    status = paused.status()
    assert (status["paused"], status["warnings"]) == (False, [])


def test_a_pause_with_an_end(paused):
    """A pause for a time takes the place of the other, and its end is said by the clock."""
    assert paused.ask(Pause(7200)).body["sentence"].startswith("Indexing is paused until ")
    with pytest.raises(BadParameter):
        paused.ask(Pause(-1))
    with pytest.raises(BadParameter):
        paused.ask(Pause(1e12))


def test_it_ends_by_itself(daemon, root, pictures):
    """Indexing goes on when the time is over, without anybody asking for it."""
    daemon.sync()
    daemon.ask(Pause(0.5))
    file = pictures.one(root / "a.jpg")
    while daemon.status()["paused"]:
        pass
    daemon.shows(file)
    assert not os.path.exists(os.path.join(daemon.home.paths.state, "pause.json"))


def test_waiting_for_nothing(paused):
    """Who waits for indexing during a pause is answered where there is nothing to index."""
    assert paused.sync()["pending"] == 0


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_it_outlives_the_daemon(launch, pictures, tmp_path, end):
    """A daemon that was stopped or killed in a pause rests when it starts again, until resume."""
    daemon = launch()
    daemon.add(tmp_path)
    daemon.sync()
    daemon.ask(Pause())
    file = pictures.one(tmp_path / "a.jpg")
    getattr(daemon, end)()
    daemon.start()
    assert daemon.status()["paused"]
    with pytest.raises(Paused):
        daemon.sync()
    assert daemon.status()["full_scans"] <= 1
    daemon.ask(Resume())
    daemon.shows(file)


def test_a_batch_in_hand_is_finished(launch, pictures, tmp_path):
    """A pause in the middle of indexing ends with the batch in hand: what waits stays waiting, and none is lost."""
    daemon = launch()
    files = pictures.many(tmp_path, 150, (".bmp",))
    daemon.add(tmp_path)
    daemon.ask(Pause())
    daemon.rescan(tmp_path)  # done by the ingest thread, so between two batches
    encodes = daemon.status()["encodes"]
    with pytest.raises(Paused):
        daemon.sync()
    assert daemon.status()["encodes"] == encodes < len(files)
    daemon.ask(Resume())
    daemon.shows(*files)
    assert daemon.status()["encodes"] == len(files)
