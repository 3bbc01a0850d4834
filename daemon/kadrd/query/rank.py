"""Near pictures as hits: every file that shows a picture is one, best first, ties by path. Pure: asks no index, reads no catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kadr.protocol.messages import Hit
from kadrd.store.reader import Shown
from kadrd.values import Near


def rank(
    near: Sequence[Near], files: Mapping[int, Sequence[Shown]], limit: int, min_score: float | None
) -> list[Hit]:
    """The best *limit* files; pictures that no file shows are left out."""
    hits = [
        Hit(file.path, round(picture.score, 6), file.picture, file.width, file.height)
        for picture in near
        if min_score is None or picture.score >= min_score
        for file in files.get(picture.picture_id, ())
    ]
    hits.sort(key=lambda hit: (-hit.score, hit.path))
    return hits[:limit]
