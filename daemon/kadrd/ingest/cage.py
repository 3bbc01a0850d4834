"""What the worker may not do once it runs: write, execute, open sockets, begin or signal processes. For the day a
decoder is taken over.

Linux only, through the kernel's own interfaces: Landlock for files (5.13 and later) and a seccomp filter for
sockets and processes. Both can only be tightened, never undone, and need no right. An older kernel, or macOS, gives less:
`locked` says what holds, and the daemon's doctor shows it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from typing import NamedTuple

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_ABI_QUESTION = 1

# linux/landlock.h. Reading is not handled and so stays free: pictures lie anywhere.
_EXECUTE, _WRITE_FILE = 1 << 0, 1 << 1
_CHANGES = sum(1 << bit for bit in range(4, 13))  # remove and make: folders, files, links, sockets, devices
_SINCE = ((2, 1 << 13), (3, 1 << 14))  # refer, truncate: by the ABI that brought them
_TCP_SINCE, _TCP = 4, 0b11  # bind, connect

# What a decoder has no business with, by the system's numbers on (x86_64, aarch64). Landlock leaves attributes and times
# free, signals would end the daemon and all else of its user, and io_uring would be a second door to all of it.
_FORBIDDEN = {
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200),
    "execve": (59, 221), "execveat": (322, 281), "ptrace": (101, 117), "process_vm_writev": (311, 271),
    "io_uring_setup": (425, 425),
    "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452), "fchown": (93, 55), "fchownat": (260, 54),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "setxattrat": (463, 463), "removexattrat": (466, 466), "utimensat": (280, 88),
    "kill": (62, 129), "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424), "unshare": (272, 97), "setns": (308, 268),
}  # fmt: skip
# The younger architecture has only the *at calls, and clone for fork.
_FORBIDDEN_X86_64 = {
    "chmod": 90, "chown": 92, "lchown": 94, "fork": 57, "vfork": 58, "utime": 132, "utimes": 235, "futimesat": 261,
}  # fmt: skip
# Allowed to some ends: a new thread, and a signal to oneself (abort).
_CLONE, _TGKILL = (56, 220), (234, 131)
_CLONE_THREAD = 0x00010000
# Its flags lie in memory, where a filter cannot look. Told that it does not exist, the C library takes clone.
_CLONE3 = 435
_X32 = 0x40000000  # x86_64's second set of numbers for the same calls
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# BPF: load a word; jump if equal, if not less, if bits are set; return.
_LOAD, _EQUAL, _AT_LEAST, _BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # where in what the kernel shows the filter
_ALLOW, _REFUSE, _UNKNOWN = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS  # SECCOMP_RET_...


class Locked(NamedTuple):
    """What the kernel agreed to."""

    files: bool
    calls: bool


class _Rules(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def lock() -> Locked:
    """Give up writing, executing, sockets and other processes; for this thread and all that it starts from now on."""
    if sys.platform != "linux":
        return Locked(files=False, calls=False)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return Locked(files=False, calls=False)
    return Locked(files=_lock_files(libc), calls=_lock_calls(libc))


def landlock() -> int:
    """The version of Landlock that the kernel offers; below 1: none. On Linux alone."""
    return int(ctypes.CDLL(None, use_errno=True).syscall(_CREATE_RULESET, None, 0, _ABI_QUESTION))


def _lock_files(libc: ctypes.CDLL) -> bool:
    abi = landlock()
    if abi < 1:
        return False
    handled = _EXECUTE | _WRITE_FILE | _CHANGES | sum(bit for since, bit in _SINCE if abi >= since)
    rules = _Rules(handled, _TCP if abi >= _TCP_SINCE else 0)
    size = ctypes.sizeof(rules) if abi >= _TCP_SINCE else 8
    ruleset = libc.syscall(_CREATE_RULESET, ctypes.byref(rules), size, 0)
    if ruleset < 0:
        return False
    try:  # no rule is added: what is handled is allowed nowhere
        return bool(libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _lock_calls(libc: ctypes.CDLL) -> bool:
    machine = os.uname().machine
    if machine not in _ARCHITECTURES:
        return False
    steps = _filter(machine, os.getpid())
    program = _Program(len(steps), b"".join(struct.pack("HBBI", *step) for step in steps))
    return bool(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) == 0)


def _filter(machine: str, process: int) -> list[tuple[int, int, int, int]]:
    """The program: (what, steps to jump if so, if not, operand). A jump of 0 goes on with the next step."""
    young = machine == "aarch64"
    numbers = [pair[young] for pair in _FORBIDDEN.values()]
    if not young:
        numbers += _FORBIDDEN_X86_64.values()
    return [
        # Another architecture's numbers would mean other calls (32-bit compatibility), so those are all refused.
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, _ARCHITECTURES[machine]),
        (_RETURN, 0, 0, _REFUSE),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _REFUSE),
        (_EQUAL, 0, 1, _CLONE3),
        (_RETURN, 0, 0, _UNKNOWN),
        (_EQUAL, 0, 4, _CLONE[young]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),  # its lower half; both architectures are little-endian
        (_BITS, 0, 1, _CLONE_THREAD),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
        (_EQUAL, 0, 4, _TGKILL[young]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_EQUAL, 0, 1, process),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
        *((_EQUAL, len(numbers) - place, 0, number) for place, number in enumerate(numbers)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
