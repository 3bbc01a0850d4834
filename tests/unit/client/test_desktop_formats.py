"""--as: what launchers and pickers read."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from kadr.protocol.messages import End

ODD = b"/p/tab\there, and\nline.jpg"


def test_alfred(kadr, answered):
    """Alfred gets one object with an item for each hit, in our order, and an empty one where nothing is found."""
    answered("search", b"/p/cat.jpg", b"/p/\xff.jpg")
    items = json.loads(kadr("cat", "--as", "alfred").out)["items"]
    assert [item["title"] for item in items] == ["cat.jpg", "\\xff.jpg"]
    assert items[0] == {
        "type": "file",
        "title": "cat.jpg",
        "subtitle": "/p",
        "arg": "/p/cat.jpg",
        "icon": {"type": "fileicon", "path": "/p/cat.jpg"},
        "quicklookurl": "/p/cat.jpg",
    }
    assert os.fsencode(items[1]["arg"]) == b"/p/\xff.jpg"
    answered("search").on("roots", End({"roots": [{"path": b"/p"}]}))
    assert json.loads(kadr("nothing", "--as", "alfred").out) == {"items": []}


def test_rofi(kadr, answered, monkeypatch, tmp_path):
    """A row of rofi is the path, with the picture as its icon; a name that rofi cannot be given is left out and said."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    answered("search", b"/p/cat.jpg", ODD)
    ran = kadr("cat", "--as", "rofi")
    assert ran.out == b"/p/cat.jpg\0icon\x1f/p/cat.jpg\x1finfo\x1f/p/cat.jpg\x1fdisplay\x1fcat.jpg   /p\n"
    assert "rofi cannot be given" in ran.err


def test_fzf(kadr, answered):
    """Of a row of fzf everything behind the first tab is the path, whatever is in it."""
    answered("search", b"/p/cat.jpg", ODD)
    rows = kadr("cat", "--as", "fzf").out.split(b"\0")
    assert rows.pop() == b""
    assert [row.partition(b"\t")[::2] for row in rows] == [
        (b"0.90  cat.jpg   /p", b"/p/cat.jpg"),
        (b"0.89  tab\\there, and\\nline.jpg   /p", ODD),
    ]


@pytest.mark.skipif(not shutil.which("fzf"), reason="fzf is not installed")
def test_the_line_for_fzf(kadr, answered):
    """The line of docs/desktop.md gives the path that was chosen, byte for byte."""
    answered("search", b"/p/dog.jpg", ODD)
    rows = kadr("cat", "--as", "fzf").out
    line = "fzf --read0 --print0 --delimiter='\\t' --with-nth=1 --filter=line | cut -z -f2-"
    done = subprocess.run(line, shell=True, input=rows, stdout=subprocess.PIPE, check=True)
    assert done.stdout == ODD + b"\0"


@pytest.mark.parametrize("other", ["--json", "-0", "--preview", "--open", "--follow"])
def test_one_form_at_a_time(kadr, other):
    """Two forms of one answer are a mistake that is said."""
    ran = kadr("cat", "--as", "rofi", other)
    assert ran.code == 2
    assert "do not go together" in ran.err


def test_the_filter_is_still_an_option(kadr, answered):
    """--format stays the filter of that name."""
    daemon = answered("search", b"/p/a.jpg")
    kadr("cat", "--format", "raw", "--as", "fzf")
    assert daemon.requests[-1].text == 'cat format:"raw"'
