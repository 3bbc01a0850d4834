"""Saved searches: kept by name, replaced whole, and never lost to damage without a trace."""

import pytest

from kadrd.store.searches import Searches


@pytest.fixture
def place(tmp_path):
    return tmp_path / "searches.json"


def test_kept(place):
    """What was saved is there after a restart, and gone when it was removed."""
    searches = Searches(str(place))
    searches.put("літо", "beach taken:summer")
    searches.put("cars", "old car -tag:toy")
    searches.put("cars", "old car")
    assert Searches(str(place)).all() == {"cars": "old car", "літо": "beach taken:summer"}
    searches.remove("cars")
    assert Searches(str(place)).all() == {"літо": "beach taken:summer"}


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"searches": 3}', b"\xff\xfe"])
def test_damaged(place, damage):
    """A file that cannot be read holds no search, and is put aside before it is written over."""
    place.write_bytes(damage)
    searches = Searches(str(place))
    assert searches.all() == {}
    searches.put("cars", "old car")
    assert searches.all() == {"cars": "old car"}
    assert place.with_name("searches.json.damaged").read_bytes() == damage
