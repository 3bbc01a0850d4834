"""What is in a watched folder is found: new files, changed files, files that went."""

import os
import shutil

import pytest


def test_every_picture_of_a_root_is_found(daemon, root, pictures):
    """All files of a new root are found and verified, each encoded once."""
    with daemon.spending(encodes=90, decodes=90):
        files = pictures.many(root / "a", 60) + pictures.many(root / "b" / "c", 30)
    daemon.shows(*files)
    body = daemon.check()
    assert (body["files"], body["pictures"]) == (90, 90)


def test_answer_says_that_it_is_complete(daemon, root, pictures):
    """After sync an answer calls itself complete, with nothing pending and every root online."""
    from kadr.protocol.messages import Search

    pictures.one(root / "a.jpg")
    daemon.sync()
    body = daemon.ask(Search("red", min_score=0)).body
    assert (body["complete"], body["pending"], body["offline_roots"], body["count"]) == (True, 0, [], 1)


def test_search_can_sync_by_itself(daemon, root, pictures):
    """A search with `sync` shows a file that was made just before it."""
    from kadr.protocol.messages import Search

    file = pictures.one(root / "a.jpg")
    (row,) = daemon.ask(Search("red", min_score=0, sync=True)).rows
    assert row["path"] == os.fsencode(file)


def test_new_file_is_found(daemon, root, pictures):
    """A file made in a watched folder is found after sync."""
    first = pictures.one(root / "a.jpg")
    daemon.shows(first)
    with daemon.spending(encodes=1):
        second = pictures.one(root / "b.png")
    daemon.shows(first, second)


def test_folders_made_at_once_are_found_whole(daemon, root, pictures):
    """Nested folders that are made and filled in one go lose no file."""
    daemon.sync()
    files = [pictures.one(root.joinpath(*"abcdef"[: depth + 1]) / "p.jpg") for depth in range(6)]
    files += [pictures.one(root / f"{n}" / "x" / "p.png") for n in range(20)]
    daemon.shows(*files)


def test_copied_tree_is_found_and_costs_nothing(daemon, root, pictures):
    """A copy of a tree is found under its own paths; nothing is decoded again."""
    files = pictures.many(root / "a" / "b", 12)
    with daemon.spending(encodes=0, decodes=0):
        shutil.copytree(root / "a", root / "copy")
    daemon.shows(*files, *(root / "copy" / "b" / file.name for file in files))


def test_rewritten_in_place(daemon, root, pictures):
    """A file written over in place shows its new picture."""
    file = pictures.one(root / "a.jpg")
    daemon.sync()
    with daemon.spending(encodes=1):
        file.write_bytes(pictures.bytes())
    daemon.shows(file)


def test_same_size_and_time_is_told_by_ctime(daemon, root, pictures):
    """A file of the same size with its old mtime put back is still seen to have changed."""
    file = pictures.one(root / "a.bmp")
    daemon.sync()
    before = file.stat()
    with daemon.spending(encodes=1):
        with file.open("r+b") as opened:
            opened.write(pictures.bytes(".bmp"))
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    daemon.shows(file)


def test_saved_over_by_rename(daemon, root, pictures):
    """An editor's save (temporary name, then rename) shows the new picture and leaves no other file."""
    file = pictures.one(root / "a.jpg")
    daemon.sync()
    with daemon.spending(encodes=1):
        temporary = root / "a.jpg.tmp"
        temporary.write_bytes(pictures.bytes())
        temporary.rename(file)
    daemon.shows(file)


def test_touched(daemon, root, pictures):
    """A file whose times change is read again and costs no decode."""
    file = pictures.one(root / "a.jpg")
    daemon.sync()
    with daemon.spending(encodes=0, decodes=0):
        os.utime(file, (1, 1))
    daemon.shows(file)


def test_deleted(daemon, root, pictures):
    """A deleted file is no hit any more; its vector stays, so its return costs nothing."""
    keep, gone = pictures.many(root, 2)
    content = gone.read_bytes()
    daemon.sync()
    vectors = daemon.status()["vectors"]
    gone.unlink()
    daemon.shows(keep)
    assert daemon.status()["vectors"] == vectors
    with daemon.spending(encodes=0, decodes=0):
        gone.write_bytes(content)
    daemon.shows(keep, gone)


def test_deleted_folder(daemon, root, pictures):
    """A deleted folder takes its files out of the answers, and one of its name can come again."""
    pictures.many(root / "a" / "b", 5)
    keep = pictures.one(root / "keep.jpg")
    daemon.sync()
    shutil.rmtree(root / "a")
    daemon.shows(keep)
    again = pictures.many(root / "a" / "b", 3)
    daemon.shows(keep, *again)
    later = pictures.one(root / "a" / "b" / "later.jpg")
    daemon.shows(keep, *again, later)


def test_sync_does_not_wait_for_the_quiet_time(launch, pictures, tmp_path):
    """Sync indexes a file that was written this moment, however long files are left to settle."""
    daemon = launch(scan={"quiet_seconds": 600.0})
    daemon.add(tmp_path)
    daemon.shows(pictures.one(tmp_path / "a.jpg"))


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".gif"])
def test_formats(daemon, root, pictures, suffix):
    """A picture in each common format is found, under a name in capitals too."""
    daemon.shows(pictures.one(root / f"a{suffix}"), pictures.one(root / f"B{suffix.upper()}"))


def test_other_names_are_left_alone(daemon, root, pictures):
    """Temporary, hidden and other files and folders are not looked into."""
    content = pictures.bytes()
    (root / ".hidden").mkdir()
    (root / "@eaDir").mkdir()
    for name in ("a.txt", "jpg", ".a.jpg", "a.jpg.part", "a.jpg~", ".hidden/a.jpg", "@eaDir/a.jpg"):
        (root / name).write_bytes(content)
    daemon.shows(pictures.one(root / "a.jpg"))


def test_many_changes_at_once(daemon, root, pictures):
    """A storm of renames, swaps, deletions and copies ends in just what is on the disk, without an encode."""
    import random

    files = pictures.many(root / "a", 40)
    contents = {file.read_bytes() for file in files}
    chance = random.Random(7)
    daemon.sync()
    with daemon.spending(encodes=0):
        for number in range(300):
            one, two = chance.choice(files), chance.choice(files)
            match chance.randrange(4):
                case 0:
                    new = root / chance.choice("abcd") / f"{number}.jpg"
                    new.parent.mkdir(exist_ok=True)
                    one.rename(new)
                    files[files.index(one)] = new
                case 1 if one != two:
                    one.rename(root / "swap")
                    two.rename(one)
                    (root / "swap").rename(two)
                case 2 if one != two:
                    two.write_bytes(one.read_bytes())
                case 3:
                    one.touch()
    assert {file.read_bytes() for file in files} <= contents
    daemon.shows(*files)
