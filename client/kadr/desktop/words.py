"""From what is typed into a shell to a query, and from a hit to what a shell shows of it. Pure."""

from __future__ import annotations

import os
from typing import NamedTuple

from kadr.output import visible
from kadr.protocol.messages import Hit

# Fewer letters say nothing of a picture yet.
LEAST_LETTERS = 3
# KRunner shows everybody's answers in one list, so kadr answers there only who calls it.
TRIGGERS = ("pic ", "kadr ", "фото ")
# What shells draw themselves, up to a size that costs them little; of other files a thumbnail or a plain icon is shown.
_DRAWN = (b".jpg", b".jpeg", b".png", b".webp", b".gif")
_DRAWN_BYTES = 8 * 2**20
PLAIN_ICON = "image-x-generic"


class Shown(NamedTuple):
    """One line of a shell's answer."""

    name: str
    about: str
    """where it lies, and what is known of it"""


def query(text: str) -> str:
    """The query that *text* is; empty where there is too little of it."""
    text = " ".join(text.split())
    return text if sum(char.isalnum() for char in text) >= LEAST_LETTERS else ""


def called(text: str) -> str:
    """The query behind one of TRIGGERS; empty where *text* does not begin with one.

    >>> called("pic red bicycle"), called("picnic table")
    ('red bicycle', '')
    """
    trigger = next((word for word in TRIGGERS if text.casefold().startswith(word)), "")
    return query(text[len(trigger) :]) if trigger else ""


def shown(path: bytes, hit: Hit | None, home: str) -> Shown:
    """What a shell says of *path*; *hit* is what the daemon knew of it, if that is still at hand."""
    folder, name = os.path.split(path)
    place = visible(folder)
    if home and (place == home or place.startswith(home + "/")):
        place = "~" + place[len(home) :]
    known = (hit.taken[:10], hit.place) if hit else ()
    return Shown(visible(name), " · ".join(visible(word) for word in (*known, place) if word))


def drawn(path: bytes, size: int) -> bool:
    """Whether a shell may be given the file *path* of *size* bytes itself as an icon."""
    return path.lower().endswith(_DRAWN) and size <= _DRAWN_BYTES
