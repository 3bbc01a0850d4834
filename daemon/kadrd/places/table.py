"""Reads gazetteer.xz, line by line, so that the whole of it is never in memory. README.md says what it holds and whose it is.

bench/gazetteer.py writes it: UTF-8 lines with tabs between fields and | between names; the first name is shown.

    c  geonameid  population  names                                         a country; below it its regions
    r  names  also                                                          a region; below it its places
    p  geonameid  latitude  longitude  population  names  also              a place

Degrees north and east. `also` is what others call it: good for finding, not for showing.
"""

from __future__ import annotations

import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

PATH = os.path.join(os.path.dirname(__file__), "gazetteer.xz")

# What `entries` and `checksum` raise where the file is missing or damaged.
UNREADABLE = (OSError, lzma.LZMAError, EOFError, ValueError, KeyError)


class Country(NamedTuple):
    id: int
    population: int
    names: list[str]


class Region(NamedTuple):
    """Of the country before it."""

    names: list[str]
    """empty where GeoNames says of no region that the places below lie in it"""
    also: list[str]


class City(NamedTuple):
    """A place of the region before it: a city, a village, or a part of a city."""

    id: int
    latitude: float
    longitude: float
    population: int
    names: list[str]
    also: list[str]


def entries(path: str) -> Iterator[Country | Region | City]:
    """All entries of the gazetteer *path* in order. Raises what is in UNREADABLE."""
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            kind, *fields = line.rstrip("\n").split("\t")
            yield _READ[kind](fields)


def checksum(path: str) -> int:
    """32 bits that change with the file. Raises OSError."""
    with open(path, "rb") as file:
        return zlib.crc32(file.read())


def _country(fields: list[str]) -> Country:
    id_, population, names = fields
    return Country(int(id_), int(population), _split(names))


def _region(fields: list[str]) -> Region:
    names, also = fields
    return Region(_split(names), _split(also))


def _city(fields: list[str]) -> City:
    id_, latitude, longitude, population, names, also = fields
    return City(int(id_), float(latitude), float(longitude), int(population), _split(names), _split(also))


def _split(names: str) -> list[str]:
    return names.split("|") if names else []


_READ: dict[str, Callable[[list[str]], Country | Region | City]] = {"c": _country, "r": _region, "p": _city}
