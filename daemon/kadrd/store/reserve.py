"""A little room kept back, so that a daemon that is started on a full disk can open its catalogue and answer.

SQLite's log needs an index in a file of 32 KiB beside it, for reading too, and deletes it when it is closed. So a
healthy start lays some bytes aside, and a start on a full disk gives them back first.
"""

from __future__ import annotations

import contextlib
import os
import shutil

NAME = "reserve"
SIZE = 256 * 1024
# What was given back must not be taken again at once.
PLENTY = 8 * SIZE


def make_room(folder: str) -> None:
    """Call before the catalogue in *folder* is opened. Never raises OSError: without a reserve all else works."""
    path = os.path.join(folder, NAME)
    with contextlib.suppress(OSError):
        free = shutil.disk_usage(folder).free
        if free < SIZE:
            os.unlink(path)
        elif free > PLENTY and not os.path.exists(path):
            _fill(path)


def _fill(path: str) -> None:
    try:
        with open(path, "wb") as file:
            file.write(os.urandom(SIZE))  # bytes that no file system leaves out or packs
    except OSError:
        os.unlink(path)
        raise
