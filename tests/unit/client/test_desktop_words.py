"""What is typed into a shell, and what the shell shows."""

from __future__ import annotations

import doctest
import hashlib
import os

import pytest

from kadr.desktop import hooks, places, showing, thumbnails, words
from kadr.protocol.messages import Hit


@pytest.mark.parametrize(
    "module", [hooks, places, showing, thumbnails, words], ids=lambda module: module.__name__
)
def test_docstrings_are_true(module):
    """Examples in docstrings give what they show."""
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("pic cat", "cat"),
        ("Pic  red   bicycle ", "red bicycle"),
        ("фото кот", "кот"),
        ("kadr taken:summer beach", "taken:summer beach"),
        ("pic ca", ""),
        ("pic ...", ""),
        ("pic", ""),
        ("cat", ""),
        ("epic cat", ""),
    ],
)
def test_krunner_asks_who_calls(typed, asked):
    """In KRunner kadr answers only behind its word, and only when there are three letters to go by."""
    assert words.called(typed) == asked


def test_what_is_said_of_a_hit():
    """A shell shows the name, and beside it when and where it was taken and where it lies, short for the home folder."""
    hit = Hit(b"/home/u/Photos/cat.jpg", 0.5, "ab", 1, 1, taken="2024-06-01T12:30:00", place="Kyiv")
    assert words.shown(hit.path, hit, "/home/u") == ("cat.jpg", "2024-06-01 · Kyiv · ~/Photos")
    assert words.shown(b"/home/user/a\n\xff.jpg", None, "/home/u") == ("a\\n\\xff.jpg", "/home/user")


@pytest.mark.parametrize(
    "name", ["plain.jpg", "кот & собака (1).jpg", "100%~[a].jpg", "a?b#c.jpg", b"\xff\xfe.jpg"]
)
def test_addresses_lose_nothing(name):
    """The address of a file is ASCII, and gives the path back byte for byte."""
    path = b"/p/" + (name if isinstance(name, bytes) else name.encode())
    assert thumbnails.uri(path).isascii()
    assert thumbnails.path_of(thumbnails.uri(path)) == path


@pytest.mark.parametrize(
    "address", ["", "https://example.org/a", "file://host/a", "/etc/passwd", "file:///a%00b"]
)
def test_addresses_of_nothing_here(address):
    """Only the address of a file of this computer is one that is opened."""
    assert thumbnails.path_of(address) is None


def test_the_thumbnail_of_the_desktop(tmp_path):
    """A thumbnail that the desktop has already is used, and not when the picture has changed since."""
    picture = tmp_path / "кот.jpg"
    picture.write_bytes(b"x")
    os.utime(picture, (1000, 1000))
    # The name as the standard has it, worked out by hand.
    address = "file://" + str(tmp_path) + "/%D0%BA%D0%BE%D1%82.jpg"
    name = hashlib.md5(address.encode()).hexdigest() + ".png"
    small = tmp_path / "cache" / "thumbnails" / "normal" / name
    small.parent.mkdir(parents=True)
    small.write_bytes(b"png")
    os.utime(small, (1000, 1000))

    def found():
        return thumbnails.thumbnail(os.fsencode(picture), str(tmp_path / "cache"))

    assert found() == str(small)
    os.utime(picture, (1001, 1001))
    assert found() == ""
    picture.unlink()
    assert found() == ""


def test_the_example_of_the_standard():
    """The thumbnail's name is that of the example in the Thumbnail Managing Standard."""
    address = thumbnails.uri(b"/home/jens/photos/me.png")
    assert address == "file:///home/jens/photos/me.png"
    assert hashlib.md5(address.encode()).hexdigest() == "c6ee772d9e49320e97ec29a7eb5b1697"
