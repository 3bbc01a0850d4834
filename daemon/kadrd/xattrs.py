"""Extended attributes of a file, never through a link. The only file that asks the system for them; what they mean is not its matter.

Python's own functions are on Linux only; macOS is asked through the C library. pyxattr, a binding for both, comes as source
alone, and its import name belongs to another package as well.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys

MAX_VALUE = 1 << 16
"""bytes of one value: what Linux allows"""

File = bytes | int
"""a path, or a descriptor: of that one file, whatever has its name by now"""

_MISSING = {errno.ENODATA, getattr(errno, "ENOATTR", errno.ENODATA)}


def get(file: File, name: str) -> bytes | None:
    """The value of the attribute; None where the file has none of this name. Raises OSError."""
    try:
        return _get(file, name)
    except OSError as error:
        if error.errno in _MISSING:
            return None
        raise


def put(file: File, name: str, value: bytes | None) -> None:
    """Give the attribute this value; None: take it away. Raises OSError."""
    if value is not None:
        _set(file, name, value, 0)
        return
    try:
        _remove(file, name)
    except OSError as error:
        if error.errno not in _MISSING:
            raise


def swap(file: File, name: str, old: bytes | None, new: bytes | None) -> bool:
    """Make *new* of *old*; False, and nothing is written, where another value stands by now. Raises OSError.

    The system swaps nothing in one step. It does create only what is not there, and replace only what is; a value that somebody
    changes between our look and our write, some microseconds, is lost to the last who writes.
    """
    if get(file, name) != old:
        return False
    try:
        if new is None:
            _remove(file, name)
        else:
            _set(file, name, new, _CREATE if old is None else _REPLACE)
    except OSError as error:
        if error.errno in {*_MISSING, errno.EEXIST}:
            return False
        raise
    return True


if sys.platform == "linux":
    _CREATE, _REPLACE = os.XATTR_CREATE, os.XATTR_REPLACE

    # A descriptor is no link, and Python says so when it is told not to follow one.

    def _get(file: File, name: str) -> bytes:
        return os.getxattr(file, name, follow_symlinks=isinstance(file, int))

    def _set(file: File, name: str, value: bytes, flags: int) -> None:
        os.setxattr(file, name, value, flags, follow_symlinks=isinstance(file, int))

    def _remove(file: File, name: str) -> None:
        os.removexattr(file, name, follow_symlinks=isinstance(file, int))

else:
    _NO_FOLLOW, _CREATE, _REPLACE = 1, 2, 4  # <sys/xattr.h> of macOS

    def _get(file: File, name: str) -> bytes:
        room = ctypes.create_string_buffer(MAX_VALUE)
        size = _call("getxattr", file, name, 0, room, ctypes.c_size_t(MAX_VALUE), ctypes.c_uint32(0))
        return room.raw[:size]

    def _set(file: File, name: str, value: bytes, flags: int) -> None:
        _call("setxattr", file, name, flags, value, ctypes.c_size_t(len(value)), ctypes.c_uint32(0))

    def _remove(file: File, name: str) -> None:
        _call("removexattr", file, name, 0)

    def _call(function: str, file: File, name: str, flags: int, *more: object) -> int:
        """`getxattr(path, name, ..., flags)`, or `fgetxattr` of a descriptor, which knows no flag for links."""
        library = ctypes.CDLL(None, use_errno=True)
        asked = getattr(library, function if isinstance(file, bytes) else f"f{function}")
        asked.restype = ctypes.c_ssize_t
        flags |= _NO_FOLLOW if isinstance(file, bytes) else 0
        result: int = asked(file, name.encode(), *more, flags)
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return result
