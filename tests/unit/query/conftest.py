"""The world that queries are read in, without a clock, a disk or a map."""

from datetime import datetime
from typing import NamedTuple

import pytest

from kadrd.query.expression import World


class Spot(NamedTuple):
    """A place as kadrd/places tells it."""

    name: str
    latitude: float
    longitude: float
    kind: str
    country: str = "Ukraine"


KYIV, LVIV = Spot("Kyiv", 50.4501, 30.5234, "city"), Spot("Lviv", 49.8397, 24.0297, "city")
UKRAINE, SUVA = Spot("Ukraine", 49.0, 32.0, "country"), Spot("Suva", -18.1416, 178.4419, "city", "Fiji")
SPOTS = {
    "kyiv": (KYIV,), "київ": (KYIV,), "києві": (KYIV,), "киев": (KYIV,), "lviv": (LVIV,), "львів": (LVIV,),
    "twin": (KYIV, SUVA), "fiji": (SUVA,), "ukraine": (UKRAINE,), "україна": (UKRAINE,), "suva": (SUVA,), "both": (KYIV, LVIV), "new york": (LVIV,),
}  # fmt: skip
SAVED = {
    "best": "rating:>=4 -tag:holiday",
    "beaches": 'beach + 2:sea "golden sand" rating:>=4',
    "nested": "saved:best has:gps",
    "loop": "saved:pool",
    "pool": "saved:loop",
    "wrong": "beach iso:many",
    "empty": "...",
}


@pytest.fixture(scope="session")
def world():
    """Saturday, 15 June 2024, half past twelve, in the folder Pictures of somebody's home."""
    return World(
        now=datetime(2024, 6, 15, 12, 30),  # noqa: DTZ001 - clocks on walls have no zone
        cwd=b"/home/me/Pictures",
        home=b"/home/me",
        named=lambda name: SPOTS.get(name.casefold(), ()),
        nearest=lambda name: {"kyvi": "Kyiv"}.get(name.casefold(), ""),
        saved=SAVED.get,
    )
