"""What a place shall carry: others' tags, and ours beside them. A three-way merge; pure.

Base is what we added last, current what is there, wanted what we would add now. What is in current and not in base is somebody
else's; what is in base and not in current, somebody took away, and it never comes back. Tags are equal without regard to case and
to how Unicode composes them, and are kept as they were written; but ours is only what is spelled as we wrote it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

MOST_BYTES = 64
"""of one tag of ours: IPTC's limit, and a dozen and their record are about 1 KiB even of long ones"""
MOST_TAGS = 256
"""of ours in one place: more than any place has room for, so that a mistake in the settings stays small"""

# Where some program splits or quotes: commas (KDE, Caja), semicolons and double quotes (LocalSearch). And what hides or
# turns text: controls, marks of direction, lone halves of characters.
_UNFIT = re.compile(
    r'[,;"\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]'
)


class Merged(NamedTuple):
    """What a place carries after a merge."""

    theirs: tuple[str, ...]
    ours: tuple[str, ...]
    suppressed: tuple[str, ...]

    @property
    def tags(self) -> tuple[str, ...]:
        """All of them: others' first, in their order."""
        return self.theirs + self.ours


def merge(
    current: Sequence[str], base: Sequence[str], suppressed: Sequence[str], wanted: Sequence[str],
    stood: Sequence[str] | None = None,
) -> Merged:  # fmt: skip
    """*wanted* beside those of *current* that are not of *base*, and without those that somebody took away.

    *stood*: those of *base* that certainly stood there, None for all; only they can have been taken away. A write of ours that was
    broken off leaves the others in doubt.

    >>> merge(["mine", "beach"], ["beach", "dog"], [], ["beach", "dog", "sea"])
    Merged(theirs=('mine',), ours=('beach', 'sea'), suppressed=('dog',))
    """
    ours = standing(current, base)
    theirs = tuple(tag for tag in current if tag not in ours)
    left = set(map(_spelled, ours))
    gone = [tag for tag in (base if stood is None else stood) if _spelled(tag) not in left]
    never = tuple({key(tag): tag for tag in (*suppressed, *gone)}.values())
    taken = {key(tag) for tag in (*theirs, *never)}
    return Merged(theirs, tuple(tag for tag in fit(wanted) if key(tag) not in taken), never)


def standing(current: Iterable[str], base: Iterable[str]) -> tuple[str, ...]:
    """Those of *current* that are ours. One that somebody spelled anew is theirs.

    >>> standing(["mine", "Beach", "sea"], ["beach", "sea"])
    ('sea',)
    """
    ours = set(map(_spelled, base))
    return tuple(tag for tag in current if _spelled(tag) in ours)


def fit(tags: Iterable[str]) -> tuple[str, ...]:
    """Those of *tags* that may be written as ours, each once, MOST_TAGS at most; one that some program would take for several, or
    show as another, is left out.

    >>> fit(["  red   car ", "a, b", "Red car", "x" * 99])
    ('red car',)
    """
    kept: dict[str, str] = {}
    for tag in tags:
        plain = unicodedata.normalize("NFC", " ".join(tag.split()))
        if plain and not _UNFIT.search(plain) and len(plain.encode()) <= MOST_BYTES:
            kept.setdefault(key(plain), plain)
    return tuple(kept.values())[:MOST_TAGS]


def key(tag: str) -> str:
    """What equal tags have in common: Unicode's canonical caseless match (The Unicode Standard, 3.13, D145).

    >>> key(" Beach") == key("beach"), key("\u0438\u0306од") == key("\u0439од")
    (True, True)
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", tag.strip()).casefold())


def _spelled(tag: str) -> str:
    return unicodedata.normalize("NFC", tag.strip())
