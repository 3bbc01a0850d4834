"""One sealed hnswlib graph: a file, its header beside it, and never a change. The only importer of hnswlib.

hnswlib 0.8 neither checks nor syncs: it saves short on a full disk without a word, and crashes on damaged files
(nmslib/hnswlib#673). So a header with the size and checksum is read first, and the file is shown to
hnswlib only when both agree.

History of FORMAT
  1  hnswlib 0.8, space "ip" over unit vectors, labels are picture ids
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass

import hnswlib
import numpy as np

from kadrd.store import durable
from kadrd.store.checksum import checksum
from kadrd.store.segment import nearest
from kadrd.values import Matrix, Near, Vector

FORMAT = 1
# 100,000 clustered vectors of 512 numbers: M 16, ef 100 reach recall@10 0.9995 at ef 50.
LINKS = 16
EF_CONSTRUCTION = 200
EF_SEARCH = 96


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

    def search(self, vector: Vector, k: int) -> list[Near]:
        """The *k* nearest, best first; recall@10 at least 0.99."""
        k = min(k, self.count)
        if k == 0:
            return []
        try:
            labels, distances = self._index.knn_query(vector, k=k, num_threads=1)
        except RuntimeError:
            # Fewer than k points can be reached in the graph (nmslib/hnswlib#563): then every row is looked at.
            return self.search_exactly(vector, k)
        return [
            Near(int(label), 1.0 - float(distance))
            for label, distance in zip(labels[0], distances[0], strict=True)
        ]

    def search_exactly(self, vector: Vector, k: int) -> list[Near]:
        """The *k* nearest by looking at every row."""
        ids = np.asarray(self._index.get_ids_list(), dtype=np.int64)
        return nearest(np.asarray(self._index.get_items(ids), dtype=np.float32), ids, vector, k)
