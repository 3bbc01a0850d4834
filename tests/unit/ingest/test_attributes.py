"""The user's tags of a file's extended attributes."""

from __future__ import annotations

import os
import plistlib
import sys

import pytest

from kadrd.ingest import attributes


@pytest.fixture
def tagged(tmp_path):
    """Writes the attribute of Linux's desktops; skips where the disk keeps none."""

    def write(value):
        file = tmp_path / "picture.jpg"
        file.write_bytes(b"x")
        try:
            os.setxattr(file, "user.xdg.tags", value)
        except (AttributeError, OSError):
            pytest.skip("no extended attributes here")
        return os.fsencode(file)

    return write


@pytest.mark.skipif(sys.platform != "linux", reason="the attribute of Linux's desktops")
def test_tags_of_a_file(tagged):
    """Tags are read from the file, without the spaces and empty parts that programs leave between commas."""
    assert attributes.tags(tagged("sea, summer 2024,,море ,".encode())) == ("sea", "summer 2024", "море")


def test_no_tags(tmp_path):
    """A file without tags has none, and neither has one that is not there, or cannot be named."""
    (tmp_path / "plain").write_bytes(b"x")
    for path in (os.fsencode(tmp_path / "plain"), os.fsencode(tmp_path / "gone"), b"/dev/null", b"x" * 5000):
        assert attributes.tags(path) == ()


@pytest.mark.skipif(sys.platform != "linux", reason="links are followed by name only here")
def test_a_link_has_no_tags(tagged, tmp_path):
    """A link does not show the tags of what it leads to."""
    link = tmp_path / "link"
    link.symlink_to(os.fsdecode(tagged(b"sea")))
    assert attributes.tags(os.fsencode(link)) == ()


def test_words():
    """Tags that are no UTF-8 are replaced, and doubles are one."""
    assert attributes.from_words(b"sea,sea,\xff") == ("sea", "\ufffd")
    assert attributes.from_words(b"") == ()


def test_property_list():
    """The Mac writes names with their colours, of which the names are tags."""
    value = plistlib.dumps(["Red\n6", "море", "море\n2", 7], fmt=plistlib.FMT_BINARY)
    assert attributes.from_plist(value) == ("Red", "море")


@pytest.mark.parametrize(
    "value", [b"", b"bplist00", b"bplist00" + bytes(64), b"bplist00" + b"\xff" * 64, b"<plist/>", b"x" * 99]
)
def test_damaged_property_list(value):
    """A property list that cannot be read has no tags."""
    assert attributes.from_plist(value) == ()


def test_property_list_cut_off():
    """Nor has one with any byte missing or changed: at least it has no error."""
    value = plistlib.dumps(["Red\n6", "sea"], fmt=plistlib.FMT_BINARY)
    for at in range(len(value)):
        attributes.from_plist(value[:at])
        attributes.from_plist(value[:at] + bytes((value[at] ^ 0xFF,)) + value[at + 1 :])
