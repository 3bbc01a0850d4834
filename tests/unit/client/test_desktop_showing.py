"""kadr desktop show and similar: what menus run. Where nobody sees a terminal, folders open and mistakes are notifications."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kadr.desktop.showing import FOLDERS, folder_name
from kadr.protocol import paths
from kadr.protocol.errors import NotAPicture
from kadr.protocol.messages import Err, Search, Similar


@pytest.fixture
def told(tmp_path, monkeypatch):
    """What the desktop's programs were run with, by name: told("xdg-open")."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("xdg-open", "notify-send"):
        (programs / name).write_text(f'#!/bin/sh\nprintf "%s|" "$@" > {tmp_path}/{name}.told\n')
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    def of(name):
        file = tmp_path / f"{name}.told"
        return file.read_text().split("|")[:-1] if file.exists() else None

    return of


@pytest.fixture
def run(spawn):
    """The exit code of `kadr desktop ...`, as a process: it becomes the program that opens the folder."""

    def begin(*words):
        process = spawn("desktop", *words)
        process.communicate(timeout=30)
        return process.returncode

    return begin


def found() -> Path:
    return Path(paths.current().cache, "found")


def test_a_folder_opens(answered, told, run):
    """A folder with links to what was found opens, called as the question is."""
    daemon = answered("search", b"/p/cat.jpg", b"/p/dog.jpg")
    assert run("show", "red", "cat") == 0
    (folder,) = told("xdg-open")
    assert Path(folder) == found() / "red cat"
    assert sorted(link.name for link in Path(folder).iterdir()) == ["0001 cat.jpg", "0002 dog.jpg"]
    (request,) = daemon.requests
    assert isinstance(request, Search)
    assert request.text == "red cat"
    assert told("notify-send") is None


def test_similar(answered, told, run, tmp_path):
    """A menu's picture is asked with; of several the first."""
    daemon = answered("similar", b"/p/cat.jpg")
    assert run("similar", f"{tmp_path}/a cat.jpg", f"{tmp_path}/b.jpg") == 0
    (request,) = daemon.requests
    assert isinstance(request, Similar)
    assert request.path == os.fsencode(tmp_path) + b"/a cat.jpg"
    assert told("xdg-open") == [str(found() / "like a cat.jpg")]


def test_mistakes_are_notifications(daemon, told, run, tmp_path):
    """What goes wrong is said where a person without a terminal sees it."""
    daemon.on("similar", Err(NotAPicture(path="/p/a.txt", why="it is text")))
    assert run("similar", f"{tmp_path}/a.txt") == 2
    assert "cannot be used as a picture" in told("notify-send")[-1]
    assert told("xdg-open") is None


def test_nothing_found(answered, told, run):
    """Where nothing is found no empty folder opens; that is said instead."""
    answered("search")
    assert run("show", "a unicorn") == 1
    assert "a unicorn" in told("notify-send")[-1]
    assert told("xdg-open") is None
    assert not (found() / "a unicorn").exists()


def test_folders_do_not_pile_up(answered, told, run):
    """Only the newest folders of links are kept, and nothing of the user's in them is touched."""
    found().mkdir(parents=True)
    for number in range(FOLDERS + 5):
        folder = found() / f"old {number}"
        folder.mkdir()
        (folder / "0001 a.jpg").symlink_to("/p/a.jpg")
        os.utime(folder, (1000 + number, 1000 + number))
    (found() / "old 3" / "notes.txt").write_text("mine")
    os.utime(found() / "old 3", (1003, 1003))
    answered("search", b"/p/cat.jpg")
    assert run("show", "cat") == 0
    kept = {folder.name for folder in found().iterdir()}
    assert "cat" in kept
    assert (found() / "old 3" / "notes.txt").read_text() == "mine"
    assert kept - {"cat", "old 3"} == {f"old {number}" for number in range(5, FOLDERS + 5)}


@pytest.mark.parametrize(
    "name", ["..", "/etc/passwd", "a/../../b", "x" * 500, "\x00\n", "кот" * 200, "\ud800"]
)
def test_names_of_folders(name):
    """Whatever is asked, the folder lies where it belongs, and its name fits into a file system."""
    plain = folder_name(name)
    assert plain == os.path.basename(plain)
    assert plain not in {"", ".", ".."}
    assert len(plain.encode()) <= 120
