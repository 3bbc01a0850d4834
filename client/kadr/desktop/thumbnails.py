"""The small picture that a desktop already has of a file. Looks, and makes none.

Thumbnail Managing Standard 0.9 (specifications.freedesktop.org): thumbnails/SIZE/MD5.png below the cache folder, MD5 that of
the file's URI.
"""

from __future__ import annotations

import os
from hashlib import md5

# The smallest that is sharp at the size of a search result (64 to 128 pixels, twice that on fine screens) comes first.
SIZES = ("large", "x-large", "xx-large", "normal")
# glib leaves these as they are in a path of a URI, and so does everybody whose thumbnails are to be found (RFC 3986, pchar).
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:@/")


def uri(path: bytes) -> str:
    """The file's address: text without loss, whatever bytes are in its name.

    >>> uri("/p/кот 1.jpg".encode())
    'file:///p/%D0%BA%D0%BE%D1%82%201.jpg'
    """
    return "file://" + "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in path)


def path_of(address: str) -> bytes | None:
    """The path that `uri` made *address* of; None where it is the address of no file here."""
    from urllib.parse import unquote_to_bytes

    path = unquote_to_bytes(address.removeprefix("file://")) if address.startswith("file:///") else b""
    return path if path and b"\0" not in path else None


def thumbnail(path: bytes, cache: str) -> str:
    """The thumbnail of the file *path* below the folder *cache*; empty where there is none that is as new as the file.

    The file's time is compared with the thumbnail's own, not with the one that is written inside (Thumb::MTime): one stat
    instead of reading a PNG, and an old picture for an icon does no harm.
    """
    name = md5(uri(path).encode(), usedforsecurity=False).hexdigest() + ".png"
    try:
        changed = os.stat(path).st_mtime
    except OSError:
        return ""
    for size in SIZES:
        file = os.path.join(cache, "thumbnails", size, name)
        try:
            if os.stat(file).st_mtime >= changed:
                return file
        except OSError:
            continue
    return ""
