"""docs/desktop.md says what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kadr.arguments import parse
from kadr.desktop import showing, words
from kadr.desktop.hooks import GNOME_FILE, GNOME_SYSTEM, HOOKS
from kadr.desktop.installing import BACKUP
from kadr.desktop.verb import IDLE_SECONDS
from kadr.table import PROGRAMS

DOCS = Path(__file__).parents[3] / "docs"
TEXT = (DOCS / "desktop.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_is_a_row(name):
    """Each program that install knows has a row of the table, and no row names another."""
    names = re.findall(r"^\|.*\| `(\w+)` \|$", TEXT, re.MULTILINE)
    assert names.count(name) == 1
    assert set(names) == set(HOOKS)


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_form_has_a_line(program):
    """Each form of --as has a line to use."""
    assert f"--as {program}" in TEXT


def test_every_command_is_one():
    """Each command of kadr that is shown can be typed."""
    shown = re.findall(r"^kadr ([^|\n]+?)(?:   .*| \|.*)?$", TEXT, re.MULTILINE)
    assert len(shown) >= 6
    for line in shown:
        parse(line.split())


@pytest.mark.parametrize(
    "said",
    [
        f"/usr/local/share/{GNOME_FILE}",
        GNOME_SYSTEM,
        f"uca.xml{BACKUP}",
        f"up to {showing.MOST} pictures",
        *(f"`{trigger}" for trigger in words.TRIGGERS),
    ],
)
def test_names_and_numbers(said):
    """Names and numbers are those of the code."""
    assert said in TEXT


def test_numbers_in_words():
    """So are those that are written in words."""
    assert showing.FOLDERS == 20
    assert "newest twenty" in TEXT
    assert IDLE_SECONDS == 240
    assert "four minutes" in TEXT
    assert words.LEAST_LETTERS == 3
    assert "three letters or more" in TEXT


def test_the_picture_is_small():
    """The picture is there, and small enough for a page."""
    picture = (DOCS / "desktop.png").read_bytes()
    assert picture.startswith(b"\x89PNG\r\n")
    assert len(picture) < 300_000
