"""Events as hints: which folder may have changed. The only importer of watchdog.

The scanner arms a folder just before it lists it, so nothing can fall between. An event says only "look at
this folder again"; a lost one costs time, never data. `lost` is called when the system dropped events.

Linux: one inotify watch a folder, through watchdog's InotifyFD (one descriptor, one thread, which reports a full
queue). Its recursive observer is not used: its own bookkeeping dies under concurrent renames (KeyError in the
reader thread of 7.1.0, gorakhargosh/watchdog#600), and ours is the catalogue anyway.
macOS: one recursive FSEvents stream a root.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

FENCE_SECONDS = 5.0


class Watcher:
    """Watches folders and calls *dirty* with the path of one that may have changed, from a thread of its own."""

    def __init__(self, dirty: Callable[[bytes], None], lost: Callable[[], None], fence_folder: str) -> None:
        self.unwatched: set[bytes] = set()
        """Folders that the system would not watch: they are looked at by the clock."""
        self._dirty, self._lost = dirty, lost
        self._fence_folder = os.fsencode(fence_folder)
        self._fence = threading.Condition()
        self._fence_made = self._fence_seen = self._beat = 0
        os.makedirs(fence_folder, mode=0o700, exist_ok=True)
        self._system: Any = self._started()

    def _started(self) -> Any:
        """The system's watch; one that watches nothing when the system gives no more of them."""
        try:
            system = _System(self.event, self._lost)
        except OSError:
            return _Nothing()
        try:
            system.arm(self._fence_folder)
        except OSError:
            system.close()
            return _Nothing()
        return system

    def beat(self) -> bool:
        """Whether the system still tells what happens; called now and then.

        A thread can be dead, or alive and stuck. Both show in the same way: the fence of the last beat has not come
        back (on macOS, which promises no order, only a dead one shows). So nothing of the library's insides has to be known.
        """
        with self._fence:
            heard = self._fence_seen >= self._beat
            if self._system.ordered:
                self._beat = self._send_fence()
        return bool(heard and self._system.is_alive())

    def restart(self) -> bool:
        """Begin anew; whether anything changed, so that every folder has to be armed again."""
        # Whoever is stuck may hold the lock that closing wants, so nobody waits for it.
        threading.Thread(target=self._system.close, daemon=True).start()
        before, self._system = self._system, self._started()
        with self._fence:
            self._fence_seen = self._fence_made
        return not (isinstance(before, _Nothing) and isinstance(self._system, _Nothing))

    def arm(self, folder: bytes) -> None:
        """Watch *folder* from now on. A folder that cannot be watched is remembered in `unwatched`."""
        try:
            self._system.arm(folder)
            self.unwatched.discard(folder)
        except OSError as error:
            # A folder that is gone or may not be read is the scanner's business, which looks at it again anyway.
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EACCES):
                self.unwatched.add(folder)

    def disarm(self, root: bytes) -> None:
        """Watch nothing in or below *root* any more."""
        self._system.disarm(root)
        self.unwatched = {path for path in self.unwatched if not _below(path, root)}

    def fence(self) -> bool:
        """Wait until every event from before this call has arrived. False when the system cannot promise that.

        A file made in a folder of our own comes through the same queue behind all that came before it.
        """
        if not self._system.ordered:
            return False
        with self._fence:
            number = self._send_fence()
            return number > 0 and self._fence.wait_for(lambda: self._fence_seen >= number, FENCE_SECONDS)

    def _send_fence(self) -> int:
        """The number to wait for; 0, which has been seen, when the disk is too full to make the file."""
        self._fence_made += 1
        name = os.path.join(self._fence_folder, b"%d" % self._fence_made)
        try:
            os.close(os.open(name, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
            os.unlink(name)
        except OSError:
            return 0
        return self._fence_made

    @property
    def alive(self) -> bool:
        return bool(self._system.is_alive())

    def close(self) -> None:
        self._system.close()

    def event(self, folder: bytes, name: bytes) -> None:
        """Something happened to *name* in *folder*; called by the system's thread."""
        if folder != self._fence_folder:
            self._dirty(folder)
        elif name.isdigit():
            with self._fence:
                self._fence_seen = max(self._fence_seen, int(name))
                self._fence.notify_all()


def _below(path: bytes, root: bytes) -> bool:
    return path == root or path.startswith(root.rstrip(b"/") + b"/")


class _Nothing:
    """No watch at all: the system has no more of them (EMFILE). Every folder counts as unwatched."""

    ordered = False

    def arm(self, folder: bytes) -> None:
        raise OSError(errno.EMFILE, "no more watches", folder)

    def disarm(self, root: bytes) -> None:
        """Nothing to do."""

    def is_alive(self) -> bool:
        return False  # so that every beat tries again

    def close(self) -> None:
        """Nothing to do."""


if sys.platform == "linux":
    from watchdog.observers.inotify_c import InotifyConstants as _In
    from watchdog.observers.inotify_c import InotifyFD

    # Not OPEN, ACCESS, ATTRIB or CLOSE_NOWRITE: our own reading must not wake us.
    _MASK = (
        _In.IN_CLOSE_WRITE | _In.IN_CREATE | _In.IN_MOVED_FROM | _In.IN_MOVED_TO | _In.IN_DELETE | _In.IN_DELETE_SELF
        | _In.IN_MOVE_SELF | _In.IN_ONLYDIR | _In.IN_DONT_FOLLOW | _In.IN_EXCL_UNLINK
    )  # fmt: skip

    def _inode(path: bytes) -> int:
        try:
            return os.stat(path).st_ino
        except OSError:
            return -1

    class _Armed:
        """watchdog's callback for one folder, under the path it had when it was armed."""

        def __init__(self, system: _System, path: bytes, number: int) -> None:
            self._system, self._path, self.number = system, path, number
            self._inode = _inode(path)

        def on_event(self, event: Any) -> None:
            self._system.on_event(self._path, event.name)
            if event.mask & _In.IN_MOVE_SELF and _inode(self._path) != self._inode:
                # It has another path now; the scan of its new parent arms that one. This one is over. (The news
                # of the move also reaches a callback that was armed under the new path before it was read.)
                self._system.drop(event.wd, self._path, self.number)

        def on_watch_deleted(self, _wd: int) -> None:
            self._system.forget(self._path, self.number)

        def on_queue_overflow(self) -> None:
            self._system.on_lost()

    class _System:
        """Linux: inotify. Every arming is a callback with a number of its own, so that a folder which was
        replaced by another under the same path is watched whatever order the news of it comes in.
        """

        ordered = True

        def __init__(self, on_event: Callable[[bytes, bytes], None], on_lost: Callable[[], None]) -> None:
            self.on_event, self._lost = on_event, on_lost
            self._numbers = itertools.count(1)
            self._lock = threading.Lock()
            self._armed: dict[bytes, tuple[int, int]] = {}
            # Any: its types tell watch descriptors and callback numbers apart, which for us are numbers.
            self._reader: Any = InotifyFD()
            self._reader.daemon, self._reader.name = True, "inotify"
            self._reader.start()

        def arm(self, folder: bytes) -> None:
            with self._lock:
                number = next(self._numbers)
                wd = self._reader.add_callback(folder, _MASK, _Armed(self, folder, number), number)
                before = self._armed.get(folder)
                self._armed[folder] = (wd, number)
            if before is not None:
                self._reader.remove_callbacks([before])
            if wd == -1:  # watchdog keeps silent about EACCES
                self.drop(wd, folder, number)
                raise PermissionError(errno.EACCES, "cannot be watched", folder)

        def disarm(self, root: bytes) -> None:
            with self._lock:
                paths = [path for path in self._armed if _below(path, root)]
                over = [self._armed.pop(path) for path in paths]
            self._reader.remove_callbacks(over)

        def drop(self, wd: int, path: bytes, number: int) -> None:
            self.forget(path, number)
            self._reader.remove_callbacks([(wd, number)])

        def forget(self, path: bytes, number: int) -> None:
            with self._lock:
                if self._armed.get(path, (0, 0))[1] == number:
                    del self._armed[path]

        def on_lost(self) -> None:
            self._lost()

        def is_alive(self) -> bool:
            return bool(self._reader.is_alive())

        def close(self) -> None:
            self._reader.stop()
            self._reader.join()

else:
    from watchdog.events import FileSystemEvent, FileSystemEventHandler
    from watchdog.observers import Observer

    class _Stream(FileSystemEventHandler):
        """watchdog's callback for one recursive stream."""

        def __init__(self, on_event: Callable[[bytes, bytes], None]) -> None:
            self._on_event = on_event

        def on_any_event(self, event: FileSystemEvent) -> None:
            for path in filter(None, (event.src_path, event.dest_path)):
                folder, _, name = os.fsencode(path).rpartition(b"/")
                self._on_event(folder, name)

    class _System:
        """macOS: FSEvents, recursive, in no promised order."""

        ordered = False

        def __init__(self, on_event: Callable[[bytes, bytes], None], _on_lost: Callable[[], None]) -> None:
            self._on_event = on_event
            self._streams: dict[bytes, Any] = {}
            self._observer = Observer()
            self._observer.start()

        def arm(self, folder: bytes) -> None:
            if not any(_below(folder, root) for root in self._streams):
                handler = _Stream(self._on_event)
                self._streams[folder] = self._observer.schedule(handler, os.fsdecode(folder), recursive=True)

        def disarm(self, root: bytes) -> None:
            for path in [path for path in self._streams if _below(path, root)]:
                with contextlib.suppress(KeyError, OSError):
                    self._observer.unschedule(self._streams.pop(path))

        def is_alive(self) -> bool:
            return bool(self._observer.is_alive())

        def close(self) -> None:
            self._observer.stop()
            self._observer.join()
