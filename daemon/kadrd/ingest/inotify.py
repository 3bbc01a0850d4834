"""Linux: one inotify watch a folder, one descriptor, one thread. The only caller of inotify; knows no root and reads no folder.

Written here instead of taken from watchdog 7.1, which is still used on macOS: its recursive observer dies under
concurrent renames (gorakhargosh/watchdog#600), and its InotifyFD holds a lock while the kernel looks at a folder, so
that one dead network disk stops the watches of all. Nothing here is locked while the kernel may wait for a disk.

The kernel knows folders (inodes), the rest of kadr knows paths. A folder may have two paths (a bind mount, or for a moment
a rename), and a path may get another folder; so an event goes to every path its folder was armed under, and who looks
there finds out. What relies on the kernel alone: the numbers of inotify(7). Were
one wrong, the fence would not come back, neither at the start nor at any heartbeat (watch.py).
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import struct
import threading
from collections.abc import Callable

_ATTRIB, _CLOSE_WRITE, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x4, 0x8, 0x40, 0x80, 0x100, 0x200
_DELETE_SELF, _MOVE_SELF = 0x400, 0x800
_OVERFLOW, _IGNORED = 0x4000, 0x8000
_ONLY_FOLDERS, _NO_LINKS, _NO_UNLINKED = 0x01000000, 0x02000000, 0x04000000
# Not OPEN, ACCESS or CLOSE_NOWRITE: our own reading must not wake us. ATTRIB tells of tags in extended attributes, and of
# times and modes too: then a file is read once more, for nothing.
_MASK = (
    _ATTRIB | _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _DELETE_SELF | _MOVE_SELF
    | _ONLY_FOLDERS | _NO_LINKS | _NO_UNLINKED
)  # fmt: skip
_HEAD = struct.Struct("iIII")  # watch, mask, cookie, length of the name
_READ = 1 << 18


class Inotify:
    """Calls *on_event* (path of an armed folder, name in it) from a thread of its own, *on_moved* (path) when the folder
    at a path may be another one than before, *on_lost* when the kernel dropped events. Raises OSError.
    """

    ordered = True

    def __init__(
        self, on_event: Callable[[bytes, bytes], None], on_moved: Callable[[bytes], None],
        on_lost: Callable[[], None],
    ) -> None:  # fmt: skip
        self._on_event, self._on_moved, self._on_lost = on_event, on_moved, on_lost
        self._lock = threading.Lock()
        self._paths: dict[int, set[bytes]] = {}
        self._watches: dict[bytes, int] = {}
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._queue = _checked(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._end, self._ending = os.pipe()
        self._thread = threading.Thread(target=self._read, name="inotify", daemon=True)
        self._thread.start()

    def arm(self, folder: bytes) -> None:
        """Hear of *folder* from now on. May wait for its disk, and only then. Raises OSError."""
        watch = _checked(self._libc.inotify_add_watch(self._queue, folder, _MASK), folder)
        with self._lock:
            before = self._watches.get(folder, watch)
            self._watches[folder] = watch
            self._paths.setdefault(watch, set()).add(folder)
            over = before != watch and self._forget(folder, before)
        if over:
            self._libc.inotify_rm_watch(self._queue, before)
        if before != watch:  # another folder than before, with other folders below it
            self._on_moved(folder)

    def disarm(self, top: bytes) -> Callable[[], None]:
        """Hear nothing of *top* and what is below it any more. What is given has to be called once: it may wait for the
        disk, this does not.
        """
        below = top.rstrip(b"/") + b"/"
        with self._lock:
            gone = [path for path in self._watches if path == top or path.startswith(below)]
            pairs = [(path, self._watches.pop(path)) for path in gone]
            over = [watch for path, watch in pairs if self._forget(path, watch)]
        return lambda: self._end_watches(over)

    def _end_watches(self, watches: list[int]) -> None:
        for watch in watches:
            with self._lock:
                again = watch in self._paths  # the folder was armed anew meanwhile, and got the same number
            if not again:
                self._libc.inotify_rm_watch(self._queue, watch)

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def close(self) -> None:
        """End the thread, and with it every watch. Once is enough."""
        with self._lock:
            queue, ending, self._queue, self._ending = self._queue, self._ending, -1, -1
        if ending < 0:
            return
        os.close(ending)
        self._thread.join()
        os.close(queue)
        os.close(self._end)

    def _forget(self, path: bytes, watch: int) -> bool:
        """Take *path* from the watch; whether it was the last one. Under the lock."""
        paths = self._paths.get(watch, set())
        paths.discard(path)
        if paths:
            return False
        return self._paths.pop(watch, None) is not None

    # The thread

    def _read(self) -> None:
        poll, queue = select.poll(), self._queue
        poll.register(queue, select.POLLIN)
        poll.register(self._end, select.POLLIN)
        while self._end not in {descriptor for descriptor, _ in poll.poll()}:
            data, at = os.read(queue, _READ), 0
            while at < len(data):
                watch, mask, _, length = _HEAD.unpack_from(data, at)
                at += _HEAD.size + length
                self._tell(watch, mask, data[at - length : at].rstrip(b"\0"))

    def _tell(self, watch: int, mask: int, name: bytes) -> None:
        if mask & _OVERFLOW:
            self._on_lost()
            return
        with self._lock:
            paths = list(self._paths.get(watch, ()))
            if mask & _IGNORED:  # the kernel has ended the watch: deleted, unmounted, or we said so
                for path in self._paths.pop(watch, ()):
                    if self._watches.get(path) == watch:
                        del self._watches[path]
        for path in paths:
            self._on_event(path, name)
            if mask & _MOVE_SELF:
                self._on_moved(path)


def _checked(result: int, path: bytes = b"") -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number or errno.EIO), path)
    return result
