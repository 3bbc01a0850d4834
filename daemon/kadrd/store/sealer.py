"""Builds one shard, in a process of its own: hnswlib holds the GIL while it saves and loads, and may crash.

python -m kadrd.store.sealer CATALOGUE MODEL_ID FINGERPRINT DIMENSION AFTER UPTO PATH THREADS

Reads the vectors with after < seq <= upto, builds, saves, loads the file again and asks each of some rows
for itself. Exit code 0 means that PATH and its header are complete and on the disk.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

import numpy as np

from kadrd.store import durable
from kadrd.store.reader import Reader
from kadrd.store.shard import Damaged, Shard, build

PROBES = 64


def start(
    *, catalogue: str, model_id: int, fingerprint: str, dimension: int, after: int, upto: int, path: str
) -> subprocess.Popen[bytes]:
    """Begin to build the shard *path* in a child; poll it, then load the shard."""
    words = (catalogue, model_id, fingerprint, dimension, after, upto, path, os.cpu_count() or 1)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "kadrd.store.sealer", *map(str, words)], stdin=subprocess.DEVNULL
    )


def main(arguments: list[str]) -> int:
    catalogue, model_id, fingerprint, dimension, after, upto, path, threads = arguments
    os.nice(10)
    reader = Reader(catalogue)
    chunks = list(reader.vectors(int(model_id), int(after), int(upto)))
    _keep(catalogue)
    reader.close()
    ids = [picture_id for _, some, _ in chunks for picture_id in some]
    # None at all when every picture of the range was forgotten meanwhile.
    vectors = np.concatenate([np.empty((0, int(dimension)), np.float32), *(rows for _, _, rows in chunks)])
    build(
        path,
        model=fingerprint,
        after=int(after),
        upto=int(upto),
        picture_ids=ids,
        vectors=vectors,
        threads=int(threads),
    )
    shard = Shard(path, fingerprint, vectors.shape[1])
    for row in np.linspace(0, len(ids) - 1, min(PROBES, len(ids)), dtype=int):
        best = shard.search(vectors[row], 1)[0]
        if best.score < 0.999:  # the row itself, or one that is equal to it
            raise Damaged(f"{path}: picture {ids[row]} does not find itself")
    return 0


def _keep(catalogue: str) -> None:
    """Put what was read on the disk before a shard is: SQLite syncs its log only at a checkpoint (synchronous=NORMAL).

    A shard that outlived its rows would answer for the numbers that the next pictures get.
    """
    with contextlib.suppress(FileNotFoundError):  # no log: all is in the main file, and synced
        durable.sync_file(f"{catalogue}-wal")
    durable.sync_folder(os.path.dirname(catalogue))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
