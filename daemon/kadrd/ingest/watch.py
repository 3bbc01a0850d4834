"""Events as hints: which folder may have changed. The only importer of watchdog.

The scanner arms a folder just before it lists it, so nothing can fall between. An event says only "look at
this folder again", or at all below it when it is another one than before (`moved`); a lost one costs time, never
data. `lost` is called when the system dropped events.

Linux: ingest/inotify.py, one watch a folder.
macOS: one recursive FSEvents stream a root, through watchdog.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

FENCE_SECONDS = 5.0


class Watcher:
    """Watches folders and calls *dirty* with the path of one that may have changed, from a thread of its own.

    *moved* is called with the path at which a folder was, or is, that went elsewhere: nothing that was known below it
    need be true, and the folders in it, which did not move themselves, say nothing.
    """

    def __init__(
        self, dirty: Callable[[bytes], None], lost: Callable[[], None], fence_folder: str,
        moved: Callable[[bytes], None] | None = None,
    ) -> None:  # fmt: skip
        self.unwatched: set[bytes] = set()
        """Folders that the system would not watch: they are looked at by the clock."""
        self._dirty, self._tell_lost, self._moved = dirty, lost, moved or dirty
        self._fence_folder = os.fsencode(fence_folder)
        self._fence = threading.Condition()
        self._fence_made = self._fence_seen = self._beat = self._losses = 0
        os.makedirs(fence_folder, mode=0o700, exist_ok=True)
        self._system: Any = self._started()

    def _started(self) -> Any:
        """The system's watch; one that watches nothing when the system gives no more of them."""
        try:
            system = _System(self.event, self._moved, self._lost)
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

    def arm(self, folder: bytes) -> bool:
        """Watch *folder* from now on; False when the system would not. From any thread: a dead disk may hold it for ever."""
        try:
            self._system.arm(folder)
        except OSError as error:
            # A folder that is gone or may not be read is the scanner's business, which looks at it again anyway.
            return error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EACCES)
        return True

    def note(self, folder: bytes, *, watched: bool) -> None:
        """Keep in mind what `arm` said; on the ingest thread only."""
        (self.unwatched.discard if watched else self.unwatched.add)(folder)

    def disarm(self, root: bytes) -> Callable[[], None]:
        """Watch nothing in or below *root* any more; on the ingest thread only. Gives what has to be called once to tell
        the system: from any thread, since like `arm` it may wait for a disk.
        """
        self.unwatched = {path for path in self.unwatched if not _below(path, root)}
        over: Callable[[], None] = self._system.disarm(root)
        return over

    def fence(self) -> bool:
        """Wait until every event from before this call has arrived. False when the system cannot promise that.

        A file made in a folder of our own comes through the same queue behind all that came before it.
        """
        if not self._system.ordered:
            return False
        with self._fence:
            number, losses = self._send_fence(), self._losses
            self._fence.wait_for(lambda: self._fence_seen >= number or self._losses > losses, FENCE_SECONDS)
            return 0 < number <= self._fence_seen

    def _send_fence(self) -> int:
        """The number to wait for; 0, which has been seen, when the disk is too full to make the file."""
        self._fence_made += 1
        name = os.path.join(self._fence_folder, b"%d" % self._fence_made)
        try:
            try:
                _touch(name)
            except FileNotFoundError:  # somebody deleted the folder
                os.makedirs(self._fence_folder, mode=0o700, exist_ok=True)
                self._system.arm(self._fence_folder)
                _touch(name)
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

    def _lost(self) -> None:
        """The system dropped events, maybe a fence too; called by its thread."""
        with self._fence:
            self._losses += 1
            self._fence.notify_all()
        self._tell_lost()


def _touch(path: bytes) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))


def _below(path: bytes, root: bytes) -> bool:
    return path == root or path.startswith(root.rstrip(b"/") + b"/")


class _Nothing:
    """No watch at all: the system has no more of them (EMFILE). Every folder counts as unwatched."""

    ordered = False

    def arm(self, folder: bytes) -> None:
        raise OSError(errno.EMFILE, "no more watches", folder)

    def disarm(self, _root: bytes) -> Callable[[], None]:
        return lambda: None

    def is_alive(self) -> bool:
        return False  # so that every beat tries again

    def close(self) -> None:
        """Nothing to do."""


if sys.platform == "linux":
    from kadrd.ingest.inotify import Inotify as _System

else:
    from watchdog.events import EVENT_TYPE_MOVED, FileSystemEvent, FileSystemEventHandler
    from watchdog.observers import Observer

    class _Stream(FileSystemEventHandler):
        """watchdog's callback for one recursive stream."""

        def __init__(
            self, on_event: Callable[[bytes, bytes], None], on_moved: Callable[[bytes], None]
        ) -> None:
            self._on_event, self._on_moved = on_event, on_moved

        def on_any_event(self, event: FileSystemEvent) -> None:
            for path in map(os.fsencode, filter(None, (event.src_path, event.dest_path))):
                folder, _, name = path.rpartition(b"/")
                self._on_event(folder, name)
                if event.is_directory and event.event_type == EVENT_TYPE_MOVED:
                    self._on_moved(path)

    class _System:
        """macOS: FSEvents, recursive, in no promised order."""

        ordered = False

        def __init__(
            self, on_event: Callable[[bytes, bytes], None], on_moved: Callable[[bytes], None],
            _on_lost: Callable[[], None],
        ) -> None:  # fmt: skip
            self._on_event, self._on_moved = on_event, on_moved
            self._lock = threading.Lock()  # never held while the system may wait for a disk
            self._streams: dict[bytes, Any] = {}
            """None for one that is just being started."""
            self._observer = Observer()
            self._observer.start()

        def arm(self, folder: bytes) -> None:
            with self._lock:
                if any(_below(folder, root) for root in self._streams):
                    return
                self._streams[folder] = None
            handler, stream = _Stream(self._on_event, self._on_moved), None
            try:
                stream = self._observer.schedule(handler, os.fsdecode(folder), recursive=True)
            finally:
                with self._lock:
                    if stream is None:
                        self._streams.pop(folder, None)
                    else:
                        self._streams[folder] = stream

        def disarm(self, root: bytes) -> Callable[[], None]:
            with self._lock:
                over = [self._streams.pop(path) for path in [p for p in self._streams if _below(p, root)]]
            return lambda: self._end_streams(over)

        def _end_streams(self, streams: list[Any]) -> None:
            for stream in filter(None, streams):
                with self._lock:
                    again = stream in self._streams.values()  # watchdog gives an equal one for the same path
                if not again:
                    with contextlib.suppress(KeyError, OSError):
                        self._observer.unschedule(stream)

        def is_alive(self) -> bool:
            return bool(self._observer.is_alive())

        def close(self) -> None:
            self._observer.stop()
            self._observer.join()
