"""Words as they are compared: in three languages, however they are typed, with any ending."""

import sqlite3
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kadrd.store.folding import LEAST_BEGINNING, folded, forms, sought, stem, stems, words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ёлка", "елка"),
        ("ҐАНОК", "ганок"),
        ("обʼєктив", "об'єктив"),
        ("об’єктив", "об`єктив"),
        ("Café", "CAFE"),
        ("Cafe\u0301", "Café"),
        ("Straße", "STRASSE"),
        ("Ａｂｃ１", "abc1"),
        ("  New \t York\n", "new york"),
        ("ﬁne", "fine"),
    ],
)
def test_what_looks_the_same_is_the_same(one, other):
    """Case, accents, apostrophes, widths and blanks make no difference."""
    assert folded(one) == folded(other)


@pytest.mark.parametrize(
    ("one", "other"), [("мій", "міи"), ("їжак", "іжак"), ("кит", "кіт"), ("wit", "with")]
)
def test_letters_of_their_own_stay(one, other):
    """й, ї and і are letters and no accents: words that differ in them are different."""
    assert folded(one) != folded(other)


def one_case(text):
    """Whether it still has one case when it is taken apart: ㎀ and ™ become capitals. What is compared is folded once, both of it."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return apart == apart.casefold()


@given(st.text().filter(one_case))
@example("Ёлка  CAFÉ")
def test_folding_twice_changes_nothing(text):
    """What was folded is folded; any text can be, and has single blanks and none at its ends."""
    once = folded(text)
    assert folded(once) == once
    assert once == " ".join(once.split())


@given(st.text())
def test_any_text_has_stems(text):
    """Every word has a stem, in order, and nothing else has."""
    assert len(stems(text)) == len(words(text))
    assert all(stems(text))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("IMG_2041.JPG", ["img", "2041", "jpg"]),
        ("sunSet-01", ["sunset", "01"]),
        ("don't stop", ["don't", "stop"]),
        ("п'ятниця, 13", ["п'ятниця", "13"]),
        ("...", []),
    ],
)
def test_words(text, parts):
    """A number is a word by itself; an apostrophe inside a word belongs to it."""
    assert words(text) == parts


@pytest.mark.parametrize(
    "same",
    [
        ["dog", "dogs", "Dogs"],
        ["run", "running", "runs"],
        ["кошка", "кошки", "кошку", "КОШКЕ"],
        ["снег", "снегу", "снега"],
        ["гора", "горы", "горами"],
        ["кішка", "кішки", "кішку"],
        ["сніг", "снігу", "снігом"],
    ],
)
def test_endings_make_no_difference(same):
    """The forms of one word have one stem."""
    assert len({stem(folded(word)) for word in same}) == 1


@pytest.mark.parametrize(
    ("russian", "ukrainian"), [("кино", "кіно"), ("снег", "снег"), ("мир", "мір"), ("гарний", "ґарний")]
)
def test_one_alphabet_for_two_languages(russian, ukrainian):
    """Ukrainian letters are read as the Russian ones in the same words."""
    assert stems(russian) == stems(ukrainian)


def finds(query, text):
    """Whether the word *query* finds *text*, by SQLite's full-text search and the columns that the catalogue has."""
    with sqlite3.connect(":memory:") as connection:
        connection.execute(
            "CREATE VIRTUAL TABLE texts USING fts5 (title, forms, tokenize = 'unicode61 remove_diacritics 0')"
        )
        connection.execute("INSERT INTO texts VALUES (?, ?)", (" ".join(stems(text)), " ".join(forms(text))))
        rows = connection.execute("SELECT 1 FROM texts WHERE texts MATCH ?", (sought(folded(query)),))
        found = rows.fetchone() is not None
    connection.close()
    return found


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("dogs", "a dog in the snow"),
        ("dog", "Dogs running"),
        ("Киев", "Вечер в Киеве"),
        ("Киеве", "Киев"),
        ("Києву", "у Києві"),
        ("кошка", "чёрные кошки"),
        ("кішка", "чорні кішки"),
        ("2041", "IMG_2041.jpg"),
        ("об'єктив", "обʼєктиви"),
        ("café", "Cafe"),
    ],
)
def test_a_word_finds_its_forms(query, text):
    """A word is found in any case and with any ending, names too."""
    assert finds(query, text)


@pytest.mark.parametrize(
    ("query", "text"),
    [("car", "carpets"), ("кот", "котёл"), ("дом", "домино"), ("204", "IMG_2041.jpg"), ("sun", "monday")],
)
def test_a_word_finds_no_other(query, text):
    """A short word does not find those that merely begin with it."""
    assert not finds(query, text)


@given(st.text(min_size=1).map(folded).filter(words))
def test_every_word_finds_itself(text):
    """Whatever a text holds, each of its words finds it, and no word is a mistake to SQLite."""
    assert all(finds(word, text) for word in words(text)[:5])


def test_short_stems_have_no_beginnings():
    """Only a stem of four letters or more finds what begins with it."""
    assert LEAST_BEGINNING == 4
    assert "*" not in sought("кот")
    assert sought("киеве").endswith('"киев"*)')
    assert "*" not in sought("running")
