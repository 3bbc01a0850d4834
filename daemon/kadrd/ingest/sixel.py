"""A picture as sixels, which many terminals show. numpy only; the palette is somebody else's.

A sixel is a column of six pixels: a character from `?` (none set) to `~` (all set), in one colour. A band of six rows is
drawn colour by colour over itself: `#3` chooses a colour, `!9A` is nine times A, `$` goes back to the band's begin, `-`
to the next band. libsixel's binding on PyPI is from 2018, and one of its own age would be no smaller than this.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

BAND = 6
# Terminals have 256 registers for colours; a picture of 256 pixels looks like itself with as many.
MOST_COLOURS = 256
# Shorter runs are shorter as they are.
_SHORTEST_RUN = 4
_NONE = 63
"""the character that sets no pixel"""


def encoded(numbers: NDArray[np.uint8], palette: NDArray[np.uint8]) -> bytes:
    r"""The sixels of a picture: *numbers* (height, width) of the colours in *palette* (colours, 3), 0 to 255 each.

    >>> encoded(np.array([[0, 1], [0, 0]], np.uint8), np.array([[0, 0, 0], [255, 0, 0]], np.uint8))
    b'\x1bP0;1;0q"1;1;2;2#0;2;0;0;0#1;2;100;0;0#0BA$#1?@\x1b\\'
    """
    height, width = numbers.shape
    used = np.unique(numbers)
    percent = np.rint(palette[used] / 2.55).astype(int)
    colours = b"".join(
        b"#%d;2;%d;%d;%d" % (number, *rgb)
        for number, rgb in zip(used.tolist(), percent.tolist(), strict=True)
    )
    bands = (_band(numbers[top : top + BAND]) for top in range(0, height, BAND))
    # 0;1;0: what is not drawn keeps what was there; "1;1: pixels are square.
    return b'\x1bP0;1;0q"1;1;%d;%d' % (width, height) + colours + b"-".join(bands) + b"\x1b\\"


def _band(rows: NDArray[np.uint8]) -> bytes:
    """Up to six rows, each of their colours drawn over the others' gaps."""
    width = rows.shape[1]
    colours, which = np.unique(rows, return_inverse=True)
    bits = np.zeros((len(colours), width), np.uint8)
    for place, row in enumerate(which.reshape(rows.shape)):
        bits[row, np.arange(width)] |= 1 << place
    runs, firsts = _runs(bits)
    ends = [*firsts[1:], len(runs)]
    # A gap at the end of a colour's line need not be said.
    lines = [
        b"#%d" % colour + b"".join(runs[first : end - (not bits[place, -1])])
        for place, (colour, first, end) in enumerate(zip(colours.tolist(), firsts, ends, strict=True))
    ]
    return b"$".join(lines)


def _runs(bits: NDArray[np.uint8]) -> tuple[list[bytes], list[int]]:
    """The runs of equal sixels in all lines, and which of them begins each line."""
    flat, width = bits.ravel(), bits.shape[1]
    begins = np.append(True, flat[1:] != flat[:-1])
    begins[::width] = True
    starts = np.flatnonzero(begins)
    lengths, values = np.diff(starts, append=flat.size), flat[starts]
    runs = list(map(_run, lengths.tolist(), values.tolist()))
    return runs, np.flatnonzero(starts % width == 0).tolist()


@lru_cache(maxsize=1 << 16)
def _run(length: int, value: int) -> bytes:
    sixel = bytes([_NONE + value])
    return sixel * length if length < _SHORTEST_RUN else b"!%d%s" % (length, sixel)
