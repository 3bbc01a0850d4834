"""Renames, moves, copies, links and metadata: the picture stays the same, so it is never encoded again."""

import itertools
import os
import shutil

import pytest


def test_renamed_file(daemon, root, pictures):
    """A renamed file is found under its new name alone, without a decode."""
    file = pictures.one(root / "a.jpg")
    with daemon.spending(encodes=0, decodes=0):
        new = file.rename(root / "b.jpg")
    daemon.shows(new)


def test_renamed_folder(daemon, root, pictures):
    """All files of a renamed folder, however deep, are found under it without a decode."""
    files = [*pictures.many(root / "a", 4), *pictures.many(root / "a" / "b" / "c", 8)]
    daemon.sync()
    with daemon.spending(encodes=0, decodes=0):
        (root / "a").rename(root / "z")
    daemon.shows(*(root / "z" / file.relative_to(root / "a") for file in files))


def test_changes_in_a_renamed_folder_are_seen(daemon, root, pictures):
    """A folder goes on being watched under its new name, and so do the folders in it."""
    file = pictures.one(root / "a" / "b" / "1.jpg")
    daemon.sync()
    (root / "a").rename(root / "z")
    daemon.sync()
    new = pictures.one(root / "z" / "b" / "2.jpg")
    daemon.shows(root / "z" / "b" / file.name, new)


def test_folder_renamed_again_and_again(daemon, root, pictures):
    """A folder that is renamed many times, back to an old name too, ends where it is on the disk."""
    pictures.many(root / "a", 3)
    daemon.sync()
    names = ["a", "b", "c", "a", "b", "a", "d"]
    with daemon.spending(encodes=0, decodes=0):
        for old, new in itertools.pairwise(names):
            (root / old).rename(root / new)
    daemon.shows(*sorted((root / "d").iterdir()))


def test_two_folders_swapped(daemon, root, pictures):
    """Two folders that change names change their files too, without a decode."""
    pictures.many(root / "a", 3)
    pictures.many(root / "b", 3)
    daemon.sync()
    before = {key: daemon.home.known(root / key / "0000.jpg").essence_key for key in "ab"}
    with daemon.spending(encodes=0, decodes=0):
        (root / "a").rename(root / "t")
        (root / "b").rename(root / "a")
        (root / "t").rename(root / "b")
    daemon.check()
    assert {key: daemon.home.known(root / key / "0000.jpg").essence_key for key in "ba"} == {
        "b": before["a"],
        "a": before["b"],
    }


def test_folder_moved_in(daemon, root, pictures, tmp_path):
    """A tree moved in from outside is found, and so is what changes in it later, at every level."""
    inside = [pictures.one(tmp_path.joinpath("out", *"abc"[:depth]) / "p.jpg") for depth in range(4)]
    daemon.sync()
    (tmp_path / "out").rename(root / "in")
    files = [root / "in" / file.relative_to(tmp_path / "out") for file in inside]
    daemon.shows(*files)
    files += [pictures.one(file.with_name("later.png")) for file in files]
    daemon.shows(*files)


def test_folder_moved_out(daemon, root, pictures, tmp_path):
    """What is written into a folder after it was moved out of the root is none of our business."""
    pictures.many(root / "a" / "b", 3)
    keep = pictures.one(root / "keep.jpg")
    daemon.sync()
    (root / "a").rename(tmp_path / "away")
    pictures.one(tmp_path / "away" / "b" / "new.jpg")
    daemon.shows(keep)
    pictures.one(tmp_path / "away" / "b" / "newer.jpg")
    daemon.shows(keep)
    again = pictures.one(root / "a" / "b" / "again.jpg")
    daemon.shows(keep, again)


def test_moved_between_roots(daemon, root, pictures, tmp_path):
    """A folder moved from one root into another is found there, without an encode."""
    other = tmp_path / "other"
    other.mkdir()
    daemon.add(other)
    pictures.many(root / "a", 6)
    daemon.sync()
    with daemon.spending(encodes=0, decodes=0):
        (root / "a").rename(other / "a")
    daemon.shows(*(other / "a").iterdir())


def test_copied_across_and_deleted(daemon, root, pictures):
    """A move by copying and deleting, as between disks, costs no decode."""
    pictures.many(root / "a", 6)
    daemon.sync()
    with daemon.spending(encodes=0, decodes=0):
        shutil.copytree(root / "a", root / "b")
        shutil.rmtree(root / "a")
    daemon.shows(*(root / "b").iterdir())


def test_hard_links(daemon, root, pictures):
    """Every name of a file is a hit; writing through one changes the picture of all."""
    file = pictures.one(root / "a.jpg")
    daemon.sync()
    links = [root / f"link{number}.jpg" for number in range(5)]
    with daemon.spending(encodes=0, decodes=0):
        for link in links:
            link.hardlink_to(file)
    daemon.shows(file, *links)
    with daemon.spending(encodes=1):
        links[0].write_bytes(pictures.bytes())
    daemon.shows(file, *links)
    with daemon.spending(encodes=0, decodes=0):
        file.unlink()
        links[0].unlink()
    daemon.shows(*links[1:])


JPEG_METADATA = {
    "comment": (0xFE, b"a comment"),
    "exif": (0xE1, b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"),
    "xmp": (0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>"),
    "iptc": (0xED, b"Photoshop 3.0\0"),
}


@pytest.mark.parametrize("kind", JPEG_METADATA)
def test_metadata_of_a_jpeg(daemon, root, pictures, edit, kind):
    """Metadata written into a JPEG changes its file key, not its essence, and costs no decode."""
    file = pictures.one(root / "a.jpg")
    daemon.sync()
    before = daemon.home.known(file)
    with daemon.spending(encodes=0, decodes=0):
        file.write_bytes(edit.with_segment(file.read_bytes(), *JPEG_METADATA[kind]))
    after = daemon.home.known(file)
    assert after.file_key != before.file_key
    assert after.essence_key == before.essence_key
    daemon.shows(file)


def test_metadata_of_a_png(daemon, root, pictures, edit):
    """A text chunk written into a PNG costs no decode."""
    file = pictures.one(root / "a.png")
    daemon.sync()
    with daemon.spending(encodes=0, decodes=0):
        file.write_bytes(edit.with_chunk(file.read_bytes(), b"tEXt", b"Title\0a cat"))
    daemon.shows(file)


def test_orientation_is_part_of_the_picture(daemon, root, pictures, edit):
    """A picture turned by its EXIF orientation is another picture: one encode."""
    file = pictures.one(root / "a.jpg")
    daemon.sync()
    plain = file.read_bytes()
    with daemon.spending(encodes=1):
        file.write_bytes(edit.with_exif(plain, edit.exif(6)))
    daemon.shows(file)
    with daemon.spending(encodes=0, decodes=0):
        file.write_bytes(edit.with_exif(plain, edit.exif(6, order=">", note=b"written by another program")))
    daemon.shows(file)


def test_known_after_a_restart(launch, pictures, tmp_path):
    """What was moved, changed or deleted while no daemon ran is found right at the next start, without an encode
    but for what is new."""
    root = tmp_path / "root"
    files = pictures.many(root / "a", 9)
    daemon = launch()
    daemon.add(root)
    daemon.sync()
    daemon.stop()
    (root / "a").rename(root / "b")
    (root / "b" / files[0].name).unlink()
    new = pictures.one(root / "new.jpg")
    daemon.start()
    daemon.shows(new, *(root / "b" / file.name for file in files[1:]))
    assert daemon.status()["encodes"] == 1


def test_inode_that_is_used_again(daemon, root, pictures):
    """A new file that gets the inode of a deleted one is read for itself."""
    for number in range(20):
        file = pictures.one(root / f"{number}.bmp")
        daemon.sync()
        before = os.stat(file)
        file.unlink()
        with daemon.spending(encodes=1):
            new = pictures.one(root / f"{number}-new.bmp")
            os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
        new.unlink()


def test_edited_then_moved_before_it_was_read(daemon, root, pictures):
    """A file that changed and whose folder moved at once shows what it holds now, under its new path."""
    path = pictures.one(root / "p" / "a.jpg")
    daemon.shows(path)
    path.write_bytes(pictures.bytes(".jpg"))
    path.parent.rename(root / "q")
    daemon.shows(root / "q" / "a.jpg")
    daemon.check()


def test_edited_while_its_folder_was_away(daemon, root, pictures, tmp_path):
    """A file that changed just before its folder went shows what it holds when the folder is back."""
    path = pictures.one(root / "p" / "a.jpg")
    daemon.shows(path)
    path.write_bytes(pictures.bytes(".jpg"))
    path.parent.rename(tmp_path / "away")
    daemon.sync()
    (tmp_path / "away").rename(path.parent)
    daemon.shows(path)
    daemon.check()


def test_times_beyond_what_a_database_keeps(daemon, root, pictures):
    """A file dated in the year 2300 is a file like any other, and does not stop its folder from being indexed."""
    paths = pictures.many(root, 3)
    os.utime(paths[0], ns=(0, 10_413_792_000 * 10**9))
    daemon.rescan()
    daemon.shows(*paths)
    daemon.check()


def test_folder_replaced_by_a_link(daemon, root, pictures, tmp_path):
    """A folder that was replaced by a link out of the root is not followed."""
    pictures.many(root / "p", 2)
    daemon.sync()
    (root / "p").rename(tmp_path / "outside")
    (root / "p").symlink_to(tmp_path / "outside")
    daemon.rescan()
    daemon.shows()
