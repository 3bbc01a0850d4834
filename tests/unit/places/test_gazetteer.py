"""The table of places that comes with kadr is what its README says, and holds nothing that its readers would stumble over."""

import os
import re

from kadrd.places import table
from kadrd.places.table import City, Country, Region


def test_what_the_readme_says():
    """Each entry makes sense, and the README's counts, size and licences are those of the file."""
    with open(os.path.join(os.path.dirname(table.PATH), "README.md"), encoding="utf-8") as file:
        readme = file.read()
    counts, ids, named, cyrillic = {Country: 0, Region: 0, City: 0}, set(), 0, 0
    for entry in table.entries(table.PATH):
        counts[type(entry)] += 1
        assert all(name == name.strip() != "" for name in entry.names)
        if isinstance(entry, Region):
            named += bool(entry.names)
            cyrillic += any(re.search("[а-я]", name) for name in entry.names)
            continue
        assert entry.names
        assert entry.population >= 0
        assert entry.id not in ids
        ids.add(entry.id)
        if isinstance(entry, City):
            assert -90 <= entry.latitude <= 90
            assert -180 <= entry.longitude <= 180
    for kind, word in ((City, "places"), (Region, "regions"), (Country, "countries")):
        assert f"{counts[kind]:,} {word}" in readme
    assert f"{named:,} of the regions have a name, {cyrillic:,} one in Russian or Ukrainian" in readme
    assert f"{os.path.getsize(table.PATH) / 1e6:.1f} MB" in readme
    assert "CC BY 4.0" in readme
    assert os.path.exists(os.path.join(os.path.dirname(table.PATH), "LICENSE-UNICODE"))
