"""What a file says of its picture: `read` is the spine, and decides whom to believe. Runs in the worker.

Pure: bytes in, Facts out, and never an exception. Metadata that is wrong, missing or hostile is a value.

Who is believed, first to last:

  what                              order                      why
  taken, with its offset            sidecar EXIF XMP IPTC      a date is corrected in the sidecar where the file is not to be written;
                                                               inside of a file EXIF is what the camera wrote, and XMP a copy of it.
                                                               Of each kind of date (claims.Dates) all are asked before the next
  position, with its altitude       sidecar EXIF XMP           the same
  title, description                sidecar XMP IPTC EXIF      XMP is where programs write first; IPTC is its ancestor, in fewer letters;
                                                               EXIF's is the camera's as often as the user's
  rating                            sidecar XMP EXIF           the same
  keywords, people                  all, joined                nobody deletes a word by leaving it out of another block
  make, model, lens, iso, ...       EXIF XMP sidecar           measured, not edited; the others are copies
  orientation                       EXIF                       as decode.py turns the picture
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from kadrd.ingest import blocks, claims, exif, iptc, xmp
from kadrd.ingest.claims import Claims, Dates, Moment
from kadrd.values import Facts

_READERS: dict[str, Callable[[bytes], Claims]] = {
    "exif": exif.read,
    "gps": exif.gps,
    "xmp": xmp.read,
    "iptc": iptc.read,
    "sidecar": xmp.read,
}
_DATES = ("sidecar", "exif", "gps", "xmp", "iptc")
_MEASURED = ("exif", "xmp", "sidecar")
_WRITTEN = ("sidecar", "xmp", "iptc", "exif")
# Fields of Facts that go together (all from whom says the first), and who is asked.
_ORDERS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    *(
        ((field,), _MEASURED)
        for field in ("make", "model", "lens", "software", "iso", "aperture", "exposure", "focal")
    ),
    (("latitude", "longitude", "altitude"), ("sidecar", "exif", "gps", "xmp")),
    (("orientation",), ("exif",)),
    *(((field,), _WRITTEN) for field in ("rating", "title", "description")),
)
# Files have five at most, two of them XMP, which is the dearest to read.
_MAX_BLOCKS, _MAX_PACKETS = 16, 3
_JOINED = ("keywords", "people")

# A satellite's time tells the offset of a clock that does not say it: offsets are whole quarters of an hour. It is
# believed up to so many seconds off one, since a camera's clock is set by hand and a position can be hours old.
_QUARTER, _TOLERANCE = 15 * 60, 120


class _Said(NamedTuple):
    """What one block claims, and its kind: a block's, or `sidecar`."""

    kind: str
    claims: Claims


def read(data: bytes, sidecars: Sequence[bytes], tags: Sequence[str]) -> Facts:
    """What *data*, its *sidecars* (the first wins) and its extended attributes' *tags* say of the picture."""
    said = [*_of_blocks(data), *_of_sidecars(sidecars)]
    taken, offset = _taken(said) or (None, None)
    return Facts(taken, offset, **_chosen(said), tags=claims.labels(list(tags)))


def sidecar_names(name: bytes) -> tuple[bytes, bytes]:
    """What the sidecars of the file *name* may be called, in the order in which they win.

    The first is that of one file (darktable, digiKam); the second may be shared by a RAW and its JPEG (Adobe).

    >>> sidecar_names(b"IMG_1.CR2")
    (b'IMG_1.CR2.xmp', b'IMG_1.xmp')
    """
    return name + b".xmp", os.path.splitext(name)[0] + b".xmp"


def _of_blocks(data: bytes) -> Iterator[_Said]:
    packets = _MAX_PACKETS
    # Whatever damage does to a container, the blocks before it count.
    with contextlib.suppress(Exception):
        for block in itertools.islice(blocks.found(data), _MAX_BLOCKS):
            packets -= block.kind == "xmp"
            if packets >= 0 or block.kind != "xmp":
                yield from _claimed(block.kind, block.data)


def _of_sidecars(sidecars: Sequence[bytes]) -> Iterator[_Said]:
    for sidecar in sidecars:
        yield from _claimed("sidecar", sidecar)


def _claimed(kind: str, block: bytes) -> Iterator[_Said]:
    try:
        found = _READERS[kind](block)
    except Exception:  # noqa: BLE001 - a reader that trips over damage must not cost the picture, nor its neighbours
        return
    yield _Said(kind, found)


def _in_order(said: list[_Said], kinds: tuple[str, ...]) -> Iterator[Claims]:
    return (one.claims for kind in kinds for one in said if one.kind == kind)


def _chosen(said: list[_Said]) -> dict[str, Any]:
    """Every field but date and tags."""
    nothing, chosen = Facts(), _joined(said)
    for fields, kinds in _ORDERS:
        for one in _in_order(said, kinds):
            values = {field: getattr(one.facts, field) for field in fields}
            if values[fields[0]] != getattr(nothing, fields[0]):
                chosen |= values
                break
    return chosen


def _joined(said: list[_Said]) -> dict[str, Any]:
    """The fields that all blocks have their part in."""
    return {
        field: claims.labels(
            [text for one in _in_order(said, _WRITTEN) for text in getattr(one.facts, field)]
        )
        for field in _JOINED
    }


def _taken(said: list[_Said]) -> Moment | None:
    """The best date, and its offset: its own, or that of the same time elsewhere, or what the satellites' time says."""
    dates = [one.dates for one in _in_order(said, _DATES)]
    best = next((date for kind in zip(*dates, strict=True) for date in kind if date), None)
    if best is None or best.offset is not None:
        return best
    same = (date.offset for one in dates for date in one if date and date.taken == best.taken)
    offset = next((offset for offset in same if offset is not None), None)
    return Moment(best.taken, _by_satellite(best, dates) if offset is None else offset)


def _by_satellite(clock: Moment, dates: list[Dates]) -> int | None:
    """Minutes east of UTC by the difference to the satellites' time, where that can be an offset."""
    satellite = next((one.satellite for one in dates if one.satellite), None)
    if satellite is None:
        return None
    ahead = clock.taken - satellite.taken
    quarters = round(ahead / _QUARTER)
    minutes = quarters * _QUARTER // 60
    if (
        abs(ahead - quarters * _QUARTER) > _TOLERANCE
        or not claims.WESTERNMOST <= minutes <= claims.EASTERNMOST
    ):
        return None
    return minutes
