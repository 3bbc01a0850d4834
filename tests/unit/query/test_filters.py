"""Filters as SQL: whatever is asked together, the answer is that of a look at every file.

The catalogues are real and random. What a file has to be for a filter is written here a second time, in Python and from the
facts, so that parser and SQL are checked against what docs/query.md says, and not against each other.
"""

# ruff: noqa: DTZ001, DTZ006 - Cyrillic letters look like Latin ones; clocks on walls have no zone
from __future__ import annotations

import fnmatch
import functools
import itertools
import math
import os
import random
import sqlite3
import time
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kadrd.query.expression import written
from kadrd.query.filters import condition
from kadrd.query.parse import condition_of, parse
from kadrd.store import schema
from kadrd.store.facts import FactsTable
from kadrd.store.reader import Reader
from kadrd.store.selection import Selection
from kadrd.values import Facts, Place

EPOCH = datetime(1970, 1, 1)
KYIV, LVIV, SUVA = (50.4501, 30.5234), (49.8397, 24.0297), (-18.1416, 178.4419)
FOLDERS = (
    "/home/me/Pictures",
    "/home/me/Pictures/Exports",
    "/home/me/Pictures-old",
    "/home/me/pic/EXPORTS/Ёлка 1",
    "/srv",
)
NAMES = ("IMG_20{n}.JPG", "img-{n}.jpeg", "Café {n}.png", "ЁЖ{n}.Tif", "a[{n}]?.webp", "100%_{n}.jpg")
CAMERAS = (
    ("Canon", "Canon EOS 5D"),
    ("NIKON CORPORATION", "NIKON D70"),
    ("Apple", "iPhone 7"),
    ("", ""),
    ("Зенит", "Ё-1"),
)
LENSES = ("EF50mm f/1.8 II", "50.0 mm f/1.4", "24-70mm", "", "Гелиос-44")
PROGRAMS = ("GIMP 2.10", "gimp", "Фоторедактор", "", "Adobe Lightroom")
TAGS = ("Holiday", "holiday/beach", "Trip/Holiday/Sea", "holidays", "café", "Ёлка", "a*b", "a b")
PEOPLE = ("Olena Kovalenko", "olena", "Petro", "Anna-Maria", "Іван")
TITLES = ("", "Two dogs", "A dog and old cats", "Кошки на снегу", "sunset", "the old dog", "dogmatic")
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "BMP", "DIB", "HEIF", "RAW")
PLACES = (
    Place(1, "Kyiv", "Kyiv City", "Ukraine", ("Kyiv", "Киев", "Київ", "Ukraine", "Украина", "Україна")),
    Place(2, "Lviv", "Lviv Oblast", "Ukraine", ("Lviv", "Львов", "Львів", "Ukraine", "Украина", "Україна")),
    Place(3, "Suva", "Central", "Fiji", ("Suva", "Сува", "Fiji", "Фиджи", "Фіджі")),
)


class File(NamedTuple):
    """A file as it lies on the disk, and what it says; nothing when it was not read yet."""

    folder: str
    name: str
    size: int
    changed: datetime
    beside: int
    width: int
    height: int
    format: str
    facts: Facts | None
    place: Place | None

    @property
    def taken(self):
        return (
            EPOCH + timedelta(seconds=self.facts.taken)
            if self.facts and self.facts.taken is not None
            else None
        )

    @property
    def labels(self):
        return (*self.facts.tags, *self.facts.keywords) if self.facts else ()


# Random files


def drawn(seed):
    """Some dozens of files; what can be missing often is."""
    draw = random.Random(seed)

    def perhaps(value, share=0.7):
        return value if draw.random() < share else None

    def somewhere():
        latitude, longitude = draw.choice((KYIV, LVIV, SUVA, (89.9, 10.0), (0.0, 180.0), (-89.99, -70.0)))
        spread = draw.choice((0.01, 0.2, 2.0))
        latitude = min(90.0, max(-90.0, latitude + draw.uniform(-spread, spread)))
        return latitude, (longitude + draw.uniform(-spread, spread) + 180) % 360 - 180

    def some(of, most):
        return tuple(draw.sample(of, draw.randint(0, most)))

    files = []
    for number in range(40):
        position = perhaps(somewhere()) or (None, None)
        taken = draw.choice((0, 1640995199, 1718409600, 1718452800)) + draw.randint(-400, 400) * draw.choice(
            (1, 3600, 86400)
        )
        make, model = draw.choice(CAMERAS)
        facts = Facts(
            taken=perhaps(taken), make=make, model=model, lens=draw.choice(LENSES), software=draw.choice(PROGRAMS),
            iso=perhaps(draw.choice((100, 200, 800, 801, 3200))), aperture=perhaps(draw.choice((1.8, 2.8, 4.0, 5.6))),
            exposure=perhaps(draw.choice((1 / 250, 10 / 601, 0.5, 2.0))), focal=perhaps(draw.choice((24.0, 50.0, 50.3, 200.0))),
            latitude=position[0], longitude=position[1], altitude=perhaps(draw.choice((-3.0, 0.0, 150.0, 2061.5))),
            rating=perhaps(draw.choice((-1, 0, 1, 4, 5))), title=draw.choice(TITLES), description=draw.choice(TITLES),
            keywords=some(TAGS, 2), tags=some(TAGS, 2), people=some(PEOPLE, 2),
        )  # fmt: skip
        width, height = draw.choice(((4000, 3000), (3000, 4000), (1080, 1080), (1920, 1080)))
        files.append(
            File(
                draw.choice(FOLDERS), draw.choice(NAMES).format(n=number), draw.choice((900, 1_000_000, 2_450_000, 2_600_000)),
                datetime(2024, 6, 15) - timedelta(seconds=draw.randint(0, 900 * 86400)), draw.randint(0, 1), width, height,
                draw.choice(FORMATS), perhaps(facts, 0.9), perhaps(draw.choice(PLACES)) if position[0] is not None else None,
            )
        )  # fmt: skip
    return files


def stored(files, path):
    """A catalogue of *files*, numbered from 1."""
    connection = schema.open_for_writing(path)
    connection.execute("INSERT INTO roots VALUES (1, x'2f', 1, 1, 1, NULL)")
    for id_, folder in enumerate(FOLDERS, 1):
        connection.execute("INSERT INTO folders (id, root_id, path) VALUES (?, 1, ?)", (id_, folder.encode()))
    table = FactsTable(connection)
    for id_, file in enumerate(files, 1):
        changed = int(time.mktime(file.changed.timetuple())) * 10**9 + 500
        connection.execute(
            "INSERT INTO pictures VALUES (?, ?, ?, ?, ?, NULL)",
            (id_, b"%d" % id_, file.width, file.height, file.format),
        )
        connection.execute(
            "INSERT INTO files (id, folder_id, name, size, mtime_ns, ctime_ns, inode, state, ticket, picture_id, beside) "
            "VALUES (?, ?, ?, ?, ?, 0, 0, 1, 0, ?, ?)",
            (id_, FOLDERS.index(file.folder) + 1, file.name.encode(), file.size, changed, id_, file.beside),
        )
        if file.facts:
            table.put(id_, file.facts, file.place)
    connection.close()
    return Reader(path)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    """(files, reader) of a seed, in a zone with summer time."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Europe/Kyiv"
    time.tzset()

    @functools.cache
    def of(seed):
        files = drawn(seed)
        # A clock that is put forward leaves an hour out: what was changed in it was changed an hour later.
        files = [
            file._replace(changed=datetime.fromtimestamp(time.mktime(file.changed.timetuple())))
            for file in files
        ]
        return files, stored(files, str(tmp_path_factory.mktemp("catalogue") / "catalogue.sqlite"))

    yield of
    os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
    time.tzset()


# What filters ask, in the words of docs/query.md


class Asked(NamedTuple):
    """A piece of a query, and which files it means. `binds` is how close: 2 alone, 1 with AND, 0 with OR."""

    text: str
    holds: object
    binds: int = 2


def about(text, holds):
    """A filter on what the file says: one that says nothing does not match."""
    return Asked(text, lambda file: file.facts is not None and bool(holds(file)))


def known(value, holds):
    return value is not None and holds(value)


def km(one, other):
    """By the angle between two directions from the middle of the earth."""

    def direction(latitude, longitude):
        a, b = math.radians(latitude), math.radians(longitude)
        return math.cos(a) * math.cos(b), math.cos(a) * math.sin(b), math.sin(a)

    across = math.dist(direction(*one), direction(*other))
    return 2 * 6371.0088 * math.asin(min(1.0, across / 2))


def near(file, spot, radius):
    return file.facts.latitude is not None and km((file.facts.latitude, file.facts.longitude), spot) <= radius


def runs(whole, between):
    """Every whole part of something: A/B and B of A/B."""
    parts = whole.casefold().replace("é", "e").replace("ё", "е").split(between)
    return {between.join(parts[i:j]) for i, j in itertools.combinations(range(len(parts) + 1), 2)}


def alike(text):
    return text.casefold().replace("é", "e").replace("ё", "е")


def summer(moment):
    return moment.month in (6, 7, 8)


FILTERS = (
    *(about(f"taken:{word}", lambda f: known(f.taken, summer)) for word in ("summer", "Лето", "влітку", "june..august")),
    about("taken:2022..2024-05", lambda f: known(f.taken, lambda t: datetime(2022, 1, 1) <= t < datetime(2024, 6, 1))),
    about("taken:2024-06-15", lambda f: known(f.taken, lambda t: t.date() == datetime(2024, 6, 15).date())),
    about("taken:15.06.2024", lambda f: known(f.taken, lambda t: t.date() == datetime(2024, 6, 15).date())),
    about("taken:06.2024", lambda f: known(f.taken, lambda t: (t.year, t.month) == (2024, 6))),
    about("taken:>2021", lambda f: known(f.taken, lambda t: t.year > 2021)),
    about("taken:..2021", lambda f: known(f.taken, lambda t: t.year <= 2021)),
    about("снято:<=2024-06-14", lambda f: known(f.taken, lambda t: t < datetime(2024, 6, 15))),
    about("taken:>=2024-06-15", lambda f: known(f.taken, lambda t: t >= datetime(2024, 6, 15))),
    about("taken:<1970", lambda f: known(f.taken, lambda t: t.year < 1970)),
    about("taken:2weeks", lambda f: known(f.taken, lambda t: datetime(2024, 6, 1) <= t < datetime(2024, 6, 16))),
    about('taken:"2 недели"', lambda f: known(f.taken, lambda t: datetime(2024, 6, 1) <= t < datetime(2024, 6, 16))),
    about("taken:4weeks..2weeks", lambda f: known(f.taken, lambda t: datetime(2024, 5, 18) <= t < datetime(2024, 6, 1))),
    about("taken:yesterday", lambda f: known(f.taken, lambda t: t.date() == datetime(2024, 6, 14).date())),
    about("taken:сегодня", lambda f: known(f.taken, lambda t: t.date() == datetime(2024, 6, 15).date())),
    about("taken:last-week", lambda f: known(f.taken, lambda t: datetime(2024, 6, 3) <= t < datetime(2024, 6, 10))),
    about('taken:"прошлым летом"', lambda f: known(f.taken, lambda t: datetime(2023, 6, 1) <= t < datetime(2023, 9, 1))),
    about("taken:last-winter", lambda f: known(f.taken, lambda t: datetime(2023, 12, 1) <= t < datetime(2024, 3, 1))),
    about("taken:last-spring", lambda f: known(f.taken, lambda t: datetime(2024, 3, 1) <= t < datetime(2024, 6, 1))),
    about('taken:"за позапрошлый год"', lambda f: known(f.taken, lambda t: t.year == 2022)),
    about('taken:"last month"', lambda f: known(f.taken, lambda t: (t.year, t.month) == (2024, 5))),
    about("taken:this-year", lambda f: known(f.taken, lambda t: t.year == 2024)),
    about("taken:winter", lambda f: known(f.taken, lambda t: t.month in (12, 1, 2))),
    about("taken:november..february", lambda f: known(f.taken, lambda t: t.month in (11, 12, 1, 2))),
    about("taken:weekend", lambda f: known(f.taken, lambda t: t.isoweekday() >= 6)),
    about("taken:monday..friday", lambda f: known(f.taken, lambda t: t.isoweekday() < 6)),
    about("taken:sunday", lambda f: known(f.taken, lambda t: t.isoweekday() == 7)),
    about("taken:субота", lambda f: known(f.taken, lambda t: t.isoweekday() == 6)),
    about("taken:evening", lambda f: known(f.taken, lambda t: 17 <= t.hour < 22)),
    about("taken:night", lambda f: known(f.taken, lambda t: t.hour >= 22 or t.hour < 5)),
    about('taken:"summer evening 2024"', lambda f: known(f.taken, lambda t: summer(t) and 17 <= t.hour < 22 and t.year == 2024)),
    Asked("changed:2023", lambda f: f.changed.year == 2023),
    Asked("changed:>=10days", lambda f: f.changed >= datetime(2024, 6, 5)),
    Asked("изменено:36h", lambda f: f.changed >= datetime(2024, 6, 14, 0, 30)),
    Asked("changed:<2023-06-15", lambda f: f.changed < datetime(2023, 6, 15)),
    Asked("changed:morning", lambda f: 5 <= f.changed.hour < 12),
    about("near:Kyiv,20km", lambda f: near(f, KYIV, 20)),
    about("near:Kyiv", lambda f: near(f, KYIV, 20)),
    about("біля:києві,500km", lambda f: near(f, KYIV, 500)),
    about("near:both,100km", lambda f: near(f, KYIV, 100) or near(f, LVIV, 100)),
    about('near:"twin, Fiji,300km"', lambda f: near(f, SUVA, 300)),
    about('near:"twin, ukraine"', lambda f: near(f, KYIV, 20)),
    about("near:50.4501,30.5234,800m", lambda f: near(f, KYIV, 0.8)),
    about("near:Suva,300km", lambda f: near(f, SUVA, 300)),
    about("near:0,180,150km", lambda f: near(f, (0, 180), 150)),
    about('near:"0, -179.5, 90 km"', lambda f: near(f, (0, -179.5), 90)),
    about("near:89,-120,300km", lambda f: near(f, (89, -120), 300)),
    about("near:-89.5,0,100km", lambda f: near(f, (-89.5, 0), 100)),
    about("near:0,0,20000km", lambda f: near(f, (0, 0), 20000)),
    *(about(f"place:{name}", lambda f: known(f.place, lambda p: p.city == "Kyiv")) for name in ("Kyiv", "киев", "Києві")),
    about("место:украина", lambda f: known(f.place, lambda p: p.country == "Ukraine")),
    about('place:"lviv oblast"', lambda _: False),  # the place's names have city, region and country one by one
    about("camera:canon", lambda f: "canon" in f.facts.model.casefold()),
    about('камера:"eos 5d"', lambda f: "eos 5d" in f.facts.model.casefold()),
    about("camera:зенит", lambda f: f.facts.make == "Зенит"),
    about("camera:е-1", lambda f: f.facts.model == "Ё-1"),
    about("lens:50MM", lambda f: "50mm" in f.facts.lens.casefold()),
    about("lens:гелиос", lambda f: "Гелиос" in f.facts.lens),
    about("software:gimp", lambda f: "gimp" in f.facts.software.casefold()),
    about("software:фоторедактор", lambda f: f.facts.software == "Фоторедактор"),
    about("iso:>800", lambda f: known(f.facts.iso, lambda n: n > 800)),
    about("iso:>=800", lambda f: known(f.facts.iso, lambda n: n >= 800)),
    about("iso:800", lambda f: f.facts.iso == 800),
    about("iso:200..801", lambda f: known(f.facts.iso, lambda n: 200 <= n <= 801)),
    about("aperture:f/2.8", lambda f: f.facts.aperture == 2.8),
    about("диафрагма:<4", lambda f: known(f.facts.aperture, lambda n: n < 4)),
    about("exposure:1/60", lambda f: f.facts.exposure == 10 / 601),
    about("exposure:>=0,5s", lambda f: known(f.facts.exposure, lambda n: n >= 0.5)),
    about("exposure:..1/100", lambda f: known(f.facts.exposure, lambda n: n <= 0.01)),
    about("focal:50mm", lambda f: f.facts.focal in (50.0, 50.3)),
    about("focal:50.0", lambda f: f.facts.focal == 50.0),
    about("focal:>50", lambda f: known(f.facts.focal, lambda n: n > 50)),
    about("altitude:<0", lambda f: known(f.facts.altitude, lambda n: n < 0)),
    about("altitude:-5..0.2km", lambda f: known(f.facts.altitude, lambda n: -5 <= n <= 200)),
    about("rating:>=4", lambda f: known(f.facts.rating, lambda n: n >= 4)),
    about("rating:-1", lambda f: f.facts.rating == -1),
    about("rating:0", lambda f: f.facts.rating == 0),
    Asked("size:>2M", lambda f: f.size > 2_000_000),
    Asked("size:+1M", lambda f: f.size >= 1_000_000),
    Asked("size:-1mb", lambda f: f.size <= 1_000_000),
    Asked("size:2M", lambda f: f.size == 2_450_000),
    Asked("размер:1k", lambda f: f.size == 900),
    Asked("size:2450000", lambda f: f.size == 2_450_000),
    Asked("width:>=1920", lambda f: f.width >= 1920),
    Asked("height:1080px", lambda f: f.height == 1080),
    Asked("megapixels:12", lambda f: f.width * f.height == 12_000_000),
    Asked("orientation:portrait", lambda f: f.height > f.width),
    Asked("orientation:альбомная", lambda f: f.height < f.width),
    Asked("orientation:square", lambda f: f.height == f.width),
    Asked("format:jpg", lambda f: f.format in ("JPEG", "MPO")),
    Asked("format:bmp,raw,heic", lambda f: f.format in ("BMP", "DIB", "RAW", "HEIF")),
    about("tag:holiday", lambda f: any("holiday" in runs(tag, "/") for tag in f.labels)),
    about("tag:Holiday/Beach", lambda f: "holiday/beach" in f.labels),
    about("tag:trip/holiday", lambda f: "Trip/Holiday/Sea" in f.labels),
    about("tag:holi*", lambda f: any("holiday" in alike(tag) for tag in f.labels)),
    about("tag:CAFE", lambda f: "café" in f.labels),
    about("тег:елка", lambda f: "Ёлка" in f.labels),
    about('tag:"a b"', lambda f: "a b" in f.labels),
    about("tag:a*b", lambda f: any(tag in ("a*b", "a b") for tag in f.labels)),
    about("person:olena", lambda f: any("olena" in runs(one, " ") for one in f.facts.people)),
    about('person:"olena kovalenko"', lambda f: "Olena Kovalenko" in f.facts.people),
    about("хто:іван", lambda f: "Іван" in f.facts.people),
    about("person:an*", lambda f: "Anna-Maria" in f.facts.people),
    about("title:dog", lambda f: f.facts.title in ("Two dogs", "A dog and old cats", "the old dog")),
    about('title:"old dogs"', lambda f: f.facts.title == "the old dog"),
    about("description:кошка", lambda f: "Кошки" in f.facts.description),
    about("text:sunsets", lambda f: "sunset" in (f.facts.title, f.facts.description)),
    about("text:petro", lambda f: "Petro" in f.facts.people),
    Asked("in:.", lambda f: PurePosixPath(f.folder).is_relative_to("/home/me/Pictures")),
    Asked("in:~", lambda f: PurePosixPath(f.folder).is_relative_to("/home/me")),
    Asked("in:/", lambda _: True),
    Asked("in:Exports", lambda f: f.folder == "/home/me/Pictures/Exports"),
    Asked("folder:exports", lambda f: "exports" in f.folder.casefold().split("/")),
    Asked("папка:пic*", lambda _: False),
    Asked("folder:pic*", lambda f: any(part.casefold().startswith("pic") for part in f.folder.split("/"))),
    Asked('folder:"exports/елка 1"', lambda f: "Ёлка" in f.folder),
    about("name:img", lambda f: "img" in f.name.casefold()),
    about("name:IMG_20*", lambda f: f.name.startswith("IMG_20")),
    about("name:img?3*.j*", lambda f: fnmatch.fnmatch(f.name.casefold(), "img?3*.j*")),
    about("name:cafe", lambda f: "Café" in f.name),
    about("имя:еж", lambda f: "ЁЖ" in f.name),
    about('name:"a[1*"', lambda f: f.name.startswith("a[1")),
    about("name:100%_", lambda f: f.name.startswith("100%_")),
    about("ext:jpg", lambda f: f.name.casefold().endswith(".jpg")),
    about("ext:.JPEG,tif", lambda f: f.name.casefold().endswith((".jpeg", ".tif"))),
    about("has:gps", lambda f: f.facts.latitude is not None),
    about("has:date", lambda f: f.facts.taken is not None),
    about("has:tags", lambda f: f.labels),
    about("has:люди", lambda f: f.facts.people),
    about("has:rating", lambda f: f.facts.rating not in (None, 0)),
    about("has:title", lambda f: f.facts.title),
    about("has:description", lambda f: f.facts.description),
    about("має:місце", lambda f: f.place),
    about("has:camera", lambda f: f.facts.model),
    about("has:lens", lambda f: f.facts.lens),
    about("has:altitude", lambda f: f.facts.altitude is not None),
    Asked("has:sidecar", lambda f: f.beside),
    Asked("saved:best", lambda f: f.facts is not None and (f.facts.rating or 0) >= 4
          and not any("holiday" in runs(tag, "/") for tag in f.labels), 1),
)  # fmt: skip


def grouped(asked, least):
    """Its text, in parentheses where it would not hold together by itself."""
    return asked.text if asked.binds >= least else f"({asked.text})"


def refused(asked, spelling):
    text = asked.text if asked.binds == 2 and not asked.text.startswith("saved:") else f"({asked.text})"
    if spelling == "-" and text.startswith(("-", "!", "NOT ", "НЕ ")):
        text = f"({text})"
    return Asked(f"{spelling}{text}", lambda file: not asked.holds(file))


def together(parts, spelling):
    text = spelling.join(grouped(part, 1) for part in parts)
    return Asked(text, lambda file: all(part.holds(file) for part in parts), 1)


def either(parts, spelling):
    text = spelling.join(grouped(part, 0) for part in parts)
    return Asked(text, lambda file: any(part.holds(file) for part in parts), 0)


def combined(parts):
    several = st.lists(parts, min_size=2, max_size=3)
    return st.one_of(
        st.builds(refused, parts, st.sampled_from(["-", "NOT ", "НЕ ", "- ", "! "])),
        st.builds(together, several, st.sampled_from([" ", " AND ", " И "])),
        st.builds(either, several, st.sampled_from([" OR ", "|", " АБО "])),
    )


QUERIES = st.recursive(st.sampled_from(FILTERS), combined, max_leaves=12)
SEEDS = st.integers(0, 7)


def found(reader, condition_):
    return set(Selection(reader, *condition_).listed("name", 10_000))


def meant(files, asked):
    return {number for number, file in enumerate(files, 1) if asked.holds(file)}


@pytest.mark.parametrize("asked", FILTERS, ids=lambda asked: asked.text)
def test_each_filter(asked, catalogue, world):
    """A filter finds the files that are as it says, and its negation all the others."""
    for seed in range(4):
        files, reader = catalogue(seed)
        assert found(reader, condition_of(asked.text, world)) == meant(files, asked)
        assert found(reader, condition_of(f"-({asked.text})", world)) == meant(files, refused(asked, "-"))


def test_the_filters_are_put_to_the_test(catalogue):
    """Of every filter but those that can find nothing some file matches and some file does not."""
    files = [file for seed in range(8) for file in catalogue(seed)[0]]
    same = {asked.text for asked in FILTERS if len({bool(asked.holds(file)) for file in files}) == 1}
    assert same == {'place:"lviv oblast"', "папка:пic*", "in:/"}


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=QUERIES, seed=SEEDS)
def test_any_combination(catalogue, world, asked, seed):
    """AND, OR, NOT and parentheses find what a look at every file finds, and a query that is written anew is the same."""
    check(catalogue, world, asked, seed)


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(max_examples=10_000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=QUERIES, seed=SEEDS)
def test_many_combinations(catalogue, world, asked, seed):
    """The same for ten thousand combinations."""
    check(catalogue, world, asked, seed)


def check(catalogue, world, asked, seed):
    files, reader = catalogue(seed)
    filters = parse(asked.text, world).filters
    assert found(reader, condition(filters)) == meant(files, asked)
    assert parse(written(filters), world).filters == filters


def plan(catalogue, world, text):
    """How SQLite goes about it, as one line."""
    _, reader = catalogue(0)
    sql, values = condition_of(text, world)
    rows = reader.ask(
        "EXPLAIN QUERY PLAN SELECT files.id FROM files JOIN folders ON folders.id = folder_id "
        "JOIN pictures ON pictures.id = picture_id LEFT JOIN facts ON facts.file_id = files.id WHERE " + sql,
        values,
    )
    return " ".join(row[3].decode() for row in rows)


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("taken:2023", "facts_taken"),
        ("near:Kyiv,1km", "facts_position"),
        ("taken:2023 -tag:a", "facts_taken"),
    ],
)
def test_indexes_are_used(text, index, catalogue, world):
    """A day and a place are found by their index, without a look at every file."""
    assert index in plan(catalogue, world, text)


def test_damaged_values_match_nothing(catalogue, world, tmp_path):
    """What nobody writes, as a damaged page may hold it, is no error."""
    path = str(tmp_path / "catalogue.sqlite")
    stored(catalogue(0)[0], path).close()
    with sqlite3.connect(path) as writer:
        writer.execute(
            "UPDATE facts SET taken = 'x', iso = x'ff', software = x'00ff', latitude = 1e300, longitude = 'y'"
        )
    writer.close()
    reader = Reader(path)
    for text in ("taken:summer", "taken:2023", "near:Kyiv", "near:89.9,0", "software:gimp"):
        assert found(reader, condition_of(text, world)) == set()
    reader.close()
