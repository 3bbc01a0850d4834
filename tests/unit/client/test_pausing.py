"""The verbs pause and resume: what is asked, and what is said."""

import pytest

from kadr.pausing import duration
from kadr.protocol.errors import Paused, Usage
from kadr.protocol.messages import End, Err, Pause, Resume


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2h", 7200), ("90min", 5400), ("1h30min", 5400), ("1 hour 30 minutes", 5400), ("0.5h", 1800), ("1,5 ч", 5400),
        ("1day", 86400), ("2 weeks", 1209600), ("2 години", 7200), ("30 минут", 1800), ("2H", 7200),
    ],
)  # fmt: skip
def test_durations(text, seconds):
    """A time is written as in the query language, in its three languages."""
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "2 lightyears", "2h later", "-2h", "0h", "1h0min", "2months"])
def test_what_is_no_duration(text):
    """What is no time, or none that a pause has, is refused with examples."""
    with pytest.raises(Usage) as caught:
        duration(text)
    assert "2h" in caught.value.act


def test_pause(daemon, kadr):
    """pause asks for a time or for none, and says until when and how to go on."""
    daemon.on("pause", End({"sentence": "Indexing is paused"}))
    daemon.on("pause", End({"sentence": "Indexing is paused until 14:20"}))
    assert kadr("pause").code == 0
    code, out, err = kadr("pause", "--for", "2h")
    assert (code, out) == (0, b"")
    assert err.startswith("kadr: Indexing is paused until 14:20.")
    assert "kadr resume" in err
    assert daemon.requests == [Pause(), Pause(7200.0)]


def test_a_wrong_time_asks_nothing(daemon, kadr):
    """pause with a time that makes no sense is a mistake of the user and pauses nothing."""
    assert kadr("pause", "--for", "soon").code == 2
    assert daemon.requests == []


def test_resume(daemon, kadr):
    """resume says whether there was a pause to end."""
    daemon.on("resume", End({"paused": True}))
    daemon.on("resume", End({"paused": False}))
    assert kadr("resume").err == "kadr: indexing goes on\n"
    assert kadr("resume").err == "kadr: indexing was not paused\n"
    assert daemon.requests == [Resume(), Resume()]


def test_who_waits_is_told(daemon, kadr):
    """A verb that waits for indexing ends with 4 during a pause, and says how to go on."""
    daemon.on("rescan", End({"folders": 1}))
    daemon.on("sync", Err(Paused(why="Indexing is paused until 14:20")))
    code, _, err = kadr("rescan")
    assert code == 4
    assert "Indexing is paused until 14:20." in err
    assert "kadr resume" in err
