"""A look at a folder, made on its disk's own thread: whether the disk is there, and what the folder holds.

Looks at disks and arms the watch; knows no catalogue, so what it has to know of a root is handed in.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from kadrd.config import Scan
from kadrd.ingest import scan, volume
from kadrd.values import Root

Sample = list[tuple[bytes, int, int]]
"""(path, size, mtime in ns) of some files of a root."""


class Sight(NamedTuple):
    """What a look found."""

    listing: scan.Listing | None
    """None: there is no such folder."""
    present: bool | None = True
    """Whether the root's disk is there; None when it takes a sample of its files to tell."""
    here: volume.Volume | None = None
    """What lies at the root's path, when it was looked at."""
    watched: bool = True


def look(
    path: bytes, root: Root, alive: Callable[[], None], *, sample: Sample | None, stayed: bool,
    arm: Callable[[bytes], bool], settings: Scan, mounted: frozenset[bytes],
) -> Sight:  # fmt: skip
    """Look at the folder *path* of *root*. It is armed just before it is listed, so nothing falls between.

    Calls *alive* whenever the disk gave something. Of a root that is offline nothing is armed or listed: it is only asked
    whether its disk is there again.
    """
    # It was a folder once; a link could lead out of the root.
    listed = root.online and (path == root.path or not os.path.islink(path))
    watched = arm(path) if listed else True
    alive()
    listing = scan.listing(path, settings, mounted, alive) if listed else None
    # The disk is looked at last: were it let go in between, the bare mount point's files would be taken for its own.
    here = volume.at(root.path)
    present = recognised(root, here, sample, stayed=stayed, alive=alive)
    return Sight(listing if present else None, present, here, watched)


def recognised(
    root: Root, here: volume.Volume | None, sample: Sample | None, *, stayed: bool, alive: Callable[[], None] = lambda: None,
) -> bool | None:  # fmt: skip
    """Whether *here* is what the root held: not an empty mount point, nor another disk in its place.

    *stayed*: no disk came or went since the root was last recognised.
    """
    if here is None:
        return False
    same_system = here.system == root.system and (here.system != 0 or stayed)
    if same_system and (here.inode == root.inode or volume.holds_anything(root.path)):
        return True  # a folder with another inode was made anew on the same disk
    return None if sample is None else not sample or volume.holds(sample, alive)


def place(root: Root, _alive: Callable[[], None]) -> volume.Volume | None:
    """What lies at the root's path."""
    return volume.at(root.path)


def still_gone(
    missing: list[tuple[int, bytes]], root: Root, settings: Scan, alive: Callable[[], None]
) -> tuple[list[int], set[bytes]]:
    """Of files (id, path) that were not found: the ids of those that are gone for certain, and the others' folders."""
    gone: dict[int, bool] = {}
    for file_id, path in missing:
        gone[file_id] = scan.gone(path, settings, root.path)
        alive()
    doubtful = {os.path.dirname(path) for file_id, path in missing if not gone[file_id]}
    return [file_id for file_id, sure in gone.items() if sure], doubtful
