"""What files say of their pictures: written with them, searched by conditions and by words, and gone with them."""

import contextlib

import numpy as np
import pytest

from kadrd.store.catalogue import Catalogue
from kadrd.store.facts import Kind
from kadrd.store.folding import folded, sought
from kadrd.store.reader import Reader
from kadrd.store.selection import Selection
from kadrd.values import Encoded, Facts, Place, Skipped, Stat

MODEL = "f" * 32
KYIV = Place(703448, "Kyiv", "Kyiv City", "Ukraine", ("Kyiv", "Kiev", "Киев", "Київ", "Ukraine", "Україна"))
BEACH = Facts(
    taken=1_717_245_000, offset=180, make="Canon", model="Canon EOS 5D", latitude=50.45, longitude=30.52, rating=4,
    title="A walk on the beach", keywords=("Family", "Places/Sea"), tags=("holiday",), people=("Олена",),
)  # fmt: skip


class Shelf:
    """A catalogue that is filled by hand."""

    def __init__(self, path):
        self.catalogue, self.reader = Catalogue(path), Reader(path)
        with self.catalogue.transaction():
            self.catalogue.tree.add_root(b"/r", 1, 1)
            self.folder = self.catalogue.tree.add_folder(self.catalogue.tree.roots()[0].id, b"/r").id
        self.model_id, self._count = self.catalogue.model_id(MODEL, "tiny"), 0

    def add(self, name, facts=None, place=None, picture=None, key=None):
        """(file, picture) of a new file; it shows *picture* where that is given, else one of its own."""
        self._count += 1
        stat = Stat(self._count, self._count * 10**9, 3, self._count)
        with self.catalogue.transaction():
            (file_id,) = self.catalogue.tree.add_files(self.folder, [(name, stat)])
            if picture is None:
                encoded = Encoded(4, 3, "PNG", {MODEL: np.eye(8, dtype=np.float32)[self._count % 8]})
                picture = self.catalogue.add_picture(b"essence %d" % self._count, encoded)
                self.catalogue.add_vector(self.model_id, picture, encoded, MODEL)
            self.catalogue.indexed(file_id, stat, picture, key or b"key %d" % self._count)
            if facts is not None:
                self.catalogue.facts.put(file_id, facts, place)
        return file_id, picture

    def found(self, words, condition="", *values):
        chosen = Selection(self.reader, condition, values)
        return [file_id for file_id, _, _ in chosen.worded(words, 10)]


@pytest.fixture
def shelf(tmp_path):
    made = Shelf(str(tmp_path / "catalogue.sqlite"))
    with contextlib.closing(made.catalogue), contextlib.closing(made.reader):
        yield made


def test_hits_tell_what_the_file_says(shelf):
    """A file is shown with its date, camera, place and labels."""
    file_id, picture = shelf.add(b"IMG_1.jpg", BEACH, KYIV)
    ((shown,),) = Selection(shelf.reader).of_pictures([picture]).values()
    assert (shown.path, shown.taken, shown.taken_offset, shown.model) == (
        b"/r/IMG_1.jpg", 1_717_245_000, 180, "Canon EOS 5D",
    )  # fmt: skip
    assert (shown.city, shown.region, shown.country) == ("Kyiv", "Kyiv City", "Ukraine")
    assert Selection(shelf.reader).labels([file_id]) == {
        file_id: [
            (Kind.TAG, "holiday"),
            (Kind.KEYWORD, "Family"),
            (Kind.KEYWORD, "Places/Sea"),
            (Kind.PERSON, "Олена"),
        ]
    }


def test_everything_that_is_kept_of_a_file(shelf):
    """All that was read of a file can be had again, by its path; of what is not shown nothing."""
    told = BEACH._replace(
        lens="EF 50mm", software="GIMP", iso=800, aperture=2.8, exposure=0.004, focal=50.0, altitude=-3.5, orientation=6,
        description="Two lines\nof words",
    )  # fmt: skip
    shelf.add(b"full.jpg", told, KYIV)
    shelf.add(b"bare.jpg", Facts())
    shelf.add(b"unread.jpg")
    names = [b"full.jpg", b"bare.jpg", b"unread.jpg", b"none.jpg"]
    said = Selection(shelf.reader).said([b"/r/" + name for name in names] + [b"/elsewhere/full.jpg"])
    assert set(said) == {b"/r/full.jpg", b"/r/bare.jpg"}
    assert said[b"/r/full.jpg"] == (1, "PNG", told)
    assert said[b"/r/bare.jpg"].facts == Facts()


@pytest.mark.parametrize(
    "word",
    ["walking", "Beaches", "families", "sea", "HOLIDAY", "Олену", "Киеве", "Київ", "Ukraine", "1", "img"],
)
def test_every_word_is_found(shelf, word):
    """A word of the title, of a label, of the place in each language, or of the file's name finds the file, whatever its
    ending.
    """
    file_id, _ = shelf.add(b"IMG_1.jpg", BEACH, KYIV)
    shelf.add(b"DSC_2.jpg", Facts())
    assert shelf.found(sought(folded(word))) == [file_id]


def test_condition_and_words(shelf):
    """Words are looked for among the files of a condition alone."""
    first, _ = shelf.add(b"a.jpg", BEACH)
    second, _ = shelf.add(b"b.jpg", BEACH._replace(rating=1))
    assert set(shelf.found('"beach"')) == {first, second}
    assert shelf.found('"beach"', "rating > ?", 2) == [first]


def test_new_facts_replace_the_old(shelf):
    """A word that was taken away finds nothing any more."""
    file_id, _ = shelf.add(b"a.jpg", BEACH, KYIV)
    with shelf.catalogue.transaction():
        shelf.catalogue.facts.put(file_id, Facts(title="mountain"), None)
    assert shelf.found('"beach" OR "ukrain" OR "holiday"') == []
    assert shelf.found('"mountain"') == [file_id]


def test_facts_move_with_the_file(shelf):
    """A file that was moved says what it said, under its new name."""
    source, picture = shelf.add(b"old.jpg", BEACH, KYIV)
    moved, _ = shelf.add(b"sunset.jpg", None, picture=picture)
    with shelf.catalogue.transaction():
        shelf.catalogue.facts.copy(source, moved)
        shelf.catalogue.tree.forget([source])
    assert shelf.found('"beach"') == shelf.found('"sunset"') == [moved]
    assert shelf.found('"old"') == []
    assert [label for _, label in Selection(shelf.reader).labels([moved])[moved]] == [
        "holiday", "Family", "Places/Sea", "Олена",
    ]  # fmt: skip


def test_nothing_is_left_of_a_file(shelf):
    """A file that is forgotten, or shows no picture any more, leaves neither facts nor words."""
    gone, _ = shelf.add(b"a.jpg", BEACH, KYIV)
    failed, _ = shelf.add(b"b.jpg", BEACH, KYIV)
    with shelf.catalogue.transaction():
        shelf.catalogue.tree.forget([gone])
        shelf.catalogue.failed(failed, None, Skipped("damaged", "It is damaged."), None)
    for table in ("facts", "labels", "texts"):
        assert shelf.reader.ask(f"SELECT count(*) FROM {table}") == [(0,)]
    assert shelf.reader.damage() == ""


def test_newest_first(shelf):
    """A list goes by the day a picture was taken, and by the file's time where it does not say."""
    early, _ = shelf.add(b"early.jpg", Facts(taken=100))
    late, _ = shelf.add(b"late.jpg", Facts(taken=10**9))
    silent, _ = shelf.add(b"silent.jpg", Facts())
    chosen = Selection(shelf.reader)
    assert chosen.listed("date", 10) == [late, early, silent]
    assert chosen.listed("name", 2) == [early, late]
    assert [file.file_id for file in chosen.of_files([silent, late])] == [silent, late]


def test_pictures_and_files_of_a_condition(shelf):
    """A picture belongs to a condition when one of its files does, and is shown by that file."""
    first, picture = shelf.add(b"a.jpg", BEACH)
    shelf.add(b"b.jpg", Facts(), picture=picture)
    _, other = shelf.add(b"c.jpg", Facts())
    chosen = Selection(shelf.reader, "rating = ?", (4,))
    assert chosen.some(10).tolist() == [picture]
    assert chosen.among([picture, other]) == {picture}
    assert [file.file_id for file in chosen.of_pictures([picture, other])[picture]] == [first]


def test_doubles(shelf):
    """Every file of a picture that two files show is told, with its key."""
    first, picture = shelf.add(b"a.jpg", key=b"same")
    second, _ = shelf.add(b"b.jpg", picture=picture, key=b"same")
    shelf.add(b"c.jpg")
    assert [(d.file_id, d.file_key) for d in Selection(shelf.reader).doubles()] == [
        (first, b"same"),
        (second, b"same"),
    ]


def test_offline_shows_nothing(shelf):
    """Files of a disk that is away belong to no answer."""
    shelf.add(b"a.jpg", BEACH)
    with shelf.catalogue.transaction():
        shelf.catalogue.tree.set_online(shelf.catalogue.tree.roots()[0].id, online=False)
    assert Selection(shelf.reader).listed("date", 10) == []
    assert shelf.found('"beach"') == []
