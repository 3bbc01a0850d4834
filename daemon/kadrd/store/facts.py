"""What files say of their pictures, written into the catalogue: facts, labels, and the words that are searched.

Part of the writer: runs on the ingest thread, inside the catalogue's transaction. Reads no file and asks nothing of the
map: whoever calls has both already.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable
from enum import IntEnum

from kadrd.store.folding import folded, forms, stems
from kadrd.values import Facts, Place

COLUMNS = (
    "file_id", "name", "taken", "taken_offset", "make", "model", "lens", "software", "camera", "optics", "iso", "aperture",
    "exposure", "focal", "latitude", "longitude", "altitude", "place_id", "city", "region", "country", "orientation",
    "rating", "title", "description",
)  # fmt: skip
_PUT = f"INSERT OR REPLACE INTO facts ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
_COPIED = ", ".join(column for column in COLUMNS if column not in ("file_id", "name"))
_TEXTS = "title, description, labels, place, forms"


class Kind(IntEnum):
    """Whose word a label is."""

    TAG = 0
    KEYWORD = 1
    PERSON = 2


class FactsTable:
    """The writer's side of the tables facts, labels and texts."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._run, self._run_many = connection.execute, connection.executemany

    def put(self, file_id: int, facts: Facts, place: Place | None) -> None:
        """What the file says now, instead of what it said before."""
        name = self._name_of(file_id)
        where = (place.id, place.city, place.region, place.country) if place else (None, "", "", "")
        self._run(
            _PUT,
            (
                file_id, folded(name), facts.taken, facts.offset, facts.make, facts.model, facts.lens, facts.software,
                folded(camera(facts.make, facts.model)), folded(facts.lens), facts.iso, facts.aperture, facts.exposure,
                facts.focal, facts.latitude, facts.longitude, facts.altitude, *where, facts.orientation, facts.rating,
                facts.title, facts.description,
            ),
        )  # fmt: skip
        labels = [
            (file_id, kind, label, folded(label))
            for kind, given in ((Kind.TAG, facts.tags), (Kind.KEYWORD, facts.keywords), (Kind.PERSON, facts.people))
            for label in given
        ]  # fmt: skip
        self._run("DELETE FROM labels WHERE file_id = ?", (file_id,))
        self._run_many("INSERT OR IGNORE INTO labels VALUES (?, ?, ?, ?)", labels)
        where_words = " ".join(place.names) if place else ""
        # What we wrote ourselves is no witness: a search by words would only find again what a search by meaning found.
        ours = self._ours(file_id)
        theirs = "\n".join(label for _, _, label, plain in labels if plain not in ours)
        said = (facts.title, facts.description, theirs, where_words)
        self._run("DELETE FROM texts WHERE rowid = ?", (file_id,))
        self._run(
            f"INSERT INTO texts (rowid, name, {_TEXTS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                file_id,
                *(" ".join(stems(text)) for text in (name, *said)),
                " ".join(forms("\n".join((name, *said)))),
            ),
        )

    def copy(self, source: int, file_id: int) -> None:
        """*file_id* is the file *source* under another name: it says the same."""
        name = self._name_of(file_id)
        self._run(
            f"INSERT OR REPLACE INTO facts (file_id, name, {_COPIED}) "
            f"SELECT ?, ?, {_COPIED} FROM facts WHERE file_id = ?",
            (file_id, folded(name), source),
        )
        self._run("DELETE FROM labels WHERE file_id = ?", (file_id,))
        self._run(
            "INSERT INTO labels SELECT ?, kind, label, folded FROM labels WHERE file_id = ?",
            (file_id, source),
        )
        self._run("DELETE FROM texts WHERE rowid = ?", (file_id,))
        self._run(
            f"INSERT INTO texts (rowid, name, {_TEXTS}) SELECT ?, ?, {_TEXTS} FROM texts WHERE rowid = ?",
            (file_id, " ".join(stems(name)), source),
        )

    def forget(self, file_ids: Iterable[int]) -> None:
        """These files say nothing any more: they show no picture."""
        ids = [(file_id,) for file_id in file_ids]
        self._run_many("DELETE FROM facts WHERE file_id = ?", ids)  # texts go with them, by a trigger
        self._run_many("DELETE FROM labels WHERE file_id = ?", ids)

    def _ours(self, file_id: int) -> set[str]:
        """The tags that we wrote on the file, folded."""
        rows = self._run("SELECT ours FROM written WHERE file_id = ?", (file_id,))
        return {folded(label) for (ours,) in rows for label in json.loads(ours)}

    def _name_of(self, file_id: int) -> str:
        name: bytes = self._run("SELECT name FROM files WHERE id = ?", (file_id,)).fetchone()[0]
        return os.fsdecode(name).encode("utf-8", "replace").decode()


def camera(make: str, model: str) -> str:
    """How people call a camera: makers like to begin the model with their own name.

    >>> camera("Canon", "Canon EOS 5D"), camera("NIKON CORPORATION", "NIKON D70"), camera("Apple", "iPhone 7")
    ('Canon EOS 5D', 'NIKON D70', 'Apple iPhone 7')
    """
    maker = next(iter(make.split(maxsplit=1)), "")
    return model if maker and model.casefold().startswith(maker.casefold()) else f"{make} {model}".strip()
