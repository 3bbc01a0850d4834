"""One sealed hnswlib graph: a file, its header beside it, and never a change. The only importer of hnswlib.

hnswlib 0.8 neither checks nor syncs: it saves short on a full disk without a word, and crashes on damaged files
(nmslib/hnswlib#673). So a header with the size and checksum is read first, and the file is shown to
hnswlib only when both agree.

It searches as widely as it is asked for: searchKnn of 0.8.0 takes max(ef, k), so nothing here sets ef after loading,
which other threads would feel.

History of FORMAT
  1  hnswlib 0.8, space "ip" over unit vectors, labels are picture ids
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import hnswlib
import numpy as np

from kadrd.store import durable
from kadrd.store.checksum import checksum
from kadrd.store.segment import Ids, blocks, exactly, inside
from kadrd.values import Matrix, Near, Vector

FORMAT = 1
# 100,000 clustered vectors of 512 numbers: M 16, ef 100 reach recall@10 0.9995 at ef 50.
LINKS = 16
EF_CONSTRUCTION = 200
EF_SEARCH = 96
# hnswlib gives rows through lists of Python numbers: 30 us a row, beside 120 ms to copy a whole shard of 65,536 (2 us a
# row). Both hold the GIL, so the few are asked for 8 ms at a time.
COPIED_FROM = 1 / 16
ROWS_AT_ONCE = 256
# From here on a look at every row takes no longer than the graph, misses nothing, and cannot ask for more than it reaches.
EXACT_FROM = 1 / 2


class Damaged(Exception):
    """A shard's file is not what its header says. It is rebuilt from the catalogue."""


@dataclass(frozen=True)
class Header:
    """What a shard holds; checked before hnswlib sees the file."""

    format: int
    model: str
    dimension: int
    after: int
    upto: int
    count: int
    size: int
    checksum: str


def build(
    path: str, *, model: str, after: int, upto: int, picture_ids: list[int], vectors: Matrix, threads: int
) -> Header:
    """Make the shard file *path* and its header, complete and synced. Raises OSError or Damaged."""
    index = hnswlib.Index(space="ip", dim=vectors.shape[1])
    index.init_index(
        max_elements=max(len(picture_ids), 1), M=LINKS, ef_construction=EF_CONSTRUCTION, random_seed=1
    )
    if picture_ids:
        index.add_items(vectors, np.asarray(picture_ids), num_threads=threads)
    try:
        return _saved(index, path, model=model, after=after, upto=upto, count=len(picture_ids))
    except OSError:
        # The disk may be full: what cannot be used must not keep it so.
        for left in (f"{path}.tmp", path, header_path(path)):
            with contextlib.suppress(OSError):
                os.unlink(left)
        raise


def _saved(index: hnswlib.Index, path: str, *, model: str, after: int, upto: int, count: int) -> Header:
    temporary, size = f"{path}.tmp", index.index_file_size()
    index.save_index(temporary)
    durable.sync_saved(temporary, size)  # hnswlib says nothing of a full disk, nor of a missing folder
    header = Header(FORMAT, model, index.dim, after, upto, count, size, checksum(temporary))
    durable.point("shard-built", path)
    durable.publish(temporary, path)
    durable.replace(header_path(path), json.dumps(asdict(header)).encode())
    return header


def read_header(path: str) -> Header:
    """The header of the shard file *path*, checked against the file. Raises Damaged."""
    try:
        with open(header_path(path), "rb") as file:
            header = Header(**json.loads(file.read(65536)))
        good = (
            header.format == FORMAT
            and os.path.getsize(path) == header.size
            and checksum(path) == header.checksum
        )
    except (OSError, ValueError, TypeError) as error:
        raise Damaged(f"{path}: {error}") from None
    if not good:
        raise Damaged(f"{path}: the bytes are not those that were written")
    return header


def header_path(path: str) -> str:
    return f"{path}.json"


class Shard:
    """A sealed graph, searched by any number of threads."""

    def __init__(self, path: str, model: str, dimension: int) -> None:
        """Load the shard. Raises Damaged, also when it belongs to another model."""
        header = read_header(path)
        if (header.model, header.dimension) != (model, dimension):
            raise Damaged(f"{path}: it belongs to another model")
        self.path = path
        self.after, self.upto, self.count = header.after, header.upto, header.count
        self._index = hnswlib.Index(space="ip", dim=dimension)
        self._index.load_index(path, max_elements=max(header.count, 1))
        if self._index.get_current_count() != header.count:  # the header itself has no checksum
            raise Damaged(f"{path}: it does not hold as many rows as its header says")
        self._index.set_ef(EF_SEARCH)

    @functools.cached_property
    def ids(self) -> Ids:
        """Sorted."""
        return np.sort(np.asarray(self._index.get_ids_list(), dtype=np.int64))

    def search(self, vector: Vector, k: int) -> list[Near]:
        """The *k* nearest, best first; recall@10 at least 0.99."""
        k = min(k, self.count)
        if k == 0:
            return []
        if k > EXACT_FROM * self.count:
            return exactly(self.vectors(None), vector, k)
        try:
            labels, distances = self._index.knn_query(vector, k=k, num_threads=1)
        except RuntimeError:
            # Fewer than k points can be reached in the graph (nmslib/hnswlib#563): then every row is looked at.
            return exactly(self.vectors(None), vector, k)
        scores = 1.0 - distances[0].astype(np.float64)
        return [Near(*near) for near in zip(labels[0].tolist(), scores.tolist(), strict=True)]

    def vectors(self, allowed: Ids | None) -> Iterator[tuple[Ids, Matrix]]:
        """(ids, vectors) of the pictures in *allowed*, which is sorted; of all without it. Some at a time."""
        if allowed is not None:
            wanted = allowed[inside(allowed, self.ids)]
            if len(wanted) <= COPIED_FROM * self.count:
                for start in range(0, len(wanted), ROWS_AT_ONCE):
                    some = wanted[start : start + ROWS_AT_ONCE]
                    yield some, np.asarray(self._index.get_items(some), dtype=np.float32)
                return
        yield from blocks(*self._copied(), allowed)

    def _copied(self) -> tuple[Ids, Matrix]:
        """(ids, vectors) of every row, out of the copy of its memory that hnswlib makes to be pickled."""
        (state,) = self._index.__getstate__()
        memory, stride, count = (
            state["data_level0"].data,
            state["size_data_per_element"],
            state["cur_element_count"],
        )
        ids = np.ndarray((count,), np.int64, memory, state["label_offset"], (stride,))
        vectors = np.ndarray((count, self._index.dim), np.float32, memory, state["offset_data"], (stride, 4))
        return ids, vectors
