"""Tags from the picture to where other programs look, and back: written when asked, never an encode, nobody else's lost."""

import contextlib
import os
import shutil
import subprocess

import pytest
from PIL import Image

from kadr.protocol import errors
from kadr.protocol.messages import Pause, Resume, Search, Tag, Tags, Untag

XDG, OURS = "user.xdg.tags", "user.org.kadr.tags"
WORDS = ["red", "green", "blue", "cat", "snow"]
SIDECAR = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:subject><rdf:Bag><rdf:li>my own</rdf:li></rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"""

pytestmark = pytest.mark.skipif(not hasattr(os, "getxattr"), reason="written for Linux's extended attributes")


@pytest.fixture
def words(tmp_path):
    """A vocabulary that the tiny model knows."""
    path = tmp_path / "words.txt"
    path.write_text("\n".join(WORDS) + "\n")
    return os.fsencode(path)


@pytest.fixture
def album(root, pictures):
    if "user.xdg.tags" not in _attributes_kept(root):
        pytest.skip("this file system keeps no extended attributes")
    return [pictures.one(root / f"{number}.jpg") for number in range(4)]


def _attributes_kept(folder):
    probe = folder / "probe.txt"
    probe.write_text("")
    try:
        os.setxattr(probe, XDG, b"x")
        return os.listxattr(probe)
    except OSError:
        return []
    finally:
        probe.unlink()


def tags(path):
    try:
        return [word for word in os.getxattr(path, XDG).decode().split(",") if word]
    except OSError:
        return []


def everything(folder):
    """Every byte and attribute below *folder*."""
    return {
        path.name: (path.read_bytes(), {key: os.getxattr(path, key) for key in os.listxattr(path)})
        for path in sorted(folder.iterdir())
    }


def caught_up(daemon):
    """Back when no file waits for its tags. Each look is a question to the daemon: nobody sleeps."""
    daemon.sync()
    while daemon.status()["untagged"]:
        pass


def tag(daemon, words, **more):
    daemon.sync()
    return daemon.ask(Tag(**{"vocabulary": words, "threshold": 0.0, "write": ["xattr"], **more}))


@pytest.mark.parametrize("carrier", ["xattr", "sidecar", "embedded"])
def test_written_found_and_taken_away(daemon, root, album, words, carrier):
    """Tags are written, found by `tag:`, cost no encode, and go without a trace: every byte and attribute is as before."""
    os.setxattr(album[0], XDG, b"odd , mine")
    (root / "1.jpg.xmp").write_text(SIDECAR)
    daemon.sync()
    before = everything(root)
    with daemon.spending(encodes=0, decodes=0):
        body = tag(daemon, words, write=[carrier]).body
        assert body["written"] == 4
        assert body["refused"] == 0
    found = {word for word in WORDS if daemon.ask(Search(f"tag:{word}", min_score=0)).rows}
    assert found
    with daemon.spending(encodes=0, decodes=0):
        assert daemon.ask(Untag(all=True)).body["written"] == 4
    assert everything(root) == before
    daemon.check()


def test_others_tags_stay(daemon, root, album, words):
    """Tags of the user's are kept, first and as they were written; one that kadr would add too is not claimed."""
    os.setxattr(album[0], XDG, b"holiday,Red")
    tag(daemon, words)
    assert tags(album[0])[:2] == ["holiday", "Red"]
    assert [word.casefold() for word in tags(album[0])].count("red") == 1
    daemon.ask(Untag([os.fsencode(album[0])]))
    assert tags(album[0]) == ["holiday", "Red"]


def test_what_the_user_took_away_never_comes_back(daemon, album, words):
    """A tag of kadr's that the user removed is not written again, however often files are tagged."""
    tag(daemon, words)
    gone, *rest = tags(album[0])
    os.setxattr(album[0], XDG, ",".join(rest).encode())
    for _ in range(2):
        tag(daemon, words)
        assert gone not in tags(album[0])
    assert gone in daemon.ask(Tags(os.fsencode(album[0]))).body["suppressed"]


def test_an_editor_that_saves_anew_loses_no_tags(daemon, album, words, pictures):
    """A program that saves by renaming wipes every attribute; kadr's and the user's tags come back by themselves."""
    os.setxattr(album[0], XDG, b"my own")
    tag(daemon, words)
    before = tags(album[0])
    assert len(before) > 1
    edited = album[0].with_name("saving.tmp")
    edited.write_bytes(pictures.bytes(".jpg"))
    os.replace(edited, album[0])
    assert tags(album[0]) == []
    caught_up(daemon)
    assert tags(album[0]) == before


def test_a_second_time_writes_nothing(daemon, root, album, words):
    """Files that carry their tags are not touched: their times of change stay."""
    tag(daemon, words)
    before = [path.stat().st_ctime_ns for path in album]
    assert tag(daemon, words).body["written"] == 0
    assert [path.stat().st_ctime_ns for path in album] == before


def test_our_own_writes_wake_nobody(daemon, root, album, words):
    """Files that kadr wrote on are found by their tags, and nothing is decoded or written for it again."""
    with daemon.spending(encodes=0, decodes=0):
        tag(daemon, words)
    rows = daemon.ask(Search(" OR ".join(f"tag:{word}" for word in WORDS))).rows
    assert len(rows) == 4
    before = [path.stat().st_ctime_ns for path in album]
    caught_up(daemon)
    daemon.check()
    assert [path.stat().st_ctime_ns for path in album] == before


def test_trial_writes_nothing(daemon, root, album, words):
    """A trial says what would be written, and touches no file."""
    before = everything(root)
    body = tag(daemon, words, trial=True).body
    assert body["written"] == 4
    assert body["added"] > 0
    assert everything(root) == before


def test_tags_follow_a_rename(daemon, root, album, words):
    """A renamed file keeps its tags, and the bytes of before can be put back all the same."""
    os.setxattr(album[0], XDG, b"odd , mine")
    tag(daemon, words)
    moved = root / "moved.jpg"
    album[0].rename(moved)
    daemon.sync()
    daemon.ask(Untag(all=True))
    assert os.getxattr(moved, XDG) == b"odd , mine"


def test_only_what_was_asked_for(daemon, root, album, words):
    """Paths and queries say which files; the others are not touched."""
    tag(daemon, words, paths=[os.fsencode(album[0])])
    tag(daemon, words, text="name:1.jpg")
    assert [bool(tags(path)) for path in album] == [True, True, False, False]


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (Tag(write=["stone"]), errors.BadParameter),
        (Tag(), errors.BadParameter),  # no place is set
        (Tag([b"/nowhere"], write=["xattr"]), errors.NotARoot),
        (Untag(), errors.BadParameter),
        (Tags(b"/nowhere.jpg"), errors.NotFound),
    ],
)
def test_bad_requests(daemon, request_, error):
    """What cannot be done is said, and nothing is written."""
    with pytest.raises(error):
        daemon.ask(request_)


def test_new_pictures_are_tagged_when_the_settings_say_so(launch, tmp_path, pictures, words):
    """With [tags] write set, pictures get tags as they come, also those that came before; `untag --all` ends it."""
    folder = tmp_path / "automatic"
    folder.mkdir()
    first = pictures.one(folder / "first.jpg")
    daemon = launch(tags={"write": ["xattr"], "threshold": 0.0, "vocabulary": os.fsdecode(words)})
    daemon.add(folder)
    daemon.sync()
    second = pictures.one(folder / "second.jpg")
    caught_up(daemon)
    assert tags(first)
    assert tags(second)
    daemon.ask(Untag(all=True))
    third = pictures.one(folder / "third.jpg")
    caught_up(daemon)
    assert [tags(path) for path in (first, second, third)] == [[], [], []]


def test_copies_without_attributes_are_their_own(daemon, root, album, words):
    """A copy carries what its own bytes and attributes carry; taking tags from one leaves the other alone."""
    tag(daemon, words)
    bare, whole = root / "bare.jpg", root / "whole.jpg"
    shutil.copyfile(album[0], bare)
    shutil.copy2(album[0], whole)
    daemon.sync()
    assert tags(bare) == []
    daemon.ask(Untag([os.fsencode(whole)]))
    assert tags(whole) == []
    assert tags(album[0])


@pytest.mark.parametrize("carrier", ["xattr", "sidecar", "embedded"])
def test_copies_are_untagged_too(daemon, root, album, words, carrier):
    """A copy of a tagged file, of which nothing is remembered, loses kadr's tags with all others."""
    before = album[0].read_bytes()
    tag(daemon, words, write=[carrier])
    copy = root / "copy.jpg"
    shutil.copy2(album[0], copy)
    if carrier == "sidecar":
        shutil.copy2(root / "0.jpg.xmp", root / "copy.jpg.xmp")
    daemon.sync()
    daemon.ask(Untag(all=True))
    assert copy.read_bytes() == before
    assert (tags(copy), list(root.glob("*.xmp"))) == ([], [])


def test_pixels_are_as_they_were(daemon, root, album, words):
    """Tags inside a file change none of its pixels."""
    before = [Image.open(path).tobytes() for path in album]
    tag(daemon, words, write=["embedded"])
    assert [Image.open(path).tobytes() for path in album] == before


def test_what_a_kill_has_left_is_removed(launch, tmp_path, pictures, words):
    """A daemon that is killed in the middle of a write inside a file leaves its owner's bytes, and the next one tidies up."""
    folder = tmp_path / "killed"
    folder.mkdir()
    path = pictures.one(folder / "a.jpg")
    before = path.read_bytes()
    daemon = launch()
    daemon.add(folder)
    daemon.sync()
    daemon.kill()
    again = launch(daemon.home, environment={"KADR_CRASH": "tag-ready"})
    with pytest.raises((OSError, errors.KadrError)):
        tag(again, words, write=["embedded"])
    assert path.read_bytes() == before
    assert len(list(folder.iterdir())) > 1
    last = launch(daemon.home)
    last.check()
    while len(list(folder.iterdir())) > 1:
        last.sync()
    assert path.read_bytes() == before
    answer = tag(last, words, write=["embedded"])
    assert answer.body["written"] == 1, answer
    last.ask(Untag(all=True))
    assert path.read_bytes() == before


@pytest.fixture
def ramfs(tmp_path):
    """A file system that keeps no extended attributes."""
    place = tmp_path / "ramfs"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "ramfs", "none", place], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"this machine does not mount: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=False)


def test_a_disk_without_attributes_gets_sidecars(daemon, ramfs, pictures, words):
    """Where a disk keeps no extended attributes the tags are laid beside the pictures, and nobody speaks of a full disk."""
    path = pictures.one(ramfs / "a.jpg")
    with pytest.raises(OSError, match="not supported"):
        os.setxattr(path, XDG, b"x")
    _sidecars_instead(daemon, ramfs, [path], words)


def test_a_file_whose_room_is_used_up_gets_a_sidecar(daemon, disk, tmp_path, pictures, words):
    """A file with attributes up to the last byte that ext4 has for them gets a sidecar; its attributes stay as they are."""
    place = tmp_path / "stick"
    disk("stick").mount(place)
    path, other = pictures.one(place / "a.jpg"), pictures.one(place / "b.jpg")
    for size in (900, 400, 200, 100, 50, 20, 8):
        with contextlib.suppress(OSError):
            os.setxattr(path, f"user.fill{size}", b"x" * size)
    before = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    _sidecars_instead(daemon, place, [path], words, other)
    assert {name: os.getxattr(path, name) for name in os.listxattr(path)} == before


def _sidecars_instead(daemon, place, files, words, *others):
    daemon.add(place)
    daemon.sync()
    answer = tag(daemon, words, paths=[os.fsencode(place)])
    beside = [row for row in answer.rows if row["carrier"] == "sidecar"]
    assert [row["path"] for row in beside] == list(map(os.fsencode, files))
    assert all(path.with_name(path.name + ".xmp").exists() for path in files)
    assert all("disk full" not in str(row).lower() for row in answer.rows)
    assert daemon.status()["warnings"] == []
    assert all(map(tags, others))
    daemon.ask(Untag(all=True))
    assert not any(path.with_name(path.name + ".xmp").exists() for path in files)
    daemon.remove(place)


def test_tags_go_on_after_a_pause(launch, tmp_path, pictures, words):
    """Files that waited for their tags when indexing was paused get them when it goes on, though nothing else changes."""
    folder = tmp_path / "paused"
    folder.mkdir()
    path = pictures.one(folder / "a.jpg")
    daemon = launch(tags={"write": ["xattr"], "threshold": 0.0, "vocabulary": os.fsdecode(words)})
    daemon.add(folder)
    caught_up(daemon)
    assert tags(path)
    os.removexattr(path, XDG)
    os.removexattr(path, OURS)
    daemon.ask(Pause())
    edited = path.with_name("saving.tmp")
    edited.write_bytes(pictures.bytes(".jpg"))
    os.replace(edited, path)
    daemon.ask(Resume())
    caught_up(daemon)
    assert tags(path)


def test_words_that_cannot_be_read_are_told(launch, tmp_path):
    """Settings that name a file of words which is not there do no harm, and every answer says what is wrong."""
    daemon = launch(tags={"write": ["xattr"], "vocabulary": str(tmp_path / "missing.txt")})
    while not daemon.status()["warnings"]:
        pass
    (warning,) = daemon.status()["warnings"]
    assert "missing.txt" in warning
