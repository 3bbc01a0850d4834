"""-p: which terminal is shown which bytes, and what is done where nothing is known of it."""

from __future__ import annotations

import base64
import os

import pytest

from kadr.protocol.messages import End, Item, Thumbnails
from kadr.ways.terminals import TERMINALS, iterm, kitty, protocol


@pytest.fixture
def drawing(answered):
    """A daemon that finds two files and draws the first one, in two pieces."""
    daemon = answered("search", b"/p/a.jpg", b"/p/b.jpg")
    daemon.on(
        "thumbnails",
        Item([{"path": b"/p/a.jpg", "data": b"PI", "more": True}]),
        Item(
            [
                {"path": b"/p/a.jpg", "data": b"X"},
                {"path": b"/p/b.jpg", "reason": "x", "sentence": "It is cut off."},
            ]
        ),
        End({}),
    )
    return daemon


@pytest.mark.parametrize(
    ("environ", "spoken"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-ghostty"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "iterm"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, "iterm"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM": "xterm-256color", "WT_SESSION": "x"}, "sixel"),
        ({"TERM": "xterm-256color", "VTE_VERSION": "7200"}, ""),
        ({"TERM": "xterm-256color"}, ""),
        ({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1"}, ""),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/x"}, ""),
        ({"TERM": "foot", "KITTY_WINDOW_ID": ""}, "sixel"),
        ({}, ""),
    ],
)
def test_terminals_are_known_by_what_they_set(environ, spoken):
    """The environment says which protocol is spoken; inside a multiplexer, and of strangers, nothing is believed."""
    assert protocol(environ) == spoken


def test_the_first_row_that_fits_wins():
    """No row of the table is hidden behind an earlier one."""
    for name, start, spoken in TERMINALS:
        assert protocol({name: start or "x"}) == spoken


def test_kitty_bytes():
    """A PNG goes in base64 in pieces of 4096 bytes, the first with its form, all but the last saying that more comes."""
    assert kitty(b"PNG") == b"\x1b_Ga=T,f=100,q=2,m=0;UE5H\x1b\\"
    png = os.urandom(7000)
    pieces = kitty(png).removesuffix(b"\x1b\\").split(b"\x1b\\")
    heads, data = zip(*(piece.split(b";") for piece in pieces), strict=True)
    assert heads == (b"\x1b_Ga=T,f=100,q=2,m=1", b"\x1b_Gm=1", b"\x1b_Gm=0")
    assert [len(part) for part in data[:2]] == [4096, 4096]
    assert base64.b64decode(b"".join(data)) == png


def test_iterm_bytes():
    """A picture goes as an inline file with its size."""
    assert iterm(b"JPEG") == b"\x1b]1337;File=inline=1;size=4:SlBFRw==\x07"


@pytest.mark.parametrize(
    ("term", "form", "bytes_"),
    [
        ("xterm-kitty", "png", b"\x1b_Ga=T,f=100,q=2,m=0;UElY\x1b\\"),
        ("foot", "sixel", b"PIX"),
    ],
)
def test_pictures_stand_below_their_lines(drawing, terminal, term, form, bytes_):
    """On a terminal that shows pictures each hit has its own below it, and one that cannot be drawn says why."""
    ran = terminal("cat", "-p", "-H", "100", TERM=term)
    assert ran == (0, b"0.90  /p/a.jpg\n" + bytes_ + b"\n0.89  /p/b.jpg\n      It is cut off.\n", "")
    assert drawing.requests[-1] == Thumbnails([b"/p/a.jpg", b"/p/b.jpg"], 100, form)


def test_pictures_are_never_piped(drawing, kadr):
    """Where stdout is no terminal -p prints the paths, and draws nothing."""
    assert kadr("cat", "-p") == (0, b"/p/a.jpg\n/p/b.jpg\n", "")
    assert len(drawing.requests) == 1


def test_an_unknown_terminal(drawing, terminal, tmp_path):
    """Where nothing shows pictures the lines come alone, and a sentence says what would."""
    code, shown, err = terminal("cat", "-p", TERM="xterm", PATH=str(tmp_path))
    assert (code, shown) == (0, b"0.90  /p/a.jpg\n0.89  /p/b.jpg\n")
    assert "install chafa" in err


def test_chafa_draws_for_the_others(drawing, terminal, tmp_path):
    """Where chafa is installed it is given the picture and draws it with letters."""
    chafa = tmp_path / "chafa"
    chafa.write_text('#!/bin/sh\necho "$2 [$(cat)]"\n')
    chafa.chmod(0o755)
    ran = terminal(
        "cat", "-p", TERM="xterm", PATH=f"{tmp_path}:{os.environ['PATH']}", COLUMNS="80", LINES="24"
    )
    assert ran.out == b"0.90  /p/a.jpg\n--size=80x20 [PIX]\n0.89  /p/b.jpg\n      It is cut off.\n"


def test_pictures_of_no_size(drawing, kadr):
    """A height that the daemon does not draw is refused before anything is asked."""
    code, _, err = kadr("cat", "-p", "-H", "4000")
    assert code == 2
    assert "from 16 to 1024 pixels" in err
    assert drawing.requests == []


def test_many_pictures_come_in_portions(answered, terminal):
    """The first pictures are shown before the last are drawn."""
    daemon = answered("search", *[b"/p/%d.jpg" % number for number in range(25)])
    daemon.on("thumbnails", End({}))
    assert b"/p/24.jpg\n      it could not be drawn" in terminal("cat", "-p", "-n25", TERM="foot").out
    assert [len(request.paths) for request in daemon.requests[1:]] == [10, 10, 5]
