"""Watched folders with the disks inside them, and some files of each. Asks; changes nothing."""

from __future__ import annotations

from collections.abc import Iterable

from kadrd.store.reader import Reader
from kadrd.values import Root


def roots(reader: Reader) -> list[tuple[Root, int]]:
    """Every root, disks mounted inside one too, each with the number of files on it alone; by path."""
    rows = reader.ask(
        "SELECT roots.id, roots.path, system, roots.inode, online, inside, count(files.id) FROM roots "
        "LEFT JOIN folders ON folders.root_id = roots.id "
        "LEFT JOIN files ON files.folder_id = folders.id AND state != 3 GROUP BY roots.id ORDER BY roots.path"
    )
    return [
        (Root(id_, path, system, inode, bool(online), inside), files)
        for id_, path, system, inode, online, inside, files in rows
    ]


def sample(reader: Reader, root_ids: Iterable[int], count: int) -> dict[int, list[bytes]]:
    """The paths of *count* files that show a picture, from all over each root; always the same ones."""
    found = {}
    for root_id in root_ids:
        rows = reader.ask(
            "SELECT folders.path || '/' || name FROM files JOIN folders ON folders.id = folder_id "
            "WHERE root_id = ? AND state = 1 ORDER BY (files.id * 2654435761) % 4294967296 LIMIT ?",
            (root_id, count),
        )
        found[root_id] = [path for (path,) in rows]
    return found
