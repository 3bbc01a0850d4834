"""Tags inside of pictures: written, read back by others, merged with the user's own, and taken out again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from kadrd.ingest import blocks, digest, xmp
from kadrd.tag import containers, packet
from kadrd.tag.carrier import Carried, Done, Refused
from kadrd.tag.embedded import EmbeddedCarrier

CARRIER = EmbeddedCarrier()
XMP = b"http://ns.adobe.com/xap/1.0/\0"
MINE = packet.changed(packet.EMPTY, packet.Change(("mine",))).replace(b"kadr", b"kept")


def keywords(path):
    """What the reader of facts, which knows nothing of us, finds."""
    found = [
        xmp.read(block.data).facts.keywords
        for block in blocks.found(path.read_bytes())
        if block.kind == "xmp"
    ]
    return found[0] if found else ()


@pytest.fixture(params=[".jpg", ".png"])
def picture(request, pictures, edit, tmp_path):
    path = tmp_path / f"a{request.param}"
    data = pictures.bytes(request.param)
    if request.param == ".jpg":
        path.write_bytes(edit.with_segment(data, 0xE1, XMP + MINE))
    else:
        path.write_bytes(edit.with_chunk(data, b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + MINE))
    os.utime(path, ns=(10**18 + 1, 10**18 + 7))
    return path


@pytest.fixture
def plain(pictures, tmp_path):
    return pictures.one(tmp_path / "plain.jpg")


def test_written_and_taken_out(picture):
    """Tags stand beside the user's own, the picture keeps its times and its essence, and comes back byte for byte."""
    before, was = picture.read_bytes(), picture.stat()
    done = CARRIER.write(bytes(picture), ("sea", "Mine"), None)
    assert (done.tags, done.changed, done.memory.ours) == (("mine", "sea"), True, ("sea",))
    assert keywords(picture) == ("mine", "sea")
    assert CARRIER.look(bytes(picture)) == Carried(("mine", "sea"), ("sea",))
    now = picture.stat()
    assert (now.st_mtime_ns, now.st_mode, now.st_ino) == (was.st_mtime_ns, was.st_mode, done.memory.inode)
    assert digest.keys(picture.read_bytes())[1] == digest.keys(before)[1]
    assert CARRIER.remove(bytes(picture), done.memory) == Done(("mine",), None, changed=True)
    assert picture.read_bytes() == before
    assert picture.stat().st_mtime_ns == was.st_mtime_ns


def test_taken_out_without_memory(picture, plain):
    """The record inside of the picture is enough to take our tags out, wherever the file went."""
    for path in (picture, plain):
        before = path.read_bytes()
        CARRIER.write(bytes(path), ("sea", "sun"), None)
        CARRIER.remove(bytes(path), None)
        assert path.read_bytes() == before


def test_same_wish_writes_nothing(picture):
    """What is there already is not written again, with memory or without."""
    done = CARRIER.write(bytes(picture), ("sea",), None)
    now = picture.stat()
    again = CARRIER.write(bytes(picture), ("sea",), done.memory)
    assert again == done._replace(changed=False)
    assert CARRIER.write(bytes(picture), ("sea",), None).memory.before == done.memory.before
    assert picture.stat() == now


def test_trial_writes_nothing(picture):
    """A trial says what would be and touches nothing."""
    before = picture.stat()
    trial = CARRIER.write(bytes(picture), ("sea",), None, trial=True)
    assert picture.stat() == before
    done = CARRIER.write(bytes(picture), ("sea",), None)
    assert trial == done._replace(memory=done.memory._replace(inode=before.st_ino))


def test_tag_that_was_taken_away_never_comes_back(picture):
    """A tag of ours that the user took away stays away, also when the catalogue was lost."""
    CARRIER.write(bytes(picture), ("sea", "sun"), None)
    found = next(block.data for block in blocks.found(picture.read_bytes()) if block.kind == "xmp")
    _put(picture, found, _without_item(found, b"sea"))
    done = CARRIER.write(bytes(picture), ("sea", "sun"), None)
    assert (done.memory.ours, done.memory.suppressed) == (("sun",), ("sea",))
    assert CARRIER.write(bytes(picture), ("sea", "sun"), None).memory.ours == ("sun",)
    assert keywords(picture) == ("mine", "sun")


def test_another_programs_work_survives_untagging(picture):
    """What another program wrote into the same packet since stays when our tags are taken out."""
    done = CARRIER.write(bytes(picture), ("sea",), None)
    found = next(block.data for block in blocks.found(picture.read_bytes()) if block.kind == "xmp")
    _put(
        picture,
        found,
        found.replace(b"<rdf:li>mine</rdf:li>", b"<rdf:li>mine</rdf:li><rdf:li>more</rdf:li>", 1),
    )
    assert CARRIER.write(bytes(picture), ("sea", "sun"), done.memory).changed
    again = CARRIER.write(bytes(picture), ("sea", "sun"), done.memory)
    CARRIER.remove(bytes(picture), again.memory)
    assert keywords(picture) == ("mine", "more")
    assert packet.NAMESPACE.encode() not in picture.read_bytes()


def test_tags_that_a_save_wiped_come_back(picture, pictures):
    """When a program saved the picture without any tags the user's own come back with ours."""
    done = CARRIER.write(bytes(picture), ("sea",), None)
    new = picture.with_name("saved")
    new.write_bytes(pictures.bytes(picture.suffix))
    new.replace(picture)
    again = CARRIER.write(bytes(picture), ("sea",), done.memory)
    assert keywords(picture) == ("mine", "sea")
    assert again.memory.ours == ("sea",)


def test_files_that_are_left_alone(pictures, tmp_path):
    """Formats without a place, damaged files, links and second names are refused, and nothing is written."""
    for name in ("a.gif", "a.tif", "a.webp", "linked.jpg"):
        pictures.one(tmp_path / name)
    os.link(tmp_path / "linked.jpg", tmp_path / "second.jpg")
    os.symlink("linked.jpg", tmp_path / "link.jpg")
    (tmp_path / "cut.jpg").write_bytes(pictures.bytes()[:300])
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for path, data in before.items():
        for result in (
            CARRIER.write(bytes(path), ("sea",), None),
            CARRIER.look(bytes(path)),
            CARRIER.remove(bytes(path), None),
        ):
            assert isinstance(result, Refused), path
            assert result.sentence.endswith(".")
        assert path.read_bytes() == data
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.skipif(not shutil.which("exiftool"), reason="exiftool is not installed")
def test_exiftool_reads_them(picture, plain):
    """exiftool finds the tags, and nothing to complain about."""
    for path, mine in ((picture, ["mine"]), (plain, [])):
        CARRIER.write(bytes(path), ("sea", "чорне море"), None)
        command = ["exiftool", "-json", "-validate", "-warning", "-a", "-XMP:Subject", path]
        said = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)[0]
        assert said["Subject"] == [*mine, "sea", "чорне море"]
        assert said["Validate"] == "OK"


def test_real_pictures(data, tmp_path):
    """Pictures of all makes are tagged and come back byte for byte, or are refused and not touched."""
    files = sorted(file for top in ("exif", "odd") for file in (data / top).rglob("*") if file.is_file())
    written = 0
    for number, file in enumerate(files):
        path = tmp_path / f"{number}{file.suffix}"
        shutil.copyfile(file, path)
        before, was = path.read_bytes(), path.stat()
        done = CARRIER.write(bytes(path), ("kadr sea", "kadr sun"), None)
        if isinstance(done, Done):
            assert set(done.memory.ours) == {"kadr sea", "kadr sun"}, file
            assert CARRIER.look(bytes(path)).ours == done.memory.ours, file
            assert digest.keys(path.read_bytes())[1] == digest.keys(before)[1], file
            CARRIER.remove(bytes(path), done.memory)
            written += 1
        else:
            assert path.stat() == was, file
        assert path.read_bytes() == before, file
    assert written > 200
    assert len(list(tmp_path.iterdir())) == len(files)


def _without_item(found, word):
    """As a program that takes one keyword out of `dc:subject` and knows nothing of our record."""
    start = found.index(b"<dc:subject")
    end = found.index(b"</dc:subject>")
    return found[:start] + found[start:end].replace(b"<rdf:li>" + word + b"</rdf:li>", b"") + found[end:]


def _put(path, old, new):
    """Another packet of whatever length, in the file that is there."""
    data = path.read_bytes()
    assert old in data
    path.write_bytes(containers.with_segment(data, containers.segment(data, new)))
