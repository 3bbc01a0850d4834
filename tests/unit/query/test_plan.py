"""Filters lose nothing: whichever way is taken, the answer is the one that a look at every picture gives."""

import contextlib
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadrd.query import plan
from kadrd.query.plan import Plan, find, wider
from kadrd.store import generation
from kadrd.store.catalogue import Catalogue
from kadrd.store.generation import Range
from kadrd.store.reader import Reader
from kadrd.store.segment import nearest
from kadrd.store.shard import build
from kadrd.store.shards import Index
from kadrd.values import Encoded

DIMENSION = 16
MODEL = "0123456789abcdef"


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


class Library:
    """A catalogue with these vectors, and indexes over it."""

    def __init__(self, folder, vectors):
        self.folder, self.path = folder, str(folder / "catalogue.sqlite")
        self.catalogue = Catalogue(self.path)
        self.reader = Reader(self.path)
        self.model_id = self.catalogue.model_id(MODEL, "tiny")
        with self.catalogue.transaction():
            for number, vector in enumerate(vectors):
                encoded = Encoded(4, 4, "PNG", {MODEL: vector})
                picture = self.catalogue.add_picture(b"%033d" % number, encoded)
                self.catalogue.add_vector(self.model_id, picture, encoded, MODEL)
        chunks = list(self.reader.vectors(self.model_id, 0, 2**62))
        self.ids = np.array([id_ for _, ids, _ in chunks for id_ in ids], np.int64)
        self.vectors = np.concatenate(
            [np.empty((0, DIMENSION), np.float32), *(rows for _, _, rows in chunks)]
        )
        self._indexes = 0

    def index(self, *cuts):
        """An index with a shard up to each of *cuts*, and a segment for the rest."""
        self._indexes += 1
        folder = self.folder / f"index-{self._indexes}"
        folder.mkdir()
        ranges = [Range(f"{a}-{b}.shard", a, b) for a, b in zip((0, *cuts), cuts, strict=False)]
        for name, after, upto in ranges:
            build(
                str(folder / name), model=MODEL, after=after, upto=upto, picture_ids=self.ids[after:upto].tolist(),
                vectors=self.vectors[after:upto], threads=1,
            )  # fmt: skip
        generation.publish(str(folder), ranges)
        return Index(
            folder=str(folder), catalogue=self.path, reader=self.reader, model_id=self.model_id, fingerprint=MODEL,
            dimension=DIMENSION, seal_at=10**6, shard_size=10**6,
        )  # fmt: skip

    def truth(self, vector, k, chosen):
        mask = np.isin(self.ids, chosen.ids)
        return nearest(self.vectors[mask], self.ids[mask], vector, k)

    def close(self):
        self.reader.close()
        self.catalogue.close()


class Chosen:
    """A filter that lets these pictures through, and counts what it was asked."""

    def __init__(self, ids, narrows=True):
        self.ids, self.narrows = np.sort(np.asarray(ids, np.int64)), narrows
        self.listed, self.checked = [], []

    def some(self, limit):
        self.listed.append(limit)
        return self.ids[:limit]

    def among(self, picture_ids):
        asked = list(picture_ids)
        self.checked += asked
        return set(self.ids.tolist()).intersection(asked)


@pytest.fixture
def make(tmp_path):
    """Makes a library of vectors."""
    with contextlib.ExitStack() as stack:
        yield lambda vectors: stack.enter_context(contextlib.closing(Library(tmp_path, vectors)))


@pytest.fixture
def small():
    """Small libraries take the ways of large ones."""
    with mock.patch.object(plan, "ALWAYS_EXACT", 0):
        yield


@pytest.fixture(scope="module")
def indexes(tmp_path_factory):
    """One library of 600 pictures in clusters, as a segment, as shards, and as both."""
    chance = np.random.default_rng(1)
    centres = unit(chance.normal(size=(8, DIMENSION)))
    vectors = unit(centres[chance.integers(8, size=600)] + 0.2 * chance.normal(size=(600, DIMENSION)))
    with contextlib.closing(Library(tmp_path_factory.mktemp("plan"), vectors)) as library:
        shapes = [(), (600,), (250, 500, 590), (10, 300), (1, 2, 3, 599), (100, 200, 300, 400, 500)]
        yield library, [library.index(*cuts) for cuts in shapes]


def same(near, truth):
    """Equal scores in the same order; the pictures are the same but for ties."""
    assert [one.score for one in near] == pytest.approx([one.score for one in truth], abs=1e-5)
    assert len({one.picture_id for one in near}) == len(truth)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    shape=st.integers(0, 5),
    seed=st.integers(0, 2**31),
    k=st.sampled_from((0, 1, 10, 60, 600, 10_000)),
    share=st.sampled_from((0.0, 0.01, 0.05, 0.3, 0.9, 1.0)),
    where=st.sampled_from(("anywhere", "near", "far")),
    narrows=st.booleans(),
    always=st.sampled_from((0, 1000)),
)
def test_any_filter_gives_what_a_look_at_everything_gives(
    indexes, shape, seed, k, share, where, narrows, always
):
    """Whatever share matches, near the query or far from it, the answer is that of brute force."""
    library, shapes = indexes
    chance = np.random.default_rng(seed)
    query = unit(library.vectors[chance.integers(600)] + 0.1 * chance.normal(size=DIMENSION))
    order = {
        "anywhere": chance.permutation(600),
        "near": np.argsort(-(library.vectors @ query)),
        "far": np.argsort(library.vectors @ query),
    }[where]
    chosen = Chosen(library.ids[order[: int(share * 600)]], narrows)
    with mock.patch.object(plan, "ALWAYS_EXACT", always):
        found = find(query, k, shapes[shape], chosen)
    same(found.near, library.truth(query, k, chosen))
    assert set(chosen.ids.tolist()).issuperset(one.picture_id for one in found.near)


def lonely(make, others=2000):
    """An index whose graph does not lead to its last picture, which lies alone. Gives library, index, that picture.

    Equal vectors fill each other's lists of neighbours, so nobody keeps a link to it.
    """
    crowd, alone = np.eye(DIMENSION, dtype=np.float32)[:2]
    chance = np.random.default_rng(2)
    far = unit(-alone + 0.3 * chance.normal(size=(others // 2, DIMENSION)))
    library = make([*far, *np.repeat(crowd[None], others // 2, axis=0), alone])
    index = library.index(len(library.ids))
    last = int(library.ids[-1])
    assert last not in {near.picture_id for near in index.search(alone, 100)}
    return library, index, last, alone


def test_few_that_match_are_each_looked_at(make):
    """A picture that the graph does not reach is found under a narrow filter, as the nearest that it is."""
    library, index, last, query = lonely(make)
    chosen = Chosen([*library.ids[:50], *library.ids[1000:1050], last])
    found = find(query, 10, index, chosen)
    assert (found.near[0].picture_id, found.plan) == (last, Plan("exact", 101, 101, 0))
    same(found.near, library.truth(query, 10, chosen))


@pytest.mark.usefixtures("small")
def test_many_that_match_but_not_near(make):
    """When all near pictures are filtered out the graph comes short, and then every match is looked at: none is lost."""
    library, index, last, query = lonely(make)
    chosen = Chosen([*library.ids[:900], last])
    found = find(query, 10, index, chosen)
    assert found.near[0].picture_id == last
    assert (found.plan.way, found.plan.matches) == ("exact after a short graph", 901)
    same(found.near, library.truth(query, 10, chosen))


@pytest.mark.usefixtures("small")
def test_many_that_match(indexes):
    """Under a wide filter the graph answers: no picture is asked about twice, and not all matches are listed."""
    library, (_, index, *_) = indexes
    query = library.vectors[3]
    chosen = Chosen(library.ids[np.argsort(-(library.vectors @ query))[120:]])
    with mock.patch.object(plan, "GRAPH_SHARE", 1):
        found = find(query, 5, index, chosen)
    same(found.near, library.truth(query, 5, chosen))
    assert found.plan == Plan("graph", None, len(chosen.checked), 2)
    assert len(set(chosen.checked)) == len(chosen.checked) < 600
    assert chosen.listed == [plan.exact_limit(5, 600)]


@pytest.mark.usefixtures("small")
def test_nothing_near_that_matches(indexes):
    """When two looks show nothing that matches, the graph is not believed to know its way so far out."""
    library, (_, index, *_) = indexes
    query = library.vectors[3]
    chosen = Chosen(library.ids[np.argsort(-(library.vectors @ query))[400:]])
    with mock.patch.object(plan, "GRAPH_SHARE", 1):
        found = find(query, 5, index, chosen)
    assert found.plan._replace(looked_at=0) == Plan("exact after a short graph", 200, 0, 2)
    assert 200 < found.plan.looked_at < 200 + 400  # every match, and the candidates of two looks
    same(found.near, library.truth(query, 5, chosen))


def test_pictures_whose_disk_is_away(indexes):
    """Without a filter nothing is counted beforehand; when what is near cannot be shown, a few rounds are enough."""
    library, (_, index, *_) = indexes
    query = library.vectors[3]
    far = np.argsort(library.vectors @ query)[:200]
    for shown in (library.ids, library.ids[far], library.ids[:1], library.ids[:0]):
        chosen = Chosen(shown, narrows=False)
        found = find(query, 10, index, chosen)
        same(found.near, library.truth(query, 10, chosen))
        assert found.plan.rounds <= 2
        assert set(chosen.listed) <= {plan.EVERYTHING}


@pytest.mark.parametrize("narrows", [True, False])
def test_an_empty_index(make, narrows):
    """Where nothing is indexed nothing is found, whatever the catalogue knows."""
    index = make([]).index()
    assert find(np.ones(DIMENSION, np.float32), 10, index, Chosen([1, 2], narrows)).near == []


@given(st.integers(1, 10**6), st.floats(0, 1), st.integers(1, 10**4))
def test_rounds_are_few(wanted, share, k):
    """Each look is at least four times as wide as the one before, and not sixteen times wider at a guess."""
    assert 4 * wanted <= wider(wanted, int(share * k), k) <= 16 * wanted
