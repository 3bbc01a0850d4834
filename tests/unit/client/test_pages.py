"""Words and numbers that people read: names on a terminal, progress, durations, pages."""

from __future__ import annotations

import pytest

from kadr import pages
from kadr.output import count, visible
from kadr.progress import Meter, span
from kadr.protocol.messages import Progress


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"/p/plain.jpg", "/p/plain.jpg"),
        ("/p/фото 1.jpg".encode(), "/p/фото 1.jpg"),
        (b"/p/\xff.jpg", "/p/\\xff.jpg"),
        (b"/p/\x1b]0;title\x07", "/p/\\x1b]0;title\\x07"),
        (b"/p/a\nb\rc", "/p/a\\nb\\rc"),
        ("/p/\u202egpj.exe".encode(), "/p/\\u202egpj.exe"),
        ("/p/Screenshot 9.41\u202fAM.png".encode(), "/p/Screenshot 9.41\u202fAM.png"),
        ("a\udcffb", "a\\xffb"),
    ],
)
def test_names_cannot_write_on_the_terminal(name, shown):
    """What steers a terminal or turns the reading direction is shown as an escape; ordinary names as they are."""
    assert visible(name) == shown


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "1 h 0 min"), (100_000, "1 d 3 h")]
)
def test_durations(seconds, words):
    """Durations in the units that matter."""
    assert span(seconds) == words


def test_counts():
    """One is one, and thousands are grouped."""
    assert (count(1, "picture"), count(2020, "picture")) == ("1 picture", "2,020 pictures")


def test_progress_shows_bar_rate_and_time_left():
    """After a second of work the line has a bar, a count, a rate, the time left and the failures."""
    meter = Meter()
    meter.line(Progress("index", 0, 1000), 100.0, 100)
    line = meter.line(Progress("index", 250, 1000, 2), 110.0, 100)
    assert (
        line
        == "indexing [#######-----------------------] 250 of 1,000  25.0/s".replace("25.0", "25")
        + "  30 s left  2 failed"
    )


def test_progress_believes_the_recent_past():
    """The rate is that of the last seconds, not that since the beginning."""
    meter = Meter()
    for second in range(60):
        meter.line(Progress("index", second, 10_000), float(second), 80)
    for second in range(60, 90):
        line = meter.line(Progress("index", 60 + (second - 60) * 100, 10_000), float(second), 80)
    assert "100/s" in line


def test_progress_without_a_total():
    """While the total is not known only the count is shown."""
    assert Meter().line(Progress("scan", 1240, 0), 0.0, 80) == "looking 1,240"


def test_progress_starts_again_with_a_stage():
    """Another stage has another rate."""
    meter = Meter()
    meter.line(Progress("scan", 5000, 0), 0.0, 80)
    assert "/s" not in meter.line(Progress("index", 1, 10), 10.0, 80)


@pytest.mark.parametrize("width", [0, 5, 20, 40, 200])
def test_progress_fits(width):
    """The line is never wider than the terminal."""
    meter = Meter()
    meter.line(Progress("index", 0, 10**6), 0.0, width)
    assert len(meter.line(Progress("index", 10**5, 10**6, 3), 10.0, width)) <= width


def test_a_status_without_anything():
    """A daemon that leaves keys out still gets a page, and an empty one says how to begin."""
    page = "\n".join(pages.status({}))
    assert "kadr add ~/Pictures" in page
    assert "not read" not in page


def test_many_failures_are_summed_up():
    """The page shows the first failures and says where the others are."""
    failures = [{"path": b"/p/%d" % number, "reason": "truncated"} for number in range(30)]
    page = "\n".join(pages.status({"failures": failures, "failures_total": 1200}))
    assert "1,200 files" in page
    assert "/p/19  truncated" in page
    assert "/p/20" not in page
    assert "and 1,180 more: kadr status --json" in page


def test_tags_are_told_of_only_where_there_are_any():
    """The status speaks of tags when kadr wrote some, or has files to look at for them."""
    assert not [line for line in pages.status({}) if line.startswith("tags")]
    (line,) = [line for line in pages.status({"tagged": 310, "untagged": 1200}) if line.startswith("tags")]
    assert line.split(maxsplit=1)[1] == "of kadr's on 310 files, 1,200 files to look at"
