"""Tags beside pictures: in the sidecar that is there or in one of our own, and as it was when they go."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys

import pytest

from kadrd.ingest import facts, xmp
from kadrd.tag import packet
from kadrd.tag.carrier import Carried, Done, Refused
from kadrd.tag.sidecar import SidecarCarrier

CARRIER, ADOBE = SidecarCarrier(), SidecarCarrier("adobe")
MINE = packet.changed(packet.EMPTY, packet.Change(("mine",))).replace(b"kadr", b"kept")
DARKTABLE = MINE.replace(b"<x:xmpmeta", b'<x:xmpmeta xmlns:darktable="http://darktable.sf.net/"')


@pytest.fixture
def picture(pictures, tmp_path):
    path = pictures.one(tmp_path / "IMG_1.jpg")
    path.chmod(0o444)
    return path


def keywords(path):
    return xmp.read(path.read_bytes()).facts.keywords


def names(folder):
    return {file.name for file in folder.iterdir()}


def test_made_and_deleted(picture, tmp_path):
    """A picture without sidecar gets one, even one that is read-only itself; when the tags go, so does the file."""
    done = CARRIER.write(bytes(picture), ("sea", "sun"), None)
    assert names(tmp_path) == {"IMG_1.jpg", "IMG_1.jpg.xmp"}
    assert keywords(tmp_path / "IMG_1.jpg.xmp") == ("sea", "sun")
    assert stat.S_IMODE((tmp_path / "IMG_1.jpg.xmp").stat().st_mode) == 0o644
    assert CARRIER.look(bytes(picture)) == Carried(("sea", "sun"), ("sea", "sun"))
    assert CARRIER.write(bytes(picture), ("sun",), done.memory).memory.ours == ("sun",)
    assert CARRIER.remove(bytes(picture), None) == Done((), None, changed=True)
    assert names(tmp_path) == {"IMG_1.jpg"}
    assert CARRIER.remove(bytes(picture), done.memory) == Done((), None, changed=False)


@pytest.mark.parametrize("name", ["IMG_1.jpg.xmp", "IMG_1.xmp", "IMG_1.XMP", "IMG_1.jpg.XMP"])
def test_joins_the_one_that_is_there(picture, tmp_path, name):
    """A sidecar of either name is written to, with all it is beside its bytes, and comes back with its old time."""
    sidecar = tmp_path / name
    sidecar.write_bytes(MINE)
    sidecar.chmod(0o600)
    os.utime(sidecar, ns=(10**18, 10**18 + 7))
    if sys.platform == "linux":
        os.setxattr(sidecar, "user.x", b"y")
    done = CARRIER.write(bytes(picture), ("sea",), None)
    assert names(tmp_path) == {"IMG_1.jpg", name}
    assert keywords(sidecar) == ("mine", "sea")
    assert stat.S_IMODE(sidecar.stat().st_mode) == 0o600
    assert sidecar.stat().st_mtime_ns > 10**18 + 7
    if sys.platform == "linux":
        assert os.getxattr(sidecar, "user.x") == b"y"
    done = CARRIER.write(bytes(picture), ("sea", "sun"), done.memory)
    assert CARRIER.remove(bytes(picture), done.memory) == Done(("mine",), None, changed=True)
    assert sidecar.read_bytes() == MINE
    assert sidecar.stat().st_mtime_ns == 10**18 + 7


def test_what_others_wrote_meanwhile_stays(picture, tmp_path):
    """A sidecar that another program wrote to since keeps that when our tags go, also one that we made."""
    done = CARRIER.write(bytes(picture), ("sea",), None)
    sidecar = tmp_path / "IMG_1.jpg.xmp"
    rated = sidecar.read_bytes().replace(
        b" </rdf:RDF>",
        b'<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"/></rdf:RDF>',
    )
    sidecar.write_bytes(rated)
    assert not CARRIER.write(bytes(picture), ("sea",), done.memory).changed
    CARRIER.remove(bytes(picture), done.memory)
    assert xmp.read(sidecar.read_bytes()).facts == facts.Facts(rating=4)
    assert packet.NAMESPACE.encode() not in sidecar.read_bytes()


def test_one_that_two_pictures_share_is_left_alone(picture, pictures, tmp_path):
    """`IMG_1.xmp` beside a RAW and its JPEG gets neither's tags: each has a sidecar of its own."""
    (tmp_path / "IMG_1.xmp").write_bytes(MINE)
    raw = pictures.one(tmp_path / "IMG_1.tif")
    for carrier in (CARRIER, ADOBE):
        for path in (picture, raw):
            carrier.write(bytes(path), ("sea",), None)
    assert (tmp_path / "IMG_1.xmp").read_bytes() == MINE
    assert names(tmp_path) == {"IMG_1.xmp", "IMG_1.jpg", "IMG_1.tif", "IMG_1.jpg.xmp", "IMG_1.tif.xmp"}


def test_adobes_name(picture, tmp_path):
    """With that setting a picture that has its name for itself gets a sidecar that Adobe's programs and GNOME read."""
    ADOBE.write(bytes(picture), ("sea",), None)
    assert names(tmp_path) == {"IMG_1.jpg", "IMG_1.xmp"}
    assert ADOBE.look(bytes(picture)).ours == CARRIER.look(bytes(picture)).ours == ("sea",)


@pytest.mark.parametrize(
    "content", [DARKTABLE, b"", b"no XML", MINE[:300]], ids=["darktable", "empty", "text", "cut"]
)
def test_sidecars_that_are_not_ours_to_change(picture, tmp_path, content):
    """darktable's work, and what cannot be read, is not touched."""
    sidecar = tmp_path / "IMG_1.jpg.xmp"
    sidecar.write_bytes(content)
    before = sidecar.stat()
    for result in (CARRIER.write(bytes(picture), ("sea",), None), CARRIER.remove(bytes(picture), None)):
        assert isinstance(result, Refused)
        assert result.reason == ("foreign" if content == DARKTABLE else "damaged")
    assert sidecar.stat() == before


def test_trial_and_no_picture(picture, tmp_path):
    """A trial makes no file, and where there is no picture none is made either."""
    trial = CARRIER.write(bytes(picture), ("sea",), None, trial=True)
    assert names(tmp_path) == {"IMG_1.jpg"}
    assert trial == CARRIER.write(bytes(picture), ("sea",), None)
    assert CARRIER.write(bytes(tmp_path / "none.jpg"), ("sea",), None).reason == "gone"


def test_a_kill_between_plan_and_memory_loses_no_bytes(picture, tmp_path):
    """With nothing remembered but the plan the sidecar of before comes back, whether it was written or not."""
    sidecar = tmp_path / "IMG_1.jpg.xmp"
    sidecar.write_bytes(MINE)
    plan = CARRIER.write(bytes(picture), ("sea",), None, trial=True).memory
    CARRIER.write(bytes(picture), ("sea",), None)
    for memory in (plan, plan._replace(ours=()), None):
        done = CARRIER.write(bytes(picture), ("sea", "sun"), memory)
        CARRIER.remove(bytes(picture), done.memory)
        assert sidecar.read_bytes() == MINE
        CARRIER.write(bytes(picture), ("sea",), None)


@pytest.mark.skipif(not shutil.which("exiftool"), reason="exiftool is not installed")
def test_exiftool_reads_them(picture, tmp_path):
    """exiftool finds the tags in our sidecar, and nothing to complain about."""
    CARRIER.write(bytes(picture), ("sea", "чорне море"), None)
    command = ["exiftool", "-json", "-validate", "-XMP:Subject", tmp_path / "IMG_1.jpg.xmp"]
    said = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)[0]
    assert (said["Subject"], said["Validate"]) == (["sea", "чорне море"], "OK")


def test_real_sidecars(data, pictures, tmp_path):
    """Sidecars that other programs wrote are joined and come back byte for byte, or are refused."""
    written = 0
    for number, file in enumerate(sorted((data / "exif").rglob("*.xmp"))):
        picture = pictures.one(tmp_path / f"{number}.jpg")
        sidecar = tmp_path / f"{number}.jpg.xmp"
        shutil.copyfile(file, sidecar)
        before = sidecar.read_bytes(), sidecar.stat().st_mtime_ns
        done = CARRIER.write(bytes(picture), ("kadr sea",), None)
        if isinstance(done, Done):
            assert "kadr sea" in keywords(sidecar), file
            CARRIER.remove(bytes(picture), done.memory)
            written += 1
        assert (sidecar.read_bytes(), sidecar.stat().st_mtime_ns) == before, file
    assert written > 5
