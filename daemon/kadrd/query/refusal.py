"""How a reader says that a value is none of its filter's."""

from __future__ import annotations


class Refused(Exception):
    """The value cannot be meant: *why*, if more can be said than what is wanted, and the *nearest* one that could."""

    def __init__(self, why: str = "", nearest: str = "") -> None:
        super().__init__(why)
        self.why, self.nearest = why, nearest
