"""The files that a query may show: those that are there, or of them those for which a condition holds. Read only.

A condition comes as SQL over the aliases files, folders, pictures and facts, with its values (query/filters.py); what it
means is not known here. Files are chosen, pictures are searched: a picture counts when one of its files does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from kadrd.store.facts import Kind
from kadrd.store.reader import Reader
from kadrd.values import Facts

_T = TypeVar("_T")

_AT_ONCE = 500
_FROM = (
    "files JOIN folders ON folders.id = folder_id JOIN roots ON roots.id = root_id "
    "JOIN pictures ON pictures.id = picture_id LEFT JOIN facts ON facts.file_id = files.id"
)
_SHOWN = "state IN (0, 1) AND online"
# What a file is dated by where it does not say when it was taken: the order of a list needs a place for everyone.
_DATE = "coalesce(taken, mtime_ns / 1000000000)"
ORDERS = {"date": f"{_DATE} DESC, folders.path, files.name", "name": "folders.path, files.name"}
# A word in a title or among the labels says more than one in a long description, a file's name less: cameras give names.
_WEIGHTS = "1.0, 4.0, 1.0, 4.0, 1.0, 1.0"


class Shown(NamedTuple):
    """A file that shows a picture, with what hits tell of it."""

    file_id: int
    picture_id: int
    path: bytes
    picture: str
    """the essence key in hexadecimal"""
    width: int
    height: int
    date: int
    """seconds since 1970: when it was taken, else when the file was changed"""
    size: int
    """bytes"""
    taken: int | None
    taken_offset: int | None
    make: str
    model: str
    city: str
    region: str
    country: str


class Double(NamedTuple):
    """A file whose picture other files show too."""

    picture_id: int
    file_key: bytes
    file_id: int


class Said(NamedTuple):
    """All that is kept of a file."""

    size: int
    """bytes"""
    format: str
    """as decoding it found"""
    facts: Facts


# Facts in the catalogue that are no labels, in the order of values.Facts.
_FACTS = Facts._fields[: Facts._fields.index("keywords")]
_SAID = ", ".join("taken_offset" if name == "offset" else f"facts.{name}" for name in _FACTS)
_COLUMNS = (
    f"files.id, picture_id, folders.path || '/' || files.name, essence_key, width, height, {_DATE}, size, taken, taken_offset, "
    "make, model, city, region, country"
)


class Selection:
    """The files for which *condition* holds; all that are shown without one. Asked from any thread."""

    def __init__(self, reader: Reader, condition: str = "", values: Sequence[Any] = ()) -> None:
        self._reader, self._values = reader, tuple(values)
        self.narrows = bool(condition)
        self._where = f"{_SHOWN} AND ({condition})" if condition else _SHOWN

    def some(self, limit: int) -> NDArray[np.int64]:
        """Up to *limit* pictures, by id; fewer are all that there are."""
        rows = self._ask(f"SELECT DISTINCT picture_id FROM {_FROM} WHERE {self._where} LIMIT ?", (limit,))
        return np.sort(np.fromiter((id_ for (id_,) in rows), np.int64, len(rows)))

    def among(self, picture_ids: Iterable[int]) -> set[int]:
        """Which of these pictures belong to it."""
        found: set[int] = set()
        for chunk in _chunks(list(picture_ids)):
            rows = self._ask(
                f"SELECT DISTINCT picture_id FROM {_FROM} WHERE {self._where} AND picture_id IN ({_marks(chunk)})",
                chunk,
            )
            found.update(id_ for (id_,) in rows)
        return found

    def of_pictures(self, picture_ids: Iterable[int]) -> dict[int, list[Shown]]:
        """The files that show each picture, by path; a picture that none of them shows is left out."""
        found: dict[int, list[Shown]] = {}
        for chunk in _chunks(list(picture_ids)):
            rows = self._ask(
                f"SELECT {_COLUMNS} FROM {_FROM} WHERE {self._where} AND picture_id IN ({_marks(chunk)})",
                chunk,
            )
            for row in rows:
                shown = _shown(row)
                found.setdefault(shown.picture_id, []).append(shown)
        for files in found.values():
            files.sort(key=lambda file: file.path)
        return found

    def of_files(self, file_ids: Sequence[int]) -> list[Shown]:
        """These files in this order; those that do not belong to it (any more) are left out."""
        found: dict[int, Shown] = {}
        for chunk in _chunks(list(file_ids)):
            rows = self._ask(
                f"SELECT {_COLUMNS} FROM {_FROM} WHERE {self._where} AND files.id IN ({_marks(chunk)})",
                chunk,
            )
            found.update((row[0], _shown(row)) for row in rows)
        return [found[id_] for id_ in file_ids if id_ in found]

    def listed(self, order: str, limit: int) -> list[int]:
        """The first *limit* files in one of ORDERS."""
        rows = self._ask(
            f"SELECT files.id FROM {_FROM} WHERE {self._where} ORDER BY {ORDERS[order]} LIMIT ?", (limit,)
        )
        return [id_ for (id_,) in rows]

    def worded(self, match: str, limit: int) -> list[tuple[int, int, float]]:
        """(file, picture, how well: higher is better) of the files whose words *match*, an FTS5 query over stems."""
        rows = self._ask(
            f"SELECT files.id, picture_id, -bm25(texts, {_WEIGHTS}) AS well FROM texts JOIN files ON files.id = texts.rowid "
            "JOIN folders ON folders.id = folder_id JOIN roots ON roots.id = root_id JOIN pictures ON pictures.id = picture_id "
            f"LEFT JOIN facts ON facts.file_id = files.id WHERE texts MATCH ? AND {self._where} "
            "ORDER BY well DESC, files.id LIMIT ?",
            (limit,), first=(match,),
        )  # fmt: skip
        return [(file_id, picture_id, float(well)) for file_id, picture_id, well in rows]

    def doubles(self) -> list[Double]:
        """Every file of a picture that several files show, by path."""
        rows = self._ask(
            f"SELECT picture_id, file_key, files.id FROM {_FROM} WHERE {self._where} AND file_key IS NOT NULL "
            "AND EXISTS (SELECT 1 FROM files AS other WHERE other.picture_id = files.picture_id AND other.id != files.id) "
            "ORDER BY folders.path, files.name"
        )
        return [Double(*row) for row in rows]

    def labels(self, file_ids: Iterable[int]) -> dict[int, list[tuple[Kind, str]]]:
        """The labels of each file, in their order."""
        found: dict[int, list[tuple[Kind, str]]] = {}
        for chunk in _chunks(list(file_ids)):
            rows = self._reader.ask(
                f"SELECT file_id, kind, label FROM labels WHERE file_id IN ({_marks(chunk)}) ORDER BY file_id, kind, label",
                chunk,
            )
            for file_id, kind, label in rows:
                found.setdefault(file_id, []).append((Kind(kind), label.decode(errors="replace")))
        return found

    def said(self, paths: Sequence[bytes]) -> dict[bytes, Said]:
        """What is kept of each of these files that is shown, whether it belongs to the selection or not."""
        found: dict[int, tuple[bytes, list[Any]]] = {}
        for folder, names in _by_folder(paths):
            rows = self._reader.ask(
                f"SELECT files.id, files.name, size, pictures.format, {_SAID} FROM {_FROM} "
                f"WHERE {_SHOWN} AND facts.file_id IS NOT NULL AND folders.path = ? AND files.name IN ({_marks(names)})",
                (folder, *names),
            )
            found |= {id_: (folder + b"/" + name, facts) for id_, name, *facts in rows}
        labels = self.labels(found)
        return {path: _said(facts, labels.get(id_, [])) for id_, (path, facts) in found.items()}

    def _ask(self, sql: str, values: Sequence[Any] = (), first: Sequence[Any] = ()) -> list[Any]:
        """The condition's values stand before those of what is said behind it."""
        return self._reader.ask(sql, (*first, *self._values, *values))


def _shown(row: tuple[Any, ...]) -> Shown:
    file_id, picture_id, path, key, *numbers = row[:10]
    texts = ["" if text is None else text.decode(errors="replace") for text in row[10:]]
    return Shown._make((file_id, picture_id, path, key.hex(), *numbers, *texts))


def _said(row: Sequence[Any], labels: Sequence[tuple[Kind, str]]) -> Said:
    size, format_ = row[0], row[1].decode(errors="replace")
    facts = (one.decode(errors="replace") if isinstance(one, bytes) else one for one in row[2:])
    keywords, tags, people = (
        tuple(label for kind, label in labels if kind == wanted)
        for wanted in (Kind.KEYWORD, Kind.TAG, Kind.PERSON)
    )
    return Said(size, format_, Facts._make((*facts, keywords, tags, people)))


def _by_folder(paths: Sequence[bytes]) -> Iterator[tuple[bytes, list[bytes]]]:
    names: dict[bytes, list[bytes]] = {}
    for path in paths:
        folder, _, name = path.rpartition(b"/")
        names.setdefault(folder, []).append(name)
    for folder, found in names.items():
        for chunk in _chunks(found):
            yield folder, chunk


def _chunks(items: list[_T]) -> Iterator[list[_T]]:
    for start in range(0, len(items), _AT_ONCE):
        yield items[start : start + _AT_ONCE]


def _marks(chunk: Sequence[object]) -> str:
    return ",".join("?" * len(chunk))
