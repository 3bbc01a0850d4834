"""Tags in extended attributes: read by other programs, merged with theirs, and gone without a trace."""

import errno
import os
import plistlib
import re
import shutil
import subprocess
import sys
from typing import NamedTuple

import pytest

from kadrd import xattrs
from kadrd.tag.carrier import REASONS, Carried, Carrier, Done, Memory, Refused
from kadrd.tag.listing import Plist
from kadrd.tag.xattr import FINDER, KEYWORDS, XDG, Home, XattrCarrier

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="attributes of Linux")

# macOS's list of names under a name that Linux keeps: the same promises hold for it.
MAC = Home("user.kadr.test.names", "user.kadr.test.record", Plist())


class Place(NamedTuple):
    """A file, and how a user writes tags on it."""

    path: bytes
    home: Home
    carrier: Carrier

    def put(self, tags):
        """As a program of the user's would."""
        xattrs.put(self.path, self.home.tags, self.home.listing.behind(None, tags))

    @property
    def tags(self):
        return self.home.listing.split(xattrs.get(self.path, self.home.tags))

    @property
    def attributes(self):
        return {name: os.getxattr(self.path, name) for name in os.listxattr(self.path)}

    def save_anew(self):
        """As an editor does that writes beside the file and renames."""
        with open(self.path + b".new", "wb") as new:
            new.write(b"edited")
        os.replace(self.path + b".new", self.path)


@pytest.fixture(params=[XDG, MAC], ids=["linux", "macos"])
def place(request, tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(b"picture")
    try:
        os.setxattr(path, "user.kadr.test", b"x")
        os.removexattr(path, "user.kadr.test")
    except OSError as error:
        pytest.skip(f"no extended attributes here: {error}")
    return Place(os.fsencode(path), request.param, XattrCarrier(request.param))


linux_only = pytest.mark.parametrize("place", [XDG], indirect=True, ids=["linux"])


# What other programs read, by what their authors document


def kde(value):
    """KFileMetaData: split at commas, empty parts skipped, nothing trimmed."""
    return [part for part in value.decode().split(",") if part]


def gio(value):
    """GIO: bytes that are no plain ASCII become \\xNN, and so does the backslash."""
    return "".join(chr(byte) if 32 <= byte < 127 and byte != 92 else f"\\x{byte:02x}" for byte in value)


def caja(value, asked):
    """Caja's search by tags: of GIO's text, in small letters, each that is asked for is one between commas, whole."""
    return {word.lower() for word in asked} <= set(gio(value).lower().split(","))


@linux_only
def test_other_programs_read_it(place):
    """KDE and Caja read the user's tags and ours, as they were written."""
    place.put(["дача"])
    done = place.carrier.write(place.path, ("beach", "red car", "море"), None)
    value = xattrs.get(place.path, XDG.tags)
    assert kde(value) == ["дача", "beach", "red car", "море"] == list(done.tags)
    assert caja(value, ["Beach", "red car"])


@linux_only
@pytest.mark.skipif(shutil.which("getfattr") is None, reason="needs getfattr")
def test_getfattr_reads_it(place):
    """getfattr prints just the tags."""
    place.carrier.write(place.path, ("beach", "море"), None)
    command = ["getfattr", "--only-values", "--absolute-names", "-n", XDG.tags, os.fsdecode(place.path)]
    assert subprocess.run(command, capture_output=True, check=True).stdout == "beach,море".encode()


@linux_only
@pytest.mark.skipif(shutil.which("gio") is None, reason="needs gio")
def test_gio_reads_it(place):
    """GNOME's library, through which Caja reads, shows the attribute in its own way of writing bytes."""
    place.carrier.write(place.path, ("beach", "red car", "море"), None)
    command = ["gio", "info", "-a", "xattr::*", place.path]
    shown = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    assert re.search(r"xattr::xdg\.tags: (.*)", shown)[1] == gio("beach,red car,море".encode())


def test_the_finder_reads_it(place):
    """On macOS the value is a binary property list of names, where the user's keep their colours."""
    xattrs.put(place.path, MAC.tags, plistlib.dumps(["Red\n6", "mine"], fmt=plistlib.FMT_BINARY))
    XattrCarrier(MAC).write(place.path, ("beach",), None)
    found = xattrs.get(place.path, MAC.tags)
    assert plistlib.loads(found, fmt=plistlib.FMT_BINARY) == ["Red\n6", "mine", "beach"]
    assert {FINDER.tags, KEYWORDS.tags} == {
        "com.apple.metadata:_kMDItemUserTags", "com.apple.metadata:kMDItemKeywords"
    }  # fmt: skip
    assert FINDER.record != KEYWORDS.record  # one must not speak for the other


# Written and taken away


@linux_only
@pytest.mark.parametrize(
    "before", [None, b"", b"mine", b" odd , spaced,,", "море,Beach".encode(), b"a,", b"\xff,a", b"sea"]
)
def test_gone_without_a_trace(place, before):
    """Written twice and taken away, every byte of every attribute is as before; without our memory all but an empty value."""
    for remembered in (True, False):
        xattrs.put(place.path, XDG.tags, before)
        was = place.attributes
        done = place.carrier.write(place.path, ("beach", "sea"), None)
        assert isinstance(done, Done)
        assert done.changed == (place.attributes != was)
        assert place.carrier.look(place.path) == Carried(done.tags, done.memory.ours if done.memory else ())
        done = place.carrier.write(place.path, ("snow", "sea"), done.memory)
        gone = place.carrier.remove(place.path, done.memory if remembered else None)
        assert gone.memory is None
        assert gone.tags == place.tags
        if remembered or before:
            assert place.attributes == was


def test_a_list_as_xml_comes_back(place):
    """A property list that somebody wrote as XML is put back as XML."""
    value = plistlib.dumps(["mine"], fmt=plistlib.FMT_XML)
    xattrs.put(place.path, MAC.tags, value)
    carrier, memory = XattrCarrier(MAC), None
    for word in ("beach", "sea"):
        memory = carrier.write(place.path, (word,), memory).memory
    carrier.remove(place.path, memory)
    assert place.attributes == {MAC.tags: value}


def test_the_file_itself_stays(place):
    """Not a byte of the file, nor any of its times but that of change, is another one afterwards."""
    before = os.stat(place.path)
    place.carrier.write(place.path, ("beach",), None)
    after = os.stat(place.path)
    assert (after.st_mtime_ns, after.st_size, after.st_ino) == (
        before.st_mtime_ns,
        before.st_size,
        before.st_ino,
    )


def test_a_second_time_writes_nothing(place):
    """Nothing is written when everything stands there: the file's time of change stays."""
    place.put(["mine"])
    done = place.carrier.write(place.path, ("beach",), None)
    changed = os.stat(place.path).st_ctime_ns
    for memory in (done.memory, None):
        again = place.carrier.write(place.path, ("beach",), memory)
        assert (again.changed, again.tags) == (False, done.tags)
    assert place.carrier.write(place.path, ("beach",), done.memory).memory == done.memory
    assert os.stat(place.path).st_ctime_ns == changed


def test_nothing_wanted_touches_nothing(place):
    """A picture without words for it, or without a tag of ours, is not touched."""
    place.put(["mine"])
    changed = os.stat(place.path).st_ctime_ns
    assert place.carrier.write(place.path, (), None) == Done(("mine",), None, changed=False)
    assert place.carrier.remove(place.path, None) == Done(("mine",), None, changed=False)
    assert os.stat(place.path).st_ctime_ns == changed


def test_trial(place):
    """A trial says just what a write would leave, and writes nothing."""
    place.put(["mine"])
    was = place.attributes
    trial = place.carrier.write(place.path, ("beach",), None, trial=True)
    assert place.attributes == was
    assert place.carrier.write(place.path, ("beach",), None) == trial


# Beside somebody else's edits


def test_an_edit_after_ours_stays(place):
    """What the user added and took away after us stays so; ours goes, theirs does not."""
    done = place.carrier.write(place.path, ("beach", "sea"), None)
    place.put(["sea", "new"])
    again = place.carrier.write(place.path, ("beach", "sea"), done.memory)
    assert (again.tags, again.memory.suppressed) == (("new", "sea"), ("beach",))
    assert place.carrier.write(place.path, ("beach", "sea"), None).tags == ("new", "sea")
    place.carrier.remove(place.path, again.memory)
    assert place.tags == ("new",)


def test_who_writes_ours_anew_keeps_it(place):
    """A tag of ours that the user spelled in their own way stays when ours go."""
    done = place.carrier.write(place.path, ("beach", "sea"), None)
    place.put(["Beach", "sea"])
    assert place.carrier.write(place.path, ("beach", "sea"), done.memory).tags == ("Beach", "sea")
    place.carrier.remove(place.path, None)
    assert place.tags == ("Beach",)


@pytest.mark.parametrize("kept", [(), ("new",), ("mine", "beach")])
def test_saved_anew(place, kept):
    """A program that saved the picture anew lost its attributes: all tags come back when none is there, and otherwise nothing is
    thought to be taken away.
    """
    place.put(["mine", "also mine"])
    done = place.carrier.write(place.path, ("beach", "sea"), None)
    place.save_anew()
    place.put(kept)
    again = place.carrier.write(place.path, ("beach", "sea"), done.memory)
    theirs = tuple(tag for tag in kept if tag != "beach") or ("mine", "also mine")
    assert again.tags == place.tags == (*theirs, "beach", "sea")
    assert again.memory.suppressed == ()


@linux_only
def test_saved_anew_byte_for_byte(place):
    """Tags that come back after a save are the very bytes, and so are those that stay when ours go."""
    xattrs.put(place.path, XDG.tags, b" odd ,mine")
    done = place.carrier.write(place.path, ("beach",), None)
    was = place.attributes
    place.save_anew()
    again = place.carrier.write(place.path, ("beach",), done.memory)
    assert place.attributes == was
    place.carrier.remove(place.path, again.memory)
    assert place.attributes == {XDG.tags: b" odd ,mine"}


def test_taken_away_by_hand(place):
    """Who takes both attributes from the same file means it: nothing comes back, not even after another save."""
    place.put(["mine"])
    done = place.carrier.write(place.path, ("beach",), None)
    for name in place.attributes:
        os.removexattr(place.path, name)
    again = place.carrier.write(place.path, ("beach",), done.memory)
    assert (again.tags, again.memory.suppressed, place.tags) == ((), ("beach",), ())
    place.save_anew()
    assert place.carrier.write(place.path, ("beach",), again.memory).tags == ()


def test_an_old_copy_that_comes_back(place):
    """A backup that brings our tag back does not make it wanted again, once the user took it away."""
    done = place.carrier.write(place.path, ("beach", "sea"), None)
    backup = place.attributes
    place.put(["sea"])
    done = place.carrier.write(place.path, ("beach", "sea"), done.memory)
    for name, value in backup.items():
        os.setxattr(place.path, name, value)
    assert place.carrier.write(place.path, ("beach", "sea"), done.memory).tags == ("sea",)


def test_saved_anew_after_a_kill_before_the_first_write(place):
    """The catalogue remembers the bytes of before ahead of the first write: they come back even if that never came."""
    place.put(["mine"])
    trial = place.carrier.write(place.path, ("beach",), None, trial=True).memory
    ahead = Memory(before=trial.before, after=trial.after, inode=trial.inode)
    place.save_anew()
    done = place.carrier.write(place.path, ("beach",), ahead)
    assert (done.tags, done.memory.suppressed) == (("mine", "beach"), ())


# What is left alone


@linux_only
def test_a_full_file(place, disk, tmp_path):
    """200 tags are more than ext4 has room for: that is said, nothing is changed, and it is no sign of a full disk."""
    made, mount = disk("ext4"), tmp_path / "mount"
    made.mount(mount)
    path = mount / "a.jpg"
    path.write_bytes(b"picture")
    place = place._replace(path=os.fsencode(path))
    place.put(["mine"])
    was = place.attributes
    refused = place.carrier.write(place.path, tuple(f"tag number {number}" for number in range(200)), None)
    assert refused == Refused("full", "Its room for extended attributes is used up.")
    assert place.attributes == was
    done = place.carrier.write(place.path, tuple(f"tag number {number}" for number in range(10)), None)
    assert len(done.tags) == 11
    assert (
        place.carrier.write(place.path, tuple("x" * number for number in range(1, 60)), done.memory)
        == refused
    )
    assert place.tags == done.tags
    place.carrier.remove(place.path, done.memory)
    assert place.attributes == was


@linux_only
def test_a_disk_without_attributes(place):
    """A file system that keeps none says so: no error, and nothing is written."""
    for tried in (place.carrier.look, lambda path: place.carrier.write(path, ("beach",), None)):
        assert tried(b"/proc/self/status").reason == "unsupported"


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ("ENOTSUP", "unsupported"), ("ENOSPC", "full"), ("EDQUOT", "full"), ("E2BIG", "full"), ("ERANGE", "full"),
        ("EACCES", "denied"), ("EPERM", "denied"), ("EROFS", "denied"), ("ENOENT", "gone"), ("ESTALE", "gone"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("step", [1, 2])
def test_refusals(place, monkeypatch, number, reason, step):
    """What concerns one file is a value with its reason, at whichever step it comes; the attributes are as they were."""
    place.put(["mine"])
    was, real, steps = place.attributes, xattrs._set, iter(range(1, 99))

    def refuse(*words):
        if next(steps) == step:
            raise OSError(getattr(errno, number), "refused")
        real(*words)

    monkeypatch.setattr(xattrs, "_set", refuse)
    assert place.carrier.write(place.path, ("beach",), None).reason == reason
    assert reason in REASONS
    assert place.attributes == was


def test_a_disk_that_fails_is_no_file_that_does(place, monkeypatch):
    """An error of the disk is raised, not taken for a matter of the file."""

    def fail(*_):
        raise OSError(errno.EIO, "I/O error")

    monkeypatch.setattr(xattrs, "_get", fail)
    with pytest.raises(OSError, match="I/O"):
        place.carrier.write(place.path, ("beach",), None)


def test_no_link_is_followed(place, tmp_path):
    """A link, a folder or a pipe is left alone, and what a link leads to; a file that is gone is gone."""
    (tmp_path / "link.jpg").symlink_to(os.fsdecode(place.path))
    os.mkfifo(tmp_path / "pipe.jpg")
    for name in ("link.jpg", "pipe.jpg", "."):
        assert place.carrier.write(os.fsencode(tmp_path / name), ("beach",), None).reason == "shared"
    assert place.attributes == {}
    assert place.carrier.look(os.fsencode(tmp_path / "none.jpg")).reason == "gone"


@pytest.mark.parametrize(("said", "reason"), [(b"kadr 9\nwhatever", "foreign"), (b"what?", "damaged")])
def test_a_record_that_nobody_can_read_is_left_alone(place, said, reason):
    """What a later version wrote is neither overwritten nor taken away; nor is damage while nobody remembers what is ours."""
    place.put(["mine", "beach"])
    xattrs.put(place.path, place.home.record, said)
    was = place.attributes
    assert place.carrier.write(place.path, ("sea",), None).reason == reason
    assert place.carrier.remove(place.path, None).reason == reason
    assert place.attributes == was


def test_a_damaged_record_is_mended_from_memory(place):
    """Where we remember what is ours, damage to the note costs nothing."""
    place.put(["mine"])
    was = place.attributes
    done = place.carrier.write(place.path, ("beach",), None)
    xattrs.put(place.path, place.home.record, b"what?")
    assert place.carrier.look(place.path) == Carried(("mine", "beach"), ())
    again = place.carrier.write(place.path, ("sea",), done.memory)
    assert (again.tags, again.memory.ours) == (("mine", "sea"), ("sea",))
    xattrs.put(place.path, place.home.record, b"what?")
    place.carrier.remove(place.path, again.memory)
    assert place.attributes == was


def test_a_damaged_list_is_left_alone(place):
    """A value that is no list of tags is nobody's to overwrite."""
    xattrs.put(place.path, MAC.tags, b"bplist00 no more")
    was = place.attributes
    for refused in (
        XattrCarrier(MAC).look(place.path),
        XattrCarrier(MAC).write(place.path, ("beach",), None),
        XattrCarrier(MAC).remove(place.path, Memory(("beach",))),
    ):
        assert refused.reason == "damaged"
    assert place.attributes == was
