"""Two renames that Python has no call for: both names at once, and only onto a name that nobody has. Linux and macOS."""

from __future__ import annotations

import ctypes
import errno
import os
import sys

_HERE = -100  # AT_FDCWD: the paths are whole
# renameat2(2) on Linux, renamex_np(2) on macOS.
_KEEP, _EXCHANGE = (4, 2) if sys.platform == "darwin" else (1, 2)
_UNKNOWN = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)

_library = ctypes.CDLL(None, use_errno=True)


def exchange(one: bytes, other: bytes) -> bool:
    """Each file gets the other's name, at once. False: this file system cannot. Raises OSError."""
    return _rename(one, other, _EXCHANGE)


def keep(one: bytes, name: bytes) -> None:
    """The file *one* gets *name*. Raises FileExistsError when that is somebody's, and other OSErrors."""
    if _rename(one, name, _KEEP):
        return
    try:
        os.link(one, name)
    except OSError as error:
        if error.errno not in (errno.EPERM, *_UNKNOWN):
            raise
        # A disk without links: a moment is left in which another could make the same name.
        if os.path.lexists(name):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name) from error
        os.rename(one, name)
        return
    os.unlink(one)


def _rename(one: bytes, other: bytes, flag: int) -> bool:
    if sys.platform == "darwin":
        done = _library.renamex_np(one, other, ctypes.c_uint(flag))
    elif hasattr(_library, "renameat2"):
        done = _library.renameat2(_HERE, one, _HERE, other, ctypes.c_uint(flag))
    else:
        return False
    number = ctypes.get_errno()
    if done and number not in _UNKNOWN:
        raise OSError(number, os.strerror(number), one)
    return not done
