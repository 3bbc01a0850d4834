"""The earth as it comes with kadr, and a small one that is made in no time."""

import lzma
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kadrd.places import Places

# Two countries, one region with a capital and a suburb, one region without a name.
SMALL = """\
c\t1\t40000\tHere|Здесь|Тут
r\tNorth Shire|Северный край\tnorth|северный
p\t11\t50.000\t30.000\t30000\tBig Town|Большой Город|Велике Місто\tGrossstadt
p\t12\t50.010\t30.010\t1200\tBig Town Market\t
c\t2\t900\tThere
r\t\t
p\t21\t-16.800\t179.990\t900\tLine Village|Кордон\t
"""


@pytest.fixture(scope="session")
def earth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    """All places, in a cache folder of their own."""
    places = Places(str(tmp_path_factory.mktemp("earth")))
    yield places
    places.close()


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Writes a gazetteer, by default the small one, and tells where."""

    def make(text: str = SMALL, name: str = "small.xz") -> str:
        path = tmp_path / name
        path.write_bytes(lzma.compress(text.encode()))
        return str(path)

    return make


@pytest.fixture
def opened() -> Iterator[Callable[..., Places]]:
    """Makes `Places` that are closed in the end."""
    made: list[Places] = []

    def make(*arguments: str) -> Places:
        made.append(Places(*arguments))
        return made[-1]

    yield make
    for places in made:
        places.close()
