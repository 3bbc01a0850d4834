"""What files say of their pictures, from the file to the answer: read once, read again when it changes, never for an encode."""

import os
import shutil

import pytest
from PIL import Image

from kadr.protocol import errors
from kadr.protocol.messages import Search

XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="{rating}">
<dc:subject><rdf:Bag><rdf:li>{keyword}</rdf:li></rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"""


def exif(taken=None, make=None, model=None, latitude=None, longitude=None):
    """An EXIF block as a camera writes it."""
    block = Image.Exif()
    if make:
        block[0x010F], block[0x0110] = make, model
    if taken:
        block.get_ifd(0x8769)[0x9003] = taken
    if latitude is not None:
        block.get_ifd(0x8825).update(
            {1: "N" if latitude >= 0 else "S", 2: (abs(latitude), 0.0, 0.0), 3: "E" if longitude >= 0 else "W",
             4: (abs(longitude), 0.0, 0.0)}
        )  # fmt: skip
    return block.tobytes()


def sidecar(path, rating=0, keyword="none"):
    path.write_text(XMP.format(rating=rating, keyword=keyword))


def named(daemon, text, **more):
    daemon.sync()
    return sorted(os.path.basename(os.fsdecode(row["path"])) for row in daemon.ask(Search(text, **more)).rows)


@pytest.fixture
def album(root, pictures):
    """Three pictures that say something, and one that says nothing."""
    pictures.one(root / "kyiv.jpg", exif=exif("2024:06:15 12:30:00", "Canon", "Canon EOS 5D", 50.45, 30.52))
    pictures.one(root / "lviv.jpg", exif=exif("2023:01:02 09:00:00", "Apple", "iPhone 7", 49.84, 24.03))
    pictures.one(root / "old.jpg", exif=exif("1999:12:31 23:59:59"))
    pictures.one(root / "silent.png")
    return root


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("taken:2023..2024", ["kyiv.jpg", "lviv.jpg"]),
        ("taken:summer", ["kyiv.jpg"]),
        ('camera:"Canon EOS 5D"', ["kyiv.jpg"]),
        ("камера:iphone", ["lviv.jpg"]),
        ("near:Kyiv,20km", ["kyiv.jpg"]),
        ("рядом:Киев", ["kyiv.jpg"]),
        ("біля:Львів", ["lviv.jpg"]),
        ("near:49.84,24.03,10km OR taken:1999", ["lviv.jpg", "old.jpg"]),
        ("has:gps -camera:canon", ["lviv.jpg"]),
        ("-(has:gps OR taken:1999)", ["silent.png"]),
        ("ext:png", ["silent.png"]),
    ],
)
def test_filters(daemon, album, text, files):
    """Filters without words list every match, in the user's language."""
    assert named(daemon, text) == files


def test_newest_first_and_what_a_hit_tells(daemon, album):
    """A list is newest first, and each hit tells date, camera and place."""
    daemon.sync()
    rows = daemon.ask(Search("taken:1990..2030")).rows
    assert [row["taken"][:10] for row in rows] == ["2024-06-15", "2023-01-02", "1999-12-31"]
    assert rows[0]["camera"] == "Canon EOS 5D"
    assert "Ukraine" in rows[0]["place"]


def test_words_with_filters(daemon, album):
    """Words rank what the filters let through, and nothing else."""
    assert named(daemon, "red bicycle has:gps", min_score=0) == ["kyiv.jpg", "lviv.jpg"]


def test_sidecar(daemon, album):
    """A sidecar that appears, changes and goes is read each time, without a decode or an encode."""
    assert named(daemon, "rating:>=4") == []
    with daemon.spending(encodes=0, decodes=0):
        sidecar(album / "old.jpg.xmp", rating=5, keyword="grandmother")
        assert named(daemon, "rating:>=4 tag:grandmother") == ["old.jpg"]
        sidecar(album / "old.jpg.xmp", rating=1, keyword="grandmother")
        assert named(daemon, "rating:>=4") == []
        sidecar(album / "silent.XMP", rating=4)
        assert named(daemon, "rating:>=4") == ["silent.png"]
        (album / "silent.XMP").unlink()
        (album / "old.jpg.xmp").unlink()
        assert named(daemon, "has:rating") == []


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="Python sets extended attributes on Linux only")
def test_tag_of_a_file_manager(daemon, album):
    """A tag that a file manager sets is found, and gone when it is taken off, without a decode or an encode."""
    try:
        os.setxattr(album / "kyiv.jpg", "user.xdg.tags", "Holiday, свята".encode())
    except OSError:
        pytest.skip("this file system has no extended attributes")
    with daemon.spending(encodes=0, decodes=0):
        assert named(daemon, "tag:holiday tag:свята") == ["kyiv.jpg"]
        os.removexattr(album / "kyiv.jpg", "user.xdg.tags")
        assert named(daemon, "tag:holiday") == []


def test_edit_of_metadata_alone(daemon, album, edit):
    """A date that is written into the file moves it to another day, and shows the same picture."""
    silent = album / "later.jpg"
    shutil.copy(album / "old.jpg", silent)
    assert named(daemon, "taken:1999") == ["later.jpg", "old.jpg"]
    dated = edit.with_segment(silent.read_bytes(), 0xE1, exif("2010:05:05 10:00:00"))
    with daemon.spending(encodes=0, decodes=0):
        silent.write_bytes(dated)
        assert named(daemon, "taken:2010-05-05") == ["later.jpg"]
        assert named(daemon, "taken:1999") == ["old.jpg"]


def test_facts_follow_a_moved_folder(daemon, album):
    """After a rename of its folder and a copy a file says what it said, and nothing is read for the rename."""
    folder = album / "trip"
    folder.mkdir()
    shutil.move(album / "kyiv.jpg", folder / "kyiv.jpg")
    assert named(daemon, "near:Kyiv") == ["kyiv.jpg"]
    with daemon.spending(encodes=0, decodes=0):
        folder.rename(album / "renamed")
        shutil.copy(album / "renamed" / "kyiv.jpg", album / "copy.jpg")
        assert named(daemon, "near:Kyiv taken:2024") == ["copy.jpg", "kyiv.jpg"]
        assert named(daemon, "folder:renamed") == ["kyiv.jpg"]


def test_a_mistake_is_shown_where_it_is(daemon, album):
    """A query that cannot be understood tells the column of the mistake and what may be meant."""
    with pytest.raises(errors.KadrError) as caught:
        daemon.ask(Search("beach camera:canon lnes:50mm"))
    assert caught.value.code == "bad-query"
    assert "lens" in caught.value.act


def test_facts_survive_a_restart_and_an_update(launch, pictures, tmp_path):
    """A catalogue of a version that read no facts has every file read again, and nothing encoded."""
    daemon = launch()
    folder = tmp_path / "root"
    pictures.one(folder / "a.jpg", exif=exif("2024:06:15 12:30:00"))
    daemon.add(folder)
    assert named(daemon, "taken:2024") == ["a.jpg"]
    daemon.stop()
    import sqlite3

    with sqlite3.connect(daemon.home.catalogue) as old:
        old.execute("DELETE FROM settings WHERE name = 'facts'")
        old.execute("DELETE FROM labels")
        old.execute("DELETE FROM facts")
    daemon.start()
    assert named(daemon, "taken:2024") == ["a.jpg"]
    assert daemon.status()["encodes"] == 0
