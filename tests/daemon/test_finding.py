"""Questions through the real daemon: lists and rankings, groups, doubles, saved searches, and searches that go on."""

import os
import shutil
import threading
from pathlib import Path

import pytest

from kadr.protocol import errors
from kadr.protocol.facts import Facts
from kadr.protocol.messages import Dups, Hit, Item, Progress, Save, Saved, Search, Similar, Unsave

PATIENCE = 45


def names(rows):
    return [os.path.basename(os.fsdecode(row["path"])) for row in rows]


def test_every_match_is_listed(daemon, root, pictures):
    """Filters alone list every match, more than a page of them, and a limit cuts the list."""
    files = pictures.many(root, 23)
    for number in range(1100):
        os.link(files[0], root / f"link{number:04}.jpg")
    daemon.sync()
    assert len(daemon.ask(Search("ext:jpg,png,webp")).rows) == 1123
    assert len(daemon.ask(Search("name:link*", sort="name")).rows) == 1100
    assert names(daemon.ask(Search("name:link*", limit=2, sort="name")).rows) == [
        "link0000.jpg",
        "link0001.jpg",
    ]


def test_ten_by_default(daemon, root, pictures):
    """Where words rank, ten answers come unless another number is asked for."""
    pictures.many(root, 15)
    daemon.sync()
    assert len(daemon.ask(Search("red", min_score=0)).rows) == 10
    assert len(daemon.ask(Search("red", 12, min_score=0)).rows) == 12


def test_nothing_close(launch, pictures, tmp_path):
    """Where the best answer is far away nothing is shown, and how far it was is told."""
    daemon = launch()  # of its own: pictures of other tests would be part of what scores are measured against
    daemon.add(pictures.many(tmp_path / "root", 40)[0].parent)
    daemon.sync()
    answer = daemon.ask(Search("tax law"))
    shown = daemon.ask(Search("tax law", min_score=0))
    assert (answer.rows, answer.body["close"]) == ([], False)
    assert answer.body["best"] == shown.rows[0]["score"] < 0.2
    assert len(shown.rows) == 10


def test_ready_before_anybody_asks(launch):
    """What scores are measured against is made after a start by itself, so that the first question does not wait for it."""
    daemon = launch()
    kept = Path(daemon.home.paths.cache, "phrases")
    while not list(kept.glob("*.npy")):
        daemon.status()  # until the test's own time is over


def test_words_of_names_and_tags(daemon, root, pictures):
    """A word that stands in a file's name finds it, however far the model thinks it is."""
    pictures.many(root, 12)
    pictures.one(root / "Grandmother's garden.jpg")
    daemon.sync()
    assert names(daemon.ask(Search("gardens", by="words")).rows) == ["Grandmother's garden.jpg"]
    assert names(daemon.ask(Search("gardens")).rows)[0] == "Grandmother's garden.jpg"
    assert daemon.ask(Search("helicopter", by="words")).rows == []


def test_a_word_that_was_written_is_an_answer(daemon, root, pictures):
    """In a library of two, where a word tells little and the model thinks little of both, the file with the word is shown alone."""
    pictures.one(root / "grandmother.jpg")
    pictures.one(root / "other.jpg")
    daemon.sync()
    for by in ("words", "both"):
        answer = daemon.ask(Search("grandmother", by=by))
        assert (names(answer.rows), answer.body["close"]) == (["grandmother.jpg"], True)


def test_what_is_taken_away_alone(daemon, root, pictures):
    """A question that only takes a meaning away has answers: what is farthest from it."""
    pictures.many(root, 4)
    daemon.sync()
    answer = daemon.ask(Search("- dog"))
    assert (len(answer.rows), answer.body["close"]) == (4, True)


def test_explained(daemon, root, pictures):
    """An explained answer tells the way, the counts, the time of each step, and why each hit is there."""
    pictures.many(root, 5)
    daemon.sync()
    rows, body = daemon.ask(Search("red ext:jpg", min_score=0, explain=True))
    assert body["plan"]["way"] == "exact"
    assert body["plan"]["matches"] == len(rows) == 2
    assert {"parse", "meaning", "search", "files"} <= body["plan"]["stages_ms"].keys()
    assert all(-1 <= row["why"]["cosine"] <= 1 for row in rows)


def test_composed_questions(daemon, root, pictures):
    """Pictures and words are added and taken away; a picture and itself taken away leave nothing to look for."""
    files = pictures.many(root, 6)
    daemon.sync()
    here = os.fsencode(root)
    assert names(daemon.ask(Search(f"like:{files[2].name}", cwd=here)).rows)[0] == files[2].name
    assert len(daemon.ask(Search(f"./{files[2].name} + 0.1:snow - grass", cwd=here, min_score=0)).rows) == 6
    with pytest.raises(errors.BadParameter):
        daemon.ask(Search(f"./{files[2].name} - ./{files[2].name}", cwd=here))
    with pytest.raises(errors.NotFound):
        daemon.ask(Search("./nowhere.jpg", cwd=here))


def test_similar_under_a_filter(daemon, root, pictures):
    """What looks like a picture can be looked for among some files only."""
    files = pictures.many(root, 9)
    daemon.sync()
    rows = daemon.ask(Similar(os.fsencode(files[0]), text="ext:png")).rows
    assert sorted(names(rows)) == [file.name for file in files if file.suffix == ".png"]


def test_groups(daemon, root, pictures):
    """Nearly equal pictures stand together under the name of the first."""
    files = pictures.many(root, 4)
    for number in range(3):
        shutil.copy(files[0], root / f"copy{number}.jpg")
    daemon.sync()
    rows = daemon.ask(Search("red", min_score=0, group="near")).rows
    mine = [
        row["group"]
        for row in rows
        if row["picture"] == next(r["picture"] for r in rows if r["path"] == os.fsencode(files[0]))
    ]
    assert len(mine) == 4
    assert len(set(mine)) == 1
    assert {row["group"] for row in daemon.ask(Search("ext:jpg", group="day")).rows} == {"no date"}


def test_doubles_of_three_kinds(daemon, root, pictures, edit):
    """Equal bytes, equal pictures and near ones are told apart, and near ones only when asked for."""
    file = pictures.one(root / "a.jpg")
    pictures.many(root / "others", 3)
    shutil.copy(file, root / "b.jpg")
    (root / "c.jpg").write_bytes(edit.with_segment(file.read_bytes(), 0xFE, b"a comment"))
    daemon.sync()
    answer = daemon.ask(Dups())
    kinds = {}
    for row in answer.rows:
        kinds.setdefault((row["group"], row["kind"]), []).append(os.path.basename(os.fsdecode(row["path"])))
    assert sorted((kind, found) for (_, kind), found in kinds.items()) == [
        ("file", ["a.jpg", "b.jpg"]), ("picture", ["a.jpg", "b.jpg", "c.jpg"]),
    ]  # fmt: skip
    assert {row["kind"] for row in daemon.ask(Dups(near=0.01)).rows} == {"file", "picture", "near"}
    assert daemon.ask(Dups("in:others", cwd=os.fsencode(root))).rows == []
    with pytest.raises(errors.QueryError, match="Words rank"):
        daemon.ask(Dups("ext:jpg beach"))


def test_all_that_files_say(daemon, root, pictures, edit):
    """Who asks for all that files say gets it with every row, of every page; who does not gets no more than before."""
    plain = pictures.one(root / "plain.png")
    told = pictures.one(root / "told.jpg")
    xmp = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description
      xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/" xmp:Rating="4">
      <dc:subject><rdf:Bag><rdf:li>sea</rdf:li></rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"""
    (root / "told.jpg.xmp").write_text(xmp)
    for number in range(600):
        os.link(plain, root / f"link{number}.png")
    daemon.sync()
    rows = {
        os.path.basename(row["path"]): row
        for row in daemon.ask(Search("in:.", cwd=os.fsencode(root), facts=True)).rows
    }
    assert len(rows) == 602
    said = rows[b"told.jpg"]
    assert (said["rating"], said["keywords"], said["tags"], said["people"]) == (4, ["sea"], ["sea"], [])
    assert (said["size"], said["format"], said["iso"]) == (told.stat().st_size, "jpeg", None)
    assert all(set(Facts._fields) <= row.keys() for row in rows.values())
    assert {row["format"] for name, row in rows.items() if name.startswith(b"link")} == {"png"}
    (usual,) = daemon.ask(Search("rating:4")).rows
    assert usual.keys() == set(Hit._fields)


def test_a_saved_folder_stays_the_folder(daemon, root, pictures):
    """A search that was saved in one folder finds the same from another."""
    pictures.one(root / "a" / "one.png")
    pictures.one(root / "b" / "two.png")
    daemon.sync()
    body = daemon.ask(Save("here", "in:a", os.fsencode(root))).body
    assert body["text"] == f'in:"{root}/a"'
    assert names(daemon.ask(Search("saved:here", cwd=os.fsencode(root / "b"))).rows) == ["one.png"]
    assert names(daemon.ask(Search("saved:here")).rows) == ["one.png"]
    daemon.ask(Unsave("here"))


def test_saved_searches(launch, pictures, tmp_path):
    """A saved search answers like its text, also after a restart, beside more words; a wrong one is refused at once."""
    daemon = launch()
    folder = tmp_path / "root"
    pictures.many(folder, 6)
    daemon.add(folder)
    daemon.sync()
    daemon.ask(Save("pngs", "ext:png"))
    with pytest.raises(errors.QueryError):
        daemon.ask(Save("bad", "lnes:50"))
    daemon.restart()
    assert daemon.ask(Saved()).body["searches"] == [{"name": "pngs", "text": "ext:png"}]
    wanted = names(daemon.ask(Search("ext:png")).rows)
    assert names(daemon.ask(Search("saved:pngs")).rows) == wanted
    assert sorted(wanted) == ["0001.png", "0004.png"]
    assert sorted(names(daemon.ask(Search("red saved:pngs", min_score=0)).rows)) == sorted(wanted)
    assert daemon.ask(Unsave("pngs")).body["text"] == "ext:png"
    with pytest.raises(errors.BadParameter):
        daemon.ask(Unsave("pngs"))


def test_followed(daemon, root, pictures):
    """A search that goes on tells what comes into it and what goes out of it, and ends when the client has had enough."""
    first = pictures.one(root / "first.png")
    pictures.one(root / "other.jpg")
    daemon.sync()
    events, told = [], threading.Condition()

    def listen(connection):
        try:
            for reply in connection.ask(Search("ext:png", follow=True), PATIENCE):
                rows = reply.rows if isinstance(reply, Item) else []
                with told:
                    events.extend((row["event"], os.path.basename(os.fsdecode(row["path"]))) for row in rows)
                    if isinstance(reply, Progress):
                        events.append(("follow", ""))
                    told.notify_all()
        except (errors.KadrError, OSError):
            pass  # closed from this end

    def hears(*wanted):
        with told:
            assert told.wait_for(lambda: set(wanted) <= set(events), PATIENCE), events

    connection = daemon.connect()
    thread = threading.Thread(target=listen, args=(connection,))
    thread.start()
    hears(("new", "first.png"), ("follow", ""))
    pictures.one(root / "second.png")
    daemon.sync()
    hears(("new", "second.png"))
    first.unlink()
    daemon.sync()
    hears(("gone", "first.png"))
    assert ("new", "other.jpg") not in events
    connection._socket.shutdown(2)
    thread.join(PATIENCE)
    connection.close()
    assert not thread.is_alive()
