"""The user's tags of a file's extended attributes. Reads them, and nothing else of the file.

Linux's desktops share freedesktop's `user.xdg.tags`, words with commas between; macOS keeps a property list of names with
their colours.
"""

from __future__ import annotations

import contextlib
import plistlib
import sys

from kadrd import xattrs
from kadrd.ingest import claims

XDG = "user.xdg.tags"
FINDER, KEYWORDS = "com.apple.metadata:_kMDItemUserTags", "com.apple.metadata:kMDItemKeywords"
"""macOS: the Finder's tags, and words that Spotlight finds alike"""


def tags(path: bytes) -> tuple[str, ...]:
    """The tags of the file *path*; none where there is no file, or its disk keeps no attributes."""
    found: list[str] = []
    read, names = _READERS
    for name in names:
        # Not through a link: the tags are those of the file that was read, and that was none.
        with contextlib.suppress(OSError):
            found += read(xattrs.get(path, name) or b"")
    return claims.labels(found)


def from_words(value: bytes) -> tuple[str, ...]:
    """The tags in *value* of Linux.

    >>> from_words(b"sea, summer 2024,,")
    ('sea', 'summer 2024')
    """
    return claims.labels(value[: xattrs.MAX_VALUE].decode("utf-8", "replace").split(","))


def from_plist(value: bytes) -> tuple[str, ...]:
    """The tags in *value* of macOS: each may be followed by a line with the number of its colour."""
    try:
        found = plistlib.loads(value[: xattrs.MAX_VALUE], fmt=plistlib.FMT_BINARY)
    except Exception:  # noqa: BLE001 - the library raises whatever damage leads it to
        return ()
    names = found if isinstance(found, list) else []
    return claims.labels([name.partition("\n")[0] for name in names if isinstance(name, str)])


_READERS = (from_plist, (FINDER, KEYWORDS)) if sys.platform == "darwin" else (from_words, (XDG,))
