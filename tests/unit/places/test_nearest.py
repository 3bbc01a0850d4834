"""Which place is next to a position, against measuring the way to every one of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadrd.places.nearest import CITY_KM, COUNTRY_KM, EARTH_KM, find, positions

LATITUDE = st.floats(-90, 90) | st.sampled_from([-90.0, 90.0, 89.9, -89.9, 0.0])
LONGITUDE = st.floats(-180, 180) | st.sampled_from([-180.0, 180.0, 179.9, -179.9, 0.0])


def kilometres(table, latitude, longitude):
    """Along the ground, by the formula for small and great ways (haversine)."""
    north, east = np.radians(table[:, 0]), np.radians(table[:, 1])
    here, there = np.radians(latitude), np.radians(longitude)
    half = np.sin((north - here) / 2) ** 2 + np.cos(north) * np.cos(here) * np.sin((east - there) / 2) ** 2
    return 2 * EARTH_KM * np.arcsin(np.sqrt(np.minimum(1, half)))


@settings(max_examples=50, deadline=None)
@given(LATITUDE, LONGITUDE, st.integers(0, 2**32 - 1), st.sampled_from([0.1, 1, 30, 400]))
def test_against_measuring_all(latitude, longitude, seed, spread):
    """Anywhere on earth, at the poles too and across 180 degrees, the nearest place is found if it is near enough."""
    random = np.random.default_rng(seed)
    # Places without people around the position, in every direction and over the pole.
    table = np.zeros((40, 5))
    table[:, 0] = np.clip(latitude + random.normal(0, spread / 100, 40), -90, 90)
    table[:, 1] = (longitude + random.uniform(-spread, spread, 40) + 180) % 360 - 180
    table[:, 3], table[:, 4] = -1, np.arange(40)
    ways = kilometres(table, latitude, longitude)
    nearest, margin = ways.min(), 0.002
    places = positions(table)
    found = find(places, latitude, longitude)
    if nearest > COUNTRY_KM + margin:
        assert found is None
    elif nearest < COUNTRY_KM - margin:
        assert found is not None
        assert ways[places.ids[found.nearest]] <= nearest + margin
        if abs(nearest - CITY_KM) > margin:
            assert (found.city is None) == (nearest > CITY_KM)


# A million people reach 8.9 km.
TOWN = [50.0, 30.0, 1_000_000, -1, 1]


@pytest.mark.parametrize(
    ("beside", "city"),
    [
        ([50.0, 30.1, 5_000, -1, 2], 1),  # 7.1 km away: a part of it
        ([50.0, 30.2, 5_000, -1, 2], 2),  # 14.3 km away: a village of its own
        ([50.0, 30.1, 5_000, -2, 2], 2),  # of another region
        ([50.0, 30.1, 9_000_000, -1, 2], 2),  # larger than the town
    ],
)
def test_the_city_that_reaches_there(beside, city):
    """A place belongs to a larger city of its region whose houses reach there, and to no other."""
    places = positions(np.array([TOWN, beside], float))
    found = find(places, beside[0], beside[1])
    assert places.ids[found.city] == city
    assert places.ids[found.nearest] == 2


def test_no_places():
    """Where there are no places at all there is none."""
    assert find(positions(np.empty((0, 5))), 50.0, 30.0) is None
