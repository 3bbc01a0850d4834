"""What is known of a picture's bytes to put another XMP packet into them. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Layout(NamedTuple):
    """Where a picture keeps its packet."""

    packet: bytes | None
    """None: it has none"""
    start: int
    """where the segment or chunk of the packet begins, or would"""
    end: int
    counters: tuple[tuple[int, int], ...] = ()
    """places, from and to, of numbers that say how long something is that the packet lies in, or that there is one"""

    def segment(self, data: bytes) -> bytes:
        """The segment of the packet as it stands; empty where there is none."""
        return data[self.start : self.end]

    def rest(self, data: bytes) -> bytes:
        """All of *data* but packet and counters: what may not change."""
        kept = bytearray(data)
        for start, end in self.counters:
            kept[start:end] = bytes(end - start)
        del kept[self.start : self.end]
        return bytes(kept)
