"""The pictures a model may learn from: TSV files in, checked rows out.

A corpus is a folder with ``corpus.tsv`` (or the TSV itself). Columns, named in the first line:
``path`` (relative to the TSV), ``source`` (a short word), ``label`` (``kind:name`` or empty) and
``captions_en``, ``captions_ru``, ``captions_uk`` (cells separated by ``|``, may be missing).
This module must never let an evaluation picture through: reserved names and reserved bytes are dropped here,
before anything else sees the list.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

LANGUAGES = ("en", "ru", "uk")
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})


@dataclass(frozen=True)
class Example:
    """One picture and what is known about it."""

    path: Path
    source: str
    label: str
    captions: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Reserved:
    """What must never be trained on, by name (the last two parts, or one) and by content."""

    names: frozenset[str] = frozenset()
    digests: frozenset[str] = frozenset()

    def covers(self, example: Example) -> bool:
        """True where the name is reserved, or the bytes are those of a reserved picture."""
        parts = example.path.parts
        if "/".join(parts[-2:]) in self.names or parts[-1] in self.names:
            return True
        return bool(self.digests) and digest(example.path) in self.digests


def read_corpus(sources: Iterable[Path], reserved: Reserved) -> list[Example]:
    """All examples of all sources, in order, without the reserved ones."""
    return [one for source in sources for one in read_tsv(tsv_of(source)) if not reserved.covers(one)]


def tsv_of(source: Path) -> Path:
    return source / "corpus.tsv" if source.is_dir() else source


def read_tsv(tsv: Path) -> Iterator[Example]:
    with tsv.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            captions = {lang: cells(row.get(f"captions_{lang}")) for lang in LANGUAGES}
            yield Example(
                tsv.parent / row["path"],
                row["source"],
                row["label"] or "",
                {k: v for k, v in captions.items() if v},
            )


def cells(text: str | None) -> tuple[str, ...]:
    """The non-empty parts of a cell: ``"a| b||"`` gives ``("a", "b")``."""
    return tuple(part.strip() for part in (text or "").split("|") if part.strip())


def read_reserved(lists: Iterable[Path], folders: Iterable[Path]) -> Reserved:
    """Reserved names from list files (one ``set/NAME`` a line), reserved digests from folders of pictures.

    A listed name is kept without its first part: ``labelled-x/ant/image_0001.jpg`` reserves ``ant/image_0001.jpg``,
    and ``captioned-y/123.jpg`` reserves ``123.jpg``.
    """
    names = {
        line.strip().split("/", 1)[-1]
        for path in lists
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip() and not line.startswith("#")
    }
    digests = {
        digest(path)
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in IMAGE_SUFFIXES
    }
    return Reserved(frozenset(names), frozenset(digests))


def digest(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
