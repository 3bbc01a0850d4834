"""Brings the catalogue's folders and files in line with the disk. Reads folders, never the inside of a file.

Nothing is forgotten at once: a file that is not found is missing, and is deleted only when a later look agrees;
a root whose disk is away is offline, and nothing in it is missing.
"""

from __future__ import annotations

import errno
import logging
import os
import time

from kadrd.config import Scan
from kadrd.ingest import scan, volume
from kadrd.ingest.backlog import Backlog, Dirty
from kadrd.ingest.settle import Settle, age
from kadrd.ingest.watch import Watcher
from kadrd.store.catalogue import Catalogue
from kadrd.values import Root

log = logging.getLogger(__name__)

SLICE_SECONDS = 0.2
SWEEP_FILES = 5000
SAMPLE_FILES = 64
POLLED_A_SECOND = 100
# When this many files and more than half of a root vanish at once, it is more likely a disk than a person.
MASS_FILES = 100
MASS_PATIENCE = 24 * 3600.0


class Scanner:
    """Looks at dirty folders. Owned by the ingest thread."""

    def __init__(
        self, catalogue: Catalogue, backlog: Backlog, watcher: Watcher, settle: Settle, settings: Scan
    ) -> None:
        self._catalogue, self._tree = catalogue, catalogue.tree
        self._backlog, self._watcher, self._settle, self._settings = backlog, watcher, settle, settings
        self._roots: list[Root] = self._tree.roots()
        self.unreadable: set[bytes] = set()
        self._poll_after = 0.0
        self.full_scans = 0
        self.came_back = False
        """Whether a disk came back; its pictures may lack a vector of a model that was taken up meanwhile."""

    # Roots

    def add_root(self, path: bytes) -> bool:
        """Watch *path*; False when it is watched already, by itself or through a folder above it."""
        if self.root_of(path) is not None:
            self._backlog.add(path, deep=True)
            return False
        with self._catalogue.transaction():
            self._add_root(path, None)
        self._backlog.add(path, deep=True)
        return True

    def _add_root(self, path: bytes, inside: Root | None) -> None:
        here = volume.at(path)
        if here is None:
            raise FileNotFoundError(errno.ENOENT, "no such folder", path)
        self._tree.add_root(path, *here, inside.inside or inside.id if inside else None)
        self._roots = self._tree.roots()

    def remove_root(self, root: Root) -> int:
        """Forget a root and the disks inside it; gives the number of its files."""
        with self._catalogue.transaction():
            count = self._tree.remove_root(root.id)
        self._roots = self._tree.roots()
        self._watcher.disarm(root.path)
        self.unreadable = {path for path in self.unreadable if self.root_of(path) is not None}
        return count

    def root_of(self, path: bytes) -> Root | None:
        """The root that *path* lies in."""
        return next(
            (r for r in self._roots if path == r.path or path.startswith(r.path.rstrip(b"/") + b"/")), None
        )

    @property
    def roots(self) -> list[Root]:
        """What the user asked to watch."""
        return [root for root in self._roots if root.inside is None]

    def scan_everything(self) -> None:
        """Look at every folder of every root, and try again what could not be read."""
        self.full_scans += 1
        for root in self._roots:
            self._backlog.add(root.path, deep=True)
        self._tree.retry_unreadable()

    def check_roots(self) -> None:
        """Notice disks that went, came back or are new."""
        known = {root.path for root in self._roots}
        for root in self._roots:
            if self._present(root) != root.online:
                self._backlog.add(root.path, deep=True)
        for top in self.roots:
            for point in volume.mounted_below(top.path) - known:
                self._backlog.add(os.path.dirname(point))
        # At most so many a second, however many the system will not watch.
        if time.monotonic() >= self._poll_after:
            by_clock = self._watcher.unwatched | self.unreadable
            self._poll_after = time.monotonic() + len(by_clock) / POLLED_A_SECOND
            for path in by_clock:
                self._backlog.add(path)

    # Folders

    def step(self) -> bool:
        """Look at dirty folders for a moment; whether there was any. Raises what disk and catalogue raise."""
        end = time.monotonic() + SLICE_SECONDS
        taken: list[Dirty] = []
        try:
            with self._catalogue.transaction():
                while (not taken or time.monotonic() < end) and (dirty := self._backlog.take()) is not None:
                    taken.append(dirty)
                    self._look(dirty)
        except BaseException:
            # Nothing of this slice was written, so all of it has to be looked at again.
            self._roots = self._tree.roots()
            for dirty in taken:
                self._backlog.add(dirty.path, deep=dirty.deep, number=dirty.number)
            raise
        return bool(taken)

    def _look(self, dirty: Dirty) -> None:
        path, root = dirty.path, self.root_of(dirty.path)
        if root is None or self._ignored(path, root):
            return
        if path == root.path:
            if not self._update_online(root):
                return
        elif self._tree.folder(path) is None and self._tree.folder(os.path.dirname(path)) is None:
            self._backlog.add(os.path.dirname(path), number=dirty.number)
            return
        # It was a folder once; a link could lead out of the root.
        if path != root.path and os.path.islink(path):
            self._folder_gone(path, root)
            return
        self._watcher.arm(path)
        found = scan.listing(path, self._settings)
        if found is None:
            if self._update_online(root):  # an unmount speaks of the folders on the disk, not of the disk
                self._folder_gone(path, root)
            return
        (self.unreadable.discard if found.complete else self.unreadable.add)(path)
        self._apply(root, dirty, found)

    def _ignored(self, path: bytes, root: Root) -> bool:
        """Whether any folder on the way from the root is one that the scan leaves out."""
        return any(scan.ignored(name, self._settings) for name in path[len(root.path) :].split(b"/") if name)

    def _apply(self, root: Root, dirty: Dirty, found: scan.Listing) -> None:
        known = self._tree.folder(dirty.path)
        # A folder without a parent is a root's top, or was one until a root above it took it in.
        stray = known is not None and known.parent_id is None and dirty.path != root.path
        if known is None or not known.present or stray:
            known = self._tree.add_folder(root.id, dirty.path)
        diff = scan.compare(found, known)
        ids = self._tree.add_files(known.id, diff.new)
        self._tree.files_changed(diff.changed)
        self._tree.files_back(diff.back)
        self._tree.files_gone(diff.gone)
        for file_id, stat in (*zip(ids, (stat for _, stat in diff.new), strict=True), *diff.changed):
            self._settle.changed(file_id, age(stat), time.monotonic())
        for name in diff.folders:
            if dirty.deep or name not in known.subfolders:
                self._backlog.add(os.path.join(dirty.path, name), deep=True, number=dirty.number)
        for name in diff.folders_gone:
            self._folder_gone(os.path.join(dirty.path, name), root)
        for name in found.mounts:
            self._mounted(os.path.join(dirty.path, name), root, dirty.number)

    def _mounted(self, path: bytes, root: Root, number: int) -> None:
        """A disk inside *root*: a root of its own, that goes offline by itself and is forgotten with the other."""
        if all(known.path != path for known in self._roots):
            self._add_root(path, root)
            self._backlog.add(path, deep=True, number=number)

    def _folder_gone(self, path: bytes, root: Root) -> None:
        for disk in self._roots:
            if disk.path == path or disk.path.startswith(path + b"/"):
                self._backlog.add(disk.path)  # its mount point went with it: offline, not deleted
        self._tree.folder_gone(path, root.id)
        self._watcher.disarm(path)
        self.unreadable.discard(path)

    # Disks that go and come

    def _present(self, root: Root) -> bool:
        """Whether what the root held may be there: not an empty mount point, nor another disk in its place."""
        here = volume.at(root.path)
        if here is None or here == (root.system, root.inode):
            return here is not None
        if here.system == root.system and volume.holds_anything(root.path):
            return True  # the folder was made anew on the same disk
        sample = self._tree.sample(root.id, SAMPLE_FILES)
        return not sample or volume.holds(sample)

    def _update_online(self, root: Root) -> bool:
        present = self._present(root)
        here = volume.at(root.path) if present else None
        if here is not None and here != (root.system, root.inode):
            self._tree.set_volume(root.id, *here)
            self._roots = self._tree.roots()
        if present != root.online:
            log.info("%r is %s", root.path, "online again" if present else "offline")
            self._tree.set_online(root.id, present)
            self._roots = self._tree.roots()
            self.came_back |= present
        return present

    # Files that stay away

    def sweep(self, now: float) -> None:
        """Delete files that have been missing for a while, when another look agrees."""
        if not self._tree.any_missing():  # counting a million files every time would cost
            return
        for root in self._roots:
            missing = self._tree.long_missing(root.id, now - self._settings.gone_seconds, SWEEP_FILES)
            if missing and self._suspicious(root):
                missing = self._tree.long_missing(root.id, now - MASS_PATIENCE, SWEEP_FILES)
            gone = [file_id for file_id, path in missing if scan.gone(path, self._settings, root.path)]
            if len(gone) < len(missing):
                for folder in {os.path.dirname(path) for _, path in missing}:
                    self._backlog.add(folder)
            if gone:
                with self._catalogue.transaction():
                    self._tree.forget(gone)

    def _suspicious(self, root: Root) -> bool:
        missing, all_ = self._tree.share_missing(root.id)
        return missing >= MASS_FILES and 2 * missing > all_
