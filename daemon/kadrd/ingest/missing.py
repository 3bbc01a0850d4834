"""Files that stay away: who is missing for long is deleted when another look agrees. Decides only that; what is missing,
the scanner says.
"""

from __future__ import annotations

from functools import partial

from kadrd.config import Scan
from kadrd.ingest.backlog import Backlog
from kadrd.ingest.disks import Disks
from kadrd.ingest.look import still_gone
from kadrd.store.catalogue import Catalogue
from kadrd.values import Root

SWEEP_FILES = 5000
# When this many files and more than half of a root vanish at once, it is more likely a disk than a person.
MASS_FILES = 100
MASS_PATIENCE = 24 * 3600.0


class Missing:
    """The missing files of all roots. Owned by the ingest thread, inside the catalogue's transaction."""

    def __init__(self, catalogue: Catalogue, backlog: Backlog, disks: Disks, settings: Scan) -> None:
        self._catalogue, self._tree = catalogue, catalogue.tree
        self._backlog, self._disks, self._settings = backlog, disks, settings
        self._asked: dict[int, int] = {}
        """The last file of each root that was looked for, by the root's id: the next sweep goes on behind it."""

    def sweep(self, root: Root, now: float) -> None:
        """Look for some files of *root*, unless its disk has not answered yet; *now* is the catalogue's age."""
        if root.id not in self._disks.late and (missing := self._next(root, now)):
            self._disks.ask(root.id, partial(still_gone, missing, root, self._settings), self._forget)

    def _next(self, root: Root, now: float) -> list[tuple[int, bytes]]:
        """The next ones that stay away: those that cannot be deleted must not keep the others from it."""
        after = self._asked.get(root.id, 0)
        missing = self._tree.long_missing(root.id, now - self._settings.gone_seconds, SWEEP_FILES, after)
        if missing and self._suspicious(root):
            missing = self._tree.long_missing(root.id, now - MASS_PATIENCE, SWEEP_FILES, after)
        self._asked[root.id] = missing[-1][0] if len(missing) == SWEEP_FILES else 0
        return missing

    def _forget(self, found: tuple[list[int], set[bytes]]) -> None:
        gone, doubtful = found
        for folder in doubtful:
            self._backlog.add(folder)
        if gone:
            self._catalogue.keep_age()
            self._tree.forget(gone)

    def _suspicious(self, root: Root) -> bool:
        missing, all_ = self._tree.share_missing(root.id)
        return missing >= MASS_FILES and 2 * missing > all_
