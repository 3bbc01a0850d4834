"""Search under a filter: how many of the ten nearest that match are found, and how long it takes.

    python bench/filtered.py [--count 200000] [--queries 100] [--keep FOLDER]

Made-up clusters of 512 numbers in a real catalogue and real shards; each picture is one file. Filters let 50, 10, 1 and
0.1 % through: any pictures, those of the clusters nearest to the query, those of the clusters farthest from it. The truth is
a look at every vector; `cpu` is the mean of what the process spent, for a machine that does other things too. Making the shards takes most of the time; --keep makes them once.
"""

from __future__ import annotations

import argparse
import contextlib
import resource
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kadrd.query import plan
from kadrd.store.catalogue import Catalogue
from kadrd.store.reader import Reader
from kadrd.store.segment import nearest
from kadrd.store.selection import Selection
from kadrd.store.shards import Index
from kadrd.values import Encoded, Facts, Matrix, Stat, Vector

CATALOGUE = "catalogue.sqlite"
MODEL, DIMENSION = "filtered", 512
SHARD = 65_536
SHARES = (0.5, 0.1, 0.01, 0.001)
WANTED = 10
A_CLUSTER = 200


class World(NamedTuple):
    """Where the vectors lie."""

    centres: Matrix
    clusters: NDArray[np.int64]
    """of each picture, by number"""


class Filter(NamedTuple):
    """One condition in two forms: SQL, and a mask over the pictures by number."""

    sql: str
    values: tuple[Any, ...]
    mask: NDArray[np.bool_]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--keep", type=Path, help="a folder that is made once, and used again")
    args = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = args.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kadr-filtered-")))
        world, home = drawn(args.count), folder / str(args.count)
        if not home.exists():
            making = folder / f"{args.count}.making"
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir(parents=True)
            fill(str(making / CATALOGUE), world)
            making.rename(home)
        path = str(home / CATALOGUE)
        reader = stack.enter_context(contextlib.closing(Reader(path)))
        index = stack.enter_context(contextlib.closing(opened(path, reader)))
        seal(index)
        measure(world, index, reader, args.queries)


def drawn(count: int) -> World:
    """Clusters around themes around one direction, as pictures lie in CLIP's space; the n-th picture's cluster."""
    chance = np.random.default_rng(4)
    clusters = max(20, count // A_CLUSTER)
    themes = unit(unit(chance.normal(size=(1, DIMENSION))) + unit(chance.normal(size=(20, DIMENSION))))
    centres = unit(
        themes[chance.integers(len(themes), size=clusters)] + unit(chance.normal(size=(clusters, DIMENSION)))
    )
    return World(centres, chance.integers(clusters, size=count))


def unit(rows: NDArray[Any]) -> Matrix:
    scaled: Matrix = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return scaled


def near_to(centres: Matrix, chance: np.random.Generator) -> Matrix:
    """One vector around each of *centres*: two of a cluster have a cosine of about 0.6."""
    return unit(centres + 0.8 * unit(chance.normal(size=centres.shape)))


def fill(path: str, world: World) -> None:
    """One file and one vector for each picture. `iso` is a number of its own, drawn; `focal` its cluster."""
    started = time.perf_counter()
    chance = np.random.default_rng(5)
    vectors = near_to(world.centres[world.clusters], chance)
    lots = chance.permutation(len(vectors)).tolist()
    with contextlib.closing(Catalogue(path)) as catalogue:
        tree, model_id = catalogue.tree, catalogue.model_id(MODEL, MODEL)
        with catalogue.transaction():
            tree.add_root(b"/r", 1, 1)
            (root,) = tree.roots()
        for first in range(0, len(vectors), 1000):
            with catalogue.transaction():
                folder = tree.add_folder(root.id, b"/r/%d" % first)
                some = range(first, min(first + 1000, len(vectors)))
                stats = [(b"%d.jpg" % number, Stat(1, 1, 1, number)) for number in some]
                for number, file_id in zip(some, tree.add_files(folder.id, stats), strict=True):
                    encoded = Encoded(640, 480, "JPEG", {MODEL: vectors[number]})
                    picture = catalogue.add_picture(b"%032d" % number, encoded)
                    catalogue.add_vector(model_id, picture, encoded, MODEL)
                    catalogue.indexed(file_id, Stat(1, 1, 1, number), picture, b"%032d" % number)
                    catalogue.facts.put(
                        file_id, Facts(iso=lots[number], focal=float(world.clusters[number])), None
                    )
    print(f"{len(vectors):,} files written in {time.perf_counter() - started:.0f} s")


def opened(path: str, reader: Reader) -> Index:
    return Index(
        folder=f"{path}.shards", catalogue=path, reader=reader, model_id=reader.model_id(MODEL), fingerprint=MODEL,
        dimension=DIMENSION, seal_at=SHARD, shard_size=SHARD,
    )  # fmt: skip


def seal(index: Index) -> None:
    started = time.perf_counter()
    index.checkpoint()
    while index.sealing:
        time.sleep(0.2)
        index.checkpoint()
    print(
        f"{index.count:,} vectors in {index.shards} shards, sealed in {time.perf_counter() - started:.0f} s"
    )


def measure(world: World, index: Index, reader: Reader, queries: int) -> None:
    chunks = list(reader.vectors(reader.model_id(MODEL), 0, 2**62))
    ids = np.concatenate([some for _, some, _ in chunks])
    vectors = np.concatenate([rows for _, _, rows in chunks])
    del chunks
    chance = np.random.default_rng(6)
    asked = chance.integers(len(world.centres), size=queries)
    print(f"{'filter':<26}{'recall@10':>10}{'p50 ms':>9}{'p99 ms':>9}{'cpu ms':>9}  ways")
    for name, filters in cases(world, asked):
        found = wanted = 0
        times: list[float] = []
        spent = 0.0
        ways: Counter[str] = Counter()
        for cluster, one in zip(asked, filters, strict=True):
            query = near_to(world.centres[cluster : cluster + 1], chance)[0]
            truth = {near.picture_id for near in exact(vectors, ids, one.mask, query)}
            selection = Selection(reader, one.sql, one.values)
            started, busy = time.perf_counter(), time.process_time()
            answer = plan.find(query, WANTED, index, selection)
            times.append((time.perf_counter() - started) * 1000)
            spent += (time.process_time() - busy) * 1000 / queries
            ways[answer.plan.way] += 1
            found += len(truth & {near.picture_id for near in answer.near})
            wanted += len(truth)
        told = ", ".join(f"{way} {number}" for way, number in ways.most_common())
        middle, late = np.percentile(times, [50, 99])
        print(f"{name:<26}{found / wanted:>10.4f}{middle:>9.1f}{late:>9.1f}{spent:>9.1f}  {told}")
    print(
        f"memory, with the truth in it: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MB at most"
    )


def exact(vectors: Matrix, ids: NDArray[np.int64], mask: NDArray[np.bool_], query: Vector) -> list[Any]:
    scores = np.where(mask, vectors @ query, np.float32(-2))
    best = np.argpartition(-scores, WANTED)[:WANTED]
    return nearest(vectors[best], ids[best], query, min(WANTED, int(mask.sum())))


def cases(world: World, asked: Sequence[int]) -> Iterator[tuple[str, list[Filter]]]:
    """A name, and one filter for each query."""
    count = len(world.clusters)
    lots = np.random.default_rng(5)
    near_to(world.centres[world.clusters], lots)  # the same draws as when they were written
    iso = lots.permutation(count)
    sizes = np.bincount(world.clusters, minlength=len(world.centres))
    yield "none", [Filter("", (), np.ones(count, np.bool_))] * len(asked)
    for share in SHARES:
        below = int(share * count)
        yield f"{share:.1%} of all", [Filter("facts.iso < ?", (below,), iso < below)] * len(asked)
    for where, sign in (("nearest", -1), ("farthest", 1)):
        for share in SHARES:
            yield (
                f"{share:.1%}, the {where}",
                [
                    of_clusters(world, np.argsort(sign * (world.centres @ world.centres[one])), sizes, share)
                    for one in asked
                ],
            )


def of_clusters(world: World, order: NDArray[np.int64], sizes: NDArray[np.int64], share: float) -> Filter:
    """The pictures of the first clusters in *order* that hold this share of all."""
    enough = int(np.searchsorted(np.cumsum(sizes[order]), share * len(world.clusters))) + 1
    chosen = order[:enough]
    marks = ",".join("?" * len(chosen))
    return Filter(f"facts.focal IN ({marks})", tuple(map(float, chosen)), np.isin(world.clusters, chosen))


if __name__ == "__main__":
    main()
