"""Which place is next to a position. Pure: arrays in, row numbers out.

Places are points on the unit sphere, so neither the poles nor the line of 180 degrees is a special case, and sorted by
latitude, so that only a band of them is looked at: 170,391 places, at most some 13,000 of them in one band.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kadrd.store.functions import EARTH_KM

# Who is farther from every place of more than 1,000 people is in the wilderness or at sea.
CITY_KM = 50.0
# So far it is still likely to be the same country; beyond it, it may be the other shore.
COUNTRY_KM = 100.0
# A city is taken for a disk of this density: Kyiv reaches 15 km, Lviv 7.5, Paris 13. Real ones lie between 2,500 and 20,000;
# a denser one makes districts at the edge cities of their own, a thinner one swallows neighbours.
PEOPLE_A_KM2 = 4000.0

# A band is a little wider than needed: at the poles many latitudes are one number in single precision.
_ROUNDING = 1e-6


class Positions(NamedTuple):
    """All places, south to north; each array has one row for each."""

    points: NDArray[np.float32]
    """(n, 3) on the unit sphere, the last column ascending; a metre is 1.6e-7, and rounding less than that"""
    reach: NDArray[np.float32]
    """(n,) the radius of the city, as a chord of that sphere"""
    regions: NDArray[np.int32]
    """(n,) id of the region"""
    ids: NDArray[np.int32]
    """(n,) id of the place"""


class Next(NamedTuple):
    """The rows of a position's city and of the nearest place, which may be the same; no city where both are far."""

    city: int | None
    nearest: int


def positions(table: NDArray[np.float64]) -> Positions:
    """(n, 5): latitude and longitude in degrees, population, region and id, in any order."""
    points = on_sphere(table[:, 0], table[:, 1])
    table, points = (sorted_[np.argsort(points[:, 2], kind="stable")] for sorted_ in (table, points))
    return Positions(
        points.astype(np.float32),
        (np.sqrt(table[:, 2] / PEOPLE_A_KM2 / math.pi) / EARTH_KM).astype(np.float32),
        table[:, 3].astype(np.int32),
        table[:, 4].astype(np.int32),
    )


def on_sphere(latitude: NDArray[np.float64], longitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 3) of n latitudes and longitudes in degrees."""
    north, east = np.radians(latitude), np.radians(longitude)
    return np.stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)], axis=-1)


def find(places: Positions, latitude: float, longitude: float) -> Next | None:
    """What is next to a position in degrees. None for what is no position and for what no country is near."""
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):  # which NaN is not either
        return None
    for kilometres in (CITY_KM, COUNTRY_KM):
        low, high = _band(places, latitude, kilometres)
        apart = _apart(places, low, high, latitude, longitude)
        row = int(apart.argmin()) if len(apart) else -1
        if row >= 0 and apart[row] <= (kilometres / EARTH_KM) ** 2:
            city = _city(places, low, row, apart) if kilometres == CITY_KM else None
            return Next(city, low + row)
    return None


def _band(places: Positions, latitude: float, kilometres: float) -> tuple[int, int]:
    """The rows that are no farther north or south than that."""
    reach = math.degrees(kilometres / EARTH_KM)
    south, north = np.radians([max(-90.0, latitude - reach), min(90.0, latitude + reach)])
    column = places.points[:, 2]
    low = np.searchsorted(column, np.float32(np.sin(south) - _ROUNDING), "left")
    high = np.searchsorted(column, np.float32(np.sin(north) + _ROUNDING), "right")
    return int(low), int(high)


def _apart(places: Positions, low: int, high: int, latitude: float, longitude: float) -> NDArray[np.float32]:
    """Squared chords to the rows from *low* to *high*."""
    here = on_sphere(np.float64(latitude), np.float64(longitude)).astype(np.float32)  # type: ignore[arg-type]
    away = places.points[low:high] - here
    squares: NDArray[np.float32] = np.einsum("ij,ij->i", away, away)
    return squares


def _city(places: Positions, low: int, row: int, apart: NDArray[np.float32]) -> int:
    """The largest city of the nearest place's region that reaches here, else that place: GeoNames has the parts of big
    cities as places beside them, and nobody looks for Stare Misto when they mean Kyiv.
    """
    rows = slice(low, low + len(apart))
    inside = (apart <= places.reach[rows] ** 2) & (places.regions[rows] == places.regions[low + row])
    reach = np.where(inside, places.reach[rows], 0)
    largest = int(reach.argmax())
    return low + (largest if reach[largest] > places.reach[low + row] else row)
