"""How a contact sheet is laid out: a pure decision, which the daemon shares with the worker that draws.

+------------------------------+
|  title                       |
|  +------+ +------+ +------+  |
|  | tile | | tile | | tile |  |
|  +------+ +------+ +------+  |
|  caption  caption  caption   |
+------------------------------+
"""

from __future__ import annotations

import math
from typing import NamedTuple

MOST_PICTURES = 200
# (pictures at most, side of a tile, height of a caption's letters), all in pixels. A sheet stays between 1,000 and 3,600
# pixels wide: it fills a screen, and a hundred photographs are a JPEG of about 1 MB.
SIZES = (
    (1, 1024, 18), (4, 640, 18), (12, 400, 16), (30, 300, 15), (60, 240, 14), (120, 200, 13), (MOST_PICTURES, 176, 13),
)  # fmt: skip
MARGIN = 48
GAP = 20
TITLE = 28
"""height of the title's letters"""
# A sheet is looked at on a screen, which is wider than high; holes in the last row disturb more than another shape.
SHAPE = 4 / 3
HOLE = 2.0


class Grid(NamedTuple):
    """So many tiles of the same size, in rows."""

    tiles: int
    columns: int
    rows: int
    side: int
    letters: int
    titled: bool

    @property
    def line(self) -> int:
        """How high the strip of a caption is."""
        return 2 * self.letters

    @property
    def top(self) -> int:
        """Where the tiles begin."""
        return MARGIN + (2 * TITLE if self.titled else 0)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the sheet."""
        width = 2 * MARGIN + self.columns * (self.side + GAP) - GAP
        return width, self.top + MARGIN + self.rows * (self.side + self.line + GAP) - GAP

    def corner(self, number: int) -> tuple[int, int]:
        """The upper left corner of a tile."""
        row, column = divmod(number, self.columns)
        return MARGIN + column * (self.side + GAP), self.top + row * (self.side + self.line + GAP)


def grid(count: int, *, titled: bool) -> Grid:
    """The grid for *count* pictures, 1 to MOST_PICTURES.

    >>> grid(20, titled=False)[:4]
    (20, 5, 4, 300)
    """
    side, letters = next((side, letters) for most, side, letters in SIZES if count <= most)

    def oddness(made: Grid) -> float:
        holes = made.columns * made.rows - count
        return HOLE * holes / count + abs(math.log(made.size[0] / made.size[1] / SHAPE))

    made = (
        Grid(count, columns, -(-count // columns), side, letters, titled) for columns in range(1, count + 1)
    )
    return min(made, key=oddness)
