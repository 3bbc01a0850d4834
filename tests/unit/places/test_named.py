"""Whoever writes the name of a place, in whatever language of kadr's, case and ending, means that place."""

import pytest

MEANT = {
    "Kyiv": ["Kyiv", "KIEV", "kyiv", "Київ", "Киев", "КИЇВ", "в Киеве", "у Києві", "біля Києва", "near Kyiv"],
    "Lviv": ["Lviv", "Lvov", "Львів", "Львов", "біля Львова", "у Львові", "во Львове"],
    "Kharkiv": ["Kharkov", "Харків", "Харкові", "Харькове", "из Харькова"],
    "Odesa": ["Odessa", "Odesa", "Одессе", "Одесі"],
    "Dnipro": ["Дніпро", "Днепр", "Днепропетровск"],
    "Zaporizhzhya": ["Запоріжжя", "Запорожье", "у Запоріжжі"],
    "Chernivtsi": ["Чернівці", "в Чернівцях", "Черновцах"],
    "Saint Petersburg": ["Санкт-Петербург", "санкт петербург", "в Петербурге", "Питер", "St-Petersburg".replace("St", "Saint")],
    "New York": ["New York", "new-york", "Нью-Йорк", "в Нью-Йорке", "у Нью-Йорку"],
    "Cologne": ["Cologne", "Köln", "Koln", "Кёльн", "кельн"],
    "Reykjavik": ["Reykjavík", "Рейк'явік", "Рейк’явік"],
    "Florence": ["Florence", "Firenze", "Флоренция"],
    "Beijing": ["Beijing", "Peking", "Пекин"],
    "Autonomous Republic of Crimea": ["Крым", "в Крыму", "Крим", "у Криму", "Crimea"],
    "Bavaria": ["Bavaria", "Баварія", "в Баварии"],
    "Ukraine": ["Ukraine", "Украина", "в Україні", "УКРАЇНА"],
    "United States": ["USA", "США", "Америка", "United States"],
    "United Kingdom": ["UK", "Britain", "Великобритания"],
    "Georgia": ["Georgia", "Грузія", "в Грузии"],
}  # fmt: skip
TRUE = {
    "Autonomous Republic of Crimea": "region",
    "Bavaria": "region",
    "Georgia": "country",
    "Ukraine": "country",
}


@pytest.mark.parametrize(("meant", "text"), [(name, text) for name, texts in MEANT.items() for text in texts])
def test_meant(earth, meant, text):
    """The first place of a name is the one that most people mean by it."""
    first = earth.named(text)[0]
    assert first.name == meant
    assert first.kind == TRUE.get(meant, first.kind)


def test_where(earth):
    """A name is a position; that of a region or a country is its largest city's."""
    (kyiv,) = earth.named("Kyiv")
    assert (round(kyiv.latitude, 1), round(kyiv.longitude, 1)) == (50.5, 30.5)
    assert (kyiv.country, kyiv.kind) == ("Ukraine", "city")
    assert kyiv.population > 2_000_000
    (ukraine,) = earth.named("Україна")
    assert (ukraine.latitude, ukraine.longitude) == (kyiv.latitude, kyiv.longitude)


def test_of_several_the_largest_comes_first(earth):
    """Of many places of one name the largest comes first, and each is told with its country."""
    found = earth.named("San Jose")
    assert len(found) > 5
    assert [place.population for place in found] == sorted((p.population for p in found), reverse=True)
    assert {"United States", "Costa Rica"} <= {place.country for place in found}


def test_a_region_of_the_same_name(earth):
    """Who writes Kyiv or New York means the city, and a circle around it is not one around the region."""
    for text in ("Kyiv", "New York", "Lviv", "Венеция"):
        assert {place.kind for place in earth.named(text)} == {"city"}


@pytest.mark.parametrize(
    "text", ["", "   ", "-", "xyzzy", "в", "близько", "\0", "🏙", "a" * 5000, "%", "' OR 1=1"]
)
def test_no_such_place(earth, text):
    """What is no name of a place has no position, however strange it is."""
    assert earth.named(text) == ()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("Kyjv", "Kyiv"), ("Харьоков", "Харьков"), ("Полатва", "Полтава"), ("Нью-Йрок", "Нью-Йорк"), ("Londno", "London")],
)  # fmt: skip
def test_a_slip_of_the_hand(earth, typed, meant):
    """A name with one letter wrong is known again, and told in the letters that it was typed in."""
    assert earth.nearest(typed) == meant


@pytest.mark.parametrize("text", ["", "Kyi", "xqzwxqzw", "б" * 2000])
def test_nothing_like_it(earth, text):
    """Nothing is guessed for what is short or like no place."""
    assert earth.nearest(text) == ""
