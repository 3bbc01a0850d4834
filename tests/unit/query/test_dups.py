"""What shows the same: equal bytes, equal pictures, and pictures that hang together by their looks."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kadrd.query import dups
from kadrd.query.dups import Bonds, Group
from kadrd.store.selection import Double


def test_equal_bytes_and_equal_pictures_are_kept_apart():
    """Files of equal bytes are one group; a picture in files that differ is another, which holds all of them."""
    doubles = [
        Double(1, b"k", 10),
        Double(1, b"k", 11),
        Double(1, b"tagged", 12),
        Double(2, b"q", 20),
        Double(2, b"q", 21),
    ]
    assert list(dups.exact(doubles)) == [
        Group("file", (10, 11), 1.0), Group("picture", (10, 11, 12), 1.0), Group("file", (20, 21), 1.0),
    ]  # fmt: skip


def test_one_file_alone_is_no_group():
    """A file whose twin was left out by the filter stands in no group."""
    assert list(dups.exact([Double(1, b"k", 10)])) == []


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.floats(0.5, 1)), max_size=30))
def test_groups_are_what_hangs_together(ties):
    """Whatever is tied, directly or through others, is one group, and its score is that of a bond in it."""
    bonds = Bonds()
    for one, other, score in ties:
        if one != other:
            bonds.tie(one, other, score)
    reach = np.eye(13, dtype=bool)
    for one, other, _ in ties:
        reach[one, other] = reach[other, one] = True
    for middle in range(13):
        reach |= np.outer(reach[:, middle], reach[middle])
    wanted = {tuple(np.flatnonzero(row).tolist()) for row in reach if row.sum() > 1}
    found = dict(bonds.groups())
    assert set(found) == wanted
    for members, score in found.items():
        assert score in {given_ for one, other, given_ in ties if one in members and other in members}
