"""Files replaced whole, shards saved whole: whatever the disk says at whatever moment, the old ones stand."""

import errno
import os

import numpy as np
import pytest

from kadrd.store import durable, generation
from kadrd.store.generation import Range
from kadrd.store.shard import Shard, build

FAULTS = {"enospc": errno.ENOSPC, "eio": errno.EIO}
REPLACING = ["replace-written", "publish-before-rename", "publish-renamed", "publish-synced"]
SEALING = [
    "library-saved",
    "shard-built",
    *(f"publish-{step}:{number}" for step in ("before-rename", "renamed", "synced") for number in (1, 2)),
    "replace-written",
]
SHORT = ["library-saved", "replace-written"]
WHOLE = {"model": "m", "after": 0, "upto": 40, "picture_ids": list(range(40)), "threads": 1}


@pytest.fixture
def fault(monkeypatch):
    """Lets the disk fail at the first passing of a point."""

    def provoke(kind, point):
        monkeypatch.setattr(durable, "_passed", {})
        monkeypatch.setenv("KADR_FAULT", f"{kind}:{point}" if ":" in point else f"{kind}:{point}:1")

    return provoke


def vectors():
    rows = np.random.default_rng(4).standard_normal((40, 16)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("point", REPLACING)
@pytest.mark.parametrize("kind", FAULTS)
def test_replace(tmp_path, fault, kind, point):
    """A disk that fails at any step leaves the old file or the new one, whole and alone; the next try succeeds."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    fault(kind, point)
    with pytest.raises(OSError, match=os.strerror(FAULTS[kind])) as caught:
        durable.replace(str(path), b"new" * 1000)
    assert caught.value.errno == FAULTS[kind]
    assert path.read_bytes() == (b"old" if REPLACING.index(point) < 2 else b"new" * 1000)
    assert os.listdir(tmp_path) == ["file"]
    durable.replace(str(path), b"newer")
    assert path.read_bytes() == b"newer"


def test_replace_written_short(tmp_path, fault):
    """A disk that takes half of the bytes and says nothing is noticed before the file gets its name."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    fault("short", "replace-written")
    with pytest.raises(OSError, match="short"):
        durable.replace(str(path), b"new" * 1000)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("point", REPLACING[:2])
@pytest.mark.parametrize("kind", FAULTS)
def test_generation(tmp_path, fault, kind, point):
    """A manifest that cannot be written leaves the old generation; other files do not count for its faults."""
    old, new = (Range("a", 0, 10),), (Range("b", 0, 20),)
    generation.publish(str(tmp_path), old)
    fault(kind, f"{point}@{generation.MANIFEST}:1")
    durable.replace(str(tmp_path / "other"), b"")
    with pytest.raises(OSError, match=os.strerror(FAULTS[kind])):
        generation.publish(str(tmp_path), new)
    assert generation.read(str(tmp_path)) == old
    generation.publish(str(tmp_path), new)
    assert generation.read(str(tmp_path)) == new


@pytest.mark.parametrize(
    ("kind", "point"),
    [*((kind, point) for kind in FAULTS for point in SEALING), *(("short", point) for point in SHORT)],
)
def test_shard(tmp_path, fault, kind, point):
    """A shard that cannot be written whole says so and takes no room; the next try makes one that answers."""
    path, rows = str(tmp_path / "0-40.shard"), vectors()
    fault(kind, point)
    with pytest.raises(OSError, match=os.strerror(FAULTS[kind]) if kind in FAULTS else "short"):
        build(path, vectors=rows, **WHOLE)
    assert os.listdir(tmp_path) == []
    build(path, vectors=rows, **WHOLE)
    shard = Shard(path, "m", 16)
    assert [shard.search(row, 1)[0].picture_id for row in rows] == list(range(40))


def test_shard_where_there_is_no_folder(tmp_path):
    """A folder that is gone is noticed, though hnswlib says nothing of it."""
    with pytest.raises(FileNotFoundError):
        build(str(tmp_path / "none" / "0-40.shard"), vectors=vectors(), **WHOLE)
