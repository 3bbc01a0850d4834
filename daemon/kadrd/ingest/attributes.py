"""The user's tags of a file's extended attributes. Reads them, and nothing else of the file.

Linux's desktops share freedesktop's `user.xdg.tags`, words with commas between; macOS keeps a property list of names with
their colours. Python's own `os.getxattr` is on Linux only, and macOS is asked through the C library.
"""

from __future__ import annotations

import ctypes
import os
import plistlib
import sys

from kadrd.ingest import claims

_LINUX, _MACOS = "user.xdg.tags", b"com.apple.metadata:_kMDItemUserTags"
_MAX_VALUE = 1 << 16  # what Linux allows


def tags(path: bytes) -> tuple[str, ...]:
    """The tags of the file *path*; none where there is no file, or its disk keeps no attributes."""
    try:
        return from_plist(_macos(path)) if sys.platform == "darwin" else from_words(_linux(path))
    except OSError:
        return ()


def from_words(value: bytes) -> tuple[str, ...]:
    """The tags in *value* of Linux.

    >>> from_words(b"sea, summer 2024,,")
    ('sea', 'summer 2024')
    """
    return claims.labels(value[:_MAX_VALUE].decode("utf-8", "replace").split(","))


def from_plist(value: bytes) -> tuple[str, ...]:
    """The tags in *value* of macOS: each may be followed by a line with the number of its colour."""
    try:
        found = plistlib.loads(value[:_MAX_VALUE], fmt=plistlib.FMT_BINARY)
    except Exception:  # noqa: BLE001 - the library raises whatever damage leads it to
        return ()
    names = found if isinstance(found, list) else []
    return claims.labels([name.partition("\n")[0] for name in names if isinstance(name, str)])


def _linux(path: bytes) -> bytes:
    # Not through a link: the tags are those of the file that was read, and that was none.
    return os.getxattr(path, _LINUX, follow_symlinks=False) if sys.platform == "linux" else b""


def _macos(path: bytes) -> bytes:
    """getxattr(path, name, value, size, position, XATTR_NOFOLLOW)."""
    library = ctypes.CDLL(None, use_errno=True)
    library.getxattr.restype = ctypes.c_ssize_t
    room = ctypes.create_string_buffer(_MAX_VALUE)
    size = library.getxattr(path, _MACOS, room, ctypes.c_size_t(_MAX_VALUE), ctypes.c_uint32(0), 1)
    return room.raw[:size] if size > 0 else b""
