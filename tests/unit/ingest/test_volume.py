"""Which disk lies at a path."""

import contextlib
import os

import pytest

from kadrd.ingest import volume


def test_same_folder(tmp_path):
    """A folder is itself, however often it is asked and whatever is put into it."""
    path = os.fsencode(tmp_path)
    before = volume.at(path)
    (tmp_path / "new").write_bytes(b"x")
    assert before == volume.at(path)


def test_another_folder_in_its_place(tmp_path):
    """A folder that was replaced by another one is not the same."""
    place, aside = tmp_path / "place", tmp_path / "aside"
    place.mkdir()
    before = volume.at(os.fsencode(place))
    place.rename(aside)
    place.mkdir()
    assert volume.at(os.fsencode(place)) != before
    assert volume.at(os.fsencode(aside)) == before


@pytest.mark.parametrize("what", ["nothing", "file"])
def test_no_folder(tmp_path, what):
    """Where no folder is, no volume is."""
    if what == "file":
        (tmp_path / what).write_bytes(b"x")
    assert volume.at(os.fsencode(tmp_path / what)) is None


def test_sample(tmp_path):
    """One file of a sample that is there as it was is enough; another size or time is another file."""
    path = tmp_path / "a.jpg"
    path.write_bytes(b"12345")
    mtime = path.stat().st_mtime_ns
    name = os.fsencode(path)
    assert volume.holds([(b"/nowhere", 1, 2), (name, 5, mtime)])
    assert not volume.holds([(name, 6, mtime)])
    assert not volume.holds([(name, 5, mtime + 10**10)])
    assert not volume.holds([])


def test_mount_points():
    """Mount points below the top are found, and the top itself is not below itself."""
    with contextlib.closing(volume.Mounts()) as mounts:
        if not mounts.points():
            pytest.skip("this system does not tell its mount points")
        assert b"/proc" in mounts.below(b"/")
        assert b"/" not in mounts.below(b"/")
        assert b"/proc" not in mounts.below(b"/proc")
