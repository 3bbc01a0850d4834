"""The pause: how long it lasts, by which clock, and what a daemon that starts knows of it."""

import math
import os
import time

import pytest

from kadrd.ingest.pausing import Pauses

HOUR = 3600.0


class Wall:
    """The clock on the wall, which users and time servers set."""

    now = 1_800_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def wall():
    return Wall()


@pytest.fixture
def pauses(tmp_path, wall):
    """Makes the pauses of a daemon that starts now, in the same home each time."""
    return lambda: Pauses(str(tmp_path / "pause.json"), wall)


def test_a_pause_ends_by_itself(pauses, wall):
    """A pause for two hours lasts two hours, is noticed once when it is over, and leaves no file."""
    one = pauses()
    assert (one.left, one.sentence) == (0, "")
    one.begin(2 * HOUR)
    wall.now += HOUR
    assert one.left == HOUR
    assert not one.ran_out()
    wall.now += HOUR
    assert (one.left, one.sentence) == (0, "")
    assert [one.ran_out(), one.ran_out()] == [True, False]
    assert not pauses().ran_out()


def test_a_pause_outlives_the_daemon(pauses, wall):
    """A daemon that starts in the middle of a pause rests for the rest of it, one that starts after it not at all."""
    pauses().begin(2 * HOUR)
    wall.now += HOUR
    assert pauses().left == HOUR
    wall.now += 8 * HOUR
    assert pauses().left == 0


def test_until_resume(pauses, wall):
    """A pause without an end lasts over years and restarts, until it is ended."""
    pauses().begin(math.inf)
    wall.now += 10_000 * HOUR
    one = pauses()
    assert (one.left, one.sentence) == (math.inf, "Indexing is paused")
    assert one.end()
    assert not one.end()
    assert pauses().left == 0


def test_the_later_word_counts(pauses):
    """Another pause takes the place of the one that lasts, be it shorter."""
    one = pauses()
    one.begin(math.inf)
    one.begin(HOUR)
    assert one.left == pauses().left == HOUR


def test_a_clock_that_is_set_back(pauses, wall):
    """A clock that jumps back by years makes no pause longer than it was to be, and wakes none that was over."""
    one = pauses()
    one.begin(HOUR)
    wall.now -= 10_000 * HOUR
    assert one.left == pauses().left == HOUR
    wall.now += 10_001 * HOUR
    assert one.ran_out()
    wall.now -= 10_000 * HOUR
    assert one.left == pauses().left == 0


@pytest.mark.parametrize("damage", [b"", b"[1]", b'{"format": 1}', b'{"since": "x", "seconds": 1}', b"\xff"])
def test_a_damaged_file(pauses, tmp_path, damage):
    """A file that makes no sense pauses nothing, and the next pause makes it anew."""
    (tmp_path / "pause.json").write_bytes(damage)
    one = pauses()
    assert one.left == 0
    one.begin(HOUR)
    assert pauses().left == HOUR


def test_a_full_disk(pauses, monkeypatch):
    """A pause that cannot be written down is none: the user is told, and nothing rests."""
    one = pauses()
    monkeypatch.setenv("KADR_FAULT", "enospc:replace-written@pause.json")
    with pytest.raises(OSError, match="No space"):
        one.begin(HOUR)
    assert one.left == 0


def test_the_sentence(pauses, wall, monkeypatch):
    """Until when is said by this computer's clock, with the day where it is not near."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    one = pauses()
    one.begin(HOUR)
    assert one.sentence == "Indexing is paused until 09:00"
    one.begin(48 * HOUR)
    assert one.sentence == "Indexing is paused until 2027-01-17 08:00"
    assert os.environ["TZ"] == "UTC"
