"""All that a file is beside its bytes, given to another one: mode, group, attributes, ACL, times. Birth cannot be."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import sys

# The system's own labels, which a new file in the folder has already; to set them is not a user's right.
_SYSTEMS = ("security.", "trusted.")
_NO_ATTRIBUTES = (errno.ENOTSUP, errno.ENOSYS)
_COPYFILE_METADATA = 7  # macOS: ACL, stat and attributes


def give(original: int, was: os.stat_result, new: int, *, times: tuple[int, int] | None) -> None:
    """Make the open file *new* like the open file *original*, which was as *was* says, and of these *times* (read and changed,
    in ns). Raises OSError: PermissionError when something cannot be kept.
    """
    if os.fstat(new).st_gid != was.st_gid:
        os.fchown(new, -1, was.st_gid)
    if sys.platform == "darwin":
        _macos(original, new)
    else:
        _attributes(original, new)
    os.fchmod(new, stat.S_IMODE(was.st_mode))
    if times:
        os.utime(new, ns=times)


def _attributes(original: int, new: int) -> None:
    """ACLs are attributes too; one that the folder gave goes."""
    kept, given = _named(original), _named(new)
    for name in given - kept:
        os.removexattr(new, name)
    for name in kept:
        os.setxattr(new, name, os.getxattr(original, name))


def _named(descriptor: int) -> set[str]:
    try:
        names = os.listxattr(descriptor)
    except OSError as error:
        if error.errno not in _NO_ATTRIBUTES:
            raise
        return set()
    return {name for name in names if not name.startswith(_SYSTEMS)}


def _macos(original: int, new: int) -> None:
    """fcopyfile(from, to, state, flags)."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.fcopyfile(original, new, None, ctypes.c_uint32(_COPYFILE_METADATA)) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
