"""What stands behind a filter's colon, as what it asks of a file: one function for each kind of value, in one table. Pure.

A reader gets the row of client/kadr/protocol/prefixes.py, the value as typed and the world. It raises Refused, never another
error; where in the text the mistake lies is the parser's to say.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from urllib.parse import unquote_to_bytes

from kadr.protocol.prefixes import KILOMETRES, Prefix
from kadrd.query import dates, language
from kadrd.query.expression import (
    Choice,
    Circle,
    Contains,
    Ending,
    InFolder,
    Labelled,
    Named,
    Span,
    Spot,
    Test,
    Under,
    Within,
    Worded,
    World,
)
from kadrd.query.refusal import Refused
from kadrd.store.facts import Kind
from kadrd.store.folding import folded, sought, stems, words

Reader = Callable[[Prefix, str, World], tuple[Test, ...]]


def read(of: Prefix, value: str, world: World) -> tuple[Test, ...]:
    """What `of.name:value` asks; all of it has to hold. Raises Refused."""
    if not value.strip():
        raise Refused
    return READERS[of.kind](of, value, world)


# Numbers

_DIGITS = r"[+-]?(?:\d{1,15}(?:[.,]\d{0,9})?|[.,]\d{1,9})"
_NUMBER = re.compile(
    rf"(?:f/?|ƒ/?)?(?:(?P<over>\d{{1,6}})/(?P<under>\d{{1,6}})|(?P<whole>{_DIGITS}))\s*(?P<unit>[^\W\d_]*)"
)


def _number(of: Prefix, value: str, _world: World) -> tuple[Test, ...]:
    text = folded(value)
    if of.name == "size" and text[:1] in "+-":  # as fd and find write at least and at most
        text = {"+": ">=", "-": "<="}[text[0]] + text[1:]
    compared = re.fullmatch(r"(<=|>=|<|>|=)?\s*(.+)", text)
    first, dots, last = text.partition("..")
    if dots:
        low, high = (_measure(of, end)[1] if end.strip() else None for end in (first, last))
        if low is None and high is None:
            raise Refused
        if low is not None and high is not None and low > high:
            raise Refused("the range ends before it begins", f"{last}..{first}")
        return (Span(of.name, low, high),)
    sign, (least, exact, most) = (
        (compared[1], _measure(of, compared[2])) if compared else ("", _measure(of, text))
    )
    return {
        "<": (Span(of.name, None, exact, high_open=True),),
        "<=": (Span(of.name, None, exact),),
        ">": (Span(of.name, exact, None, low_open=True),),
        ">=": (Span(of.name, exact),),
    }.get(sign, (Span(of.name, least, most),))


def _measure(of: Prefix, text: str) -> tuple[float, float, float]:
    """(least, exact, most) of one number: what rounds to it as it was typed is equal to it.

    So focal:50 finds the zoom's 50.3 mm, exposure:1/60 what a camera wrote as 10/601, and width:4000 4000 alone.
    """
    found = _NUMBER.fullmatch(text.strip())
    factor = dict(of.units).get(found["unit"]) if found and found["unit"] else 1.0
    if not found or factor is None:
        raise Refused
    if found["under"]:
        over, under = int(found["over"]), int(found["under"])
        if not under:
            raise Refused("nothing can be divided by 0")
        return over / (under + 0.5) * factor, over / under * factor, over / (under - 0.5) * factor
    digits = found["whole"].replace(",", ".")
    exact, half = float(digits), 0.5 * 10.0 ** -len(digits.partition(".")[2])
    return (exact - half) * factor, exact * factor, (exact + half) * factor


# Places

_DEGREES = r"[+-]?\d{1,3}(?:\.\d{0,15})?"
_POSITION = re.compile(rf"({_DEGREES})\s*[,; ]\s*({_DEGREES})")
_DISTANCE = re.compile(r"(\d{1,5}(?:\.\d{0,6})?|\.\d{1,6})\s*([^\W\d_]*)")
_HALF_ROUND_KM = 20040.0
# How far from its middle one still says to be near it. A city's own size is not known; 20 km hold the suburbs of most.
RADIUS_KM = {"city": 20.0, "region": 100.0, "country": 500.0}
POSITION_KM = 1.0
# Of San Jose there are dozens. Who wants one of them writes its position.
_MOST_SPOTS = 16


def _near(_of: Prefix, value: str, world: World) -> tuple[Test, ...]:
    text = " ".join(value.split())
    head, comma, tail = text.rpartition(",")
    km = _kilometres(tail.strip()) if comma and not _POSITION.fullmatch(text) else None
    where = head.strip() if km is not None else text
    position = _POSITION.fullmatch(where)
    if position:
        latitude, longitude = float(position[1]), float(position[2])
        if abs(latitude) > 90 or abs(longitude) > 180:
            raise Refused("latitude is from -90 to 90, longitude from -180 to 180")
        return (Within((Circle(latitude, longitude, km or POSITION_KM),)),)
    spots = _spots(where, world)[:_MOST_SPOTS]
    if not spots:
        near = world.nearest(where)
        raise Refused(nearest=f"{near},{tail.strip()}" if near and km is not None else near)
    return (Within(tuple(_around(spot, km) for spot in spots)),)


def _spots(where: str, world: World) -> Sequence[Spot]:
    """The places of this name; of `Paris, France` those in the country that the second name means or lies in."""
    spots = world.named(where)
    name, comma, second = where.rpartition(",")
    if spots or not comma:
        return spots
    countries = {spot.country for spot in world.named(second.strip())}
    return [spot for spot in world.named(name.strip()) if spot.country in countries]


def _around(spot: Spot, km: float | None) -> Circle:
    return Circle(spot.latitude, spot.longitude, km or RADIUS_KM.get(spot.kind, RADIUS_KM["city"]))


def _kilometres(text: str) -> float | None:
    found = _DISTANCE.fullmatch(text)
    factor = dict(KILOMETRES).get(folded(found[2]) or "km") if found else None
    if not found or factor is None:
        return None
    km = float(found[1]) * factor
    if not 0 < km <= _HALF_ROUND_KM:
        raise Refused(f"a distance is more than 0 and at most {_HALF_ROUND_KM:.0f} km")
    return km


# Texts

_TEXTS = {"text": ""}  # other filters of this kind are called as the column is


def _words(of: Prefix, value: str, world: World) -> tuple[Test, ...]:
    names = [value]
    if of.name == "place":  # whoever writes a name in another case, or another language, means the place
        spots = world.named(value)
        if not spots and (near := world.nearest(value)):
            raise Refused("there is no place of this name", near)
        names += [spot.name for spot in spots[:_MOST_SPOTS]]
    return (Worded(_TEXTS.get(of.name, of.name), tuple(dict.fromkeys(_matching(name) for name in names))),)


def _matching(text: str) -> str:
    """The full-text expression for a word in any of its forms, or for words that stand together."""
    found = words(text)
    if not found:
        raise Refused
    return sought(found[0]) if len(found) == 1 else f'"{" ".join(stems(text))}"'


def _contains(of: Prefix, value: str, _world: World) -> tuple[Test, ...]:
    return (Contains(of.name, folded(value)),)


def _label(of: Prefix, value: str, _world: World) -> tuple[Test, ...]:
    kinds, between = ((Kind.PERSON,), " ") if of.name == "person" else ((Kind.TAG, Kind.KEYWORD), "/")
    pattern = folded(value).strip(between)
    if not pattern:
        raise Refused
    return (Labelled(tuple(map(int, kinds)), between, pattern),)


def _choice(of: Prefix, value: str, _world: World) -> tuple[Test, ...]:
    words = value.split(",")
    names = tuple(language.value(of, word) or "" for word in words)
    if not all(names):
        near = [
            word if name else language.like_value(of, word) for word, name in zip(words, names, strict=True)
        ]
        raise Refused(nearest=",".join(near) if all(near) else "")
    return (Choice(of.name, names),)


# Files


def _under(_of: Prefix, value: str, world: World) -> tuple[Test, ...]:
    return (Under(path(value, world)),)


def _folder(_of: Prefix, value: str, _world: World) -> tuple[Test, ...]:
    pattern = folded(value).strip("/")
    if not pattern:
        raise Refused
    return (InFolder(pattern),)


def _name(_of: Prefix, value: str, _world: World) -> tuple[Test, ...]:
    if "/" in value:
        raise Refused("a name has no / in it; in: and folder: ask for folders")
    return (Named(folded(value)),)


def _ending(_of: Prefix, value: str, _world: World) -> tuple[Test, ...]:
    endings = tuple("." + folded(one).removeprefix("*").removeprefix(".") for one in value.split(","))
    if "." in endings:
        raise Refused
    return (Ending(endings),)


def path(value: str, world: World) -> bytes:
    """The absolute path that *value* names; `.` and `..` are taken out without a look at the disk. Raises Refused."""
    given = value.encode()
    if given.startswith(b"file://"):
        given = b"/" + unquote_to_bytes(given[7:]).partition(b"/")[2]
    if given == b"~" or given.startswith(b"~/"):
        given = os.path.join(world.home or b"~", given[2:])
    whole = os.path.join(world.cwd, given)
    if b"\0" in whole or not whole.startswith(b"/"):
        raise Refused("only a whole path, from / on, is understood here")
    return b"/" + os.path.normpath(whole).lstrip(b"/")


def _dates(of: Prefix, value: str, world: World) -> tuple[Test, ...]:
    return dates.read(of, value, world.now)


READERS: dict[str, Reader] = {
    "date": _dates,
    "number": _number,
    "near": _near,
    "words": _words,
    "contains": _contains,
    "label": _label,
    "choice": _choice,
    "under": _under,
    "folder": _folder,
    "name": _name,
    "ending": _ending,
}
"""Those of `saved:` and `like:` are missing: they ask nothing of a file, and parse.py knows what they do."""
