"""Pictures as hits."""

from hypothesis import given
from hypothesis import strategies as st

from kadrd.query.rank import rank
from kadrd.store.reader import Shown
from kadrd.values import Near


def shown(*names):
    return [Shown(name, "k", 4, 3) for name in names]


def paths(hits):
    return [hit.path for hit in hits]


def test_best_first_ties_by_path():
    """Files come by score, those of equal score by path, up to the limit."""
    near = [Near(1, 0.5), Near(2, 0.9), Near(3, 0.5)]
    files = {1: shown(b"b", b"d"), 2: shown(b"z"), 3: shown(b"a")}
    assert paths(rank(near, files, 10, None)) == [b"z", b"a", b"b", b"d"]
    assert paths(rank(near, files, 2, None)) == [b"z", b"a"]


def test_pictures_without_files():
    """A picture that no file shows is no hit."""
    assert rank([Near(1, 0.9)], {}, 10, None) == []


def test_min_score():
    """Hits below the least score are left out, one just at it stays."""
    near = [Near(1, 0.25), Near(2, 0.2499)]
    assert paths(rank(near, {1: shown(b"a"), 2: shown(b"b")}, 10, 0.25)) == [b"a"]


@given(st.lists(st.tuples(st.integers(0, 20), st.floats(-1, 1)), max_size=40), st.integers(1, 50))
def test_any_order(near, limit):
    """Whatever order pictures come in, hits are sorted, and no more than the limit."""
    given_ = [Near(*one) for one in near]
    files = {number: shown(b"%d" % number) for number in range(0, 21, 2)}
    hits = rank(given_, files, limit, None)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert len(hits) == min(limit, sum(one.picture_id in files for one in given_))
