"""The ways in which programs write files, and what lies about under a picture's name: all is seen, nothing hangs."""

import fcntl
import mmap
import os
import shutil
import socket
import stat
import subprocess
import sys

import pytest

from kadr.protocol.errors import NotARoot

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="a way of Linux")
FICLONE = 0x40049409
YEAR = 31_556_952


def until(ready):
    """Back when it is so; a test that waits for ever ends by its timeout."""
    while not ready():
        pass


# Ways to write


@LINUX
def test_file_that_had_no_name(daemon, root, pictures):
    """A file written without a name, which is given one when it is whole, is found."""
    daemon.sync()
    try:
        file = os.open(root, os.O_TMPFILE | os.O_RDWR)
    except OSError as error:
        pytest.skip(f"this disk has no files without a name: {error.strerror}")
    with daemon.spending(encodes=1):
        os.write(file, pictures.bytes(".jpg"))
        # With a folder's descriptor, though it is not used: only then does Python follow the link.
        os.link(f"/proc/self/fd/{file}", root / "a.jpg", src_dir_fd=file, follow_symlinks=True)
    os.close(file)
    daemon.shows(root / "a.jpg")


@LINUX
def test_copy_that_shares_its_blocks(daemon, root, pictures):
    """A copy that shares its blocks with the first file costs no decode, and is a file of its own."""
    first = pictures.one(root / "a.jpg")
    daemon.sync()
    with daemon.spending(encodes=0, decodes=0), first.open("rb") as old, (root / "b.jpg").open("wb") as new:
        try:
            fcntl.ioctl(new, FICLONE, old.fileno())
        except OSError:
            shutil.copyfileobj(old, new)  # a disk that cannot: then it is a copy like any other
    daemon.shows(first, root / "b.jpg")
    with daemon.spending(encodes=1):
        (root / "b.jpg").write_bytes(pictures.bytes())
    daemon.shows(first, root / "b.jpg")


def test_written_through_memory(daemon, root, pictures):
    """A file that is changed through memory is read again when it is closed."""
    file = pictures.one(root / "a.bmp")
    daemon.sync()
    with daemon.spending(encodes=1), file.open("r+b") as opened, mmap.mmap(opened.fileno(), 0) as memory:
        memory[:] = pictures.bytes(".bmp")
        memory.flush()
    daemon.shows(file)


def test_written_through_memory_after_it_was_closed(daemon, root, pictures):
    """A change through memory of a file that is closed already, of which no event tells, is found by a full look."""
    file = pictures.one(root / "a.bmp")
    daemon.sync()
    with file.open("r+b") as opened:
        memory = mmap.mmap(opened.fileno(), 0)
    daemon.sync()
    with daemon.spending(encodes=1):
        memory[:] = pictures.bytes(".bmp")
        memory.flush()
        daemon.rescan()
    memory.close()
    daemon.shows(file)


def test_written_over_from_the_middle(daemon, root, pictures):
    """A few bytes changed in place make another picture."""
    file = pictures.one(root / "a.bmp")
    daemon.sync()
    with daemon.spending(encodes=1), file.open("r+b") as opened:
        opened.seek(1000)
        opened.write(bytes(500))
    daemon.shows(file)


@pytest.mark.skipif(shutil.which("sed") is None, reason="no sed")
def test_edited_by_a_stream_editor(daemon, root, pictures):
    """`sed -i`, which writes a temporary file beside it, leaves one file and no other."""
    file = pictures.one(root / "a.bmp")
    daemon.sync()
    pixels = file.read_bytes()
    with daemon.spending(decodes=0):
        inplace = ["-i", ""] if sys.platform == "darwin" else ["-i"]
        command = ["sed", *inplace, "s/nothing like this/x/", str(file)]
        subprocess.run(command, env={**os.environ, "LC_ALL": "C"}, check=True)
    assert file.read_bytes().rstrip(b"\n") == pixels.rstrip(b"\n")
    daemon.shows(file)


@pytest.mark.parametrize("way", ["kept-open", "in-pieces"])
def test_slow_download(daemon, root, pictures, way):
    """A file that grows slowly, whether or not it is closed in between, is shown once, when it is whole."""
    whole = pictures.bytes(".png")
    file = root / "a.png"
    piece = -(-len(whole) // 7)
    with daemon.spending(encodes=1, failures_total=0):
        opened = file.open("ab", buffering=0)
        for start in range(0, len(whole), piece):
            daemon.sync()
            assert daemon.found() == []
            opened.write(whole[start : start + piece])
            if way == "in-pieces":
                opened.close()
                opened = file.open("ab", buffering=0)
        opened.close()
    daemon.shows(file)
    assert daemon.failures() == {}


def test_download_with_a_name_of_its_own(daemon, root, pictures):
    """What a browser or a synchroniser has not finished is left alone, and is found under its last name."""
    parts = [root / f"a.jpg{ending}" for ending in (".part", ".crdownload", ".tmp", "~")]
    parts += [root / ".syncthing.a.jpg.tmp", root / ".goutputstream-XYZ"]
    content = pictures.bytes(".jpg")
    for part in parts:
        part.write_bytes(content[:500])
        daemon.shows()
    with daemon.spending(encodes=1, decodes=1):
        for part in parts:
            part.write_bytes(content)
            part.rename(root / "a.jpg")
            daemon.sync()
    daemon.shows(root / "a.jpg")


# Times


TIMES = {
    "1970": 0,
    "before-1970": -12345 * 86400,
    "1901": -(2**31),
    "2038": 2**31 + 5,
    "2300": (2300 - 1970) * YEAR,
    "tomorrow-in-ten-years": 0,
}


@pytest.mark.parametrize("when", TIMES)
def test_any_date(daemon, root, pictures, when):
    """A file of any date is found without being asked for, and gives nobody anything to do after that."""
    seconds = TIMES[when] or (0 if when == "1970" else int(os.stat(root).st_mtime) + 10 * YEAR)
    outside = root.parent / "dated.jpg"
    pictures.one(outside)
    os.utime(outside, ns=(0, seconds * 10**9))
    daemon.sync()
    outside.rename(root / "a.jpg")
    until(lambda: daemon.found() == [root / "a.jpg"])
    daemon.shows(root / "a.jpg")
    before = daemon.status()
    with daemon.spending(encodes=0, decodes=0, full_scans=0):
        os.utime(root / "a.jpg", ns=(0, seconds * 10**9 + 1))
        daemon.rescan(root)
    status = daemon.status()
    assert (status["pending"], status["scanning"]) == (0, 0)
    assert status["uptime_s"] >= before["uptime_s"]
    daemon.shows(root / "a.jpg")


# What is no picture, under a picture's name


def test_sockets_and_devices(daemon, root, pictures):
    """A socket or a device of a picture's name is passed over, and nobody waits for it."""
    here = os.getcwd()
    os.chdir(root)  # a socket's path may be short only
    try:
        listening = socket.socket(socket.AF_UNIX)
        listening.bind("socket.jpg")
    finally:
        os.chdir(here)
    for name, kind, number in (("zero.jpg", stat.S_IFCHR, (1, 5)), ("tty.png", stat.S_IFCHR, (5, 0))):
        try:
            os.mknod(root / name, kind | 0o600, os.makedev(*number))
        except PermissionError:
            break  # only root makes devices
    daemon.shows(pictures.one(root / "good.jpg"))
    listening.close()
    assert daemon.failures() == {}


def test_a_terabyte_of_nothing(daemon, root, pictures):
    """A sparse file of a terabyte is refused for its size without being read, and holds nobody up."""
    file = root / "huge.jpg"
    try:
        with file.open("wb") as opened:
            opened.truncate(2**40)
    except OSError as error:
        pytest.skip(f"this disk has no such files: {error.strerror}")
    daemon.shows(pictures.one(root / "good.jpg"))
    assert daemon.failures() == {"huge.jpg": "too-large"}
    file.unlink()
    daemon.shows(root / "good.jpg")


def test_link_in_the_middle_of_a_path(daemon, root, pictures, tmp_path):
    """A folder that a link leads to is not indexed, also when somebody asks for a look at it by that path."""
    pictures.many(root / "a" / "s", 2)
    daemon.sync()
    (root / "a").rename(tmp_path / "outside")
    (root / "a").symlink_to(tmp_path / "outside")
    pictures.many(tmp_path / "outside" / "s" / "more", 2)
    for path in (root / "a" / "s", root / "a"):
        with pytest.raises(NotARoot):
            daemon.rescan(path)
        daemon.shows()
    daemon.rescan(root)
    daemon.shows()
