"""A photograph with a position says in which city, region and country it was taken."""

import math
import threading

import pytest

KNOWN = {
    "the Maidan": (50.4501, 30.5234, "Kyiv", "Kyiv City", "Ukraine"),
    "the opera of Lviv": (49.8440, 24.0262, "Lviv", "Lviv Oblast", "Ukraine"),
    "Kharkiv": (49.9935, 36.2304, "Kharkiv", "Kharkiv", "Ukraine"),
    "a suburb of Kyiv": (50.5110, 30.7900, "Brovary", "Kyiv Oblast", "Ukraine"),
    "a village in the Carpathians": (48.3600, 24.4100, "Polianytsia", "Ivano-Frankivsk Oblast", "Ukraine"),
    "Simferopol": (44.9500, 34.1000, "Simferopol", "Autonomous Republic of Crimea", "Ukraine"),
    "the Kremlin": (55.7520, 37.6175, "Moscow", "Moscow", "Russia"),
    "the Hermitage": (59.9398, 30.3146, "Saint Petersburg", "Saint Petersburg", "Russia"),
    "the Louvre": (48.8606, 2.3376, "Paris", "Île-de-France Region", "France"),
    "Brooklyn Bridge": (40.7061, -73.9969, "New York", "New York", "United States"),
    "Newark, across the river": (40.7357, -74.1724, "Newark", "New Jersey", "United States"),
    "Corcovado": (-22.9519, -43.2105, "Rio de Janeiro", "Rio de Janeiro", "Brazil"),
    "Shibuya": (35.6590, 139.7000, "Tokyo", "Tokyo", "Japan"),
    "Bondi Beach": (-33.8910, 151.2770, "Sydney", "New South Wales", "Australia"),
    "Saint Peter's": (41.9022, 12.4533, "Vatican City", "", "Vatican"),
    "Marina Bay": (1.2834, 103.8607, "Singapore", "", "Singapore"),
    "Svalbard": (78.2200, 15.6500, "Longyearbyen", "Svalbard", "Svalbard and Jan Mayen"),
}
NOWHERE = {
    "the middle of the Atlantic": (36.0, -37.0),
    "0, 0, which cameras write that do not know": (0.0, 0.0),
    "the Sahara": (23.0, 3.0),
    "the north pole": (90.0, 10.0),
    "the south pole": (-90.0, 0.0),
    "farther north than the pole": (90.01, 0.0),
    "farther east than 180": (50.0, 180.01),
    "no number": (math.nan, 30.0),
    "another": (50.0, math.nan),
    "infinity": (math.inf, -math.inf),
}


@pytest.mark.parametrize("where", KNOWN)
def test_known_positions(earth, where):
    """A position in a city, a suburb or a village is told with its region and country."""
    latitude, longitude, *names = KNOWN[where]
    place = earth.at(latitude, longitude)
    assert [place.city, place.region, place.country] == names


@pytest.mark.parametrize("where", NOWHERE)
def test_nowhere(earth, where):
    """At sea, in the wilderness and for what is no position there is no place, and no error."""
    assert earth.at(*NOWHERE[where]) is None
    assert not earth.reason


def test_only_the_country(earth):
    """Far from every town only the country is told, under an id of its own, so that such pictures are one group."""
    place = earth.at(42.6, 103.5)
    assert (place.city, place.region, place.country) == ("", "", "Mongolia")
    assert {"Mongolia", "Монголия", "Монголія"} == set(place.names)
    ulaanbaatar = earth.at(47.92, 106.92)
    assert ulaanbaatar.country == "Mongolia"
    assert place.id != ulaanbaatar.id


def test_the_line_of_180_degrees(earth):
    """Where the east ends and the west begins, both sides see the same place."""
    both = [earth.at(-16.8, longitude) for longitude in (179.99, 180.0, -180.0, -179.99)]
    assert {place.country for place in both} == {"Fiji"}
    assert len({place.id for place in both}) == 1


def test_names_in_three_languages(earth):
    """A picture of Kyiv is found by every name that its city and country have for those who speak the languages of kadr."""
    names = set(earth.at(50.4501, 30.5234).names)
    assert names >= {"Kyiv", "Kiev", "Киев", "Київ", "Ukraine", "Украина", "Україна"}
    assert len(names) < 20


def test_the_part_of_a_city(earth):
    """A picture in a part of a city belongs to the city, and is found by the part's name too."""
    place = earth.at(48.8867, 2.3431)
    assert place.city == "Paris"
    assert any("Montmartre" in name for name in place.names)


def test_many_threads(earth):
    """Threads that ask at the same time get the answers that one gets alone."""
    asked = [(latitude, longitude) for latitude in range(-60, 75, 9) for longitude in range(-180, 180, 12)]
    alone = [earth.at(*position) for position in asked]
    found = [[] for _ in range(4)]

    def ask(answers):
        for position in asked:
            earth.named("Київ")
            answers.append(earth.at(*position))

    threads = [threading.Thread(target=ask, args=(answers,)) for answers in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [alone] * 4
