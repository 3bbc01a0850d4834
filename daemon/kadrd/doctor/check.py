"""The outcome of one check, and the words that several checks share. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Check(NamedTuple):
    """What was found: all is well, something is wrong and `act` is the remedy, or the thing is not here at all."""

    ok: bool
    says: str
    act: str = ""
    here: bool = True


def well(says: str) -> Check:
    return Check(ok=True, says=says)


def ill(says: str, act: str) -> Check:
    return Check(ok=False, says=says, act=act)


def absent(says: str) -> Check:
    """Not a problem: the check has no object on this machine, or in this folder."""
    return Check(ok=True, says=says, here=False)


def many(count: int, thing: str) -> str:
    """
    >>> many(1, "folder"), many(2040, "folder")
    ('1 folder', '2,040 folders')
    """
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def size(count: int) -> str:
    """*count* bytes, for people.

    >>> size(5 << 20), size(3 << 40)
    ('5 MB', '3,072 GB')
    """
    return f"{count >> 30:,} GB" if count >= 10 << 30 else f"{count >> 20:,} MB"
