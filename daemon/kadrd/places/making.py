"""Makes the file that answers, in a process of its own, behind everybody else's work.

python -m kadrd.places.making PATH GAZETTEER

The file is replaced whole (store/durable.py). Who may start this: the daemon that holds state/lock, for its own cache folder.
Exit code 0 means that PATH is complete and on the disk.
"""

from __future__ import annotations

import contextlib
import glob
import os
import sqlite3
import sys

from kadrd.places import build, table
from kadrd.store import durable

# Nobody sees the file before it is whole, so a journal would protect nothing.
_HASTE = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -16384"


def main(path: str, gazetteer: str) -> int:
    os.nice(10)
    try:
        make(path, gazetteer)
    except (sqlite3.Error, *table.UNREADABLE) as error:
        print(f"no file of places could be made: {error}", file=sys.stderr)
        return 1
    return 0


def make(path: str, gazetteer: str) -> None:
    """Put the tables of build.py at *path*. Raises sqlite3.Error and what is in table.UNREADABLE; what lay there before is gone then, too."""
    for left in glob.glob(os.path.join(glob.escape(os.path.dirname(path)), "places-*")):
        os.unlink(left)  # of another version, or of a child that was killed here
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with contextlib.closing(sqlite3.connect(temporary)) as connection:
            connection.executescript(_HASTE)
            build.fill(connection, gazetteer)
        durable.sync_file(temporary)
        durable.publish(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
