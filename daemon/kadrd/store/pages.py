"""Rows out of the pages of a SQLite file that SQLite may refuse to open. Reads bytes and believes nothing of them.

Header, schema and inner pages may all be damaged, so none is used: every page of the file and of its WAL that looks
like one with rows is read, whichever table it belonged to. What a row is, and whether it is true, is for the caller
(store/salvage.py). The format is fixed for ever: sqlite.org/fileformat2.html.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from kadrd.store.schema import PAGE_SIZE

Value = int | float | bytes | str | None

# Pages with rows: leaves of tables, leaves and inner pages of indexes and of tables WITHOUT ROWID.
TABLE, INDEX, INNER_INDEX = 13, 10, 2
HEADER_SIZE, WAL_HEADER, FRAME_HEADER = 100, 32, 24
WAL_MAGIC = b"\x37\x7f\x06"
LARGEST_ROW = 1 << 20
OTHERS = 3  # rows of another table that show whose page it is; one or two may be damaged
_INTEGERS = (0, 1, 2, 3, 4, 6, 8)  # bytes by serial type


class Row(NamedTuple):
    """One row as it lay in a page; `key` is the rowid, None in an index."""

    page: int
    key: int | None
    values: tuple[Value, ...]
    newest: bool
    """Whether no newer image of its page is known."""


class Pages:
    """All images of pages in the file *path* and its WAL, the newest last."""

    def __init__(self, path: str) -> None:
        self._file, self._wal = _File(path), _File(f"{path}-wal")
        self._newest: dict[int, int] = {}
        self._frames: list[tuple[int, int]] = []
        header = self._wal.read(0, WAL_HEADER)
        salt = header[16:24] if header[:3] == WAL_MAGIC else b""
        size = FRAME_HEADER + PAGE_SIZE
        for start in range(WAL_HEADER, self._wal.size - size + 1, size):
            head = self._wal.read(start, 16)
            number, _, theirs = struct.unpack(">II8s", head) if head else (0, 0, b"")
            if theirs == salt or (head and not salt):  # else a frame of an older round
                self._frames.append((number, start + FRAME_HEADER))
                self._newest[number] = start + FRAME_HEADER

    def close(self) -> None:
        self._file.close()
        self._wal.close()

    def rows(self, tables: AbstractSet[int], indexes: AbstractSet[int] = frozenset()) -> Iterator[Row]:
        """Every row that can be read and has so many values, of a table or of an index; pages of both files, those of
        deleted rows and older images among them.
        """
        for start in range(0, self._file.size, PAGE_SIZE):
            number = start // PAGE_SIZE + 1
            page = self._file.read(start, PAGE_SIZE)
            yield from self._rows(number, page, tables, indexes, number not in self._newest)
        for number, start in self._frames:
            page = self._wal.read(start, PAGE_SIZE)
            yield from self._rows(number, page, tables, indexes, self._newest[number] == start)

    def _rows(
        self, number: int, page: bytes, tables: AbstractSet[int], indexes: AbstractSet[int], newest: bool
    ) -> Iterator[Row]:
        top = HEADER_SIZE if number == 1 else 0
        if len(page) < PAGE_SIZE or page[top] not in (TABLE, INDEX, INNER_INDEX):
            return
        kind = page[top]
        wanted, others = tables if kind == TABLE else indexes, 0
        first = top + (12 if kind == INNER_INDEX else 8)
        count = min(int.from_bytes(page[top + 3 : top + 5]), (PAGE_SIZE - first) // 2)
        for (cell,) in struct.iter_unpack(">H", page[first : first + 2 * count] if wanted else b""):
            with contextlib.suppress(IndexError, ValueError, struct.error):
                key, values = self._cell(kind, page, cell + (4 if kind == INNER_INDEX else 0))
                if len(values) in wanted:
                    yield Row(number, key, values, newest)
                elif (others := others + 1) == OTHERS:
                    return

    def _cell(self, kind: int, page: bytes, at: int) -> tuple[int | None, tuple[Value, ...]]:
        size, at = _varint(page, at)
        key = None
        if kind == TABLE:
            key, at = _varint(page, at)
            if key >= 1 << 63:
                key -= 1 << 64
        if size > LARGEST_ROW:
            raise ValueError(size)
        largest = PAGE_SIZE - 35 if kind == TABLE else (PAGE_SIZE - 12) * 64 // 255 - 23
        if size <= largest:
            return key, _record(page[at : at + size])
        least = (PAGE_SIZE - 12) * 32 // 255 - 23
        here = least + (size - least) % (PAGE_SIZE - 4)
        here = here if here <= largest else least
        following = int.from_bytes(page[at + here : at + here + 4])
        return key, _record(page[at : at + here] + self._overflow(following, size - here))

    def _overflow(self, number: int, size: int) -> bytes:
        """The rest of a row that did not fit into its page."""
        parts = []
        while size > 0:
            page = self._image(number)
            parts.append(page[4 : 4 + size])
            size -= len(page) - 4
            number = int.from_bytes(page[:4])
        return b"".join(parts)

    def _image(self, number: int) -> bytes:
        start = self._newest.get(number)
        if start is None:
            page = self._file.read((number - 1) * PAGE_SIZE, PAGE_SIZE)
        else:
            page = self._wal.read(start, PAGE_SIZE)
        if not page:
            raise ValueError(number)
        return page


class _File:
    """A file that is read piece by piece. Not mapped: there a bad sector would end the process."""

    def __init__(self, path: str) -> None:
        self._descriptor: int | None = None
        self.size = 0
        with contextlib.suppress(FileNotFoundError):
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self.size = os.fstat(self._descriptor).st_size

    def read(self, start: int, size: int) -> bytes:
        """All of these bytes, or none when they cannot be read."""
        if self._descriptor is None or start < 0:
            return b""
        try:
            data = os.pread(self._descriptor, size, start)
        except OSError:
            return b""
        return data if len(data) == size else b""

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """(number, where the next thing begins). Raises IndexError at the end of *data*."""
    number = 0
    for _ in range(8):
        byte = data[at]
        at += 1
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number, at
    return number << 8 | data[at], at + 1


def _record(data: bytes) -> tuple[Value, ...]:
    """The values of one row. Raises IndexError or ValueError when the bytes are none."""
    end, at = _varint(data, 0)
    if end > len(data):
        raise ValueError(end)
    start, values = end, []
    while at < end:
        kind, at = _varint(data, at)
        size = _INTEGERS[kind] if kind < 7 else 8 if kind == 7 else 0 if kind < 12 else (kind - 12) // 2
        raw = data[start : start + size]
        if len(raw) < size:
            raise ValueError(kind)
        start += size
        values.append(_value(kind, raw))
    return tuple(values)


def _value(kind: int, raw: bytes) -> Value:
    if kind >= 12:
        return raw.decode() if kind & 1 else raw
    if kind in (0, 10, 11):
        return None
    if kind in (8, 9):
        return kind - 8
    if kind == 7:
        number: float = struct.unpack(">d", raw)[0]
        return number
    return int.from_bytes(raw, signed=True)
