"""Which hits belong together: of one day, of one place, or nearly the same to the eye (a burst). Pure but for the index."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kadrd.query.rank import Ranked, days, places
from kadrd.store.shards import Index

# A burst differs by less than this. Of 2,020 photographs of 101 kinds each has its nearest other at 0.77 in the median, one in twenty
# over 0.96; the same ones a little brighter are at 0.98, cut by a tenth at 0.96 (mini).
NEAR = 0.95


def groups(ranked: Sequence[Ranked], how: str, index: Index) -> dict[int, str]:
    """The name of the group of each file; *how* is one of messages.GROUPS or empty."""
    files = [one.file for one in ranked]
    if how == "day":
        return days(files)
    if how == "place":
        return places(files)
    return near(ranked, index) if how == "near" else {}


def near(ranked: Sequence[Ranked], index: Index) -> dict[int, str]:
    """Each file under the first one whose picture looks nearly the same, by that file's path."""
    ids, vectors = index.vectors_of(np.unique([one.file.picture_id for one in ranked]).astype(np.int64))
    row_of = {id_: row for row, id_ in enumerate(ids.tolist())}
    named: dict[int, str] = {}
    leaders: list[tuple[int, str]] = []
    for one in ranked:
        row = row_of.get(one.file.picture_id)
        name = next(
            (
                known
                for leader, known in leaders
                if row is not None and vectors[leader] @ vectors[row] >= NEAR
            ),
            "",
        )
        if not name:
            name = one.file.path.decode("utf-8", "surrogateescape")
            if row is not None:
                leaders.append((row, name))
        named[one.file.file_id] = name
    return named
