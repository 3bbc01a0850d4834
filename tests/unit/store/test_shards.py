"""Segments, the manifest, files replaced whole, and what to seal next."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kadrd.store import durable, generation
from kadrd.store.generation import Range
from kadrd.store.segment import ROWS_A_BLOCK, Segment, inside, nearest
from kadrd.store.shard import Shard, build
from kadrd.store.shards import MERGE_RUN, Job, plan


def unit(random, count, dimension=8):
    rows = random.normal(size=(count, dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@given(st.integers(0, 60), st.integers(0, 70), st.integers(0, 2**31))
def test_nearest_is_brute_force(count, k, seed):
    """Exact search gives the k highest cosines, best first."""
    random = np.random.default_rng(seed)
    rows, query = unit(random, count), unit(random, 1)[0]
    near = nearest(rows, np.arange(count), query, k)
    expected = sorted((float(s) for s in rows @ query), reverse=True)[:k]
    assert [n.score for n in near] == pytest.approx(expected, abs=1e-6)


def test_search_while_it_grows():
    """A search beside an append sees the old rows or the new ones, never something between."""
    segment, random = Segment(8, 0), np.random.default_rng(2)
    rows = unit(random, 3000)
    wrong, done = [], threading.Event()

    def search():
        while not done.is_set():
            found = segment.search(rows[0], 5)
            wrong.extend(n for n in found if abs(n.score - float(rows[n.picture_id] @ rows[0])) > 1e-5)

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    for at in range(0, 3000, 50):
        segment.add(list(range(at, at + 50)), rows[at : at + 50], at + 50)
    done.set()
    for thread in threads:
        thread.join()
    assert (segment.count, segment.upto, wrong) == (3000, 3000, [])


@given(st.lists(st.integers(0, 40)), st.lists(st.integers(0, 40)))
def test_inside(ids, among):
    """Which ids are in a sorted list, whatever their order and however few there are."""
    found = inside(np.array(ids, np.int64), np.unique(np.array(among, np.int64)))
    assert found.tolist() == [id_ in among for id_ in ids]


@pytest.fixture
def shard(tmp_path):
    """A shard of 5,000 rows: (shard, ids, rows), the ids in no order."""
    chance = np.random.default_rng(9)
    ids, rows = chance.permutation(20_000)[:5000], unit(chance, 5000)
    path = str(tmp_path / "0-5000.shard")
    build(path, model="m", after=0, upto=5000, picture_ids=ids.tolist(), vectors=rows, threads=2)
    return Shard(path, "m", 8), ids, rows


@pytest.mark.parametrize("share", [None, 0.0, 0.0002, 0.06, 0.07, 0.9, 1.0])
def test_rows_of_a_shard(shard, share):
    """A shard gives the rows it was made of, few of them or many, bit for bit, a few thousand at a time."""
    sealed, ids, rows = shard
    wanted = ids if share is None else ids[: round(share * 5000)]
    chunks = list(sealed.vectors(None if share is None else np.sort(wanted)))
    assert max((len(some) for some, _ in chunks), default=0) <= ROWS_A_BLOCK
    found = {
        id_: row.tobytes()
        for some, vectors in chunks
        for id_, row in zip(some.tolist(), vectors, strict=True)
    }
    truth = dict(zip(ids.tolist(), rows, strict=True))
    assert found == {int(id_): truth[id_].tobytes() for id_ in wanted}
    assert sum(len(some) for some, _ in chunks) == len(found)


def test_a_graph_in_pieces(tmp_path, monkeypatch):
    """Among equal vectors a graph does not reach everything; asked for more than it does, a shard looks at every row."""
    monkeypatch.setattr("kadrd.store.shard.EXACT_FROM", 1.0)
    rows = np.repeat(unit(np.random.default_rng(1), 3), 300, axis=0)
    path = str(tmp_path / "0-900.shard")
    build(path, model="m", after=0, upto=900, picture_ids=list(range(900)), vectors=rows, threads=1)
    sealed = Shard(path, "m", 8)
    with pytest.raises(RuntimeError):
        sealed._index.knn_query(rows[5], k=850, num_threads=1)
    found = sealed.search(rows[5], 850)
    truth = sorted((rows @ rows[5]).tolist(), reverse=True)[:850]
    assert [n.score for n in found] == pytest.approx(truth, abs=1e-5)


def test_many_ask_one_shard(shard):
    """Threads that ask for few and for many at the same time get what each would get alone."""
    sealed, _, rows = shard
    asked = [(rows[number], k) for number in range(40) for k in (1, 10, 96, 200, 1000)]
    alone = [sealed.search(*one) for one in asked]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda one: sealed.search(*one), asked)) == alone


def part(count, after, upto, kind=SimpleNamespace):
    return kind(count=count, after=after, upto=upto)


def stand_in(count, after, upto):
    segment = Segment(4, after)
    if count:
        segment.add(list(range(count)), np.zeros((count, 4), np.float32), upto)
    return segment


PLANS = [
    ("nothing", [], 5, None),
    ("full buffer", [], 50, Job(0, 50)),
    ("small shards that are too few", [10, 10, 10], 5, None),
    ("a run of small shards", [10] * MERGE_RUN, 5, Job(0, 10 * MERGE_RUN)),
    ("a big shard stays out", [100, *[10] * MERGE_RUN], 5, Job(100, 100 + 10 * MERGE_RUN)),
    ("the buffer comes first", [10] * MERGE_RUN, 50, Job(10 * MERGE_RUN, 10 * MERGE_RUN + 50)),
]


@pytest.mark.parametrize(
    ("counts", "waiting", "job"), [row[1:] for row in PLANS], ids=[row[0] for row in PLANS]
)
def test_plan(counts, waiting, job):
    """What is sealed next: the full buffer, then a run of small shards."""
    ends = np.cumsum([0, *counts]).tolist()
    parts = [part(count, after, upto) for count, after, upto in zip(counts, ends, ends[1:], strict=False)]
    assert plan([*parts, stand_in(waiting, ends[-1], ends[-1] + waiting)], 50, 100) == job


def test_stand_in_is_mended_first():
    """A shard that is only stood in for is built again before anything else."""
    parts = [part(9, 0, 9), stand_in(5, 9, 14), part(9, 14, 23), stand_in(60, 23, 83)]
    assert plan(parts, 50, 100) == Job(9, 14)


@given(st.lists(st.integers(1, 80), max_size=60))
def test_plans_end(sizes):
    """Sealing after every batch ends, covers all rows without gaps, and leaves few shards."""
    parts, at = [], 0
    for size in sizes:
        parts, at = [*parts[:-1], stand_in((parts[-1].count if parts else 0) + size, parts[-1].after if parts else 0,
                                           at + size)], at + size  # fmt: skip
        for _ in range(20):
            job = plan(parts, 50, 400)
            if job is None:
                break
            inside = [p for p in parts if job.after <= p.after and p.upto <= job.upto]
            merged = part(sum(p.count for p in inside), *job)
            rest = [p for p in parts if p not in inside]
            parts = sorted([*rest, merged], key=lambda p: p.after)
            if not isinstance(parts[-1], Segment):
                parts.append(Segment(4, job.upto))
        else:
            pytest.fail("sealing goes on for ever")
    assert [p.after for p in parts[1:]] == [p.upto for p in parts[:-1]]
    assert sum(p.count for p in parts) == sum(sizes)
    assert len(parts) <= 3 + MERGE_RUN + sum(sizes) // 200


# The manifest


RANGES = (Range("a.shard", 0, 10), Range("b.shard", 10, 30))


def test_manifest_round_trip(tmp_path):
    """What was published is read back."""
    generation.publish(str(tmp_path), RANGES)
    assert generation.read(str(tmp_path)) == RANGES


@pytest.mark.parametrize(
    "bad",
    [
        (Range("a", 1, 10),),
        (Range("a", 0, 10), Range("b", 11, 20)),
        (Range("a", 0, 0),),
        (Range("../a", 0, 10),),
        (Range("a", 0, 10), Range("b", 10, 5)),
    ],
)
def test_manifest_that_makes_no_sense(tmp_path, bad):
    """A manifest with gaps, overlaps or foreign paths counts as none."""
    generation.publish(str(tmp_path), bad)
    assert generation.read(str(tmp_path)) == ()


@given(st.binary(max_size=200))
def test_manifest_of_garbage(tmp_path_factory, data):
    """Whatever lies in the manifest's place, reading it does not raise."""
    folder = tmp_path_factory.mktemp("m")
    (folder / generation.MANIFEST).write_bytes(data)
    assert generation.read(str(folder)) == ()


def test_sweep(tmp_path):
    """What no manifest names is deleted, the rest stays."""
    for name in (
        "a.shard",
        "a.shard.json",
        "b.shard",
        "b.shard.json",
        "old.shard",
        "x.tmp",
        generation.MANIFEST,
    ):
        (tmp_path / name).touch()
    generation.sweep(str(tmp_path), RANGES)
    assert sorted(os.listdir(tmp_path)) == [
        "a.shard",
        "a.shard.json",
        "b.shard",
        "b.shard.json",
        generation.MANIFEST,
    ]


def test_sweep_meets_what_it_cannot_delete(tmp_path):
    """A folder that somebody made among the shards stops nothing, and the rest is swept."""
    (tmp_path / "somebody's").mkdir()
    for name in ("old.shard", "x.tmp"):
        (tmp_path / name).touch()
    generation.sweep(str(tmp_path), ())
    assert os.listdir(tmp_path) == ["somebody's"]


# Files replaced whole


POINTS = ["replace-written", "publish-before-rename", "publish-renamed", "publish-synced"]


@pytest.mark.parametrize("point", POINTS)
def test_cut_off_at(tmp_path, point):
    """Cut off at any point, a file holds its old bytes or its new ones, whole."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    program = f"from kadrd.store import durable; durable.replace({str(path)!r}, b'new' * 1000)"
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "KADR_CRASH": point}, timeout=45, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == (b"old" if POINTS.index(point) < 2 else b"new" * 1000)


def test_a_reader_sees_whole_files(tmp_path):
    """While a file is replaced again and again, a reader sees one of its versions and nothing between."""
    path, done = tmp_path / "file", threading.Event()
    versions = [bytes([letter]) * 50_000 for letter in b"abc"]
    durable.replace(str(path), versions[0])
    wrong = []

    def read():
        while not done.is_set():
            if path.read_bytes() not in versions:
                wrong.append(1)

    thread = threading.Thread(target=read)
    thread.start()
    for number in range(60):
        durable.replace(str(path), versions[number % 3])
    done.set()
    thread.join()
    assert (wrong, os.listdir(tmp_path)) == ([], ["file"])


def test_replace_that_fails(tmp_path):
    """A replacement that cannot be made raises, and leaves no half of it."""
    with pytest.raises(FileNotFoundError):
        durable.replace(str(tmp_path / "none" / "file"), b"new")
    assert os.listdir(tmp_path) == []
