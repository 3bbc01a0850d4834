"""What the system is asked of a file's extended attributes."""

import os
import sys

import pytest

from kadrd import xattrs

NAME = "user.kadr.test"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="attributes of Linux")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"picture")
    try:
        os.setxattr(path, NAME, b"x")
        os.removexattr(path, NAME)
    except OSError as error:
        pytest.skip(f"no extended attributes here: {error}")
    return os.fsencode(path)


@pytest.mark.parametrize("value", [b"", b"sea", b"\0\xff", b"x" * 2000])
def test_put_and_get(file, value):
    """A value that was put is there, and away when it is taken away; to take it away twice is no error."""
    assert xattrs.get(file, NAME) is None
    xattrs.put(file, NAME, value)
    assert xattrs.get(file, NAME) == value
    for _ in range(2):
        xattrs.put(file, NAME, None)
        assert xattrs.get(file, NAME) is None


def test_a_descriptor_is_the_file(file):
    """What is put through a descriptor is on the file that was opened, also when another one has its name since."""
    with open(file) as opened:
        os.rename(file, file + b".old")
        with open(file, "wb"):
            xattrs.put(opened.fileno(), NAME, b"sea")
        assert xattrs.get(opened.fileno(), NAME) == b"sea"
    assert (xattrs.get(file, NAME), xattrs.get(file + b".old", NAME)) == (None, b"sea")


def test_no_link_is_followed(file):
    """A link is not its file."""
    xattrs.put(file, NAME, b"sea")
    os.symlink(file, file + b".link")
    assert xattrs.get(file + b".link", NAME) is None
    with pytest.raises(OSError, match="not permitted"):
        xattrs.put(file + b".link", NAME, b"other")
    assert xattrs.get(file, NAME) == b"sea"


@pytest.mark.parametrize(("old", "new"), [(None, b"b"), (b"a", b"b"), (b"a", None)])
def test_swap(file, old, new):
    """A value is changed where it is the one that was seen, and left alone where it is not."""
    xattrs.put(file, NAME, old)
    assert xattrs.swap(file, NAME, old, new)
    assert xattrs.get(file, NAME) == new
    xattrs.put(file, NAME, b"theirs")
    assert not xattrs.swap(file, NAME, old, new)
    assert xattrs.get(file, NAME) == b"theirs"


@pytest.mark.parametrize(
    ("old", "between", "new"),
    [(None, b"theirs", b"b"), (b"a", None, b"b"), (b"a", None, None)],
)
def test_swap_in_the_same_moment(file, monkeypatch, old, between, new):
    """A value that somebody makes or takes away just after our look is not lost: the system itself refuses."""
    xattrs.put(file, NAME, old)
    real = xattrs._get

    def overtaken(path, name):
        try:
            return real(path, name)
        finally:
            monkeypatch.setattr(xattrs, "_get", real)
            xattrs.put(path, name, between)

    monkeypatch.setattr(xattrs, "_get", overtaken)
    assert not xattrs.swap(file, NAME, old, new)
    assert xattrs.get(file, NAME) == between


def test_errors_are_raised(tmp_path):
    """What is not there, and what keeps no attributes, is an error."""
    with pytest.raises(FileNotFoundError):
        xattrs.get(os.fsencode(tmp_path / "gone"), NAME)
    with pytest.raises(OSError, match="not supported"):
        xattrs.get(b"/proc/self/status", NAME)
