"""Brings the catalogue's folders and files in line with the disk. Reads folders, never the inside of a file.

Nothing is forgotten at once: a file that is not found is missing, and is deleted only when a later look agrees;
a root whose disk is away, or does not answer, is offline, and nothing in it is missing.

Every system call on a root is made by that root's own thread (disks.py). What comes in time is taken at once; what comes
late is taken when it comes, and until then the root's other folders wait, and nobody else's.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from functools import partial

from kadrd.config import Scan
from kadrd.ingest import scan, volume
from kadrd.ingest.backlog import Backlog, Dirty, Held
from kadrd.ingest.disks import Disks
from kadrd.ingest.look import Sample, Sight, look, place
from kadrd.ingest.missing import Missing
from kadrd.ingest.settle import Settle, age
from kadrd.ingest.watch import Watcher
from kadrd.store.catalogue import Catalogue
from kadrd.values import Root

log = logging.getLogger(__name__)

SLICE_SECONDS = 0.2
SAMPLE_FILES = 64
POLLED_A_SECOND = 100


class Scanner:
    """Looks at dirty folders. Owned by the ingest thread."""

    def __init__(
        self, catalogue: Catalogue, backlog: Backlog, watcher: Watcher, settle: Settle, settings: Scan
    ) -> None:
        self._catalogue, self._tree = catalogue, catalogue.tree
        self._backlog, self._watcher, self._settle, self._settings = backlog, watcher, settle, settings
        self._roots: list[Root] = self._tree.roots()
        self.unreadable: set[bytes] = set()
        self.left_over: Callable[[int, bytes], None] = lambda *_: None
        """Told of folders, and their root, in which a kill may have left something of ours."""
        self._poll_after = 0.0
        self._mounts = volume.Mounts()
        self._disks = Disks(backlog.wake, settings.hang_seconds)
        self._missing = Missing(catalogue, backlog, self._disks, settings)
        self._held = Held()
        """Folders whose disk has not answered an earlier question yet."""
        self._again: list[Dirty] = []
        """What has to be looked at again should this slice's transaction fail."""
        self._recognised: dict[int, int] = {}
        """How often the mount table had changed when each root was last recognised."""
        self._accepted: set[int] = set()
        """Offline roots of which the user said that what lies there now is meant."""
        self._strangers: dict[int, volume.Volume] = {}
        """What lies in the place of an offline root, and was found to be another disk."""
        self.full_scans = 0
        self.came_back = False
        """Whether a disk came back; its pictures may lack a vector of a model that was taken up meanwhile."""

    # Roots

    def add_root(self, path: bytes, here: volume.Volume) -> bool:
        """Watch *path*, where *here* lies; False when it is watched already, by itself or through a folder above it.

        For a root that is offline it says that what lies there now is meant.
        """
        root = self.root_of(path)
        new, number = root is None, None
        if root is not None and root.path == path and not root.online:
            self._accepted.add(root.id)
        if new:
            with self._catalogue.transaction():
                self._tree.add_root(path, *here)
            number = self._roots_changed()
        self._backlog.add(path, deep=True, number=number)
        return new

    def remove_root(self, root: Root) -> int:
        """Forget a root and the disks inside it; gives the number of its files."""
        with self._catalogue.transaction():
            count = self._tree.remove_root(root.id)
        self._disks.tell(root.id, self._watcher.disarm(root.path))
        self._roots_changed()
        self.unreadable = {path for path in self.unreadable if self.root_of(path) is not None}
        return count

    def close(self) -> None:
        """Let go of the mount table and of all disks that can be let go of."""
        self._mounts.close()
        self._disks.keep([])

    def _roots_changed(self) -> int | None:
        """Take the roots from the catalogue, and forget all of those that went: their numbers are given again. Gives the
        smallest number that waited for the disk of one.
        """
        before, self._roots = {root.id for root in self._roots}, self._tree.roots()
        kept = {root.id for root in self._roots}
        numbers = [dirty.number for id_ in before - kept for dirty in self._asked(id_) + self._held.take(id_)]
        self._disks.keep(kept)
        self._accepted &= kept
        for id_ in before - kept:
            self._recognised.pop(id_, None)
            self._strangers.pop(id_, None)
        return min(numbers, default=None)

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
        number = self._backlog.last  # a sync waits for a disk that answers late
        for root in self._roots:
            if root.id not in self._disks.late:
                then = partial(self._check, root.id, number)
                self._disks.ask(root.id, partial(place, root), then, Dirty(root.path, False, number))
        known = {root.path for root in self._roots}
        for top in self.roots:
            for point in volume.topmost(self._mounts.below(top.path) - known):
                self._backlog.add(os.path.dirname(point))
        # At most so many a second, however many the system will not watch.
        if time.monotonic() >= self._poll_after:
            by_clock = self._watcher.unwatched | self.unreadable
            self._poll_after = time.monotonic() + len(by_clock) / POLLED_A_SECOND
            for path in by_clock:
                self._backlog.add(path)

    def _check(self, root_id: int, number: int, here: volume.Volume | None) -> None:
        root = self._root(root_id)
        if root is None:
            return
        if root.online:
            differs = here != (root.system, root.inode)
        else:  # a disk that was found to be another one is not asked again, unless it may have been filled since
            stranger = (
                here == self._strangers.get(root_id) and here is not None and here.system != root.system
            )
            differs = here is not None and not stranger
        if differs:
            self._backlog.add(root.path, deep=True, number=number)

    def _root(self, root_id: int) -> Root | None:
        """The root as it is now; None when it was removed."""
        return next((root for root in self._roots if root.id == root_id), None)

    def ask_after(self) -> None:
        """Give disks that do not answer another moment."""
        self._disks.ask_after()

    def next_hang(self) -> float | None:
        """When to look whether a disk still says nothing."""
        return self._disks.next_hang()

    @property
    def unseen(self) -> int:
        """How many folders are marked and not looked at yet, but for those on disks that do not answer."""
        return len(self._backlog) + len(self._slow())

    def oldest(self) -> int | None:
        """The smallest number that is still marked, but for disks that do not answer."""
        numbers = [dirty.number for dirty in self._slow()]
        first = self._backlog.oldest()
        return min(numbers if first is None else [first, *numbers], default=None)

    def _slow(self) -> list[Dirty]:
        """Folders that wait for a disk which is slow but not hanging."""
        slow = [id_ for id_, late in list(self._disks.late.items()) if not late.hangs]
        return [dirty for id_ in slow for dirty in self._asked(id_) + self._held.of(id_)]

    def _asked(self, root_id: int) -> list[Dirty]:
        """The folder that a root's disk is asked about just now."""
        late = self._disks.late.get(root_id)
        return [] if late is None or late.about is None else [late.about]

    # Folders

    def step(self) -> bool:
        """Look at dirty folders for a moment; whether there was any. Raises what disk and catalogue raise."""
        end = time.monotonic() + SLICE_SECONDS
        self._again, accepted = [], set(self._accepted)
        try:
            with self._catalogue.transaction():
                came = self._take_late()
                while not self._again or time.monotonic() < end:
                    if (dirty := self._backlog.take()) is None:
                        break
                    self._again.append(dirty)
                    self._look(dirty)
        except BaseException:
            # Nothing of this slice was written, so all of it has to be looked at again.
            self._accepted |= accepted
            self._roots_changed()
            self._mark(self._again)
            raise
        return bool(self._again) or came

    def _mark(self, folders: list[Dirty]) -> None:
        for dirty in folders:
            self._backlog.add(dirty.path, deep=dirty.deep, number=dirty.number)

    def _look(self, dirty: Dirty, sample: Sample | None = None) -> None:
        path, root = dirty.path, self.root_of(dirty.path)
        if root is None or self._ignored(path, root):
            return
        if not root.online and path != root.path:  # its disk is asked for once, not for each folder
            self._backlog.add(root.path, number=dirty.number)
            return
        if root.id in self._disks.late:
            self._held.add(root.id, dirty)
            return
        if path != root.path and self._tree.folder(path) is None:
            above = os.path.dirname(path)
            if self._tree.folder(above) is None:
                self._backlog.add(above, number=dirty.number)
                return
        mounted, mounts = self._mounts.points(), self._mounts.changes
        question = partial(
            look, path, root, sample=sample, stayed=self._recognised.get(root.id) == mounts,
            arm=self._watcher.arm, settings=self._settings, mounted=mounted,
        )  # fmt: skip
        self._disks.ask(root.id, question, partial(self._seen, root, dirty, mounts), about=dirty)

    def _seen(self, asked: Root, dirty: Dirty, mounts: int, sight: Sight) -> None:
        """Take what a look brought home; *asked* is the root as it was then."""
        path, root = dirty.path, self._root(asked.id)
        if root is None:
            return
        if sight.present is None:
            sample = [] if root.id in self._accepted else self._tree.sample(root.id, SAMPLE_FILES)
            self._look(dirty, sample)
            return
        if sight.present:
            self._accepted.discard(root.id)
            self._recognised[root.id] = mounts
        if not sight.present or sight.here != (root.system, root.inode) or not root.online:
            root = self._update_online(root, sight, dirty.number)
        if not (root.online and asked.online):  # of an offline root nothing was listed
            return
        self._watcher.note(path, watched=sight.watched)
        if sight.listing is None:
            if path != root.path:
                self._folder_gone(path, root)
            return
        (self.unreadable.discard if sight.listing.complete else self.unreadable.add)(path)
        if sight.listing.left_over:
            self.left_over(root.id, path)
        self._apply(root, dirty, sight.listing)

    def _take_late(self) -> bool:
        """What disks answered late, and those that do not answer at all; whether there was anything."""
        answered = self._disks.answered()
        for late in answered:  # all of them, before an answer can fail and keep the others'
            root = self._root(late.root_id)
            if root is not None:
                self._again.append(late.about or Dirty(root.path, True, self._backlog.last))
                if late.hangs:
                    # It answers again. Number 0: a sync that began before this turn waits for it too.
                    self._backlog.add(root.path, deep=True, number=0)
            self._mark(self._held.take(late.root_id))
        for late in answered:
            late.then(late.answer.result())
        return self._take_hanging() or bool(answered)

    def _take_hanging(self) -> bool:
        """Set disks offline that do not answer; whether there was any. Each time anew: the transaction may have failed."""
        self._disks.hanging()
        hanging = {late.root_id for late in self._disks.late.values() if late.hangs}
        found = [root for root in self._roots if root.id in hanging and root.online]
        for root in found:
            log.warning("the disk at %r does not answer; it counts as offline until it does", root.path)
            self._set_online(root, online=False)
        return bool(found)

    def _give_up(self, path: bytes, root: Root) -> None:
        """Watch nothing in or below *path*, but disks inside. The kernel may have to look there, so the disk's thread tells
        it. A transaction that fails does not undo this, so then all of it is looked at again.
        """
        self._disks.tell(root.id, self._watcher.disarm(path))
        self._again.append(Dirty(path, True, 0))
        for disk in self._roots:
            if disk.id != root.id and (disk.path == path or disk.path.startswith(path.rstrip(b"/") + b"/")):
                self._backlog.add(disk.path, deep=True)  # if its mount point went too, it is offline

    def _ignored(self, path: bytes, root: Root) -> bool:
        """Whether any folder on the way from the root is one that the scan leaves out."""
        return any(scan.ignored(name, self._settings) for name in path[len(root.path) :].split(b"/") if name)

    def _apply(self, root: Root, dirty: Dirty, found: scan.Listing) -> None:
        known = self._tree.folder(dirty.path)
        # A folder without a parent is a root's top, or was one until a root above it took it in; one of another root lay
        # there before a disk was mounted over it, or was taken away.
        stray = known is not None and (
            known.root_id != root.id or (known.parent_id is None and dirty.path != root.path)
        )
        if known is None or not known.present or stray:
            known = self._tree.add_folder(root.id, dirty.path)
        diff = scan.compare(found, known)
        ids = self._tree.add_files(known.id, diff.new)
        new_beside = [(id_, found.beside.get(name, 0)) for id_, (name, _) in zip(ids, diff.new, strict=True)]
        self._tree.files_beside([*diff.beside, *((id_, stamp) for id_, stamp in new_beside if stamp)])
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
            self._tree.add_root(path, 0, 0, root.inside or root.id)  # which disk it is, its first look tells
            self._roots = self._tree.roots()
            self._backlog.add(path, deep=True, number=number)

    def _folder_gone(self, path: bytes, root: Root) -> None:
        self._tree.folder_gone(path, root.id)
        self._give_up(path, root)
        self.unreadable.discard(path)

    # Disks that go and come

    def _update_online(self, root: Root, sight: Sight, number: int) -> Root:
        """The root as it is now. When it came back all of it is marked, with *number*."""
        self._strangers.pop(root.id, None)
        if not sight.present and sight.here is not None:
            self._strangers[root.id] = sight.here
        if sight.present and sight.here is not None and sight.here != (root.system, root.inode):
            self._tree.set_volume(root.id, *sight.here)
            self._roots = self._tree.roots()
        if sight.present != root.online:
            log.info("%r is %s", root.path, "online again" if sight.present else "offline")
            self._set_online(root, online=bool(sight.present))
            self.came_back |= bool(sight.present)
            if sight.present:
                self._backlog.add(root.path, deep=True, number=number)
            else:
                self._give_up(root.path, root)
        return next(now for now in self._roots if now.id == root.id)

    def _set_online(self, root: Root, *, online: bool) -> None:
        self._tree.set_online(root.id, online)
        self._roots = self._tree.roots()

    # Files that stay away

    def sweep(self, now: float) -> None:
        """Delete files that have been missing for a while, when another look agrees."""
        if self._tree.any_missing():  # counting a million files every time would cost
            with self._catalogue.transaction():
                for root in self._roots:
                    self._missing.sweep(root, now)
