"""What is done with hits: commands, windows, albums, contact sheets. With real processes and real folders."""

from __future__ import annotations

import os
import sys

import pytest

from kadr.protocol.errors import Usage
from kadr.protocol.messages import End, Item, Sheet
from kadr.ways.album import link_name
from kadr.ways.commands import Batch, batches, filled

ECHO = "import sys, os; os.write(1, b'|'.join(map(os.fsencode, sys.argv[1:])) + b'\\n')"


def test_a_command_for_each(answered, kadr):
    """-x runs the command once a hit, best first, with the path at its end, any name byte for byte."""
    answered("search", b"/p/a b.jpg", b"/p/caf\xe9.jpg", b"/p/$(x);'.jpg")
    ran = kadr("cat", "-x", sys.executable, "-c", ECHO, "-v")
    assert ran == (0, b"-v|/p/a b.jpg\n-v|/p/caf\xe9.jpg\n-v|/p/$(x);'.jpg\n", "")


@pytest.mark.parametrize(
    ("sign", "part"),
    [
        (b"{}", b"/p.d/a.b.jpg"),
        (b"{/}", b"a.b.jpg"),
        (b"{//}", b"/p.d"),
        (b"{.}", b"/p.d/a.b"),
        (b"{/.}", b"a.b"),
        (b"x{/}:{//}", b"xa.b.jpg:/p.d"),
    ],
)
def test_signs(sign, part):
    """The signs of fd stand for the parts of a path, anywhere in a word."""
    assert filled([b"do", sign], b"/p.d/a.b.jpg") == [b"do", part]


def test_a_failed_command(answered, kadr):
    """One command that fails makes the exit code 1, and the others are run."""
    answered("search", b"/1", b"/0", b"/2")
    code, out, _ = kadr(
        "cat",
        "-x",
        sys.executable,
        "-c",
        "import sys; print(sys.argv[1], flush=True); sys.exit(sys.argv[1] == '/0')",
    )
    assert (code, out) == (1, b"/1\n/0\n/2\n")


def test_no_such_command(answered, kadr):
    """A command that does not exist is said once."""
    answered("search", b"/1", b"/2")
    code, _, err = kadr("cat", "-x", "/no/such/command")
    assert (code, err) == (1, "kadr: /no/such/command cannot be run: No such file or directory\n")


def test_nothing_to_run(daemon, kadr):
    """Without a hit no command is run, neither once nor for all."""
    daemon.on("search", End({"close": False, "best": 0.1}))
    assert kadr("cat", "-X", "/no/such/command").code == 1
    assert "cannot be run" not in kadr("cat", "-x", "/no/such/command").err


def test_one_command_for_all(answered, kadr):
    """-X runs the command once, a word with a sign there once for each path."""
    answered("search", b"/p/a.jpg", b"/p/b.jpg")
    assert kadr("cat", "-X", sys.executable, "-c", ECHO).out == b"/p/a.jpg|/p/b.jpg\n"
    assert (
        kadr("cat", "-X", sys.executable, "-c", ECHO, "{/}", "to", "{.}").out == b"a.jpg|b.jpg|to|/p/a|/p/b\n"
    )


def test_more_than_fit_on_a_line():
    """Paths that are too many for one command go to several, all of them once and in order."""
    paths = [b"/p/%d.jpg" % number for number in range(1000)]
    lines = list(batches([b"do"], paths, most=500))
    assert [path for line in lines for path in line[1:]] == paths
    assert all(len(b" ".join(line)) < 520 for line in lines)
    assert len(list(batches([b"do"], [b"/" + b"x" * 600], most=500))) == 1


def test_which_command_for_all():
    """-X with a path as its command is refused: which one is to be run?"""
    with pytest.raises(Usage, match="-X runs one command"):
        Batch(["{}"])


def test_open(answered, spawn, tmp_path):
    """--open hands each hit to the desktop's opener, ten at most, and does not wait for it."""
    opener = tmp_path / ("open" if sys.platform == "darwin" else "xdg-open")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    opener.write_text(f'#!/bin/sh\necho "$1" > {pipe}\n')
    opener.chmod(0o755)
    daemon = answered("search", b"/p/a b.jpg")
    process = spawn("ext:jpg", "--open", env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert process.wait(30) == 0
    assert pipe.read_text() == "/p/a b.jpg\n"
    assert daemon.requests[0].limit == 10


def test_nothing_to_open_with(answered, kadr, monkeypatch, tmp_path):
    """Without an opener --open says what to type instead."""
    answered("search", b"/p/a.jpg")
    monkeypatch.setenv("PATH", str(tmp_path))
    code, _, err = kadr("cat", "--open")
    assert code == 2
    assert "-X PROGRAM {}" in err


def links(folder):
    return {name: os.readlink(folder / name) for name in sorted(os.listdir(folder))}


def test_an_album(answered, kadr, tmp_path):
    """--link-to makes a folder of numbered links, best first; asked again it becomes the new answer."""
    album = tmp_path / "new" / "album"
    answered("search", b"/p/cat.jpg", b"/q/cat.jpg", b"/p/dog.png")
    assert kadr("cat", "--link-to", str(album)) == (0, b"", f"kadr: 3 links in {album}\n")
    assert links(album) == {
        "0001 cat.jpg": "/p/cat.jpg",
        "0002 cat.jpg": "/q/cat.jpg",
        "0003 dog.png": "/p/dog.png",
    }
    kept = (album / "0001 cat.jpg").lstat().st_ino
    answered("search", b"/p/cat.jpg", b"/p/dog.png")
    kadr("cat", "--link-to", str(album))
    assert links(album) == {"0001 cat.jpg": "/p/cat.jpg", "0002 dog.png": "/p/dog.png"}
    assert (album / "0001 cat.jpg").lstat().st_ino == kept


def test_an_answer_without_hits_empties_the_album(answered, kadr, tmp_path):
    """The album is what the answer is, also when that is nothing."""
    answered("search", b"/p/cat.jpg")
    kadr("cat", "--link-to", str(tmp_path / "album"))
    answered("search", close=False, best=0.1)
    assert kadr("cat", "--link-to", str(tmp_path / "album")).code == 1
    assert links(tmp_path / "album") == {}


@pytest.mark.parametrize("name", ["holiday.jpg", "0001 holiday.jpg", "notes"])
def test_a_folder_with_something_else(answered, kadr, tmp_path, name):
    """A folder that holds anything but links of an album is left alone, and nothing is asked."""
    (tmp_path / name).write_bytes(b"mine")
    daemon = answered("search", b"/p/cat.jpg")
    code, _, err = kadr("cat", "--link-to", str(tmp_path))
    assert code == 2
    assert f"is no album of kadr: {name} lies in it" in err
    assert os.listdir(tmp_path) == [name]
    assert daemon.requests == []


def test_what_the_system_puts_into_an_album(answered, kadr, tmp_path):
    """A file manager's hidden files make no folder a stranger's, and stay."""
    (tmp_path / ".DS_Store").write_bytes(b"x")
    os.symlink("/of/a/run/that/was/killed", tmp_path / ".kadr-coming")
    answered("search", b"/p/cat.jpg")
    assert kadr("cat", "--link-to", str(tmp_path)).code == 0
    assert sorted(os.listdir(tmp_path)) == [".DS_Store", "0001 cat.jpg"]


def test_a_file_is_no_album(answered, kadr, tmp_path):
    """--link-to the name of a file is a sentence."""
    (tmp_path / "file").write_bytes(b"mine")
    answered("search", b"/p/cat.jpg")
    assert "cannot be an album" in kadr("cat", "--link-to", str(tmp_path / "file")).err


@pytest.mark.parametrize("stem", [b"x" * 300, "ж".encode() * 200, b"caf\xe9" * 80])
def test_long_names_fit(tmp_path, stem):
    """A link's name fits into a file system, keeps its ending, and is cut between letters."""
    name = link_name(12345, b"/p/" + stem[:251] + b".jpg")
    assert name.startswith(b"12345 ")
    assert name.endswith(b".jpg")
    os.symlink(b"/p", os.path.join(os.fsencode(tmp_path), name))


def test_a_contact_sheet(answered, hit, kadr, tmp_path):
    """--sheet asks for all hits in order with score and name, and writes what comes in pieces to the file."""
    daemon = answered("search", b"/p/cat.jpg", "/p/кіт.jpg".encode())
    daemon.on("sheet", Item([{"data": b"JP"}]), Item([{"data": b"EG"}]), End({}))
    file = tmp_path / "cats.JPG"
    assert kadr("cat", "tag:a", "--sheet", str(file)) == (0, b"", f"kadr: 2 pictures on {file}\n")
    paths = [b"/p/cat.jpg", "/p/кіт.jpg".encode()]
    assert daemon.requests[-1] == Sheet(paths, ["0.90  cat.jpg", "0.89  кіт.jpg"], "cat tag:a", "jpeg")
    assert file.read_bytes() == b"JPEG"
    assert os.listdir(tmp_path) == ["cats.JPG"]
    assert "pictures" in daemon.hellos[-1]["require"]


def test_a_full_contact_sheet(answered, kadr, tmp_path):
    """What does not fit on one sheet is said."""
    daemon = answered("search", *[b"/p/%d.jpg" % number for number in range(203)])
    daemon.on("sheet", Item([{"data": b"PNG"}]), End({}))
    assert "200 pictures on" in (err := kadr("cat", "--sheet", str(tmp_path / "a.png")).err)
    assert "3 more do not fit" in err
    assert len(daemon.requests[-1].paths) == 200


@pytest.mark.parametrize("name", ["cats.gif", "cats"])
def test_a_sheet_of_no_form(answered, kadr, name):
    """A contact sheet is a JPEG or a PNG; another ending is refused before anything is asked."""
    daemon = answered("search", b"/a")
    code, _, err = kadr("cat", "--sheet", name)
    assert code == 2
    assert "--sheet FILE.jpg" in err
    assert daemon.requests == []


def test_a_sheet_that_cannot_be_written(answered, kadr, tmp_path):
    """A folder that is not there is a sentence, and the old sheet is not touched."""
    daemon = answered("search", b"/a")
    daemon.on("sheet", Item([{"data": b"PNG"}]), End({}))
    code, _, err = kadr("cat", "--sheet", str(tmp_path / "gone" / "a.png"))
    assert code == 2
    assert "cannot be written" in err
