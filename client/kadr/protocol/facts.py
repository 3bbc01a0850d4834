"""What a row of a search has beside the fields of `Hit` where `facts` is asked for: all else that a file says of its picture.

Apart from messages.py, since a plain search neither sends nor loads it.
"""

from __future__ import annotations

from typing import NamedTuple


class Facts(NamedTuple):
    """None, 0 or empty is what the file does not say."""

    size: int = 0
    """bytes of the file"""
    format: str = ""
    """what the file really is, whatever it is called: jpeg, png, raw ..."""
    offset: int | None = None
    """minutes that the camera's clock was east of UTC"""
    lens: str = ""
    iso: int | None = None
    aperture: float | None = None
    """f-number"""
    exposure: float | None = None
    """seconds"""
    focal: float | None = None
    """millimetres, of the lens itself"""
    latitude: float | None = None
    """degrees north"""
    longitude: float | None = None
    """degrees east"""
    altitude: float | None = None
    """metres above the sea"""
    rating: int | None = None
    """-1 (rejected) to 5"""
    title: str = ""
    description: str = ""
    software: str = ""
    keywords: list[str] = []  # noqa: RUF012 - a NamedTuple's default, never changed
    """those of `tags` that stand in the file or its sidecar"""
    people: list[str] = []  # noqa: RUF012
    """names of those whose faces are marked"""
