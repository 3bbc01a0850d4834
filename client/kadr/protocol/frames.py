"""Bytes to maps and back: a u32 big-endian length, then one msgpack map.

Sans-IO: bytes are arguments and results. Knows no message, opens no socket, reads no clock.

>>> reader = FrameReader(limit=HELLO_LIMIT)
>>> reader.feed(encode({"op": "ping", "id": 1}))
>>> reader.next()
{'op': 'ping', 'id': 1}
>>> reader.next() is None
True
"""

from __future__ import annotations

from typing import Any

import msgpack  # type: ignore[import-untyped]

from kadr.protocol.errors import BadFrame, TooLarge

# Before hello nobody has shown who they are. msgpack unpacks 1 MiB of empty maps into 76 MB
# (measured with 1.2.4), so what a stranger can make the daemon allocate is bounded here.
HELLO_LIMIT = 4 * 1024
REQUEST_LIMIT = 64 * 1024
REPLY_LIMIT = 1024 * 1024
DEPTH_LIMIT = 16

_HEADER = 4


def encode(message: dict[str, Any], limit: int = REPLY_LIMIT) -> bytes:
    """*message* as one frame. Raises TooLarge over *limit* bytes of payload."""
    # A sentence about a file may hold a name that is no UTF-8, as os.fsdecode gives it; it is shown escaped.
    payload = msgpack.packb(message, use_bin_type=True, unicode_errors="backslashreplace")
    if len(payload) > limit:
        raise TooLarge(size=len(payload), limit=limit)
    return len(payload).to_bytes(_HEADER, "big") + bytes(payload)


class FrameReader:
    """Collects bytes and gives whole maps, one at a time.

    After an exception the stream cannot be read on: the next length is unknown. Close it.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        self._buffer += data

    @property
    def partial(self) -> bool:
        """Whether a frame has begun that has not ended."""
        return bool(self._buffer)

    def next(self) -> dict[str, Any] | None:
        """The next map, or None when more bytes are needed. Raises BadFrame or TooLarge."""
        if len(self._buffer) < _HEADER:
            return None
        size = int.from_bytes(self._buffer[:_HEADER], "big")
        if size > self.limit:
            raise TooLarge(size=size, limit=self.limit)
        end = _HEADER + size
        if len(self._buffer) < end:
            return None
        payload = bytes(self._buffer[_HEADER:end])
        del self._buffer[:end]
        return decode(payload)


def decode(payload: bytes) -> dict[str, Any]:
    """The map in *payload*. Raises BadFrame for anything else, trailing bytes and deep nesting included."""
    if not payload or not _starts_a_map(payload[0]):
        raise BadFrame(why="it is not a map")
    try:
        value = msgpack.unpackb(payload, raw=False, strict_map_key=True)
    except Exception as error:  # noqa: BLE001 - msgpack raises half a dozen unrelated types on bad input
        raise BadFrame(why=type(error).__name__) from None
    if not isinstance(value, dict) or _depth(value) > DEPTH_LIMIT:
        raise BadFrame(why=f"it is nested deeper than {DEPTH_LIMIT}")
    return value


def _starts_a_map(byte: int) -> bool:
    return 0x80 <= byte <= 0x8F or byte in (0xDE, 0xDF)


def _depth(value: object) -> int:
    """How deep *value* nests; stops counting just past the limit, so it never recurses far."""
    deepest, todo = 0, [(value, 1)]
    while todo and deepest <= DEPTH_LIMIT:
        item, depth = todo.pop()
        if isinstance(item, dict):
            todo.extend((child, depth + 1) for child in item.values())
        elif isinstance(item, list):
            todo.extend((child, depth + 1) for child in item)
        else:
            continue
        deepest = max(deepest, depth)
    return deepest
