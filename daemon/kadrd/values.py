"""The nouns that travel between the parts. Frozen, named, no behaviour beyond their own fields."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
"""(dimension,), unit norm."""

Matrix = NDArray[np.float32]
"""(n, dimension), every row of unit norm."""

Pixels = NDArray[np.uint8]
"""(side, side, 3), upright, sRGB."""


class Stat(NamedTuple):
    """What tells cheaply whether a file is still the one we read. The device is left out: it changes at reboot."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


class State(IntEnum):
    """What the catalogue knows of a file."""

    PENDING = 0
    INDEXED = 1
    FAILED = 2
    MISSING = 3


class Waiting(NamedTuple):
    """A file that has to be looked into."""

    file_id: int
    path: bytes
    stat: Stat
    ticket: int


class Facts(NamedTuple):
    """What a file says of its picture. None, 0 or empty where it says nothing, or nothing that can be believed."""

    taken: int | None = None
    """Seconds from 1970 to what the camera's clock showed, read as if that were UTC: people remember local time."""
    offset: int | None = None
    """Minutes that this clock was east of UTC."""
    make: str = ""
    model: str = ""
    lens: str = ""
    software: str = ""
    iso: int | None = None
    aperture: float | None = None
    """f-number"""
    exposure: float | None = None
    """seconds"""
    focal: float | None = None
    """millimetres, of the lens itself"""
    latitude: float | None = None
    """degrees north; with `longitude`, or neither is there"""
    longitude: float | None = None
    """degrees east"""
    altitude: float | None = None
    """metres above the sea"""
    orientation: int = 1
    """EXIF's number, 1 to 8"""
    rating: int | None = None
    """-1 (rejected) to 5"""
    title: str = ""
    description: str = ""
    keywords: tuple[str, ...] = ()
    """XMP's and IPTC's; of a tree of them the whole path, with / between"""
    tags: tuple[str, ...] = ()
    """the user's, of the file's extended attributes"""
    people: tuple[str, ...] = ()
    """names of face regions"""


class Place(NamedTuple):
    """Where a position lies, in GeoNames' terms."""

    id: int
    """of the nearest city"""
    city: str
    region: str
    country: str
    names: tuple[str, ...]
    """city, region and country in every language that kadr speaks"""


class Memory(NamedTuple):
    """What is remembered of the tags that we wrote in one carrier of one file (tag/carrier.py)."""

    ours: tuple[str, ...] = ()
    """tags that we added and nobody else had"""
    suppressed: tuple[str, ...] = ()
    """tags that we added once and somebody took away: they never come back"""
    theirs: tuple[str, ...] = ()
    """tags of others beside ours, in their order, when we last looked"""
    before: bytes | None = None
    """the carrier's bytes before our first write, to the last one; None: there were none"""
    after: bytes = b""
    """a digest of the bytes that we left there: as long as it holds, `before` may be put back as it is"""
    inode: int = 0
    """of the picture's file when we last looked: another one means that a program saved it anew"""


class Digest(NamedTuple):
    """The two identities of what a file holds, and the stat that was true while it was read."""

    file_key: bytes
    essence_key: bytes
    stat: Stat
    facts: Facts = Facts()


class Moving(NamedTuple):
    """The file changed while it was read, or between the scan and the reading: ask again later."""

    stat: Stat


class Skipped(NamedTuple):
    """Why a file has no vector: a stable reason, and a sentence for people."""

    reason: str
    sentence: str


class Encoded(NamedTuple):
    """A picture's shape, and its vector for each model asked for (by fingerprint)."""

    width: int
    height: int
    format: str
    vectors: dict[str, Vector]


class VectorRow(NamedTuple):
    """One committed vector. `seq` only grows: the index replays from the last one it holds."""

    seq: int
    picture_id: int
    vector: Vector


class Near(NamedTuple):
    """A picture and its cosine to the query."""

    picture_id: int
    score: float


class Root(NamedTuple):
    """A folder that the user asked to watch, or a disk that is mounted inside one.

    Offline means that its disk is away: nothing is forgotten.
    """

    id: int
    path: bytes
    system: int
    inode: int
    online: bool
    inside: int | None
    """The root that a mounted disk lies in; None for what the user asked for."""


class Problem(NamedTuple):
    """Something that verify or doctor found. `kind` is stable, the sentence is for people."""

    kind: str
    sentence: str
    path: bytes = b""
    picture_id: int = 0
